"""What people do to pods and nodes with their own hands, on a real kubelet."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.cast import PLENTY, PRICE, cost_of_run, is_over, is_running, job, workspace
from tests.e2e.installation import begin_job
from tests.e2e.kind import Kind, eventually
from ucloud_operator.api import JobState, UCloudJob
from ucloud_operator.kube.objects import DEEPEST_JSON

if TYPE_CHECKING:
    from collections.abc import Callable

POD = "j-1-job-0"
_numbers = itertools.count(1)


@pytest.fixture
def running(kind: Kind) -> str:
    """Return a workspace of its own for the test, in which a job runs."""
    name = f"accident-{next(_numbers)}"
    begin_job(kind, name, PLENTY)
    return name


def delete(kind: Kind, namespace: str) -> None:
    kind.kubectl("delete", "pod", POD, f"--namespace={namespace}", "--wait=false")


def force(kind: Kind, namespace: str) -> None:
    kind.kubectl("delete", "pod", POD, f"--namespace={namespace}", "--force", "--grace-period=0", "--wait=false")


def events(kind: Kind, namespace: str) -> list[str]:
    path = "--output=jsonpath={.items[*].reason}"
    about = "--field-selector=involvedObject.kind=UCloudJob"
    return kind.kubectl("get", "events", f"--namespace={namespace}", about, path).split()


def has_been_paid(ended: UCloudJob) -> bool:
    return ended.status.usage == cost_of_run(ended) > 0


@pytest.mark.parametrize("by_hand", [delete, force])
def test_a_pod_that_is_deleted_by_hand_ends_its_job_and_is_paid_for(
    kind: Kind, running: str, by_hand: Callable[[Kind, str], None]
) -> None:
    refused = kind.asked("delete", "pod", POD, f"--namespace={running}", "--grace-period=600")
    assert "600 s is longer: leave --grace-period out" in refused.stderr
    assert is_running(kind.job(running))
    by_hand(kind, running)
    ended = kind.awaited(running, is_over)
    assert (ended.status.state, ended.status.reason) == (JobState.FAILURE, "PodDeleted")
    assert ended.status.updates[-1].status == "Job failed because one of its pods was deleted."
    assert has_been_paid(ended)
    assert eventually(lambda: events(kind, running)) == ["PodDeleted"]
    eventually(lambda: not kind.pods(running))


def test_a_node_that_is_drained_ends_its_jobs_and_others_wait_until_it_is_back(kind: Kind, running: str) -> None:
    node = str(kind.pods(running)[0]["spec"]["nodeName"])
    others = [other for other in kind.nodes if other != node]
    for each in others:
        kind.kubectl("cordon", each)
    try:
        kind.kubectl("drain", node, "--pod-selector=ucloud.dk/jobId", "--delete-emptydir-data", "--timeout=60s")
        ended = kind.awaited(running, is_over)
        assert (ended.status.state, ended.status.reason) == (JobState.FAILURE, "Evicted")
        assert has_been_paid(ended)
        kind.apply(*workspace("waits", PLENTY), job("waits", "heeds", PRICE))
        waits = kind.awaited("waits", lambda job: job.status.reason == "Unschedulable")
        assert waits.status.state is JobState.IN_QUEUE
        assert "no machines available" in str(waits.status.message)
    finally:
        for each in [node, *others]:
            kind.kubectl("uncordon", each)
    kind.awaited("waits", is_running)


def test_a_workspace_is_deleted_while_its_job_runs(kind: Kind, running: str) -> None:
    kind.kubectl("delete", "namespace", running, "--timeout=30s")


def test_a_job_that_is_as_deep_as_kubernetes_takes_it_hides_no_other(kind: Kind) -> None:
    """It is read by the image's Python, whose limits aren't those of the one that runs this."""
    kind.apply(*workspace("deep", PLENTY))
    levels = DEEPEST_JSON - 3
    described = json.dumps(job("deep", "server", PRICE, parameters="?"))
    deep = described.replace('"?"', '{"in":' * levels + '{"it":1}' + "}" * levels)
    kind.kubectl("create", "--validate=false", "--filename=-", stdin=deep)
    state, message = "--output=jsonpath={.status.state}", "--output=jsonpath={.status.message}"
    eventually(lambda: kind.kubectl("get", "ucloudjob/1", "--namespace=deep", state) == "FAILURE")
    said = kind.kubectl("get", "ucloudjob/1", "--namespace=deep", message)
    assert "its parameters are nested more than 64 levels deep" in said
    kind.kubectl("delete", "ucloudjob/1", "--namespace=deep", "--wait=false")
    eventually(lambda: "NotFound" in kind.asked("get", "ucloudjob/1", "--namespace=deep", state).stderr)


def test_kubectl_can_wait_for_what_happens(kind: Kind, running: str) -> None:
    in_it = f"--namespace={running}"
    kind.kubectl("wait", "wallet/compute", in_it, "--for=condition=Ready", "--timeout=15s")
    kind.kubectl("wait", "ucloudjob/1", in_it, "--for=condition=Running", "--timeout=15s")
    kind.kubectl("patch", "ucloudjob/1", in_it, "--type=merge", '--patch={"spec": {"terminate": true}}')
    kind.kubectl("wait", "ucloudjob/1", in_it, "--for=condition=Finished", "--timeout=15s")
    kind.kubectl("wait", "ucloudjob/1", in_it, "--for=jsonpath={.status.state}=SUCCESS", "--timeout=15s")
