"""Suspended jobs over hours: their order, whoever was killed meanwhile, and a bill that goes on where it was."""

from __future__ import annotations

import os

import pytest

from tests.simulation.bills import check_bills
from tests.simulation.loop import play
from tests.simulation.promises import HOUR, MINUTE, killed, killed_at, prepared, restarted, top_up
from tests.simulation.simulation import Simulation
from tests.simulation.stories import PRICE, application, job, product, wallet
from ucloud_operator.api import JobState

EVERY = int(os.environ.get("SIMULATION_KILL_EVERY", "11"))
PROMPT_MS = 5000
FOR_TWO = 5 * PRICE // 2
"""A top-up for more than a minute (what a resumption takes, a setting) of two jobs, and less than one of three."""
NAMES = ["ivy", "hal", "gus", "fay", "eve", "dan", "cat", "bob"]
"""In the order in which they begin, which isn't that of their names."""


async def in_a_row(simulation: Simulation, minutes: int) -> None:
    """Jobs that begin one after the other, on credits for so many minutes of all of them."""
    simulation.apply(wallet(quota=minutes * len(NAMES) * PRICE, suspends=True))
    for name in NAMES:
        simulation.apply(job(name))
        await simulation.pass_seconds(2)
    await simulation.until(lambda: all(each.status.state is JobState.SUSPENDED for each in simulation.jobs()))


def runs(simulation: Simulation) -> list[int]:
    """How often each has run, in their order."""
    return [len(simulation.job(name).status.runs) for name in NAMES]


