"""Pods, jobs and wallets for tests, told as stories: `pod().runs(2).is_deleted(60, grace=1).ends(61, code=143)`.

All times are seconds after T0, at which everything is created; a fraction is milliseconds.
"""

from __future__ import annotations

from copy import deepcopy

from pydantic import JsonValue

from ucloud_operator.api import Application, ComputeProduct, UCloudJob, Wallet, format_time, parse_time
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import Stop, format_stop

T0_MS = parse_time("2026-11-24T08:00:00Z")


def at(seconds: float) -> int:
    """So many seconds after T0, in unix milliseconds."""
    return T0_MS + round(1000 * seconds)


def stamp(seconds: float) -> str:
    """The same, as the API server and the kubelet write it: whole seconds."""
    return format_time(at(seconds))[:19] + "Z"


Fields = dict[str, JsonValue]


class PodStory:
    """A pod to which things happen; each call returns a new one."""

    def __init__(self, rank: int = 0) -> None:
        self.metadata: Fields = {
            "name": pods.pod_name("62348", rank, 1),
            "namespace": "ws",
            "uid": f"pod-{rank}",
            "resourceVersion": "7",
            "creationTimestamp": stamp(0),
            "finalizers": [pods.FINALIZER],
            "labels": {pods.JOB_UID: "job-uid", pods.RANK: str(rank), pods.RUN: "1"},
            "annotations": {pods.PRICE: "50000", pods.REPLICAS: "2", pods.PERIOD_MS: "60000"},
        }
        self.spec: Fields = {"terminationGracePeriodSeconds": 1}
        self.status: Fields = {"phase": "Pending"}
        self.conditions: list[JsonValue] = []
        self.container: Fields = {"waiting": {"reason": "ContainerCreating"}}
        self.init_container: Fields = {}

    def json(self) -> Fields:
        status = {**self.status, "conditions": self.conditions}
        if self.init_container:
            status["initContainerStatuses"] = [{"name": "injected", "state": self.init_container}]
        if "nodeName" in self.spec:
            sidecar: JsonValue = {"name": "sidecar", "state": {"running": {"startedAt": stamp(0)}}}
            status["containerStatuses"] = [sidecar, {"name": pods.CONTAINER, "state": self.container}]
        return {"metadata": self.metadata, "spec": self.spec, "status": status}

    def seen(self) -> Pod:
        return Pod.model_validate(self.json())

    def _copy(self) -> PodStory:
        return deepcopy(self)

    def grace(self, seconds: int) -> PodStory:
        story = self._copy()
        story.spec["terminationGracePeriodSeconds"] = seconds
        return story

    def annotated(self, name: str, value: str | None) -> PodStory:
        story = self._copy()
        annotations = story.metadata["annotations"]
        assert isinstance(annotations, dict)
        annotations[name] = value
        if value is None:
            del annotations[name]
        return story

    def labelled(self, name: str, value: str) -> PodStory:
        story = self._copy()
        labels = story.metadata["labels"]
        assert isinstance(labels, dict)
        labels[name] = value
        return story

    def armed(self, seconds: float, reason: Reason = Reason.OutOfCredits) -> PodStory:
        return self.annotated(pods.STOP, format_stop(Stop(reason, at(seconds))))

    def condition(self, type_: str, status: str, reason: str, seconds: float | None, message: str = "") -> PodStory:
        story = self._copy()
        story.conditions.append(
            {
                "type": type_,
                "status": status,
                "reason": reason,
                "message": message,
                "lastProbeTime": None,
                "lastTransitionTime": None if seconds is None else stamp(seconds),
            }
        )
        return story

    def finds_no_place(self, seconds: float = 0) -> PodStory:
        return self.condition("PodScheduled", "False", "Unschedulable", seconds, "0/3 nodes are available")

    def bound(self, seconds: float = 0) -> PodStory:
        story = self.condition("PodScheduled", "True", "", seconds)
        story.spec["nodeName"] = "node-1"
        return story

    def taken(self, seconds: float) -> PodStory:
        story = self._copy()
        story.status["startTime"] = stamp(seconds)
        return story

    def waits(self, reason: str, message: str = "") -> PodStory:
        story = self.bound()
        story.container = {"waiting": {"reason": reason, "message": message}}
        return story

    def runs(self, seconds: float) -> PodStory:
        story = self.bound().phase("Running")
        story.container = {"running": {"startedAt": stamp(seconds)}}
        return story

    def let_go(self) -> PodStory:
        story = self._copy()
        story.metadata["finalizers"] = []
        return story

    def phase(self, phase: str, reason: str = "", message: str = "") -> PodStory:
        story = self._copy()
        story.status |= {"phase": phase, "reason": reason, "message": message}
        return story

    def is_deleted(self, seconds: float, grace: int = 1) -> PodStory:
        story = self._copy()
        story.metadata["deletionTimestamp"] = stamp(seconds + grace)
        story.metadata["deletionGracePeriodSeconds"] = grace
        return story

    def ends(
        self,
        seconds: float | None,
        code: int = 0,
        *,
        reason: str = "",
        message: str = "",
        signal: int | None = None,
    ) -> PodStory:
        story = self.phase("Failed" if code else "Succeeded")
        running = story.container.get("running")
        story.container = {
            "terminated": {
                "exitCode": code,
                "signal": signal,
                "reason": reason or ("Error" if code else "Completed"),
                "message": message,
                "startedAt": running["startedAt"] if isinstance(running, dict) else None,
                "finishedAt": None if seconds is None else stamp(seconds),
            }
        }
        return story

    def is_stopped_by_deadline(self, seconds: float) -> PodStory:
        story = self.ends(seconds, 137)
        story.status["reason"] = "DeadlineExceeded"
        return story

    def init_fails(self, code: int) -> PodStory:
        story = self.bound().phase("Failed")
        story.init_container = {"terminated": {"exitCode": code, "finishedAt": stamp(1)}}
        story.container = {"waiting": {"reason": "PodInitializing"}}
        return story


