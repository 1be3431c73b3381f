"""What outlives the operator, and how promptly it resumes: with an operator of the test's own, which can be killed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from devcluster import Cluster
from tests.cluster.storytelling.cast import EXPIRED, IN_QUEUE, SUCCESS, Job, Story, new_name
from tests.cluster.storytelling.promises import (
    MINUTE,
    ends_soon,
    lines_of,
    now_ms,
    pods_know,
    top_up,
    warnings_about,
)
from tests.cluster.storytelling.telling import open_stage

SETTINGS = {
    "minimum_run_seconds": 1,
    "notice_seconds": 1,
    "queue_notice_seconds": 2,
    "arm_seconds": 1,
    "lease_seconds": 3,
    "renew_seconds": 1,
}
PROMPT_MS = 5000
MANY = 10


@asynccontextmanager
async def story_of(cluster: Cluster, folder: Path, title: str) -> AsyncIterator[Story]:
    """A story that has an operator for itself."""
    async with open_stage(cluster, folder / "operator.log", SETTINGS) as stage:
        story = Story(stage, new_name(title))
        await story.begin()
        try:
            yield story
        except BaseException:
            print(stage.operator.said())
            raise
        finally:
            await story.end()


async def killed_and_restarted(story: Story) -> None:
    """`kill -9`, and another one that leads."""
    await story.stage.operator.kill()
    await story.stage.operator.start()
    await story.stage.operator.leads()


async def test_suspended_jobs_run_again_within_five_seconds_of_a_top_up(cluster: Cluster, tmp_path: Path) -> None:
    async with story_of(cluster, tmp_path, "prompt") as story:
        home = await story.workspace(quota=MANY * 3000, onExhaustion="Suspend")
        jobs = [await home.job(f"job-{number}") for number in range(MANY)]
        for job in jobs:
            await job.is_suspended("OutOfCredits")
            await job.has_no_pods()
        topped_up_ms = now_ms()
        await top_up(home.account, 10**9, "more")
        for job in jobs:
            await job.runs()
        late_ms = [job.started_ms - topped_up_ms for job in jobs]
        print(f"ran again after {sorted(late_ms)} ms")
        assert max(late_ms) <= PROMPT_MS


async def test_a_restart_warns_nobody_twice_and_takes_nothing_back(cluster: Cluster, tmp_path: Path) -> None:
    async with story_of(cluster, tmp_path, "warned") as story:
        home = await story.workspace(quota=MINUTE + 4000, warnMinutes=[1])
        job = await home.job()
        await job.until(lambda job: ends_soon(job.status.conditions) is not None)
        await pods_know(job, job.started_ms + MINUTE + 4000)
        await killed_and_restarted(story)
        await home.account.patch(warnMinutes=[1, 90])  # whoever has applied this has looked at everything
        await home.account.is_applied()
        assert await warnings_about(job) == await warnings_about(home.account) == ["Within1Minutes"]
        assert ends_soon(job.now.status.conditions) == ("True", "Within1Minutes")
        await pods_know(job, job.started_ms + MINUTE + 4000)
        updates = [update.status for update in job.now.status.updates]
        assert len(updates) == len(set(updates))


async def test_what_is_set_aside_stays_so_over_a_restart(cluster: Cluster, tmp_path: Path) -> None:
    async with story_of(cluster, tmp_path, "certain") as story:
        home = await story.workspace(quota=20_000)
        job = await home.job("certain", funding="Reserve", timeAllocation={"seconds": 15})
        await job.runs()
        await killed_and_restarted(story)
        greedy = await home.job("greedy")
        await greedy.ends(SUCCESS, "OutOfCredits")
        await job.ends(EXPIRED, "Expired")
        assert (greedy.usage, job.usage) == (5000, 15_000)


async def test_jobs_that_were_deleted_while_nobody_was_there_are_settled(cluster: Cluster, tmp_path: Path) -> None:
    async with story_of(cluster, tmp_path, "settled") as story:
        home = await story.workspace()
        jobs: list[Job] = [await home.job(f"job-{number}") for number in range(3)]
        for job in jobs:
            await job.runs()
        await story.stage.operator.kill()
        for job in jobs:
            await job.delete()
        await story.stage.operator.start()
        await story.stage.operator.leads()
        for job in jobs:
            await job.is_gone()
        used = {job.uid: job.usage for job in jobs}
        await home.account.has_settled(sum(used.values()))
        assert {uid: line.usage for uid, line in (await lines_of(home.account)).items()} == used
        assert all(usage > 0 for usage in used.values())


async def test_a_line_of_suspended_jobs_outlives_the_operator(cluster: Cluster, tmp_path: Path) -> None:
    async with story_of(cluster, tmp_path, "line") as story:
        home = await story.workspace(quota=6000, onExhaustion="Suspend")
        first = await home.job("zoe")
        await first.runs()
        second = await home.job("amy")
        await first.is_suspended("OutOfCredits")
        await second.until(lambda job: job.status.state is not IN_QUEUE and not job.status.rate_per_minute)
        await killed_and_restarted(story)
        await home.account.set_quota(9000)
        await first.runs()
        await first.is_suspended("OutOfCredits")
        assert first.lengths_ms[-1] == 3000
        assert len(second.now.status.runs) <= 1
