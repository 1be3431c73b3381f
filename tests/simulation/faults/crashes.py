"""The operator is killed at one of its writes: before it, after it, or between its commit and its answer."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.simulation.network import WRITES, Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.simulation.loop import Process
    from tests.simulation.simulation import Simulation
    from ucloud_operator.kube.transport import Request

FIRST = "operator-1"
POINTS = {"before": "sent", "committed": "done", "after": "received"}
"""The write never happens; it does, and nobody hears of it; it does, and what follows from its answer is begun."""


class Requests(Way):
    """Numbers the first operator's writes, or its reads, as they come."""

    def __init__(self, *, writes: bool = True) -> None:
        self.targets: list[str] = []
        self._writes = writes
        self._numbers: dict[int, int] = {}

    def number_of(self, point: str, request: Request, process: Process | None) -> int:
        """Return which one this is, from 1 on, or 0."""
        if process is None or process.name != FIRST or (request.verb in WRITES) is not self._writes:
            return 0
        if point == "sent":
            self.targets.append(f"{request.verb} {request.target}")
            self._numbers[id(request)] = len(self.targets)
        return self._numbers.get(id(request), 0)

    async def passes(self, point: str, request: Request, process: Process | None) -> None:
        """Only count."""
        self.number_of(point, request, process)


class Crash(Requests):
    """Kills the first operator at one of those."""

    def __init__(self, simulation: Simulation, number: int, point: str, *, writes: bool = True) -> None:
        super().__init__(writes=writes)
        self.dead = asyncio.Event()
        self._simulation = simulation
        self._number = number
        self._point = POINTS[point]

    async def passes(self, point: str, request: Request, process: Process | None) -> None:
        """Kill it if it is this one, now; after an answer, when that has been taken in."""
        number = self.number_of(point, request, process)
        if (number, point) != (self._number, self._point) or self.dead.is_set():
            return
        if point == "received":
            asyncio.get_running_loop().call_soon(self._kill)
        else:
            self._kill()

    def _kill(self) -> None:
        self._simulation.injected["operator killed at a request"] += 1
        self._simulation.replicas[0].process.kill()
        self.dead.set()


@asynccontextmanager
async def crashing(simulation: Simulation, crash: Crash, *, away_seconds: float | None) -> AsyncIterator[None]:
    """The first operator dies so; another one is started so long after that, or none (a standby is there)."""
    simulation.ways.append(crash)
    replacing = asyncio.create_task(_replaced(simulation, crash, away_seconds))
    yield
    await replacing


async def _replaced(simulation: Simulation, crash: Crash, away_seconds: float | None) -> None:
    await crash.dead.wait()
    await simulation.replicas[0].process.gone()
    if away_seconds is not None:
        await asyncio.sleep(away_seconds)
        simulation.start_operator()
