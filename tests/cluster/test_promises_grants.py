"""Grants: a top-up is a new allocation, what was used is attributed to each, and the past stays as it was."""

import asyncio

import pytest

from tests.cluster.storytelling.cast import EXPIRED, PLENTY, SUCCESS, Story, allocation
from tests.cluster.storytelling.promises import (
    format_time,
    grant,
    in_seconds,
    is_charged,
    now_ms,
    top_up,
    used_of,
)
from tests.cluster.storytelling.telling import story
from ucloud_operator.kube.errors import Forbidden

SOON, LATER = "2030-01-01T00:00:00Z", "2034-01-01T00:00:00Z"


@story
async def test_a_top_up_is_a_grant_of_its_own_that_says_who_decided_it_and_where(story: Story) -> None:
    home = await story.workspace(quota=2000)
    await (await home.job("first")).ends(SUCCESS, "OutOfCredits")
    decided = {"grantedIn": "application-7", "grantedBy": "alice", "grantedAt": "2026-11-24T08:00:00Z"}
    await grant(home.account, allocation(2000), {**allocation(3000, "top-up"), **decided})
    wallet = await home.account.until(lambda wallet: wallet.status.quota == 5000)
    assert (wallet.status.max_usable, wallet.status.locked) == (3000, False)
    written = wallet.spec.allocation_groups[0].allocations[1]
    assert (written.granted_in, written.granted_by) == ("application-7", "alice")
    second = await home.job("second")
    await second.ends(SUCCESS, "OutOfCredits")
    assert second.usage == 3000
    assert used_of(await home.account.is_locked()) == {"grant": 2000, "top-up": 3000}


@story
async def test_what_ends_first_is_used_first(story: Story) -> None:
    home = await story.workspace()
    await grant(home.account, allocation(2000, "later", end=LATER), allocation(2000, "soon", end=SOON))
    await home.account.is_applied()
    await (await home.job(timeAllocation={"seconds": 3})).ends(EXPIRED, "Expired")
    wallet = await home.account.uses(3000)
    assert used_of(wallet) == {"later": 1000, "soon": 2000}


@story
async def test_a_job_stops_exactly_when_the_grant_that_it_lives_on_ends(story: Story) -> None:
    faculty = await story.workspace("faculty")
    home = await story.workspace("home", under=faculty)
    job = await home.job()
    await job.runs()
    end_ms = in_seconds(6.456)
    await grant(home.account, allocation(PLENTY, end=format_time(end_ms)))
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.ended_ms == end_ms
    assert job.usage == end_ms - job.started_ms
    await is_charged(faculty.account, job.usage)


@story
async def test_the_end_of_an_ancestors_grant_stops_jobs_below_exactly_then(story: Story) -> None:
    faculty = await story.workspace("faculty")
    home = await story.workspace("home", under=faculty)
    job = await home.job()
    await job.runs()
    end_ms = in_seconds(6.456)
    await grant(faculty.account, allocation(PLENTY, end=format_time(end_ms)))
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.ended_ms == end_ms
    assert job.usage == end_ms - job.started_ms


@story
async def test_a_job_survives_the_seam_of_two_grants_that_meet(story: Story) -> None:
    faculty = await story.workspace("faculty")
    home = await story.workspace("home", under=faculty)
    job = await home.job()
    await job.runs()
    seam_ms = in_seconds(3)
    seam = format_time(seam_ms)
    await grant(home.account, allocation(PLENTY, end=seam), allocation(PLENTY, "next", start=seam))
    await asyncio.sleep((seam_ms - now_ms()) / 1000 + 1.5)
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    assert len(job.lengths_ms) == 1
    assert job.ended_ms > seam_ms
    wallet = await home.account.uses(job.usage)
    assert used_of(wallet) == {"grant": seam_ms - job.started_ms, "next": job.ended_ms - seam_ms}


