"""The ledger: a state, what becomes of it in time, and what can be asked about it."""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from itertools import groupby

from ucloud_operator.ledger import edits
from ucloud_operator.ledger.flow import max_usable
from ucloud_operator.ledger.state import Forecast, Meter, State, Stop, Wallet, WalletNumbers
from ucloud_operator.ledger.timeline import Timeline
from ucloud_operator.ledger.usage import FOREVER

MINUTE_MS = 60_000


class Ledger:
    """The ledger of any number of components. Raises ValueError for what can't be a ledger's state.

    Wallets that are in a circle of parents are locked, and whoever reaches a root only through one.
    """

    def __init__(self, state: State) -> None:
        self._timeline = Timeline(state)

    @property
    def at_ms(self) -> int:
        """How far it has come."""
        return self._timeline.at_ms

    def state(self) -> State:
        """Return everything as values: a checkpoint. A ledger that is built from it goes on as this one would."""
        return State(self.at_ms, self.wallets(), self._timeline.metering.now())

    def wallets(self) -> tuple[Wallet, ...]:
        """Return the wallets as `state()` has them, without the jobs."""
        self._timeline.catch_up()
        return self._timeline.network.now()

    def wallet(self, name: str) -> Wallet:
        """Return one wallet as `state()` has it. Raises KeyError for a wallet that isn't there."""
        self._timeline.catch_up()
        network = self._timeline.network
        return network.wallet_now(network.index[name])

    def twin(self) -> "Ledger":
        """Make an independent copy, for much less than a new one costs."""
        twin = copy(self)
        twin._timeline = self._timeline.twin()  # noqa: SLF001  # its own kind
        return twin

    # Moving on

    def advance(self, to_ms: int) -> tuple[Stop, ...]:
        """Do all that happens up to and including `to_ms`. Returns the jobs that stop by it, in time order."""
        self._reach(to_ms)
        self._timeline.decide()
        return self._timeline.take_stops()

    def reach(self, to_ms: int) -> tuple[Stop, ...]:
        """Do the same, but leave open who stops at `to_ms` itself: edits of that instant come first.

        Take `state()`, apply the edits, and advance a ledger of the result to the same instant.
        """
        self._reach(to_ms)
        return self._timeline.take_stops()

    def _reach(self, to_ms: int) -> None:
        if to_ms < self.at_ms:
            raise ValueError(f"the ledger is at {self.at_ms} and can't go back to {to_ms}")
        self._timeline.settle()
        while self.at_ms < to_ms:
            self._timeline.decide()
            self._timeline.move(to_ms)
        assert self.at_ms == to_ms

    # Looking ahead: what comes if nothing changes. Every transition costs a little, so give a horizon if there is one.

    def forecast(self, horizon_ms: int | None = None) -> Forecast | None:
        """Return the next exhaustion that stops a job, `horizon_ms` at the latest."""
        stops = self._timeline.stops_next(_limit(horizon_ms))
        if stops is None:
            return next(self.forecasts(horizon_ms), None)
        return Forecast(stops[0].at_ms, stops) if stops else None

    def forecasts(self, horizon_ms: int | None = None) -> Iterator[Forecast]:
        """Yield every exhaustion that stops a job, in order, as if each were obeyed."""
        self._timeline.next_exhaustion(_limit(horizon_ms))  # its twin won't have to
        return _foresee(self._timeline.twin(), _limit(horizon_ms))

    def runway(self, meter: Meter, horizon_ms: int | None = None) -> int | None:
        """Return when this job would be stopped if it ran from now on, or None if it outlasts `horizon_ms`.

        It takes the place of a job of the same uid (one that is suspended and would go on). Every exhaustion before its
        own costs a little: give a horizon if that is all you want to know.
        """
        ahead = self._timeline.twin()
        if not ahead.start(meter):
            ahead = Timeline(self._with(meter))
        for forecast in _foresee(ahead, _limit(horizon_ms)):
            if any(stop.uid == meter.uid for stop in forecast.stops):
                return forecast.at_ms
        return None

    # Jobs that come and go: the same as to build a ledger anew from the edited state, to the unit and the millisecond,
    # but only the job's own wallet and the edges on its path are looked at. Advance to the same instant to decide what
    # comes of it. Where it isn't that simple (see `Timeline.start`), the ledger is indeed built anew.

    def start(self, meter: Meter) -> None:
        """Add a job to what is at this instant, or put it in the place of the one of the same uid.

        Raises ValueError if its wallet isn't there, or hasn't used what the job is said to have been charged.
        """
        if not self._timeline.start(meter):
            self._timeline = Timeline(self._with(meter))

    def stop(self, uid: str) -> None:
        """End a job's run at this instant, if it has not ended yet: it is charged until now (in ms) and not longer.

        Raises ValueError for a job that isn't there, or whose last run has yet to begin.
        """
        if not self._timeline.stop(uid):
            self._timeline = Timeline(edits.stop(self.state(), uid))

    def _with(self, meter: Meter) -> State:
        state = self.state()
        others = tuple(one for one in state.meters if one.uid != meter.uid)
        return replace(state, meters=(*others, meter))

    # Numbers

    def numbers(self, name: str) -> WalletNumbers:
        """Return a wallet's numbers as of now. Raises KeyError for a wallet that isn't there."""
        self._timeline.catch_up()
        network = self._timeline.network
        wallet = network.index[name]
        return WalletNumbers(
            quota=sum(network.quota(edge) for edge in network.edges_up[wallet]),
            local_usage=network.local[wallet],
            total_usage=network.local[wallet] + network.inflow(wallet),
            tree_usage=network.outflow(wallet),
            total_allocated=sum(network.quota(edge) for edge in network.edges_down[wallet]),
            max_usable=max_usable(network, wallet),
            locked=network.is_locked(wallet),
            excess=network.excess(wallet),
        )

    def locked(self) -> frozenset[str]:
        """Return the wallets from which nothing can be charged any more."""
        network = self._timeline.network
        return frozenset(name for name, number in network.index.items() if network.is_locked(number))

    def overrun(self, uid: str) -> int:
        """Return the units of this job that found no room. Raises KeyError for a job that isn't there."""
        metering = self._timeline.metering
        job = metering.index[uid]
        return metering.paid[job] - metering.charged[job]

    def __contains__(self, uid: str) -> bool:
        """Say whether it has this job."""
        return uid in self._timeline.metering.index

    def charged(self, uid: str) -> int:
        """Return the units that this job was charged. Raises KeyError for a job that isn't there."""
        metering = self._timeline.metering
        job = metering.index[uid]
        self._timeline.catch_up_with(job)
        return metering.charged[job]

    def rate_per_minute(self, name: str) -> int:
        """Return the units per minute, rounded down, of its own running jobs and of those that are charged through it.

        Raises KeyError for a wallet that isn't there.
        """
        network, metering = self._timeline.network, self._timeline.metering
        own = network.index[name]
        charging = (wallet for wallet in network.fed_by(own) if wallet == own or not network.free[wallet])
        rate = sum(rate for wallet in charging for rate in self._rates(metering.of_wallet[wallet]))
        return rate * MINUTE_MS // metering.scale

    def is_spent(self) -> bool:
        """Say whether any job runs that costs anything."""
        return any(self._rates(range(len(self._timeline.metering.line))))

    def _rates(self, jobs: Iterable[int]) -> Iterator[int]:
        lines = (self._timeline.metering.line[job] for job in jobs)
        return (line.rate for line in lines if line.start_ms <= self.at_ms < line.end_ms)

    def at_and_below(self, name: str) -> frozenset[str]:
        """Return the wallet and all that it pays for, through however many others."""
        network = self._timeline.network
        found, todo = {network.index[name]}, [network.index[name]]
        while todo:
            below = {network.child[edge] for edge in network.edges_down[todo.pop()]} - found
            found |= below
            todo.extend(below)
        return frozenset(network.wallets[number].name for number in found)

    def circles(self) -> tuple[tuple[str, ...], ...]:
        """Return the circles that lock their members: names from the least upwards, the last one's parent the first."""
        return self._timeline.network.circles


def _limit(horizon_ms: int | None) -> int:
    return FOREVER if horizon_ms is None else horizon_ms


def _foresee(ahead: Timeline, limit_ms: int) -> Iterator[Forecast]:
    ahead.settle()
    moved = True
    while moved:
        ahead.decide()
        for at_ms, stops in groupby(ahead.take_stops(), key=lambda stop: stop.at_ms):
            yield Forecast(at_ms, tuple(stops))
        moved = ahead.at_ms < limit_ms and ahead.may_stop() and ahead.move(limit_ms)
