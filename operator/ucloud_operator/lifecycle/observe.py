"""What the pods of a run say about it, taken together, now.

A run is one thing although it is many pods: it is billed from when the *last* replica has started until the *first*
one has stopped, and with the first one's end the job has ended. So each pod is judged alone (:func:`observe_pod`:
waits, runs or has ended), and :func:`observe` draws the conclusion for the run.

Two mistakes are easy to make here, and both cost somebody money:

- Believing "running". A pod whose phase is ``Failed`` has ended although a container of it may be called running for
  ever: its node is gone, nobody is left to say otherwise. So has a pod that was told to stop long ago and never did.
- Believing clocks. A start is stamped by a node, so it is clamped between the pod's creation (the API server's clock)
  and now. By how much that moved it is the node's skew, and the end, stamped by the same clock, moves with it; it is
  never after now. An end that nobody stamped is the last sign of life: after that, nothing proves a delivery.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ucloud_operator.api import JobState
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.endings import NOTHING_DECIDED, Intent, explain, stop_of
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import Outcome, Stop, billed_end_ms
from ucloud_operator.settings import FOREVER_MS

LOST_AFTER_MS: Final = 60_000
"""How long after the end of its grace a pod that is still called running counts as lost with its node."""

_ENDED_PHASES: Final = frozenset({"Succeeded", "Failed", "Unknown"})
_IMAGE_ERRORS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CONFIG_ERRORS: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
        "RunContainerError",
        "CreatePodSandboxError",
        "ConfigPodSandboxError",
    }
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running yet. Of a run: what its most hopeless replica waits for."""

    reason: Reason
    message: str
    since_ms: int
    rank: int

    @property
    def sentence(self) -> str:
        """What to tell people who wait with it."""
        return sentences.unschedulable(self.message) if self.reason is Reason.Unschedulable else sentences.QUEUED

    @property
    def failure(self) -> Outcome | None:
        """What to make of the job if this lasts; None where waiting is no failure."""
        sentence = _HOPELESS.get(self.reason)
        return Outcome(JobState.FAILURE, self.reason, sentence(self.message)) if sentence else None


_HOPELESS: Final = {
    Reason.ImagePullFailed: sentences.image_pull_failed,
    Reason.ConfigError: sentences.config_error,
}


@dataclass(frozen=True, slots=True)
class Running:
    """Running. Of a run: all of its replicas, since the last of them started."""

    started_ms: int
    skew_ms: int
    """By how much its node's clock is provably ahead of ours; negative: behind."""
    stopping: bool
    """Somebody asked for its deletion."""
    given_up_ms: int | None = None
    """Of a pod: since when its node is said to be gone; it may come back."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Ended. Of a run: with the first of its replicas that did."""

    started_ms: int | None
    """When the bill begins; None where it doesn't (never all at once), or where the pods no longer know."""
    ended_ms: int
    """When the bill ends."""
    outcome: Outcome
    stop: Stop | None
    """The decision that ended it, if it was one of ours."""
    rank: int


@dataclass(frozen=True, slots=True)
class Missing:
    """Some replicas have no pod, and no other one has ended."""

    ranks: tuple[int, ...]


PodObservation: TypeAlias = Waiting | Running | Ended
Observation: TypeAlias = Missing | Waiting | Running | Ended


def observe(pods: Iterable[Pod], replicas: int, now_ms: int, intent: Intent = NOTHING_DECIDED) -> Observation:
    """Return how a run fares, given all of its pods (and none of another run)."""
    seen = {pod.rank: observe_pod(pod, now_ms, intent) for pod in pods if 0 <= pod.rank < replicas}
    ended = [observation for observation in seen.values() if isinstance(observation, Ended)]
    if ended:
        return _run_ended(min(ended, key=_order_of_ends), seen, replicas)
    missing = tuple(rank for rank in range(replicas) if rank not in seen)
    if missing:
        return Missing(missing)
    waiting = [observation for observation in seen.values() if isinstance(observation, Waiting)]
    if waiting:
        return min(waiting, key=_order_of_waiting)
    running = [observation for observation in seen.values() if isinstance(observation, Running)]
    last = max(running, key=lambda observation: (observation.started_ms, abs(observation.skew_ms)))
    return Running(last.started_ms, last.skew_ms, stopping=any(observation.stopping for observation in running))


