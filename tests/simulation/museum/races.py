"""Defects of what happens in between: a crash between two writes, an answer that is lost, two who decide at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.simulation.loop import VirtualClock
from tests.simulation.museum.decisions import Held
from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.oracles import check_stopped, everything_ends
from tests.simulation.museum.stories import Scene
from tests.simulation.network import FINE, Faults, Way
from tests.simulation.promises import killed, prepared, restarted, runs, top_up
from tests.simulation.stories import CATEGORY, allocation, group, job, wallet
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from tests.simulation.simulation import Simulation
    from ucloud_operator.kube.transport import Request

PLENTY: Final = 10**9
HEARS_LATE: Final = Faults(event_latency_ms=(60_000, 60_000))
KUBERNETES: Final = "https://github.com/kubernetes/kubernetes/issues"


async def a_job_is_deleted_while_it_runs() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await simulation.pass_seconds(90)
    simulation.delete(UCLOUDJOBS, "a")
    await everything_ends(simulation)
    assert not simulation.jobs()


async def the_answer_to_a_settlement_is_lost() -> None:
    simulation = await prepared(exit_after="60s")
    simulation.apply(wallet(quota=PLENTY), job())
    await simulation.pass_seconds(90)
    (replica,) = simulation.replicas

    def lose(_: int) -> None:
        settles = simulation.steps[-1].startswith("sent create walletstatements")
        replica.network.faults = Faults(lost_answer=1) if settles else FINE

    simulation.on_step = lose
    simulation.delete(UCLOUDJOBS, "a")
    await everything_ends(simulation)
    assert not simulation.jobs(), "its finalizer stays"


async def a_job_that_waits_goes_together_with_its_wallet() -> None:
    simulation = await prepared()
    simulation.kubelets.schedulable = False
    simulation.apply(wallet(quota=PLENTY), job())
    await simulation.pass_seconds(10)
    for kind, name in ((WALLETS, CATEGORY), (UCLOUDJOBS, "a")):
        simulation.delete(kind, name)
        await simulation.pass_seconds(1)
    await everything_ends(simulation)
    assert not simulation.exists(WALLETS, CATEGORY), "its finalizer stays"


class EditedMeanwhile(Way):
    """While a parent writes down what a wallet that is going has used, both of them are edited."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation, self._happened = simulation, False

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # anybody's
        """Hold that write up, and let it come to nothing."""
        if self._happened or request.resource != WALLETS or b'"departed":[{' not in (request.body or b""):
            return
        self._happened = True
        self._simulation.edit(WALLETS, CATEGORY, {"warnMinutes": [7]}, namespace="lab")
        await asyncio.sleep(1)
        self._simulation.edit(WALLETS, CATEGORY, {"warnMinutes": [7]}, namespace="root")


async def a_wallet_goes_while_its_parent_is_edited() -> None:
    simulation = await prepared(exit_after="6s")
    simulation.ways.append(EditedMeanwhile(simulation))
    simulation.apply(wallet(quota=PLENTY), namespace="root")
    simulation.apply(wallet(quota=PLENTY, parent=f"root/{CATEGORY}"), job(), namespace="lab")
    await simulation.pass_seconds(60)
    simulation.delete(UCLOUDJOBS, "a", namespace="lab")
    simulation.delete(WALLETS, CATEGORY, namespace="lab")
    await everything_ends(simulation)
    assert simulation.wallet(namespace="root").status.total_usage, "its parent was given back what it had used"


async def a_launch_is_not_answered_and_its_credits_are_cut() -> None:
    """Its pod is there, but nobody is told of it for half a minute."""
    simulation = await prepared()
    simulation.audit.overdrafts_allowed = True
    simulation.apply(wallet(quota=PLENTY))
    await simulation.pass_seconds(2)
    (replica,) = simulation.replicas
    simulation.ways.append(Held(b"j-a-job-0", until=40))

    def lose(_: int) -> None:
        launches = simulation.steps[-1].startswith("sent create pods")
        replica.network.faults = Faults(lost_answer=1) if launches else FINE
        if launches:
            simulation.edit(WALLETS, CATEGORY, {"allocationGroups": [group(allocation(1000))]})

    simulation.on_step = lose
    simulation.apply(job())
    await everything_ends(simulation)


