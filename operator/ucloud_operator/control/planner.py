"""Plans: a component of wallets as of one instant, and what time will bring if nothing else happens.

A plan is worked out from the facts when one of them has changed. Until then the same ledger only moves on: what we
publish ourselves changes no fact, it is where the ledger is. So a thousand wallets that are published one after the
other cost one look ahead, not a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from ucloud_operator.control.accounts import runs_of
from ucloud_operator.control.sources import UNDER_WAY_MS, began_ms, ends_of
from ucloud_operator.ledger.ledger import Ledger
from ucloud_operator.ledger.state import Phase, WalletNumbers
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import reserved_for
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from ucloud_operator.control.sources import Sources
    from ucloud_operator.control.world import World
    from ucloud_operator.ledger.state import Run, State
    from ucloud_operator.ledger.state import Wallet as Account

MOMENT_MS = 10
"""A plan that was made a moment ago is good enough: all wallets of a component ask at once."""

MAX_PLANNED_STOPS = 64
"""How many exhaustions are looked ahead to: a bound, not a rule; the next one is planned when the first has come."""


@dataclass(frozen=True)
class Plan:
    """A component as of now, or as of just before the first stop that the jobs don't say yet."""

    ledger: Ledger
    """As of `at_ms`. It isn't to be advanced."""
    component: tuple[str, ...]
    ends_ms: Mapping[str, int]
    """By job uid: when its credits end."""
    exhausts_ms: Mapping[str, int]
    """By wallet."""
    next_change_ms: int
    """When an allocation begins or ends, FOREVER_MS if none does."""
    reserved: Mapping[str, int]
    """By wallet: what is set aside for its own jobs and not used yet. Those that have none are left out."""
    recent_runs: tuple[str, ...]
    """The uids of jobs that have only just begun, and are counted."""

    @property
    def at_ms(self) -> int:
        """The instant (unix ms)."""
        return self.ledger.at_ms

    @cached_property
    def state(self) -> State:
        """All of it as values."""
        return self.ledger.state()

    @cached_property
    def numbers(self) -> Mapping[str, WalletNumbers]:
        """The numbers of every wallet."""
        return _Numbers(self.ledger, self.component)

    @property
    def circles(self) -> tuple[tuple[str, ...], ...]:
        """Wallets whose parents lead back to themselves."""
        return self.ledger.circles()


