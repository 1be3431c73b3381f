"""Defects of following what happens: operators that are blind and stay, or see what isn't there any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.simulation import kopf_feed
from tests.simulation.admission import OPERATOR
from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.oracles import check_ended, everything_ends
from tests.simulation.museum.stories import Accidents, Scene
from tests.simulation.network import FINE, Faults, Way
from tests.simulation.promises import killed, prepared
from tests.simulation.simulation import Simulation
from tests.simulation.stories import CATEGORY, application, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import COMPUTEPRODUCTS, PODS, UCLOUDJOBS
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from ucloud_operator.kube.transport import Request

PLENTY: Final = 10**9
ENOUGH_FOR_LONG: Final = 582_000
"""For two replicas and 349 seconds."""
FALLS_SILENT: Final = Faults(watch_seconds=3, silent=1)
KOPF: Final = "https://github.com/nolar/kopf/issues"


async def silent(simulation: Simulation) -> None:
    """All watches that are open by now have fallen silent; those that are opened from now on don't."""
    (replica,) = simulation.replicas
    await simulation.pass_seconds(30)
    replica.network.faults = FINE


async def all_watches_fall_silent() -> None:
    simulation = Simulation()
    simulation.apply(product(), application(exit_after="30s"), wallet(quota=PLENTY))
    simulation.start_operator(FALLS_SILENT)
    await silent(simulation)
    simulation.apply(job())
    await everything_ends(simulation, within_seconds=300)


async def history_is_forgotten_while_watches_are_silent() -> None:
    simulation = Simulation()
    simulation.apply(product(), application(exit_after="30s"), wallet(quota=PLENTY))
    simulation.start_operator(FALLS_SILENT)
    await silent(simulation)
    simulation.apply(product("another"))
    simulation.api.compact()
    simulation.apply(job())
    await everything_ends(simulation, within_seconds=300)


async def a_product_is_deleted_while_watches_are_silent() -> None:
    simulation = Simulation()
    simulation.apply(product(), application(exit_after="30s"), wallet(quota=PLENTY))
    simulation.start_operator(FALLS_SILENT)
    await silent(simulation)
    simulation.delete(COMPUTEPRODUCTS, CATEGORY)
    simulation.api.compact()
    await simulation.pass_seconds(700)
    simulation.apply(job())
    await everything_ends(simulation)
    check_ended(simulation, JobState.FAILURE, "ProductNotFound")


class Untold(Way):
    """No watch tells that a pod has ended."""

    def told(self, request: Request, line: bytes, process: Process | None) -> list[tuple[float, bytes]]:  # noqa: ARG002  # to nobody
        """Leave it out."""
        return [] if request.resource == PODS and b'"phase": "Succeeded"' in line else [(0, line)]


async def nobody_is_told_that_a_pod_has_ended() -> None:
    simulation = await prepared(exit_after="30s")
    simulation.ways.append(Untold())
    simulation.apply(wallet(quota=PLENTY), job())
    await everything_ends(simulation, within_seconds=900)


class Deaf(Way):
    """No watch tells of pods for half a minute, and after that it takes a while to read how all of a job's fare."""

    def __init__(self, since: float) -> None:
        self._since, self._until = since, since + 30

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # anybody's
        """Hold up the look at its pods that comes before a job's end is decided."""
        if point == "sent" and request.verb == "list" and request.resource == PODS and request.namespace:
            await asyncio.sleep(3)

    def told(self, request: Request, line: bytes, process: Process | None) -> list[tuple[float, bytes]]:  # noqa: ARG002  # to nobody
        """Bring what is told meanwhile at its end."""
        now = asyncio.get_running_loop().time()
        deaf = request.resource == PODS and self._since <= now < self._until
        return [(self._until - now if deaf else 0, line)]


async def an_end_and_two_starts_are_heard_of_at_once_and_late() -> None:
    simulation = await prepared()
    simulation.ways.append(Deaf(since=295))
    simulation.apply(wallet(quota=ENOUGH_FOR_LONG), application("slow", start_after="302s"))
    simulation.apply(job(replicas=2), *(job(name, application="slow") for name in ("b", "c")))
    await simulation.pass_seconds(300)
    one = next(pod for pod in simulation.pods() if pod["metadata"]["name"] == "j-a-job-1")
    simulation.kubelets.end(one["metadata"]["uid"], code=0)
    await everything_ends(simulation, within_seconds=300)
    used = sum(each.status.usage for each in simulation.jobs())
    assert used == ENOUGH_FOR_LONG, f"jobs were ended for lack of credits while {ENOUGH_FOR_LONG - used} were left"


