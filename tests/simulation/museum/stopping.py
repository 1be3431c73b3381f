"""Defects of stopping: credits that have ended and containers that haven't."""

from __future__ import annotations

from typing import Final

from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.oracles import (
    BY_DEADLINE_MS,
    IGNORES_SIGTERM_MS,
    check_ended,
    check_stopped,
    everything_ends,
)
from tests.simulation.museum.stories import Scene
from tests.simulation.network import FINE, Faults
from tests.simulation.promises import killed, prepared, restarted, runs
from tests.simulation.stories import job, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import UCLOUDJOBS

PLENTY: Final = 10**9
TWO_MINUTES: Final = 100_000
KUBERNETES: Final = "https://github.com/kubernetes/kubernetes/issues"
UCLOUD: Final = "https://github.com/SDU-eScience/UCloud/issues"


async def credits_end_after_two_minutes() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=TWO_MINUTES), job())
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "OutOfCredits", usage=TWO_MINUTES)
    check_stopped(simulation)


async def the_api_server_is_overloaded_when_credits_end() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=TWO_MINUTES), job())
    await runs(simulation)
    (replica,) = simulation.replicas
    for well_seconds, badly_seconds in ((97, 9), (11, 9)):  # when pods are armed, and when they are deleted
        await simulation.pass_seconds(well_seconds)
        replica.network.faults = Faults(failed=1)
        await simulation.pass_seconds(badly_seconds)
        replica.network.faults = FINE
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "OutOfCredits", usage=TWO_MINUTES)
    check_stopped(simulation, most_ms=BY_DEADLINE_MS)


async def an_operator_is_restarted_a_minute_before_credits_end() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=TWO_MINUTES), job())
    await runs(simulation)
    await simulation.pass_seconds(60)
    await killed(simulation)
    await restarted(simulation)
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "OutOfCredits", usage=TWO_MINUTES)
    check_stopped(simulation)


async def nobody_is_there_when_credits_end() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=TWO_MINUTES), job())
    await runs(simulation)
    await simulation.until(lambda: any("ucloud.dk/stop" in pod["metadata"]["annotations"] for pod in simulation.pods()))
    await simulation.pass_seconds(1)
    await killed(simulation)
    await simulation.pass_seconds(100)
    await restarted(simulation)
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "OutOfCredits", usage=TWO_MINUTES)
    check_stopped(simulation, most_ms=BY_DEADLINE_MS)


async def a_job_that_asked_for_half_a_minute_ignores_its_signal() -> None:
    simulation = await prepared(ignore_sigterm="true")
    simulation.apply(wallet(quota=TWO_MINUTES), job(grace_seconds=30))
    await everything_ends(simulation)
    check_stopped(simulation, most_ms=IGNORES_SIGTERM_MS)


async def a_job_that_is_slow_to_stop_is_suspended_and_goes_on() -> None:
    simulation = await prepared(sigterm_after="20s")
    simulation.apply(wallet(quota=PLENTY), job(grace_seconds=30))
    await runs(simulation)
    await simulation.pass_seconds(20)
    simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
    await simulation.pass_seconds(5)
    simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
    await simulation.pass_seconds(60)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await everything_ends(simulation)


async def a_job_comes_to_a_wallet_with_credits_for_a_second() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=1_000))
    await simulation.pass_seconds(5)
    simulation.apply(job())
    await everything_ends(simulation)
    check_ended(simulation, JobState.FAILURE, "NotEnoughCredits")


async def a_time_allocation_of_a_minute_ends() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=PLENTY), job(minutes=1))
    await everything_ends(simulation)
    check_ended(simulation, JobState.EXPIRED, "Expired", usage=50_000)


