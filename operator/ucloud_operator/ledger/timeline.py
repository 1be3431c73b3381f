"""Money that moves in time: charges, exhaustions, windows that open and close, and whom that stops.

The definition (design §3, §12): go millisecond by millisecond; the units that fall due for each job, in the order of
(start, uid), go up the first open path; a unit that finds none isn't charged, and every job whose wallet has no open
path after that millisecond stops at it. At one instant: what falls due is charged; allocations retire; allocations
activate; edits apply; excess is routed; what is still due is charged; then jobs stop, and what is left is overrun.

`Timeline` does that without walking. Between two instants at which something happens every job's units take one path,
so what an edge has to carry by an instant is a sum of floors, and monotone. The next exhaustion is the first instant at
which the sum of some edge reaches its room: exact fractions say for every edge before when there is nothing to look
for, then the few edges that may be first are searched on the floors. Up to the millisecond before it everything is
charged at once, in it job by job; so an edge ends with exactly nothing left, an inner edge caps before an outer one,
and whoever has another path takes it.
"""

from collections.abc import Sequence
from copy import copy

from ucloud_operator.ledger.check import check
from ucloud_operator.ledger.metering import Metering, bound, earliest_reach, first_reach
from ucloud_operator.ledger.network import NO_EDGE, OUTSIDE, Network
from ucloud_operator.ledger.state import State, Stop
from ucloud_operator.ledger.usage import FOREVER


