"""What happens to nodes, pods, clocks and processes at a moment: each is a function that makes it happen, now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from tests.simulation.network import WRITES, Way
from ucloud_operator.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.simulation.loop import Process
    from tests.simulation.objects import Json
    from tests.simulation.simulation import Simulation
    from ucloud_operator.kube.transport import Request

T = TypeVar("T")

CUT_OFF_SECONDS = 40.0


def _first(simulation: Simulation) -> tuple[str, Json] | None:
    """Return a pod whose container runs, by its uid; None: there is none."""
    running = sorted(simulation.kubelets.running)
    return (running[0], simulation.audit.pods[running[0]]) if running else None


def _deleted(simulation: Simulation, pod: Json, grace_seconds: int | None) -> None:
    metadata = pod["metadata"]
    simulation.api.delete(PODS, metadata["namespace"], metadata["name"], grace_seconds=grace_seconds)


async def befall(simulation: Simulation, incident: str) -> bool:
    """Let something happen to the first pod that runs, or to its node; say whether there was one."""
    found = _first(simulation)
    if found is None:
        return False
    uid, pod = found
    kubelets, node = simulation.kubelets, pod["spec"]["nodeName"]
    simulation.injected[incident] += 1
    match incident:
        case "node lost":
            kubelets.lose_node(node)
        case "node cut off":
            await kubelets.cut_off(node, CUT_OFF_SECONDS)
        case "pod evicted":
            kubelets.end(uid, "evicted")
        case "container lost":
            kubelets.end(uid, "unknown")
        case "pod deleted":
            _deleted(simulation, pod, None)
        case "pod force-deleted":
            _deleted(simulation, pod, 0)
        case _:
            raise AssertionError(incident)
    return True


INCIDENTS = {
    "node lost": "NodeLost",
    "node cut off": "",
    "pod evicted": "Evicted",
    "container lost": "Unknown",
    "pod deleted": "PodDeleted",
    "pod force-deleted": "PodDeleted",
}
"""And the reason for which a job fails then; none: it doesn't."""


class Frozen(Way):
    """The first operator stands still at one of its writes, just before it or before it hears of it, for so long."""

    def __init__(self, simulation: Simulation, number: int, point: str, seconds: float) -> None:
        self.froze = False
        self._simulation = simulation
        self._at = number, point
        self._seconds = seconds
        self._number = 0

    async def passes(self, point: str, request: Request, process: Process | None) -> None:
        """Freeze it at this one."""
        if process is not self._simulation.replicas[0].process or request.verb not in WRITES:
            return
        self._number += point == self._at[1]
        if (self._number, point) != self._at or self.froze:
            return
        self.froze = True
        self._simulation.injected["operator frozen"] += 1
        process.freeze()
        asyncio.get_running_loop().call_later(self._seconds, process.thaw)


def at(seconds: float, do: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
    """Do something at a moment from now."""

    async def later() -> T:
        await asyncio.sleep(seconds)
        return await do()

    return asyncio.get_running_loop().create_task(later())