def pod(rank: int = 0) -> PodStory:
    return PodStory(rank)


def job(**spec: JsonValue) -> UCloudJob:
    return UCloudJob.model_validate(
        {
            "metadata": {"name": "62348", "namespace": "ws", "uid": "job-uid", "creationTimestamp": stamp(0)},
            "spec": {
                "application": {"name": "acme-web-application", "version": "1.0.0"},
                "product": {"id": "example-compute", "category": "example-compute", "provider": "example"},
                **spec,
            },
        }
    )


def product(**spec: JsonValue) -> ComputeProduct:
    category: JsonValue = {"name": "example-compute", "provider": "example"}
    default: Fields = {"category": category, "price": 50_000, "memoryInGigs": 2}
    return ComputeProduct.model_validate({"metadata": {"name": "example-compute"}, "spec": default | spec})


def application(**spec: JsonValue) -> Application:
    default: Fields = {"name": "acme-web-application", "version": "1.0.0", "image": "example.com/acme:1.0.0"}
    return Application.model_validate({"metadata": {"name": "acme"}, "spec": default | spec})


def wallet(
    *,
    on_exhaustion: str = "Terminate",
    frequency: str = "PERIODIC_MINUTE",
    free: bool = False,
    warn_minutes: tuple[int, ...] = (60, 15, 5),
) -> Wallet:
    return Wallet.model_validate(
        {
            "metadata": {"name": "compute", "namespace": "ws", "uid": "wallet-uid"},
            "spec": {
                "owner": {"type": "user", "username": "user"},
                "paysFor": {
                    "name": "example-compute",
                    "provider": "example",
                    "accountingFrequency": frequency,
                    "freeToUse": free,
                },
                "allocationGroups": [],
                "onExhaustion": on_exhaustion,
                "warnMinutes": list(warn_minutes),
            },
        }
    )
