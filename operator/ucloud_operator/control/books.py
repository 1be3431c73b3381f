"""The books: what every wallet has used and can still use, worked out from stored facts, and when its credits end.

Nothing here is a counter. The facts are the runs in the jobs' status and the checkpoint in the wallets' status (which
allocations applied, and what was attributed to each); a component of wallets is rebuilt from them whenever something
in it changed, and advanced to now by the ledger. So an operator that was killed and one that lived compute the same.

In a tree an edge's usage needs no memory of its own: it is what was used at and below the child, less what found no
room (excess). That makes checkpoints of different wallets good together even when a crash came between their writes.

The instant to compute from is the component's newest checkpoint. No checkpoint is ever stamped at or after an
exhaustion that isn't in the jobs' status yet, so rebuilding finds that exhaustion again, at the same millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from ucloud_operator.control.world import parents_of
from ucloud_operator.ledger.ledger import Ledger
from ucloud_operator.ledger.state import Allocation, Edge, Meter, Phase, Run, State
from ucloud_operator.ledger.state import Wallet as Account
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import (
    is_in_line,
    least_run_ms,
    open_run,
    place_in_line,
    planned_end,
    reserved_for,
)
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.statement import account_of
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ucloud_operator.api import UCloudJob, Wallet
    from ucloud_operator.api.wallet import DepartedWallet, GroupStatus, WalletReference
    from ucloud_operator.control.world import World
    from ucloud_operator.ledger.state import WalletNumbers
    from ucloud_operator.lifecycle.statement import Settled
    from ucloud_operator.settings import Settings

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
        """Work out the component as of now, or as of just before the first stop that the jobs don't say yet."""
        ledger = Ledger(self.state(component, now_ms))
        locked = {key for key in component if ledger.numbers(key).locked}
        ahead = Ledger(ledger.state())
        ends_ms: dict[str, int] = {}
        exhausts_ms: dict[str, int] = {}
        for forecast in islice(ledger.forecasts(), MAX_PLANNED_STOPS):
            ends_ms |= {stop.uid: stop.at_ms for stop in forecast.stops}
            ahead.advance(forecast.at_ms)
            emptied = {key for key in component if ahead.numbers(key).locked} - locked
            exhausts_ms |= dict.fromkeys(emptied, forecast.at_ms)
            locked |= emptied
        unsaid_ms = min((*ends_ms.values(), *_ends(ledger.state())), default=FOREVER_MS)
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
        )

    def _reserved(self, wallet_key: str, at_ms: int) -> int:
        jobs = [job for job in self._world.jobs_of(wallet_key) if not job.is_final]
        left = (reserved_for(job, self._world.pods_of(job)) - usage_at(_runs(job, None), at_ms) for job in jobs)
        return sum(max(0, each) for each in left)

    def remember(self, component: Sequence[str], plan: Plan) -> None:
        """Keep the newest plan of a component for those who ask about one of its jobs or wallets."""
        for key in component:
            self._latest[key] = plan

    def latest(self, wallet_key: str) -> Plan | None:
        """Return the newest plan that the wallet has a part in."""
        return self._latest.get(wallet_key)

    def final_usage(self, job: UCloudJob, end_ms: int, now_ms: int) -> int:
        """Return what the job has used in all if its present run ends then."""
        assert job.status.wallet is not None  # noqa: S101  # it ran
        component = self.component(f"{job.metadata.namespace}/{job.status.wallet.name}")
        state = self.state(component, now_ms, ends={job.metadata.uid: end_ms})
        if job.metadata.uid not in {meter.uid for meter in state.meters}:
            return max(
                job.status.usage, usage_at(_runs(job, end_ms), end_ms)
            )  # its wallet is gone: what it would have cost
        ledger = Ledger(state)
        ledger.advance(max(state.at_ms, end_ms))
        return max(job.status.usage, ledger.charged(job.metadata.uid))

    def outlook(self, wallet_key: str, job: UCloudJob, candidate: Run, now_ms: int) -> Outlook:
        """Say what a job that started now would find: beside those that run, start now or come before it in line."""
        component = self.component(wallet_key)
        plan = self.plan(component, now_ms)
        numbers = plan.numbers[wallet_key]
        if is_in_line(job):
            return Outlook(numbers, None if job.metadata.uid in self._resumable(component, plan) else 0)
        ledger = Ledger(replace(plan.state, meters=(*plan.state.meters, *self._launched(plan, job.metadata.uid))))
        return Outlook(numbers, _lasts_ms(ledger, job.metadata.uid, wallet_key, candidate))

    def affordable(self, wallet_key: str, finish_ms: int, now_ms: int) -> int:
        """Return how much could be set aside now for a job that ends then: credits that end earlier don't count."""
        plan = self.plan(self.component(wallet_key), now_ms)
        return Ledger(_lasting_until(plan.state, finish_ms)).numbers(wallet_key).max_usable

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

    def launch(self, job_uid: str, wallet_key: str, run: Run) -> None:
        """Count a job that is being launched when the next one asks how long the credits last."""
        self._launching[job_uid] = (wallet_key, run)

    def launched(self, job_uid: str) -> None:
        """Stop counting it so: it runs, or never will."""
        self._launching.pop(job_uid, None)

    def state(self, component: Sequence[str], now_ms: int, ends: Mapping[str, int] | None = None) -> State:
        """Return the facts as of the component's newest checkpoint; `ends` are runs' ends that no job says yet."""
        wallets = {key: wallet for key in component if (wallet := self._world.wallet(key)) is not None}
        stamps = [wallet.status.metered_at for wallet in wallets.values() if wallet.status.metered_at is not None]
        at_ms = max(stamps, default=now_ms)
        local: dict[str, int] = {}
        meters: list[Meter] = []
        for key, wallet in wallets.items():
            settled = self._world.settled(account_of(wallet))
            local[key] = wallet.status.opening_usage + settled.usage
            for job in self._world.jobs_of(key):
                meter = self._meter(job, wallet, settled, at_ms, ends or {})
                if isinstance(meter, int):
                    local[key] += meter
                else:
                    local[key] += meter.charged
                    meters.append(meter)
        return State(at_ms, tuple(_accounts(wallets, local, self.blocked)), tuple(meters))

    def _meter(
        self, job: UCloudJob, wallet: Wallet, settled: Settled, at_ms: int, ends: Mapping[str, int]
    ) -> Meter | int:
        """Return the job's meter while it runs, else its usage, which is 0 where it is counted elsewhere."""
        status, uid = job.status, job.metadata.uid
        if uid in settled.uids or (status.wallet is not None and status.wallet.uid != wallet.metadata.uid):
            return 0
        run = open_run(status)
        reserved = 0 if job.is_final else reserved_for(job, self._world.pods_of(job))
        if job.is_final or run is None or reserved:
            return max(status.usage, reserved)
        end_ms = ends.get(uid, planned_end(job, self._world.pods_of(job)))
        runs = _runs(job, end_ms if end_ms < FOREVER_MS else None)
        charged = max(status.usage, usage_at(runs, at_ms)) if _was_known(job, at_ms) else status.usage
        return Meter(uid, wallet.key, runs, charged)

    def trouble(self, wallet: Wallet, below: frozenset[str] = frozenset()) -> str:
        """Return why a wallet can't be used, whatever its numbers, as `Word: sentence`, or an empty string."""
        plan = self.latest(wallet.key)
        own = self.blocked(wallet) or (circle_of(plan, wallet.key) if plan is not None else "")
        if own or not wallet.status.groups:
            return own
        above = [self._trouble_above(group.parent, below | {wallet.key}) for group in wallet.status.groups]
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
        parents = [group.parent.key for group in wallet.status.groups if group.parent is not None]
        if len(wallet.status.groups) > 1:
            return "SeveralParents: credits from several parents at once are not supported yet"
        for key in parents:
            parent = self._world.wallet(key)
            if parent is None:
                return f"{Reason.ParentNotFound}: there is no wallet {key}"
            if _bought(parent) != _bought(wallet):
                ours, theirs = " ".join(_bought(wallet)), " ".join(_bought(parent))
                return f"CategoryMismatch: its parent {key} pays for {theirs}, not for {ours}"
        return ""


