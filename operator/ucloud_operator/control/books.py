"""The books: what a job has cost, and what one that would start now would find.

They ask for a component's plan, or for its ledger with something changed in it; nothing is kept but the launches that
are under way, which no stored fact says yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ucloud_operator.control.accounts import runs_of
from ucloud_operator.control.planner import Planner
from ucloud_operator.control.sources import Sources
from ucloud_operator.control.troubles import Troubles
from ucloud_operator.ledger.edits import use
from ucloud_operator.ledger.ledger import Ledger
from ucloud_operator.ledger.state import Allocation, Edge, Meter, Run, State
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import (
    is_in_line,
    least_run_ms,
    paid_by,
    place_in_line,
    reservation_of,
    reserved_for,
)
from ucloud_operator.lifecycle.view import Bill

if TYPE_CHECKING:
    from ucloud_operator.api import ComputeProduct, UCloudJob, Wallet
    from ucloud_operator.control.planner import Plan
    from ucloud_operator.control.world import World
    from ucloud_operator.ledger.state import WalletNumbers
    from ucloud_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a job that started now would find."""

    numbers: WalletNumbers
    lasts_ms: int | None  # how long its credits would last; None: for as long as it takes to be worth a start


class Books:
    """What there is to know about the credits of jobs."""

    def __init__(self, world: World, settings: Settings) -> None:
        """Take the world to read."""
        self._world, self._settings = world, settings
        self.sources = Sources(world)
        self.planner = Planner(world, self.sources)
        self.troubles = Troubles(world, self.sources, self.planner)
        self._launching: dict[str, tuple[str, Run]] = {}
        self._reserving: dict[str, tuple[str, int]] = {}
        self._resuming: dict[str, tuple[int, frozenset[str]]] = {}

    def bill(self, job: UCloudJob, end_ms: int, now_ms: int) -> Bill:
        """Return what the job has used in all if its present run ends then, or with its credits before that."""
        uid, least = job.metadata.uid, job.status.usage
        component = self.sources.component(paid_by(job))
        known = self.planner.standing(component, now_ms)
        if known is not None and known.at_ms >= end_ms and uid in known.ledger and not known.ledger.overrun(uid):
            return Bill(max(least, usage_at(runs_of(job, end_ms), end_ms)), end_ms)  # there was room for all of it
        state = self.sources.state(component, now_ms, ends={uid: end_ms})
        if uid not in {meter.uid for meter in state.meters}:
            owed = usage_at(runs_of(job, end_ms), end_ms)  # nobody shares what is set aside, or its wallet is gone
            return Bill(max(least, min(owed, job.status.reserved) if job.status.reserved else owed), end_ms)
        ledger = Ledger(state)
        stops = ledger.advance(max(state.at_ms, end_ms))
        stopped_ms = min((stop.at_ms for stop in stops if stop.uid == uid), default=end_ms)
        return Bill(max(least, ledger.charged(uid)), min(end_ms, stopped_ms))

    def outlook(self, wallet_key: str, job: UCloudJob, candidate: Run, now_ms: int) -> Outlook:
        """Say what a job that started now would find: beside those that run, start now or come before it in line."""
        component = self.sources.component(wallet_key)
        plan = self.planner.plan(component, now_ms)
        numbers = plan.numbers[wallet_key]
        if is_in_line(job):
            return Outlook(numbers, None if job.metadata.uid in self._resumable(component, plan) else 0)
        ledger = self._with_launched(plan, job.metadata.uid)
        least_ms = least_run_ms(job, self._settings)
        return Outlook(numbers, _lasts_ms(ledger, Meter(job.metadata.uid, wallet_key, (candidate,)), least_ms))

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
        plan = self.planner.plan(self.sources.component(wallet_key), now_ms)
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

    def _with_launched(self, plan: Plan, but_uid: str) -> Ledger:
        """Return the plan's ledger as if the jobs that have pods and don't run yet ran from now on."""
        ledger = plan.ledger.twin()
        for uid, (key, run) in self._launching.items():
            if uid not in ledger and uid != but_uid and key in plan.numbers and self._world.jobs.find(uid):
                ledger.start(Meter(uid, key, (replace(run, start_ms=ledger.at_ms),)))
        return ledger

    def _resumable(self, component: tuple[str, ...], plan: Plan) -> frozenset[str]:
        """Return the suspended jobs that the credits would last for, in the order in which they were suspended."""
        version, known = self._resuming.get(component[0], (-1, frozenset()))
        if version == self._world.version:
            return known
        waiting = [job for key in component for job in self._world.jobs_of(key) if is_in_line(job)]
        ledger, accepted = self._with_launched(plan, ""), set[str]()
        for job in sorted(waiting, key=place_in_line):
            product, wallet = self._world.product_for(job), self._world.wallet_for(job)
            if product is None or wallet is None:
                continue
            run = run_from(plan.at_ms, job, product, wallet)
            meter, least_ms = Meter(job.metadata.uid, wallet.key, (run,)), least_run_ms(job, self._settings)
            lasts_ms = _lasts_ms(ledger, meter, least_ms)
            if lasts_ms is None or lasts_ms >= least_ms:
                accepted.add(job.metadata.uid)
                ledger.start(meter)
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


def run_from(start_ms: int, job: UCloudJob, product: ComputeProduct, wallet: Wallet) -> Run:
    """Return the run that a job would begin then, at the product's present price."""
    return Run(start_ms, None, product.spec.price, job.spec.replicas, period_ms(wallet))


def period_ms(wallet: Wallet) -> int:
    """Return the length of the period that prices of the wallet's category are for."""
    return wallet.spec.pays_for.accounting_frequency.period_ms


def _lasts_ms(ledger: Ledger, meter: Meter, enough_ms: int) -> int | None:
    """Return how long the credits would last a job that started now; None: longer than would be enough."""
    (run,) = meter.runs
    now = replace(meter, runs=(replace(run, start_ms=ledger.at_ms),))
    end_ms = ledger.runway(now, ledger.at_ms + enough_ms)
    return None if end_ms is None else end_ms - ledger.at_ms


def _lasting_until(state: State, finish_ms: int) -> State:
    """Return the state without what is left of allocations that end before that."""

    def shortened(allocation: Allocation) -> Allocation:
        return allocation if allocation.end_ms >= finish_ms else replace(allocation, quota=allocation.used)

    def cut(edge: Edge) -> Edge:
        return replace(edge, allocations=tuple(map(shortened, edge.allocations)))

    return replace(state, wallets=tuple(replace(each, edges=tuple(map(cut, each.edges))) for each in state.wallets))
