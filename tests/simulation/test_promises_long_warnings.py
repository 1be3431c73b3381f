"""Warnings over an hour and more: 60, 15 and 5 minutes before the end, once each, whoever is killed meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.simulation.loop import play
from tests.simulation.promises import (
    MINUTE,
    Listener,
    ends_soon,
    killed,
    killed_at,
    prepared,
    restarted,
    told_end_ms,
    top_up,
)
from tests.simulation.simulation import Simulation
from tests.simulation.stories import PRICE, application, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from ucloud_operator.settings import Settings

MINUTE_MS = 60_000
LEVELS = ["Within60Minutes", "Within15Minutes", "Within5Minutes"]
PROMPT_MS = 2000
EVERY = int(os.environ.get("SIMULATION_KILL_EVERY", "5"))


async def running(minutes: int, settings: Settings | None = None) -> tuple[Simulation, Listener]:
    """A job that has just begun, on credits for so many minutes."""
    simulation = await prepared(settings)
    listener = Listener(simulation)
    simulation.apply(wallet(quota=minutes * PRICE), job())
    await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
    return simulation, listener


def end_ms(simulation: Simulation, minutes: int) -> int:
    """When credits for so many minutes end."""
    return simulation.job().status.runs[0].started_at + minutes * MINUTE_MS


def test_people_are_told_at_60_15_and_5_minutes_once_each() -> None:
    async def story() -> None:
        simulation, listener = await running(90)
        end = end_ms(simulation, 90)
        await simulation.until(lambda: simulation.job().is_final, within_seconds=100 * MINUTE)
        assert listener.about("UCloudJob") == listener.about("Wallet") == LEVELS
        for warned in listener.warnings:
            level_ms = int(warned.reason.removeprefix("Within").removesuffix("Minutes")) * MINUTE_MS
            assert end - level_ms <= warned.at_ms <= end - level_ms + PROMPT_MS
        assert simulation.job().status.runs[0].ended_at == end

    play(story())


def test_the_pod_can_read_its_end_from_the_first_warning_on() -> None:
    async def story() -> None:
        simulation, _ = await running(90)
        await simulation.pass_seconds(29 * MINUTE)
        assert told_end_ms(simulation) is None
        await simulation.pass_seconds(2 * MINUTE)
        assert told_end_ms(simulation) == end_ms(simulation, 90)
        assert ends_soon(simulation.job()) == ends_soon(simulation.wallet()) == "Within60Minutes"

    play(story())


def test_an_operator_that_is_killed_tells_nobody_twice() -> None:
    async def story() -> None:
        simulation, listener = await running(90)
        for until_minute in (31, 50, 76, 80, 86):
            end = end_ms(simulation, until_minute)
            await simulation.pass_seconds((end - simulation.clock.now_ms()) / 1000)
            await killed(simulation)
            await restarted(simulation)
        await simulation.until(lambda: simulation.job().is_final, within_seconds=100 * MINUTE)
        assert listener.about("UCloudJob") == listener.about("Wallet") == LEVELS

    play(story())


def test_a_level_that_was_crossed_while_nobody_was_there_is_told_late() -> None:
    async def story() -> None:
        simulation, listener = await running(90)
        await simulation.pass_seconds(25 * MINUTE)
        await killed(simulation)
        await simulation.pass_seconds(20 * MINUTE)
        assert listener.warnings == []
        await restarted(simulation)
        await simulation.pass_seconds(10)
        assert listener.about("UCloudJob") == listener.about("Wallet") == ["Within60Minutes"]

    play(story())


def test_of_levels_that_were_crossed_while_nobody_was_there_only_the_last_is_told() -> None:
    async def story() -> None:
        simulation, listener = await running(90)
        await simulation.pass_seconds(25 * MINUTE)
        await killed(simulation)
        await simulation.pass_seconds(61 * MINUTE)
        await restarted(simulation)
        await simulation.until(lambda: simulation.job().is_final, within_seconds=10 * MINUTE)
        assert listener.about("UCloudJob") == listener.about("Wallet") == ["Within5Minutes"]

    play(story())


def test_a_top_up_takes_the_warning_back_and_all_levels_count_anew() -> None:
    async def story() -> None:
        simulation, listener = await running(90)
        await simulation.pass_seconds(40 * MINUTE)
        top_up(simulation, 60 * PRICE, "more")
        await simulation.pass_seconds(MINUTE)
        assert ends_soon(simulation.job()) == ends_soon(simulation.wallet()) == "NotSoon"
        assert simulation.job().status.exhausts_at is None
        assert told_end_ms(simulation) is None
        await simulation.until(lambda: simulation.job().is_final, within_seconds=150 * MINUTE)
        assert listener.about("UCloudJob") == listener.about("Wallet") == ["Within60Minutes", *LEVELS]
        assert simulation.job().status.runs[0].ended_at == end_ms(simulation, 150)

    play(story())


def test_a_top_up_that_moves_the_end_to_another_level_corrects_what_the_pod_reads() -> None:
    async def story() -> None:
        simulation, listener = await running(90)
        await simulation.pass_seconds(86 * MINUTE)
        assert ends_soon(simulation.job()) == "Within5Minutes"
        top_up(simulation, 20 * PRICE, "more")
        await simulation.pass_seconds(MINUTE)
        assert ends_soon(simulation.job()) == "Within60Minutes"
        assert told_end_ms(simulation) == simulation.job().status.exhausts_at == end_ms(simulation, 110)
        assert listener.about("UCloudJob") == LEVELS

    play(story())


def test_an_end_that_moves_within_a_level_is_told_at_the_next() -> None:
    async def story() -> None:
        simulation, listener = await running(90)
        await simulation.pass_seconds(40 * MINUTE)
        top_up(simulation, 5 * PRICE, "more")
        await simulation.pass_seconds(10 * MINUTE)
        assert simulation.wallet().status.exhausts_at == end_ms(simulation, 95)
        assert told_end_ms(simulation) == simulation.job().status.exhausts_at == end_ms(simulation, 90)
        await simulation.pass_seconds(31 * MINUTE)
        assert told_end_ms(simulation) == simulation.job().status.exhausts_at == end_ms(simulation, 95)
        assert listener.about("UCloudJob") == listener.about("Wallet") == LEVELS[:2]

    play(story())


def test_the_levels_are_the_wallets_own() -> None:
    async def story() -> None:
        simulation = await prepared()
        listener = Listener(simulation)
        own = wallet(quota=60 * PRICE)
        own["spec"]["warnMinutes"] = [30, 2]
        simulation.apply(own, job())
        await simulation.until(simulation.is_over, within_seconds=70 * MINUTE)
        assert listener.about("UCloudJob") == listener.about("Wallet") == ["Within30Minutes", "Within2Minutes"]

    play(story())


def test_the_end_of_a_time_allocation_is_warned_of_and_an_extension_takes_it_back() -> None:
    async def story() -> None:
        simulation = await prepared()
        listener = Listener(simulation)
        simulation.apply(wallet(quota=10**12), job(timeAllocation={"hours": 1, "minutes": 30}))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        await simulation.pass_seconds(80 * MINUTE)
        assert listener.about("UCloudJob") == LEVELS[:2]
        simulation.edit(UCLOUDJOBS, "a", {"timeAllocation": {"hours": 3, "minutes": 0}})
        await simulation.pass_seconds(10)
        assert ends_soon(simulation.job()) == "NotSoon"
        assert told_end_ms(simulation) is None
        await simulation.until(lambda: simulation.job().is_final, within_seconds=120 * MINUTE)
        assert listener.about("UCloudJob") == [*LEVELS[:2], *LEVELS]
        assert listener.about("Wallet") == []

    play(story())


def test_a_resumed_run_is_warned_anew() -> None:
    async def story() -> None:
        simulation = await prepared()
        listener = Listener(simulation)
        simulation.apply(wallet(quota=20 * PRICE, suspends=True), job())
        await simulation.until(lambda: simulation.job().status.state is JobState.SUSPENDED, within_seconds=30 * MINUTE)
        assert listener.about("UCloudJob") == LEVELS[1:]
        assert ends_soon(simulation.job()) is None
        top_up(simulation, 20 * PRICE, "more")
        await simulation.until(lambda: len(simulation.job().status.runs) == 2)
        await simulation.until(lambda: simulation.job().status.state is JobState.SUSPENDED, within_seconds=30 * MINUTE)
        assert listener.about("UCloudJob") == LEVELS[1:] * 2

    play(story())


def test_a_warning_costs_few_writes() -> None:
    """Per level: an annotation and a status of the job, a status of the wallet, and an Event for each."""

    async def story() -> None:
        simulation, _ = await running(90)
        await simulation.pass_seconds(25 * MINUTE)
        (replica,) = simulation.replicas
        before = replica.writes(UCLOUDJOBS)
        await simulation.pass_seconds(30 * MINUTE)
        assert replica.writes(UCLOUDJOBS) - before == 1
        wallets = replica.writes(WALLETS)
        await simulation.pass_seconds(10 * MINUTE)
        assert replica.writes(WALLETS) - wallets <= 11

    play(story())


# Killed while warning


def six_minutes(simulation: Simulation) -> None:
    """Apply a job on credits for so long, with one level."""
    paid = wallet(quota=6 * PRICE)
    paid["spec"]["warnMinutes"] = [5]
    simulation.apply(product(), application(), paid, job())


async def warned_and_over(simulation: Simulation) -> None:
    """Play a job of six minutes, which is warned of its last five."""
    six_minutes(simulation)
    await simulation.until(lambda: simulation.job().is_final, within_seconds=900)


def steps_of_a_warning() -> tuple[int, int]:
    """Between which steps an operator that nobody kills warns."""

    async def story() -> tuple[int, int]:
        simulation = Simulation()
        simulation.start_operator()
        six_minutes(simulation)
        await simulation.pass_seconds(50)
        first = len(simulation.steps)
        await simulation.pass_seconds(30)
        return first, len(simulation.steps)

    return play(story())


@pytest.mark.parametrize("step", range(*steps_of_a_warning()))
def test_killed_while_it_warns_it_warns_once_all_the_same(step: int) -> None:
    async def story() -> None:
        simulation = Simulation()
        listener = Listener(simulation)
        simulation.start_operator()
        async with killed_at(simulation, step):
            await warned_and_over(simulation)
        assert listener.about("UCloudJob") == listener.about("Wallet") == ["Within5Minutes"]

    play(story())
