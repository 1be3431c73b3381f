"""How credits end, and what becomes of the jobs that lived on them. (A credit is a millisecond of one replica.)"""

import asyncio
import time

from tests.cluster.storytelling.cast import (
    FAILURE,
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
from tests.cluster.storytelling.telling import story
from ucloud_operator.api import format_time

QUEUED_SENTENCE = "Your job is now waiting in the queue!"
RUNNING_SENTENCE = "Your job is now running!"
NO_MORE_CREDITS = "Your job has been terminated (No more credits)"


def in_seconds(seconds: float) -> int:
    """An instant (unix ms) so long from now."""
    return int((time.time() + seconds) * 1000)


@story
async def test_a_job_runs_until_the_last_credit_is_used(story: Story) -> None:
    home = await story.workspace(quota=4000)
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.lengths_ms == [4000]
    assert job.usage == 4000
    assert job.updates == [
        (IN_QUEUE, QUEUED_SENTENCE),
        (RUNNING, RUNNING_SENTENCE),
        (SUCCESS, NO_MORE_CREDITS),
    ]
    await job.has_no_pods()
    wallet = await home.account.is_locked()
    assert (wallet.status.max_usable, wallet.status.local_usage) == (0, 4000)


@story
async def test_jobs_under_one_ancestor_stop_together_and_nobody_else_does(story: Story) -> None:
    faculty, elsewhere = await asyncio.gather(story.workspace("faculty", quota=30_000), story.workspace("elsewhere"))
    left, right = await asyncio.gather(story.workspace("left", under=faculty), story.workspace("right", under=faculty))
    below = await story.workspace("below", under=right)
    bystander = await elsewhere.job()
    jobs = await asyncio.gather(
        left.job("one"), left.job("two"), right.job("pair", replicas=2), below.job("deep"), faculty.job("top")
    )
    for job in jobs:
        await job.ends(SUCCESS, "OutOfCredits")
    assert len({job.ended_ms for job in jobs}) == 1
    assert sum(job.usage for job in jobs) == 30_000
    for workspace in (faculty, left, right, below):
        await workspace.account.is_locked()
    await bystander.runs()
    assert len(bystander.pods) == 1
    for job in jobs:
        await job.has_no_pods()


@story
async def test_an_inner_wallet_that_is_used_up_stops_its_own_jobs_alone(story: Story) -> None:
    faculty = await story.workspace("faculty", quota=20_000)
    poor, rich = await asyncio.gather(
        story.workspace("poor", quota=3000, under=faculty), story.workspace("rich", under=faculty)
    )
    short, long = await asyncio.gather(poor.job(), rich.job(replicas=2))
    await short.ends(SUCCESS, "OutOfCredits")
    assert short.usage == 3000
    await long.runs()
    await long.ends(SUCCESS, "OutOfCredits")
    assert short.usage + long.usage == 20_000
    assert (await faculty.account.is_locked()).status.total_usage == 20_000


@story
async def test_a_job_in_the_queue_ends_with_the_credits_too(story: Story) -> None:
    home = await story.workspace(quota=5000)
    queued = await home.job("queued", application=await story.application("late", start_after="never"))
    await queued.waits()
    await (await home.job("spender")).ends(SUCCESS, "OutOfCredits")
    await queued.ends(SUCCESS, "OutOfCredits", NO_MORE_CREDITS)
    assert queued.usage == 0
    await queued.has_no_pods()


@story
async def test_jobs_of_a_wallet_that_suspends_wait_for_a_top_up_and_go_on(story: Story) -> None:
    home = await story.workspace(quota=3000, onExhaustion="Suspend")
    job = await home.job()
    await job.is_suspended("OutOfCredits")
    assert job.usage == 3000
    await job.has_no_pods()
    await home.account.set_quota(6000)
    await job.runs()
    assert [pod.name for pod in job.pods] == ["j-job-job-0-run-2"]
    await job.is_suspended("OutOfCredits")
    assert job.lengths_ms == [3000, 3000]
    assert job.usage == 6000
    assert [state for state, _ in job.updates if state] == [
        IN_QUEUE,
        RUNNING,
        SUSPENDED,
        IN_QUEUE,
        RUNNING,
        SUSPENDED,
    ]
    assert job.now.status.updates[-1].status == "Your job has been suspended (No more credits)"


@story
async def test_a_top_up_of_less_than_a_minimum_run_wakes_nobody(story: Story) -> None:
    home = await story.workspace(quota=2000, onExhaustion="Suspend")
    job = await home.job()
    await job.is_suspended("OutOfCredits")
    await job.has_no_pods()
    await home.account.set_quota(2500)  # minimumRun is a second: 1000 credits
    await home.account.is_locked(locked=False)
    await asyncio.sleep(1.5)
    assert job.now.status.state is SUSPENDED
    assert not job.pods
    await home.account.set_quota(4500)
    await job.runs()
    await job.is_suspended("OutOfCredits")
    assert job.usage == 4500


@story
async def test_a_quota_that_is_raised_in_time_lets_jobs_run_on(story: Story) -> None:
    home = await story.workspace()
    await expect_that_raising_helps(home, await home.job())


@story
async def test_a_quota_that_is_raised_above_lets_jobs_run_on_below(story: Story) -> None:
    faculty = await story.workspace("faculty")
    home = await story.workspace("home", under=faculty)
    await expect_that_raising_helps(faculty, await home.job())


async def expect_that_raising_helps(payer: Workspace, job: Job) -> None:
    """Let the credits end soon, and then not so soon."""
    await job.runs()
    soon_ms = in_seconds(6) - job.started_ms
    await payer.account.set_quota(soon_ms)
    await payer.account.until(lambda wallet: wallet.status.exhausts_at == job.started_ms + soon_ms)
    await payer.account.set_quota(soon_ms + 2000)
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.lengths_ms == [soon_ms + 2000]
    assert job.usage == soon_ms + 2000


@story
async def test_a_job_whose_kubelet_was_already_told_ends_as_announced(story: Story) -> None:
    home = await story.workspace(quota=5000)
    job = await home.job()
    await job.runs()
    await story.stage.view.until(
        lambda: any(pod.spec.active_deadline_seconds for pod in job.pods), lambda: f"{job.pods}", 10
    )
    await home.account.set_quota(60_000)
    await job.ends(SUCCESS, "OutOfCredits", NO_MORE_CREDITS)
    assert job.usage == 5000
    assert not (await home.account.uses(5000)).status.locked


@story
async def test_a_quota_that_is_cut_below_what_was_used_stops_jobs_now(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    await asyncio.sleep(2)
    cut_ms = in_seconds(0)
    await home.account.set_quota(100)
    await job.ends(SUCCESS, "OutOfCredits")
    assert cut_ms - 100 <= job.ended_ms <= cut_ms + 3000
    wallet = await home.account.uses(job.usage)
    assert wallet.status.locked
    assert (wallet.status.max_usable, wallet.status.quota) == (0, 100)
    await job.has_no_pods()


@story
async def test_the_end_of_an_allocation_ends_its_jobs_to_the_millisecond(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    end_ms = in_seconds(5.123)
    await home.account.patch(allocationGroups=[{"allocations": [allocation(PLENTY, end=format_time(end_ms))]}])
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.ended_ms == end_ms
    wallet = await home.account.is_locked()
    assert wallet.status.quota == wallet.status.local_usage == job.usage == job.lengths_ms[0]
    assert wallet.status.groups[0].allocations[0].phase == "Retired"


@story
async def test_jobs_run_on_over_the_seam_between_two_allocations(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    seam_ms = in_seconds(5)
    before, after = allocation(PLENTY, end=format_time(seam_ms)), allocation(2000, "next", start=format_time(seam_ms))
    await home.account.patch(allocationGroups=[{"allocations": [before, after]}])
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.ended_ms == seam_ms + 2000
    assert len(job.lengths_ms) == 1


@story
async def test_a_job_with_a_long_grace_is_told_that_much_earlier(story: Story) -> None:
    saves_for = await story.application("saver", sigterm_after="2500ms", sigterm_exit_code="0")
    home = await story.workspace(quota=6000)
    job = await home.job(terminationGracePeriodSeconds=3, application=saves_for)
    await job.runs()
    await story.stage.view.until(
        lambda: any(pod.metadata.deletion_timestamp for pod in job.pods), lambda: f"{job.pods}", 10
    )
    (pod,) = job.pods
    assert pod.metadata.deletion_grace_period_seconds == 3
    assert pod.metadata.deletion_timestamp is not None
    assert abs(pod.metadata.deletion_timestamp - (job.started_ms + 6000)) <= 1000  # it is the end of its grace
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 6000  # it ended within the last second: nothing is given away


@story
async def test_what_costs_nothing_runs_without_credits(story: Story) -> None:
    home = await story.workspace(quota=2000)
    gift = await home.job("gift", product=await story.product("free", price=0))
    paid = await home.job("paid")
    await paid.ends(SUCCESS, "OutOfCredits")
    await gift.runs()
    later = await home.job("later", product=story.product_reference("free"))
    await later.runs()
    assert gift.now.status.state is RUNNING
    assert gift.usage == 0


@story
async def test_a_new_job_on_a_wallet_that_is_used_up_is_refused(story: Story) -> None:
    home = await story.workspace(quota=2000)
    await (await home.job("first")).ends(SUCCESS, "OutOfCredits")
    second = await home.job("second")
    await second.ends(
        FAILURE,
        "NotEnoughCredits",
        "needs 60000 per minute; this wallet can still use 0 (to start, it takes credits for 1 s)",
    )
    assert not second.now.status.runs
    assert not second.pods
