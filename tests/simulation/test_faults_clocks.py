"""Clocks that are wrong: the operator's is set or drifts while jobs run, the kubelets' are ahead or behind.

Durations of the operator's own (its lease, its pauses) go by a clock that nobody sets. The instants at which credits or
time end are on the wall clock: a stop is early or late by as much as that is wrong, and the bill is what ran, never
more than was granted. A kubelet's clock moves a run and doesn't change its length.
"""

from __future__ import annotations

import pytest

from tests.simulation.faults import sampled
from tests.simulation.faults.machines import at
from tests.simulation.faults.undisturbed import undisturbed
from tests.simulation.loop import play
from tests.simulation.scenarios import BY_NAME
from tests.simulation.simulation import Simulation
from ucloud_operator.lifecycle.endings import CLOCKS_DIFFER_MS

SKEWS_MS = (-CLOCKS_DIFFER_MS, -2_000, 2_000, CLOCKS_DIFFER_MS)
STEPS_MS = (-60_000, -2_000, 2_000, 60_000)
"""Where clocks are further apart than they may be, a stop can be taken for somebody else's; what is billed is right."""
DRIFTS_PPM = (-200, 200)
STARTING_MS = 5_000
"""From a pod's creation until all of its job's run, amply: where a wrong stamp is moved to."""
NOTICED_SECONDS = 60
"""How long the operator may sleep without looking at its clock."""


@pytest.mark.parametrize("skew_ms", SKEWS_MS)
@pytest.mark.parametrize("name", BY_NAME)
def test_the_kubelets_clocks_are_wrong(name: str, skew_ms: int) -> None:
    expected = undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation()
        simulation.injected["kubelet's clock wrong"] += 1
        simulation.kubelets.clocks["node-1"].ahead_ms = skew_ms
        simulation.kubelets.clocks["node-2"].ahead_ms = -skew_ms // 3
        ending = await BY_NAME[name].told(simulation, late_seconds=2, clocks_ms=STARTING_MS)
        assert ending["jobs"] == expected["jobs"]

    play(story())


@pytest.mark.parametrize(
    ("name", "moment", "step_ms"),
    [
        (name, moment, STEPS_MS[place % len(STEPS_MS)])
        for name in ("exhaustion", "siblings", "replicas", "extension", "standby")
        for place, moment in enumerate(sampled(undisturbed(name).moments, 3))
    ],
)
def test_the_operators_clock_is_set(name: str, moment: float, step_ms: int) -> None:
    expected = undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation()

        async def set_clock() -> None:
            simulation.injected["operator's clock set"] += 1
            simulation.audit.clocks_ms = abs(step_ms)
            simulation.replicas[0].clock.ahead_ms = step_ms

        setting = at(moment, set_clock)
        late_seconds = abs(step_ms) / 1000 + NOTICED_SECONDS
        ending = await BY_NAME[name].told(
            simulation, late_seconds=late_seconds, exact=False, clocks_ms=abs(step_ms) + STARTING_MS
        )
        await setting
        assert ending["jobs"] == expected["jobs"] or abs(step_ms) > CLOCKS_DIFFER_MS
        assert ending.get("usage", 0) <= expected.get("usage", 0)

    play(story())


@pytest.mark.parametrize("drift_ppm", DRIFTS_PPM)
@pytest.mark.parametrize("name", BY_NAME)
def test_the_operators_clock_drifts(name: str, drift_ppm: int) -> None:
    """By less than a tenth of a second within these stories: below what kubelets' stamps can tell."""
    expected = undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation()
        simulation.clock_drift_ppm = drift_ppm
        simulation.injected["operator's clock drifts"] += 1
        ending = await BY_NAME[name].told(simulation, late_seconds=1, clocks_ms=STARTING_MS)
        assert ending["jobs"] == expected["jobs"]

    play(story())


def test_a_clock_that_is_far_ahead_ends_no_run_early() -> None:
    """The deadline that its kubelet is told counts from a start that it stamped itself."""

    async def story() -> None:
        simulation = Simulation()
        for clock in simulation.kubelets.clocks.values():
            clock.ahead_ms = 60_000
        ending = await BY_NAME["exhaustion"].told(simulation, clocks_ms=STARTING_MS)
        assert ending == expected

    expected = undisturbed("exhaustion").ending
    play(story())
