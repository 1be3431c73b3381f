"""What to do about a job now: a pure function of everything that is known about it.

`decide` goes through `RULES` from the top; the first one that has something to say decides, and what it says is a list
of commands, in their order, and the instant at which to look again. Whoever carries the commands out comes back with
what the API server answered, until nothing is left to do. So a rule never has to remember what it did: it sees it.

The order of the commands is the order in which a crash may cut them off, so it is part of the rules: a pod's end is in
the job's status before its finalizer goes; a stop is written on the pods before they are deleted; a job's usage is in
its wallet before the job goes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from ucloud_operator.api import JobState, JobUpdate
from ucloud_operator.lifecycle import sentences, warnings
from ucloud_operator.lifecycle.admission import Objection
from ucloud_operator.lifecycle.commands import (
    Adopt,
    Arm,
    Command,
    Decision,
    DeleteJob,
    DeletePods,
    Launch,
    ReleaseJob,
    ReleasePods,
    Settle,
    Warn,
    WriteStatus,
)
from ucloud_operator.lifecycle.facts import expires_ms, open_run, planned_end, run_number
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.observe import Ended, Missing, Running, Waiting, lost_ms, observe_pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.states import append_update
from ucloud_operator.lifecycle.statuses import ended, queued, resumed, running
from ucloud_operator.lifecycle.stops import BY_TIME, Outcome, outcome_of
from ucloud_operator.lifecycle.timing import grace_seconds_of, lead_ms, next_look_ms
from ucloud_operator.lifecycle.view import View
from ucloud_operator.settings import FOREVER_MS

JOB_FINALIZER: Final = "ucloud.dk/settled"


def adopt(view: View) -> Decision | None:
    """A job is ours from the moment that our finalizer is on it."""
    metadata = view.job.metadata
    if JOB_FINALIZER in metadata.finalizers or metadata.deletion_timestamp is not None or view.job.is_final:
        return None
    return Decision((Adopt(),))


def clean_up(view: View) -> Decision | None:
    """A job without a run to come keeps no pod alive; a deleted one leaves its usage with its wallet and goes.

    One that was suspended before it ran keeps none at all: they have the names of the run to come, and their end would
    be taken for its end.
    """
    job = view.job
    suspended = job.status.state is JobState.SUSPENDED
    resting = job.is_final or suspended
    stale = view.pods if resting else tuple(pod for pod in view.pods if pod.run < run_number(job.status))
    ended: list[Pod] = []
    alive: list[Pod] = []
    for pod in stale:
        (ended if isinstance(observe_pod(pod, view.now_ms), Ended) else alive).append(pod)
    held = tuple(pod for pod in ended if pod.is_held)
    unwanted = tuple(pod for pod in alive if not pod.is_being_deleted)
    in_the_way = view.run_pods if suspended else ()
    stopped = tuple(pod for pod in ended if pod.stop is not None)  # by their deadline, when nobody was there to delete
    leftover = tuple(pod for pod in (*in_the_way, *stopped) if pod in ended and not pod.is_being_deleted)
    commands: list[Command] = []
    if unwanted:
        commands.append(DeletePods(unwanted, grace_seconds_of(job, FOREVER_MS, view.now_ms)))
    if held:
        commands.append(ReleasePods(held))
    if leftover:
        commands.append(DeletePods(leftover, 0))
    if commands:
        return Decision(tuple(commands))
    if job.is_final and job.metadata.deletion_timestamp is not None and not any(pod.is_held for pod in stale):
        return _leave(view)
    if job.is_final and not alive:
        return _keep(view)
    return Decision() if job.is_final or alive or in_the_way else None


def _keep(view: View) -> Decision:
    """A job that is over stays for as long as it wants to be kept."""
    keep_seconds = view.job.spec.ttl_seconds_after_finished
    if keep_seconds is None or view.job.is_being_deleted:
        return Decision()
    due_ms = view.job.status.updates[-1].timestamp + 1000 * keep_seconds
    return Decision((DeleteJob(),)) if view.now_ms >= due_ms else Decision((), due_ms)


def _leave(view: View) -> Decision:
    job = view.job
    if JOB_FINALIZER not in job.metadata.finalizers:
        return Decision()
    if view.settled or not job.status.usage:
        return Decision((ReleaseJob(),))
    return Decision((Settle(),))


def begin(view: View) -> Decision | None:
    """All replicas run, or ran before we saw it: the bill begins, and the job says RUNNING."""
    observation = view.observation
    if open_run(view.job.status) is not None or not isinstance(observation, Running | Ended):
        return None
    rate = next((pod.rate for pod in view.run_pods if pod.rate is not None), None)
    if observation.started_ms is None or rate is None or view.wallet is None:
        return None
    return Decision((WriteStatus(running(view, observation.started_ms, rate, view.wallet)),))


def end(view: View) -> Decision | None:
    """The first replica has stopped: so has the bill, and the job with it."""
    observation, run = view.observation, open_run(view.job.status)
    if isinstance(observation, Ended):
        last_ms = min(observation.ended_ms, view.limit_ms)
        return Decision((WriteStatus(ended(view, last_ms, observation.outcome)),))
    if isinstance(observation, Missing) and run is not None:
        seen_ms = (view.wallet.status.metered_at if view.wallet is not None else None) or run.started_at
        stop = view.stop
        outcome = (
            outcome_of(stop.reason, suspends=view.intent.suspends)
            if stop is not None and stop.at_ms <= view.now_ms
            else Outcome(JobState.FAILURE, Reason.PodDeleted, sentences.POD_DELETED)
        )
        last_ms = min(view.now_ms, planned_end(view.job, view.run_pods), max(run.started_at, seen_ms))
        return Decision((WriteStatus(ended(view, last_ms, outcome)),))
    return None


def give_up(view: View) -> Decision | None:
    """An image or a configuration that doesn't work for a minute won't work."""
    observation = view.observation
    if not isinstance(observation, Waiting) or observation.failure is None or view.now_ms < _give_up_ms(view):
        return None
    return Decision((WriteStatus(ended(view, view.now_ms, observation.failure)),))


def _give_up_ms(view: View) -> int:
    since_ms = view.failing_since_ms if view.failing_since_ms is not None else view.now_ms
    return since_ms + 1000 * view.settings.start_failure_seconds


def stop(view: View) -> Decision | None:
    """A run ends when its user, its time allocation or its credits say so; the pods are told a moment before."""
    decided, pods = view.stop, tuple(pod for pod in view.run_pods if not pod.is_being_deleted)
    if decided is None or not pods:
        return None
    due_ms = decided.at_ms - lead_ms(view.job, decided)
    if view.now_ms < due_ms - 1000 * view.settings.arm_seconds:
        return None
    unarmed = tuple(pod for pod in pods if pod.stop is None or pod.stop.at_ms > decided.at_ms)
    commands: list[Command] = []
    if unarmed and decided.reason is not Reason.Cancelled:  # which can't be taken back, and stands in the job
        commands.append(Arm(unarmed, decided, due_ms if decided.reason in BY_TIME else FOREVER_MS))
    if view.now_ms < due_ms:
        return Decision(tuple(commands), due_ms) if commands else None
    left_until_ms = decided.at_ms if decided.reason in BY_TIME else FOREVER_MS
    commands.append(DeletePods(pods, grace_seconds_of(view.job, left_until_ms, view.now_ms), decided))
    return Decision(tuple(commands))


def warn(view: View) -> Decision | None:
    """People and pods are told when the end of a run comes near, once for each level, and when it has moved away."""
    run, decided, status = open_run(view.job.status), view.stop, view.job.status
    if run is None or view.wallet is None or (decided is not None and decided.reason not in BY_TIME):
        return None
    end_ms = decided.at_ms if decided is not None else FOREVER_MS
    minutes, before = view.wallet.spec.warn_minutes, warnings.told(status.conditions)
    level = warnings.level_at(end_ms, minutes, run.started_at, view.now_ms)
    if not warnings.is_news(level, before):
        return None
    message = sentences.ends_at(end_ms - view.now_ms, end_ms) if level is not None else sentences.ENDS_LATER
    condition = warnings.condition(level, message, before, view.now_ms)
    others = tuple(each for each in status.conditions if each.type != condition.type)
    told = {"conditions": (*others, condition), "exhausts_at": end_ms if level is not None else None}
    aloud = warnings.is_closer(level, before)
    shown_ms = end_ms if level is not None else None
    return Decision(
        (
            Warn(view.run_pods, shown_ms, condition.reason, message, aloud, f"{run.number} {warnings.since(before)}"),
            WriteStatus(status.model_copy(update=told)),
        )
    )


def note_edit(view: View) -> Decision | None:
    """Whatever was edited is noted; a time allocation that grew moves the end, and the job says so."""
    job, status = view.job, view.job.status
    untouched = status.observed_generation == job.metadata.generation
    if status.state is None or untouched or (view.wish is not None and status.state is not JobState.SUSPENDED):
        return None
    changes: dict[str, object] = {"observed_generation": job.metadata.generation}
    run = open_run(status)
    expires = expires_ms(job, run.started_at) if run is not None else FOREVER_MS
    if expires not in {FOREVER_MS, status.expires_at} and job.spec.time_allocation is not None:
        update = JobUpdate(timestamp=view.now_ms, new_time_allocation=job.spec.time_allocation.duration_ms)
        changes |= {"expires_at": expires, "updates": append_update(status.updates, update)}
    return Decision((WriteStatus(status.model_copy(update=changes)),))


def queue(view: View) -> Decision | None:
    """Pods that are there and don't run yet: say so after a while, and why, and look again when patience ends."""
    observation, status = view.observation, view.job.status
    if not isinstance(observation, Waiting):
        return None
    reason = observation.reason if observation.reason is Reason.Unschedulable else Reason.Queued
    if view.now_ms >= _notice_ms(view) and (status.state is None or status.reason != reason):
        return Decision((WriteStatus(queued(view, reason, observation.sentence)),))
    wakes = [_notice_ms(view)] if view.now_ms < _notice_ms(view) else []
    if observation.failure is not None:
        wakes.append(_give_up_ms(view))
    return Decision((), min(wakes, default=FOREVER_MS))


