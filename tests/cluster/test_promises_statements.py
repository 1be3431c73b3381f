"""What was used stays used, whatever is deleted: a line per job in the statements of its wallet."""

import asyncio
import time

from tests.cluster.storytelling.cast import SUCCESS, Job, Story, allocation
from tests.cluster.storytelling.promises import grant, lines_of, statements_of, top_up, used_of
from tests.cluster.storytelling.telling import story


async def cancelled(job: Job) -> Job:
    """A job that has run for a moment and was cancelled."""
    await job.runs()
    await asyncio.sleep(1)
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    assert job.usage > 0
    return job


@story
async def test_a_job_that_is_deleted_leaves_a_line_that_says_who_used_what_and_when(story: Story) -> None:
    home = await story.workspace()
    job = await cancelled(await home.job("paper", replicas=2))
    ended = job.now
    await job.delete()
    await job.is_gone()
    await home.account.has_settled(ended.status.usage)
    (statement,) = await statements_of(home.account)
    (line,) = statement.spec.lines
    assert (line.uid, line.job, line.product, line.replicas) == (job.uid, "paper", f"{story.name}-standard", 2)
    assert line.created_by == ended.metadata.annotations.get("ucloud.dk/created-by")
    assert bool(line.created_by) == story.stage.cluster.stamps
    assert (line.started_at, line.ended_at) == (ended.status.started_at, ended.status.runs[-1].ended_at)
    assert (line.usage, line.reason) == (ended.status.usage, "Cancelled")
    assert (statement.spec.total, statement.spec.part, statement.spec.closed) == (line.usage, 1, False)


@story
async def test_deleting_a_job_and_its_namespace_refunds_nothing(story: Story) -> None:
    home = await story.workspace(quota=10_000)
    settled, running = await cancelled(await home.job("settled")), await home.job("running")
    await settled.delete()
    await running.runs()
    await home.delete()
    await home.is_gone()
    used = settled.usage + running.usage
    assert running.usage > 0

    again = await story.workspace("home", quota=10_000)
    wallet = again.account.now.status
    assert (wallet.settled_usage, wallet.local_usage, wallet.max_usable) == (used, used, 10_000 - used)
    assert set(await lines_of(again.account)) == {settled.uid, running.uid}


@story
async def test_a_wallet_that_is_made_again_goes_on_from_what_was_used(story: Story) -> None:
    home = await story.workspace(quota=6000, openingUsage=1000)
    job = await cancelled(await home.job())
    await home.account.delete()
    await home.account.is_gone()
    await home.open_account(quota=6000, openingUsage=1000)
    wallet = home.account.now.status
    assert (wallet.local_usage, wallet.max_usable) == (1000 + job.usage, 5000 - job.usage)
    rest = await home.job("rest")
    await rest.ends(SUCCESS, "OutOfCredits")
    assert rest.usage == 5000 - job.usage


@story
async def test_a_wallet_that_is_made_again_under_a_parent_is_charged_there_once(story: Story) -> None:
    faculty = await story.workspace("faculty", quota=20_000)
    home = await story.workspace("home", quota=15_000, under=faculty)
    job = await cancelled(await home.job())
    await home.account.delete()
    await home.account.is_gone()
    await faculty.account.uses(job.usage)
    await home.open_account(quota=15_000, under=faculty)
    second = await cancelled(await home.job("second"))
    wallet = await faculty.account.uses(job.usage + second.usage)
    assert wallet.status.max_usable == 20_000 - job.usage - second.usage
    assert (await home.account.uses(job.usage + second.usage)).status.tree_usage == job.usage + second.usage


@story
async def test_a_grant_that_was_used_up_stays_used_up_in_a_wallet_that_is_made_again(story: Story) -> None:
    home = await story.workspace(quota=2000)
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    await home.account.delete()
    await home.account.is_gone()
    await home.open_account(quota=2000)
    assert home.account.now.status.locked
    wallet = await top_up(home.account, 3000, "more")
    assert (wallet.status.local_usage, wallet.status.max_usable) == (2000, 3000)


@story
async def test_a_job_that_stays_when_its_wallet_goes_is_settled_once(story: Story) -> None:
    home = await story.workspace(quota=10_000)
    job = await cancelled(await home.job())
    await home.account.delete()
    await home.account.is_gone()
    assert job.exists
    assert (await lines_of(home.account))[job.uid].usage == job.usage
    await home.open_account(quota=10_000)
    assert home.account.now.status.local_usage == job.usage
    await job.delete()
    await job.is_gone()
    await home.account.has_settled(job.usage)


@story
async def test_finished_jobs_go_when_their_time_has_come_and_not_a_unit_is_lost(story: Story) -> None:
    short = await story.application("short", exit_after="1s")
    home = await story.workspace()
    jobs = [
        await home.job(f"job-{number}", application=short, ttlSecondsAfterFinished=number % 3) for number in range(9)
    ]
    for job in jobs:
        await job.is_gone()
        assert job.now.status.reason == "Completed"
    used = sum(job.usage for job in jobs)
    assert used >= 9000
    await home.account.has_settled(used)
    assert {uid: line.usage for uid, line in (await lines_of(home.account)).items()} == {
        job.uid: job.usage for job in jobs
    }


@story
async def test_a_finished_job_stays_until_it_is_told_for_how_long(story: Story) -> None:
    home = await story.workspace()
    job = await cancelled(await home.job())
    await asyncio.sleep(2)
    assert job.exists
    await job.patch(ttlSecondsAfterFinished=0)
    await job.is_gone()
    await home.account.has_settled(job.usage)


@story
async def test_a_job_is_kept_for_as_long_as_it_wants(story: Story) -> None:
    home = await story.workspace(quota=2000)
    job = await home.job(ttlSecondsAfterFinished=4)
    ended = await job.ends(SUCCESS, "OutOfCredits")
    await job.is_gone()
    assert time.time() * 1000 - ended.status.updates[-1].timestamp >= 4000
    await home.account.has_settled(2000)


@story
async def test_usage_is_what_the_statements_say_and_what_is_still_there(story: Story) -> None:
    home = await story.workspace()
    gone, suspended, stays = await asyncio.gather(*(home.job(name) for name in ("gone", "suspended", "stays")))
    await asyncio.gather(cancelled(gone), cancelled(stays), suspended.runs())
    await suspended.patch(suspend=True)
    await suspended.is_suspended("Suspended")
    await gone.delete()
    await gone.is_gone()
    await suspended.delete()
    await suspended.is_gone()
    wallet = await home.account.until(lambda wallet: wallet.status.settled_usage == gone.usage + suspended.usage)
    assert wallet.status.settled_usage == sum(each.spec.total for each in await statements_of(home.account))
    assert wallet.status.local_usage == wallet.status.settled_usage + stays.usage


@story
async def test_what_a_statement_says_is_charged_to_the_grants_that_paid_for_it(story: Story) -> None:
    home = await story.workspace()
    await grant(home.account, allocation(1500, "first", end="2030-01-01T00:00:00Z"), allocation(1500, "last"))
    await home.account.is_applied()
    job = await home.job(ttlSecondsAfterFinished=0)
    await job.is_gone()
    wallet = await home.account.has_settled(3000)
    assert used_of(wallet) == {"first": 1500, "last": 1500}