def _bought(wallet: Wallet) -> tuple[str, str, str]:
    """Return what a wallet's credits are good for: credits can only be granted to a wallet for the same."""
    category = wallet.spec.pays_for
    return category.name, category.provider, category.accounting_frequency.value


def circle_of(plan: Plan, wallet_key: str) -> str:
    """Return which circle of parents the wallet is in, as `Circle: sentence`, or an empty string."""
    circle = next((circle for circle in plan.circles if wallet_key in circle), None)
    return f"Circle: its parents lead back to itself: {' -> '.join((*circle, circle[0]))}" if circle else ""


def _was_known(job: UCloudJob, at_ms: int) -> bool:
    """Say whether a checkpoint of that instant surely has the job's open run in it.

    If not, what the run has cost until then falls due then, as far as there is room: credits that others have spent
    before its start was learned can't be spent again.
    """
    began_ms = (each.last_transition_time for each in job.status.conditions if each.type == "Running")
    return max(began_ms, default=FOREVER_MS) + UNDER_WAY_MS < at_ms


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


def _runs(job: UCloudJob, end_ms: int | None) -> tuple[Run, ...]:
    """Return the job's runs as the ledger takes them, the open one with its planned end.

    Those that are no longer listed become one run of a millisecond that cost exactly as much as they did.
    """
    folded, listed = job.status.runs_folded, job.status.runs
    runs = [
        Run(
            run.started_at, run.ended_at if run.ended_at is not None else end_ms, run.price, run.replicas, run.period_ms
        )
        for run in listed
    ]
    if folded.runs:
        first, period_ms = listed[0].started_at, listed[0].period_ms
        cost = folded.usage * period_ms + folded.remainder
        runs.insert(0, Run(first - 1, first, cost, 1, period_ms))
    return tuple(runs)