def _notice_ms(view: View) -> int:
    """Return when waiting has lasted long enough to be written down."""
    return view.job.metadata.creation_timestamp + 1000 * view.settings.queue_notice_seconds


def rest(view: View) -> Decision | None:
    """A job without pods that its user ends or suspends needs nothing but a word."""
    wish, status = view.wish, view.job.status
    if wish is None or view.run_pods:
        return None
    if wish.reason is Reason.Cancelled:
        if status.state is None and status.wallet is None and view.job.metadata.deletion_timestamp is not None:
            return Decision((ReleaseJob(),))
        return Decision((WriteStatus(ended(view, view.now_ms, outcome_of(Reason.Cancelled, suspends=False))),))
    if status.state is JobState.SUSPENDED:
        return Decision()
    return Decision((WriteStatus(ended(view, view.now_ms, outcome_of(Reason.Suspended, suspends=False))),))


def start(view: View) -> Decision | None:
    """A job without pods is launched as soon as it is admitted, and is refused when it won't be."""
    observation, job = view.observation, view.job
    if not isinstance(observation, Missing) or open_run(job.status) is not None:
        return None
    if view.rejected:
        outcome = Outcome(JobState.FAILURE, Reason.PodRejected, sentences.pod_rejected(view.rejected))
        return Decision((WriteStatus(ended(view, view.now_ms, outcome)),))
    objection = view.admit() if len(observation.ranks) == job.spec.replicas else None
    if objection is not None:
        return _not_admitted(view, objection)
    in_the_way = view.in_the_way(observation.ranks)
    return _launch(view, observation.ranks) if in_the_way is None else _wait_for_name(view, in_the_way)