async def a_pod_is_deleted_by_force() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await simulation.pass_seconds(55)
    (pod,) = simulation.pods()
    simulation.api.delete(PODS, "physics", pod["metadata"]["name"], grace_seconds=0)
    await everything_ends(simulation)


async def a_node_is_lost_while_no_operator_is_there() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await killed(simulation)
    for node in ("node-1", "node-2"):
        simulation.kubelets.lose_node(node)
    await simulation.pass_seconds(300)
    await restarted(simulation)
    await everything_ends(simulation)


async def a_clock_is_wrong_for_a_minute_and_put_right() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=200_000), job())
    await runs(simulation)
    await simulation.pass_seconds(30)
    jump(simulation, -600_000)
    await simulation.pass_seconds(60)
    jump(simulation, 0)
    await everything_ends(simulation)
    check_stopped(simulation)


async def a_wallet_is_edited_while_a_late_bill_is_on_its_way() -> None:
    """That a job was lost with its node is heard of a minute late, and its bill gets through at the third attempt."""
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    (replica,) = simulation.replicas
    replica.network.faults = HEARS_LATE
    simulation.kubelets.lose_node(simulation.pods()[0]["spec"]["nodeName"])
    attempts: list[str] = []

    def lose(_: int) -> None:
        replica.network.faults = HEARS_LATE
        if simulation.steps[-1].startswith("sent patch ucloudjobs") and len(attempts) < 2:
            attempts.append(simulation.steps[-1])
            replica.network.faults = replace(HEARS_LATE, lost_request=1)
            top_up(simulation, 1000, str(len(attempts) + 1))

    simulation.on_step = lose
    await everything_ends(simulation)


def jump(simulation: Simulation, ahead_ms: int) -> None:
    """Set the wall clock of the only operator's machine."""
    (replica,) = simulation.replicas
    clock = replica.operator._clock
    assert isinstance(clock, VirtualClock)
    clock.ahead_ms = ahead_ms


