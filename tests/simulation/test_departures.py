"""Whatever a job was about when it and its wallets are deleted, and in whatever order: all of them go, and pay."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from tests.simulation.bills import check_bills
from tests.simulation.loop import Process, play
from tests.simulation.network import Way
from tests.simulation.simulation import Simulation
from tests.simulation.stories import CATEGORY, application, job, product, wallet
from ucloud_operator.kube.errors import Unreachable
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS, WALLETSTATEMENTS, Resource

if TYPE_CHECKING:
    from ucloud_operator.kube.transport import Request

Thing: TypeAlias = tuple[Resource, str, str]
JOB: Final = (UCLOUDJOBS, "a", "lab")
OWN: Final = (WALLETS, CATEGORY, "lab")
ABOVE: Final = (WALLETS, CATEGORY, "root")

STAGES: Final[dict[str, dict[str, str]]] = {
    "new": {},
    "waiting for a node": {},
    "starting": {"start_after": "60s"},
    "without its image": {"fail": "image-pull"},
    "running": {},
    "suspended": {},
    "resumed and waiting for a node": {},
    "ended": {"exit_after": "2s"},
}


def named(deletion: tuple[Thing, ...]) -> str:
    return ", ".join({JOB: "job", OWN: "own wallet", ABOVE: "wallet above"}[each] for each in deletion)


@pytest.mark.parametrize("gap_seconds", [0, 0.03, 2])
@pytest.mark.parametrize("deletion", [*permutations((JOB, OWN, ABOVE))], ids=named)
@pytest.mark.parametrize("stage", STAGES)
def test_what_is_deleted_goes(stage: str, deletion: tuple[Thing, ...], gap_seconds: float) -> None:
    async def story() -> None:
        simulation = Simulation()

        def exists(thing: Thing) -> bool:
            resource, name, namespace = thing
            return simulation.exists(resource, name, namespace=namespace)

        simulation.start_operator()
        simulation.kubelets.schedulable = stage != "waiting for a node"
        simulation.apply(product(), application(**STAGES[stage]))
        simulation.apply(wallet(quota=10**9), namespace="root")
        simulation.apply(wallet(quota=10**9, parent=f"root/{CATEGORY}"), job(), namespace="lab")
        if stage != "new":
            await simulation.pass_seconds(15)
        if stage.startswith(("suspended", "resumed")):
            simulation.edit(UCLOUDJOBS, "a", {"suspend": True}, namespace="lab")
            await simulation.pass_seconds(10)
        if stage.startswith("resumed"):
            simulation.kubelets.schedulable = False
            simulation.edit(UCLOUDJOBS, "a", {"suspend": False}, namespace="lab")
            await simulation.pass_seconds(10)
        for resource, name, namespace in deletion:
            simulation.delete(resource, name, namespace=namespace)
            await simulation.pass_seconds(gap_seconds)
        await simulation.until(lambda: not any(map(exists, deletion)) and not simulation.pods("lab"), within_seconds=60)
        check_bills(simulation)

    play(story())


class Unanswered(Way):
    """The first statement is written, and its answer is lost."""

    def __init__(self) -> None:
        self.happened = False

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # anybody's
        if point == "done" and request.resource == WALLETSTATEMENTS and request.verb == "create" and not self.happened:
            self.happened = True
            raise Unreachable(request.verb, request.target, "no answer: the connection was lost", ambiguous=True)


def test_a_job_goes_whose_line_was_written_without_an_answer() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.ways.append(way := Unanswered())
        simulation.start_operator()
        simulation.apply(product(), application(exit_after="5s"), wallet(quota=10**9), job())
        await simulation.pass_seconds(15)
        simulation.delete(UCLOUDJOBS, "a")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a"), within_seconds=60)
        assert way.happened

    play(story())


class EditedMeanwhile(Way):
    """While a parent writes down what a wallet that is going has used, both of them are edited."""

    def __init__(self, simulation: Simulation) -> None:
        self.happened = False
        self._simulation = simulation

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # anybody's
        if self.happened or request.resource != WALLETS or b'"departed":[{' not in (request.body or b""):
            return
        self.happened = True
        self._simulation.edit(WALLETS, CATEGORY, {"warnMinutes": [7]}, namespace="lab")
        await asyncio.sleep(1)
        self._simulation.edit(WALLETS, CATEGORY, {"warnMinutes": [7]}, namespace="root")


def test_what_a_wallet_has_used_stays_used_though_its_parent_was_edited_when_it_went() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.ways.append(way := EditedMeanwhile(simulation))
        simulation.start_operator()
        simulation.apply(product(), application(exit_after="6s"))
        simulation.apply(wallet(quota=10**9), namespace="root")
        simulation.apply(wallet(quota=10**9, parent=f"root/{CATEGORY}"), job(), namespace="lab")
        await simulation.pass_seconds(20)
        used = simulation.job(namespace="lab").status.usage
        for resource, name, namespace in (JOB, OWN):
            simulation.delete(resource, name, namespace=namespace)
        await simulation.until(lambda: not simulation.exists(*OWN[:2], namespace="lab"), within_seconds=60)
        await simulation.pass_seconds(90)
        assert way.happened
        assert simulation.wallet(namespace="root").status.total_usage == used > 0

    play(story())
