"""The books: what every wallet has used and can still use, worked out from stored facts, and when its credits end.

Nothing here is a counter. The facts are the runs in the jobs' status and the checkpoint in the wallets' status (which
allocations applied, and what was attributed to each); a component of wallets is rebuilt from them whenever something
in it changed, and advanced to now by the ledger. So an operator that was killed and one that lived compute the same.

The instant to compute from is the component's newest checkpoint. No checkpoint is ever stamped at or after an
exhaustion that isn't in the jobs' status yet, so rebuilding finds that exhaustion again, at the same millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from ucloud_operator.api.checkpoint import WalletCheckpoint
from ucloud_operator.control.accounts import runs_of, tangle_accounts, tangle_meter, tree_accounts
from ucloud_operator.control.decided import Decided
from ucloud_operator.control.world import parents_of
from ucloud_operator.ledger.edits import use
from ucloud_operator.ledger.ledger import Ledger
from ucloud_operator.ledger.state import Allocation, Edge, Meter, Phase, Run, State
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import (
    is_in_line,
    least_run_ms,
    open_run,
    place_in_line,
    planned_end,
    reservation_of,
    reserved_for,
)
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.statement import account_of
from ucloud_operator.lifecycle.view import Bill
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ucloud_operator.api import UCloudJob, Wallet
    from ucloud_operator.api.checkpoint import LedgerCheckpoint
    from ucloud_operator.api.wallet import WalletReference
    from ucloud_operator.control.world import World
    from ucloud_operator.ledger.state import WalletNumbers
    from ucloud_operator.settings import Settings

MOMENT_MS = 10
UNDER_WAY_MS = 10_000
"""How long a job's status may have been on its way to the API server while a checkpoint without it was written."""

