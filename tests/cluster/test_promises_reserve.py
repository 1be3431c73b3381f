"""`funding: Reserve`: a job's whole cost is set aside at its start, so that it is certain to finish."""

import asyncio

import pytest

from tests.cluster.storytelling.cast import (
    EXPIRED,
    FAILURE,
    IN_QUEUE,
    PLENTY,
    SUCCESS,
    Job,
    Story,
    Workspace,
    allocation,
)
from tests.cluster.storytelling.promises import format_time, grant, in_seconds, is_charged
from tests.cluster.storytelling.telling import story
from ucloud_operator.kube.errors import Invalid


async def reserving(home: Workspace, seconds: int, name: str = "certain", **spec: object) -> Job:
    """A job that has its whole cost set aside: so many thousand credits per replica."""
    return await home.job(name, funding="Reserve", timeAllocation={"seconds": seconds}, **spec)


@story
async def test_a_job_whose_cost_can_not_be_set_aside_is_told_the_longest_time_that_can(story: Story) -> None:
    home = await story.workspace(quota=7500)
    job = await reserving(home, 10)
    await job.ends(
        FAILURE,
        "NotEnoughCredits",
        "needs 10000 set aside for 10 s; of this wallet's credits that last so long 7500 can be used; at the most 7 s"
        " can be",
        within_seconds=5,
    )
    assert not job.pods
    assert home.account.now.status.max_usable == 7500


@story
async def test_the_longest_time_that_is_told_can_be_set_aside(story: Story) -> None:
    home = await story.workspace(quota=7500)
    job = await reserving(home, 7)
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 7000


@story
async def test_a_job_finishes_for_certain_although_others_use_up_the_wallet(story: Story) -> None:
    home = await story.workspace(quota=12_000)
    job = await reserving(home, 8)
    await job.runs()
    other = await home.job("other")
    await other.ends(SUCCESS, "OutOfCredits")
    assert other.usage == 4000
    assert (await home.account.is_locked()).status.local_usage <= 12_000
    await job.ends(EXPIRED, "Expired")
    assert (job.lengths_ms, job.usage) == ([8000], 8000)
    wallet = await home.account.until(lambda wallet: wallet.status.reserved == 0)
    assert (wallet.status.local_usage, wallet.status.max_usable) == (12_000, 0)


@story
async def test_a_job_that_takes_all_there_is_runs_to_its_end(story: Story) -> None:
    home = await story.workspace(quota=4000)
    job = await reserving(home, 4)
    await job.ends(EXPIRED, "Expired")
    assert (job.lengths_ms, job.usage) == ([4000], 4000)


@story
async def test_what_was_set_aside_and_not_used_returns_at_the_end(story: Story) -> None:
    short = await story.application("short", exit_after="3s")
    home = await story.workspace(quota=60_000)
    job = await reserving(home, 50, application=short)
    wallet = await home.account.until(lambda wallet: wallet.status.max_usable == 10_000)
    assert 45_000 <= wallet.status.reserved <= 50_000
    await job.ends(SUCCESS, "Completed")
    assert 3000 <= job.usage <= 5000
    wallet = await home.account.uses(job.usage)
    assert (wallet.status.reserved, wallet.status.max_usable) == (0, 60_000 - job.usage)


@story
async def test_siblings_can_not_use_what_is_set_aside(story: Story) -> None:
    faculty = await story.workspace("faculty", quota=100_000)
    home, sibling = await asyncio.gather(
        story.workspace("home", under=faculty), story.workspace("sibling", under=faculty)
    )
    job = await reserving(home, 60)
    await job.runs()
    wallet = await sibling.account.until(lambda wallet: wallet.status.max_usable == 40_000)
    assert wallet.status.reserved == 0
    await home.account.until(lambda wallet: wallet.status.reserved > 0)
    refused = await reserving(sibling, 50)
    await refused.ends(
        FAILURE,
        "NotEnoughCredits",
        "needs 50000 set aside for 50 s; of this wallet's credits that last so long 40000 can be used; at the most 40 s"
        " can be",
    )
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    await sibling.account.until(lambda wallet: wallet.status.max_usable == 100_000 - job.usage)


@story
async def test_a_sibling_drains_the_ancestor_only_to_what_is_set_aside(story: Story) -> None:
    faculty = await story.workspace("faculty", quota=12_000)
    home, sibling = await asyncio.gather(
        story.workspace("home", under=faculty), story.workspace("sibling", under=faculty)
    )
    job = await reserving(home, 8)
    await job.runs()
    other = await sibling.job("other")
    await other.ends(SUCCESS, "OutOfCredits")
    assert other.usage == 4000
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 8000
    await is_charged(faculty.account, 12_000)


