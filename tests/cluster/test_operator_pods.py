"""What the end of a pod makes of its job: UCloud's table, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.cluster.storytelling.cast import FAILURE, IN_QUEUE, SUCCESS, Story
from tests.cluster.storytelling.telling import story
from ucloud_operator.api import JobState
from ucloud_operator.kube.objects import section
from ucloud_operator.kube.resources import PODS, Resource


@dataclass(frozen=True)
class Row:
    """What the kubelet is told to play, and how the job ends."""

    told: Mapping[str, str]
    state: JobState
    reason: str
    message: str

    def __str__(self) -> str:
        return "-".join(f"{name}={value}" for name, value in self.told.items())


AFTER = {"exit_after": "1s"}
ROWS = (
    Row(AFTER, SUCCESS, "Completed", "Job completed successfully."),
    Row({**AFTER, "exit_code": "1"}, FAILURE, "ExitCode", "Job failed with exit code 1."),
    Row({**AFTER, "exit_code": "139"}, FAILURE, "Signal", "Job was terminated by signal 11."),
    Row({"fail": "oom"}, FAILURE, "OOMKilled", "Job exceeded its memory limit (OOMKilled)."),
    Row({"fail": "evicted"}, FAILURE, "Evicted", "Job was evicted because the node was under memory pressure."),
    Row({"fail": "node-lost"}, FAILURE, "NodeLost", "Job failed because its node was no longer available."),
    Row({"fail": "unknown"}, FAILURE, "Unknown", "Job failed because Kubernetes could no longer determine its state."),
)
NEVER_STARTED = (
    Row({"fail": "image-pull"}, FAILURE, "ImagePullFailed", "Job failed because its image could not be pulled: "),
    Row({"fail": "config"}, FAILURE, "ConfigError", "Job failed because its container could not be started: "),
)
RESOURCE_QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)


@pytest.mark.parametrize("row", ROWS, ids=str)
@story
async def test_a_pod_that_ends_by_itself_ends_its_job(story: Story, row: Row) -> None:
    home = await story.workspace()
    job = await home.job(application=await story.application("told", **row.told))
    await job.ends(row.state, row.reason, row.message)
    await job.has_stopped()
    assert job.lengths_ms == [job.usage]
    await home.account.uses(job.usage)


@pytest.mark.parametrize("row", NEVER_STARTED, ids=str)
@story
async def test_a_pod_that_can_not_start_fails_its_job_with_the_kubelet_s_words(story: Story, row: Row) -> None:
    home = await story.workspace()
    job = await home.job(application=await story.application("told", **row.told))
    ended = await job.ends(row.state, row.reason)
    assert str(ended.status.message).startswith(row.message)
    assert len(str(ended.status.message)) > len(row.message)
    assert job.usage == 0
    await job.has_no_pods()


@story
async def test_a_job_that_fits_nowhere_waits_in_the_queue_and_says_why(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(product=await story.product("giant", cpu=100_000))
    waiting = await job.says("Unschedulable")
    assert waiting.status.state is IN_QUEUE
    assert "There are currently no machines available to run your job" in str(waiting.status.message)
    assert "cpu" in str(waiting.status.message).lower()
    assert waiting.status.updates[0].status == "Your job is now waiting in the queue!"
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    assert job.usage == 0
    await job.has_no_pods()


@story
async def test_a_job_waits_for_the_node_that_it_needs(story: Story) -> None:
    home = await story.workspace()
    product = await story.product("picky", nodeSelector={"kubernetes.io/hostname": "node-0"})
    job = await home.job(product=product)
    waiting = await job.says("Unschedulable")
    assert waiting.status.state is IN_QUEUE
    assert job.pods[0].spec.node_name == ""


@story
async def test_a_pod_that_is_evicted_fails_its_job(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    await job.evict_pod(job.pods[0])
    await job.ends(FAILURE, "Evicted", "Job was evicted by the system.")
    await job.has_no_pods()


@pytest.mark.parametrize("grace_seconds", [None, 1, 0])
@story
async def test_a_pod_that_somebody_deletes_fails_its_job(story: Story, grace_seconds: int | None) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    await job.delete_pod(job.pods[0], grace_seconds)
    await job.ends(FAILURE, "PodDeleted", "Job failed because one of its pods was deleted.")
    assert job.usage == job.lengths_ms[0]
    await job.has_no_pods()
    assert (await home.account.uses(job.usage)).status.rate_per_minute == 0


@story
async def test_a_pod_that_is_deleted_before_it_runs_fails_its_job_for_free(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(application=await story.application("late", start_after="never"))
    (pod,) = await job.has_pods()
    await job.delete_pod(pod)
    await job.ends(FAILURE, "PodDeleted")
    assert job.usage == 0
    await job.has_no_pods()


@story
async def test_a_namespace_s_quota_of_pods_is_waited_for(story: Story) -> None:
    home = await story.workspace()
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    created = await story.stage.client.create(RESOURCE_QUOTAS, quota, namespace=home.namespace)
    job = await home.job()
    waiting = await job.waits()
    assert not job.pods
    assert "exceeded quota" in str(waiting.status.message)
    await home.delete_object(RESOURCE_QUOTAS, created)
    await job.runs()


@story
async def test_a_pod_that_the_api_server_never_accepts_fails_its_job_with_its_words(story: Story) -> None:
    home = await story.workspace()
    product = await story.product("odd", nodeSelector={"not a label": "x"})
    job = await home.job(product=product)
    ended = await job.ends(FAILURE, "PodRejected")
    assert "not a label" in str(ended.status.message)
    assert not job.pods


@story
async def test_pods_are_made_as_the_restricted_profile_wants_them(story: Story) -> None:
    home = await story.workspace()  # its namespace enforces that profile
    job = await home.job("plain", terminationGracePeriodSeconds=5)
    await job.runs()
    raw = await story.stage.client.get(PODS, "j-plain-job-0", namespace=home.namespace)
    spec = section(raw, "spec")
    assert section(spec, "securityContext")["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    (pod,) = job.pods
    assert pod.spec.termination_grace_period_seconds == 5
    assert pod.spec.active_deadline_seconds is None
    assert pod.metadata.finalizers == ("ucloud.dk/metered",)


@story
async def test_a_job_waits_for_a_pod_that_has_its_pod_s_name_and_says_so(story: Story) -> None:
    home = await story.workspace()
    client, earlier = story.stage.client, await home.job("again")
    await earlier.runs()
    ((name, finalizers),) = [(pod.metadata.name, pod.metadata.finalizers) for pod in earlier.pods]
    held = {"metadata": {"finalizers": [*finalizers, "example.com/held"]}}
    await client.patch(PODS, name, held, namespace=home.namespace)
    await earlier.delete()
    await earlier.is_gone()
    job = await home.job("again")
    waiting = await job.waits()
    assert waiting.status.message == f"Your job waits for pod {name} to go: it is of an earlier job of the same name"
    assert not job.pods
    await client.patch(PODS, name, {"metadata": {"finalizers": None}}, namespace=home.namespace)
    await job.runs()
