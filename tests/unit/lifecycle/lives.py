"""Jobs in the middle of their lives, for tests of decisions: `life().runs().with_credits_until(120).decides(at=99)`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.lifecycle.stories import PodStory, at, job, pod, wallet
from ucloud_operator.api import JobState, JobUpdate, UCloudJob, UCloudJobStatus, Wallet
from ucloud_operator.api.job import JobRun, JobWallet
from ucloud_operator.lifecycle import warnings
from ucloud_operator.lifecycle.commands import Command, Decision, WriteStatus
from ucloud_operator.lifecycle.decide import JOB_FINALIZER, decide
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import Stop
from ucloud_operator.lifecycle.view import Bill, View
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from pydantic import JsonValue

    from ucloud_operator.lifecycle.admission import Objection


SETTINGS = Settings()


class Life:
    """A view of a job, built by what has happened to it; each call returns a new one."""

    def __init__(self, view: View) -> None:
        self.view = view

    def _with(self, **changes: object) -> Life:
        return Life(replace(self.view, **changes))  # type: ignore[arg-type]  # the names are checked by replace

    def _job(self, **changes: object) -> Life:
        return self._with(job=self.view.job.model_copy(update=changes))

    def _meta(self, **changes: object) -> Life:
        return self._job(metadata=self.view.job.metadata.model_copy(update=changes))

    def _status(self, **changes: object) -> Life:
        return self._job(status=self.view.job.status.model_copy(update=changes))

    def says(self, **status: object) -> Life:
        return self._status(**status)

    def without_finalizer(self) -> Life:
        return self._meta(finalizers=())

    def is_deleted(self, seconds: float) -> Life:
        return self._meta(deletion_timestamp=at(seconds))

    def is_edited(self) -> Life:
        return self._meta(generation=self.view.job.metadata.generation + 1)

    def pods(self, *pods: PodStory) -> Life:
        return self._with(pods=tuple(story.seen() for story in pods))

    def is_in_queue(self, reason: Reason = Reason.Queued) -> Life:
        first = JobUpdate(state=JobState.IN_QUEUE, status="", timestamp=at(0))
        return self._status(state=JobState.IN_QUEUE, updates=(first,), reason=reason.value)

    def has_run(self, since: float, until: float | None = None, usage: int = 0) -> Life:
        number = len(self.view.job.status.runs) + 1
        run = JobRun(
            number=number,
            started_at=at(since),
            ended_at=None if until is None else at(until),
            price=50_000,
            replicas=self.view.job.spec.replicas,
            period_ms=60_000,
        )
        begun = JobUpdate(state=JobState.RUNNING, status="", timestamp=at(since))
        life = self if self.view.job.status.updates else self.is_in_queue()
        status = life.view.job.status
        return life._status(
            state=JobState.RUNNING,
            runs=(*status.runs, run),
            updates=(*status.updates, begun),
            usage=usage,
            started_at=at(since),
            wallet=JobWallet(name="compute", uid="wallet-uid"),
        )

    def runs(self, since: float = 1) -> Life:
        return self.has_run(since).pods(
            *(pod(rank).taken(0).runs(since) for rank in range(self.view.job.spec.replicas))
        )

    def is_suspended(self, reason: Reason = Reason.Suspended) -> Life:
        return self._status(state=JobState.SUSPENDED, reason=reason.value)

    def is_final(self, state: JobState = JobState.SUCCESS, usage: int = 0, reason: Reason = Reason.Completed) -> Life:
        return self._status(state=state, usage=usage, reason=reason.value)

    def with_wallet(self, paying: Wallet | None) -> Life:
        return self._with(wallet=paying)

    def with_credits_until(self, seconds: float, reason: Reason = Reason.OutOfCredits) -> Life:
        return self._with(credits=Stop(reason, at(seconds)))

    def has_told(self, seconds: float, level: int) -> Life:
        others = tuple(c for c in self.view.job.status.conditions if c.type != warnings.ENDS_SOON)
        return self._status(conditions=(*others, warnings.condition(level, "", None, at(seconds))))

    def has_ended(self, seconds: float) -> Life:
        last = JobUpdate(state=self.view.job.status.state, status="", timestamp=at(seconds))
        return self._status(updates=(*self.view.job.status.updates, last))

    def is_held_up(self, message: str) -> Life:
        return self._with(held_up=message)

    def finds_in_the_way(self, story: PodStory) -> Life:
        return self._with(in_the_way=lambda _ranks: story.seen())

    def is_settled(self) -> Life:
        return self._with(settled=True)

    def in_dying_namespace(self) -> Life:
        return self._with(namespace_terminating=True)

    def fails_to_start_since(self, seconds: float) -> Life:
        return self._with(failing_since_ms=at(seconds))

    def is_rejected(self, message: str) -> Life:
        return self._with(rejected=message)

    def meets(self, objection: Objection) -> Life:
        return self._with(admit=lambda: objection)

    def has_used(self, usage: int, until: float | None = None) -> Life:
        return self._with(bill=lambda end_ms: Bill(usage, end_ms if until is None else at(until)))

    def decides(self, seconds: float) -> Decision:
        return decide(replace(self.view, now_ms=at(seconds)))

    def does(self, seconds: float) -> tuple[Command, ...]:
        return self.decides(seconds).commands

    def writes(self, seconds: float) -> UCloudJobStatus:
        commands = self.does(seconds)
        assert len(commands) >= 1
        assert isinstance(commands[0], WriteStatus)
        return commands[0].status


def life(**spec: JsonValue) -> Life:
    """A job that was just created, with our finalizer on it, and a wallet that can pay."""
    made: UCloudJob = job(**spec)
    held = made.model_copy(update={"metadata": made.metadata.model_copy(update={"finalizers": (JOB_FINALIZER,)})})
    return Life(View(held, (), wallet(), at(0), SETTINGS))
