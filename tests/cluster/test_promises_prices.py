"""Every amount is exact: per hour, per day, for nothing, and for nearly all that an amount can be."""

import asyncio

from tests.cluster.storytelling.cast import EXPIRED, RUNNING, SUCCESS, Story, category
from tests.cluster.storytelling.promises import paid_per
from tests.cluster.storytelling.telling import story

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LARGEST = 9 * 10**18
"""The largest amount that can be written."""


@story
async def test_an_hourly_price_is_exact_to_the_millisecond(story: Story) -> None:
    price = HOUR_MS - 1  # nearly a credit per millisecond
    product = await story.product("hourly", price=price)
    home = await story.workspace(paysFor=paid_per("HOUR", story.name))
    job = await home.job(product=product, timeAllocation={"seconds": 4})
    running = await job.runs()
    assert running.status.rate_per_minute == price // 60
    await job.ends(EXPIRED, "Expired")
    assert job.usage == price * 4000 // HOUR_MS == 3999
    await home.account.uses(3999)


@story
async def test_credits_end_to_the_millisecond_at_an_hourly_price(story: Story) -> None:
    product = await story.product("hourly", price=HOUR_MS - 1)
    home = await story.workspace(quota=4000, paysFor=paid_per("HOUR", story.name))
    job = await home.job(product=product)
    await job.ends(SUCCESS, "OutOfCredits")
    assert (job.usage, job.lengths_ms) == (4000, [4001])


@story
async def test_a_daily_price_is_not_rounded_up_to_days(story: Story) -> None:
    price = 2 * DAY_MS + 1
    product = await story.product("daily", price=price)
    home = await story.workspace(paysFor=paid_per("DAY", story.name))
    job = await home.job(product=product, replicas=2, timeAllocation={"seconds": 3})
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 2 * price * 3000 // DAY_MS == 12_000
    await home.account.uses(12_000)


@story
async def test_what_is_less_than_a_credit_is_free_until_it_is_one(story: Story) -> None:
    """A credit per minute: 59 s are not paid, and neither are 3 s."""
    product = await story.product("cheap", price=1)
    home = await story.workspace(quota=1)
    job = await home.job(product=product, timeAllocation={"seconds": 3})
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 0
    assert not home.account.now.status.locked


@story
async def test_a_category_that_is_free_to_use_is_metered_and_never_stops(story: Story) -> None:
    home = await story.workspace(quota=1000, paysFor={**category(story.name), "freeToUse": True})
    job = await home.job()
    await job.runs()
    await asyncio.sleep(4)
    assert job.now.status.state is RUNNING
    later = await home.job("later")
    await later.runs()
    for each in (job, later):
        await each.patch(terminate=True)
        await each.ends(SUCCESS, "Cancelled")
    assert job.usage == job.lengths_ms[0] > 1000
    wallet = await home.account.uses(job.usage + later.usage)
    assert not wallet.status.locked


@story
async def test_a_free_category_needs_no_credits_at_all(story: Story) -> None:
    home = await story.workspace(quota=0, paysFor={**category(story.name), "freeToUse": True})
    job = await home.job(timeAllocation={"seconds": 2})
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 2000


@story
async def test_the_largest_amounts_are_exact(story: Story) -> None:
    left = 3 * 10**17
    product = await story.product("dear", price=6 * 10**18)  # 10^17 per second
    faculty = await story.workspace("faculty", quota=LARGEST)
    home = await story.workspace("home", quota=LARGEST, under=faculty, openingUsage=LARGEST - left)
    assert home.account.now.status.max_usable == left
    job = await home.job(product=product)
    await job.ends(SUCCESS, "OutOfCredits")
    assert (job.usage, job.lengths_ms) == (left, [3000])
    wallet = await home.account.is_locked()
    assert (wallet.status.local_usage, wallet.status.max_usable) == (LARGEST, 0)
    await faculty.account.uses(LARGEST)


@story
async def test_what_is_more_than_the_largest_amount_is_published_as_that(story: Story) -> None:
    """Two grants of nearly all there is, and a rate beyond it: the numbers end at 9·10^18, the money doesn't."""
    product = await story.product("dear", price=LARGEST)
    spaces = await asyncio.gather(*(story.workspace(name, quota=LARGEST) for name in ("one", "two")))
    home = spaces[0]
    job = await home.job(product=product, replicas=2, timeAllocation={"seconds": 3})
    running = await job.runs()
    assert running.status.rate_per_minute == LARGEST
    await job.ends(EXPIRED, "Expired")
    assert job.usage == 2 * LARGEST * 3000 // 60_000 == 9 * 10**17
    await home.account.uses(9 * 10**17)