def _run_ended(first: Ended, seen: Mapping[int, PodObservation], replicas: int) -> Ended:
    starts = [observation.started_ms for observation in seen.values() if not isinstance(observation, Waiting)]
    known = [start for start in starts if start is not None]
    started_ms = max(known) if len(known) == replicas else None
    ended_ms = min((first.ended_ms, *_given_up_ms(seen.values())))
    if started_ms is not None and started_ms > ended_ms:
        started_ms = None  # the last one started after the first had stopped: they never ran together
    return Ended(started_ms, ended_ms, first.outcome, first.stop, first.rank)


def _given_up_ms(seen: Iterable[PodObservation]) -> Iterator[int]:
    """Yield since when replicas that nobody can hear of may have been gone: after that, nothing proves a delivery."""
    for observation in seen:
        if isinstance(observation, Running) and observation.given_up_ms is not None:
            yield observation.given_up_ms


def _order_of_ends(ended: Ended) -> tuple[int, int, int]:
    """Of ends in one second, one's own comes first, failures before successes; then those that others decided."""
    if ended.outcome.reason is Reason.PodDeleted:
        kind = 3  # likely a consequence of the other
    elif ended.stop is not None:
        kind = 2
    else:
        kind = 0 if ended.outcome.state is JobState.FAILURE else 1
    return ended.ended_ms, kind, ended.rank


_WORST_FIRST: Final = (
    Reason.ConfigError,
    Reason.ImagePullFailed,
    Reason.Stopping,
    Reason.Unschedulable,
    Reason.Queued,
    Reason.Starting,
)


def _order_of_waiting(waiting: Waiting) -> tuple[int, int, int]:
    return _WORST_FIRST.index(waiting.reason), waiting.since_ms, waiting.rank


def observe_pod(pod: Pod, now_ms: int, intent: Intent = NOTHING_DECIDED) -> PodObservation:
    """Return how one pod fares."""
    if _has_ended(pod, now_ms):
        return _ended(pod, now_ms, intent)
    if pod.started_ms is None:
        return _waiting(pod)
    skew_ms = pod.skew_ms(now_ms)
    return Running(pod.started_ms - skew_ms, skew_ms, pod.is_being_deleted, pod.given_up_ms)


def _has_ended(pod: Pod, now_ms: int) -> bool:
    if pod.status.phase in _ENDED_PHASES or pod.container.terminated is not None:
        return True
    deletion_ms = pod.metadata.deletion_timestamp
    if deletion_ms is None:
        return False
    return not pod.is_bound or deletion_ms + LOST_AFTER_MS <= now_ms


def lost_ms(pods: Iterable[Pod], now_ms: int) -> int:
    """Return when the first of those that are told to stop counts as lost if nothing is heard of it before."""
    told = (pod for pod in pods if pod.metadata.deletion_timestamp is not None and not _has_ended(pod, now_ms))
    return min(((pod.metadata.deletion_timestamp or 0) + LOST_AFTER_MS for pod in told), default=FOREVER_MS)


def _ended(pod: Pod, now_ms: int, intent: Intent) -> Ended:
    skew_ms = pod.skew_ms(now_ms)
    started_ms = pod.started_ms - skew_ms if pod.started_ms is not None else None
    ended_ms = pod.finished_ms - skew_ms if pod.finished_ms is not None else pod.last_sign_of_life_ms
    ended_ms = min(ended_ms, now_ms)
    stop = stop_of(pod, intent)
    if stop is not None:
        ended_ms = billed_end_ms(ended_ms, stop)  # which may be a moment from now, for one that was told earlier
    earliest_ms = started_ms if started_ms is not None else pod.metadata.creation_timestamp
    return Ended(started_ms, max(earliest_ms, ended_ms), explain(pod, intent), stop, pod.rank)


def _waiting(pod: Pod) -> Waiting:
    if pod.is_being_deleted:
        return Waiting(Reason.Stopping, "", pod.told_to_stop_ms or 0, pod.rank)
    scheduled = pod.condition("PodScheduled")
    changed_ms = (scheduled.last_transition_time if scheduled else None) or pod.metadata.creation_timestamp
    if not pod.is_bound:
        if scheduled is not None and scheduled.status == "False":
            return Waiting(Reason.Unschedulable, scheduled.message, changed_ms, pod.rank)
        return Waiting(Reason.Queued, "", changed_ms, pod.rank)
    since_ms = pod.status.start_time or changed_ms
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason in _IMAGE_ERRORS:
            return Waiting(Reason.ImagePullFailed, waiting.message or waiting.reason, since_ms, pod.rank)
        if waiting is not None and waiting.reason in _CONFIG_ERRORS:
            return Waiting(Reason.ConfigError, waiting.message or waiting.reason, since_ms, pod.rank)
    return Waiting(Reason.Starting, "", since_ms, pod.rank)
