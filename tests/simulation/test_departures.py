"""Whatever a job was about when it and its wallets are deleted, and in whatever order: all of them go, and pay."""

from __future__ import annotations

from itertools import permutations
from typing import Final, TypeAlias

import pytest

from tests.simulation.bills import check_bills
from tests.simulation.loop import play
from tests.simulation.promises import statements
from tests.simulation.simulation import Simulation
from tests.simulation.stories import CATEGORY, application, job, product, wallet
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS, WALLETSTATEMENTS, Resource

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


def test_a_statement_that_somebody_deletes_holds_up_nobody() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        simulation.apply(product(), application())
        simulation.apply(wallet(quota=10**9), job("a"), job("b"), namespace="lab")
        await simulation.pass_seconds(15)
        simulation.delete(UCLOUDJOBS, "a", namespace="lab")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a", namespace="lab"), within_seconds=60)
        (statement,) = statements(simulation, "lab")
        simulation.delete(WALLETSTATEMENTS, statement.metadata.name, namespace="ucloud-system")
        simulation.delete(UCLOUDJOBS, "b", namespace="lab")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "b", namespace="lab"), within_seconds=60)
        (statement,) = statements(simulation, "lab")
        assert [line.job for line in statement.spec.lines] == ["b"]

    play(story())
