"""Wallets with several parents: charges take the path that ends first, whatever happens to the operator."""

from __future__ import annotations

import pytest

from tests.simulation.bills import check_bills
from tests.simulation.loop import play
from tests.simulation.promises import prepared
from tests.simulation.simulation import Simulation
from tests.simulation.stories import allocation, application, group, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import LEDGERCHECKPOINTS, UCLOUDJOBS, WALLETS, WALLETSTATEMENTS

NAME = "example-compute"
SOON, LATE = "2035-01-01T00:00:00Z", "2040-01-01T00:00:00Z"


def faculties(simulation: Simulation) -> None:
    """Two faculties that pay for one project, and a course that the second pays for as well."""
    simulation.apply(product(), application())
    simulation.apply(wallet(quota=10**9), namespace="arts")
    simulation.apply(wallet(quota=250_000), namespace="bio")
    simulation.apply(
        wallet(
            groups=[
                group(allocation(100_000, ends=SOON), parent=f"arts/{NAME}"),
                group(allocation(200_000, ends=LATE), parent=f"bio/{NAME}"),
            ]
        ),
        namespace="project",
    )
    simulation.apply(wallet(quota=10**6, parent=f"bio/{NAME}"), namespace="course")


def numbers(simulation: Simulation) -> dict[str, tuple[int, int]]:
    """Return every wallet's total usage and what is left to use."""
    wallets = (simulation.wallet(namespace=name) for name in ("arts", "bio", "project", "course"))
    return {w.metadata.namespace or "": (w.status.total_usage, w.status.max_usable) for w in wallets}


def test_the_path_that_ends_first_is_used_up_first() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        faculties(simulation)
        simulation.apply(job(), namespace="project")
        await simulation.until(lambda: simulation.job(namespace="project").status.state is JobState.RUNNING)
        await simulation.pass_seconds(150)
        assert numbers(simulation)["arts"][0] > 0
        assert simulation.wallet(namespace="project").status.groups[1].tree_usage < 50_000
        await simulation.until(simulation.is_over, within_seconds=600)
        await simulation.pass_seconds(700)
        ended = simulation.job(namespace="project")
        assert (ended.status.reason, ended.status.usage) == ("OutOfCredits", 300_000)
        used = numbers(simulation)
        assert (used["arts"], used["bio"]) == ((100_000, 10**9 - 100_000), (200_000, 50_000))
        assert used["project"] == (300_000, 0)
        check_bills(simulation)

    play(story())


def test_whoever_shares_the_second_path_is_stopped_with_it_and_the_first_is_used_on() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        faculties(simulation)
        simulation.apply(job(), namespace="project")
        simulation.apply(job(replicas=3), namespace="course")
        await simulation.until(simulation.is_over, within_seconds=900)
        await simulation.pass_seconds(700)
        used = numbers(simulation)
        assert used["bio"] == (250_000, 0)
        project, course = (simulation.job(namespace=name) for name in ("project", "course"))
        assert project.status.usage + course.status.usage == used["arts"][0] + 250_000
        assert {project.status.reason, course.status.reason} == {"OutOfCredits"}
        check_bills(simulation)

    play(story())


@pytest.mark.parametrize("kill_after_seconds", [1, 3, 7, 50, 119, 121, 200, 340, 358, 361])
def test_a_killed_operator_leaves_the_same_numbers(kill_after_seconds: int) -> None:
    async def story() -> None:
        simulation = Simulation(seed=kill_after_seconds)
        replica = simulation.start_operator()
        faculties(simulation)
        simulation.apply(job(), namespace="project")
        await simulation.pass_seconds(kill_after_seconds)
        replica.process.kill()
        await simulation.pass_seconds(20)
        simulation.start_operator()
        await simulation.until(simulation.is_over, within_seconds=900)
        await simulation.pass_seconds(700)
        used = numbers(simulation)
        assert simulation.job(namespace="project").status.usage == 300_000
        assert (used["arts"][0], used["bio"][0], used["project"][0]) == (100_000, 200_000, 300_000)
        check_bills(simulation)

    play(story())


