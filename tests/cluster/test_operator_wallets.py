"""Wallets that are wrong, change under running jobs, or go."""

import asyncio

from tests.cluster.storytelling.cast import FAILURE, PLENTY, PRICE, SUCCESS, Story, allocation, category
from tests.cluster.storytelling.telling import story
from ucloud_operator.api import Wallet


def said(wallet: Wallet, type: str = "Locked") -> tuple[str, str, str]:  # noqa: A002  # the field's name
    """A condition's status, reason and message."""
    conditions = (condition for condition in wallet.status.conditions if condition.type == type)
    return next(((each.status, each.reason, each.message) for each in conditions), ("", "", ""))


@story
async def test_a_circle_of_wallets_is_locked_and_named_until_it_is_cut(story: Story) -> None:
    spaces = await asyncio.gather(*(story.empty_workspace(name) for name in ("one", "two", "three")))
    one, two, three = spaces
    for child, parent in ((one, two), (two, three), (three, one)):
        await child.apply_account(under=parent)
    for space in spaces:
        locked = await space.account.until(lambda wallet: said(wallet)[:2] == ("True", "Circle"))
        _, _, message = said(locked)
        assert all(each.namespace in message for each in spaces)
    refused = await one.job("refused")
    await refused.ends(FAILURE, "WalletBlocked")
    root = [{"allocations": [allocation(PLENTY, "fresh")]}]
    await three.account.patch(allocationGroups=root)
    for space in spaces:
        await space.account.is_locked(locked=False)
    job = await one.job()
    await job.runs()
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    await three.account.uses(job.usage)


@story
async def test_a_wallet_that_is_its_own_parent_is_a_circle_too(story: Story) -> None:
    home = await story.empty_workspace()
    await home.apply_account(under=home)
    await home.account.until(lambda wallet: said(wallet)[:2] == ("True", "Circle"))


@story
async def test_a_wallet_that_is_deleted_stops_its_jobs_and_leaves_its_usage_above(story: Story) -> None:
    faculty = await story.workspace("faculty")
    home, sibling = await asyncio.gather(
        story.workspace("home", under=faculty), story.workspace("sibling", under=faculty)
    )
    job, other = await home.job(), await sibling.job()
    await job.runs()
    await other.runs()
    await asyncio.sleep(1)
    await home.account.delete()
    await job.ends(FAILURE, "WalletDeleted")
    await job.has_no_pods()
    await home.account.is_gone()
    assert job.usage == job.lengths_ms[0] >= 1000
    await other.runs()
    await other.patch(terminate=True)
    await other.ends(SUCCESS, "Cancelled")
    wallet = await faculty.account.uses(job.usage + other.usage)
    assert [departed.usage for departed in wallet.status.departed] == [job.usage]


@story
async def test_a_parent_that_is_deleted_stops_what_lives_on_it_and_stays_while_it_is_used(story: Story) -> None:
    faculty = await story.workspace("faculty")
    home = await story.workspace("home", under=faculty)
    job = await home.job()
    await job.runs()
    await faculty.account.delete()
    ended = await job.until(lambda job: job.is_final)
    assert ended.status.reason in {"WalletDeleted", "WalletBlocked", "ParentNotFound"}
    await home.account.is_locked()
    assert faculty.account.now.is_being_deleted
    await home.account.delete()
    await home.account.is_gone()
    await faculty.account.is_gone()


@story
async def test_running_jobs_keep_their_price_and_new_ones_pay_the_new_one(story: Story) -> None:
    home = await story.workspace()
    old = await home.job("old")
    await old.runs()
    await story.set_price("standard", 2 * PRICE)
    await asyncio.sleep(0.5)
    new = await home.job("new")
    await new.runs()
    for job in (old, new):
        await job.patch(terminate=True)
        await job.ends(SUCCESS, "Cancelled")
    assert old.usage == old.lengths_ms[0]
    assert new.usage == 2 * new.lengths_ms[0]
    await home.account.uses(old.usage + new.usage)


@story
async def test_a_job_runs_on_without_its_product_and_application(story: Story) -> None:
    home = await story.workspace(quota=6000)
    job = await home.job()
    await job.runs()
    await story.forget_references()
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 6000


@story
async def test_of_two_wallets_for_one_category_the_older_counts(story: Story) -> None:
    home = await story.workspace(quota=PLENTY)
    await asyncio.sleep(1)  # an age is known to the second
    second = await home.apply_account(name="another")
    locked = await second.is_locked()
    assert said(locked)[:2] == ("True", "Duplicate")
    assert "'credits'" in said(locked)[2]
    job = await home.job()
    await job.runs()
    assert job.now.status.wallet is not None
    assert job.now.status.wallet.name == "credits"


@story
async def test_a_parent_that_pays_for_something_else_gives_nothing(story: Story) -> None:
    faculty = await story.empty_workspace("faculty")
    await faculty.open_account(paysFor=category(f"{story.name}-other"))
    home = await story.workspace("home", under=faculty)
    wallet = await home.account.is_locked()
    assert said(wallet)[1] == "CategoryMismatch"
    await (await home.job()).ends(FAILURE, "WalletBlocked")


@story
async def test_opening_usage_counts_as_used(story: Story) -> None:
    home = await story.workspace(quota=10_000, openingUsage=7000)
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    assert job.usage == 3000
    wallet = await home.account.is_locked()
    assert wallet.status.local_usage == 10_000


@story
async def test_opening_usage_above_the_quota_locks_until_there_is_room_for_it(story: Story) -> None:
    home = await story.workspace(quota=1000, openingUsage=5000)
    wallet = await home.account.is_locked()
    assert (wallet.status.excess, wallet.status.local_usage, wallet.status.tree_usage) == (4000, 5000, 1000)
    await home.account.set_quota(8000)
    wallet = await home.account.is_locked(locked=False)
    assert (wallet.status.excess, wallet.status.max_usable) == (0, 3000)


@story
async def test_an_edited_wallet_does_not_forget_what_was_used(story: Story) -> None:
    home = await story.workspace(quota=5000)
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    await home.account.patch(allocationGroups=[{"allocations": [allocation(2000, "second")]}])
    wallet = await home.account.is_applied()
    assert (wallet.status.local_usage, wallet.status.quota, wallet.status.max_usable) == (5000, 7000, 2000)
