"""What happens in a scenario that nothing disturbs: the places for faults to come at, and what has to come of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.simulation.faults.crashes import FIRST, Requests
from tests.simulation.faults.events import is_event
from tests.simulation.loop import VirtualLoop, play
from tests.simulation.network import Way
from tests.simulation.scenarios import BY_NAME, Ending
from tests.simulation.simulation import Simulation
from ucloud_operator.kube.resources import EVENTS, LEASES

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from tests.simulation.storage import Write
    from ucloud_operator.kube.transport import Request


@dataclass(frozen=True)
class Undisturbed:
    """A scenario as it goes."""

    ending: Ending
    writes: tuple[str, ...]
    """The first operator's, in order."""
    reads: tuple[str, ...]
    events: dict[str, int]
    """How many of each kind the first operator is told of."""
    moments: tuple[float, ...]
    """When something was written by anybody, in seconds since the beginning."""
    turns: int
    """How often the loop went round."""


class _Told(Way):
    """Counts what the first operator is told of."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()

    def told(self, request: Request, line: bytes, process: Process | None) -> list[tuple[float, bytes]]:
        if process is not None and process.name == FIRST and is_event(line):
            self.events[request.resource.plural] += 1
        return [(0, line)]


@cache
def undisturbed(name: str) -> Undisturbed:
    """Play a scenario without a fault."""

    async def story() -> Undisturbed:
        simulation, writes, reads, told = Simulation(), Requests(), Requests(writes=False), _Told()
        simulation.ways.extend((writes, reads, told))
        moments: dict[float, None] = {}

        def heard(write: Write) -> None:
            if write.resource not in {LEASES, EVENTS}:
                moments[simulation.clock.monotonic()] = None

        simulation.api.storage.listen(heard)
        ending = await BY_NAME[name].told(simulation)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        assert not simulation.injected
        return Undisturbed(
            ending, tuple(writes.targets), tuple(reads.targets), dict(told.events), tuple(moments), loop.turns
        )

    return play(story())
