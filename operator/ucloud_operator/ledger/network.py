"""The wallets and edges of a ledger while it moves: room, first open paths, and units that go up them.

Every wallet points at its **first open edge**: of its edges in routing order (the one whose active allocations end
earliest, then by parent name), the first that has room and whose parent has an open path itself. Following the pointers
is the depth-first search for the first open path, done once; they form a forest, so what every edge will carry is a sum
over a subtree. Charging only takes room away, so a pointer only moves on; only a transition (an allocation that
activates, a quota that grew) can move it back, and then all are set anew.

Wallets and edges are numbers here, their properties parallel lists: a twin for a forecast is a handful of list copies.
"""

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import replace
from operator import add

from ucloud_operator.ledger.circles import circles, parents_first
from ucloud_operator.ledger.state import Allocation, Edge, Phase, Wallet

OUTSIDE = -1  # the parent of a root edge
NOWHERE = -2  # a parent that doesn't exist
NO_EDGE = -1  # what a wallet without an open path points at


class Network:
    """Wallets in name order, and their edges."""

    def __init__(self, wallets: Sequence[Wallet]) -> None:
        self.wallets = sorted(wallets, key=lambda wallet: wallet.name)
        self.index = {wallet.name: number for number, wallet in enumerate(self.wallets)}
        parents = {
            wallet.name: {edge.parent for edge in wallet.edges if edge.parent in self.index and edge.parent is not None}
            for wallet in self.wallets
        }
        self.circles = circles(parents)
        members = {name for circle in self.circles for name in circle}
        unrolled = {name: () if name in members else above for name, above in parents.items()}
        self.parents_first = [self.index[name] for name in parents_first(unrolled)]
        self.closed = [bool(wallet.blocked) or wallet.name in members for wallet in self.wallets]
        self.free = [wallet.free_to_use for wallet in self.wallets]
        self.local = [wallet.local_usage for wallet in self.wallets]
        self.edges_up: list[list[int]] = [[] for _ in self.wallets]
        self.edges_down: list[list[int]] = [[] for _ in self.wallets]
        self.child: list[int] = []
        self.parent: list[int] = []
        self.allocations: list[tuple[Allocation, ...]] = []
        self.usage: list[int] = []
        self.unattributed: list[int] = []
        self.room: list[int] = []
        self.first_open: list[int] = []
        self.shut: set[int] = set()  # wallets that may have been locked since somebody looked
        for number, wallet in enumerate(self.wallets):
            for edge in wallet.edges:
                self._add_edge(number, edge)
        self.attribute()
        self.reopen()

    def _add_edge(self, child: int, edge: Edge) -> None:
        number = len(self.child)
        parent = OUTSIDE if edge.parent is None else self.index.get(edge.parent, NOWHERE)
        self.child.append(child)
        self.parent.append(parent)
        self.allocations.append(tuple(sorted(edge.allocations, key=lambda one: (one.end_ms, one.id))))
        self.usage.append(edge.usage)
        self.unattributed.append(edge.usage - sum(allocation.used for allocation in edge.allocations))
        self.room.append(edge.room)
        self.edges_up[child].append(number)
        if parent >= 0:
            self.edges_down[parent].append(number)

    def twin(self) -> "Network":
        """Make an independent copy; what never changes is shared."""
        twin = copy(self)
        twin.local, twin.usage, twin.room = self.local.copy(), self.usage.copy(), self.room.copy()
        twin.allocations, twin.unattributed = self.allocations.copy(), self.unattributed.copy()
        twin.first_open, twin.shut = self.first_open.copy(), self.shut.copy()
        twin.edges_up = self.edges_up.copy()
        return twin

    def now(self) -> tuple[Wallet, ...]:
        """Return the wallets as values."""
        self.attribute()
        return tuple(map(self._value, range(len(self.wallets))))

    def wallet_now(self, number: int) -> Wallet:
        """Return one wallet as a value."""
        self.attribute()
        return self._value(number)

    def _value(self, number: int) -> Wallet:
        wallet, up = self.wallets[number], sorted(self.edges_up[number])
        edges = (
            Edge(before.parent, self.allocations[edge], self.usage[edge])
            for before, edge in zip(wallet.edges, up, strict=True)
        )
        return replace(wallet, local_usage=self.local[number], edges=tuple(edges))

    # What it comes to

    def inflow(self, wallet: int) -> int:
        """Units that came from children."""
        return sum(self.usage[edge] for edge in self.edges_down[wallet])

    def outflow(self, wallet: int) -> int:
        """Units that were passed up."""
        return sum(self.usage[edge] for edge in self.edges_up[wallet])

    def excess(self, wallet: int) -> int:
        """Usage that no edge took. A free wallet's own usage asks for none."""
        local = 0 if self.free[wallet] else self.local[wallet]
        return local + self.inflow(wallet) - self.outflow(wallet)

    def quota(self, edge: int) -> int:
        """The quota that counts now."""
        return sum(allocation.contributes for allocation in self.allocations[edge])

    def is_open(self, wallet: int) -> bool:
        """Whether one more unit can be charged from here."""
        return self.first_open[wallet] != NO_EDGE

    def is_locked(self, wallet: int) -> bool:
        """Whether priced jobs of this wallet must stop."""
        return bool(self.wallets[wallet].blocked) or self.is_stuck(wallet)

    def path(self, wallet: int) -> list[int]:
        """Follow the pointers: the edges of the first open path, from the wallet up; empty if there is none."""
        path: list[int] = []
        while wallet != OUTSIDE:
            edge = self.first_open[wallet]
            if edge == NO_EDGE:
                assert not path, "a pointer leads to a wallet without an open path"
                break
            path.append(edge)
            wallet = self.parent[edge]
        return path

    def fed_by(self, wallet: int) -> Iterator[int]:
        """Yield the wallet and all whose first open path leads through it."""
        stack = [wallet]
        while stack:
            wallet = stack.pop()
            yield wallet
            stack.extend(self.child[edge] for edge in self.edges_down[wallet] if self._points_at(edge))

    def _points_at(self, edge: int) -> bool:
        return self.first_open[self.child[edge]] == edge

    # Charging

    def route(self, wallet: int, units: int) -> int:
        """Charge up the first open path, then the next, as far as there is room. Returns how much that was."""
        left = units
        while left > 0 and (path := self.path(wallet)):
            step = min(left, *(self.room[edge] for edge in path))
            assert step > 0, "an open path has room"
            for edge in path:
                self._take(edge, step)
            for edge in path:
                if not self.room[edge]:
                    self._close(edge)
            left -= step
        assert 0 <= left <= max(units, 0)
        return units - left

    def pour(self, units: Sequence[int]) -> None:
        """Add so much to every wallet's own usage, and charge it up its first open path. No edge may fill by it."""
        self.local = list(map(add, self.local, units))
        for edge, some in enumerate(self._carried(units)):
            if some:
                assert some < self.room[edge], "an edge fills before its exhaustion"
                self._take(edge, some)

    def pour_one(self, wallet: int, units: int) -> None:
        """Do the same for one wallet."""
        assert units >= 0
        self.local[wallet] += units
        for edge in () if self.free[wallet] or not units else self.path(wallet):
            assert units < self.room[edge], "an edge fills before its exhaustion"
            self._take(edge, units)

    def contested(self, units: Sequence[int]) -> Collection[int]:
        """Return the wallets whose units must be charged one after the other, because they may find too little room.

        Those without a path, and those below an edge that can't hold all that is to come: but all wallets, where one
        of those may have another way, and meet the others there.
        """
        contested = {wallet for wallet, some in enumerate(units) if some and self.is_stuck(wallet)}
        for edge, some in enumerate(self._carried(units)):
            if some and some >= self.room[edge]:
                contested.update(self.fed_by(self.child[edge]))
        if any(len(self.edges_up[wallet]) > 1 for wallet in contested):
            return range(len(self.wallets))
        return contested

    def _carried(self, units: Sequence[int]) -> list[int]:
        """Return what every edge has to carry if every wallet's units go up its first open path as it is now."""
        carried = [0] * len(self.child)
        total = [0 if free else some for free, some in zip(self.free, units, strict=True)]
        for wallet in reversed(self.parents_first):
            edge = self.first_open[wallet]
            if total[wallet] and edge != NO_EDGE:
                carried[edge] = total[wallet]
                if self.parent[edge] != OUTSIDE:
                    total[self.parent[edge]] += total[wallet]
        return carried

    def is_stuck(self, wallet: int) -> bool:
        """Whether what this wallet uses finds no way up."""
        return not self.free[wallet] and not self.is_open(wallet)

    def _take(self, edge: int, units: int) -> None:
        assert 0 < units <= self.room[edge]
        self.usage[edge] += units
        self.unattributed[edge] += units
        self.room[edge] -= units

    def route_excess(self) -> None:
        """Charge what no edge took before, wallet by wallet in name order."""
        for wallet in range(len(self.wallets)):
            if self.is_open(wallet) and (excess := self.excess(wallet)):
                self.route(wallet, excess)

    # Pointers

    def reopen(self) -> None:
        """Set every wallet's pointer anew, parents before children."""
        self.first_open = [NO_EDGE] * len(self.wallets)
        self.shut = set(range(len(self.wallets)))
        for wallet in self.parents_first:
            self.edges_up[wallet] = sorted(self.edges_up[wallet], key=self._routing_order)
            self.first_open[wallet] = self._first_open(wallet)

    def _routing_order(self, edge: int) -> tuple[bool, int, str]:
        ends = [one.end_ms for one in self.allocations[edge] if one.phase is Phase.ACTIVE]
        parent = self.parent[edge]
        return (not ends, min(ends, default=0), self.wallets[parent].name if parent >= 0 else "")

    def _first_open(self, wallet: int) -> int:
        if self.closed[wallet]:
            return NO_EDGE
        for edge in self.edges_up[wallet]:
            parent = self.parent[edge]
            if self.room[edge] and parent != NOWHERE and (parent == OUTSIDE or self.is_open(parent)):
                return edge
        return NO_EDGE

    def _close(self, edge: int) -> None:
        """Move on the pointers of those whose path led through an edge that has just been filled."""
        stale = [self.child[edge]]
        while stale:
            wallet = stale.pop()
            self.first_open[wallet] = self._first_open(wallet)
            if not self.is_open(wallet):
                self.shut.add(wallet)
                stale.extend(self.child[below] for below in self.edges_down[wallet] if self._points_at(below))

    # Allocations

    def attribute(self) -> None:
        """Attribute what was charged since the last time to the active allocations, in the order of their ends."""
        for edge, units in enumerate(self.unattributed):
            if units:
                self.allocations[edge], self.unattributed[edge] = _attributed(self.allocations[edge], units)

    def turn(self, at_ms: int) -> None:
        """Retire, then activate what is due."""
        self.attribute()
        for edge, allocations in enumerate(self.allocations):
            if any(_phase_at(one, at_ms) is not one.phase for one in allocations):
                self.allocations[edge] = tuple(replace(one, phase=_phase_at(one, at_ms)) for one in allocations)
                self.room[edge] = max(0, self.quota(edge) - self.usage[edge])
        self.reopen()

    def transitions(self) -> Iterator[int]:
        """Yield every instant at which an allocation changes its phase, those in the past too."""
        for allocations in self.allocations:
            for one in allocations:
                if one.phase is Phase.PENDING:
                    yield one.start_ms
                if one.phase is not Phase.RETIRED:
                    yield one.end_ms


def _phase_at(allocation: Allocation, at_ms: int) -> Phase:
    if allocation.end_ms <= at_ms:
        return Phase.RETIRED
    if allocation.phase is Phase.PENDING and allocation.start_ms <= at_ms:
        return Phase.ACTIVE
    return allocation.phase


def _attributed(allocations: tuple[Allocation, ...], units: int) -> tuple[tuple[Allocation, ...], int]:
    """Give `units` to the active allocations with room, and say what is left (nothing, where the edge had the room)."""
    given = []
    for one in allocations:
        share = min(units, max(0, one.quota - one.used)) if one.phase is Phase.ACTIVE else 0
        given.append(replace(one, used=one.used + share) if share else one)
        units -= share
    return tuple(given), units
