"""What to do about a job now: a pure function of everything that is known about it.

`decide` goes through `RULES` from the top; the first one that has something to say decides, and what it says is a list of
commands, in their order, and the instant at which to look again. Whoever carries the commands out comes back with what
the API server answered, until nothing is left to do. So a rule never has to remember what it did: it sees it.

The order of the commands is the order in which a crash may cut them off, so it is part of the rules: a pod's end is in the
job's status before its finalizer goes; a stop is written on the pods before they are deleted; a job's usage is in its
wallet before the job goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ucloud_operator.api import JobState, JobUpdate, UCloudJob, UCloudJobStatus, Wallet
from ucloud_operator.api.common import Condition
from ucloud_operator.api.job import JobRate, JobRun, JobWallet
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.admission import Objection
from ucloud_operator.lifecycle.endings import Intent
from ucloud_operator.lifecycle.facts import expires_ms, open_run, planned_end, run_number
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.observe import Ended, Missing, Observation, Running, Waiting, observe, observe_pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.states import append_update, step
from ucloud_operator.lifecycle.stops import Outcome, Stop, first_stop, outcome_of
from ucloud_operator.settings import FOREVER_MS, Settings

JOB_FINALIZER: Final = "ucloud.dk/settled"
SHORTEST_GRACE_SECONDS: Final = 1
MINUTE_MS: Final = 60_000


# What can be commanded


@dataclass(frozen=True, slots=True)
class Adopt:
    """Put our finalizer on the job, where no admission policy has done so."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Create the pods of these ranks of the run, and the Service by which several replicas find each other."""

    run: int
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arm:
    """Write the stop on these pods, and tell their kubelet the instant from which on it stops them by itself."""

    pods: tuple[Pod, ...]
    stop: Stop
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class DeletePods:
    """Delete these pods with that much grace."""

    pods: tuple[Pod, ...]
    grace_seconds: int
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class ReleasePods:
    """Take our finalizer off these pods."""

    pods: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Write the job's status."""

    status: UCloudJobStatus


@dataclass(frozen=True, slots=True)
class Settle:
    """Have the wallet take the job's usage over."""


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """Take our finalizer off the job."""


Command: TypeAlias = Adopt | Launch | Arm | DeletePods | ReleasePods | WriteStatus | Settle | ReleaseJob


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in this order, and when to look again if nothing changes (unix ms)."""

    commands: tuple[Command, ...] = ()
    wake_ms: int = FOREVER_MS


# What is known


@dataclass(frozen=True, slots=True)
class View:
    """Everything a decision about a job is made from."""

    job: UCloudJob
    pods: tuple[Pod, ...]
    wallet: Wallet | None
    now_ms: int
    settings: Settings
    credits: Stop | None = None  # when and why its credits end, by the latest plan
    settled: bool = False  # the wallet has taken its usage over
    namespace_terminating: bool = False
    rejected: str = ""  # what the API server said when it refused the job's pods for good
    admit: Callable[[], Objection | None] = field(default=lambda: None)  # asked only when it is to be launched
    final_usage: Callable[[int], int] = field(default=lambda _: 0)  # by the end of its run (unix ms)

    @property
    def run_pods(self) -> tuple[Pod, ...]:
        """The pods of the run that goes on or comes next."""
        number = run_number(self.job.status)
        return tuple(pod for pod in self.pods if pod.run == number)

    @property
    def intent(self) -> Intent:
        """What was decided about the job besides what stands on its pods."""
        return Intent(
            stop=self.wish,
            suspends=self.wallet is not None and self.wallet.spec.on_exhaustion == "Suspend",
            namespace_terminating=self.namespace_terminating,
        )

    @property
    def wish(self) -> Stop | None:
        """The user's own decision to end or suspend it."""
        spec, deleted_ms = self.job.spec, self.job.metadata.deletion_timestamp
        told = [pod.told_to_stop_ms for pod in self.run_pods if pod.told_to_stop_ms is not None]
        at_ms = min((self.now_ms, *told))
        if spec.terminate or deleted_ms is not None:
            return Stop(Reason.Cancelled, at_ms)
        return Stop(Reason.Suspended, at_ms) if spec.suspend else None

    @property
    def observation(self) -> Observation:
        """How the run fares."""
        return observe(self.run_pods, self.job.spec.replicas, self.now_ms, self.intent)

    @property
    def stop(self) -> Stop | None:
        """The decision that ends the run, or will."""
        run = open_run(self.job.status)
        written = first_stop(pod.stop for pod in self.run_pods)
        if run is None or written is not None:
            return first_stop((written, self.wish))
        expires = expires_ms(self.job, run.started_at)
        expiry = Stop(Reason.Expired, expires) if expires < FOREVER_MS else None
        return first_stop((self.wish, expiry, self.credits))


