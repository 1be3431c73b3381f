"""What a job needs and isn't there (yet): people apply a folder of manifests in any order."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from tests.cluster.storytelling.cast import FAILURE, SUSPENDED, Story, Workspace
from tests.cluster.storytelling.telling import story

Arrival = Callable[[Story, Workspace], Awaitable[object]]

ARRIVALS: dict[str, Arrival] = {
    "product": lambda story, _: story.product("late"),
    "application": lambda story, _: story.application("late"),
    "wallet": lambda _, home: home.apply_account(),
}


@pytest.mark.parametrize("what", ["product", "application", "wallet"])
@story
async def test_what_comes_a_second_later_is_waited_for(story: Story, what: str) -> None:
    home = await story.empty_workspace()
    if what != "wallet":
        await home.open_account()
    late = {
        "product": {"product": story.product_reference("late")},
        "application": {"application": story.application_reference("late")},
        "wallet": {},
    }
    job = await home.job(**late[what])
    await asyncio.sleep(1)
    assert not job.pods
    await ARRIVALS[what](story, home)
    await job.runs()


@story
async def test_a_parent_wallet_that_comes_a_second_later_is_waited_for(story: Story) -> None:
    faculty, home = await asyncio.gather(story.empty_workspace("faculty"), story.empty_workspace("home"))
    await home.open_account(under=faculty)
    job = await home.job()
    await asyncio.sleep(1)
    assert not job.pods
    await faculty.apply_account()
    await job.runs()


@story
async def test_a_product_that_never_comes_ends_the_job(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(product=story.product_reference("nowhere"))
    await job.ends(
        FAILURE,
        "ProductNotFound",
        f"Waited 3 s for product '{story.name}-nowhere' in category '{story.name}' of provider 'theatre', in vain:"
        " `kubectl get computeproducts` lists those there are.",
    )
    assert not job.pods


@story
async def test_a_product_of_another_category_is_no_such_product(story: Story) -> None:
    home = await story.workspace()
    await story.product("elsewhere", category={"name": f"{story.name}-other", "provider": "theatre"})
    job = await home.job(product=story.product_reference("elsewhere"))
    await job.ends(FAILURE, "ProductNotFound")


@story
async def test_an_application_that_never_comes_ends_the_job(story: Story) -> None:
    home = await story.workspace()
    job = await home.job(application={"name": f"{story.name}-steady", "version": "2.0.0"})
    await job.ends(
        FAILURE,
        "ApplicationNotFound",
        f"Waited 3 s for application '{story.name}-steady' in version '2.0.0', in vain:"
        " `kubectl get applications.ucloud.dk` lists those there are.",
    )


@story
async def test_a_wallet_that_never_comes_ends_the_job(story: Story) -> None:
    home = await story.empty_workspace()
    job = await home.job()
    await job.ends(
        FAILURE,
        "NoWallet",
        f"Waited 3 s for a wallet in this namespace that pays for category '{story.name}' of provider 'theatre',"
        " in vain: `kubectl get wallets` lists those there are.",
    )


@story
async def test_a_parent_wallet_that_never_comes_ends_the_job(story: Story) -> None:
    faculty, home = await asyncio.gather(story.empty_workspace("faculty"), story.empty_workspace("home"))
    await home.open_account(under=faculty)
    job = await home.job()
    ended = await job.ends(FAILURE, "ParentNotFound")
    assert f"there is no wallet {faculty.namespace}/credits" in str(ended.status.message)
    assert re.match(r"Waited \d+ s for wallet 'credits' to become usable \(", str(ended.status.message))
    assert home.account.now.status.locked


@story
async def test_a_locked_wallet_refuses_at_once(story: Story) -> None:
    home = await story.workspace(quota=0)
    job = await home.job(replicas=2)
    await job.ends(
        FAILURE,
        "NotEnoughCredits",
        "needs 120000 per minute; this wallet can still use 0 (to start, it takes credits for 1 s)",
    )
    assert not job.pods


@story
async def test_a_wallet_without_allocations_is_locked(story: Story) -> None:
    home = await story.empty_workspace()
    await home.open_account(allocationGroups=[])
    await (await home.job()).ends(FAILURE, "NotEnoughCredits")


@story
async def test_credits_that_would_not_last_refuse_with_the_numbers(story: Story) -> None:
    home = await story.workspace(quota=900)
    job = await home.job()
    await job.ends(
        FAILURE,
        "NotEnoughCredits",
        "needs 60000 per minute; this wallet can still use 900, which lasts 900 ms"
        " (to start, it takes credits for 1 s)",
    )


@story
async def test_a_locked_wallet_that_suspends_keeps_the_job_for_later(story: Story) -> None:
    home = await story.workspace(quota=0, onExhaustion="Suspend")
    job = await home.job()
    await job.is_suspended("NotEnoughCredits")
    assert not job.pods
    await home.account.set_quota(3000)
    await job.runs()
    await job.is_suspended("OutOfCredits")
    assert job.usage == 3000
    assert job.now.status.state is SUSPENDED


@story
async def test_identical_jobs_may_run_side_by_side(story: Story) -> None:
    home = await story.workspace()
    one, two = await home.job("one"), await home.job("two", allowDuplicateJob=False)
    await one.runs()
    await two.runs()
