"""How much can be charged from a wallet at once: the largest flow from the roots through what is left on every edge.

Where every wallet on the way up has one parent that is the least room on that way. Where one has several, augmenting
paths (Edmonds and Karp) over the few edges above; own code, because it is a screenful, and a graph library would need
the ledger copied into its own structures for every wallet that is asked about.

It is a bound: charging goes up first open paths and never re-routes, so with shared ancestors it may reach less. It is
zero exactly where no open path is left.
"""

from collections import deque

from ucloud_operator.ledger.network import NOWHERE, OUTSIDE, Network

Steps = list[tuple[int, bool]]  # (edge, whether it is followed upwards)


def max_usable(network: Network, wallet: int) -> int:
    """Return the units that could be charged from here at this instant."""
    usable = None
    above = wallet
    while above != OUTSIDE:
        if not network.is_open(above):
            return 0
        if len(network.edges_up[above]) > 1:
            return largest_flow(network, wallet)
        (edge,) = network.edges_up[above]
        usable = network.room[edge] if usable is None else min(usable, network.room[edge])
        above = network.parent[edge]
    assert usable
    return usable


def largest_flow(network: Network, wallet: int) -> int:
    """Return the same for any shape."""
    flow: dict[int, int] = {}
    total = 0
    while steps := _augmenting_path(network, wallet, flow):
        more = min(_residual(network, flow, edge, upwards=upwards) for edge, upwards in steps)
        assert more > 0
        for edge, upwards in steps:
            flow[edge] = flow.get(edge, 0) + (more if upwards else -more)
        total += more
    assert all(0 <= units <= network.room[edge] for edge, units in flow.items())
    return total


def _residual(network: Network, flow: dict[int, int], edge: int, *, upwards: bool) -> int:
    return network.room[edge] - flow.get(edge, 0) if upwards else flow.get(edge, 0)


def _augmenting_path(network: Network, source: int, flow: dict[int, int]) -> Steps:
    """Find the shortest way from `source` to the outside over what is left, or over flow that is given back."""
    came_by: dict[int, tuple[int, int, bool]] = {}
    queue = deque() if network.closed[source] else deque([source])
    while queue:
        wallet = queue.popleft()
        up = [(network.parent[edge], edge, True) for edge in network.edges_up[wallet]]
        down = [(network.child[edge], edge, False) for edge in network.edges_down[wallet]]
        for other, edge, upwards in up + down:
            known = other in came_by or other in (source, NOWHERE)
            if known or not _residual(network, flow, edge, upwards=upwards):
                continue
            if other != OUTSIDE and network.closed[other]:
                continue
            came_by[other] = (wallet, edge, upwards)
            if other == OUTSIDE:
                return _steps(source, came_by)
            queue.append(other)
    return []


def _steps(source: int, came_by: dict[int, tuple[int, int, bool]]) -> Steps:
    steps = []
    wallet = OUTSIDE
    while wallet != source:
        wallet, edge, upwards = came_by[wallet]
        steps.append((edge, upwards))
    return steps
