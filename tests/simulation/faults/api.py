"""An API server that is away for a while, watches that fall silent for good, and reads that show the past."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.network import Way

if TYPE_CHECKING:
    from collections import Counter

    from tests.simulation.loop import Process
    from tests.simulation.simulation import Simulation
    from tests.simulation.storage import Write
    from ucloud_operator.kube.transport import Request

NEVER = float("inf")


async def outage(simulation: Simulation, seconds: float, *, silently: bool = False) -> None:
    """Nobody reaches the API server for so long; it refuses connections, or answers nothing at all."""
    simulation.injected["API server away"] += 1
    simulation.api.go_away(silently=silently)
    await asyncio.sleep(seconds)
    simulation.api.come_back()


class SilentKind(Way):
    """From a moment on, no watch of a kind says anything any more: not even that it is over."""

    def __init__(self, injected: Counter[str], plural: str, *, since: float) -> None:
        self._injected = injected
        self._plural = plural
        self._since = since

    def told(self, request: Request, line: bytes, process: Process | None) -> list[tuple[float, bytes]]:  # noqa: ARG002  # of all
        """Keep it."""
        if request.resource.plural != self._plural or asyncio.get_running_loop().time() < self._since:
            return [(0, line)]
        self._injected["event of a silent watch"] += 1
        return []


class StaleReads(Way):
    """Between two moments, lists and gets of a kind show what was so many seconds before."""

    def __init__(
        self, simulation: Simulation, plural: str, *, behind: float, since: float = 0, until: float = NEVER
    ) -> None:
        self._simulation = simulation
        self._plural = plural
        self._behind = behind
        self._between = since, until
        self._versions = [(0.0, simulation.api.storage.version)]
        simulation.api.storage.listen(self._heard)

    def _heard(self, write: Write) -> None:
        self._versions.append((asyncio.get_running_loop().time(), write.version))

    def version_for(self, request: Request, process: Process | None) -> int | None:  # noqa: ARG002  # of all
        """Return the version of then."""
        now = asyncio.get_running_loop().time()
        since, until = self._between
        if request.resource.plural != self._plural or not since <= now < until:
            return None
        self._simulation.injected[f"stale {request.verb}"] += 1
        return max(version for at, version in self._versions if at <= max(0.0, now - self._behind))