def test_a_settled_job_leaves_its_usage_on_the_paths_that_it_took() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        faculties(simulation)
        simulation.apply(job(minutes=3), namespace="project")
        await simulation.until(simulation.is_over, within_seconds=600)
        simulation.delete(UCLOUDJOBS, "a", namespace="project")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a", namespace="project"))
        assert len(list(simulation.api.storage.every(WALLETSTATEMENTS))) == 1
        simulation.apply(job("b"), namespace="project")
        await simulation.until(lambda: simulation.job("b", namespace="project").is_final, within_seconds=600)
        await simulation.pass_seconds(700)
        assert simulation.job("b", namespace="project").status.usage == 150_000
        used = numbers(simulation)
        assert (used["arts"][0], used["bio"][0], used["project"]) == (100_000, 200_000, (300_000, 0))
        check_bills(simulation)

    play(story())


def test_a_second_parent_comes_to_a_wallet_whose_jobs_run() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        faculties(simulation)
        simulation.apply(job(), namespace="course")
        await simulation.pass_seconds(100)
        assert len(list(simulation.api.storage.every(LEDGERCHECKPOINTS))) == 1
        simulation.edit(
            WALLETS,
            NAME,
            {
                "allocationGroups": [
                    group(allocation(10**6), parent=f"bio/{NAME}"),
                    group(allocation(70_000, id="more"), parent=f"arts/{NAME}"),
                ]
            },
            namespace="course",
        )
        await simulation.until(simulation.is_over, within_seconds=900)
        await simulation.pass_seconds(700)
        assert simulation.job(namespace="course").status.usage == 320_000
        used = numbers(simulation)
        assert (used["arts"][0], used["bio"][0], used["course"]) == (70_000, 250_000, (320_000, 0))
        check_bills(simulation)

    play(story())


def test_one_parent_of_two_is_deleted_and_the_other_pays_on() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        faculties(simulation)
        simulation.apply(job(), namespace="project")
        await simulation.pass_seconds(60)
        simulation.delete(WALLETS, NAME, namespace="arts")
        await simulation.until(simulation.is_over, within_seconds=900)
        await simulation.pass_seconds(700)
        ended, used = simulation.job(namespace="project"), numbers(simulation)
        assert ended.status.reason == "OutOfCredits"
        assert used["bio"][0] == 200_000
        assert ended.status.usage == 200_000 + used["arts"][0]
        check_bills(simulation)

    play(story())


def test_what_a_free_project_used_is_kept_though_nobody_pays_for_it() -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        faculties(simulation)
        free = wallet(groups=[group(allocation(10**6), parent=f"{each}/{NAME}") for each in ("arts", "bio")], free=True)
        simulation.apply(free, namespace="free")
        simulation.apply(job(minutes=2), namespace="free")
        await simulation.until(lambda: simulation.job(namespace="free").status.state is JobState.RUNNING)
        await simulation.pass_seconds(90)
        assert simulation.wallet(namespace="free").status.total_usage > 0
        await simulation.until(simulation.is_over, within_seconds=300)
        simulation.delete(UCLOUDJOBS, "a", namespace="free")
        await simulation.pass_seconds(700)
        status = simulation.wallet(namespace="free").status
        assert (status.total_usage, status.settled_usage, status.excess) == (100_000, 100_000, 0)
        assert numbers(simulation)["bio"][0] == numbers(simulation)["arts"][0] == 0

    play(story())