MAX_PLANNED_STOPS = 64
"""How many exhaustions are looked ahead to: a bound, not a rule; the next one is planned when the first has come."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A component as of one instant, and what time will bring if nothing else happens."""

    at_ms: int
    state: State
    numbers: Mapping[str, WalletNumbers]
    rates_per_minute: Mapping[str, int]  # by wallet, of its own jobs
    ends_ms: Mapping[str, int]  # by job uid: when its credits end
    exhausts_ms: Mapping[str, int]  # by wallet
    next_change_ms: int  # when an allocation begins or ends, FOREVER_MS if none does
    circles: tuple[tuple[str, ...], ...]
    reserved: Mapping[str, int]  # by wallet: what is set aside for its own jobs and not used yet
    recent_runs: tuple[str, ...]  # the uids of jobs that have only just begun, and are counted


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a job that started now would find."""

    numbers: WalletNumbers
    lasts_ms: int | None  # how long its credits would last; None: for ever, or for as long as it needs


class Books:
    """Components of wallets, rebuilt from the world on demand."""

    def __init__(self, world: World, settings: Settings) -> None:
        """Take the world to read."""
        self._world = world
        self._settings = settings
        self._components: dict[str, tuple[str, ...]] = {}
        self._version = -1
        self._launching: dict[str, tuple[str, Run]] = {}
        self.decided = Decided()
        self._made: dict[str, tuple[tuple[int, int], int, Plan]] = {}  # by component: of which facts, when (ms), what
        self._reserving: dict[str, tuple[str, int]] = {}
        self._latest: dict[str, Plan] = {}
        self._resuming: dict[str, tuple[int, frozenset[str]]] = {}

    def component(self, wallet_key: str) -> tuple[str, ...]:
        """Return the wallets that are connected to this one through parents, in order; a component's first names it."""
        if self._version != self._world.graph_version:
            self._components, self._version = {}, self._world.graph_version
        known = self._components.get(wallet_key)
        if known is None:
            found, todo = {wallet_key}, [wallet_key]
            while todo:
                key = todo.pop()
                wallet = self._world.wallet(key)
                above = parents_of(wallet) if wallet else set()
                for neighbour in above.union(self._world.children_of(key)) - found:
                    found.add(neighbour)
                    todo.append(neighbour)
            known = tuple(sorted(key for key in found if self._world.wallet(key) is not None))
            for key in known:
                self._components[key] = known
        return known

    def plan(self, component: Sequence[str], now_ms: int) -> Plan:
        """Work out the component as of now, or as of just before the first stop that the jobs don't say yet.

        A plan that was made a moment ago of the very same facts is good enough: all wallets of a component ask at once.
        """
        facts = self._world.version, self.decided.version
        made = self._made.get(component[0])
        if made is None or made[0] != facts or not made[1] <= now_ms <= made[1] + MOMENT_MS:
            made = self._made[component[0]] = facts, now_ms, self._plan(component, now_ms)
        return made[2]

    def _plan(self, component: Sequence[str], now_ms: int) -> Plan:
        ledger = Ledger(self.state(component, now_ms))
        locked = {key for key in component if ledger.numbers(key).locked}
        ahead = Ledger(ledger.state())
        ends_ms: dict[str, int] = {}
        exhausts_ms: dict[str, int] = {}
        for forecast in islice(ledger.forecasts(), MAX_PLANNED_STOPS):
            ends_ms |= {stop.uid: stop.at_ms for stop in forecast.stops}
        armed = set(_ends(meter for meter in ledger.state().meters if self._goes_on(meter.uid)))
        for at_ms in sorted({*ends_ms.values(), *armed})[:MAX_PLANNED_STOPS]:
            ahead.advance(max(ahead.at_ms, at_ms))
            emptied = {key for key in component if ahead.numbers(key).locked} - locked
            exhausts_ms |= dict.fromkeys(emptied, at_ms)
            locked |= emptied
        ends_ms = {uid: end_ms for uid, end_ms in ends_ms.items() if self._goes_on(uid)}
        said = (meter for meter in ledger.state().meters if self._goes_on(meter.uid))
        unsaid_ms = min((*ends_ms.values(), *_ends(said), *self.decided.billed_ms(component)), default=FOREVER_MS)
        ledger.advance(max(ledger.at_ms, min(now_ms, unsaid_ms - 1)))
        state = ledger.state()
        return Plan(
            at_ms=ledger.at_ms,
            state=state,
            numbers={key: ledger.numbers(key) for key in component},
            rates_per_minute={key: ledger.rate_per_minute(key) for key in component},
            ends_ms=ends_ms,
            exhausts_ms=exhausts_ms,
            next_change_ms=_next_change(state),
            circles=ledger.circles(),
            reserved={key: self._reserved(key, ledger.at_ms) for key in component},
            recent_runs=self._recent_runs(state),
        )

    def _recent_runs(self, state: State) -> tuple[str, ...]:
        """Return the young runs that a checkpoint of this state has in it; what was overrun stands nowhere else."""
        jobs = (self._world.jobs.find(meter.uid) for meter in state.meters if not meter.overrun)
        young = (job.metadata.uid for job in jobs if job is not None and _began_ms(job) + UNDER_WAY_MS >= state.at_ms)
        return tuple(sorted(young))

    def _goes_on(self, uid: str) -> bool:
        """Say whether a job's end isn't in its status yet."""
        job = self._world.jobs.find(uid)
        return job is not None and open_run(self.decided.job(job).status) is not None

    def _jobs_of(self, wallet_key: str) -> Iterator[UCloudJob]:
        """Yield the jobs that spend, or have spent, a wallet's credits, as they will be said to be."""
        return map(self.decided.job, self._world.jobs_of(wallet_key))

    def _reserved(self, wallet_key: str, at_ms: int) -> int:
        jobs = [job for job in self._jobs_of(wallet_key) if job.spec.funding == "Reserve" and not job.is_final]
        left = (reserved_for(job, self._world.pods_of(job)) - usage_at(runs_of(job, None), at_ms) for job in jobs)
        return sum(max(0, each) for each in left)

    def remember(self, component: Sequence[str], plan: Plan) -> None:
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
            component = self.component(wallet_key)
            plan = self.plan(component, now_ms)
            self.remember(component, plan)
        return plan

    def bill(self, job: UCloudJob, end_ms: int, now_ms: int) -> Bill:
        """Return what the job has used in all if its present run ends then, or with its credits before that."""
        assert job.status.wallet is not None  # noqa: S101  # it ran
        uid, least = job.metadata.uid, job.status.usage
        component = self.component(f"{job.metadata.namespace}/{job.status.wallet.name}")
        state = self.state(component, now_ms, ends={uid: end_ms})
        if uid not in {meter.uid for meter in state.meters}:
            owed = usage_at(
                runs_of(job, end_ms), end_ms
            )  # nobody shares what is set aside for it, or its wallet is gone
            return Bill(max(least, min(owed, job.status.reserved) if job.status.reserved else owed), end_ms)
        ledger = Ledger(state)
        stops = ledger.advance(max(state.at_ms, end_ms))
        stopped_ms = min((stop.at_ms for stop in stops if stop.uid == uid), default=end_ms)
        return Bill(max(least, ledger.charged(uid)), min(end_ms, stopped_ms))

    def outlook(self, wallet_key: str, job: UCloudJob, candidate: Run, now_ms: int) -> Outlook:
        """Say what a job that started now would find: beside those that run, start now or come before it in line."""
        component = self.component(wallet_key)
        plan = self.plan(component, now_ms)
        numbers = plan.numbers[wallet_key]
        if is_in_line(job):
            return Outlook(numbers, None if job.metadata.uid in self._resumable(component, plan) else 0)
        ledger = Ledger(replace(plan.state, meters=(*plan.state.meters, *self._launched(plan, job.metadata.uid))))
        return Outlook(numbers, _lasts_ms(ledger, job.metadata.uid, wallet_key, candidate))

    def reservable(self, wallet_key: str, but_uid: str, finish_ms: int, now_ms: int) -> int:
        """Return how much could be set aside now for a job that ends then: credits that end earlier don't count."""
        return self._reservable(self._with_reserving(wallet_key, but_uid, now_ms), wallet_key, finish_ms)

    def longest_reservable_ms(self, wallet_key: str, but_uid: str, run: Run, now_ms: int) -> int:
        """Return for how long a job like this could have its whole cost set aside now."""
        state = self._with_reserving(wallet_key, but_uid, now_ms)
        ends_ms = {each.end_ms for wallet in state.wallets for edge in wallet.edges for each in edge.allocations}
        longest_ms = 0
        for finish_ms in sorted(end_ms for end_ms in ends_ms if end_ms > now_ms):
            usable = self._reservable(state, wallet_key, finish_ms)
            lasts_ms = usable * run.period_ms // (run.price * run.replicas)
            longest_ms = max(longest_ms, min(lasts_ms, finish_ms - now_ms))
        return longest_ms

    def _with_reserving(self, wallet_key: str, but_uid: str, now_ms: int) -> State:
        """Return the component as of now, with what is being set aside for jobs whose pods aren't there yet."""
        plan = self.plan(self.component(wallet_key), now_ms)
        state = plan.state
        for uid, (key, amount) in self._reserving.items():
            job = self._world.jobs.find(uid)
            if uid != but_uid and key in plan.numbers and job is not None and not job.is_final:
                state = use(state, key, max(0, amount - reserved_for(job, self._world.pods_of(job))))
        ledger = Ledger(state)
        ledger.advance(state.at_ms)  # it finds its way up
        return ledger.state()

    @staticmethod
    def _reservable(state: State, wallet_key: str, finish_ms: int) -> int:
        return Ledger(_lasting_until(state, finish_ms)).numbers(wallet_key).max_usable

    def _launched(self, plan: Plan, but_uid: str) -> Iterable[Meter]:
        """Return meters for the jobs that have pods and don't run yet, as if they ran from now on."""
        running = {meter.uid for meter in plan.state.meters}
        for uid, (key, run) in self._launching.items():
            if uid not in running and uid != but_uid and key in plan.numbers and self._world.jobs.find(uid):
                yield Meter(uid, key, (replace(run, start_ms=plan.at_ms),))

    def _resumable(self, component: Sequence[str], plan: Plan) -> frozenset[str]:
        """Return the suspended jobs that the credits would last for, in the order in which they were suspended."""
        version, known = self._resuming.get(component[0], (-1, frozenset()))
        if version == self._world.version:
            return known
        waiting = [job for key in component for job in self._world.jobs_of(key) if is_in_line(job)]
        meters, accepted = [*plan.state.meters, *self._launched(plan, "")], set[str]()
        for job in sorted(waiting, key=place_in_line):
            product, wallet = self._world.product_for(job), self._world.wallet_for(job)
            if product is None or wallet is None:
                continue
            period_ms = wallet.spec.pays_for.accounting_frequency.period_ms
            run = Run(plan.at_ms, None, product.spec.price, job.spec.replicas, period_ms)
            ledger = Ledger(replace(plan.state, meters=tuple(meters)))
            lasts_ms = _lasts_ms(ledger, job.metadata.uid, wallet.key, run)
            if lasts_ms is None or lasts_ms >= least_run_ms(job, self._settings):
                accepted.add(job.metadata.uid)
                meters.append(Meter(job.metadata.uid, wallet.key, (run,)))
        self._resuming[component[0]] = self._world.version, frozenset(accepted)
        return frozenset(accepted)

    def launch(self, job: UCloudJob, wallet_key: str, run: Run) -> None:
        """Count a job that is being launched when the next one asks what is left."""
        cost = reservation_of(job, run.price, run.period_ms)
        if cost:
            self._reserving[job.metadata.uid] = (wallet_key, cost)
        else:
            self._launching[job.metadata.uid] = (wallet_key, run)

    def launched(self, job_uid: str) -> None:
        """Stop counting it so: it runs, or never will."""
        self._launching.pop(job_uid, None)
        self._reserving.pop(job_uid, None)

    def state(self, component: Sequence[str], now_ms: int, ends: Mapping[str, int] | None = None) -> State:
        """Return the facts as of the component's newest checkpoint; `ends` are runs' ends that no job says yet."""
        found = (wallet for key in component if (wallet := self._world.wallet(key)) is not None)
        wallets = {wallet.key: self.decided.wallet(wallet) for wallet in found}
        pieces = self._pieces(wallets)
        states = [self._piece(piece, now_ms, ends or {}) for piece in pieces]
        return states[0] if len(states) == 1 else self._joined(states, now_ms)

    def _joined(self, states: Sequence[State], now_ms: int) -> State:
        """Bring pieces that a spec is about to connect to one instant."""
        ledgers = [Ledger(state) for state in states]
        stops = [stop for ledger in ledgers if (next_ := ledger.forecast()) is not None for stop in next_.stops]
        going = (meter for state in states for meter in state.meters if self._goes_on(meter.uid))
        stops_ms = (stop.at_ms for stop in stops if self._goes_on(stop.uid))
        billed_ms = self.decided.billed_ms({wallet.name for state in states for wallet in state.wallets})
        unsaid_ms = min((*stops_ms, *_ends(going), *billed_ms), default=FOREVER_MS)
        at_ms = max((*(ledger.at_ms for ledger in ledgers), min(now_ms, unsaid_ms - 1)))
        for ledger in ledgers:
            ledger.advance(at_ms)
        parts = [ledger.state() for ledger in ledgers]
        return State(
            at_ms,
            tuple(wallet for part in parts for wallet in part.wallets),
            tuple(meter for part in parts for meter in part.meters),
        )

    def applied(self, wallet: Wallet) -> WalletCheckpoint:
        """Return what a wallet's spec last came to: from the checkpoint of its tangle, or from its own status."""
        checkpoint = self._world.checkpoint_of(wallet.metadata.uid)
        if checkpoint is not None:
            return next(each for each in checkpoint.spec.wallets if each.uid == wallet.metadata.uid)
        status = wallet.status
        return WalletCheckpoint(
            opening_usage=status.opening_usage, excess=status.excess, groups=status.groups, blocked=status.blocked
        )

    def is_tangle(self, component: Sequence[str]) -> bool:
        """Say whether one of these wallets has several parents, or had."""
        wallets = (self._world.wallet(key) for key in component)
        return any(
            len(wallet.status.groups) > 1 or self._world.checkpoint_of(wallet.metadata.uid) is not None
            for wallet in wallets
            if wallet is not None
        )

    def _pieces(self, wallets: Mapping[str, Wallet]) -> list[dict[str, Wallet]]:
        """Part the wallets by what connects them as last applied: pieces of a tangle may have different checkpoints."""
        if not self.is_tangle(tuple(wallets)):
            return [dict(wallets)]
        near: dict[str, set[str]] = {key: set() for key in wallets}
        for key, wallet in wallets.items():
            for group in self.applied(wallet).groups:
                if group.parent is not None and group.parent.key in near:
                    near[key].add(group.parent.key)
                    near[group.parent.key].add(key)
        pieces: list[dict[str, Wallet]] = []
        left = dict(wallets)
        while left:
            piece: dict[str, Wallet] = {}
            todo = [next(iter(left))]
            while todo:
                key = todo.pop()
                if key in left:
                    piece[key] = left.pop(key)
                    todo.extend(near[key])
            pieces.append(piece)
        return pieces

    def _piece(self, wallets: Mapping[str, Wallet], now_ms: int, ends: Mapping[str, int]) -> State:
        checkpoints = [self._world.checkpoint_of(wallet.metadata.uid) for wallet in wallets.values()]
        newest = max((each for each in checkpoints if each is not None), key=lambda each: each.spec.at, default=None)
        return self._tree(wallets, now_ms, ends) if newest is None else self._tangle(wallets, newest, ends)

    def _tangle(self, wallets: Mapping[str, Wallet], checkpoint: LedgerCheckpoint, ends: Mapping[str, int]) -> State:
        had = {key: self.applied(wallet) for key, wallet in wallets.items()}
        meters = [
            meter
            for key in wallets
            for job in self._jobs_of(key)
            if (meter := tangle_meter(job, key, checkpoint, self._end_ms(job, ends))) is not None
        ]
        return State(checkpoint.spec.at, tuple(tangle_accounts(wallets, had)), tuple(meters))

    def _end_ms(self, job: UCloudJob, ends: Mapping[str, int]) -> int | None:
        """Return when a job's open run ends, as far as that is decided."""
        run, uid = open_run(job.status), job.metadata.uid
        if run is None:
            return None
        planned_ms = min(planned_end(job, self._world.pods_of(job)), max(run.started_at, self.decided.end_ms(uid)))
        end_ms = ends.get(uid, planned_ms)
        return end_ms if end_ms < FOREVER_MS else None

    def _tree(self, wallets: Mapping[str, Wallet], now_ms: int, ends: Mapping[str, int]) -> State:
        stamps = [wallet.status.metered_at for wallet in wallets.values() if wallet.status.metered_at is not None]
        at_ms = max(stamps, default=now_ms)
        newest = (wallet.status.recent_runs for wallet in wallets.values() if wallet.status.metered_at == at_ms)
        recent = frozenset(uid for uids in newest for uid in uids)
        local: dict[str, int] = {}
        meters: list[Meter] = []
        for key, wallet in wallets.items():
            local[key] = wallet.status.opening_usage + self._world.settled(account_of(wallet)).usage
            for job in self._jobs_of(key):
                meter = self._meter(job, wallet, at_ms, recent, ends)
                if isinstance(meter, int):
                    local[key] += meter
                else:
                    local[key] += meter.charged
                    meters.append(meter)
        return State(at_ms, tuple(tree_accounts(wallets, local)), tuple(meters))

    def _meter(
        self, job: UCloudJob, wallet: Wallet, at_ms: int, recent: frozenset[str], ends: Mapping[str, int]
    ) -> Meter | int:
        """Return the job's meter while it runs, else its usage, which is 0 where it is counted elsewhere.

        A run that the checkpoint may have missed owes what it has cost until then, as far as there is room: credits
        that others have spent before its start was learned can't be spent again.
        """
        status, uid = job.status, job.metadata.uid
        if uid in self._world.settled(account_of(wallet)).uids or (
            status.wallet is not None and status.wallet.uid != wallet.metadata.uid
        ):
            return 0
        run = open_run(status)
        reserved = 0 if job.is_final else reserved_for(job, self._world.pods_of(job))
        if job.is_final or run is None or reserved:
            return max(status.usage, reserved)
        runs = runs_of(job, self._end_ms(job, ends))
        counted = uid in recent or _began_ms(job) + UNDER_WAY_MS < at_ms
        overrun = (
            max(0, usage_at(runs[:-1], run.started_at) - status.usage) if runs[:-1] else 0
        )  # of runs that are over
        charged = max(status.usage, usage_at(runs, at_ms) - overrun) if counted else status.usage
        return Meter(uid, wallet.key, runs, charged, overrun)

    def trouble(self, wallet: Wallet, below: frozenset[str] = frozenset()) -> str:
        """Return why a wallet can't be used, whatever its numbers, as `Word: sentence`, or an empty string."""
        plan = self.latest(wallet.key)
        own = self.blocked(wallet) or (circle_of(plan, wallet.key) if plan is not None else "")
        groups = self.applied(wallet).groups
        if own or not groups:
            return own
        above = [self._trouble_above(group.parent, below | {wallet.key}) for group in groups]
        return above[0] if all(above) else ""

    def _trouble_above(self, parent: WalletReference | None, below: frozenset[str]) -> str:
        """Return why no credits come from a parent, for whoever is below it."""
        wallet = self._world.wallet(parent.key) if parent is not None else None
        if parent is None or wallet is None or parent.key in below:
            return ""
        word, _, sentence = self.trouble(wallet, below).partition(": ")
        if not word or word == Reason.WalletBlocked:
            return f"{word}: {sentence}" if word else ""
        return f"{Reason.WalletBlocked}: its parent {parent.key} can't be used: {sentence}"

    def blocked(self, wallet: Wallet) -> str:
        """Return why a wallet can't be used whatever its numbers, or an empty string."""
        if wallet.is_being_deleted:
            return f"{Reason.WalletDeleted}: it is being deleted"
        category = wallet.spec.pays_for
        first = self._world.wallets_paying(wallet.metadata.namespace or "", category.name, category.provider)[0]
        if first.metadata.uid != wallet.metadata.uid:
            return f"Duplicate: wallet '{first.metadata.name}' already pays for {category.name} in this namespace"
        groups = self.applied(wallet).groups
        parents = {group.parent.key: self._world.wallet(group.parent.key) for group in groups if group.parent}
        for key, parent in parents.items():
            if parent is not None and _bought(parent) != _bought(wallet):
                ours, theirs = " ".join(_bought(wallet)), " ".join(_bought(parent))
                return f"CategoryMismatch: its parent {key} pays for {theirs}, not for {ours}"
        missing = [key for key, parent in parents.items() if parent is None]
        if missing and len(missing) == len(groups):
            return f"{Reason.ParentNotFound}: there is no wallet {' or '.join(missing)}"
        return ""


