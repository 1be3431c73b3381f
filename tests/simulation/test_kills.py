"""The operator is killed, as by `kill -9`, at every moment of the seed's story: the numbers at its end are the same."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

import pytest

from tests.simulation.bills import check_bills
from tests.simulation.loop import VirtualLoop, play
from tests.simulation.promises import killed_at, replaced
from tests.simulation.simulation import Simulation
from tests.simulation.stories import application, job, product, wallet
from ucloud_operator.api import JobState

QUOTA, USED, LEFT = 500_000_000, 499_900_000, 100_000
EVERY = int(os.environ.get("SIMULATION_KILL_EVERY", "5"))
"""Of the moments at which it could be killed, every how many-th is tried."""
AWAY_SECONDS = (0.5, 40, 200)
"""How long nobody is there afterwards: not long, longer than the Lease, and past the end of the credits."""


@dataclass
class Ending:
    """What is left when everything is over."""

    state: JobState | None
    reason: str | None
    usage: int
    ran_ms: int
    local_usage: int
    max_usable: int


async def seeds_story(simulation: Simulation) -> Ending:
    """Play the seed's story to its end; whoever wants an operator in it has to start one."""
    simulation.apply(product(), application(), wallet(quota=QUOTA, used=USED), job())
    await simulation.until(simulation.is_over, within_seconds=900)
    await simulation.until(lambda: simulation.wallet().status.locked, within_seconds=900)
    await simulation.pass_seconds(5)
    check_bills(simulation)
    status, paid = simulation.job().status, simulation.wallet().status
    (run,) = status.runs
    assert run.ended_at is not None
    return Ending(
        status.state, status.reason, status.usage, run.ended_at - run.started_at, paid.local_usage, paid.max_usable
    )


EXPECTED = Ending(JobState.SUCCESS, "OutOfCredits", LEFT, 120_000, QUOTA, 0)


def undisturbed() -> tuple[int, int]:
    """Play it without a kill; return how many steps the operator makes, and how many turns the loop."""

    async def story() -> tuple[int, int]:
        simulation = Simulation()
        simulation.start_operator()
        assert await seeds_story(simulation) == EXPECTED
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return len(simulation.steps), loop.turns

    return play(story())


STEPS, TURNS = undisturbed()


@pytest.mark.parametrize("away_seconds", AWAY_SECONDS)
@pytest.mark.parametrize("step", range(1, STEPS, EVERY))
def test_killed_when_a_request_arrives_or_its_answer_leaves(step: int, away_seconds: float) -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        async with killed_at(simulation, step, away_seconds=away_seconds):
            assert await seeds_story(simulation) == EXPECTED

    play(story())


@pytest.mark.parametrize("turn", range(1, TURNS, max(1, TURNS * EVERY // 100)))
def test_killed_between_any_two_turns_of_its_loop(turn: int) -> None:
    async def story() -> None:
        simulation, killed = Simulation(), asyncio.Event()
        first = simulation.start_operator()

        def kill() -> None:
            first.process.kill()
            killed.set()

        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.at_turn(loop.turns + turn, kill)
        replacing = asyncio.create_task(replaced(simulation, killed, 3))
        assert await seeds_story(simulation) == EXPECTED
        await replacing

    play(story())
