"""A tree of wallets that goes as a whole, by `kubectl delete` of a folder, and comes back from the same files."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tests.simulation.loop import play
from tests.simulation.promises import MINUTE, prepared
from tests.simulation.stories import PRICE, job, wallet
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.simulation import Simulation

NAME = "example-compute"
TREE = ("root", "faculty", "physics")
ABOVE = {"root": None, "faculty": f"root/{NAME}", "physics": f"faculty/{NAME}"}


def apply(simulation: Simulation, namespace: str) -> None:
    simulation.apply(wallet(quota=10 * PRICE, parent=ABOVE[namespace]), namespace=namespace)


async def used_up_to(simulation: Simulation, minutes: int) -> None:
    simulation.apply(job(minutes=minutes))
    await simulation.until(lambda: simulation.job().is_final)
    simulation.delete(UCLOUDJOBS, "a")
    await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a"))


async def deleted(simulation: Simulation, order: Sequence[str], pause_seconds: float) -> None:
    for namespace in order:
        simulation.delete(WALLETS, NAME, namespace=namespace)
        await simulation.pass_seconds(pause_seconds)
    await simulation.until(lambda: not any(simulation.exists(WALLETS, NAME, namespace=each) for each in order))


def numbers(simulation: Simulation) -> dict[str, tuple[int, int, int]]:
    found = {each: simulation.wallet(namespace=each).status for each in TREE}
    return {each: (status.local_usage, status.total_usage, status.max_usable) for each, status in found.items()}


@pytest.mark.parametrize("pause_seconds", [0, 20])
@pytest.mark.parametrize("coming", list(permutations(TREE)), ids="-".join)
@pytest.mark.parametrize("going", [TREE, TREE[::-1]], ids="-".join)
def test_a_tree_goes_and_comes_back_in_any_order(
    caplog: pytest.LogCaptureFixture, going: Sequence[str], coming: Sequence[str], pause_seconds: float
) -> None:
    async def story() -> None:
        simulation = await prepared()
        for each in TREE:
            apply(simulation, each)
        await used_up_to(simulation, 3)
        await simulation.pass_seconds(MINUTE)
        before = numbers(simulation)
        assert before["root"] == (0, 3 * PRICE, 7 * PRICE)
        await deleted(simulation, going, pause_seconds)
        await simulation.pass_seconds(MINUTE)
        for each in coming:
            apply(simulation, each)
            await simulation.pass_seconds(pause_seconds)
        await simulation.pass_seconds(11 * MINUTE)
        assert numbers(simulation) == before
        await used_up_to(simulation, 2)
        await simulation.pass_seconds(11 * MINUTE)
        assert numbers(simulation)["root"] == (0, 5 * PRICE, 5 * PRICE)
        assert numbers(simulation)["physics"] == (5 * PRICE, 5 * PRICE, 5 * PRICE)

    play(story())
    assert not [each.message for each in caplog.records if each.levelname == "ERROR"]


@pytest.mark.parametrize("going", [TREE, TREE[::-1]], ids="-".join)
def test_what_comes_back_alone_can_be_used(going: Sequence[str]) -> None:
    async def story() -> None:
        simulation = await prepared()
        for each in TREE:
            apply(simulation, each)
        await used_up_to(simulation, 3)
        await deleted(simulation, going, 0)
        apply(simulation, "root")
        await simulation.pass_seconds(11 * MINUTE)
        status = simulation.wallet(namespace="root").status
        assert status.observed_generation == 1
        assert (status.total_usage, status.max_usable) == (3 * PRICE, 7 * PRICE)

    play(story())
