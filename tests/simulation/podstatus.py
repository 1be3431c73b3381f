"""What the scheduler, a kubelet and the pods' garbage collector write into a pod's status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.objects import stamp

if TYPE_CHECKING:
    from tests.simulation.objects import Json

_REASONS: Final = {"oom": "OOMKilled", "unknown": "ContainerStatusUnknown"}
_KILLED: Final = 137


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a container ended."""

    code: int
    fail: str = ""
    past_deadline: bool = False


def unschedulable(pod: Json, now_ms: int) -> Json:
    """No node has room."""
    said = "0/2 nodes are available: 2 Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    return {"conditions": _conditions(pod, {**condition, "lastTransitionTime": stamp(now_ms)})}


def waiting(pod: Json, accepted_ms: int, reason: str, message: str = "") -> Json:
    """The node has it, and its container waits."""
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return {"phase": "Pending", "startTime": stamp(accepted_ms), "containerStatuses": _containers(pod, state)}


def running(pod: Json, accepted_ms: int, started_ms: int) -> Json:
    """Its container runs."""
    return {
        "phase": "Running",
        "startTime": stamp(accepted_ms),
        "containerStatuses": _containers(pod, {"running": {"startedAt": stamp(started_ms)}}),
        "conditions": _conditions(pod, _ready("True", "", started_ms)),
    }


def ended(pod: Json, accepted_ms: int, started_ms: int, ended_ms: int, end: End) -> Json:
    """Its container has ended, and so has it."""
    code = _KILLED if end.fail else end.code
    well = code == 0 and not end.past_deadline
    terminated: dict[str, Any] = {
        "exitCode": code,
        "reason": _REASONS.get(end.fail, "Completed" if code == 0 else "Error"),
    }
    if end.fail != "unknown":
        terminated |= {"startedAt": stamp(started_ms), "finishedAt": stamp(ended_ms)}
    status: Json = {
        "phase": "Succeeded" if well else "Failed",
        "startTime": stamp(accepted_ms),
        "containerStatuses": _containers(pod, {"terminated": terminated}),
        "conditions": _conditions(pod, _ready("False", "PodCompleted" if well else "PodFailed", ended_ms)),
    }
    if end.past_deadline:
        status |= _PAST_DEADLINE
    if end.fail == "evicted":
        status |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
    return status


def never_started(pod: Json, past_deadline: bool) -> Json:  # noqa: FBT001  # one of two ways
    """It was to stop before its container had started."""
    state = {"terminated": {"exitCode": _KILLED, "reason": "ContainerStatusUnknown"}}
    return {"phase": "Failed", "containerStatuses": _containers(pod, state)} | (_PAST_DEADLINE if past_deadline else {})


def unready(pod: Json, now_ms: int) -> Json:
    """Its node has fallen silent, says the node lifecycle controller; nothing if it wasn't ready."""
    if not any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", [])):
        return {}
    return {"conditions": _conditions(pod, _ready("False", "", now_ms))}


def evicted_by_taint(pod: Json, now_ms: int) -> Json:
    """Its node has been silent for too long: it is about to be deleted."""
    return {"conditions": _conditions(pod, _disrupted("DeletionByTaintManager", "deleting due to NoExecute", now_ms))}


def lost_with_its_node(pod: Json, now_ms: int) -> Json:
    """Its node is gone; its container is called running for ever."""
    said = _disrupted("DeletionByPodGC", "PodGC: node no longer exists", now_ms)
    return {"phase": "Failed", "conditions": _conditions(pod, said)}


_PAST_DEADLINE: Final = {
    "reason": "DeadlineExceeded",
    "message": "Pod was active on the node longer than the specified deadline",
}


def _containers(pod: Json, state: Json) -> list[Json]:
    return [
        {"name": container["name"], "image": container["image"], "restartCount": 0, "state": state}
        for container in pod["spec"]["containers"]
    ]


def _ready(status: str, reason: str, at_ms: int) -> Json:
    condition = {"type": "Ready", "status": status, "lastTransitionTime": stamp(at_ms)}
    return condition | ({"reason": reason} if reason else {})


def _disrupted(reason: str, message: str, at_ms: int) -> Json:
    said = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    return {**said, "lastTransitionTime": stamp(at_ms)}


def _conditions(pod: Json, *new: Json) -> list[Json]:
    """Put conditions in the place of those of their types."""
    types = {condition["type"] for condition in new}
    kept = [condition for condition in pod["status"].get("conditions", []) if condition["type"] not in types]
    return [*kept, *new]
