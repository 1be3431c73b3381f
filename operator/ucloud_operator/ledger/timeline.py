"""Money that moves in time: charges, exhaustions, windows that open and close, and whom that stops.

The definition (design §3, §12): go millisecond by millisecond; the units that fall due for each job, in the order of
(start, uid), go up the first open path; a unit that finds none isn't charged, and every job whose wallet has no open
path after that millisecond stops at it. At one instant: what falls due is charged; allocations retire; allocations
activate; edits apply; excess is routed; what is still due is charged; then jobs stop, and what is left is overrun.

`Timeline` does that without walking. Between two instants at which something happens every job's units take one path,
so what an edge has to carry by an instant is a sum of floors, and monotone. The next exhaustion is the first instant at
which the sum of some edge reaches its room: exact fractions say for every edge before when there is nothing to look
for, then the few edges that may be first are searched on the floors (`Filling`). Up to the millisecond before it
everything is charged at once, in it job by job (`Charging`); so an edge ends with exactly nothing left, an inner edge
caps before an outer one, and whoever has another path takes it.

A job that starts or stops in between changes the sums on its own path. Only what isn't so simple, a job that will start
later, a change at an instant that isn't decided yet and the like, takes a timeline that is built anew.
"""

from copy import copy

from ucloud_operator.ledger.charging import Charging
from ucloud_operator.ledger.check import check
from ucloud_operator.ledger.metering import Metering
from ucloud_operator.ledger.network import Network
from ucloud_operator.ledger.state import Meter, State, Stop
from ucloud_operator.ledger.usage import FOREVER


