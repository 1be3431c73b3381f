"""Why a pod ended: a table of explanations, tried in order; the first that fits is the one.

Most ends have several marks. A container that is evicted was also killed by a signal; one that the operator stopped
may have exited with 0. So the order matters, and it is: what somebody decided before what was only seen.

Whose decision was it? A pod that ends after we decided to stop it was stopped by us, unless its container had ended
before it was told, or the deletion came so early that it can't have been ours. Stamps are cut off to the second and
written by two clocks, the API server's and the kubelet's, so "before" means: in an earlier second; and an exit by the
very signals that a deletion sends counts as an answer to it even when the kubelet's clock is some seconds behind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from ucloud_operator.api import JobState
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.kubelet import ContainerTerminated, Pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import STAMP_MS, Outcome, Stop, first_stop, outcome_of

CLOCKS_DIFFER_MS: Final = 5000
"""By how much a kubelet's clock may differ from ours before a stop is taken for a coincidence."""

_SIGNAL_BASE: Final = 128  # a shell's and a runtime's exit code for "killed by signal n" is 128 + n
_SIGNALS: Final = 64
_STOPPED_CODES: Final = frozenset({_SIGNAL_BASE + 15, _SIGNAL_BASE + 9})

_DEADLINE: Final = "DeadlineExceeded"
_NODE_GONE: Final = frozenset({"NodeLost", "NodeShutdown", "Shutdown", "Terminated"})  # `status.reason`
_NOT_STARTED: Final = frozenset({"StartError", "ContainerCannotRun"})  # a terminated container's reason
_CONTAINER_LOST: Final = "ContainerStatusUnknown"

_DISRUPTIONS: Final = {  # the reasons of the condition DisruptionTarget
    "PreemptionByScheduler": (Reason.Evicted, sentences.EVICTED),
    "EvictionByEvictionAPI": (Reason.Evicted, sentences.EVICTED),
    "TerminationByKubelet": (Reason.Evicted, sentences.EVICTED),
    "DeletionByTaintManager": (Reason.NodeLost, sentences.NODE_LOST),
    "DeletionByPodGC": (Reason.NodeLost, sentences.NODE_LOST),
}


@dataclass(frozen=True, slots=True)
class Intent:
    """What is known besides the pods: what was decided about the job, and what happens around it."""

    stop: Stop | None = None
    """A decision that may not stand on the pods, such as the user's."""
    suspends: bool = False
    """The wallet says ``onExhaustion: Suspend``."""
    namespace_terminating: bool = False


NOTHING_DECIDED: Final = Intent()


def stop_of(pod: Pod, intent: Intent) -> Stop | None:
    """Return the decision that ended this pod, if it was a decision of ours."""
    if pod.status.reason == _DEADLINE and pod.stop is not None:
        return pod.stop  # the deadline was set together with it
    stop = first_stop((pod.stop, intent.stop))
    return stop if stop is not None and _explains(stop, pod) else None


def _explains(stop: Stop, pod: Pod) -> bool:
    if pod.told_to_stop_ms is None:
        return (pod.finished_ms or pod.last_sign_of_life_ms) >= stop.at_ms  # it should have been gone by then
    if _ended_untold(pod) and pod.finished_ms is not None and pod.finished_ms < stop.at_ms:
        return False
    earliest_ms = stop.at_ms - 1000 * pod.spec.termination_grace_period_seconds
    return pod.told_to_stop_ms + CLOCKS_DIFFER_MS >= earliest_ms


def _ended_untold(pod: Pod) -> bool:
    """Say whether the container ended without or before a deletion of its pod."""
    return pod.told_to_stop_ms is None or _ended_before(pod, pod.told_to_stop_ms)


def _ended_before(pod: Pod, at_ms: int) -> bool:
    terminated = pod.container.terminated
    if terminated is None or pod.finished_ms is None:
        return False
    leeway_ms = CLOCKS_DIFFER_MS if terminated.exit_code in _STOPPED_CODES else 0
    return pod.finished_ms + STAMP_MS + leeway_ms <= at_ms


def explain(pod: Pod, intent: Intent) -> Outcome:
    """Return what the end of this pod makes of its job."""
    stop = stop_of(pod, intent)
    if stop is not None:
        return outcome_of(stop.reason, suspends=intent.suspends)
    if intent.namespace_terminating and not _ended_untold(pod):
        return Outcome(JobState.SUCCESS, Reason.Cancelled, sentences.NAMESPACE_DELETED)
    return next(outcome for explanation in EXPLANATIONS if (outcome := explanation(pod)) is not None)