EXHIBITS: Final = (
    Exhibit(
        name="A job goes before its bill is written down",
        origins={"kubernetes #28486": f"{KUBERNETES}/28486"},
        did="What had ended was counted by looking at what was still there, so it had to stay, or it didn't count.",
        protection="A job's line stands in a statement before our finalizer goes, and its usage in its wallet.",
        changes=(Change("lifecycle.decide:_leave", "if view.settled or not job.status.usage:", "if True:"),),
        story=Scene(a_job_is_deleted_while_it_runs),
        caught_by=r"physics/example-compute(: its usage fell| says \d+, its jobs used \d+)",
        taught="The order of two writes is decided by a crash between them.",
    ),
    Exhibit(
        name="What was settled is settled again",
        origins={
            "kubernetes #105200": f"{KUBERNETES}/105200",
            "lago-api #3618": "https://github.com/getlago/lago-api/pull/3618",
        },
        did="A pod was counted, its finalizer removed, and seen once more with its finalizer: it was counted twice.",
        protection="A statement has one line per uid; who comes back after a crash reads it before he writes.",
        changes=(
            Change(
                "control.statements:Statements._leaves",
                "if job.metadata.uid in self._world.settled(account).uids:",
                "if False:",
            ),
            Change(
                "lifecycle.statement:_with",
                "more = (*spec.lines, *lines)",
                "more = tuple({line.uid: line for line in (*spec.lines, *lines)}.values())",
            ),
            Change(
                "lifecycle.statement:_with",
                "total = sum(line.usage for line in more)",
                "total = spec.total + sum(line.usage for line in lines)",
            ),
        ),
        story=Scene(the_answer_to_a_settlement_is_lost),
        caught_by=r"physics/example-compute says \d+, its jobs used \d+",
        taught="Three protections had to go before it happened: the operator's memory, a set of lines, a sum of them.",
    ),
    Exhibit(
        name="Who was waited for has gone, and nobody says so",
        origins={"here (010c6db)": ""},
        did="A wallet waits for its jobs. One that never ran stood in no status, and when it went nobody was woken.",
        protection="Whoever may wait for something is woken by whatever changes it, and not by whoever usually does.",
        changes=(Change("control.world:World._file_spender", "for key in sorted(before - after):", "for key in ():"),),
        story=Scene(a_job_that_waits_goes_together_with_its_wallet),
        caught_by=r"its finalizer stays",
        taught="It took a real API server and two deletions at once; now every story ends with everything deleted.",
    ),
    Exhibit(
        name="What is waited for comes by another way",
        origins={"here (a07aa6d)": ""},
        did="A job's line was written and the answer lost. The next attempt found the line there and woke nobody.",
        protection="A statement wakes the jobs that wait for it wherever it is learned of: in the store.",
        changes=(
            Change(
                "control.world:World._statement_changed", "if job is not None and job.is_being_deleted:", "if False:"
            ),
        ),
        story=Scene(the_answer_to_a_settlement_is_lost),
        caught_by=r"its finalizer stays",
        taught="Wake from the fact, not from the act.",
    ),
    Exhibit(
        name="What a wallet had used goes back to its parent",
        origins={"here (a07aa6d)": ""},
        did="A wallet that was going published that its parent had taken over its usage; the parent's write failed.",
        protection="A wallet says nothing while its parents' writes about it are under way.",
        changes=(
            Change(
                "control.wallets:Wallets._is_being_taken_over", "return wallet.is_being_deleted and", "return False and"
            ),
        ),
        story=Scene(a_wallet_goes_while_its_parent_is_edited),
        caught_by=r"its parent was given back what it had used",
        taught="What is decided counts for whoever computes, and not yet for whoever writes it down as done.",
    ),
    Exhibit(
        name="A launch without an answer is taken for none",
        origins={"here (4e44eda)": ""},
        did="A create that was answered with 500 had been carried out; the job failed while its pod ran for nothing.",
        protection="Until a job's pods have been read, a launch without an answer counts as one.",
        changes=(
            Change(
                "control.jobs:Jobs._launch", "self._unanswered.add(job.key)", "self._books.launched(job.metadata.uid)"
            ),
        ),
        story=Scene(a_launch_is_not_answered_and_its_credits_are_cut),
        caught_by=r"physics/a: run 1 of \d+ ms is free",
        taught="Where two things may have happened, ask which, before the third.",
    ),
    Exhibit(
        name="A pod is deleted by force, and its end with it",
        origins={"kubectl delete --force": "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/"},
        did="With a grace of 0 an object is gone while its container still runs; its end is never seen.",
        protection="Our finalizer holds the pod until its end is in the job's status, whoever deletes it and how.",
        changes=(Change("lifecycle.pods:build_pod", '"finalizers": [FINALIZER],', '"finalizers": [],'),),
        story=Scene(a_pod_is_deleted_by_force),
        caught_by=r"was free for its last \d+ ms",
        taught="Who has to see an end must be able to hold on to it.",
    ),
    Exhibit(
        name="A node that is lost is billed until somebody looks",
        origins={"opencost #232": "https://github.com/opencost/opencost/issues/232"},
        did="Pods that had been evicted, and used nothing any more, were costed by what they had requested.",
        protection="An end that nobody stamped is the last sign of life: what can't be proved isn't charged.",
        changes=(Change("lifecycle.observe:_ended", "else pod.last_sign_of_life_ms", "else now_ms"),),
        story=Scene(a_node_is_lost_while_no_operator_is_there),
        caught_by=r"billed for \d+ ms after it had ended",
        taught="Where nobody knows, the bill has to say so.",
    ),
    Exhibit(
        name="A clock that is set is not noticed",
        origins={"timers on a wall clock": ""},
        did="Whoever sleeps until an instant of a clock that is put right meanwhile sleeps as long as it was wrong.",
        protection="Nobody sleeps for more than a minute without looking at the clock again.",
        changes=(Change("control.deadlines:Deadlines.run", "min(wait_ms, LONGEST_SLEEP_MS)", "wait_ms"),),
        story=Scene(a_clock_is_wrong_for_a_minute_and_put_right),
        caught_by=r"longer than it had credits for",
        taught="Time is an input, and can be as wrong as any other.",
    ),
    Exhibit(
        name="A bill on its way is seen to come, go and come",
        origins={"here (43d01ec)": ""},
        did="A wallet was published with a bill that was then lost, and again without it: its usage fell.",
        protection="No wallet is published while a bill of its component is on its way, for two seconds at the most.",
        changes=(
            Change(
                "control.wallets:Wallets._is_billing",
                "if not any(self._world.decided.billed_ms(component)):",
                "if True:",
            ),
        ),
        story=Scene(a_wallet_is_edited_while_a_late_bill_is_on_its_way),
        caught_by="physics/example-compute: its usage fell",
        taught="Numbers that are right in the end may be wrong on the way, and people look at them there.",
    ),
)