async def more_wallets_than_workers_wait_for_a_new_leader() -> None:
    simulation = Simulation(settings=Settings(workers=2, urgent_workers=2))
    simulation.apply(product(), application())
    simulation.start_operator()
    for number in range(4):
        simulation.apply(wallet(quota=PLENTY), job(), namespace=f"team-{number}")
    await simulation.until(lambda: all(each.status.state is JobState.RUNNING for each in simulation.jobs()))
    await killed(simulation)
    simulation.start_operator()
    await simulation.pass_seconds(60)
    for number in range(4):
        simulation.edit(UCLOUDJOBS, "a", {"terminate": True}, namespace=f"team-{number}")
    await everything_ends(simulation)


async def a_pod_turns_up_after_its_job_has_gone() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await simulation.until(simulation.pods)
    (first,) = simulation.pods()
    simulation.delete(UCLOUDJOBS, "a")
    await simulation.until(lambda: not simulation.jobs())
    again = {name: first["metadata"][name] for name in ("labels", "annotations", "finalizers", "ownerReferences")}
    late = {"metadata": {"name": "late", **again}, "spec": first["spec"]}
    simulation.api.create(PODS, "physics", late, user=OPERATOR)
    await simulation.until(lambda: not simulation.pods(), within_seconds=60)


async def a_wallet_is_created_where_watches_are_quicker_than_answers() -> None:
    usual, kopf_feed.BATCH_SECONDS = kopf_feed.BATCH_SECONDS, 0
    try:
        simulation = Simulation(faults=Faults(latency_ms=(30, 60), event_latency_ms=(1, 3)))
        simulation.start_operator()
        await simulation.pass_seconds(5)
        simulation.apply(wallet(quota=100_000))
        await simulation.pass_seconds(5)
        granted = [each.quota for each in simulation.wallet().status.groups]
        assert granted == [100_000], f"of 100000 that were granted there are {granted}"
    finally:
        kopf_feed.BATCH_SECONDS = usual


