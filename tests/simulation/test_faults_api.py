"""The API server is away for a second up to an hour, watches fall silent for good, reads show the past.

Meanwhile jobs run on, and those that were told of their end are stopped by their kubelets. Nothing that an operator
does depends on when it hears; so what comes of it is the same, and what is due when the API server is back comes first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.simulation.faults import sampled
from tests.simulation.faults.api import SilentKind, StaleReads, outage
from tests.simulation.faults.crashes import Crash, crashing
from tests.simulation.faults.undisturbed import undisturbed
from tests.simulation.loop import play
from tests.simulation.network import Way
from tests.simulation.scenarios import BY_NAME
from tests.simulation.simulation import Simulation
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from ucloud_operator.kube.transport import Request

LENGTHS, AN_HOUR = (1.0, 30.0, 600.0), 3600.0
LONG = 30.0
LAUNCHED = 1.2
"""When the pods of all jobs of every scenario are there, in seconds: who isn't by then may find no credits left."""
EXTENDED = 8.0
"""When the time allocation was raised."""
SILENCES = 2
BEHIND = {"pods": (2.0,), "ucloudjobs": (2.0, 30.0), "wallets": (2.0, 30.0)}
"""A list or a get that doesn't ask for a version is of the present, so none of that should ever be."""
KINDS = ("pods", "ucloudjobs", "wallets")


def outages() -> list[tuple[str, float, float, bool]]:
    """When it goes away in which scenario, for how long, and whether silently: takes turns."""
    cases = [
        (name, begins, seconds)
        for name in BY_NAME
        for begins in (0.0, *sampled(undisturbed(name).moments, 13))
        for seconds in (*LENGTHS, *([AN_HOUR] if begins == 0 else []))
        if begins == 0 or begins > (EXTENDED if name == "extension" else LAUNCHED) or seconds < LONG
    ]
    return [(*case, bool(place % 2)) for place, case in enumerate(cases)]


@pytest.mark.parametrize(("name", "begins", "seconds", "silently"), outages())
def test_the_api_server_is_away(name: str, begins: float, seconds: float, silently: bool) -> None:  # noqa: FBT001  # a parameter
    scenario, expected = BY_NAME[name], undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation()

        async def happens() -> None:
            await asyncio.sleep(begins)
            await outage(simulation, seconds, silently=silently)

        happening = asyncio.create_task(happens())
        if begins == 0:
            await asyncio.sleep(0)
        assert await scenario.told(simulation, exact=seconds < LONG) == expected
        await happening
        assert len(simulation.replicas) == scenario.operators

    play(story())


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        (name, plural)
        for name in BY_NAME
        for plural in KINDS
        if (name, plural) != ("extension", "ucloudjobs")  # it would be heard of too late
    ],
)
def test_the_watches_of_a_kind_are_silent_for_good(name: str, plural: str) -> None:
    scenario, expected = BY_NAME[name], undisturbed(name).ending

    async def story(since: float) -> None:
        simulation = Simulation(settings=Settings(relist_seconds=60))
        simulation.ways.append(SilentKind(simulation.injected, plural, since=since))
        assert await scenario.told(simulation, late_seconds=90, exact=False) == expected
        assert simulation.injected["event of a silent watch"]

    moments = undisturbed(name).moments
    for since in sampled((0.0, *moments), len(moments) // SILENCES):
        play(story(since))


@pytest.mark.parametrize(("plural", "behind"), [(plural, each) for plural in BEHIND for each in BEHIND[plural]])
@pytest.mark.parametrize("name", BY_NAME)
def test_who_takes_over_reads_the_past(name: str, plural: str, behind: float) -> None:
    """Another API server answers, which is some seconds behind."""
    scenario, expected = BY_NAME[name], undisturbed(name).ending

    async def story(number: int) -> None:
        simulation = Simulation(settings=Settings(relist_seconds=60))
        crash = Crash(simulation, number, "committed")
        simulation.ways.append(StaleReads(simulation, plural, behind=behind))
        async with crashing(simulation, crash, away_seconds=None if scenario.operators > 1 else 3):
            assert await scenario.told(simulation, late_seconds=90, exact=False) == expected
        assert simulation.injected["stale list"]

    writes = [number for number, target in enumerate(undisturbed(name).writes, 1) if "leases" not in target]
    for number in sampled(writes, 11):
        play(story(number))


def test_no_read_asks_for_less_than_the_present() -> None:
    """The API server answers a list or a get from its cache, which may be behind, only if it is told a version."""

    class Asked(Way):
        async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # of all
            if request.verb in {"list", "get"}:
                versions.append(request.query.get("resourceVersion"))

    versions: list[str | None] = []

    async def story() -> None:
        simulation = Simulation(settings=Settings(relist_seconds=60))
        simulation.ways.append(Asked())
        await BY_NAME["exhaustion"].told(simulation)

    play(story())
    assert set(versions) == {None}
