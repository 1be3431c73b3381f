"""At any moment a node is lost or cut off, a pod is evicted, deleted or force-deleted, a container is lost.

A job that this befalls ends for the reason that it has, and is billed for what ran; all others, and all wallets, end as
they would have ended. A node that is only cut off changes nothing at all.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.simulation.faults import sampled
from tests.simulation.faults.machines import CUT_OFF_SECONDS, INCIDENTS, at, befall
from tests.simulation.faults.undisturbed import undisturbed
from tests.simulation.loop import play
from tests.simulation.scenarios import BY_NAME
from tests.simulation.simulation import Simulation

STORIES = ("exhaustion", "siblings", "replicas", "extension", "edits")
"""The others wait for what never comes when their job has failed."""
A_MOMENT = 0.003


def moments(name: str) -> list[float]:
    """When something is written, a moment later, and on the way to the next such instant."""
    written = [moment for moment in undisturbed(name).moments if moment > 1.5]
    between = [(earlier + later) / 2 for earlier, later in pairwise(written) if later - earlier > 5]
    return sorted([*written, *(moment + A_MOMENT for moment in written), *between])


def incidents() -> list[tuple[str, float, str]]:
    """Everything to try: the scenario, when, and what; what takes turns."""
    return [
        (name, moment, incident)
        for name in STORIES
        for place, moment in enumerate(sampled(moments(name), 3))
        for incident in sampled(_turned(place), 3)
    ]


def _turned(place: int) -> tuple[str, ...]:
    names = tuple(INCIDENTS)
    return (*names[place % len(names) :], *names[: place % len(names)])


@pytest.mark.parametrize(("name", "moment", "incident"), incidents())
def test_something_befalls_a_pod_or_its_node(name: str, moment: float, incident: str) -> None:
    scenario, expected = BY_NAME[name], undisturbed(name).ending
    fails = INCIDENTS[incident]

    async def story() -> None:
        simulation = Simulation()
        happening = at(moment, lambda: befall(simulation, incident))
        late_seconds = CUT_OFF_SECONDS if not fails else 0
        ending = await scenario.told(simulation, late_seconds=late_seconds, exact=False)
        assert simulation.injected[incident] == bool(await happening)
        jobs = {key: end for key, end in ending["jobs"].items() if end != expected["jobs"][key]}
        assert set(jobs.values()) <= {("FAILURE", fails)}, f"{jobs} for {incident}"
        if not jobs:
            assert ending["locked"] == expected["locked"]
            assert ending.get("usage") == expected.get("usage")

    play(story())
