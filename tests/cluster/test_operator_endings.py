"""How people end jobs, put them to rest and wake them."""

import asyncio
import time

import pytest

from tests.cluster.storytelling.cast import EXPIRED, FAILURE, IN_QUEUE, PLENTY, RUNNING, SUCCESS, SUSPENDED, Story
from tests.cluster.storytelling.telling import story

CANCELLED = "Your job has been cancelled!"


@story
async def test_terminate_ends_a_running_job(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    await asyncio.sleep(1)
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled", CANCELLED)
    await job.has_no_pods()
    assert 1000 <= job.usage == job.lengths_ms[0]
    await home.account.uses(job.usage)


@story
async def test_terminate_ends_a_job_in_the_queue(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(application=await story.application("late", start_after="never"))
    await job.has_pods()
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled", CANCELLED)
    assert job.usage == 0
    await job.has_no_pods()


@story
async def test_terminate_changes_nothing_about_a_job_that_has_ended(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(application=await story.application("brief", exit_after="1s", exit_code="2"))
    ended = await job.ends(FAILURE, "ExitCode")
    await job.has_stopped()
    await job.patch(terminate=True)
    await asyncio.sleep(1)
    assert job.now.status.state is FAILURE
    assert job.now.status.updates == ended.status.updates


@story
async def test_a_running_job_that_is_deleted_leaves_its_usage_with_its_wallet(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    await asyncio.sleep(1)
    await job.delete()
    await job.is_gone()
    await job.has_no_pods()
    assert job.now.status.reason == "Cancelled"
    assert job.usage == job.lengths_ms[0]
    wallet = await home.account.has_settled(job.usage)
    assert wallet.status.rate_per_minute == 0


@story
async def test_a_finished_job_that_is_deleted_leaves_its_usage_with_its_wallet(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(application=await story.application("brief", exit_after="1s"))
    await job.ends(SUCCESS, "Completed")
    await home.account.uses(job.usage)
    await job.delete()
    await job.is_gone()
    await job.has_no_pods()
    assert job.usage > 0
    await home.account.has_settled(job.usage)


@pytest.mark.parametrize("policy", ["foreground", "orphan"])
@story
async def test_a_job_can_be_deleted_in_every_way_that_there_is(story: Story, policy: str) -> None:
    home = await story.workspace()
    job = await home.job(replicas=2)
    await job.runs()
    await asyncio.sleep(1)  # a kubelet's timestamps have a resolution of 1 s: a shorter run may cost nothing
    await job.delete(policy)
    await job.is_gone()
    await job.has_no_pods()
    assert job.usage == 2 * job.lengths_ms[0] > 0
    await home.account.has_settled(job.usage)


@story
async def test_a_job_that_waits_for_its_pods_can_be_deleted(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(application=await story.application("late", start_after="never"))
    await job.has_pods()
    await job.delete()
    await job.is_gone()
    await job.has_no_pods()
    assert home.account.now.status.settled_usage == 0


@story
async def test_a_job_that_waits_for_a_product_can_be_deleted(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(product=story.product_reference("nowhere"))
    await asyncio.sleep(0.5)
    await job.delete()
    await job.is_gone(within_seconds=2)


@story
async def test_many_jobs_that_are_deleted_at_once_are_settled_to_the_unit(story: Story) -> None:
    home = await story.workspace()
    jobs = await asyncio.gather(*(home.job(f"job-{number}") for number in range(10)))
    for job in jobs:
        await job.runs()
    await asyncio.gather(*(job.delete() for job in jobs))
    for job in jobs:
        await job.is_gone()
    assert all(job.usage > 0 for job in jobs)
    await home.account.has_settled(sum(job.usage for job in jobs))


@story
async def test_a_job_can_be_made_again_under_its_name_at_once(story: Story) -> None:
    home = await story.workspace()
    first = await home.job("again")
    await first.runs()
    await first.delete()
    await first.is_gone()
    second = await home.job("again")
    await second.runs()
    assert second.uid != first.uid
    assert [pod.metadata.labels["ucloud.dk/job-uid"] for pod in second.pods] == [second.uid]
    await second.patch(terminate=True)
    await second.ends(SUCCESS, "Cancelled")
    await home.account.uses(first.usage + second.usage)


@story
async def test_a_namespace_that_is_deleted_goes_and_its_ancestors_keep_what_it_used(story: Story) -> None:
    faculty = await story.workspace("faculty")
    home = await story.workspace("home", under=faculty)
    jobs = await asyncio.gather(home.job("one"), home.job("two", replicas=2))
    for job in jobs:
        await job.runs()
    await asyncio.sleep(1)
    await home.delete()
    await home.is_gone()
    for job in jobs:
        assert (job.now.status.state, job.now.status.reason) == (SUCCESS, "Cancelled")
        assert not job.exists
        await job.has_no_pods()
    used = sum(job.usage for job in jobs)
    assert used > 3000
    wallet = await faculty.account.uses(used)
    assert wallet.status.local_usage == 0
    assert [departed.usage for departed in wallet.status.departed] == [used]
    assert wallet.status.max_usable == PLENTY - used


@story
async def test_suspend_stops_the_spending_and_lets_the_job_run_again(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    await job.patch(suspend=True)
    await job.is_suspended("Suspended")
    await job.has_no_pods()
    spent = job.usage
    await asyncio.sleep(1)
    assert home.account.now.status.rate_per_minute == 0
    await job.patch(suspend=False)
    await job.runs()
    await asyncio.sleep(0.5)
    assert job.usage >= spent
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    assert job.usage == sum(job.lengths_ms)
    assert len(job.lengths_ms) == 2
    assert [state for state, _ in job.updates if state] == [IN_QUEUE, RUNNING, SUSPENDED, IN_QUEUE, RUNNING, SUCCESS]


@story
async def test_a_job_that_is_born_suspended_waits_to_be_let_run(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(suspend=True)
    await job.is_suspended("Suspended")
    assert not job.pods
    await job.patch(suspend=False)
    await job.runs()


@story
async def test_a_suspended_job_can_be_terminated_and_deleted(story: Story) -> None:
    home = await story.workspace()
    job, other = await home.job("terminated", suspend=True), await home.job("deleted", suspend=True)
    await job.is_suspended("Suspended")
    await other.is_suspended("Suspended")
    await job.patch(terminate=True)
    await other.delete()
    await job.ends(SUCCESS, "Cancelled")
    await other.is_gone()


@story
async def test_a_time_allocation_ends_to_the_millisecond(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(timeAllocation={"seconds": 3})
    running = await job.runs()
    assert running.status.expires_at == job.started_ms + 3000
    await job.ends(EXPIRED, "Expired", "Your job has expired.")
    assert job.lengths_ms == [3000]
    assert job.usage == 3000
    await job.has_no_pods()


@story
async def test_a_time_allocation_that_grows_moves_the_end(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(timeAllocation={"seconds": 5})
    await job.runs()
    await job.patch(timeAllocation={"seconds": 8})
    moved = await job.until(lambda job: job.status.expires_at == job.status.runs[0].started_at + 8000)
    assert [update.new_time_allocation for update in moved.status.updates] == [None, None, 8000]
    await job.ends(EXPIRED, "Expired")
    assert job.lengths_ms == [8000]


@story
async def test_a_time_allocation_counts_what_all_runs_took(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(timeAllocation={"seconds": 6})
    await job.runs()
    await asyncio.sleep(1)
    await job.patch(suspend=True)
    await job.is_suspended("Suspended")
    await asyncio.sleep(1)
    await job.patch(suspend=False)
    await job.ends(EXPIRED, "Expired")
    assert len(job.lengths_ms) == 2
    assert sum(job.lengths_ms) == job.usage == 6000


@story
async def test_of_two_ends_the_earlier_counts(story: Story) -> None:
    home = await story.workspace(quota=4000)
    job = await home.job(timeAllocation={"seconds": 3})
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 3000


@story
async def test_a_job_that_is_cancelled_at_the_last_moment_is_not_charged_beyond_the_end(story: Story) -> None:
    deaf = await story.application("deaf", ignore_sigterm="true")
    home = await story.workspace(quota=6000)
    rich = await story.workspace("rich")
    one, two = await home.job(application=deaf), await rich.job(application=deaf, timeAllocation={"seconds": 6})
    await one.runs()
    await two.runs()
    await asyncio.sleep(max(one.started_ms, two.started_ms) / 1000 + 5 - time.time())
    for job in (one, two):
        await job.patch(
            terminate=True
        )  # its containers live 2 s longer, and a second beyond the end of its credits or time
        await job.until(lambda job: job.is_final)
        assert (job.lengths_ms, job.usage) == ([6000], 6000)
