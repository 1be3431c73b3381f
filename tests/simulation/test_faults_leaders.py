"""Two operators act at once: the leader is frozen at each of its writes, past its lease, and goes on beside the next.

It looked at its lease, decided, and then stood still; what it decided goes out when it wakes up, into a world in which
somebody else has led for a while. What it writes then carries the version, the uid or the epoch of the past.
"""

from __future__ import annotations

import pytest

from tests.simulation.faults import sampled
from tests.simulation.faults.machines import Frozen
from tests.simulation.faults.undisturbed import undisturbed
from tests.simulation.loop import play
from tests.simulation.scenarios import SCENARIOS, Scenario
from tests.simulation.simulation import Simulation

FROZEN_SECONDS = (12.0, 22.0, 60.0)
"""Shorter than the others wait, a little longer, and much longer."""
POINTS = ("sent", "done")
"""Before the write is carried out, and before its answer comes."""
TWO = {scenario.name: Scenario(scenario.name, scenario.play, 2, scenario.exact) for scenario in SCENARIOS}


def freezes() -> list[tuple[str, int, str, float]]:
    """Every freeze to try; how long takes turns."""
    places = [
        (name, number, point)
        for name in TWO
        if name != "standby"
        for number, target in enumerate(undisturbed(name).writes, 1)
        for point in POINTS
        if "leases" not in target or number % 20 == 1
    ]
    return [
        (*each, seconds)
        for place, each in enumerate(places)
        for seconds in sampled(_turned(place), len(FROZEN_SECONDS))
    ]


def _turned(place: int) -> tuple[float, ...]:
    first = place % len(FROZEN_SECONDS)
    return (*FROZEN_SECONDS[first:], *FROZEN_SECONDS[:first])


@pytest.mark.parametrize(("name", "number", "point", "seconds"), sampled(freezes(), 3))
def test_the_leader_goes_on_after_it_has_lost_its_lease(name: str, number: int, point: str, seconds: float) -> None:
    expected = undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation()
        frozen = Frozen(simulation, number, point, seconds)
        simulation.ways.append(frozen)
        assert await TWO[name].told(simulation) == expected
        assert frozen.froze

    play(story())
