"""What a job's stored facts say: which run is open, how long it has run in all, when it has to end."""

from collections.abc import Iterable

from ucloud_operator.api import JobState
from ucloud_operator.api.job import MAX_RUNS, JobRun, RunsFolded, UCloudJob, UCloudJobStatus
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import BILLED_TO_THE_INSTANT, billed_end_ms
from ucloud_operator.settings import FOREVER_MS, Settings


def open_run(status: UCloudJobStatus) -> JobRun | None:
    """Return the run that goes on."""
    return status.runs[-1] if status.runs and status.runs[-1].ended_at is None else None


def run_number(status: UCloudJobStatus) -> int:
    """Return the number of the run that goes on, or else of the one that comes next; the first is 1."""
    run = open_run(status)
    return run.number if run is not None else status.runs_folded.runs + len(status.runs) + 1


def fold(status: UCloudJobStatus) -> tuple[tuple[JobRun, ...], RunsFolded]:
    """Make room for one more run: the oldest is added to the sum of those that are no longer listed, exactly."""
    if len(status.runs) < MAX_RUNS:
        return status.runs, status.runs_folded
    (oldest, *kept), folded = status.runs, status.runs_folded
    assert oldest.ended_at is not None, "only the newest run goes on"
    lasted_ms = oldest.ended_at - oldest.started_at
    owed = folded.remainder + oldest.price * oldest.replicas * lasted_ms
    usage, remainder = divmod(owed, oldest.period_ms)
    return tuple(kept), RunsFolded(
        runs=folded.runs + 1,
        elapsed_ms=folded.elapsed_ms + lasted_ms,
        usage=folded.usage + usage,
        remainder=remainder,
    )


def elapsed_ms(status: UCloudJobStatus) -> int:
    """Return how long the job's ended runs lasted, together."""
    ended = (run.ended_at - run.started_at for run in status.runs if run.ended_at is not None)
    return status.runs_folded.elapsed_ms + sum(ended)


def expires_ms(job: UCloudJob, started_ms: int) -> int:
    """Return when the job's time allocation is used up if its present run began then, or FOREVER_MS."""
    allocation = job.spec.time_allocation
    if allocation is None:
        return FOREVER_MS
    return started_ms + max(0, allocation.duration_ms - elapsed_ms(job.status))


def reservation_of(job: UCloudJob, price: int, period_ms: int) -> int:
    """Return the whole cost of a job that is set aside at its start; 0 for one that runs while there are credits."""
    allocation = job.spec.time_allocation
    if job.spec.funding != "Reserve" or allocation is None:
        return 0
    left_ms = max(0, allocation.duration_ms - elapsed_ms(job.status))
    return job.status.usage + price * job.spec.replicas * left_ms // period_ms


def reserved_for(job: UCloudJob, pods: Iterable[Pod]) -> int:
    """Return what is set aside for a job: from the moment that its pods are there until it has ended."""
    if job.is_final or job.spec.funding != "Reserve":
        return 0
    number = run_number(job.status)
    return job.status.reserved or max((pod.reserved for pod in pods if pod.run == number), default=0)


def paid_by(job: UCloudJob) -> str:
    """Return the key of the wallet that a job was launched on."""
    assert job.status.wallet is not None, "it has run"
    return f"{job.metadata.namespace}/{job.status.wallet.name}"


def is_in_line(job: UCloudJob) -> bool:
    """Say whether a job is suspended for want of credits, and goes on by itself when there are some."""
    status, wants = job.status, not (job.spec.suspend or job.spec.terminate or job.is_being_deleted)
    return wants and status.state is JobState.SUSPENDED and status.reason != Reason.Suspended


def place_in_line(job: UCloudJob) -> tuple[int, int, int, str]:
    """Return what suspended jobs are resumed by: whoever was suspended first goes on first."""
    status, created_ms = job.status, job.metadata.creation_timestamp
    return status.suspended_at or created_ms, status.started_at or created_ms, created_ms, job.metadata.uid


def least_run_ms(job: UCloudJob, settings: Settings) -> int:
    """Return how long the credits must last for a job to start or to go on: whoever needs time to stop needs more."""
    least_seconds = settings.minimum_run_seconds
    if job.status.runs:
        least_seconds = max(least_seconds, 2 * job.spec.termination_grace_period_seconds)
    return 1000 * least_seconds


def planned_end(job: UCloudJob, pods: Iterable[Pod]) -> int:
    """Return when the open run's bill must end by what was already decided: a stop on its pods, or its time.

    What the user decides is billed until the containers have ended, and so is what ends by itself: as soon as one of
    them says so, and not only when the job does.
    """
    run = open_run(job.status)
    assert run is not None, "only a run that goes on has an end to come"
    ends_ms = [expires_ms(job, run.started_at)]
    for pod in (pod for pod in pods if pod.run == run.number):
        stop = pod.stop
        if stop is not None and stop.reason in BILLED_TO_THE_INSTANT:
            ends_ms.append(stop.at_ms)
        if pod.finished_ms is not None:
            ended_ms = pod.finished_ms - pod.skew_ms(run.started_at)
            ends_ms.append(ended_ms if stop is None else billed_end_ms(ended_ms, stop))
    return max(run.started_at, min(ends_ms))
