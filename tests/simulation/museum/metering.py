"""Defects of metering: runs that are paid twice, or for nothing, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.oracles import check_ended, everything_ends
from tests.simulation.museum.stories import Scene
from tests.simulation.promises import killed, prepared, restarted, runs
from tests.simulation.stories import job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation
    from tests.simulation.storage import Write

PLENTY: Final = 10**9
UCLOUD: Final = "https://github.com/SDU-eScience/UCloud/issues"


async def a_job_is_cancelled_after_two_minutes() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await simulation.pass_seconds(125)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "Cancelled")


async def a_job_that_was_slow_to_start_is_cancelled_at_once() -> None:
    simulation = await prepared(start_after="20s")
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await everything_ends(simulation)


async def a_job_finds_no_room_and_is_cancelled() -> None:
    simulation = await prepared()
    simulation.kubelets.schedulable = False
    simulation.apply(wallet(quota=PLENTY), job(minutes=1))
    await simulation.pass_seconds(100)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await everything_ends(simulation)


async def a_job_runs_for_less_than_a_minute() -> None:
    simulation = await prepared(exit_after="50s")
    simulation.apply(wallet(quota=PLENTY), job())
    await everything_ends(simulation)


async def a_job_of_a_crooked_price_runs_for_two_minutes() -> None:
    simulation = await prepared(exit_after="120s")
    simulation.apply(product(price=1_003_580), wallet(quota=PLENTY))
    await simulation.pass_seconds(1)
    simulation.apply(job(replicas=3))
    await everything_ends(simulation)


async def a_job_ends_while_no_operator_is_there() -> None:
    simulation = await prepared(exit_after="30s")
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await killed(simulation)
    await simulation.pass_seconds(60)
    await restarted(simulation)
    await everything_ends(simulation)


async def a_job_starts_while_no_operator_is_there() -> None:
    simulation = await prepared(start_after="20s", exit_after="60s")
    simulation.apply(wallet(quota=PLENTY), job())
    await simulation.until(simulation.pods)
    await killed(simulation)
    await simulation.pass_seconds(40)
    await restarted(simulation)
    await everything_ends(simulation)


async def a_job_is_suspended_and_goes_on() -> None:
    simulation = await prepared(exit_after="60s")
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await simulation.pass_seconds(20)
    simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
    await simulation.until(lambda: not simulation.pods())
    simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
    await everything_ends(simulation)


async def a_job_runs_on_a_node_whose_clock_is_half_a_minute_ahead() -> None:
    simulation = await prepared(exit_after="60s")
    for clock in simulation.kubelets.clocks.values():
        clock.ahead_ms = 30_000
    simulation.apply(wallet(quota=PLENTY), job())
    await everything_ends(simulation)


async def one_of_two_replicas_finds_room_later() -> None:
    simulation = await prepared(exit_after="60s")
    simulation.api.storage.listen(lambda write: _fill_up(simulation, write))
    simulation.apply(wallet(quota=PLENTY), job(replicas=2))
    await simulation.pass_seconds(20)
    simulation.kubelets.schedulable = True
    await everything_ends(simulation)


def _fill_up(simulation: Simulation, write: Write) -> None:
    """Leave no room as soon as one pod has found some."""
    if write.resource == PODS and write.before is not None and not write.before["spec"].get("nodeName"):
        simulation.kubelets.schedulable = False


async def a_node_falls_silent_and_its_pod_is_deleted() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job())
    await runs(simulation)
    await simulation.pass_seconds(30)
    simulation.kubelets.fall_silent()
    (pod,) = simulation.pods()
    simulation.api.delete(PODS, "physics", pod["metadata"]["name"])
    await everything_ends(simulation)


EXHIBITS: Final = (
    Exhibit(
        name="What is left at a cancellation is charged twice",
        origins={"UCloud #4025": f"{UCLOUD}/4025"},
        did="Cancelling a job charged the time since the last charge, and then charged it again.",
        protection="A bill is a total, worked out from the run's beginning and end; nothing is ever added to it.",
        changes=(
            Change(
                "lifecycle.statuses:ended",
                "saturate(bill.usage)",
                "saturate(bill.usage + bill.usage % 50_000 * (outcome.reason is Reason.Cancelled))",
            ),
        ),
        story=Scene(a_job_is_cancelled_after_two_minutes),
        caught_by=r"physics/a pays \d+ for \d+",
        taught="Two ways to the same end of a job must lead through one sum.",
    ),
    Exhibit(
        name="Every run costs a minute more",
        origins={"UCloud #4024": f"{UCLOUD}/4024"},
        did="Sixteen minutes were charged for every run of fifteen.",
        protection="One floor of the whole, to the millisecond; never a slice that is rounded up.",
        changes=(
            Change(
                "ledger.usage:_elapsed_ms",
                "return max(0, end_ms - run.start_ms)",
                "return max(0, end_ms - run.start_ms) // 60_000 * 60_000 + 60_000",
            ),
        ),
        story=Scene(a_job_is_cancelled_after_two_minutes),
        caught_by=r"physics/a pays \d+ for \d+",
        taught="Whoever rounds each part gets another sum than whoever rounds the sum.",
    ),
    Exhibit(
        name="A job that is cancelled at once pays for minutes",
        origins={"UCloud #2699": f"{UCLOUD}/2699"},
        did="Starting a job and cancelling it at once charged 660 units.",
        protection="A bill begins with the last container's start, as its kubelet stamped it, and not with the job.",
        changes=(
            Change(
                "lifecycle.statuses:running",
                "started_at=started_ms,",
                "started_at=job.metadata.creation_timestamp,",
            ),
        ),
        story=Scene(a_job_that_was_slow_to_start_is_cancelled_at_once),
        caught_by=r"billed from \d+ ms before it began",
        taught="Bills are held against what the kubelets know, not against what the operator believes.",
    ),
    Exhibit(
        name="A job that never ran is charged as if it had",
        origins={"UCloud #1789": f"{UCLOUD}/1789"},
        did="Jobs that no node had room for expired, and were charged, as if they had been started.",
        protection="A pod whose container has no start has not started, however old it is.",
        changes=(
            Change(
                "lifecycle.kubelet:Pod.started_ms",
                "return state.started_at or None if state else None",
                "return self.metadata.creation_timestamp",
            ),
        ),
        story=Scene(a_job_finds_no_room_and_is_cancelled),
        caught_by="billed for run 1, which never was",
        taught="A job is not its container.",
    ),
    Exhibit(
        name="What was used since the last charge is lost at the end",
        origins={
            "UCloud #2613": f"{UCLOUD}/2613",
            "kubefin #47": "https://github.com/kubefin/kubefin/issues/47",
        },
        did="Where usage is only looked at now and then, a run's end is never charged, and a short run not at all.",
        protection="A run's end is settled from its stamps, whenever that is; the wallet's minute is for readers only.",
        changes=(
            Change(
                "lifecycle.statuses:ended",
                "bill = view.bill(max(run.started_at, ended_ms))",
                "bill = view.bill(max(run.started_at, min(ended_ms, view.wallet.status.metered_at)))",
            ),
        ),
        story=Scene(a_job_runs_for_less_than_a_minute),
        caught_by=r"(was free for its last|pays \d+ for) ",
        taught="A tick may publish a number; it must not be where the number comes from.",
    ),
    Exhibit(
        name="Whoever has ended pays on",
        origins={
            "UCloud's missing pods (five minutes of RUNNING)": "",
            "opencost #136": "https://github.com/opencost/opencost/issues/136",
        },
        did="A job whose pods were gone stayed RUNNING for five minutes, and was metered; completed pods were costed.",
        protection="A bill ends when the first container did, by its kubelet's stamp, however late that is learned.",
        changes=(Change("lifecycle.observe:_ended", "ended_ms = min(ended_ms, now_ms)", "ended_ms = now_ms"),),
        story=Scene(a_job_ends_while_no_operator_is_there),
        caught_by=r"billed for \d+ ms after it had ended for Completed",
        taught="When something is noticed says nothing about when it was.",
    ),
    Exhibit(
        name="A restart sets the start of a job to now",
        origins={"UCloud #2096": f"{UCLOUD}/2096"},
        did="When the service was restarted, so was the time at which its jobs had started.",
        protection="A start that is learned late is billed from when it was.",
        changes=(
            Change(
                "lifecycle.observe:observe_pod",
                "Running(pod.started_ms - skew_ms, ",
                "Running(now_ms - now_ms % 1000, ",
            ),
        ),
        story=Scene(a_job_starts_while_no_operator_is_there),
        caught_by=r"was free for its first \d+ ms",
        taught="What a process remembers is no fact.",
    ),
    Exhibit(
        name="A total is taken for an increment",
        origins={"UCloud's isDeltaCharge": ""},
        did="The same call reports what was used in all, or what was used since; whoever mixes them up charges again.",
        protection="Usage is absolute and derived: a second run's bill contains the first one's, and replaces it.",
        changes=(Change("lifecycle.statuses:ended", "saturate(bill.usage)", "saturate(status.usage + bill.usage)"),),
        story=Scene(a_job_is_suspended_and_goes_on),
        caught_by=r"physics/a pays \d+ for \d+",
        taught="A number that may be written twice must be one that it doesn't matter to write twice.",
    ),
    Exhibit(
        name="Minutes are counted in floating point",
        origins={"UCloud's usage formula": ""},
        did="In one of fifty cases a job paid a unit less than it used: 3703700 instead of 3703701 for a minute.",
        protection="Integers from end to end, of any size; one division, of the whole, rounded down.",
        changes=(
            Change(
                "ledger.usage:usage_at",
                "return sum(_rate(run, scale) * _elapsed_ms(run, at_ms) for run in runs) // scale",
                "return int(sum(run.replicas * (_elapsed_ms(run, at_ms) / run.period_ms) * (run.price / 1e6) * 1e6"
                " for run in runs))",
            ),
        ),
        story=Scene(a_job_of_a_crooked_price_runs_for_two_minutes),
        caught_by=r"physics/a pays \d+ for \d+",
        taught="Held against the exact formula, one unit is as loud as a million.",
    ),
    Exhibit(
        name="A node's clock is believed",
        origins={"kubelets' stamps": ""},
        did="Starts and ends are stamped by the node that they happen on, whose clock may be wrong.",
        protection="A start is clamped between the pod's creation and now, and the end is moved by as much.",
        changes=(Change("lifecycle.kubelet:Pod.skew_ms", "return stamped_ms - max", "return 0 * max"),),
        story=Scene(a_job_runs_on_a_node_whose_clock_is_half_a_minute_ahead),
        caught_by=r"was free for its first \d+ ms",
        taught="Of two stamps by two clocks only one can be compared with now.",
    ),
    Exhibit(
        name="Several replicas are billed from the first one's start",
        origins={"jobs of several pods": ""},
        did="A job of several pods is billed while some of them still wait for a node, when it can't do its work.",
        protection="Billing begins when all replicas run, and ends when the first one stops.",
        changes=(Change("lifecycle.observe:observe", "last = max(running,", "last = min(running,"),),
        story=Scene(one_of_two_replicas_finds_room_later),
        caught_by=r"billed from \d+ ms before it began",
        taught="A story needs replicas that differ, or first and last are the same.",
    ),
    Exhibit(
        name="A pod whose node is gone runs for ever",
        origins={"kubernetes #48920": "https://github.com/kubernetes/kubernetes/issues/48920"},
        did="A node went down, and what was said of its pods stayed as it was: Running.",
        protection="A pod that was told to stop counts as lost a minute after its grace, and somebody looks by then.",
        changes=(
            Change(
                "lifecycle.decide:decide",
                "replace(decision, wake_ms=min(decision.wake_ms, lost_ms(view.pods, view.now_ms)))",
                "decision",
            ),
        ),
        story=Scene(a_node_falls_silent_and_its_pod_is_deleted),
        caught_by="not within .* physics/a RUNNING",
        taught="What time makes true needs somebody to wake up for it: until this was shown here, nobody did.",
    ),
)
