"""When the next edge will be full, kept up to date while jobs come and go.

Between two instants at which a path changes, every job's usage is a line, and what is charged through an edge is a sum
of such lines, each rounded down. So for every wallet and edge a **bound** is kept, a line that the exact sum never
exceeds. It says for each edge before which instant it can't be full. Only the edge that may be first is looked at job
by job (`first_reach`), until one is known that is full before any other can be.

A charge changes no bound: what an edge has to carry less, it has less room for; and a wallet's bound has its own usage
in it, which grows by what its jobs owe less. So a job's start or end touches its wallet and the edges on its path, and
nothing else, however long ago the rest was charged.

Levels and rates are in `1/scale` units, as a `Line` has them.
"""

from collections.abc import Iterable
from copy import copy
from heapq import heapify, heappop, heappush

from ucloud_operator.ledger.metering import Metering, earliest_reach, first_reach
from ucloud_operator.ledger.network import NO_EDGE, OUTSIDE, Network
from ucloud_operator.ledger.usage import FOREVER

NEVER = FOREVER << 1

Bound = tuple[int, int]  # (level, rate): `level + rate · at_ms`


class Filling:
    """The bounds of all wallets and edges of a ledger, and what was found out with them."""

    def __init__(self, network: Network, metering: Metering, at_ms: int) -> None:
        self.network = network
        self.metering = metering
        self.bent: dict[int, Bound] = {}  # the bounds of jobs for which it isn't the line itself
        self.own_level, self.own_rate = self._count(at_ms)
        self.level = [0] * len(network.child)
        self.rate = [0] * len(network.child)
        self.soonest = [NEVER] * len(network.child)  # before that it can't be full
        self.queue: list[tuple[int, int]] = []  # a heap of (soonest, edge), some of which are outdated
        self.exact: dict[int, int] = {}  # edge: when it will be full; `soonest` says nothing about these
        self.reroute(range(len(network.child)), at_ms)

    def twin(self, network: Network, metering: Metering) -> "Filling":
        """Make an independent copy, for the twins of what it counts."""
        twin = copy(self)
        twin.network, twin.metering = network, metering
        twin.own_level, twin.own_rate, twin.bent = self.own_level.copy(), self.own_rate.copy(), self.bent.copy()
        twin.level, twin.rate = self.level.copy(), self.rate.copy()
        twin.soonest, twin.queue, twin.exact = self.soonest.copy(), self.queue.copy(), self.exact.copy()
        return twin

    def _count(self, at_ms: int) -> tuple[list[int], list[int]]:
        """Add up every wallet's jobs: what they will have used, less what of that isn't in the wallet's usage."""
        metering, scale = self.metering, self.metering.scale
        levels, rates = [units * scale for units in self.network.local], [0] * len(self.network.wallets)
        for job, (wallet, line, paid) in enumerate(zip(metering.wallet, metering.line, metering.paid, strict=True)):
            level, rate, start_ms, end_ms = line
            if not (start_ms <= at_ms < end_ms and level + rate * at_ms >= paid * scale):
                level, rate = self.bent[job] = metering.bound(job, at_ms)
            levels[wallet] += level - paid * scale
            rates[wallet] += rate
        return levels, rates

    # What will be

    def first(self, after_ms: int, until_ms: int) -> int | None:
        """Return the first instant after `after_ms`, `until_ms` at the latest, at which some edge is full.

        Up to `after_ms` none may be. It costs the more, the more jobs are charged through the edges that may be first.
        """
        first_ms = min([until_ms, *self.exact.values()])
        while self.queue and self.queue[0][0] <= first_ms:
            sooner_ms, edge = heappop(self.queue)
            if sooner_ms != self.soonest[edge]:
                continue
            bills = self.metering.bills(self._jobs(edge))
            full_ms = first_reach(bills, self.metering.scale, self.network.room[edge], after_ms, first_ms)
            if full_ms is None:
                self._expect(edge, first_ms + 1)
            else:
                self._expect(edge, NEVER)
                self.exact[edge] = first_ms = full_ms
        return first_ms if first_ms in self.exact.values() else None

    def full_at(self, at_ms: int) -> list[int]:
        """Return all edges that will be full at an instant that `first` has just given, and not before."""
        return [edge for edge, full_ms in self.exact.items() if full_ms == at_ms]

    def _jobs(self, edge: int) -> list[int]:
        jobs: list[int] = []
        for wallet in self.network.fed_by(self.network.child[edge]):
            if not self.network.free[wallet]:
                jobs += self.metering.of_wallet[wallet]
        return jobs

    # What has changed

    def start(self, job: int, after_ms: int) -> None:
        """Count a job that has just been put there. Up to `after_ms` it may not have filled anything."""
        level, rate = bound = self.metering.bound(job, after_ms)
        if bound != self.metering.line[job][:2]:
            self.bent[job] = bound
        self._add(job, level - self.metering.paid[job] * self.metering.scale, rate, after_ms)

    def end(self, job: int, at_ms: int) -> None:
        """Count no more than a job will have used by now: its run has just been ended."""
        level, rate = self.bent.get(job, self.metering.line[job][:2])
        self.bent[job] = used, none = self.metering.bound(job, at_ms)
        self._add(job, used - level, none - rate, at_ms)

    def forget(self, job: int, at_ms: int) -> None:
        """Don't count a job any longer that owes nothing."""
        assert not self.metering.due(job, at_ms)
        level, rate = self.bent.pop(job, self.metering.line[job][:2])
        self._add(job, self.metering.paid[job] * self.metering.scale - level, -rate, at_ms)

    def _add(self, job: int, level: int, rate: int, after_ms: int) -> None:
        wallet = self.metering.wallet[job]
        self.own_level[wallet] += level
        self.own_rate[wallet] += rate
        assert self.own_rate[wallet] >= 0
        for edge in () if self.network.free[wallet] else self.network.path(wallet):
            self.level[edge] += level
            self.rate[edge] += rate
            self._look_again(edge, after_ms)

    def reroute(self, edges: Iterable[int], after_ms: int) -> None:
        """Add up the edges' bounds anew. Only these are charged by others than before."""
        network, scale = self.network, self.metering.scale
        level, rate = [0] * len(network.wallets), [0] * len(network.wallets)
        self.level, self.rate = [-1] * len(network.child), [0] * len(network.child)  # never full: it carries nothing
        for wallet in reversed(network.parents_first):
            edge = network.first_open[wallet]
            if edge == NO_EDGE:
                continue
            if not network.free[wallet]:
                level[wallet] += self.own_level[wallet] - network.local[wallet] * scale
                rate[wallet] += self.own_rate[wallet]
            self.level[edge], self.rate[edge] = level[wallet] - network.room[edge] * scale, rate[wallet]
            if network.parent[edge] != OUTSIDE:
                level[network.parent[edge]] += level[wallet]
                rate[network.parent[edge]] += rate[wallet]
        for edge in edges:
            self._look_again(edge, after_ms)

    def _look_again(self, edge: int, after_ms: int) -> None:
        self.exact.pop(edge, None)
        sooner_ms = earliest_reach(self.level[edge], self.rate[edge], self.metering.scale, 0, after_ms)
        self._expect(edge, NEVER if sooner_ms is None else sooner_ms)

    def _expect(self, edge: int, sooner_ms: int) -> None:
        self.soonest[edge] = sooner_ms
        heappush(self.queue, (sooner_ms, edge))
        if len(self.queue) > 2 * len(self.soonest) + 64:
            self.queue = [(ms, edge) for edge, ms in enumerate(self.soonest)]
            heapify(self.queue)
