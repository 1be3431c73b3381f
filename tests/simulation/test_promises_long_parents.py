"""What several parents have paid stays paid: a wallet that goes and comes back is charged to each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.loop import play
from tests.simulation.promises import MINUTE, prepared
from tests.simulation.stories import PRICE, allocation, group, job, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from tests.simulation.objects import Json
    from tests.simulation.simulation import Simulation

NAME = "example-compute"
SOON, LATE = "2035-01-01T00:00:00Z", "2040-01-01T00:00:00Z"


def project() -> Json:
    """A wallet that two faculties pay for: arts for two minutes, then bio for ten."""
    arts = group(allocation(2 * PRICE, ends=SOON), parent=f"arts/{NAME}")
    bio = group(allocation(10 * PRICE, ends=LATE), parent=f"bio/{NAME}")
    return wallet(groups=[arts, bio])


async def paid_for_three_minutes(simulation: Simulation) -> None:
    """A job of the project has used all of arts' credits and a minute of bio's; bio has another child."""
    for faculty in ("arts", "bio"):
        simulation.apply(wallet(quota=100 * PRICE), namespace=faculty)
    simulation.apply(wallet(quota=10**9, parent=f"bio/{NAME}"), namespace="course")
    simulation.apply(project(), job(minutes=3))
    await simulation.until(lambda: simulation.job().is_final)
    assert simulation.job().status.state is JobState.EXPIRED


def used(simulation: Simulation, namespace: str) -> tuple[int, int]:
    """What a wallet says was used by itself, and in all."""
    status = simulation.wallet(namespace=namespace).status
    return status.local_usage, status.total_usage


async def gone(simulation: Simulation, *, with_its_job: bool = True) -> None:
    """The project's wallet is deleted, and its job before it."""
    if with_its_job:
        simulation.delete(UCLOUDJOBS, "a")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a"))
    simulation.delete(WALLETS, NAME)
    await simulation.until(lambda: not simulation.exists(WALLETS, NAME))


@pytest.mark.parametrize("with_its_job", [True, False])
@pytest.mark.parametrize("away_seconds", [0, 5, 90])
def test_a_wallet_that_comes_back_is_charged_to_its_parents_once(away_seconds: float, *, with_its_job: bool) -> None:
    async def story() -> None:
        simulation = await prepared()
        await paid_for_three_minutes(simulation)
        await gone(simulation, with_its_job=with_its_job)
        await simulation.pass_seconds(away_seconds)
        simulation.apply(project())
        await simulation.pass_seconds(11 * MINUTE)
        assert used(simulation, "arts") == (0, 2 * PRICE)
        assert used(simulation, "bio") == (0, PRICE)
        paid = simulation.wallet().status
        assert (paid.local_usage, paid.max_usable) == (3 * PRICE, 9 * PRICE)

    play(story())


def test_what_a_wallet_that_is_gone_has_used_stays_with_each_of_its_parents() -> None:
    async def story() -> None:
        simulation = await prepared()
        await paid_for_three_minutes(simulation)
        await gone(simulation)
        await simulation.pass_seconds(11 * MINUTE)
        for faculty, usage in (("arts", 2 * PRICE), ("bio", PRICE)):
            assert used(simulation, faculty) == (0, usage)
            departed = simulation.wallet(namespace=faculty).status.departed
            assert [each.usage for each in departed] == [usage]

    play(story())


def test_it_goes_and_comes_again_and_again() -> None:
    async def story() -> None:
        simulation = await prepared()
        await paid_for_three_minutes(simulation)
        await gone(simulation)
        for round_ in range(1, 5):
            simulation.apply(project())
            await simulation.pass_seconds(5)
            simulation.apply(job(minutes=1))
            await simulation.until(lambda: simulation.job().is_final)
            await gone(simulation, with_its_job=bool(round_ % 2))
            await simulation.pass_seconds(11 * MINUTE)
            assert used(simulation, "arts") == (0, 2 * PRICE)
            assert used(simulation, "bio") == (0, (1 + round_) * PRICE)
            if not round_ % 2:
                simulation.delete(UCLOUDJOBS, "a")
                await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a"))

    play(story())
