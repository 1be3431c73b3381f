"""People and pods are told in time that an end comes near, once for each level, and that it has moved away."""

import asyncio
from typing import Any

import pytest

from tests.cluster.storytelling.cast import RUNNING, SUCCESS, Story
from tests.cluster.storytelling.promises import (
    EXHAUSTS_AT,
    MINUTE,
    ends_soon,
    events_about,
    format_time,
    pods_know,
    top_up,
    warnings_about,
)
from tests.cluster.storytelling.telling import story
from ucloud_operator.kube.objects import section
from ucloud_operator.kube.resources import PODS

WITHIN_ONE = ("True", "Within1Minutes")
NOT_SOON = ("False", "NotSoon")
MINUTES = [1]
"""One minute is the shortest level there is."""
A_MOMENT = 4000
"""Credits for the time between a start and the level."""


@story
async def test_job_wallet_and_pod_are_told_once_that_credits_end_soon(story: Story) -> None:
    home = await story.workspace(quota=MINUTE + A_MOMENT, warnMinutes=MINUTES)
    job = await home.job()
    await job.runs()
    assert ends_soon(job.now.status.conditions) is None
    end_ms = job.started_ms + MINUTE + A_MOMENT

    warned = await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    wallet = await home.account.until(lambda wallet: ends_soon(wallet.status.conditions) == WITHIN_ONE)
    assert warned.status.exhausts_at == wallet.status.exhausts_at == end_ms
    assert warned.status.state is RUNNING
    await pods_know(job, end_ms)
    await asyncio.sleep(3)
    assert await warnings_about(job) == await warnings_about(home.account) == ["Within1Minutes"]


@story
async def test_a_warning_says_when_the_end_is(story: Story) -> None:
    home = await story.workspace(quota=MINUTE + A_MOMENT, warnMinutes=MINUTES)
    job = await home.job()
    await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    end = format_time(job.started_ms + MINUTE + A_MOMENT)
    (event,) = [event for event in await events_about(job) if event.reason == "Within1Minutes"]
    assert event.type == "Warning"
    assert event.message.startswith("At the present rate this job ends in ")
    assert event.message.endswith(f", at {end}.")


@story
async def test_a_warning_comes_when_its_level_is_crossed(story: Story) -> None:
    home = await story.workspace(quota=MINUTE + A_MOMENT, warnMinutes=MINUTES)
    job = await home.job()
    warned = await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    (condition,) = [each for each in warned.status.conditions if each.type == "EndsSoon"]
    level_ms = job.started_ms + A_MOMENT
    assert level_ms <= condition.last_transition_time <= level_ms + 1000


@story
async def test_a_top_up_takes_the_warning_back(story: Story) -> None:
    home = await story.workspace(quota=MINUTE + A_MOMENT, warnMinutes=MINUTES)
    job = await home.job()
    await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    await top_up(home.account, 10 * MINUTE, "more")
    relieved = await job.until(lambda job: ends_soon(job.status.conditions) == NOT_SOON)
    wallet = await home.account.until(lambda wallet: ends_soon(wallet.status.conditions) == NOT_SOON)
    assert relieved.status.exhausts_at is None
    assert wallet.status.exhausts_at == job.started_ms + 11 * MINUTE + A_MOMENT
    await pods_know(job, None)
    assert await warnings_about(job) == ["Within1Minutes"]


@story
async def test_who_was_relieved_is_warned_again_when_the_end_comes_near_again(story: Story) -> None:
    home = await story.workspace(quota=MINUTE + A_MOMENT, warnMinutes=MINUTES)
    job = await home.job()
    await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    await home.account.set_quota(11 * MINUTE)
    await job.until(lambda job: ends_soon(job.status.conditions) == NOT_SOON)
    await home.account.set_quota(MINUTE + A_MOMENT)
    await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    await pods_know(job, job.started_ms + MINUTE + A_MOMENT)
    assert await warnings_about(job) == ["Within1Minutes"] * 2


@story
async def test_jobs_that_share_an_ancestor_are_all_warned_of_its_end(story: Story) -> None:
    faculty = await story.workspace("faculty", quota=4 * MINUTE + 6 * A_MOMENT, warnMinutes=MINUTES)
    left, right = await asyncio.gather(
        story.workspace("left", under=faculty, warnMinutes=MINUTES),
        story.workspace("right", under=faculty, warnMinutes=MINUTES),
    )
    jobs = await asyncio.gather(left.job("one"), left.job("two"), right.job("pair", replicas=2))
    for job in jobs:
        await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    for workspace in (faculty, left, right):
        await workspace.account.until(lambda wallet: ends_soon(wallet.status.conditions) == WITHIN_ONE)
    ends_ms = {job.now.status.exhausts_at for job in jobs}
    assert len(ends_ms) == 1
    for job in jobs:
        await pods_know(job, *ends_ms)


@story
async def test_a_time_allocation_is_warned_of_like_credits(story: Story) -> None:
    home = await story.workspace(warnMinutes=MINUTES)
    job = await home.job(timeAllocation={"seconds": 64})
    warned = await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    assert warned.status.expires_at == job.started_ms + 64_000
    await pods_know(job, job.started_ms + 64_000)
    assert await warnings_about(job) == ["Within1Minutes"]
    assert ends_soon(home.account.now.status.conditions) in {None, NOT_SOON}


@story
async def test_an_extension_takes_the_warning_back(story: Story) -> None:
    home = await story.workspace(warnMinutes=MINUTES)
    job = await home.job(timeAllocation={"seconds": 64})
    await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    await job.patch(timeAllocation={"hours": 1})
    await job.until(lambda job: ends_soon(job.status.conditions) == NOT_SOON)
    await pods_know(job, None)


@story
async def test_a_job_that_begins_with_less_than_a_level_is_not_warned_of_it(story: Story) -> None:
    home = await story.workspace(quota=6000, warnMinutes=[1, 5])
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert await warnings_about(job) == []


@story
async def test_a_wallet_without_levels_warns_nobody(story: Story) -> None:
    home = await story.workspace(quota=MINUTE + 2000, warnMinutes=[])
    job = await home.job()
    await job.runs()
    await asyncio.sleep(4)
    assert ends_soon(job.now.status.conditions) is None
    assert await warnings_about(job) == await warnings_about(home.account) == []


@pytest.mark.xfail(
    reason="a run that began before a level is told of it only if the level's instant came after its start"
)
@story
async def test_more_jobs_bring_the_end_nearer_and_warn_at_once(story: Story) -> None:
    home = await story.workspace(quota=3 * MINUTE, warnMinutes=MINUTES)
    job = await home.job()
    await job.runs()
    many = await home.job("many", replicas=4)
    await many.runs()
    await job.until(lambda job: ends_soon(job.status.conditions) == WITHIN_ONE)
    assert await warnings_about(many) == []  # it began with less
    await many.patch(terminate=True)
    await job.until(lambda job: ends_soon(job.status.conditions) == NOT_SOON)


@story
async def test_a_pod_reads_its_end_as_a_file(story: Story) -> None:
    """The kubelet shows the annotation through a volume, and follows it."""
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    pod = await story.stage.client.get(PODS, job.pods[0].name, namespace=home.namespace)
    volumes: Any = section(pod, "spec")["volumes"]
    (ucloud,) = (volume for volume in volumes if volume["name"] == "ucloud")
    fields = {item["path"]: item["fieldRef"]["fieldPath"] for item in ucloud["downwardAPI"]["items"]}
    assert fields["exhausts-at"] == f"metadata.annotations['{EXHAUSTS_AT}']"
