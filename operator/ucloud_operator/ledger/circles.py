"""Wallets whose parents lead back to themselves, and an order in which parents come before children otherwise.

Nothing can be charged through a circle, so its members are locked, and so is whoever reaches a root only through one.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

Parents = Mapping[str, Collection[str]]


def circles(parents: Parents) -> tuple[tuple[str, ...], ...]:
    """Return each wallet's shortest circle, once: from its least name upwards, without repeating that at the end."""
    found = set()
    for name in sorted(_core(parents)):
        circle = _shortest_circle(name, parents)
        if circle:
            least = circle.index(min(circle))
            found.add(circle[least:] + circle[:least])
    return tuple(sorted(found))


def parents_first(parents: Parents) -> list[str]:
    """Sort so that every wallet comes after all of its parents. There must be no circle."""
    order = _peel(parents)
    assert len(order) == len(parents), "there is a circle"
    return order


def _core(parents: Parents) -> set[str]:
    """Find the wallets that are in a circle or between two: those that no peeling, from above or below, takes away."""
    left = parents.keys() - _peel(parents)
    children: dict[str, list[str]] = {name: [] for name in left}
    for name in left:
        for parent in parents[name]:
            if parent in left:
                children[parent].append(name)
    return left - set(_peel(children))


def _peel(above: Parents) -> list[str]:
    """Take away, again and again, whoever has nobody above; what is left is in or under a circle."""
    waits = {name: len(set(names) & above.keys()) for name, names in above.items()}
    below: dict[str, list[str]] = {name: [] for name in above}
    for name, names in above.items():
        for other in set(names) & above.keys():
            below[other].append(name)
    peeled = sorted(name for name, count in waits.items() if not count)
    for name in peeled:
        for other in sorted(below[name]):
            waits[other] -= 1
            if not waits[other]:
                peeled.append(other)  # the list is its own queue
    return peeled


def _shortest_circle(start: str, parents: Parents) -> tuple[str, ...]:
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for parent in sorted(parents.get(name, ())):
            if parent == start:
                return tuple(reversed(tuple(_trail(name, came_from))))
            if parent not in came_from:
                came_from[parent] = name
                queue.append(parent)
    return ()


def _trail(name: str, came_from: Mapping[str, str]) -> Iterable[str]:
    yield name
    while name in came_from:
        name = came_from[name]
        yield name
