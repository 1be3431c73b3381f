"""Statements through time: months that end, parts that fill, and operators that are killed while they write them."""

from __future__ import annotations

import os

import pytest

from tests.simulation.loop import play
from tests.simulation.promises import (
    HOUR,
    beginning_at,
    check_statements,
    delete_job,
    killed,
    killed_at,
    lines,
    prepared,
    restarted,
    statements,
    top_up,
)
from tests.simulation.simulation import Simulation
from tests.simulation.stories import application, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import NAMESPACES, UCLOUDJOBS, WALLETS, WALLETSTATEMENTS
from ucloud_operator.settings import Settings

EVENING = "2025-11-30T23:30:00.250Z"
MONTH_END_WITHIN = 20 * 60
"""How soon after midnight, in seconds, everything of the old month is closed."""
EVERY = int(os.environ.get("SIMULATION_KILL_EVERY", "5"))
AT_ONCE = 25
NOVEMBER, DECEMBER = "2025-11", "2025-12"


async def gone(simulation: Simulation, *names: str) -> None:
    """Delete jobs, and wait until they have gone and stand in the wallet."""
    for name in names:
        delete_job(simulation, name)
    await simulation.until(lambda: not any(simulation.exists(UCLOUDJOBS, name) for name in names))
    await simulation.until(
        lambda: simulation.wallet().status.settled_usage == sum(each.spec.total for each in statements(simulation))
    )


async def come_and_gone(simulation: Simulation, count: int) -> list[str]:
    """Let jobs run and go, some at a time; returns their names."""
    names = [f"job-{number:03}" for number in range(count)]
    for first in range(0, count, AT_ONCE):
        simulation.apply(*(job(name, ttlSecondsAfterFinished=0) for name in names[first : first + AT_ONCE]))
        await simulation.until(lambda: not simulation.api.list(UCLOUDJOBS))
    await simulation.pass_seconds(60)
    return names


def test_a_month_that_is_over_is_closed_and_what_comes_later_goes_into_the_next() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="60s")
        simulation.apply(wallet(quota=10**12), job("old"), job("waits"), job("late"))
        await simulation.until(lambda: all(each.is_final for each in simulation.jobs()))
        await gone(simulation, "old")
        (open_one,) = statements(simulation)
        assert (open_one.spec.month, open_one.spec.closed) == (NOVEMBER, False)

        await simulation.pass_seconds(HOUR / 2 + MONTH_END_WITHIN)
        (closed,) = statements(simulation)
        assert (closed.spec.month, closed.spec.closed, closed.spec.lines) == (NOVEMBER, True, open_one.spec.lines)

        await gone(simulation, "waits", "late")
        await simulation.pass_seconds(HOUR)
        november, december = statements(simulation)
        assert november == closed
        assert (december.spec.month, december.spec.closed) == (DECEMBER, False)
        assert [line.job for line in december.spec.lines] == ["late", "waits"]
        check_statements(simulation)

    with beginning_at(EVENING):
        play(story())


def test_a_month_that_ended_while_no_operator_ran_is_closed_when_one_is_back() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="60s")
        simulation.apply(wallet(quota=10**12), job("old"), job("late"))
        await simulation.until(lambda: all(each.is_final for each in simulation.jobs()))
        await gone(simulation, "old")
        await killed(simulation)
        await simulation.pass_seconds(HOUR)
        delete_job(simulation, "late")
        await restarted(simulation)
        await simulation.pass_seconds(MONTH_END_WITHIN)
        november, december = statements(simulation)
        assert (november.spec.month, november.spec.closed) == (NOVEMBER, True)
        assert [line.job for line in november.spec.lines] == ["old"]
        assert [line.job for line in december.spec.lines] == ["late"]
        check_statements(simulation)

    with beginning_at(EVENING):
        play(story())


def test_a_wallet_that_is_made_again_after_months_goes_on_from_closed_statements() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="60s")
        simulation.apply(wallet(quota=1_000_000), job("old"))
        await simulation.until(lambda: all(each.is_final for each in simulation.jobs()))
        used = simulation.job("old").status.usage
        simulation.delete(NAMESPACES, "physics")
        await simulation.until(lambda: not simulation.exists(NAMESPACES, "physics"))
        await simulation.pass_seconds(HOUR)
        assert all(each.spec.closed for each in statements(simulation))
        simulation.apply(wallet(quota=1_000_000), job("new"))
        await simulation.until(lambda: simulation.job("new").is_final)
        await gone(simulation, "new")
        paid = simulation.wallet().status
        assert paid.settled_usage == paid.local_usage == used + lines(simulation)["new"].usage
        assert paid.max_usable == 1_000_000 - paid.local_usage

    with beginning_at(EVENING):
        play(story())


def test_a_running_job_survives_the_end_of_a_month_and_stands_in_that_in_which_it_goes() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=10**12), job("long", timeAllocation={"hours": 1}))
        await simulation.until(lambda: simulation.job("long").is_final, within_seconds=2 * HOUR)
        await gone(simulation, "long")
        (statement,) = statements(simulation)
        assert statement.spec.month == DECEMBER
        assert lines(simulation)["long"].usage == 50_000 * 60
        check_statements(simulation)

    with beginning_at(EVENING):
        play(story())


