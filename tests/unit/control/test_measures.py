"""What Prometheus is told of what there is and of what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from tests.unit.audit.facts import Facts, facts
from ucloud_operator.api import JobState, UCloudJobStatus
from ucloud_operator.control import measures
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.sentences import Reason

if TYPE_CHECKING:
    from ucloud_operator.kube.objects import JsonObject

CREATED_MS, CREATED = 1_795_507_200_000, "2026-11-24T08:00:00Z"


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def raw_pod(job_uid: str = "spends-uid", *, stop: str = "", **status: object) -> JsonObject:
    annotations = {pods.STOP: stop} if stop else {}
    metadata = {
        "name": "pod",
        "namespace": "lab",
        "uid": "pod-uid",
        "resourceVersion": "7",
        "creationTimestamp": CREATED,
        "labels": {pods.JOB_UID: job_uid},
        "annotations": annotations,
        "finalizers": [pods.FINALIZER],
    }
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": {"phase": "Running", **status}}


def container(**state: object) -> list[object]:
    return [{"name": pods.CONTAINER, "state": state}]


def survey(there: Facts, *found: JsonObject, seconds: int = 0) -> None:
    world = there.world()
    for raw in found:
        world.pods.apply(raw)
    measures.survey(world, CREATED_MS + 1000 * seconds)


class TestWhatThereIs:
    def test_jobs_are_counted_by_state(self) -> None:
        survey(facts().wallet("lab").job("spends", since=0).job("spent", since=0, until=9))
        assert (told("ucloud_jobs", state="RUNNING"), told("ucloud_jobs", state="SUCCESS")) == (1, 1)
        survey(facts())
        assert told("ucloud_jobs", state="RUNNING") == 0

    @pytest.mark.parametrize(
        ("reason", "state"),
        [("Usable", "usable"), ("OutOfCredits", "exhausted"), ("NoAllocation", "unallocated"), ("Circle", "blocked")],
    )
    def test_wallets_are_counted_by_why_they_are_locked(self, reason: str, state: str) -> None:
        locked = {"type": "Locked", "status": "True", "reason": reason, "message": "", "lastTransitionTime": CREATED}
        survey(facts().wallet("lab", conditions=[locked]).wallet("young"))
        assert {each: told("ucloud_wallets", state=each) for each in (state, "new")} == {state: 1, "new": 1}

    def test_a_pod_is_an_orphan_as_long_as_its_job_is_not_known(self) -> None:
        survey(facts().wallet("lab").job("spends", since=0), raw_pod("gone-uid"))
        assert told("ucloud_orphan_pods") == 1
        survey(facts().wallet("lab").job("spends", since=0), raw_pod())
        assert told("ucloud_orphan_pods") == 0

    def test_what_cannot_be_read_is_counted(self) -> None:
        broken = raw_pod()
        broken["status"] = {"startTime": "tomorrow"}
        survey(facts(), broken)
        assert told("ucloud_unreadable_objects", resource="pods") == 1

    def test_a_pod_that_outlives_its_credits_is_overdue_until_it_has_ended(self) -> None:
        stop = f"{Reason.OutOfCredits}@{CREATED}"
        survey(facts(), raw_pod(stop=stop), seconds=90)
        assert told("ucloud_stop_overdue_seconds") == 90
        ended = container(terminated={"exitCode": 143, "finishedAt": CREATED})
        survey(facts(), raw_pod(stop=stop, containerStatuses=ended), seconds=90)
        assert told("ucloud_stop_overdue_seconds") == 0
        survey(facts(), raw_pod(stop=stop, phase="Failed"), seconds=90)
        assert told("ucloud_stop_overdue_seconds") == 0

    def test_a_pod_that_its_user_stops_is_not(self) -> None:
        survey(facts(), raw_pod(stop=f"{Reason.Cancelled}@{CREATED}"), seconds=90)
        assert told("ucloud_stop_overdue_seconds") == 0


class TestWhatHappened:
    def test_a_nodes_clock_that_is_behind_is_noticed_when_the_job_runs(self) -> None:
        early = Pod.model_validate(
            raw_pod(containerStatuses=container(running={"startedAt": "2026-11-24T07:59:20Z"})),
        )
        before = told("ucloud_kubelet_clock_skew_seconds_sum")
        for state in (JobState.IN_QUEUE, JobState.RUNNING):
            measures.came_to(UCloudJobStatus(state=state, reason=Reason.Started), [early], CREATED_MS + 5000)
        assert told("ucloud_kubelet_clock_skew_seconds_sum") == before + 40

    def test_a_stop_that_came_late_is_overrun(self) -> None:
        ended = container(terminated={"exitCode": 137, "finishedAt": "2026-11-24T08:00:03Z"})
        late = Pod.model_validate(raw_pod(stop=f"{Reason.OutOfCredits}@{CREATED}", containerStatuses=ended))
        overrun, stops = told("ucloud_overrun_seconds_total"), told("ucloud_stop_lateness_seconds_count")
        measures.has_stopped(late, CREATED_MS + 4000)
        assert told("ucloud_overrun_seconds_total") == overrun + 3
        assert told("ucloud_stop_lateness_seconds_count") == stops + 1

    def test_what_can_be_named_beforehand_is_there_from_the_beginning(self) -> None:
        measures.begin()
        for labels in ({"kind": "job", "cause": "defect"}, {"kind": "orphan", "cause": "passing"}):
            assert REGISTRY.get_sample_value("ucloud_work_failures_total", labels) is not None
        assert (
            REGISTRY.get_sample_value("ucloud_job_transitions_total", {"state": "SUCCESS", "reason": "OutOfCredits"})
            is not None
        )
