"""`onExhaustion: Suspend`: jobs wait without pods and without cost, and go on by themselves in their order."""

import asyncio
import time
from collections.abc import Sequence

from tests.cluster.storytelling.cast import (
    IN_QUEUE,
    PLENTY,
    RUNNING,
    SUCCESS,
    SUSPENDED,
    Job,
    Story,
    Workspace,
    allocation,
)
from tests.cluster.storytelling.promises import now_ms, top_up
from tests.cluster.storytelling.telling import story

PROMPT_MS = 5000
FOR_ONE, FOR_TWO = 3000, 5000
"""Top-ups: a job that goes on needs credits for twice its grace, which are 2000, beside those that go on with it."""


async def in_a_row(home: Workspace, *names: str) -> list[Job]:
    """Jobs that begin in this order, in different seconds."""
    jobs = []
    for name in names:
        job = await home.job(name)
        await job.runs()
        jobs.append(job)
        await asyncio.sleep(1.1)
    return jobs


async def all_suspended(home: Workspace, jobs: Sequence[Job]) -> int:
    """Take their credits away; returns what they have used together."""
    await home.account.set_quota(0)
    for job in jobs:
        await job.is_suspended("OutOfCredits")
        await job.has_no_pods()
    used = sum(job.usage for job in jobs)
    assert used == sum(sum(job.lengths_ms) for job in jobs) > 0
    await home.account.uses(used)
    return used


def resumed_ms(job: Job) -> int:
    """When it went back to the queue for the last time."""
    return max(update.timestamp for update in job.now.status.updates if update.state is IN_QUEUE)


@story
async def test_suspended_jobs_go_on_in_their_order_while_the_credits_last(story: Story) -> None:
    home = await story.workspace(onExhaustion="Suspend")
    first, second, third = jobs = await in_a_row(home, "zoe", "max", "amy")
    used = await all_suspended(home, jobs)

    await home.account.set_quota(used + FOR_TWO)
    await asyncio.gather(first.runs(), second.runs())
    await asyncio.gather(first.is_suspended("OutOfCredits"), second.is_suspended("OutOfCredits"))
    assert len(third.lengths_ms) == 1
    assert (len(first.lengths_ms), len(second.lengths_ms)) == (2, 2)
    await home.account.uses(used + FOR_TWO)

    await home.account.set_quota(used + FOR_TWO + FOR_ONE)  # now it's the third's turn
    await third.runs()
    await third.is_suspended("OutOfCredits")
    assert [len(job.lengths_ms) for job in jobs] == [2, 2, 2]

    await home.account.set_quota(PLENTY)
    await asyncio.gather(*(job.runs() for job in jobs))
    await asyncio.gather(*(job.patch(terminate=True) for job in jobs))
    for job in jobs:
        await job.ends(SUCCESS, "Cancelled")
        assert job.usage == sum(job.lengths_ms)
    await home.account.uses(sum(job.usage for job in jobs))


@story
async def test_a_small_top_up_resumes_only_the_first_in_line(story: Story) -> None:
    home = await story.workspace(onExhaustion="Suspend")
    first, second, third = jobs = await in_a_row(home, "zoe", "max", "amy")
    used = await all_suspended(home, jobs)
    await home.account.set_quota(used + FOR_ONE)
    await first.runs()
    await first.is_suspended("OutOfCredits")
    await asyncio.sleep(1)
    for waiting in (second, third):
        assert waiting.now.status.state is SUSPENDED
        assert len(waiting.lengths_ms) == 1
        assert not waiting.pods


@story
async def test_a_top_up_resumes_jobs_within_five_seconds(story: Story) -> None:
    home = await story.workspace(onExhaustion="Suspend")
    jobs = await in_a_row(home, "one", "two")
    await all_suspended(home, jobs)
    topped_up_ms = now_ms()
    await top_up(home.account, PLENTY, "more")
    for job in jobs:
        await job.runs()
        assert resumed_ms(job) - topped_up_ms <= PROMPT_MS
        assert job.started_ms - topped_up_ms <= PROMPT_MS


@story
async def test_a_top_up_of_an_ancestor_resumes_jobs_below(story: Story) -> None:
    faculty = await story.workspace("faculty", quota=3000)
    home = await story.workspace("home", under=faculty, onExhaustion="Suspend")
    job = await home.job()
    await job.is_suspended("OutOfCredits")
    topped_up_ms = now_ms()
    await top_up(faculty.account, PLENTY, "more")
    await job.runs()
    assert resumed_ms(job) - topped_up_ms <= PROMPT_MS


@story
async def test_whoever_was_suspended_first_goes_on_first_also_across_wallets(story: Story) -> None:
    faculty = await story.workspace("faculty")
    late, early = await asyncio.gather(
        story.workspace("late", under=faculty, onExhaustion="Suspend"),
        story.workspace("early", under=faculty, onExhaustion="Suspend"),
    )
    (began_first,) = await in_a_row(late, "job")
    (began_last,) = await in_a_row(early, "job")
    await early.account.set_quota(0)
    await began_last.is_suspended("OutOfCredits")
    await late.account.set_quota(0)
    await began_first.is_suspended("OutOfCredits")
    used = began_first.usage + began_last.usage
    await faculty.account.uses(used)
    await faculty.account.set_quota(used)
    await faculty.account.is_locked()
    await asyncio.gather(late.account.set_quota(PLENTY), early.account.set_quota(PLENTY))
    await asyncio.gather(late.account.is_applied(), early.account.is_applied())

    await faculty.account.set_quota(used + FOR_ONE)
    await began_last.runs()
    await began_last.is_suspended("OutOfCredits")
    assert len(began_first.lengths_ms) == 1
    await faculty.account.uses(used + FOR_ONE)