@story
async def test_a_millisecond_between_two_grants_is_the_end(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    end_ms = in_seconds(3)
    begins = format_time(end_ms + 1)
    await grant(home.account, allocation(PLENTY, end=format_time(end_ms)), allocation(PLENTY, "next", start=begins))
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.ended_ms == end_ms


@story
async def test_what_is_left_of_a_grant_is_lost_when_it_ends_and_what_was_used_stays(story: Story) -> None:
    home = await story.workspace()
    end = format_time(in_seconds(6))
    await grant(home.account, allocation(PLENTY, "short", end=end), allocation(5000, "long", end=LATER))
    await home.account.is_applied()
    job = await home.job(timeAllocation={"seconds": 2})
    await job.ends(EXPIRED, "Expired")
    wallet = await home.account.until(lambda wallet: wallet.status.quota == 7000)
    assert (wallet.status.max_usable, wallet.status.local_usage) == (5000, 2000)
    assert used_of(wallet) == {"short": 2000, "long": 0}


@story
async def test_a_grant_that_has_ended_can_not_be_changed(story: Story) -> None:
    home = await story.workspace()
    end = format_time(in_seconds(2))
    await grant(home.account, allocation(PLENTY, "spring", end=end), allocation(5000, "autumn"))
    await home.account.until(lambda wallet: wallet.status.groups[0].allocations[0].phase == "Retired")
    with pytest.raises(Forbidden, match="the allocation spring has ended and can't be changed"):
        await grant(home.account, allocation(PLENTY, "spring"), allocation(5000, "autumn"))
    with pytest.raises(Forbidden, match="the allocation spring has ended and can't be changed"):
        await grant(home.account, allocation(1, "spring", end=end), allocation(5000, "autumn"))
    await grant(home.account, allocation(PLENTY, "spring", end=end), allocation(6000, "autumn"))
    await home.account.until(lambda wallet: wallet.status.max_usable == 6000)


@story
async def test_a_start_that_has_passed_can_not_be_moved(story: Story) -> None:
    home = await story.workspace()
    with pytest.raises(Forbidden, match="the allocation grant began at 2026-01-01T00:00:00"):
        await grant(home.account, allocation(PLENTY, start=format_time(in_seconds(60))))
    assert not home.account.now.status.locked


@story
async def test_a_grant_that_was_used_and_is_left_out_stays_paid(story: Story) -> None:
    home = await story.workspace(quota=10_000)
    await (await home.job(timeAllocation={"seconds": 3})).ends(EXPIRED, "Expired")
    await grant(home.account, allocation(5000, "other"))
    wallet = await home.account.is_applied()
    assert (wallet.status.quota, wallet.status.local_usage, wallet.status.max_usable) == (8000, 3000, 5000)
    await top_up(home.account, 1000, "more")
    await home.account.until(lambda wallet: wallet.status.max_usable == 6000)


@story
async def test_a_grant_that_is_first_seen_after_its_end_is_worth_nothing(story: Story) -> None:
    home = await story.workspace(quota=3000)
    past = allocation(PLENTY, "past", end="2026-02-01T00:00:00Z")
    await grant(home.account, allocation(3000), past)
    wallet = await home.account.is_applied()
    assert (wallet.status.quota, wallet.status.max_usable) == (3000, 3000)


# The forecast


@story
async def test_wallet_and_job_say_when_the_credits_end(story: Story) -> None:
    home = await story.workspace(quota=100_000)
    job = await home.job()
    await job.runs()
    await home.account.until(lambda wallet: wallet.status.exhausts_at == job.started_ms + 100_000)


@story
async def test_the_forecast_follows_jobs_that_come_and_go(story: Story) -> None:
    home = await story.workspace(quota=100_000)
    job = await home.job()
    await job.runs()
    pair = await home.job("pair", replicas=2)
    await pair.runs()
    alone_ms = pair.started_ms - job.started_ms
    together_ms = -(-(100_000 - alone_ms) // 3)
    await home.account.until(lambda wallet: wallet.status.exhausts_at == pair.started_ms + together_ms)
    await pair.patch(terminate=True)
    await pair.ends(SUCCESS, "Cancelled")
    await home.account.until(lambda wallet: wallet.status.exhausts_at == job.started_ms + 100_000 - pair.usage)
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    await home.account.until(lambda wallet: wallet.status.exhausts_at is None)


@story
async def test_the_forecast_looks_over_grants_that_begin_and_end(story: Story) -> None:
    home = await story.workspace()
    job = await home.job()
    await job.runs()
    seam_ms = job.started_ms + 200_000
    seam = format_time(seam_ms)
    await grant(home.account, allocation(PLENTY, end=seam), allocation(30_000, "next", start=seam))
    await home.account.until(lambda wallet: wallet.status.exhausts_at == seam_ms + 30_000)
    await grant(home.account, allocation(PLENTY, end=seam))
    await home.account.until(lambda wallet: wallet.status.exhausts_at == seam_ms)


@story
async def test_the_forecast_of_a_wallet_below_is_that_of_the_ancestor_that_ends_first(story: Story) -> None:
    faculty = await story.workspace("faculty", quota=100_000)
    home, sibling = await asyncio.gather(
        story.workspace("home", under=faculty), story.workspace("sibling", quota=500_000, under=faculty)
    )
    one, two = await home.job("one"), await sibling.job("two")
    await one.runs()
    await two.runs()
    apart_ms = abs(one.started_ms - two.started_ms)
    end_ms = max(one.started_ms, two.started_ms) + -(-(100_000 - apart_ms) // 2)
    for workspace in (home, sibling, faculty):
        await workspace.account.until(lambda wallet: wallet.status.exhausts_at == end_ms)