EXHIBITS: Final = (
    Exhibit(
        name="A deadline waits for the next full look at everything",
        origins={"kubernetes #32149": f"{KUBERNETES}/32149"},
        did="A Job with a deadline of a minute was killed up to ten minutes late, when all Jobs were looked at again.",
        protection="One heap of instants, and one task that sleeps until the first; no tick decides anything.",
        changes=(
            Change(
                "control.deadlines:Deadlines.set",
                "current = self._current.get(key)",
                "at_ms = -(-at_ms // 600_000) * 600_000\n    current = self._current.get(key)",
            ),
        ),
        story=Scene(credits_end_after_two_minutes),
        caught_by=r"(not within|ran \d+ ms longer than it had credits for)",
        taught="What time brings about has to have its own alarm.",
    ),
    Exhibit(
        name="A restart forgets the deadlines",
        origins={"kubernetes #62134": f"{KUBERNETES}/62134"},
        did="A controller was restarted, and a deadline of five minutes was noticed five minutes late.",
        protection="Whoever comes to lead looks at every job and plans every component anew.",
        changes=(
            Change(
                "control.operator:Operator._look_around",
                "self._unseen, self._put_off = {job.key for job in live if self._has_begun(job)}, {}",
                "return",
            ),
        ),
        story=Scene(an_operator_is_restarted_a_minute_before_credits_end),
        caught_by=r"(not within|ran \d+ ms longer than it had credits for)",
        taught="Everything in memory must be a consequence of what is stored.",
    ),
    Exhibit(
        name="The news that credits have ended is acted on once",
        origins={"UCloud's lock events": ""},
        did="A lock was told by an event that was dropped where nobody took it in time; the job ran on until the next.",
        protection="Level, not edge: what failed comes back, sooner and later, until the job has ended.",
        changes=(
            Change("control.queue:WorkQueue._put_off", "self._later(key, self._clock.now_ms() + pause_ms)", "pass"),
            Change("control.decided:Decided._counted", "self._failed(paid_by(job))", "pass"),
        ),
        story=Scene(the_api_server_is_overloaded_when_credits_end),
        caught_by=r"(not within|ran \d+ ms longer than it had credits for)",
        taught="An event may start work; it must not be the only thing that does.",
    ),
    Exhibit(
        name="A grace that has begun can't be shortened",
        origins={"kubernetes #83916": f"{KUBERNETES}/83916"},
        did="Whoever deletes a pod with its grace of 30 s, and then with less, waits for 30 s all the same.",
        protection="SIGTERM comes a grace before the instant, and with no more grace than is left until then.",
        changes=(
            Change("lifecycle.timing:lead_ms", "return 1000 * grace_seconds if unhurried else 0", "return 0"),
            Change(
                "lifecycle.timing:grace_seconds_of",
                "min(job.spec.termination_grace_period_seconds, left_seconds)",
                "job.spec.termination_grace_period_seconds",
            ),
        ),
        story=Scene(a_job_that_asked_for_half_a_minute_ignores_its_signal),
        caught_by=r"ran \d+ ms longer than it had credits for",
        taught="The first DELETE has to be the right one.",
    ),
    Exhibit(
        name="A pod that is being deleted is taken for one that has stopped",
        origins={"kubernetes #88613": f"{KUBERNETES}/88613"},
        did="A pod was gone from the API server while its container ran on, for as long as its grace was.",
        protection="A run ends with the kubelet's word that the container has; our finalizer keeps the pod until then.",
        changes=(
            Change(
                "lifecycle.observe:_has_ended",
                "return not pod.is_bound or deletion_ms + LOST_AFTER_MS <= now_ms",
                "return True",
            ),
        ),
        story=Scene(a_job_that_is_slow_to_stop_is_suspended_and_goes_on),
        caught_by=r"(runs beside|was free for its last|was free for its first)",
        taught="The object isn't the process.",
    ),
    Exhibit(
        name="Nobody but the operator can stop a job",
        origins={"UCloud's provider loop": ""},
        did="Whoever is dead when the credits run out stops nothing.",
        protection="Some seconds before, the pods get a deadline that their kubelet knows and obeys by itself.",
        changes=(Change("control.calls:Calls.arm", "if deadline_seconds is not None:", "if False:"),),
        story=Scene(nobody_is_there_when_credits_end),
        caught_by=r"ran \d+ ms longer than it had credits for",
        taught="A promise about an instant must not depend on one process being alive at it.",
    ),
    Exhibit(
        name="The reason is lost",
        origins={"UCloud's last update": ""},
        did="A job that had run out of credits said: Your job has successfully completed.",
        protection="The decision is written on the pods together with the deadline, and outlives whoever made it.",
        changes=(
            Change(
                "lifecycle.endings:stop_of",
                "if pod.status.reason == _DEADLINE and pod.stop is not None:",
                "return intent.stop\n    if False:",
            ),
        ),
        story=Scene(nobody_is_there_when_credits_end),
        caught_by="physics/a ended as FAILURE for Unknown",
        taught="Why something is done is part of doing it.",
    ),
    Exhibit(
        name="A job starts without credits",
        origins={"UCloud #4129": f"{UCLOUD}/4129"},
        did="A job could be started with nothing left, and was stopped some minutes later.",
        protection="A start takes credits for a minute, beside all that run and all that are just starting.",
        changes=(Change("lifecycle.admission:credits_last", "if view.is_free or", "if True or view.is_free or"),),
        story=Scene(a_job_comes_to_a_wallet_with_credits_for_a_second),
        caught_by="physics/a ended as SUCCESS for OutOfCredits",
        taught="Not locked is not enough.",
    ),
    Exhibit(
        name="A job outlives its time",
        origins={"UCloud #3773": f"{UCLOUD}/3773"},
        did="When the timer of a job had reached 00:00, the job ran on.",
        protection="The end of a time allocation is an instant like the end of credits, with the same alarm.",
        changes=(Change("lifecycle.facts:expires_ms", "if allocation is None:", "if True:"),),
        story=Scene(a_time_allocation_of_a_minute_ends),
        caught_by="not within .* physics/a RUNNING",
        taught="A limit that is only shown is none.",
    ),
)