# The rules


def adopt(view: View) -> Decision | None:
    """A job is ours from the moment that our finalizer is on it."""
    metadata = view.job.metadata
    if JOB_FINALIZER in metadata.finalizers or metadata.deletion_timestamp is not None or view.job.is_final:
        return None
    return Decision((Adopt(),))


def clean_up(view: View) -> Decision | None:
    """A job without a run to come keeps no pod alive; a deleted one leaves its usage with its wallet and goes."""
    job = view.job
    resting = job.is_final or job.status.state is JobState.SUSPENDED
    stale = view.pods if resting else tuple(pod for pod in view.pods if pod.run < run_number(job.status))
    ended: list[Pod] = []
    alive: list[Pod] = []
    for pod in stale:
        (ended if isinstance(observe_pod(pod, view.now_ms), Ended) else alive).append(pod)
    held = tuple(pod for pod in ended if pod.is_held)
    unwanted = tuple(pod for pod in alive if not pod.is_being_deleted)
    commands: list[Command] = []
    if unwanted:
        commands.append(DeletePods(unwanted, _grace_seconds(job, FOREVER_MS, view.now_ms)))
    if held:
        commands.append(ReleasePods(held))
    if commands:
        return Decision(tuple(commands))
    if job.is_final and job.metadata.deletion_timestamp is not None and not any(pod.is_held for pod in stale):
        return _leave(view)
    return Decision() if job.is_final or alive else None


def _leave(view: View) -> Decision:
    job = view.job
    if JOB_FINALIZER not in job.metadata.finalizers:
        return Decision()
    if view.settled or not job.status.usage or view.wallet is None or _others(view):
        return Decision((ReleaseJob(),))
    return Decision((Settle(),))


def _others(view: View) -> bool:
    """Say whether the wallet of that name is another one by now."""
    pinned = view.job.status.wallet
    return pinned is None or view.wallet is None or pinned.uid != view.wallet.metadata.uid


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
        return Decision((WriteStatus(ended(view, observation.ended_ms, observation.outcome)),))
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
    if not isinstance(observation, Waiting) or observation.failure is None:
        return None
    due_ms = observation.since_ms + 1000 * view.settings.start_failure_seconds
    if view.now_ms < due_ms:
        return None
    return Decision((WriteStatus(ended(view, view.now_ms, observation.failure)),))


def stop(view: View) -> Decision | None:
    """A run ends when its user, its time allocation or its credits say so; the pods are told a moment before."""
    decided, pods = view.stop, tuple(pod for pod in view.run_pods if not pod.is_being_deleted)
    if decided is None or not pods:
        return None
    due_ms = decided.at_ms - _lead_ms(view.job, decided)
    if decided is view.wish or decided.reason in {Reason.Cancelled, Reason.Suspended}:
        return Decision((DeletePods(pods, _grace_seconds(view.job, FOREVER_MS, view.now_ms)),))
    unarmed = tuple(pod for pod in pods if pod.stop is None or pod.stop.at_ms > decided.at_ms)
    arm_ms = due_ms - 1000 * view.settings.arm_seconds
    if view.now_ms < arm_ms:
        return None
    commands: list[Command] = [Arm(unarmed, decided, due_ms)] if unarmed else []
    if view.now_ms >= due_ms:
        commands.append(DeletePods(pods, _grace_seconds(view.job, decided.at_ms, view.now_ms), decided))
    return Decision(tuple(commands), FOREVER_MS if view.now_ms >= due_ms else due_ms) if commands else None


def extend(view: View) -> Decision | None:
    """A time allocation that grew moves the end, and the job says so."""
    job, run = view.job, open_run(view.job.status)
    if run is None or job.status.observed_generation == job.metadata.generation:
        return None
    expires = expires_ms(job, run.started_at)
    changes: dict[str, object] = {"observed_generation": job.metadata.generation}
    if expires < FOREVER_MS and expires != job.status.expires_at and job.spec.time_allocation is not None:
        update = JobUpdate(timestamp=view.now_ms, new_time_allocation=job.spec.time_allocation.duration_ms)
        changes |= {"expires_at": expires, "updates": append_update(job.status.updates, update)}
    return Decision((WriteStatus(job.status.model_copy(update=changes)),))


