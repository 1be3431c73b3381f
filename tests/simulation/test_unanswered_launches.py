"""A pod is created, and nobody hears of it: neither by an answer nor by the watch. It is looked for all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.bills import check_bills
from tests.simulation.loop import Process, play
from tests.simulation.network import Way
from tests.simulation.simulation import Simulation
from tests.simulation.stories import allocation, application, group, job, product, wallet
from ucloud_operator.kube.errors import Unreachable
from ucloud_operator.kube.resources import PODS, WALLETS

if TYPE_CHECKING:
    from ucloud_operator.kube.transport import Request

PLENTY, TOO_LITTLE_TO_START = 500_000, 40_000
SILENT_SECONDS = 60


class Unheard(Way):
    """The first pod's creation isn't answered, pods aren't heard of for a while, and the wallet is cut just then."""

    def __init__(self, simulation: Simulation) -> None:
        self.happened = False
        self._simulation = simulation

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # anybody's
        """Lose the answer."""
        if point == "done" and request.verb == "create" and request.resource == PODS and not self.happened:
            self.happened = True
            cut = {"allocationGroups": [group(allocation(TOO_LITTLE_TO_START))]}
            self._simulation.edit(WALLETS, "example-compute", cut)
            raise Unreachable(request.verb, request.target, "no answer: the connection was lost", ambiguous=True)

    def told(
        self,
        request: Request,
        line: bytes,
        process: Process | None,  # noqa: ARG002  # anybody's
    ) -> list[tuple[float, bytes]]:
        """Bring what is told of pods late."""
        return [(SILENT_SECONDS if request.resource == PODS else 0, line)]


def test_a_job_does_not_fail_while_the_pod_that_nobody_heard_of_runs() -> None:
    async def story() -> None:
        simulation = Simulation()
        way = Unheard(simulation)
        simulation.ways.append(way)
        simulation.start_operator()
        simulation.apply(product(), application(), wallet(quota=PLENTY), job())
        await simulation.until(simulation.is_over, within_seconds=900)
        await simulation.pass_seconds(5)
        assert way.happened
        status = simulation.job().status
        assert (status.reason, status.usage) == ("OutOfCredits", TOO_LITTLE_TO_START), simulation.summary()
        check_bills(simulation)

    play(story())
