"""Pods on KWOK's nodes do what a kubelet's pods do, as far as the operator depends on it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import yaml

from devcluster import Cluster
from devcluster.kubelets import configuration
from tests.cluster.people import Json, Person
from tests.cluster.support import eventually, paused

HOLD = "test.ucloud.dk/hold"
BUSY_SECONDS = 2
"""How late things may be on a machine that runs other tests beside these."""


@dataclass(frozen=True)
class Pod:
    """One pod as the API server knows it, asked anew each time."""

    admin: Person
    collection: str
    name: str = "pod"

    def get(self, part: str) -> dict[str, object]:
        """Its metadata, spec or status."""
        found = self.admin.get(self._path)[part]
        assert isinstance(found, dict)
        return found

    def phase(self) -> object:
        return self.get("status").get("phase")

    def state(self, kind: str) -> dict[str, object]:
        """The container's state, where it is of this kind: waiting, running or terminated."""
        statuses = self.get("status").get("containerStatuses") or [{}]
        assert isinstance(statuses, list)
        found: dict[str, object] = statuses[0].get("state", {}).get(kind, {})
        return found

    def until_running(self) -> dict[str, object]:
        return eventually(lambda: self.state("running"))

    def until_terminated(self) -> dict[str, object]:
        return eventually(lambda: self.state("terminated"))

    def until_waiting_for(self, reason: str) -> dict[str, object]:
        return eventually(lambda: self.state("waiting") if self.state("waiting").get("reason") == reason else {})

    def until_gone(self) -> None:
        eventually(lambda: self.admin.get(self._path).status == 404, within_seconds=5)

    def delete(self, **options: object) -> float:
        """Delete it; return the instant before that."""
        before = time.time()
        assert self.admin.delete(self._path, **options).allowed
        return before

    def patch(self, patch: Json, part: str = "") -> None:
        answer = self.admin.patch(f"{self._path}/{part}".rstrip("/"), patch)
        assert answer.allowed, answer.message

    @property
    def _path(self) -> str:
        return f"{self.collection}/{self.name}"


@pytest.fixture
def make(cluster: Cluster, namespace: str) -> "Make":
    return Make(Person(cluster.kubeconfig), f"/api/v1/namespaces/{namespace}/pods")


@dataclass(frozen=True)
class Make:
    """Makes a pod that is told things by annotations, or by `env`."""

    admin: Person
    collection: str

    def __call__(
        self,
        told: Mapping[str, str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        hold: bool = False,
        grace_seconds: int = 1,
        deadline_seconds: int | None = None,
    ) -> Pod:
        container = {
            "name": "user-job",
            "image": "example.org/image:1",
            "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "pod",
                "annotations": {f"devcluster.ucloud.dk/{key}": value for key, value in (told or {}).items()},
                "finalizers": [HOLD] if hold else [],
            },
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": grace_seconds,
                "activeDeadlineSeconds": deadline_seconds,
                "containers": [container],
            },
        }
        answer = self.admin.create(self.collection, pod)
        assert answer.allowed, answer.message
        return Pod(self.admin, self.collection)