@pytest.mark.parametrize("seed", range(6))
def test_two_projects_that_part_keep_what_each_had_used_and_where(seed: int) -> None:
    """They had one checkpoint between them, and neither's next one may stand in its place: seeds make other uids."""

    def grants(first: str, second: str) -> list[dict[str, object]]:
        """Credits of two parents: those of the first end first, and are too few for a job of a minute."""
        return [
            group(allocation(30_000, ends=SOON), parent=f"{first}/{NAME}"),
            group(allocation(10**6, ends=LATE), parent=f"{second}/{NAME}"),
        ]

    async def story() -> None:
        simulation = Simulation(seed)
        simulation.start_operator()
        simulation.apply(product(), application())
        for namespace in ("arts", "bio", "chem", "shared"):
            simulation.apply(wallet(quota=10**9), namespace=namespace)
        sides = {"left": ("arts", "bio"), "right": ("chem", "shared")}
        for side, parents in sides.items():
            simulation.apply(wallet(groups=grants(*parents)), job(minutes=1), namespace=side)
        await simulation.pass_seconds(5)
        await simulation.until(simulation.is_over, within_seconds=300)
        apart = grants(*sides["left"])
        together = [*apart, group(allocation(1000, ends=LATE), parent=f"shared/{NAME}")]
        simulation.edit(WALLETS, NAME, {"allocationGroups": together}, namespace="left")
        await simulation.pass_seconds(100)
        simulation.edit(WALLETS, NAME, {"allocationGroups": apart}, namespace="left")
        for side in sides:
            simulation.apply(job("b", minutes=1), namespace=side)
            await simulation.pass_seconds(5)
            await simulation.until(simulation.is_over, within_seconds=300)
        await simulation.pass_seconds(700)
        for side, (first, second) in sides.items():
            groups = simulation.wallet(namespace=side).status.groups
            used = {each.parent.key: each.tree_usage for each in groups if each.parent is not None}
            assert used[f"{first}/{NAME}"] == 30_000
            assert used[f"{second}/{NAME}"] == 70_000
        check_bills(simulation)

    play(story())


@pytest.mark.parametrize("others", [[], ["root"]], ids=["nothing but a circle", "a circle that a root pays for"])
def test_wallets_that_are_each_others_parents_can_be_deleted(others: list[str]) -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        simulation.apply(wallet(quota=10**9), namespace="root")
        around = {"a": "b", "b": "c", "c": "a"}
        for namespace, parent in around.items():
            groups = [group(allocation(10**6), parent=f"{each}/{NAME}") for each in (parent, *others)]
            simulation.apply(wallet(groups=groups), namespace=namespace)
        await simulation.pass_seconds(30)
        simulation.delete(WALLETS, NAME, namespace="a")
        await simulation.pass_seconds(30)
        assert simulation.exists(WALLETS, NAME, namespace="a"), "wallets below use it, of which one stays"
        for namespace in ("b", "c"):
            simulation.delete(WALLETS, NAME, namespace=namespace)
        await simulation.until(lambda: not any(simulation.exists(WALLETS, NAME, namespace=each) for each in around))

    play(story())


def test_wallets_that_used_something_before_they_became_each_others_parents_can_be_deleted() -> None:
    async def story() -> None:
        simulation = await prepared()
        around = {"a": "b", "b": "c", "c": "a"}
        simulation.apply(wallet(quota=10**9), namespace="root")
        from_root = group(allocation(10**6), parent=f"root/{NAME}")
        for namespace in around:
            simulation.apply(wallet(groups=[from_root]), job(minutes=1), namespace=namespace)
        await simulation.until(lambda: all(simulation.job(namespace=each).is_final for each in around))
        used = {each: simulation.job(namespace=each).status.usage for each in around}
        for namespace, parent in around.items():
            around_here = group(allocation(10**6, id="around"), parent=f"{parent}/{NAME}")
            simulation.apply(wallet(groups=[around_here, from_root]), namespace=namespace)
        await simulation.pass_seconds(30)
        for namespace in around:
            simulation.delete(UCLOUDJOBS, "a", namespace=namespace)
        await simulation.pass_seconds(30)
        simulation.delete(WALLETS, NAME, namespace="a")
        await simulation.pass_seconds(30)
        for namespace in ("b", "c"):
            simulation.delete(WALLETS, NAME, namespace=namespace)
        await simulation.until(lambda: not any(simulation.exists(WALLETS, NAME, namespace=each) for each in around))
        root = simulation.wallet(namespace="root").status
        assert {gone.namespace: gone.usage for gone in root.departed} == used
        assert root.total_usage == sum(used.values()) > 0

    play(story())
