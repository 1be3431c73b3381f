"""What a wallet's numbers have to be, added up from facts: opening usage, lines of statements, runs of jobs.

The books go on from the last checkpoint; this begins from nothing, so neither way can hide the other's mistake. It is
slow and reads everything, which is for the audit alone.

The news of a start or an end may have been under way when a wallet was published. Such a run makes the expected number
a `Span` instead of a number: all between what it is with that news and without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ucloud_operator.api.common import saturate
from ucloud_operator.control.accounts import departed_from, runs_of
from ucloud_operator.control.sources import UNDER_WAY_MS
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import open_run, reserved_for
from ucloud_operator.lifecycle.statement import account_of

if TYPE_CHECKING:
    from ucloud_operator.api import JobRun, UCloudJob, Wallet
    from ucloud_operator.api.statement import StatementLine
    from ucloud_operator.control.world import World

LEARNED_LATE_MS = 60_000
"""How long after it a start may become known: who leads after a crash has to find out first that it does."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a number may be: one value, or one of some where the news of a run was under way."""

    least: int
    most: int

    def __add__(self, other: Span) -> Span:
        return Span(self.least + other.least, self.most + other.most)

    def __sub__(self, number: int) -> Span:
        return Span(self.least - number, self.most - number)

    def __or__(self, other: Span) -> Span:
        return Span(min(self.least, other.least), max(self.most, other.most))

    def __contains__(self, number: int) -> bool:
        return saturate(max(0, self.least)) <= number <= saturate(max(0, self.most))

    def __str__(self) -> str:
        """Write it as people read it."""
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a number was published, and what is known of the news that it was published from."""

    at_ms: int
    idle: bool = False  # nothing ran, as far as was known: no end was still to be heard of
    line_by_line: bool = False  # statements may have got lines since
    paths: bool = False  # it is of a tangle


def exactly(number: int) -> Span:
    """Return the span of one number."""
    return Span(number, number)


class Recount:
    """Adds up a world."""

    def __init__(self, world: World) -> None:
        """Take what there is."""
        self._world = world

    def lines(self, wallet: Wallet) -> tuple[StatementLine, ...]:
        """Return all lines of a wallet's statements, oldest first."""
        return tuple(line for part in self._world.statements_of(account_of(wallet)) for line in part.spec.lines)

    def jobs(self, wallet: Wallet) -> tuple[UCloudJob, ...]:
        """Return the jobs that count in a wallet and have no line yet."""
        settled = {line.uid for line in self.lines(wallet)}
        return tuple(
            job
            for job in self._world.jobs_of(wallet.key)
            if job.metadata.uid not in settled
            and (job.status.wallet is None or job.status.wallet.uid == wallet.metadata.uid)
        )

    def local_usage(self, wallet: Wallet, moment: Moment) -> Span:
        """Return what a wallet's own jobs have used by then, and what was brought in."""
        total = exactly(wallet.status.opening_usage)
        for line in self.lines(wallet):
            total += settled_in(line, moment)
        for job in self.jobs(wallet):
            total += self.used_by(job, moment)
        return total

    def inflow(self, wallet: Wallet, moment: Moment, above: frozenset[str] = frozenset()) -> Span:
        """Return what wallets below have used of a wallet's credits by then, where each of them has one parent."""
        below = [found for key in self._world.children_of(wallet.key) if (found := self._world.wallet(key)) is not None]
        near = {child.key: child for child in below}
        total = exactly(sum(gone.usage for gone in departed_from(wallet, near)))
        written = {gone.uid for gone in departed_from(wallet, near)}
        for child in below:
            if child.key not in above and child.metadata.uid not in written and _grants(wallet, child):
                total += self.passed_up(child, moment, above | {wallet.key})
        return total

    def passed_up(self, wallet: Wallet, moment: Moment, above: frozenset[str] = frozenset()) -> Span:
        """Return what a wallet's one parent has paid for by then, here and below."""
        if wallet.spec.pays_for.free_to_use or not wallet.status.groups:
            return exactly(0)
        moment = replace(moment, line_by_line=True)
        used = self.local_usage(wallet, moment) + self.inflow(wallet, moment, above) - wallet.status.excess
        return Span(max(0, used.least), max(0, used.most))

    def used_by(self, job: UCloudJob, moment: Moment) -> Span:
        """Return what may have been counted for a job."""
        used, ended = exactly(usage_as_of(job, moment.at_ms)), open_run(job.status) is None
        if ended:  # what a bill says counts from when it is written, also in what is published as of just before
            billed, began_ms = exactly(job.status.usage), max((run.started_at for run in job.status.runs), default=0)
            used = billed if moment.idle and began_ms <= moment.at_ms else used | billed
        changes = (each.last_transition_time for each in job.status.conditions)
        known = max(changes, default=moment.at_ms) + UNDER_WAY_MS < moment.at_ms or (ended and moment.idle)
        return used if known else used | _before_the_news(job, moment.at_ms)

    def aside(self, wallet: Wallet, above: frozenset[str] = frozenset()) -> int:
        """Return how much may be set aside at the most for jobs of a wallet and of those below: their whole cost."""
        live = (job for job in self._world.jobs_of(wallet.key) if not job.is_final)
        own = sum(reserved_for(job, self._world.pods_of(job)) for job in live)
        below = (found for key in self._world.children_of(wallet.key) if (found := self._world.wallet(key)) is not None)
        above |= {wallet.key}
        return own + sum(self.aside(child, above) for child in below if child.key not in above)


def usage_as_of(job: UCloudJob, at_ms: int) -> int:
    """Return what a job's runs had cost by an instant; of runs that have ended, what was billed for them."""
    runs, billed = runs_of(job, None), job.status.usage
    if not runs:
        return billed
    due, ends_ms = usage_at(runs, at_ms), [run.end_ms for run in runs if run.end_ms is not None]
    before_the_bill = bool(ends_ms) and at_ms < ends_ms[-1]
    if runs[-1].end_ms is None:
        return due if before_the_bill else max(due, billed)
    return min(due, billed) if before_the_bill else billed


def _before_the_news(job: UCloudJob, at_ms: int) -> Span:
    """Return what counts where nobody knows yet of the last run's start, or of its end."""
    runs = job.status.runs
    if not runs:
        return exactly(job.status.usage)
    without = _with_runs(job, runs[:-1], at_ms)
    if open_run(job.status) is not None:
        return without
    still_open = _with_runs(job, (*runs[:-1], runs[-1].model_copy(update={"ended_at": None})), at_ms)
    return still_open | without if runs[-1].started_at + LEARNED_LATE_MS >= at_ms else still_open


def _with_runs(job: UCloudJob, runs: tuple[JobRun, ...], at_ms: int) -> Span:
    status = job.status.model_copy(update={"runs": runs, "usage": 0})
    return exactly(usage_as_of(job.model_copy(update={"status": status}), at_ms) if runs else 0)


def settled_in(line: StatementLine, moment: Moment) -> Span:
    """Return what may have been counted for a job that has its line by now."""
    if not moment.line_by_line or line.ended_at + UNDER_WAY_MS < moment.at_ms:
        return exactly(line.usage)
    lasted_ms = max(1, line.ended_at - (line.started_at or line.ended_at))
    return Span(0, line.usage + line.usage * UNDER_WAY_MS // lasted_ms)


def _grants(wallet: Wallet, child: Wallet) -> bool:
    """Say whether a child was granted something by this wallet, as last applied."""
    return any(group.parent is not None and group.parent.key == wallet.key for group in child.status.groups)
