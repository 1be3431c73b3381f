"""A time allocation is run time, to the second: suspension is free, and it can grow while the job lives."""

import asyncio

from tests.cluster.storytelling.cast import EXPIRED, SUCCESS, SUSPENDED, Story
from tests.cluster.storytelling.promises import top_up
from tests.cluster.storytelling.telling import story


@story
async def test_a_time_allocation_is_exact_over_several_suspensions(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(timeAllocation={"seconds": 8})
    for _ in range(2):
        running = await job.runs()
        left_ms = 8000 - sum(job.lengths_ms)
        assert running.status.expires_at == job.started_ms + left_ms
        await asyncio.sleep(1)
        await job.patch(suspend=True)
        suspended = await job.is_suspended("Suspended")
        assert suspended.status.expires_at is None
        await asyncio.sleep(1)
        await job.patch(suspend=False)
    await job.ends(EXPIRED, "Expired", "Your job has expired.")
    assert len(job.lengths_ms) == 3
    assert sum(job.lengths_ms) == job.usage == 8000


@story
async def test_time_stands_still_while_credits_are_missing(story: Story) -> None:
    home = await story.workspace(quota=3000, onExhaustion="Suspend")
    job = await home.job(timeAllocation={"seconds": 6})
    await job.is_suspended("OutOfCredits")
    await asyncio.sleep(4)
    assert job.now.status.state is SUSPENDED
    await top_up(home.account, 10_000, "more")
    await job.ends(EXPIRED, "Expired")
    assert job.lengths_ms == [3000, 3000]
    assert job.usage == 6000


@story
async def test_a_job_that_is_extended_while_it_is_suspended_has_the_longer_time(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(timeAllocation={"seconds": 6})
    await job.runs()
    await asyncio.sleep(1)
    await job.patch(suspend=True)
    await job.is_suspended("Suspended")
    await job.patch(timeAllocation={"seconds": 8})
    await job.patch(suspend=False)
    await job.ends(EXPIRED, "Expired")
    assert sum(job.lengths_ms) == job.usage == 8000


@story
async def test_an_extension_at_the_last_moment_counts(story: Story) -> None:
    """Before the kubelet was told of the end, a second (a setting) before it."""
    home = await story.workspace()
    job = await home.job(timeAllocation={"seconds": 6})
    await job.runs()
    await asyncio.sleep(2.5)
    await job.patch(timeAllocation={"seconds": 9})
    await job.ends(EXPIRED, "Expired")
    assert job.lengths_ms == [9000]


@story
async def test_time_in_the_queue_is_free(story: Story) -> None:
    slow = await story.application("slow", start_after="3s")
    home = await story.workspace()
    job = await home.job(application=slow, timeAllocation={"seconds": 2})
    await job.ends(EXPIRED, "Expired")
    assert job.lengths_ms == [2000]


@story
async def test_credits_that_end_first_end_the_job_first(story: Story) -> None:
    home = await story.workspace(quota=3000)
    job = await home.job(timeAllocation={"seconds": 4})
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 3000