def _evicted(pod: Pod) -> Outcome | None:
    """By the kubelet, for want of something on the node or because the pod used too much of it."""
    if pod.status.reason != "Evicted":
        return None
    memory = "memory" in pod.status.message
    return _failure(Reason.Evicted, sentences.EVICTED_MEMORY if memory else sentences.EVICTED)


def _disrupted(pod: Pod) -> Outcome | None:
    """By a drain, a preemption, a taint, or with its node.

    The condition says since when, and its stamp stays. That of the deletion may move, to the end of its grace, when the
    kubelet confirms it: a container that obeyed at once then seems to have ended before.
    """
    condition = pod.condition("DisruptionTarget")
    if condition is None or condition.status != "True" or condition.reason not in _DISRUPTIONS:
        return None
    since_ms = condition.last_transition_time or pod.told_to_stop_ms
    ended_before = since_ms is not None and _ended_before(pod, since_ms)
    return None if ended_before else _failure(*_DISRUPTIONS[condition.reason])


def _node_gone(pod: Pod) -> Outcome | None:
    return _failure(Reason.NodeLost, sentences.NODE_LOST) if pod.status.reason in _NODE_GONE else None


def _deleted(pod: Pod) -> Outcome | None:
    return None if _ended_untold(pod) else _failure(Reason.PodDeleted, sentences.POD_DELETED)


def _deadline(pod: Pod) -> Outcome | None:
    """By a deadline that no stop explains: not one of ours."""
    return _failure(Reason.Unknown, sentences.DEADLINE) if pod.status.reason == _DEADLINE else None


def _exited(pod: Pod) -> Outcome | None:
    return _exit(pod.container.terminated) if pod.container.terminated else None


def _init_failed(pod: Pod) -> Outcome | None:
    """By an init container, which somebody injected: ours have none."""
    states = (status.state.terminated for status in pod.status.init_container_statuses)
    return next((_exit(terminated) for terminated in states if terminated and terminated.exit_code), None)


def _refused(pod: Pod) -> Outcome | None:
    """By the kubelet, before anything was started."""
    if pod.status.phase != "Failed" or not pod.status.reason or pod.started_ms is not None:
        return None
    return _failure(Reason.NodeRefused, sentences.node_refused(pod.status.message or pod.status.reason))


def _phase_alone(pod: Pod) -> Outcome:
    """By nothing that anyone can see."""
    if pod.status.phase == "Succeeded":
        return COMPLETED
    undetermined = pod.status.phase == "Unknown"
    return _failure(Reason.Unknown, sentences.UNDETERMINED if undetermined else sentences.NO_DETAILS)


Explanation: TypeAlias = Callable[[Pod], Outcome | None]

EXPLANATIONS: Final[tuple[Explanation, ...]] = (
    _evicted,
    _disrupted,
    _node_gone,
    _deleted,
    _deadline,
    _exited,
    _init_failed,
    _refused,
    _phase_alone,
)
"""The ends that nobody of us decided; the last one always fits."""


def _exit(terminated: ContainerTerminated) -> Outcome:
    """Return what the end of one container means, however that container was called."""
    if terminated.reason == "OOMKilled":
        return _failure(Reason.OOMKilled, sentences.OOM_KILLED)
    if terminated.reason in _NOT_STARTED:
        return _failure(Reason.ConfigError, sentences.config_error(terminated.message))
    if terminated.reason == _CONTAINER_LOST:
        return _failure(Reason.Unknown, sentences.UNDETERMINED)
    number = terminated.signal or terminated.exit_code - _SIGNAL_BASE
    if 0 < number <= _SIGNALS:
        return _failure(Reason.Signal, sentences.signal(number))
    if terminated.exit_code:
        return _failure(Reason.ExitCode, sentences.exit_code(terminated.exit_code))
    return COMPLETED


def _failure(reason: Reason, sentence: str) -> Outcome:
    return Outcome(JobState.FAILURE, reason, sentence)


COMPLETED: Final = Outcome(JobState.SUCCESS, Reason.Completed, sentences.COMPLETED)