class Timeline:
    """A state that moves. Every method leaves it between two steps: `move`, `settle`, `decide`, and again."""

    def __init__(self, state: State) -> None:
        check(state)
        self.at_ms = state.at_ms
        self.network = Network(state.wallets)
        self.metering = Metering(state.meters, self.network.index, state.at_ms)
        self.transitions = sorted({*self.network.transitions(), *self.metering.transitions(), FOREVER}, reverse=True)
        self._settled = False
        self.unpaid: dict[int, int] = {}
        self.stops: list[tuple[int, int]] = []

    def twin(self) -> "Timeline":
        """Make an independent copy, to look ahead with."""
        twin = copy(self)
        twin.network = self.network.twin()
        twin.metering = self.metering.twin()
        twin.transitions = self.transitions.copy()
        twin.unpaid = self.unpaid.copy()
        twin.stops = self.stops.copy()
        return twin

    def move(self, limit_ms: int) -> bool:
        """Go to the next instant at which something happens, `limit_ms` at the latest, and settle it.

        False, and nothing was done, where that is FOREVER and nothing will happen.
        """
        assert limit_ms > self.at_ms
        calm_until_ms = min(limit_ms, self.transitions[-1])
        exhaustion_ms = self._next_exhaustion(calm_until_ms)
        next_ms = calm_until_ms if exhaustion_ms is None else exhaustion_ms
        if next_ms == FOREVER:
            next_ms = max((line.start_ms for line in self.metering.line), default=self.at_ms)
            if next_ms <= self.at_ms:
                return False
        assert self.at_ms < next_ms <= limit_ms
        self._refuse_starts(next_ms)
        self._charge(self.metering.dues(next_ms if exhaustion_ms is None else next_ms - 1))
        self.at_ms = next_ms
        if exhaustion_ms is not None:
            self._charge_now()
        self._turn()
        return True

    def may_stop(self) -> bool:
        """Whether there is a job left that time could stop."""
        return any(
            run.price * run.replicas or self._blocked(job)
            for job, runs in enumerate(self.metering.runs)
            for run in runs
            if run.end_ms is None or run.end_ms > self.at_ms
        )

    def settle(self) -> None:
        """Do what happens at this very instant, but for its stops, unless it is done: for the beginning."""
        if not self._settled:
            self._charge_now()
            self._turn()
            self._settled = True

    def _turn(self) -> None:
        """Do the transitions of this instant, then route excess, then charge what is still due."""
        if self.transitions[-1] <= self.at_ms:
            while self.transitions[-1] <= self.at_ms:
                self.transitions.pop()
            self.network.turn(self.at_ms)
            self.metering.turn(self.at_ms)
        self.network.route_excess()
        if self.unpaid:
            self._charge_now()

    def decide(self) -> None:
        """End the runs of wallets that are locked now, and write off what was due and found no room."""
        for wallet, jobs in enumerate(self.metering.of_wallet):
            if jobs and self.network.is_locked(wallet):
                for job in jobs:
                    self._stop(job, self.at_ms)
        for job, units in self.unpaid.items():
            self.metering.write_off(job, units)
        self.unpaid = {}

    def take_stops(self) -> tuple[Stop, ...]:
        """Return the stops since the last time, in the order of (instant, start, uid)."""
        stops = tuple(Stop(self.metering.meters[job].uid, at_ms) for at_ms, job in sorted(self.stops))
        self.stops = []
        return stops

    def _charge_now(self) -> None:
        """Charge all that is due at this instant, job by job where there may be too little; note what finds no room."""
        network, metering = self.network, self.metering
        dues = metering.dues(self.at_ms)
        contested = network.contested(metering.per_wallet(dues))
        self._charge([0 if wallet in contested else due for wallet, due in zip(metering.wallet, dues, strict=True)])
        self.unpaid = {}
        for job, due in enumerate(dues if contested else ()):
            wallet = metering.wallet[job]
            if due and wallet in contested:
                charged = due if network.free[wallet] else network.route(wallet, due)
                network.local[wallet] += charged
                metering.charge(job, charged)
                if charged < due:
                    self.unpaid[job] = due - charged

    def _charge(self, dues: Sequence[int]) -> None:
        """Charge every job so much, all at once. No edge may fill by it."""
        self.metering.charge_all(dues)
        self.network.pour(self.metering.per_wallet(dues))

    def _refuse_starts(self, before_ms: int) -> None:
        """End the runs that begin on the way in wallets that stay locked until `before_ms`: each at its start."""
        for wallet, jobs in enumerate(self.metering.of_wallet):
            if jobs and self.network.is_locked(wallet):
                for job in jobs:
                    start_ms = self.metering.line[job].start_ms
                    if self.at_ms < start_ms < before_ms:
                        self._stop(job, start_ms)

    def _stop(self, job: int, at_ms: int) -> None:
        run = self.metering.run_at(job, at_ms)
        if run is not None and (run.price * run.replicas or self._blocked(job)):
            self.metering.end_run(job, at_ms)
            self.stops.append((at_ms, job))

    def _blocked(self, job: int) -> bool:
        return bool(self.network.wallets[self.metering.wallet[job]].blocked)

    def _next_exhaustion(self, until_ms: int) -> int | None:
        """Return the first instant from now on, `until_ms` at the latest, at which some edge is filled."""
        network, metering = self.network, self.metering
        found = None
        for sooner_ms, edge in self._candidates():
            if sooner_ms > until_ms:
                break
            fed_by = (wallet for wallet in network.fed_by(network.child[edge]) if not network.free[wallet])
            bills = metering.bills(job for wallet in fed_by for job in metering.of_wallet[wallet])
            full_ms = first_reach(bills, metering.scale, network.room[edge], self.at_ms, until_ms)
            if full_ms is not None:
                found = until_ms = full_ms
        return found

    def _candidates(self) -> list[tuple[int, int]]:
        """Return (instant before which it can't fill, edge), the soonest first, for all edges that carry anything."""
        network, metering = self.network, self.metering
        level, rate = [0] * len(network.wallets), [0] * len(network.wallets)
        candidates = []
        for wallet in reversed(network.parents_first):
            edge = network.first_open[wallet]
            if edge == NO_EDGE:
                continue
            if not network.free[wallet]:
                own = bound(metering.bills(metering.of_wallet[wallet]), metering.scale, self.at_ms)
                level[wallet] += own[0]
                rate[wallet] += own[1]
            sooner_ms = earliest_reach(level[wallet], rate[wallet], metering.scale, network.room[edge], self.at_ms)
            if sooner_ms is not None:
                candidates.append((sooner_ms, edge))
            above = network.parent[edge]
            if above != OUTSIDE:
                level[above] += level[wallet]
                rate[above] += rate[wallet]
        return sorted(candidates)