def queue(view: View) -> Decision | None:
    """Pods that are there and don't run yet: say so after a while, and look again when patience ends."""
    observation, job = view.observation, view.job
    if not isinstance(observation, Waiting):
        return None
    notice_ms = job.metadata.creation_timestamp + 1000 * view.settings.queue_notice_seconds
    if job.status.state is None and view.now_ms >= notice_ms:
        return Decision((WriteStatus(queued(view)),))
    wakes = [notice_ms] if job.status.state is None else []
    if observation.failure is not None:
        wakes.append(observation.since_ms + 1000 * view.settings.start_failure_seconds)
    return Decision((), min(wakes, default=FOREVER_MS))


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
    if objection is not None and objection.state is not None:
        if objection.state is job.status.state is JobState.SUSPENDED:
            return Decision()
        outcome = Outcome(objection.state, objection.reason, objection.message)
        return Decision((WriteStatus(ended(view, view.now_ms, outcome)),))
    if objection is not None:
        notice_ms = job.metadata.creation_timestamp + 1000 * view.settings.queue_notice_seconds
        if job.status.state is None and view.now_ms >= notice_ms:
            return Decision((WriteStatus(queued(view, objection.message)),))
        again_ms = view.now_ms + objection.again_in_ms if objection.again_in_ms is not None else FOREVER_MS
        return Decision((), min(again_ms, notice_ms if job.status.state is None else FOREVER_MS))
    launch = Launch(run_number(job.status), observation.ranks)
    if job.status.state is JobState.SUSPENDED:
        return Decision((WriteStatus(resumed(view)), launch))
    return Decision((launch,))


Rule: TypeAlias = Callable[[View], Decision | None]

RULES: Final[tuple[Rule, ...]] = (adopt, clean_up, begin, end, give_up, stop, extend, queue, rest, start)


def decide(view: View) -> Decision:
    """Return what the first rule that has something to say says."""
    for rule in RULES:
        decision = rule(view)
        if decision is not None:
            return decision
    return Decision((), _next_look_ms(view))


def _next_look_ms(view: View) -> int:
    """Return when a stop that isn't due yet has to be armed, or carried out if it is armed."""
    decided = view.stop
    if decided is None or decided is view.wish:
        return FOREVER_MS
    return _act_ms(view.job, view.run_pods, decided, view.settings)


def act_ms(job: UCloudJob, pods: Sequence[Pod], end_ms: int, settings: Settings) -> int:
    """Return when something has to be done about credits that end then (unix ms)."""
    number = run_number(job.status)
    return _act_ms(job, [pod for pod in pods if pod.run == number], Stop(Reason.OutOfCredits, end_ms), settings)


def _act_ms(job: UCloudJob, pods: Sequence[Pod], decided: Stop, settings: Settings) -> int:
    if not pods or all(pod.is_being_deleted for pod in pods):
        return FOREVER_MS
    due_ms = decided.at_ms - _lead_ms(job, decided)
    armed = all(pod.stop is not None and pod.stop.at_ms <= decided.at_ms for pod in pods)
    return due_ms if armed else due_ms - 1000 * settings.arm_seconds


def _lead_ms(job: UCloudJob, decided: Stop) -> int:
    """Return how long before its instant a stop is carried out: whoever asked for time to save work gets it before."""
    grace_seconds = job.spec.termination_grace_period_seconds
    unhurried = decided.reason in {Reason.OutOfCredits, Reason.Expired} and grace_seconds > SHORTEST_GRACE_SECONDS
    return 1000 * grace_seconds if unhurried else 0


