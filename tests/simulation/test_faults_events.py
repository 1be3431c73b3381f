"""Every event in turn is dropped, is late, comes twice, or with the whole stream of its kind: all comes to the same.

What is missed is found by the next full list (`Settings.relist_seconds`, a minute here), and so is a run that nobody
was told of: it is billed from when it began, and its stop is late by as much at the most.
"""

from __future__ import annotations

import pytest

from tests.simulation.faults import COMPLETE, sampled
from tests.simulation.faults.crashes import FIRST
from tests.simulation.faults.events import HELD_SECONDS, LATE_SECONDS, WAYS, EventFault, SlowKind
from tests.simulation.faults.undisturbed import undisturbed
from tests.simulation.loop import play
from tests.simulation.scenarios import BY_NAME
from tests.simulation.simulation import Simulation
from ucloud_operator.settings import Settings

RELIST_SECONDS = 60
LATE = {"dropped": RELIST_SECONDS + 5, "late": LATE_SECONDS, "twice": 0, "held": HELD_SECONDS}
"""By how much news may be late then."""
SLOW_SECONDS = (3.0, 20.0, 60.0)


def faults() -> list[tuple[str, str, int, str]]:
    """Every fault to try: the scenario, the kind, which of its events, and what happens to it."""
    events = [
        (name, plural, number)
        for name, scenario in BY_NAME.items()
        if scenario.operators == 1
        for plural, many in sorted(undisturbed(name).events.items())
        for number in range(1, many + 1)
    ]
    if COMPLETE:
        return [(*each, how) for each in events for how in WAYS]
    return [(*each, how) for place, each in enumerate(sampled(events, 2)) for how in {"dropped", WAYS[1 + place % 3]}]


@pytest.mark.parametrize(("name", "plural", "number", "how"), sorted(faults()))
def test_something_happens_to_an_event(name: str, plural: str, number: int, how: str) -> None:
    expected = undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation(settings=Settings(relist_seconds=RELIST_SECONDS))
        simulation.ways.append(EventFault(simulation.injected, FIRST, plural, number, how))
        ending = await BY_NAME[name].told(simulation, late_seconds=LATE[how], exact=not LATE[how])
        assert ending == expected
        assert simulation.injected[f"event {how}"] == 1

    play(story())


@pytest.mark.parametrize(
    ("name", "plural", "seconds"),
    [
        (name, plural, seconds)
        for name in BY_NAME
        for plural in ("pods", "ucloudjobs", "wallets")
        for seconds in SLOW_SECONDS
        if (name, plural, seconds) != ("extension", "ucloudjobs", 60.0)  # which comes after what it would extend
    ],
)
def test_a_kind_is_slower_than_the_others(name: str, plural: str, seconds: float) -> None:
    expected = undisturbed(name).ending

    async def story() -> None:
        simulation = Simulation()
        simulation.ways.append(SlowKind(simulation.injected, plural, seconds))
        assert await BY_NAME[name].told(simulation, late_seconds=2 * seconds, exact=False) == expected

    play(story())
