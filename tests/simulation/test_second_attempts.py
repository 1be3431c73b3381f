"""A job suspended before it ran is launched again under the same number; nothing of the first attempt counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.bills import check_bills
from tests.simulation.loop import Process, play
from tests.simulation.network import Way
from tests.simulation.promises import prepared, runs
from tests.simulation.stories import job, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import UCLOUDJOBS

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation
    from ucloud_operator.kube.transport import Request

PLENTY = 10_000_000


class SuspendedAgain(Way):
    """The job's user thinks better of it when the operator is about to write that it is back in the queue."""

    def __init__(self, simulation: Simulation) -> None:
        self.happened = False
        self._simulation = simulation

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # anybody's
        """Edit it just before."""
        if point == "sent" and b'"Resumed"' in (request.body or b"") and not self.happened:
            self.happened = True
            self._simulation.edit(UCLOUDJOBS, "a", {"suspend": True})


def test_a_resumption_that_is_refused_launches_nothing() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=PLENTY), job("a"))
        await runs(simulation)
        simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
        await simulation.until(lambda: simulation.job("a").status.state is JobState.SUSPENDED)
        way = SuspendedAgain(simulation)
        simulation.ways.append(way)
        pods = len(simulation.audit.pods)
        simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
        await simulation.pass_seconds(30)
        assert way.happened
        assert simulation.job("a").status.state is JobState.SUSPENDED
        assert len(simulation.audit.pods) == pods, simulation.summary()

    play(story())


def test_what_a_lost_first_attempt_turns_out_to_have_run_is_not_the_seconds() -> None:
    """Its node was cut off when it started, came back when it had been given up, and had its end with it."""

    async def story() -> None:
        simulation = await prepared(exit_after="40s")
        simulation.apply(wallet(quota=PLENTY), job("a"))
        await simulation.until(lambda: any(pod["spec"].get("nodeName") for pod in simulation.pods()), look_seconds=0.01)
        cut_off = asyncio.gather(*(simulation.kubelets.cut_off(node, 120) for node in simulation.kubelets.nodes))
        simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
        await simulation.until(lambda: simulation.job("a").status.state is JobState.SUSPENDED, within_seconds=90)
        simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
        resumed_ms = simulation.clock.now_ms()
        await cut_off
        await simulation.until(simulation.is_over, within_seconds=120)
        (run,) = simulation.job("a").status.runs
        assert run.started_at >= resumed_ms
        check_bills(simulation, exact=False)

    play(story())