class _Numbers(Mapping[str, WalletNumbers]):
    """Numbers that are worked out when they are asked for."""

    def __init__(self, ledger: Ledger, names: tuple[str, ...]) -> None:
        self._ledger, self._names = ledger, dict.fromkeys(names)
        self._known: dict[str, WalletNumbers] = {}

    def __getitem__(self, name: str) -> WalletNumbers:
        if name not in self._known:
            self._known[name] = self._ledger.numbers(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(slots=True)
class _Foresight:
    """A ledger that moves with the time, and what was foreseen when it was built."""

    component: tuple[str, ...]
    version: int
    ledger: Ledger
    ends_ms: Mapping[str, int]
    exhausts_ms: Mapping[str, int]
    unsaid_ms: int  # the first stop that the jobs don't say: nothing goes past it
    reserving: tuple[tuple[str, int, tuple[Run, ...]], ...]  # wallet, what is set aside, and for which runs
    began_ms: tuple[tuple[int, str], ...]  # of counted jobs, the youngest first, with their uids
    next_change_ms: int = -1
    plan: Plan | None = None
    asked_ms: int = -1


class Planner:
    """Makes plans, and remembers the newest."""

    def __init__(self, world: World, sources: Sources) -> None:
        """Take the world to read, and what makes a ledger's facts of it."""
        self._world, self._sources = world, sources
        self._foresight: dict[str, _Foresight] = {}  # by the component's first wallet
        self._latest: dict[str, Plan] = {}  # by wallet

    def plan(self, component: tuple[str, ...], now_ms: int) -> Plan:
        """Work out the component as of now, or as of just before the first stop that the jobs don't say yet."""
        known, version = self._foresight.get(component[0]), self._world.version_of(component)
        if known is None or (known.version, known.component) != (version, component) or now_ms < known.asked_ms:
            known = self._foresight[component[0]] = self._foresee(component, version, now_ms)
        elif known.plan is not None and now_ms <= known.asked_ms + MOMENT_MS:
            return known.plan
        known.asked_ms, known.plan = now_ms, _as_of(known, now_ms)
        return known.plan

    def standing(self, component: tuple[str, ...], now_ms: int) -> Plan | None:
        """Return the component's plan if it can be had without looking ahead anew: no fact has changed since."""
        known = self._foresight.get(component[0]) if component else None
        if known is None or (known.version, known.component) != (self._world.version_of(component), component):
            return None
        return self.plan(component, now_ms)

    def remember(self, component: tuple[str, ...], plan: Plan) -> None:
        """Keep the newest plan of a component for those who ask about one of its jobs or wallets."""
        for key in component:
            self._latest[key] = plan

    def latest(self, wallet_key: str) -> Plan | None:
        """Return the newest plan that the wallet has a part in."""
        return self._latest.get(wallet_key)

    def newest(self, wallet_key: str, now_ms: int) -> Plan:
        """Return that plan, or make one: who has just taken over knows of no end until then, and there may be one."""
        plan = self.latest(wallet_key)
        if plan is None:
            component = self._sources.component(wallet_key)
            plan = self.plan(component, now_ms)
            self.remember(component, plan)
        return plan

    def _foresee(self, component: tuple[str, ...], version: int, now_ms: int) -> _Foresight:
        state = self._sources.state(component, now_ms)
        going = {meter.uid: meter for meter in state.meters if self._sources.goes_on(meter.uid)}
        ledger = Ledger(state)
        ends_ms: dict[str, int] = {}
        for forecast in islice(ledger.forecasts(), MAX_PLANNED_STOPS):
            ends_ms |= {stop.uid: stop.at_ms for stop in forecast.stops}
        armed = set(ends_of(going.values()))
        exhausts_ms = _exhaustions(ledger, sorted({*ends_ms.values(), *armed})[:MAX_PLANNED_STOPS])
        ends_ms = {uid: end_ms for uid, end_ms in ends_ms.items() if uid in going}
        billed_ms = self._world.decided.billed_ms(frozenset(component))
        unsaid_ms = min((*ends_ms.values(), *armed, *billed_ms), default=FOREVER_MS)
        ledger.advance(max(ledger.at_ms, min(now_ms, unsaid_ms - 1)))
        return _Foresight(
            component=component,
            version=version,
            ledger=ledger,
            ends_ms=ends_ms,
            exhausts_ms=exhausts_ms,
            unsaid_ms=unsaid_ms,
            reserving=tuple(self._reserving(component)),
            began_ms=self._began(state, ledger),
        )

    def _began(self, state: State, ledger: Ledger) -> tuple[tuple[int, str], ...]:
        """Return when the counted jobs began; what was overrun stands nowhere else, and isn't counted."""
        found = (self._world.jobs.find(meter.uid) for meter in state.meters if not ledger.overrun(meter.uid))
        return tuple(sorted(((began_ms(job), job.metadata.uid) for job in found if job is not None), reverse=True))

    def _reserving(self, component: tuple[str, ...]) -> Iterator[tuple[str, int, tuple[Run, ...]]]:
        for key in component:
            for job in self._sources.jobs_of(key):
                if job.spec.funding == "Reserve" and not job.is_final:
                    yield key, reserved_for(job, self._world.pods_of(job)), runs_of(job, None)


def _as_of(foresight: _Foresight, now_ms: int) -> Plan:
    """Move on to now, as far as nothing is unsaid, and say how it stands."""
    ledger = foresight.ledger
    ledger.advance(max(ledger.at_ms, min(now_ms, foresight.unsaid_ms - 1)))
    if foresight.next_change_ms <= ledger.at_ms:
        foresight.next_change_ms = _next_change(ledger.wallets())
    reserved: dict[str, int] = {}
    for key, amount, runs in foresight.reserving:
        reserved[key] = reserved.get(key, 0) + max(0, amount - usage_at(runs, ledger.at_ms))
    return Plan(
        ledger=ledger.twin(),
        component=foresight.component,
        ends_ms=foresight.ends_ms,
        exhausts_ms=foresight.exhausts_ms,
        next_change_ms=foresight.next_change_ms,
        reserved=reserved,
        recent_runs=tuple(sorted(_young(foresight.began_ms, ledger.at_ms))),
    )


def _young(began_ms: tuple[tuple[int, str], ...], at_ms: int) -> Iterator[str]:
    for began, uid in began_ms:
        if began + UNDER_WAY_MS < at_ms:
            return
        yield uid


def _exhaustions(ledger: Ledger, instants_ms: list[int]) -> dict[str, int]:
    """Return, by wallet, at which of these instants its credits end."""
    ahead, exhausts_ms = ledger.twin(), dict[str, int]()
    locked = ledger.locked()
    for at_ms in instants_ms:
        ahead.advance(max(ahead.at_ms, at_ms))
        emptied = ahead.locked() - locked
        exhausts_ms |= dict.fromkeys(emptied, at_ms)
        locked |= emptied
    return exhausts_ms


def _next_change(accounts: Iterable[Account]) -> int:
    """Return when the next allocation begins or ends (unix ms)."""
    instants = (
        allocation.start_ms if allocation.phase is Phase.PENDING else allocation.end_ms
        for account in accounts
        for edge in account.edges
        for allocation in edge.allocations
        if allocation.phase is not Phase.RETIRED
    )
    return min(instants, default=FOREVER_MS)