def test_each_top_up_goes_to_those_that_have_waited_longest() -> None:
    """For two at a time: everybody gets a turn before anybody gets another."""

    async def story() -> None:
        simulation = await prepared()
        await in_a_row(simulation, 3)
        for round_ in range(8):
            top_up(simulation, FOR_TWO, f"top-up-{round_}")
            await simulation.pass_seconds(4 * MINUTE)
            turns = [round_ // 4 + 1 + (place // 2 <= round_ % 4) for place in range(len(NAMES))]
            assert runs(simulation) == turns
        await simulation.pass_seconds(2 * MINUTE)
        used = sum(each.status.usage for each in simulation.jobs())
        assert simulation.wallet().status.local_usage == used == 3 * len(NAMES) * PRICE + 8 * FOR_TWO
        check_bills(simulation)

    play(story())


def test_a_big_top_up_resumes_all_within_five_seconds() -> None:
    async def story() -> None:
        simulation = await prepared()
        await in_a_row(simulation, 3)
        await simulation.pass_seconds(HOUR)
        topped_up_ms = simulation.clock.now_ms()
        top_up(simulation, 10**9, "more")
        await simulation.pass_seconds(20)
        for name in NAMES:
            status = simulation.job(name).status
            assert status.state is JobState.RUNNING
            assert status.runs[-1].started_at - topped_up_ms <= PROMPT_MS

    play(story())


def test_a_top_up_while_nobody_was_there_resumes_jobs_when_somebody_is() -> None:
    async def story() -> None:
        simulation = await prepared()
        await in_a_row(simulation, 3)
        await killed(simulation)
        await simulation.pass_seconds(10 * MINUTE)
        top_up(simulation, FOR_TWO, "more")
        await simulation.pass_seconds(10 * MINUTE)
        assert runs(simulation) == [1] * len(NAMES)
        await restarted(simulation)
        await simulation.pass_seconds(10)
        assert runs(simulation) == [2, 2, *[1] * 6]

    play(story())


def test_the_order_outlives_the_operator() -> None:
    async def story() -> None:
        simulation = await prepared()
        await in_a_row(simulation, 3)
        for round_ in range(4):
            await killed(simulation)
            await restarted(simulation)
            top_up(simulation, FOR_TWO, f"top-up-{round_}")
            await simulation.pass_seconds(4 * MINUTE)
        assert runs(simulation) == [2] * len(NAMES)

    play(story())


def test_jobs_do_not_flap_on_small_top_ups() -> None:
    """Less than a minute (a setting) of the first in line: nobody starts, and nothing is lost."""

    async def story() -> None:
        simulation = await prepared()
        await in_a_row(simulation, 3)
        for round_ in range(3):
            top_up(simulation, PRICE // 4, f"drop-{round_}")
            await simulation.pass_seconds(MINUTE)
        assert runs(simulation) == [1] * len(NAMES)
        assert simulation.wallet().status.max_usable == 3 * (PRICE // 4)
        top_up(simulation, PRICE // 4, "last-drop")
        await simulation.pass_seconds(10)
        assert runs(simulation) == [2, *[1] * 7]

    play(story())


def test_whoever_shares_an_ancestor_shares_the_line() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=9 * PRICE), namespace="root")
        teams = ["zoo", "yak", "auk"]
        for team in teams:
            simulation.apply(wallet(quota=10**9, parent="root/example-compute", suspends=True), job(), namespace=team)
            await simulation.pass_seconds(2)
        await simulation.until(lambda: all(each.status.state is JobState.SUSPENDED for each in simulation.jobs()))
        for round_ in range(3):
            simulation.apply(wallet(quota=(9 + 1 + round_) * PRICE), namespace="root")
            await simulation.pass_seconds(2 * MINUTE)
            counts = [len(simulation.job(namespace=team).status.runs) for team in teams]
            assert counts == [2 if place <= round_ else 1 for place in range(3)]
        await simulation.pass_seconds(2 * MINUTE)
        assert simulation.wallet(namespace="root").status.total_usage == 12 * PRICE
        check_bills(simulation)

    play(story())


# Killed at any step


async def dry_and_topped_up(simulation: Simulation) -> None:
    """Two jobs run dry after two minutes, are topped up for one of them, and then for both."""
    simulation.apply(
        product(),
        application(),
        wallet(quota=4 * PRICE, suspends=True),
        job("zoe", minutes=10),
    )
    await simulation.until(lambda: simulation.job("zoe").status.runs)
    await simulation.pass_seconds(2)
    simulation.apply(job("amy", minutes=10))
    await simulation.until(lambda: len(suspended(simulation)) == 2, within_seconds=900)
    top_up(simulation, PRICE + PRICE // 2, "for-one")
    await simulation.until(lambda: len(simulation.job("zoe").status.runs) == 2, within_seconds=900)
    await simulation.until(lambda: len(suspended(simulation)) == 2, within_seconds=900)
    top_up(simulation, 100 * PRICE, "for-all")
    await simulation.until(lambda: all(each.is_final for each in simulation.jobs()), within_seconds=1800)
    await simulation.pass_seconds(2 * MINUTE)


def suspended(simulation: Simulation) -> list[str]:
    """The jobs that are suspended."""
    return [each.metadata.name for each in simulation.jobs() if each.status.state is JobState.SUSPENDED]


def ended_well(simulation: Simulation) -> None:
    """Everybody has had ten minutes, and paid for them once, but for units that found no credit left."""
    zoe, amy = simulation.job("zoe").status, simulation.job("amy").status
    assert (len(zoe.runs), len(amy.runs)) == (3, 2)
    for status in (zoe, amy):
        assert status.state is JobState.EXPIRED
        assert 10 * PRICE - len(status.runs) < status.usage <= 10 * PRICE
    assert simulation.wallet().status.local_usage == zoe.usage + amy.usage
    check_bills(simulation)


def steps_of_a_suspension() -> int:
    """How many steps an operator makes that nobody kills."""

    async def story() -> int:
        simulation = Simulation()
        simulation.start_operator()
        await dry_and_topped_up(simulation)
        ended_well(simulation)
        return len(simulation.steps)

    return play(story())


@pytest.mark.parametrize("step", range(1, steps_of_a_suspension(), EVERY))
def test_killed_at_any_step_of_a_suspension(step: int) -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        async with killed_at(simulation, step, away_seconds=3):
            await dry_and_topped_up(simulation)
        ended_well(simulation)

    play(story())
