"""The operator crashes at every write that it makes, in every scenario: before it, after it, and in between.

All writes of all scenarios are tried at all three points, and some reads; how long nobody is there afterwards takes
turns. The complete trial takes every length at each of them, and all reads.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.simulation.faults import COMPLETE, sampled
from tests.simulation.faults.crashes import POINTS, Crash, crashing
from tests.simulation.faults.undisturbed import undisturbed
from tests.simulation.loop import VirtualLoop, play
from tests.simulation.promises import replaced
from tests.simulation.scenarios import BY_NAME
from tests.simulation.simulation import Simulation

AWAY_SECONDS = (0.5, 40.0, 200.0)
"""Not long, longer than the Lease, and past the end of the credits."""
ALIKE = 20
"""Of the renewals of the Lease, one in so many is tried: each finds the same."""


def crashes(*, writes: bool, every: int) -> list[tuple[str, int, str, float]]:
    """Every crash to try: the scenario, which request, where at it, and how long nobody is there then."""
    numbered = [
        (name, number, point)
        for name in BY_NAME
        for number, target in enumerate(undisturbed(name).writes if writes else undisturbed(name).reads, 1)
        for point in POINTS
        if "leases" not in target or number % ALIKE == 1
    ]
    if COMPLETE:
        return [(*each, away_seconds) for each in numbered for away_seconds in AWAY_SECONDS]
    return [(*each, AWAY_SECONDS[place % len(AWAY_SECONDS)]) for place, each in enumerate(sampled(numbered, every))]


def retold(name: str, crash_at: tuple[int, str], away_seconds: float, *, writes: bool) -> None:
    """Play a scenario with a crash, and compare its end."""
    scenario, expected = BY_NAME[name], undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation()
        crash = Crash(simulation, *crash_at, writes=writes)
        away = None if scenario.operators > 1 else away_seconds
        async with crashing(simulation, crash, away_seconds=away):
            assert await scenario.told(simulation) == expected
            assert crash.dead.is_set(), "it never came to that request"

    play(story())


@pytest.mark.parametrize(("name", "number", "point", "away_seconds"), crashes(writes=True, every=1))
def test_killed_at_a_write(name: str, number: int, point: str, away_seconds: float) -> None:
    retold(name, (number, point), away_seconds, writes=True)


@pytest.mark.parametrize(("name", "number", "point", "away_seconds"), crashes(writes=False, every=17))
def test_killed_at_a_read(name: str, number: int, point: str, away_seconds: float) -> None:
    retold(name, (number, point), away_seconds, writes=False)


@pytest.mark.parametrize("turn", sampled(range(1, undisturbed("exhaustion").turns), 101))
def test_killed_between_any_two_turns_of_its_loop(turn: int) -> None:
    expected = undisturbed("exhaustion").ending

    async def story() -> None:
        simulation, killed = Simulation(), asyncio.Event()

        def kill() -> None:
            simulation.replicas[0].process.kill()
            killed.set()

        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.at_turn(loop.turns + turn, kill)
        replacing = asyncio.create_task(replaced(simulation, killed, 3))
        assert await BY_NAME["exhaustion"].told(simulation) == expected
        await replacing

    play(story())