def _launch(view: View, ranks: tuple[int, ...]) -> Decision:
    status = view.job.status
    launch = Launch(run_number(status), ranks)
    if view.held_up and status.state is None and view.now_ms >= _notice_ms(view):
        return Decision((WriteStatus(queued(view, Reason.Queued, sentences.held_up(view.held_up))), launch))
    if status.state is JobState.SUSPENDED:
        return Decision((WriteStatus(resumed(view)), launch))
    return Decision((launch,))


def _not_admitted(view: View, objection: Objection) -> Decision:
    """What can still come is waited for, and said after a while; a refusal ends the job, or leaves it suspended."""
    status = view.job.status
    if objection.state is None:
        if status.state is None and view.now_ms >= _notice_ms(view):
            return Decision((WriteStatus(queued(view, Reason.Queued, objection.message)),))
        again_ms = FOREVER_MS if objection.again_in_ms is None else view.now_ms + objection.again_in_ms
        return Decision((), min(again_ms, _notice_ms(view)) if status.state is None else again_ms)
    if objection.state is status.state is JobState.SUSPENDED:
        return Decision()
    outcome = Outcome(objection.state, objection.reason, objection.message)
    return Decision((WriteStatus(ended(view, view.now_ms, outcome)),))


def _wait_for_name(view: View, pod: Pod) -> Decision:
    """A pod of an earlier job has the name of one to come: what becomes of it is heard of, and said after a while."""
    status = view.job.status
    lost = pod.given_up_ms is not None
    message = sentences.name_taken(pod.metadata.name, pod.spec.node_name, lost=lost)
    if status.state is None and view.now_ms < _notice_ms(view):
        return Decision((), _notice_ms(view))
    if status.state is JobState.SUSPENDED:
        return Decision((WriteStatus(resumed(view)),))
    if status.message == message:
        return Decision()
    return Decision((WriteStatus(queued(view, Reason.Queued, message)),))


Rule: TypeAlias = Callable[[View], Decision | None]

RULES: Final[tuple[Rule, ...]] = (adopt, note_edit, clean_up, begin, end, give_up, stop, warn, queue, rest, start)


def decide(view: View) -> Decision:
    """Return what the first rule that has something to say says, and never wait for ever for a pod's good-bye."""
    said = next((decision for rule in RULES if (decision := rule(view)) is not None), None)
    decision = said if said is not None else Decision((), next_look_ms(view))
    return replace(decision, wake_ms=min(decision.wake_ms, lost_ms(view.pods, view.now_ms)))