def _bought(wallet: Wallet) -> tuple[str, str, str]:
    """Return what a wallet's credits are good for: credits can only be granted to a wallet for the same."""
    category = wallet.spec.pays_for
    return category.name, category.provider, category.accounting_frequency.value


def circle_of(plan: Plan, wallet_key: str) -> str:
    """Return which circle of parents the wallet is in, as `Circle: sentence`, or an empty string."""
    circle = next((circle for circle in plan.circles if wallet_key in circle), None)
    return f"Circle: its parents lead back to itself: {' -> '.join((*circle, circle[0]))}" if circle else ""


def _began_ms(job: UCloudJob) -> int:
    """Return when a job's status said that it runs (unix ms)."""
    began_ms = (each.last_transition_time for each in job.status.conditions if each.type == "Running")
    return max(began_ms, default=FOREVER_MS)


def _lasts_ms(ledger: Ledger, uid: str, wallet_key: str, run: Run) -> int | None:
    end_ms = ledger.runway(Meter(uid, wallet_key, (replace(run, start_ms=ledger.at_ms),)))
    return None if end_ms is None else end_ms - ledger.at_ms


def _lasting_until(state: State, finish_ms: int) -> State:
    """Return the state without what is left of allocations that end before that."""

    def shortened(allocation: Allocation) -> Allocation:
        return allocation if allocation.end_ms >= finish_ms else replace(allocation, quota=allocation.used)

    def cut(edge: Edge) -> Edge:
        return replace(edge, allocations=tuple(map(shortened, edge.allocations)))

    return replace(state, wallets=tuple(replace(each, edges=tuple(map(cut, each.edges))) for each in state.wallets))


def _ends(meters: Iterable[Meter]) -> Iterable[int]:
    """Return when the jobs' last runs are known to end; only their status makes that a fact."""
    return (run.end_ms for meter in meters for run in meter.runs[-1:] if run.end_ms is not None)


def _next_change(state: State) -> int:
    """Return when the next allocation begins or ends (unix ms)."""
    instants = (
        allocation.start_ms if allocation.phase is Phase.PENDING else allocation.end_ms
        for account in state.wallets
        for edge in account.edges
        for allocation in edge.allocations
        if allocation.phase is not Phase.RETIRED
    )
    return min(instants, default=FOREVER_MS)
