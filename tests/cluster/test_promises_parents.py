"""Credits from several parents: the path that ends first pays first, and a job goes on as long as one holds."""

import asyncio
from collections.abc import Mapping

from tests.cluster.storytelling.cast import EXPIRED, FAILURE, PLENTY, SUCCESS, Story, Workspace, allocation
from tests.cluster.storytelling.promises import format_time, in_seconds, is_charged
from tests.cluster.storytelling.telling import story

SOON, LATER = "2030-01-01T00:00:00Z", "2034-01-01T00:00:00Z"


def share(parent: Workspace, quota: int, end: str = LATER, **times: str) -> Mapping[str, object]:
    """What a wallet is granted by one parent."""
    return {"parent": parent.account.reference, "allocations": [allocation(quota, end=end, **times)]}


async def two_parents(story: Story, quota: int = PLENTY) -> tuple[Workspace, Workspace]:
    """Two workspaces that others are granted credits by."""
    left, right = await asyncio.gather(story.workspace("left", quota), story.workspace("right", quota))
    return left, right


async def granted(story: Story, name: str, *groups: Mapping[str, object], **spec: object) -> Workspace:
    """A workspace with a wallet that has these groups."""
    workspace = await story.empty_workspace(name)
    await workspace.open_account(allocationGroups=groups, **spec)  # type: ignore[arg-type]  # not its own arguments
    return workspace


@story
async def test_the_parent_whose_grant_ends_first_pays_first(story: Story) -> None:
    left, right = await two_parents(story)
    home = await granted(story, "home", share(left, 5000, LATER), share(right, 3000, SOON))
    assert home.account.now.status.max_usable == 8000
    job = await home.job(timeAllocation={"seconds": 5})
    await job.ends(EXPIRED, "Expired")
    assert (await is_charged(right.account, 3000)).status.local_usage == 0
    await is_charged(left.account, 2000)


@story
async def test_a_job_goes_on_over_the_second_parent_and_stops_when_both_are_used_up(story: Story) -> None:
    left, right = await two_parents(story)
    home = await granted(story, "home", share(left, 3000, SOON), share(right, 3000))
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert (job.lengths_ms, job.usage) == ([6000], 6000)
    await home.account.is_locked()
    for parent in (left, right):
        await is_charged(parent.account, 3000)


@story
async def test_an_ancestor_that_both_paths_share_is_counted_once(story: Story) -> None:
    root = await story.workspace("root", quota=6000)
    left, right = await asyncio.gather(
        story.workspace("left", quota=4000, under=root), story.workspace("right", quota=4000, under=root)
    )
    home = await granted(story, "home", share(left, 5000, SOON), share(right, 5000))
    assert home.account.now.status.max_usable == 6000
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 6000
    await is_charged(root.account, 6000)
    await is_charged(left.account, 4000)
    await is_charged(right.account, 2000)


@story
async def test_a_sibling_that_drains_one_parent_leaves_the_other(story: Story) -> None:
    left, right = await two_parents(story, quota=8000)
    home = await granted(story, "home", share(left, PLENTY, SOON), share(right, PLENTY))
    sibling = await story.workspace("sibling", under=left)
    job, greedy = await home.job(), await sibling.job("greedy", replicas=3)
    await greedy.ends(SUCCESS, "OutOfCredits")
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == job.lengths_ms[0] == 16_000 - greedy.usage
    await is_charged(left.account, 8000)
    await is_charged(right.account, 8000)


@story
async def test_a_grant_that_ends_hands_over_to_the_other_parent_at_that_millisecond(story: Story) -> None:
    left, right = await two_parents(story)
    home = await granted(story, "home", share(left, PLENTY, SOON), share(right, PLENTY))
    job = await home.job()
    await job.runs()
    end_ms = in_seconds(4.321)
    await home.account.patch(allocationGroups=[share(left, PLENTY, format_time(end_ms)), share(right, PLENTY)])
    await home.account.until(
        lambda wallet: any(a.phase == "Retired" for g in wallet.status.groups for a in g.allocations)
    )
    await asyncio.sleep(1)
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    assert len(job.lengths_ms) == 1
    await is_charged(left.account, end_ms - job.started_ms)
    await is_charged(right.account, job.ended_ms - end_ms)


