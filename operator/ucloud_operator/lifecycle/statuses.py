"""What a job's status says next. Every state is entered here, through the table in `states`."""

from typing import Final

from ucloud_operator.api import JobState, JobUpdate, UCloudJobStatus, Wallet
from ucloud_operator.api.common import Condition, saturate
from ucloud_operator.api.job import JobRate, JobRun, JobWallet
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.facts import expires_ms, fold, open_run, run_number
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.states import append_update, step
from ucloud_operator.lifecycle.stops import Outcome
from ucloud_operator.lifecycle.view import View
from ucloud_operator.settings import FOREVER_MS

MINUTE_MS: Final = 60_000


def queued(view: View, reason: Reason = Reason.Queued, message: str = sentences.QUEUED) -> UCloudJobStatus:
    """The job waits, and says what for; the update of its beginning is written once."""
    status = view.job.status
    updates = status.updates
    if status.state is None:
        step(None, Reason.Queued, JobState.IN_QUEUE)
        first = JobUpdate(
            state=JobState.IN_QUEUE, status=sentences.QUEUED, timestamp=view.job.metadata.creation_timestamp
        )
        updates = append_update(updates, first)
    return status.model_copy(
        update={
            "state": JobState.IN_QUEUE,
            "updates": updates,
            "reason": reason.value,
            "message": message,
            "observed_generation": view.job.metadata.generation,
            "conditions": _conditions(view, JobState.IN_QUEUE, reason, message),
        }
    )


def _entered(view: View) -> UCloudJobStatus:
    """Return the status of a job that has come through the queue, as every job does."""
    return queued(view) if view.job.status.state is None else view.job.status


def running(view: View, started_ms: int, rate: JobRate, wallet: Wallet) -> UCloudJobStatus:
    """All replicas run; a second that an earlier run is billed for in part begins where that bill ends."""
    job, status = view.job, _entered(view)
    assert status.state is not None
    started_ms = max([started_ms, *(run.ended_at or 0 for run in status.runs)])
    run = JobRun(
        number=run_number(status),
        started_at=started_ms,
        price=rate.price,
        replicas=rate.replicas,
        period_ms=rate.period_ms,
    )
    update = JobUpdate(
        state=step(status.state, Reason.Started, JobState.RUNNING), status=sentences.RUNNING, timestamp=started_ms
    )
    expires = expires_ms(job, started_ms)
    runs, folded = fold(status)
    return status.model_copy(
        update={
            "state": JobState.RUNNING,
            "updates": append_update(status.updates, update),
            "started_at": status.started_at or started_ms,
            "expires_at": expires if expires < FOREVER_MS else None,
            "rate": rate,
            "rate_per_minute": saturate(rate.price * rate.replicas * MINUTE_MS // rate.period_ms),
            "runs": (*runs, run),
            "suspended_at": None,
            "reserved": max((pod.reserved for pod in view.run_pods), default=0),
            "runs_folded": folded,
            "wallet": JobWallet(name=wallet.metadata.name, uid=wallet.metadata.uid),
            "reason": Reason.Started.value,
            "message": sentences.RUNNING,
            "observed_generation": job.metadata.generation,
            "conditions": _conditions(view, JobState.RUNNING, Reason.Started, sentences.RUNNING),
        }
    )


def resumed(view: View) -> UCloudJobStatus:
    """A suspended job is back in the queue."""
    status = view.job.status
    state = step(status.state, Reason.Resumed, JobState.IN_QUEUE)
    update = JobUpdate(state=state, status=sentences.RESUMED, timestamp=view.now_ms)
    return status.model_copy(
        update={
            "state": state,
            "updates": append_update(status.updates, update),
            "reason": Reason.Resumed.value,
            "message": sentences.RESUMED,
            "observed_generation": view.job.metadata.generation,
            "conditions": _conditions(view, state, Reason.Resumed, sentences.RESUMED),
        }
    )


def ended(view: View, ended_ms: int, outcome: Outcome) -> UCloudJobStatus:
    """The run has ended, and the job with it, or until it is resumed."""
    status = _entered(view)
    run, runs, usage = open_run(status), status.runs, status.usage
    if run is not None:
        bill = view.bill(max(run.started_at, ended_ms))
        ended_ms = max(run.started_at, ended_ms if view.written is not None else bill.end_ms)
        runs, usage = (*runs[:-1], run.model_copy(update={"ended_at": ended_ms})), saturate(bill.usage)
        assert usage >= status.usage, "usage never goes down"
    state = step(status.state, outcome.reason, outcome.state)
    update = JobUpdate(state=state, status=outcome.sentence, timestamp=ended_ms)
    return status.model_copy(
        update={
            "state": state,
            "updates": append_update(status.updates, update),
            "expires_at": None if state is JobState.SUSPENDED else status.expires_at,
            "usage": usage,
            "wallet": status.wallet or _pinned(view, state),
            "rate_per_minute": 0,
            "exhausts_at": None,
            "suspended_at": ended_ms if state is JobState.SUSPENDED else None,
            "reserved": 0,
            "runs": runs,
            "reason": outcome.reason.value,
            "message": outcome.sentence,
            "observed_generation": view.job.metadata.generation,
            "conditions": _conditions(view, state, outcome.reason, outcome.sentence),
        }
    )


def _pinned(view: View, state: JobState) -> JobWallet | None:
    """Return the wallet whose credits a job waits for that was suspended before it ever ran."""
    if state is not JobState.SUSPENDED or view.wallet is None:
        return None
    return JobWallet(name=view.wallet.metadata.name, uid=view.wallet.metadata.uid)


def _conditions(view: View, state: JobState, reason: Reason, message: str) -> tuple[Condition, ...]:
    """Two statements to wait for; their time is that of their last change."""
    known = {condition.type: condition for condition in view.job.status.conditions}
    conditions = []  # a warning was about a run: it goes with it
    for type_, holds in (("Running", state is JobState.RUNNING), ("Finished", state.is_final)):
        truth = "True" if holds else "False"
        old = known.get(type_)
        since_ms = old.last_transition_time if old is not None and old.status == truth else view.now_ms
        conditions.append(
            Condition(type=type_, status=truth, reason=reason.value, message=message, last_transition_time=since_ms)
        )
    return tuple(conditions)
