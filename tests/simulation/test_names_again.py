"""Names that are used again: whoever comes under the name of one who went takes over what was the same, and no more."""

from __future__ import annotations

import pytest

from tests.simulation.loop import play
from tests.simulation.podlife import Loss
from tests.simulation.simulation import Simulation
from tests.simulation.stories import allocation, application, group, job, product, wallet
from ucloud_operator.kube.resources import PODS, SERVICES, UCLOUDJOBS, WALLETS

NAME = "example-compute"
COST = 50_000


@pytest.mark.parametrize("several_parents", [False, True], ids=["one parent", "several parents"])
@pytest.mark.parametrize("category", ["storage", NAME])
def test_what_a_deleted_wallet_had_used_stays_used_whoever_has_its_name(
    several_parents: bool,  # noqa: FBT001  # a parameter
    category: str,
) -> None:
    parents = [f"root/{NAME}", *([f"spare/{NAME}"] if several_parents else [])]

    def below(category: str) -> dict[str, object]:
        return wallet(category=category, groups=[group(allocation(10**6), parent=parent) for parent in parents])

    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        simulation.apply(product(), application())
        for namespace in ("root", "spare"):
            simulation.apply(wallet(quota=10**9), namespace=namespace)
        simulation.apply(below(NAME), job(minutes=1), namespace="lab")
        await simulation.pass_seconds(5)
        await simulation.until(simulation.is_over, within_seconds=200)
        simulation.delete(WALLETS, NAME, namespace="lab")
        await simulation.until(lambda: not simulation.exists(WALLETS, NAME, namespace="lab"))
        simulation.apply(below(category), namespace="lab")
        await simulation.pass_seconds(120)
        assert simulation.wallet(namespace="root").status.total_usage == COST
        status = simulation.wallet(namespace="lab").status
        assert status.total_usage == (COST if category == NAME else 0)
        assert status.blocked.partition(":")[0] == ("" if category == NAME else "CategoryMismatch")
        simulation.delete(WALLETS, NAME, namespace="lab")
        await simulation.until(lambda: not simulation.exists(WALLETS, NAME, namespace="lab"))
        await simulation.pass_seconds(120)
        root = simulation.wallet(namespace="root").status
        assert (root.total_usage, root.local_usage) == (COST, 0)
        assert sum(gone.usage for gone in root.departed) == COST

    play(story())


@pytest.mark.parametrize("named", [("spare", "other"), ("spare",), ()])
def test_a_parent_that_is_not_named_any_more_keeps_what_was_used_of_it(named: tuple[str, ...]) -> None:
    async def story() -> None:
        simulation = Simulation()
        simulation.start_operator()
        simulation.apply(product(), application())
        for namespace in ("root", "spare", "other"):
            simulation.apply(wallet(quota=10**9), namespace=namespace)
        first = group(allocation(10**6, ends="2030-01-01T00:00:00Z"), parent=f"root/{NAME}")
        groups = [first, group(allocation(10**6), parent=f"spare/{NAME}")]
        simulation.apply(wallet(groups=groups), job(minutes=1), namespace="lab")
        await simulation.pass_seconds(5)
        await simulation.until(simulation.is_over, within_seconds=200)
        simulation.delete(WALLETS, NAME, namespace="lab")
        await simulation.until(lambda: not simulation.exists(WALLETS, NAME, namespace="lab"))
        again = [group(allocation(10**6, id="again"), parent=f"{namespace}/{NAME}") for namespace in named]
        simulation.apply(wallet(groups=again), namespace="lab")
        await simulation.pass_seconds(120)
        status = simulation.wallet(namespace="lab").status
        used = {group.parent.key: group.tree_usage for group in status.groups if group.parent is not None}
        assert used[f"root/{NAME}"] == status.total_usage == COST
        assert simulation.wallet(namespace="root").status.total_usage == COST

    play(story())


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_job_waits_for_a_pod_that_has_its_pods_name_and_asks_for_nothing_meanwhile(
    replicas: int,
    restarted: bool,  # noqa: FBT001  # a parameter
) -> None:
    async def story() -> None:
        simulation = Simulation(nodes=4)
        operator = simulation.start_operator()
        simulation.apply(product(), application(), wallet(quota=10**9), job(replicas=replicas))
        await simulation.until(lambda: simulation.job().status.state == "RUNNING")
        first, node = simulation.pods()[-1]["metadata"]["name"], simulation.pods()[-1]["spec"]["nodeName"]
        simulation.kubelets.lose_node(node, Loss.SILENT)
        simulation.delete(UCLOUDJOBS, "a")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a"), within_seconds=900)
        simulation.apply(job(replicas=replicas))
        if restarted:
            operator.process.kill()
            operator = simulation.start_operator()
        await simulation.pass_seconds(60)
        waits = f"Your job waits for pod {first} to go: it is of an earlier job of the same name"
        says = f"{waits}, and stays until node {node} is back or its Node object is deleted"
        assert (simulation.job().status.state, simulation.job().status.message) == ("IN_QUEUE", says)
        asked = len(operator.calls)
        await simulation.pass_seconds(3600)
        about_it = [call for call in operator.calls[asked:] if call.resource in {PODS, SERVICES, UCLOUDJOBS}]
        assert not [call for call in about_it if call.verb not in {"list", "watch"}]
        simulation.kubelets.remove_nodes()
        gone = simulation.pods()[-1]["metadata"]["uid"]
        await simulation.until(lambda: gone not in {pod["metadata"]["uid"] for pod in simulation.pods()})
        await simulation.until(lambda: simulation.job().status.state == "RUNNING", within_seconds=5)

    play(story())
