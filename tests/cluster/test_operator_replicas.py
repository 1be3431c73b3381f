"""Jobs of several replicas: one thing although it is many pods."""

from tests.cluster.storytelling.cast import FAILURE, SUCCESS, Story
from tests.cluster.storytelling.telling import story
from ucloud_operator.kube.objects import section
from ucloud_operator.kube.resources import SERVICES


@story
async def test_replicas_find_each_other_and_cost_their_number(story: Story) -> None:
    home = await story.workspace(quota=9000)
    job = await home.job("trio", replicas=3)
    running = await job.runs()
    assert running.status.rate is not None
    assert (running.status.rate.replicas, running.status.rate_per_minute) == (3, 180_000)
    service = await story.stage.client.get(SERVICES, "j-trio", namespace=home.namespace)
    assert section(service, "spec")["clusterIP"] == "None"
    assert section(service, "spec")["selector"] == {"ucloud.dk/job-uid": job.uid}
    for rank, pod in enumerate(job.pods):
        assert pod.name == pod.spec.hostname == f"j-trio-job-{rank}"
        assert pod.spec.subdomain == "j-trio"
        assert (pod.env["UCLOUD_RANK"], pod.env["UCLOUD_TASK_COUNT"]) == (str(rank), "3")
        assert pod.metadata.labels["ucloud.dk/rank"] == str(rank)
        assert pod.metadata.annotations["ucloud.dk/price"] == "60000"
    assert len(job.pods) == 3
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.lengths_ms == [3000]
    assert job.usage == 9000
    await job.has_no_pods()


@story
async def test_a_single_replica_has_no_service(story: Story) -> None:
    home = await story.workspace()
    await (await home.job("solo")).runs()
    assert not await story.stage.client.list(SERVICES, namespace=home.namespace)


@story
async def test_the_first_replica_that_finishes_ends_the_job(story: Story) -> None:
    job = await (await story.workspace()).job(replicas=3)
    await job.runs()
    await job.tell(job.pods[1], exit_after="1s", exit_code="0")
    await job.ends(SUCCESS, "Completed", "Job completed successfully.")
    await job.has_stopped()
    assert job.usage == 3 * job.lengths_ms[0]


@story
async def test_the_first_replica_that_fails_fails_the_job(story: Story) -> None:
    job = await (await story.workspace()).job(replicas=3)
    await job.runs()
    await job.tell(job.pods[2], exit_after="1s", exit_code="7")
    await job.ends(FAILURE, "ExitCode", "Job failed with exit code 7.")
    await job.has_stopped()


@story
async def test_the_bill_begins_when_the_last_replica_has_started(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(replicas=2, application=await story.application("on-command", start_after="never"))
    first, second = await job.has_pods(2)
    await job.tell(first, start_after="0s")
    await job.waits()
    assert not job.now.status.runs
    await job.tell(second, start_after="0s")
    await job.runs()
    began_ms = job.started_ms
    assert began_ms - job.now.metadata.creation_timestamp >= 2000  # it was queued for as long
    assert job.now.status.updates[1].timestamp >= began_ms


@story
async def test_a_replica_that_fails_before_all_have_started_costs_nothing(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(replicas=2, application=await story.application("on-command", start_after="never"))
    first, _ = await job.has_pods(2)
    await job.tell(first, start_after="0s", exit_after="1s", exit_code="3")
    await job.ends(FAILURE, "ExitCode")
    assert job.usage == 0
    assert not job.now.status.runs
    await job.has_stopped()


@story
async def test_many_replicas_start_and_stop(story: Story) -> None:
    home = await story.workspace(quota=150_000)
    job = await home.job(replicas=50)
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.lengths_ms == [3000]
    assert job.usage == 150_000
    await job.has_no_pods()
