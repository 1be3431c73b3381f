"""Time allocations of hours, spent in pieces: EXPIRED comes when the last second is used, and each is paid once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.simulation.bills import check_bills
from tests.simulation.loop import play
from tests.simulation.promises import HOUR, MINUTE, killed, prepared, restarted, top_up
from tests.simulation.stories import PRICE, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import UCLOUDJOBS

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

THREE_HOURS = {"hours": 3, "minutes": 0, "seconds": 0}


def lengths_ms(simulation: Simulation) -> list[int]:
    """How long each run of the job has lasted."""
    return [run.ended_at - run.started_at for run in simulation.job().status.runs if run.ended_at is not None]


async def suspended(simulation: Simulation, minutes: float) -> None:
    """Suspend the job for a while, and wait until it runs again."""
    number = simulation.job().status.runs[-1].number
    simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
    await simulation.until(lambda: simulation.job().status.state is JobState.SUSPENDED)
    await simulation.pass_seconds(minutes * MINUTE)
    simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
    await simulation.until(lambda: simulation.job().status.runs[-1].number == number + 1)


def test_three_hours_in_four_pieces_are_three_hours() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=10**12), job(timeAllocation=THREE_HOURS))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        for minutes in (17, 23, 41):
            await simulation.pass_seconds(minutes * MINUTE + 0.337)
            await suspended(simulation, 29)
        left_ms = 3 * HOUR * 1000 - sum(lengths_ms(simulation))
        running = simulation.job().status
        assert running.expires_at == running.runs[-1].started_at + left_ms
        await simulation.pass_seconds(left_ms / 1000 - 30)
        await simulation.until(lambda: simulation.job().is_final)
        assert (simulation.job().status.state, len(lengths_ms(simulation))) == (JobState.EXPIRED, 4)
        assert sum(lengths_ms(simulation)) == 3 * HOUR * 1000
        assert simulation.job().status.usage == 180 * PRICE
        await simulation.pass_seconds(2 * MINUTE)
        check_bills(simulation)

    play(story())


def test_the_whole_is_rounded_once_whatever_it_was_cut_into() -> None:
    """At 50001 a minute each piece has a fraction of its own."""

    async def story() -> None:
        simulation = await prepared()
        simulation.apply(product(price=50_001), wallet(quota=10**12))
        await simulation.pass_seconds(1)
        simulation.apply(job(minutes=30))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        for seconds in (7, 61, 113, 3, 211, 19):
            await simulation.pass_seconds(seconds)
            await suspended(simulation, 1)
        await simulation.until(lambda: simulation.job().is_final, within_seconds=31 * MINUTE)
        assert len(lengths_ms(simulation)) == 7
        assert simulation.job().status.usage == 50_001 * 30
        assert sum(50_001 * length_ms // 60_000 for length_ms in lengths_ms(simulation)) < 50_001 * 30
        await simulation.pass_seconds(2 * MINUTE)
        check_bills(simulation)

    play(story())


def test_an_extension_while_it_runs_moves_the_end_by_as_much() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=10**12), job(minutes=30))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        await simulation.pass_seconds(29 * MINUTE)
        simulation.edit(UCLOUDJOBS, "a", {"timeAllocation": {"minutes": 50, "seconds": 7}})
        await simulation.pass_seconds(5)
        assert simulation.job().status.updates[-1].new_time_allocation == 3_007_000
        await simulation.until(lambda: simulation.job().is_final, within_seconds=30 * MINUTE)
        assert lengths_ms(simulation) == [3_007_000]
        assert simulation.job().status.state is JobState.EXPIRED

    play(story())


def test_an_extension_while_nobody_was_there_counts_when_somebody_is() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=10**12), job(minutes=30))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        await killed(simulation)
        await simulation.pass_seconds(10 * MINUTE)
        simulation.edit(UCLOUDJOBS, "a", {"timeAllocation": {"minutes": 40}})
        await restarted(simulation)
        await simulation.until(lambda: simulation.job().is_final, within_seconds=40 * MINUTE)
        assert lengths_ms(simulation) == [40 * MINUTE * 1000]

    play(story())


@pytest.mark.parametrize("away_seconds", [5, 60, 600])
def test_a_job_that_expires_while_nobody_is_there_has_expired_on_time(away_seconds: float) -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=10**12), job(minutes=5))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        await simulation.pass_seconds(4 * MINUTE + 57)
        await killed(simulation)
        await asyncio.sleep(away_seconds)
        await restarted(simulation)
        await simulation.until(lambda: simulation.job().is_final)
        assert simulation.job().status.state is JobState.EXPIRED
        assert lengths_ms(simulation) == [5 * MINUTE * 1000]
        assert simulation.job().status.usage == 5 * PRICE

    play(story())


def test_neither_credits_nor_its_user_can_stretch_a_time_allocation() -> None:
    """Out of credits for hours, suspended by its user, and killed over: an hour stays an hour."""

    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=20 * PRICE, suspends=True), job(timeAllocation={"hours": 1}))
        await simulation.until(lambda: simulation.job().status.state is JobState.SUSPENDED, within_seconds=21 * MINUTE)
        await simulation.pass_seconds(2 * HOUR)
        top_up(simulation, 100 * PRICE, "more")
        await simulation.until(lambda: len(simulation.job().status.runs) == 2)
        await simulation.pass_seconds(10 * MINUTE)
        await suspended(simulation, 45)
        await killed(simulation)
        await restarted(simulation)
        await simulation.until(lambda: simulation.job().is_final, within_seconds=HOUR)
        assert sum(lengths_ms(simulation)) == HOUR * 1000
        assert (simulation.job().status.state, simulation.job().status.usage) == (JobState.EXPIRED, 60 * PRICE)
        await simulation.pass_seconds(2 * MINUTE)
        check_bills(simulation)

    play(story())


@pytest.mark.parametrize(
    ("frequency", "period_ms", "price"),
    [("PERIODIC_HOUR", 3_600_000, 3_000_017), ("PERIODIC_DAY", 86_400_000, 72_000_409)],
)
def test_hours_at_hourly_and_daily_prices_are_exact(frequency: str, period_ms: int, price: int) -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(product(price=price), wallet(quota=10**12, frequency=frequency))
        await simulation.pass_seconds(1)
        simulation.apply(job(replicas=3, timeAllocation={"hours": 2, "minutes": 17, "seconds": 41}))
        await simulation.pass_seconds(2.3 * HOUR)
        await simulation.until(lambda: simulation.job().is_final)
        whole_ms = ((2 * 60 + 17) * 60 + 41) * 1000
        assert lengths_ms(simulation) == [whole_ms]
        assert simulation.job().status.usage == price * 3 * whole_ms // period_ms
        await simulation.pass_seconds(2 * MINUTE)
        check_bills(simulation)

    play(story())


def test_a_job_of_many_runs_is_billed_like_one_of_a_single_run() -> None:
    """More runs than a status lists: the older ones are folded, to the unit."""

    async def story() -> None:
        simulation = await prepared()
        simulation.apply(product(price=49_999), wallet(quota=10**12))
        await simulation.pass_seconds(1)
        simulation.apply(job(minutes=10))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        for _ in range(70):
            await simulation.pass_seconds(3)
            await suspended(simulation, 0.05)
        await simulation.until(lambda: simulation.job().is_final, within_seconds=11 * MINUTE)
        ended = simulation.job().status
        assert ended.runs_folded.runs + len(ended.runs) == 71
        assert ended.runs_folded.elapsed_ms + sum(lengths_ms(simulation)) == 600_000
        assert (ended.state, ended.usage) == (JobState.EXPIRED, 49_999 * 10)
        await simulation.pass_seconds(2 * MINUTE)
        check_bills(simulation)

    play(story())