def test_a_month_of_many_jobs_goes_on_in_further_parts() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="5s")
        simulation.apply(wallet(quota=10**12))
        names = await come_and_gone(simulation, 450)
        sizes = [len(each.spec.lines) for each in statements(simulation)]
        assert [each.spec.part for each in statements(simulation)] == [1, 2, 3]
        assert (sizes[:2], sum(sizes)) == ([200, 200], 450)
        assert set(lines(simulation)) == set(names)
        check_statements(simulation)

    play(story())


def test_all_parts_of_a_month_are_closed() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="5s")
        simulation.apply(wallet(quota=10**12))
        await come_and_gone(simulation, 205)
        await simulation.pass_seconds(HOUR / 2 + MONTH_END_WITHIN)
        assert [each.spec.closed for each in statements(simulation)] == [True, True]
        check_statements(simulation)

    with beginning_at(EVENING):
        play(story())


def test_many_deletions_cost_few_writes_of_a_statement() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="5s")
        (replica,) = simulation.replicas
        simulation.apply(wallet(quota=10**12), *(job(f"job-{number}") for number in range(50)))
        await simulation.until(lambda: all(each.is_final for each in simulation.jobs()))
        await simulation.pass_seconds(10)
        before = replica.writes(WALLETSTATEMENTS)
        await gone(simulation, *(f"job-{number}" for number in range(50)))
        assert replica.writes(WALLETSTATEMENTS) - before <= 10
        check_statements(simulation)

    play(story())


def test_deleting_and_making_a_wallet_again_and_again_loses_and_gives_nothing() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="10s")
        used = 0
        for round_ in range(5):
            simulation.apply(wallet(quota=1_000_000), job(f"job-{round_}"))
            name = f"job-{round_}"
            await simulation.until(lambda name=name: simulation.job(name).is_final)  # type: ignore[misc]
            used += simulation.job(name).status.usage
            simulation.delete(WALLETS, "example-compute")
            await simulation.until(lambda: not simulation.exists(WALLETS, "example-compute"))
            if round_ % 2:
                delete_job(simulation, name)
        simulation.apply(wallet(quota=1_000_000))
        await simulation.pass_seconds(60)
        paid = simulation.wallet().status
        assert (paid.local_usage, paid.max_usable) == (used, 1_000_000 - used)
        top_up(simulation, 500, "more")
        await simulation.pass_seconds(60)
        assert simulation.wallet().status.max_usable == 1_000_500 - used

    play(story())


# Killed while settling


async def settling(simulation: Simulation) -> None:
    """Two jobs end and are deleted, one by itself, and the wallet goes and comes back."""
    simulation.apply(
        product(),
        application(exit_after="10s"),
        wallet(quota=10**9),
        job("kept", ttlSecondsAfterFinished=5),
        job("stays"),
        job("goes"),
    )
    await simulation.until(lambda: simulation.exists(UCLOUDJOBS, "goes") and simulation.job("goes").is_final)
    delete_job(simulation, "goes")
    await simulation.until(
        lambda: not any(simulation.exists(UCLOUDJOBS, name) for name in ("kept", "goes")), within_seconds=900
    )
    await simulation.until(lambda: simulation.job("stays").is_final)  # which may have begun later than the others
    simulation.delete(WALLETS, "example-compute")
    await simulation.until(lambda: not simulation.exists(WALLETS, "example-compute"), within_seconds=900)
    simulation.apply(wallet(quota=10**9))
    await simulation.until(lambda: simulation.wallet().status.observed_generation == 1, within_seconds=900)
    await simulation.pass_seconds(90)


def settled_well(simulation: Simulation) -> None:
    """Nothing was lost, nothing was written twice."""
    jobs = {each.metadata.name: each.status for each in simulation.audit.jobs.values()}
    assert all(status.state is JobState.SUCCESS for status in jobs.values())
    assert {name: line.usage for name, line in lines(simulation).items()} == {
        name: status.usage for name, status in jobs.items()
    }
    paid = simulation.wallet().status
    assert paid.settled_usage == paid.local_usage == sum(status.usage for status in jobs.values())
    assert paid.max_usable == 10**9 - paid.local_usage


def steps_of_settling() -> int:
    """How many steps an operator makes that nobody kills."""

    async def story() -> int:
        simulation = Simulation()
        simulation.start_operator()
        await settling(simulation)
        settled_well(simulation)
        return len(simulation.steps)

    return play(story())


@pytest.mark.parametrize("step", range(1, steps_of_settling(), EVERY))
def test_killed_at_any_step_of_settling(step: int) -> None:
    async def story() -> None:
        simulation = Simulation(settings=Settings())
        simulation.start_operator()
        async with killed_at(simulation, step, away_seconds=1):
            await settling(simulation)
        settled_well(simulation)

    play(story())
