"""Defects of nodes that fall silent, and of what is tried again: whoever was away comes back, or doesn't."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.simulation.bills import check_bills
from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.oracles import everything_ends
from tests.simulation.museum.stories import Scene
from tests.simulation.network import Way
from tests.simulation.podlife import Loss
from tests.simulation.promises import prepared, runs
from tests.simulation.stories import job, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import UCLOUDJOBS

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from tests.simulation.simulation import Simulation
    from ucloud_operator.kube.transport import Request

PLENTY: Final = 10**9


async def a_node_falls_silent_and_nobody_deletes_it() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await simulation.pass_seconds(30)
    (pod,) = simulation.pods()
    simulation.kubelets.lose_node(pod["spec"]["nodeName"], Loss.SILENT)
    await everything_ends(simulation)


async def a_job_is_ended_after_one_of_its_nodes_fell_silent() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job(replicas=2))
    await runs(simulation)
    await simulation.pass_seconds(30)
    simulation.kubelets.lose_node("node-1", Loss.SILENT)
    await simulation.pass_seconds(120)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await everything_ends(simulation)


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


async def a_job_is_suspended_again_while_it_is_resumed() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
    await simulation.until(lambda: simulation.job().status.state is JobState.SUSPENDED)
    way = SuspendedAgain(simulation)
    simulation.ways.append(way)
    simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
    await simulation.pass_seconds(30)
    assert way.happened, "nobody resumed it"
    assert simulation.job().status.state is JobState.SUSPENDED
    assert len(simulation.audit.pods) == 1, "it was launched although it is suspended"


async def a_job_is_tried_again_while_its_first_node_is_cut_off() -> None:
    """The node comes back when its pod has been given up, and has the end of a container with it."""
    simulation = await prepared(exit_after="40s")
    simulation.apply(wallet(quota=PLENTY), job())
    await simulation.until(lambda: any(pod["spec"].get("nodeName") for pod in simulation.pods()), look_seconds=0.01)
    cut_off = asyncio.gather(*(simulation.kubelets.cut_off(node, 120) for node in simulation.kubelets.nodes))
    simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
    await simulation.until(lambda: simulation.job().status.state is JobState.SUSPENDED, within_seconds=90)
    simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
    resumed_ms = simulation.clock.now_ms()
    await cut_off
    await simulation.until(simulation.is_over, within_seconds=120)
    began_ms = simulation.job().status.runs[0].started_at
    assert began_ms >= resumed_ms, f"its run began {resumed_ms - began_ms} ms before it was resumed"
    await simulation.pass_seconds(120)
    check_bills(simulation, exact=False)


EXHIBITS: Final = (
    Exhibit(
        name="A silent node is billed until its pods are given up",
        origins={"here (559f16e)": ""},
        did="A node is called silent after 50 s, and its pods are given up five minutes later: the bill went on.",
        protection="The first word that it is gone ends the bill, if nothing was heard of it after that.",
        changes=(Change("lifecycle.kubelet:PodCondition.gives_up", "return unready or (", "return ("),),
        story=Scene(a_node_falls_silent_and_nobody_deletes_it),
        caught_by=r"billed for \d+ ms after it had ended",
        taught="Of several who give something up, the first one knew as much as the last.",
    ),
    Exhibit(
        name="A replica on a silent node is billed until another one ends",
        origins={"here (559f16e)": ""},
        did="A job ran on for minutes on one of its two nodes after the other had died, and paid for both.",
        protection="When a run ends, what was said of replicas that nobody can hear of counts as well.",
        changes=(
            Change(
                "lifecycle.observe:_run_ended", "min((first.ended_ms, *_given_up_ms(seen.values())))", "first.ended_ms"
            ),
        ),
        story=Scene(a_job_is_ended_after_one_of_its_nodes_fell_silent),
        caught_by=r"billed for \d+ ms after it had ended",
        taught="The first end that is heard of needn't be the first one.",
    ),
    Exhibit(
        name="What comes after a refused write is done all the same",
        origins={"here (6402961)": ""},
        did="The write that a job goes on was refused, as its user had suspended it again; its pods were created.",
        protection="A decision is given up with the first of its commands that is refused, and made anew.",
        changes=(
            Change(
                "control.jobs:Jobs._carry_out",
                "await self._write(job, command)",
                "try:\n                await self._write(job, command)\n"
                "            except Conflict:\n                await self._calls.refresh(job)",
            ),
        ),
        story=Scene(a_job_is_suspended_again_while_it_is_resumed),
        caught_by="it was launched although it is suspended",
        taught="A conflict doesn't refuse a write, it refuses what the write was decided from.",
    ),
    Exhibit(
        name="A pod that was given up is taken for gone",
        origins={"here (6402961)": ""},
        did="Its node came back with the end of a container, and that was the end of the next attempt of its job.",
        protection="A pod is gone when the API server says so; one whose kubelet is away stays when it is let go.",
        changes=(
            Change(
                "control.calls:Calls.release_pods",
                "released.is_stopped and not released.metadata.finalizers",
                "pod.is_being_deleted and pod.metadata.finalizers == (templates.FINALIZER,)",
            ),
        ),
        story=Scene(a_job_is_tried_again_while_its_first_node_is_cut_off),
        caught_by=r"began \d+ ms before it was resumed",
        taught="To let go of something isn't to be rid of it.",
    ),
)