def departed_from(wallet: Wallet, wallets: Mapping[str, Wallet]) -> tuple[DepartedWallet, ...]:
    """Return the wallets below that are gone; one of the same name that has come back goes on for the one that went."""
    return tuple(gone for gone in wallet.status.departed if not _is_back(gone, wallet.key, wallets.get(gone.key)))


def _is_back(gone: DepartedWallet, parent_key: str, wallet: Wallet | None) -> bool:
    if wallet is None or wallet.metadata.uid == gone.uid:
        return False
    return any(group.parent is not None and group.parent.key == parent_key for group in wallet.status.groups)


def _accounts(
    wallets: Mapping[str, Wallet], local: Mapping[str, int], blocked: Callable[[Wallet], str]
) -> Iterable[Account]:
    """Build the ledger's wallets, with every edge's usage worked out from what lies at and below its child."""
    children: dict[str, list[str]] = {key: [] for key in wallets}
    for key, wallet in wallets.items():
        for group in wallet.status.groups:
            if group.parent is not None and group.parent.key in children:
                children[group.parent.key].append(key)
    departed = {key: departed_from(wallet, wallets) for key, wallet in wallets.items()}
    written = {gone.uid for below in departed.values() for gone in below}
    passed = {key: 0 for key, wallet in wallets.items() if wallet.metadata.uid in written}  # it stands in the parent

    def passed_up(key: str) -> int:
        """Return what a wallet's one edge carries."""
        if key not in passed:
            status = wallets[key].status
            passed[key] = 0  # a circle ends here
            below = sum(passed_up(child) for child in children[key]) + sum(gone.usage for gone in departed[key])
            free = wallets[key].spec.pays_for.free_to_use
            passed[key] = 0 if free or not status.groups else max(0, local[key] + below - status.excess)
        return passed[key]

    for key, wallet in wallets.items():
        groups = wallet.status.groups
        yield Account(
            name=key,
            edges=tuple(edge_of(group, passed_up(key) if len(groups) == 1 else None) for group in groups),
            local_usage=local[key] + sum(gone.usage for gone in departed[key]),
            free_to_use=wallet.spec.pays_for.free_to_use,
            blocked=blocked(wallet),
        )


def edge_of(group: GroupStatus, usage: int | None = None) -> Edge:
    """Build the ledger's edge, with its usage as it was written down or as it has become since.

    The ledger attributes more itself. What a run learned late has given back is taken here, from what was attributed
    last.
    """
    usage = group.tree_usage if usage is None else usage
    too_much = max(0, group.tree_usage - usage)
    allocations = []
    for status in sorted(group.allocations, key=lambda a: (a.end_date, a.id), reverse=True):
        phase = Phase(status.phase)
        returned = min(too_much, status.used) if phase is Phase.ACTIVE else 0
        too_much -= returned
        used = status.used - returned
        allocations.append(Allocation(status.id, status.quota, status.start_date, status.end_date, used, phase))
    return Edge(group.parent.key if group.parent else None, tuple(allocations), usage)


def _ends(state: State) -> Iterable[int]:
    """Return when the running jobs' runs are known to end; only the jobs' status makes that a fact."""
    return (run.end_ms for meter in state.meters for run in meter.runs[-1:] if run.end_ms is not None)


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