def second(stamp: object) -> int:
    """The second that a status names."""
    return int(datetime.strptime(str(stamp), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def test_a_pod_runs_after_a_moment(make: Make) -> None:
    before = time.time()
    pod = make()

    started = second(pod.until_running()["startedAt"])

    assert int(before) <= started <= time.time() <= before + 1.6 + BUSY_SECONDS
    status = pod.get("status")
    assert status["phase"] == "Running"
    assert str(status["podIP"]).startswith("10.244.")
    assert int(before) <= second(status["startTime"]) <= started
    conditions = status["conditions"]
    assert isinstance(conditions, list)
    assert {c["type"] for c in conditions if c["status"] == "True"} >= {"PodScheduled", "Ready", "ContainersReady"}


@pytest.mark.parametrize(("code", "phase", "reason"), [("0", "Succeeded", "Completed"), ("3", "Failed", "Error")])
def test_a_container_ends_by_itself_as_its_environment_says(make: Make, code: str, phase: str, reason: str) -> None:
    pod = make(env={"DEVCLUSTER_EXIT_AFTER": "2s", "DEVCLUSTER_EXIT_CODE": code})
    started = second(pod.until_running()["startedAt"])

    ended = pod.until_terminated()

    assert (ended["exitCode"], ended["reason"], pod.phase()) == (int(code), reason, phase)
    assert second(ended["startedAt"]) == started
    assert 2 <= second(ended["finishedAt"]) - started <= 3 + BUSY_SECONDS
    assert second(ended["finishedAt"]) <= time.time()


@pytest.mark.parametrize(
    ("fail", "pod_reason", "reason"),
    [("oom", None, "OOMKilled"), ("evicted", "Evicted", "Error"), ("unknown", None, "ContainerStatusUnknown")],
)
def test_a_container_is_ended_by_others(make: Make, fail: str, pod_reason: str | None, reason: str) -> None:
    pod = make({"fail": fail})

    ended = pod.until_terminated()

    assert (ended["exitCode"], ended["reason"]) == (137, reason)
    assert (pod.phase(), pod.get("status").get("reason")) == ("Failed", pod_reason)
    assert (ended["finishedAt"] is None) == (fail == "unknown")


def test_a_lost_node_leaves_a_failed_pod_whose_container_seems_to_run(make: Make) -> None:
    pod = make({"fail": "node-lost"}, hold=True)

    eventually(lambda: pod.phase() == "Failed")

    assert pod.state("running")
    eventually(lambda: pod.get("metadata").get("deletionTimestamp"))


@pytest.mark.parametrize(
    ("told", "reasons"),
    [
        ({"fail": "image-pull"}, ["ErrImagePull", "ImagePullBackOff"]),
        ({"fail": "config"}, ["CreateContainerConfigError"]),
        ({"start-after": "never"}, ["ContainerCreating"]),
    ],
    ids=["image pull", "config", "never"],
)
def test_a_container_that_cannot_start(make: Make, told: dict[str, str], reasons: list[str]) -> None:
    pod = make(told)

    for reason in reasons:
        waiting = pod.until_waiting_for(reason)

    assert pod.phase() == "Pending"
    assert ("message" in waiting) == ("fail" in told)
    pod.delete()
    pod.until_gone()


@pytest.mark.parametrize("deleted", [False, True], ids=["starts", "goes"])
def test_a_pod_whose_conditions_others_took_away(make: Make, *, deleted: bool) -> None:
    pod = make({"start-after": "never"})
    pod.until_waiting_for("ContainerCreating")
    pod.patch({"status": {"conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]}}, "status")

    if deleted:
        pod.delete()
        pod.until_gone()
    else:
        pod.patch({"metadata": {"annotations": {"devcluster.ucloud.dk/start-after": "0s"}}})
        pod.until_running()


def test_a_pod_that_is_deleted_while_its_kubelet_is_behind_goes_without_having_run(
    cluster: Cluster, make: Make
) -> None:
    """It ought to have started by then: what is overdue must not stand before what it was told."""
    with paused(cluster.process("kwok")):
        pod = make(hold=True)
        eventually(lambda: pod.get("spec").get("nodeName"))
        time.sleep(2)  # more than a start takes
        pod.delete()
    eventually(lambda: pod.phase() == "Failed")
    assert not pod.state("running")


def test_a_pod_is_patched_only_as_it_was_seen() -> None:
    stages = [each["spec"] for each in yaml.safe_load_all(configuration()) if each["kind"] == "Stage"]
    steps = [step for stage in stages if stage["resourceRef"]["kind"] == "Pod" for step in stage["steps"]]
    patches = [step["patch"] for step in steps if "patch" in step]
    assert patches
    for patch in patches:
        assert "metadata: {resourceVersion: {{ .metadata.resourceVersion | quote }}}" in patch["template"]


def test_a_container_that_heeds_sigterm_ends_at_once(make: Make) -> None:
    pod = make(hold=True, grace_seconds=30)
    started = pod.until_running()["startedAt"]

    deleted = pod.delete()

    ended = pod.until_terminated()
    assert (ended["exitCode"], ended["startedAt"], pod.phase()) == (143, started, "Failed")
    assert int(deleted) <= second(ended["finishedAt"]) <= deleted + 0.3 + BUSY_SECONDS
    # The finalizer holds the pod, its end in it; nothing else does.
    eventually(lambda: pod.get("metadata")["deletionGracePeriodSeconds"] == 0)
    pod.patch({"metadata": {"finalizers": None}})
    pod.until_gone()


def test_a_container_can_take_its_time_and_end_well(make: Make) -> None:
    pod = make({"sigterm-after": "1500ms", "sigterm-exit-code": "0"}, hold=True, grace_seconds=30)
    pod.until_running()

    deleted = pod.delete()

    ended = pod.until_terminated()
    assert 1.4 <= time.time() - deleted <= 1.5 + BUSY_SECONDS
    assert (ended["exitCode"], pod.phase()) == (0, "Succeeded")


@pytest.mark.parametrize(("grace_seconds", "lives_seconds"), [(0, 2), (3, 3)])
def test_a_container_that_ignores_sigterm_lives_out_its_grace(
    make: Make, grace_seconds: int, lives_seconds: int
) -> None:
    pod = make({"ignore-sigterm": "true"}, hold=True)
    pod.until_running()

    deleted = pod.delete(gracePeriodSeconds=grace_seconds)
    pod.patch({"metadata": {"annotations": {"changed": "meanwhile"}}})  # which doesn't put it off by more than a second

    ended = pod.until_terminated()
    assert lives_seconds - 0.1 <= time.time() - deleted <= lives_seconds + 1 + BUSY_SECONDS
    assert (ended["exitCode"], pod.phase()) == (137, "Failed")


def test_a_pod_without_finalizers_is_gone_after_its_container(make: Make) -> None:
    pod = make()
    pod.until_running()

    pod.delete()

    pod.until_gone()


@pytest.mark.parametrize("patched", [False, True], ids=["from the start", "patched while running"])
def test_a_deadline_ends_a_pod(make: Make, *, patched: bool) -> None:
    pod = make(hold=True, deadline_seconds=None if patched else 3)
    pod.until_running()
    if patched:
        pod.patch({"spec": {"activeDeadlineSeconds": 100}})
        pod.patch({"spec": {"activeDeadlineSeconds": 3}})

    ended = pod.until_terminated()

    status = pod.get("status")
    assert (status["phase"], status["reason"], ended["exitCode"]) == ("Failed", "DeadlineExceeded", 143)
    assert 3 <= second(ended["finishedAt"]) - second(status["startTime"]) <= 3 + BUSY_SECONDS


def test_a_deadline_kills_what_ignores_it(make: Make) -> None:
    pod = make({"ignore-sigterm": "true"}, deadline_seconds=2)

    ended = pod.until_terminated()

    assert (pod.get("status")["reason"], ended["exitCode"]) == ("DeadlineExceeded", 137)
    assert 4 <= second(ended["finishedAt"]) - second(pod.get("status")["startTime"]) <= 4 + BUSY_SECONDS


def test_a_deadline_also_counts_while_nothing_runs(make: Make) -> None:
    pod = make({"start-after": "never"}, deadline_seconds=1)

    eventually(lambda: pod.get("status").get("reason") == "DeadlineExceeded")

    assert pod.phase() == "Failed"