class Timeline:
    """A state that moves. Every method leaves it between two steps: `move`, `settle`, `decide`, and again."""

    def __init__(self, state: State) -> None:
        check(state)
        self.at_ms = state.at_ms
        network = Network(state.wallets)
        metering = Metering(state.meters, network.index, state.at_ms)
        self.transitions = sorted({*network.transitions(), *metering.transitions(), FOREVER}, reverse=True)
        self.stops: list[tuple[int, int]] = []
        self._charging = Charging(network, metering)
        self._settled = False

    @property
    def network(self) -> Network:
        """The wallets, some of which may have been charged too little until `catch_up`."""
        return self._charging.network

    @property
    def metering(self) -> Metering:
        """The jobs, likewise."""
        return self._charging.metering

    def twin(self) -> "Timeline":
        """Make an independent copy, to look ahead with."""
        twin = copy(self)
        twin.transitions, twin.stops = self.transitions.copy(), self.stops.copy()
        twin._charging = self._charging.twin()  # noqa: SLF001  # its own
        return twin

    # Moving on

    def move(self, limit_ms: int) -> bool:
        """Go to the next instant at which something happens, `limit_ms` at the latest, and settle it.

        False, and nothing was done, where that is FOREVER and nothing will happen.
        """
        assert limit_ms > self.at_ms
        exhaustion_ms = self.next_exhaustion(limit_ms)
        next_ms = min(limit_ms, self.transitions[-1]) if exhaustion_ms is None else exhaustion_ms
        if next_ms == FOREVER:
            next_ms = max((self.metering.line[job].start_ms for job in self.metering.waiting), default=self.at_ms)
            if next_ms <= self.at_ms:
                return False
        assert self.at_ms < next_ms <= limit_ms
        self._refuse_starts(next_ms)
        self.at_ms = next_ms
        self._charging.is_behind = True
        if exhaustion_ms is not None:
            self._charging.exhaust(self.at_ms)
        if self.transitions[-1] <= self.at_ms:
            self._turn()
        return True

    def catch_up(self) -> None:
        """Charge all that has fallen due. Only who reads what was charged has to ask for it."""
        self._charging.catch_up(self.at_ms)

    def catch_up_with(self, job: int) -> None:
        """Do the same for one job."""
        self._charging.catch_up_with(job, self.at_ms)

    def settle(self) -> None:
        """Do what happens at this very instant, but for its stops, unless it is done: for the beginning."""
        if not self._settled:
            self._charging.charge_now(self.at_ms)
            self._turn()
            self._settled = True

    def _turn(self) -> None:
        """Do the transitions of this instant, then route excess, then charge what is still due."""
        self.catch_up()
        if self.transitions[-1] <= self.at_ms:
            while self.transitions[-1] <= self.at_ms:
                self.transitions.pop()
            self.network.turn(self.at_ms)
            self.metering.turn(self.at_ms)
        self.network.route_excess()
        if self._charging.unpaid:
            self._charging.charge_now(self.at_ms)
        self._charging.forget_paths()

    # Looking ahead

    def may_stop(self) -> bool:
        """Whether there is a job left that time could stop."""
        metering = self.metering
        return any(
            metering.goes_on(job, self.at_ms, unpriced=self._blocked(job)) for job in range(len(metering.meters))
        )

    def next_exhaustion(self, limit_ms: int) -> int | None:
        """Return the first instant at which some edge is full, if it is by `limit_ms` and the next transition."""
        if not self._settled or limit_ms <= self.at_ms:
            return None
        return self._charging.filling(self.at_ms).first(self.at_ms, min(limit_ms, self.transitions[-1]))

    def stops_next(self, limit_ms: int) -> tuple[Stop, ...] | None:
        """Return who stops at the next exhaustion (nobody: if there is none), where it is plain; else try on a twin.

        Plain: nothing else happens by then, and all below the one edge that is full then have no other way; or nothing
        fills an edge as long as a job runs.
        """
        network, metering, calm_until_ms = self.network, self.metering, self.transitions[-1]
        if metering.waiting or not self._is_calm():
            return None
        full_ms = self.next_exhaustion(limit_ms)
        if full_ms is None:
            return () if limit_ms < calm_until_ms or metering.last_ms <= calm_until_ms else None
        full = self._charging.filling(self.at_ms).full_at(full_ms)
        wallets = [one for one in network.fed_by(network.child[full[0]]) if not network.free[one]]
        if full_ms == calm_until_ms or len(full) > 1 or any(len(network.edges_up[wallet]) > 1 for wallet in wallets):
            return None
        below = (job for wallet in wallets for job in metering.of_wallet[wallet])
        stopped = metering.in_order(job for job in below if metering.line[job].rate and metering.runs_at(job, full_ms))
        return tuple(Stop(metering.meters[job].uid, full_ms) for job in stopped) or None

    # Jobs that come and go

    def start(self, meter: Meter) -> bool:
        """Put a job among the others, or in its own place, and settle.

        False, and nothing was done, if it takes a new timeline: if the instant isn't decided; if a run of the job has
        yet to begin, has a period that doesn't divide the scale, or stands elsewhere or began otherwise than the job
        of its uid; or if the state would be none.
        """
        network, metering = self.network, self.metering
        if not (self._is_calm() and metering.takes(meter, network.index, self.at_ms)):
            return False
        wallet, known = network.index[meter.wallet], metering.index.get(meter.uid)
        if known is not None:
            self.catch_up_with(known)
        brought = meter.charged - (0 if known is None else metering.charged[known])
        charged = sum(metering.charged[job] for job in metering.of_wallet[wallet]) if brought > 0 else 0
        if charged + brought > network.local[wallet]:
            return False
        filling = self._charging.filling(self.at_ms)
        if known is not None:
            filling.forget(known, self.at_ms)
        job = metering.put(meter, wallet, self.at_ms)
        filling.start(job, self.at_ms - 1)
        if network.is_locked(wallet):
            network.shut.add(wallet)
        if metering.due(job, self.at_ms):
            self._charging.is_behind = True
            if network.is_stuck(wallet) or filling.first(self.at_ms - 1, self.at_ms) is not None:
                self._charging.charge_late(job, self.at_ms)
        return True

    def stop(self, uid: str) -> bool:
        """End a job's last run now, unless it has ended. False if it takes a new timeline to do that, or can't be."""
        metering, job = self.metering, self.metering.index.get(uid)
        if job is None or not self._is_calm() or not metering.is_in_last_run(job, self.at_ms):
            return False
        if metering.runs_at(job, self.at_ms):
            filling = self._charging.filling(self.at_ms)
            metering.end_run(job, self.at_ms)
            filling.end(job, self.at_ms)
        return True

    def _is_calm(self) -> bool:
        """Whether all of this instant is done and decided, so that one job more or less is all that there is to do."""
        starts_ms = min((self.metering.line[job].start_ms for job in self.metering.waiting), default=FOREVER)
        return self._settled and not self._charging.unpaid and not self.network.shut and starts_ms > self.at_ms

    # Stopping

    def decide(self) -> None:
        """End the runs of wallets that are locked now, and write off what was due and found no room."""
        network, metering = self.network, self.metering
        for wallet in network.shut:
            if metering.of_wallet[wallet] and network.is_locked(wallet):
                for job in metering.of_wallet[wallet]:
                    self._stop(job, self.at_ms)
        network.shut = set()
        for job in [job for job in metering.waiting if metering.line[job].start_ms <= self.at_ms]:
            metering.waiting.remove(job)
            if network.is_locked(metering.wallet[job]):
                self._stop(job, self.at_ms)
        self._charging.write_off()

    def take_stops(self) -> tuple[Stop, ...]:
        """Return the stops since the last time, in the order of (instant, start, uid)."""
        order, meters = self.metering.order, self.metering.meters
        stops = sorted(self.stops, key=lambda stop: (stop[0], order(stop[1])))
        self.stops = []
        return tuple(Stop(meters[job].uid, at_ms) for at_ms, job in stops)

    def _refuse_starts(self, before_ms: int) -> None:
        """End the runs that begin on the way in wallets that stay locked until `before_ms`: each at its start."""
        for job in self.metering.waiting:
            start_ms = self.metering.line[job].start_ms
            if self.at_ms < start_ms < before_ms and self.network.is_locked(self.metering.wallet[job]):
                self._stop(job, start_ms)

    def _stop(self, job: int, at_ms: int) -> None:
        metering = self.metering
        if metering.runs_at(job, at_ms) and (metering.line[job].rate or self._blocked(job)):
            metering.end_run(job, at_ms)
            self.stops.append((at_ms, job))

    def _blocked(self, job: int) -> bool:
        return bool(self.network.wallets[self.metering.wallet[job]].blocked)