@story
async def test_the_bill_goes_on_where_it_was_with_one_rounding_in_all(story: Story) -> None:
    """A third of a credit per second: three runs of a second are a credit, rounded one by one they'd be none."""
    cheap = await story.product("cheap", price=20)
    home = await story.workspace(onExhaustion="Suspend")
    job = await home.job(product=cheap, timeAllocation={"seconds": 9})
    for _ in range(2):
        await job.runs()
        await asyncio.sleep(1)
        await job.patch(suspend=True)
        await job.is_suspended("Suspended")
        await job.patch(suspend=False)
    await job.until(lambda job: job.is_final)
    assert len(job.lengths_ms) == 3
    assert sum(job.lengths_ms) == 9000
    assert job.usage == 20 * 9000 // 60_000 == 3
    assert sum(20 * length_ms // 60_000 for length_ms in job.lengths_ms) <= 3
    await home.account.uses(3)


@story
async def test_suspension_costs_nothing(story: Story) -> None:
    home = await story.workspace(quota=2000, onExhaustion="Suspend")
    job = await home.job()
    await job.is_suspended("OutOfCredits")
    await asyncio.sleep(3)
    wallet = home.account.now.status
    assert (job.usage, wallet.local_usage, wallet.rate_per_minute) == (2000, 2000, 0)
    assert not job.pods


@story
async def test_a_job_that_its_user_suspended_is_not_resumed_by_a_top_up(story: Story) -> None:
    home = await story.workspace(onExhaustion="Suspend")
    job = await home.job()
    await job.runs()
    await job.patch(suspend=True)
    await job.is_suspended("Suspended")
    await top_up(home.account, PLENTY, "more")
    await asyncio.sleep(2)
    assert job.now.status.state is SUSPENDED
    assert not job.pods


@story
async def test_a_user_can_take_a_suspended_job_out_of_the_line(story: Story) -> None:
    home = await story.workspace(onExhaustion="Suspend")
    first, second = jobs = await in_a_row(home, "first", "second")
    used = await all_suspended(home, jobs)
    await first.patch(suspend=True)
    await home.account.set_quota(used + FOR_ONE)
    await second.runs()
    assert first.now.status.state is SUSPENDED
    await second.is_suspended("OutOfCredits")
    await first.patch(suspend=False)
    await home.account.set_quota(used + 2 * FOR_ONE)
    await first.runs()


@story
async def test_a_job_that_needs_time_to_stop_waits_for_more(story: Story) -> None:
    """Twice its grace: it would have to be told to stop as soon as it has begun."""
    home = await story.workspace(quota=12_000, onExhaustion="Suspend")
    job = await home.job(terminationGracePeriodSeconds=3)
    await job.is_suspended("OutOfCredits")
    used = job.usage
    await home.account.set_quota(used + 5500)
    await home.account.is_locked(locked=False)
    await asyncio.sleep(1.5)
    assert job.now.status.state is SUSPENDED
    await home.account.set_quota(used + 6500)
    await job.runs()


@story
async def test_new_jobs_do_not_overtake_those_that_wait(story: Story) -> None:
    home = await story.workspace(onExhaustion="Suspend")
    (waiting,) = jobs = await in_a_row(home, "waiting")
    used = await all_suspended(home, jobs)
    late = await home.job("late", replicas=2)
    await late.is_suspended("NotEnoughCredits")
    await home.account.set_quota(used + FOR_ONE - 500)  # for a second of three replicas there isn't enough
    await waiting.runs()
    assert not late.pods
    await waiting.is_suspended("OutOfCredits")


@story
async def test_a_suspended_job_says_when_it_was_suspended_and_when_it_goes_on(story: Story) -> None:
    home = await story.workspace(quota=2000, onExhaustion="Suspend")
    job = await home.job()
    suspended = await job.is_suspended("OutOfCredits")
    assert suspended.status.suspended_at == job.ended_ms
    assert suspended.status.message == "Your job has been suspended (No more credits)"
    await top_up(home.account, 2000, "more")
    running = await job.runs()
    assert running.status.suspended_at is None
    assert [state for state, _ in job.updates if state] == [IN_QUEUE, RUNNING, SUSPENDED, IN_QUEUE, RUNNING]


@story
async def test_credits_that_begin_later_resume_jobs_when_they_begin(story: Story) -> None:
    home = await story.workspace(quota=2000, onExhaustion="Suspend")
    job = await home.job()
    await job.is_suspended("OutOfCredits")
    begins = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    group = [{"allocations": [allocation(2000), allocation(2000, "coming", start=begins)]}]
    await home.account.patch(allocationGroups=group)
    await home.account.is_applied()
    assert job.now.status.state is SUSPENDED
    await job.runs()
    await job.is_suspended("OutOfCredits")
    assert job.lengths_ms == [2000, 2000]