@story
async def test_the_cost_is_set_aside_while_the_job_still_waits_for_its_pods(story: Story) -> None:
    slow = await story.application("slow", start_after="never")
    home = await story.workspace(quota=60_000)
    job = await reserving(home, 50, application=slow)
    await job.waits()
    wallet = await home.account.until(lambda wallet: wallet.status.max_usable == 10_000)
    assert wallet.status.reserved == 50_000
    assert job.now.status.state is IN_QUEUE
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    await home.account.until(lambda wallet: wallet.status.max_usable == 60_000)


@story
async def test_of_two_that_come_at_once_only_one_is_set_aside_where_there_is_room_for_one(story: Story) -> None:
    home = await story.workspace(quota=60_000)
    jobs = await asyncio.gather(*(reserving(home, 50, f"job-{number}") for number in range(3)))
    for job in jobs:
        await job.until(lambda job: job.status.state is not None and job.status.reason != "Queued")
    running = [job for job in jobs if not job.now.is_final]
    assert len(running) == 1
    await home.account.until(lambda wallet: wallet.status.max_usable == 10_000)


@story
async def test_credits_that_end_before_the_job_are_not_set_aside(story: Story) -> None:
    home = await story.workspace()
    soon = allocation(PLENTY, "soon", end=format_time(in_seconds(40)))
    await grant(home.account, soon, allocation(20_000, "later"))
    await home.account.is_applied()
    job = await reserving(home, 60)
    ended = await job.ends(FAILURE, "NotEnoughCredits")
    assert str(ended.status.message).startswith(
        "needs 60000 set aside for 60 s; of this wallet's credits that last so long 20000 can be used"
    )


@story
async def test_the_longest_time_counts_credits_that_last_that_long(story: Story) -> None:
    """Of 40 s of plenty and 20000 credits for ever, not only 20 s can be set aside."""
    home = await story.workspace()
    soon = allocation(PLENTY, "soon", end=format_time(in_seconds(40)))
    await grant(home.account, soon, allocation(20_000, "later"))
    await home.account.is_applied()
    job = await reserving(home, 60)
    ended = await job.ends(FAILURE, "NotEnoughCredits")
    message = str(ended.status.message)
    assert any(message.endswith(f"; at the most {seconds} s can be") for seconds in range(30, 41)), message


@story
async def test_a_job_that_is_suspended_gives_back_what_it_did_not_use_and_sets_the_rest_aside_again(
    story: Story,
) -> None:
    home = await story.workspace(quota=10_000)
    job = await reserving(home, 6)
    await job.runs()
    await asyncio.sleep(1)
    await job.patch(suspend=True)
    await job.is_suspended("Suspended")
    wallet = await home.account.until(lambda wallet: wallet.status.reserved == 0)
    assert wallet.status.max_usable == 10_000 - job.usage
    await job.patch(suspend=False)
    await home.account.until(lambda wallet: wallet.status.max_usable == 4000)
    await job.ends(EXPIRED, "Expired")
    assert sum(job.lengths_ms) == job.usage == 6000


@story
async def test_every_replica_is_set_aside(story: Story) -> None:
    home = await story.workspace(quota=20_000)
    job = await reserving(home, 4, replicas=3)
    await home.account.until(lambda wallet: wallet.status.max_usable == 8000)
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 12_000
    await home.account.until(lambda wallet: wallet.status.max_usable == 8000 and wallet.status.reserved == 0)


@story
async def test_a_job_whose_cost_is_set_aside_can_not_be_made_longer(story: Story) -> None:
    home = await story.workspace(quota=20_000)
    job = await reserving(home, 5)
    await job.runs()
    with pytest.raises(Invalid, match="with funding: Reserve a timeAllocation can't be raised"):
        await job.patch(timeAllocation={"seconds": 9})
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 5000


@story
async def test_what_is_set_aside_is_not_called_used(story: Story) -> None:
    short = await story.application("short", exit_after="2s")
    faculty = await story.workspace("faculty", quota=100_000)
    home = await story.workspace("home", under=faculty)
    job = await reserving(home, 60, application=short)
    seen: list[int] = []

    def has_ended_and_was_seen() -> bool:
        seen.append(faculty.account.now.status.total_usage)
        return job.uid in story.stage.view.last_seen and job.now.is_final and seen[-1] == job.usage

    await story.stage.view.until(has_ended_and_was_seen, lambda: f"usage {seen}", 30)
    assert seen[-1] == job.usage < 5000
    assert max(seen) < 20_000, "what it used until its end was heard of, and not the 60,000 that were set aside"