EXHIBITS: Final = (
    Exhibit(
        name="A watch that falls silent is listened to for ever",
        origins={"kopf #1276": f"{KOPF}/1276", "kopf #996": f"{KOPF}/996", "kopf #787": f"{KOPF}/787"},
        did="After a connection was lost without a word, the operator ran on and saw nothing, until it was restarted.",
        protection="There is a bookmark a minute if nothing else; a watch that is silent for longer is opened anew.",
        changes=(Change("kube.reflector:Reflector._watch", "idle_seconds=self._idle_seconds,", "idle_seconds=10**9,"),),
        story=Scene(all_watches_fall_silent),
        caught_by="not within",
        taught="Silence and nothing new must not look the same.",
    ),
    Exhibit(
        name="A history that is gone is asked for again and again",
        origins={
            "dotnet-operator-sdk #724": "https://github.com/dotnet/dotnet-operator-sdk/issues/724",
            "jaeger-operator #103": "https://github.com/jaegertracing/jaeger-operator/issues/103",
        },
        did="After some days a watch was answered with: too old resource version. The operator stopped working.",
        protection="410 means: list anew, and compare.",
        changes=(
            Change(
                "kube.reflector:Reflector._mind_failure",
                "self._list_needed = True\n        return",
                "return",
            ),
        ),
        story=Scene(history_is_forgotten_while_watches_are_silent),
        caught_by="not within",
        taught="Errors that never pass by themselves need a way of their own.",
    ),
    Exhibit(
        name="What was deleted unseen is there for ever",
        origins={
            "Kopf (after a relist)": "",
            "dotnet-operator-sdk #675": "https://github.com/dotnet/dotnet-operator-sdk/issues/675",
        },
        did="What was deleted while a watch was down is never reported: it is merely absent from the next list.",
        protection="Full lists now and then, compared with what is known; what a list lacks is gone.",
        changes=(Change("kube.reflector:Reflector._list", "self.store.sweep(present, version)", "pass"),),
        story=Scene(a_product_is_deleted_while_watches_are_silent),
        caught_by="physics/a ended as SUCCESS for Completed",
        taught="Absence is news that somebody has to go and look for.",
    ),
    Exhibit(
        name="One event is missed, and never made up for",
        origins={"here (04f6d63)": "", "kopf #698": f"{KOPF}/698"},
        did="Of three replicas one ended; the event of it never came, and the job ran on until its credits ended.",
        protection="Everything is listed in full now and then, pods too.",
        changes=(
            Change(
                "control.operator:Operator._relist",
                "for each in (self.pods, *self._lists):",
                "for each in self._lists:",
            ),
        ),
        story=Scene(nobody_is_told_that_a_pod_has_ended),
        caught_by="not within .* physics/a RUNNING",
        taught="A mechanism that never fails deserves a second one for when it does.",
    ),
    Exhibit(
        name="Workers wait for each other",
        origins={"kopf #1243": f"{KOPF}/1243"},
        did="Each worker held its slot until all objects were indexed; with fewer slots than objects that never was.",
        protection="A worker never waits for another key: what has to wait is put off, and not for ever.",
        changes=(
            Change(
                "control.operator:Operator._work",
                "self._put_off[key] = None",
                "while self._unseen:\n            await self._clock.sleep(1)",
            ),
            Change("control.operator:Operator._look_around", "1000 * LOOK_SECONDS", "10**12"),
        ),
        story=Scene(more_wallets_than_workers_wait_for_a_new_leader),
        caught_by="not within",
        taught="Whoever waits inside a bounded pool for others in it waits for himself.",
    ),
    Exhibit(
        name="A pod without an owner is held for ever",
        origins={"kubernetes #108645": "https://github.com/kubernetes/kubernetes/issues/108645"},
        did="Pods whose Job was gone kept the finalizer that the Job controller had put on them, and their namespace.",
        protection="A pod whose job is unknown is work of its own: the job is looked for, and the pod let go.",
        changes=(
            Change(
                "control.world:World.orphan",
                "return pod if pod is not None and self.is_orphan(pod) else None",
                "return None",
            ),
        ),
        story=Scene(a_pod_turns_up_after_its_job_has_gone),
        caught_by="not within",
        taught="A finalizer is a debt; somebody must be there to pay it, whatever else is gone.",
    ),
    Exhibit(
        name="Old news replaces new",
        origins={
            "kuberay #715": "https://github.com/ray-project/kuberay/issues/715",
        },
        did="Decisions were made from a cache that was behind the controller's own writes: too many pods were made.",
        protection="The newest version wins, whoever brings it; the answer to an own write is news, too.",
        changes=(Change("kube.store:Store.apply", "if entry is not None and version <= entry.version:", "if False:"),),
        story=Accidents(seeds=6),
        caught_by="its usage fell from",
        taught="Conflicts kept the jobs right; the wallets, which are worked out from all of them, were wrong.",
    ),
    Exhibit(
        name="An edit is hidden by what it was before",
        origins={"here (09ea83d)": ""},
        did="A watch told of a write before its answer came; then the old status stood in the place of the new one.",
        protection="A decision counts only as long as its object is of the version that it was made from.",
        changes=(
            Change(
                "control.decided:Decided.wallet",
                "return wallet if version != wallet.metadata.resource_version else",
                "return wallet if status is None else",
            ),
            Change("control.decided:Decided.publication", "if edited:", "if False:"),
        ),
        story=Scene(a_wallet_is_created_where_watches_are_quicker_than_answers),
        caught_by=r"of 100000 that were granted there are \[\]",
        taught="An answer and an event are two messengers, and either may be first.",
    ),
    Exhibit(
        name="An end counts when the job says it",
        origins={"here (f7455cd)": ""},
        did="Late news told of an end and of two starts at once. The starts were written first, and until the end was, "
        "three jobs seemed to run: two were ended for lack of credits that nobody had used.",
        protection="What a pod says of its end counts as soon as it is heard of.",
        changes=(Change("lifecycle.facts:planned_end", "if pod.finished_ms is not None:", "if False:"),),
        story=Scene(an_end_and_two_starts_are_heard_of_at_once_and_late),
        caught_by=r"for lack of credits while \d+ were left",
        taught="What is known counts when it is known, not when it has been said.",
    ),
)