def _grace_seconds(job: UCloudJob, end_ms: int, now_ms: int) -> int:
    """Return the grace to ask for: the job's own, but no more than is left, as one that has begun can't be shortened."""
    left_seconds = -(-max(0, end_ms - now_ms) // 1000)
    return max(SHORTEST_GRACE_SECONDS, min(job.spec.termination_grace_period_seconds, left_seconds))


# What the status says next


def queued(view: View, message: str = "") -> UCloudJobStatus:
    """The job waits."""
    status = view.job.status
    if status.state is not None:
        return status
    update = JobUpdate(
        state=step(None, Reason.Queued, JobState.IN_QUEUE),
        status=sentences.QUEUED,
        timestamp=view.job.metadata.creation_timestamp,
    )
    return status.model_copy(
        update={
            "state": JobState.IN_QUEUE,
            "updates": append_update(status.updates, update),
            "reason": Reason.Queued.value,
            "message": message or sentences.QUEUED,
            "observed_generation": view.job.metadata.generation,
            "conditions": _conditions(view, JobState.IN_QUEUE, Reason.Queued, message or sentences.QUEUED),
        }
    )


def running(view: View, started_ms: int, rate: JobRate, wallet: Wallet) -> UCloudJobStatus:
    """All replicas run."""
    job, status = view.job, queued(view)
    assert status.state is not None
    run = JobRun(
        number=run_number(status),
        started_at=started_ms,
        price=rate.price,
        replicas=rate.replicas,
        period_ms=rate.period_ms,
    )
    update = JobUpdate(
        state=step(status.state, Reason.Started, JobState.RUNNING), status=sentences.RUNNING, timestamp=started_ms
    )
    expires = expires_ms(job, started_ms)
    return status.model_copy(
        update={
            "state": JobState.RUNNING,
            "updates": append_update(status.updates, update),
            "started_at": status.started_at or started_ms,
            "expires_at": expires if expires < FOREVER_MS else None,
            "rate": rate,
            "rate_per_minute": rate.price * rate.replicas * MINUTE_MS // rate.period_ms,
            "runs": (*status.runs, run),
            "wallet": JobWallet(name=wallet.metadata.name, uid=wallet.metadata.uid),
            "reason": Reason.Started.value,
            "message": sentences.RUNNING,
            "observed_generation": job.metadata.generation,
            "conditions": _conditions(view, JobState.RUNNING, Reason.Started, sentences.RUNNING),
        }
    )


def resumed(view: View) -> UCloudJobStatus:
    """A suspended job is back in the queue."""
    status = view.job.status
    state = step(status.state, Reason.Resumed, JobState.IN_QUEUE)
    update = JobUpdate(state=state, status=sentences.RESUMED, timestamp=view.now_ms)
    return status.model_copy(
        update={
            "state": state,
            "updates": append_update(status.updates, update),
            "reason": Reason.Resumed.value,
            "message": sentences.RESUMED,
            "observed_generation": view.job.metadata.generation,
            "conditions": _conditions(view, state, Reason.Resumed, sentences.RESUMED),
        }
    )


def ended(view: View, ended_ms: int, outcome: Outcome) -> UCloudJobStatus:
    """The run has ended, and the job with it, or until it is resumed."""
    status = queued(view)
    run, runs, usage = open_run(status), status.runs, status.usage
    if run is not None:
        ended_ms = max(run.started_at, ended_ms)
        runs = (*runs[:-1], run.model_copy(update={"ended_at": ended_ms}))
        usage = view.final_usage(ended_ms)
        assert usage >= status.usage, "usage never goes down"
    state = step(status.state, outcome.reason, outcome.state)
    update = JobUpdate(state=state, status=outcome.sentence, timestamp=ended_ms)
    return status.model_copy(
        update={
            "state": state,
            "updates": append_update(status.updates, update),
            "expires_at": None if state is JobState.SUSPENDED else status.expires_at,
            "usage": usage,
            "rate_per_minute": 0,
            "runs": runs,
            "reason": outcome.reason.value,
            "message": outcome.sentence,
            "observed_generation": view.job.metadata.generation,
            "conditions": _conditions(view, state, outcome.reason, outcome.sentence),
        }
    )


def _conditions(view: View, state: JobState, reason: Reason, message: str) -> tuple[Condition, ...]:
    """Two statements to wait for; their time is that of their last change."""
    known = {condition.type: condition for condition in view.job.status.conditions}
    conditions = []
    for type_, holds in (("Running", state is JobState.RUNNING), ("Finished", state.is_final)):
        truth = "True" if holds else "False"
        old = known.get(type_)
        since_ms = old.last_transition_time if old is not None and old.status == truth else view.now_ms
        conditions.append(
            Condition(type=type_, status=truth, reason=reason.value, message=message, last_transition_time=since_ms)
        )
    return tuple(conditions)
