"""Defects of several operators: those that lead too long, or don't know what those before them have done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.oracles import check_ended, everything_ends
from tests.simulation.museum.stories import Scene
from tests.simulation.network import Faults, Way
from tests.simulation.promises import killed, prepared, restarted, runs
from tests.simulation.stories import application, job, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS

if TYPE_CHECKING:
    from tests.simulation.loop import Process
    from ucloud_operator.kube.transport import Request

PLENTY: Final = 10**9
KUBERNETES: Final = "https://github.com/kubernetes/kubernetes/issues"
HALF_A_MINUTE_LATE: Final = Faults(latency_ms=(30_000, 30_000))
HEARS_LATE: Final = Faults(event_latency_ms=(5_000, 5_000))


async def a_frozen_leader_says_late_that_a_job_runs() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY))
    await simulation.pass_seconds(2)
    simulation.apply(job())
    await simulation.until(simulation.pods)
    await simulation.pass_seconds(0.1)
    (first,) = simulation.replicas
    first.network.faults = HALF_A_MINUTE_LATE
    second = simulation.start_operator()
    await simulation.until(lambda: second.operator.leading)
    await runs(simulation)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await simulation.until(lambda: simulation.job().is_final)
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "Cancelled")


async def a_frozen_leader_deletes_a_pod_late() -> None:
    simulation = await prepared(exit_after="100s")
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    (first,) = simulation.replicas
    first.network.faults = HALF_A_MINUTE_LATE
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await simulation.pass_seconds(1)
    second = simulation.start_operator()
    await simulation.until(lambda: second.operator.leading)
    await simulation.until(lambda: simulation.job().is_final)
    simulation.delete(UCLOUDJOBS, "a")
    await simulation.until(lambda: not simulation.jobs())
    simulation.apply(job())
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "Completed")


async def a_frozen_leader_launches_a_job_late() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY))
    await simulation.pass_seconds(2)
    (first,) = simulation.replicas
    simulation.apply(job())
    first.network.faults = HALF_A_MINUTE_LATE
    await simulation.pass_seconds(1)
    second = simulation.start_operator(HEARS_LATE)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await simulation.until(lambda: second.operator.leading)
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "Cancelled")


class Standstill(Way):
    """The first operator stands still for a minute, when it is about to let a pod go."""

    def __init__(self) -> None:
        self.begun = False

    async def passes(self, point: str, request: Request, process: Process | None) -> None:
        """Freeze it, once."""
        lets_go = (request.verb, request.resource) == ("patch", PODS) and b"$deleteFromPrimitiveList" in (
            request.body or b""
        )
        if process is None or point != "sent" or not lets_go or self.begun:
            return
        self.begun = True
        process.freeze()
        asyncio.get_running_loop().call_later(60, process.thaw)


async def a_leader_stands_still_while_a_job_is_suspended() -> None:
    simulation = await prepared()
    simulation.start_operator()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await simulation.pass_seconds(20)
    simulation.ways.append(Standstill())
    simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
    await simulation.until(lambda: not simulation.pods())
    simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
    await simulation.pass_seconds(120)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "Cancelled")


async def a_job_comes_while_nobody_leads_and_another_has_long_ended() -> None:
    """It was lost with its node: no container says when it ended."""
    simulation = await prepared(exit_after="30s")
    simulation.apply(wallet(quota=200_000))
    await simulation.pass_seconds(2)
    simulation.apply(job("z"))
    await simulation.until(lambda: simulation.job("z").status.state is JobState.RUNNING)
    await killed(simulation)
    simulation.kubelets.lose_node(simulation.pods()[0]["spec"]["nodeName"])
    await simulation.pass_seconds(300)
    simulation.apply(job("a"))
    await simulation.pass_seconds(5)
    await restarted(simulation)
    await everything_ends(simulation)
    ended = simulation.job("a").status
    assert ended.reason == "Completed", f"physics/a ended for {ended.reason}"


async def credits_end_while_nobody_leads_and_one_job_has_just_begun() -> None:
    """Both run dry after 75 s; the second began, in the thirtieth, when nobody was there to see it."""
    simulation = await prepared()
    simulation.apply(application("slow", start_after="30s"), wallet(quota=100_000))
    await simulation.pass_seconds(2)
    simulation.apply(job(), job("b", application="slow"))
    await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
    await simulation.pass_seconds(5)
    await killed(simulation)
    await simulation.pass_seconds(85)
    await restarted(simulation)
    await everything_ends(simulation)


async def a_standby_comes_to_lead_after_a_job_was_settled() -> None:
    simulation = await prepared(exit_after="60s")
    second = simulation.start_operator()
    simulation.apply(wallet(quota=PLENTY), job())
    await simulation.until(simulation.is_over)
    simulation.delete(UCLOUDJOBS, "a")
    await simulation.until(lambda: not simulation.jobs())
    await simulation.pass_seconds(20)
    simulation.replicas[0].process.kill()
    await simulation.until(lambda: second.operator.leading)
    simulation.apply(job("b"))
    await simulation.pass_seconds(60)
    simulation.edit(UCLOUDJOBS, "b", {"terminate": True})
    await everything_ends(simulation)


EXHIBITS: Final = (
    Exhibit(
        name="A status is written whatever has happened to the job since",
        origins={"lago-api #3618": "https://github.com/getlago/lago-api/pull/3618"},
        did="Without a lock version a transaction was settled twice within milliseconds: both had read it as pending.",
        protection="Every status write carries the resourceVersion that it was decided from; 409 means: read it again.",
        changes=(
            Change(
                "kube.client:Client.patch_status",
                'body = {"metadata": {"resourceVersion": resource_version}, "status": status}',
                'body = {"status": status}',
            ),
        ),
        story=Scene(a_frozen_leader_says_late_that_a_job_runs),
        caught_by=r"physics/a(: its usage fell| had ended with)",
        taught="A write that was right when it was sent can be wrong when it arrives.",
    ),
    Exhibit(
        name="A name is deleted, and not an object",
        origins={
            "actions-runner-controller #4673": "https://github.com/actions/actions-runner-controller/pull/4673",
        },
        did="A DELETE by name can land on a pod that was created again under that name.",
        protection="Deletes carry the uid that was meant.",
        changes=(
            Change(
                "kube.client:Client.delete",
                '{"preconditions": {"uid": uid}, "propagationPolicy": "Background"}',
                '{"propagationPolicy": "Background"}',
            ),
        ),
        story=Scene(a_frozen_leader_deletes_a_pod_late),
        caught_by="physics/a ended as FAILURE for PodDeleted",
        taught="Names come back, uids never do.",
    ),
    Exhibit(
        name="A leader that was frozen launches what is long over",
        origins={
            "kubernetes #23731": f"{KUBERNETES}/23731",
            "cilium #42920": "https://github.com/cilium/cilium/pull/42920",
        },
        did="A replica that had lost its lease went on as the leader, beside the new one.",
        protection="Pods carry the number of the acquisition that built them, which grows with every one; "
        "the API server refuses those of an earlier one, whenever they arrive.",
        changes=(
            Change(
                "kube.lease:Lease._take",
                "epoch = max(self.epoch, record.transitions if record else 0) + 1",
                "epoch = max(1, self.epoch, record.transitions if record else 0)",
            ),
        ),
        story=Scene(a_frozen_leader_launches_a_job_late),
        caught_by=r"physics/a: run 1 of \d+ ms is free",
        taught="A lease is a courtesy between those who are awake; only the API server can refuse those who were not.",
    ),
    Exhibit(
        name="A wallet is published before its jobs were looked at",
        origins={"here (74aa9cf)": ""},
        did="After a time without a leader a wallet had spent, up to now, what jobs were owed that began meanwhile.",
        protection="Who comes to lead looks at all jobs that have begun before it publishes a wallet.",
        changes=(Change("control.operator:Operator._depends", "key.kind in {WALLET, SETTLE} or", "False or"),),
        story=Scene(credits_end_while_nobody_leads_and_one_job_has_just_begun),
        caught_by=r"physics/. pays \d+ for \d+",
        taught="What nobody was there to see has happened all the same.",
    ),
    Exhibit(
        name="A new leader goes by what it has heard so far",
        origins={
            "cassandra-operator #404": "https://github.com/instaclustr/cassandra-operator/issues/404",
            "cassandra-operator #407": "https://github.com/instaclustr/cassandra-operator/issues/407",
        },
        did="After a restart a controller read an old state, and acted on what had been true some time ago.",
        protection="Who comes to lead lists everything anew, pods first, from the API server, before it does anything.",
        changes=(
            Change("control.operator:Operator._take_over", "for each in (self.pods, *self._lists):", "for each in ():"),
        ),
        story=Scene(a_standby_comes_to_lead_after_a_job_was_settled),
        caught_by=r"physics/example-compute: its usage fell",
        taught="A warm cache is for speed, and nothing may rest on it.",
    ),
    Exhibit(
        name="A job is refused for what another has long stopped spending",
        origins={"here (e17c6b5)": ""},
        did="It came while nobody led, was looked at before one that had ended meanwhile, and found nothing left.",
        protection="Who comes to lead starts nothing before it has looked at all jobs that have begun.",
        changes=(
            Change(
                "control.operator:Operator._depends",
                "return key.kind in {WALLET, SETTLE} or (job is not None and not self._has_begun(job))",
                "return key.kind in {WALLET, SETTLE}",
            ),
        ),
        story=Scene(a_job_comes_while_nobody_leads_and_another_has_long_ended),
        caught_by="physics/a ended for NotEnoughCredits",
        taught="A refusal for good takes facts that are complete. (The museum's scenes found this one.)",
    ),
    Exhibit(
        name="A leader that stood still goes on where it was",
        origins={"here (2835a55)": ""},
        did="After a minute it deleted the pods of a run that the next leader had begun, as those of one suspended.",
        protection="The lease is looked at before every step, not only before what it was made for.",
        changes=(
            Change(
                "control.jobs:Jobs._carry_out_all",
                'self._calls.check_lease("carry out", job.key)',
                "pass",
            ),
            Change("control.operator:Operator._work", "while self.leading and not self.lease.held:", "while False:"),
        ),
        story=Scene(a_leader_stands_still_while_a_job_is_suspended),
        caught_by="physics/a ended as FAILURE for PodDeleted",
        taught="Who has slept must look at the clock before anything else.",
    ),
)