@story
async def test_a_top_up_at_either_parent_unlocks(story: Story) -> None:
    left, right = await two_parents(story, quota=1500)
    home = await granted(story, "home", share(left, PLENTY, SOON), share(right, PLENTY), onExhaustion="Suspend")
    job = await home.job()
    await job.is_suspended("OutOfCredits")
    await right.account.set_quota(5000)
    await job.runs()
    await job.is_suspended("OutOfCredits")
    await left.account.set_quota(4000)
    await job.runs()
    await job.is_suspended("OutOfCredits")
    assert job.lengths_ms == [3000, 3500, 2500]
    await is_charged(left.account, 4000)
    await is_charged(right.account, 5000)


@story
async def test_the_forecast_looks_over_both_parents(story: Story) -> None:
    left, right = await two_parents(story)
    home = await granted(story, "home", share(left, 50_000, SOON), share(right, 70_000))
    job = await home.job()
    await job.runs()
    await home.account.until(lambda wallet: wallet.status.exhausts_at == job.started_ms + 120_000)


@story
async def test_usage_that_nobody_covered_is_covered_by_whichever_parent_has_room_first(story: Story) -> None:
    left, right = await two_parents(story)
    home = await granted(story, "home", share(left, 1000, SOON), share(right, 1000), openingUsage=5000)
    wallet = await home.account.is_locked()
    assert (wallet.status.excess, wallet.status.tree_usage) == (3000, 2000)
    await home.account.patch(allocationGroups=[share(left, 1000, SOON), share(right, 9000)])
    wallet = await home.account.is_locked(locked=False)
    assert (wallet.status.excess, wallet.status.max_usable) == (0, 5000)
    await is_charged(left.account, 1000)
    await is_charged(right.account, 4000)


@story
async def test_a_parent_that_is_missing_gives_nothing_and_takes_nothing_away(story: Story) -> None:
    left, nowhere = await asyncio.gather(story.workspace("left", quota=3000), story.empty_workspace("nowhere"))
    home = await granted(story, "home", share(nowhere, PLENTY, SOON), share(left, PLENTY))
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 3000
    await is_charged(left.account, 3000)


@story
async def test_a_root_of_its_own_beside_a_parent(story: Story) -> None:
    left = await story.workspace("left")
    own = {"allocations": [allocation(2000, end=SOON)]}
    home = await granted(story, "home", own, share(left, 2000))
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 4000
    await is_charged(left.account, 2000)


@story
async def test_what_several_parents_paid_stays_paid_when_job_and_wallet_go(story: Story) -> None:
    left, right = await two_parents(story)
    home = await granted(story, "home", share(left, 2000, SOON), share(right, 5000))
    job = await home.job(timeAllocation={"seconds": 3})
    await job.ends(EXPIRED, "Expired")
    await job.delete()
    await job.is_gone()
    await home.account.has_settled(3000)
    await home.account.delete()
    await home.account.is_gone()
    await is_charged(left.account, 2000)
    await is_charged(right.account, 1000)
    again = await home.open_account(allocationGroups=[share(left, 2000, SOON), share(right, 5000)])
    assert again.now.status.max_usable == 4000
    rest = await home.job("rest")
    await rest.ends(SUCCESS, "OutOfCredits")
    assert rest.usage == 4000
    await is_charged(left.account, 2000)
    await is_charged(right.account, 5000)


@story
async def test_nothing_is_set_aside_where_credits_come_on_several_paths(story: Story) -> None:
    left, right = await two_parents(story)
    home = await granted(story, "home", share(left, PLENTY, SOON), share(right, PLENTY))
    job = await home.job(funding="Reserve", timeAllocation={"seconds": 5})
    ended = await job.ends(FAILURE, "ReserveNotPossible")
    assert "leave funding out, or write Stream" in str(ended.status.message)


@story
async def test_a_circle_through_one_parent_leaves_the_other(story: Story) -> None:
    """A wallet on a circle is locked, and so is whoever has no other way; one with another way isn't."""
    left, ring = await asyncio.gather(story.workspace("left", quota=3000), story.empty_workspace("ring"))
    await ring.apply_account(under=ring)
    home = await granted(story, "home", share(ring, PLENTY, SOON), share(left, PLENTY))
    await ring.account.is_locked()
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 3000
