"""What is read of a pod: the few fields that tell how it fares, as the scheduler and the kubelet wrote them.

The watch parses ten thousand of these at a start, straight from the API server's bytes, so the models name only what
some rule reads. They believe little: an absent field has a default, an unknown phase or reason is just a word.

All stamps are the API server's or a kubelet's clock, cut off to the second. A container that failed to start has the
year 1970 for its start, which here means that there was none.
"""

from functools import cached_property
from typing import Final

from ucloud_operator.api import JobRate, Model, ObjectMeta, TimestampMs
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.stops import Stop, parse_stop


class ContainerRunning(Model):
    """A container's state while it runs."""

    started_at: TimestampMs | None = None


class ContainerTerminated(Model):
    """A container's state after its end."""

    exit_code: int = 0
    signal: int | None = None
    reason: str = ""
    message: str = ""
    started_at: TimestampMs | None = None
    finished_at: TimestampMs | None = None


class ContainerWaiting(Model):
    """A container's state before its start."""

    reason: str = ""
    message: str = ""


class ContainerState(Model):
    """One of the three."""

    waiting: ContainerWaiting | None = None
    running: ContainerRunning | None = None
    terminated: ContainerTerminated | None = None


class ContainerStatus(Model):
    """How a container fares."""

    name: str
    state: ContainerState = ContainerState()


class PodCondition(Model):
    """A statement of the scheduler, the kubelet or a controller about a pod."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: TimestampMs | None = None

    @property
    def gives_up(self) -> bool:
        """Whether a controller says that the pod, or its node, is no longer there.

        A node that falls silent is called so within a minute: its pods aren't ready any more. A kubelet that says the
        same gives a reason; the node lifecycle controller gives none. That the pods are given up for it comes later.
        """
        unready = self.type == "Ready" and self.status == "False" and not self.reason
        return unready or (self.type == "DisruptionTarget" and self.status == "True")


class PodMeta(ObjectMeta):
    """A pod's metadata."""

    deletion_grace_period_seconds: int | None = None


class PodSpec(Model):
    """What others set in a pod's spec."""

    node_name: str = ""
    active_deadline_seconds: int | None = None
    termination_grace_period_seconds: int = 30


class PodStatus(Model):
    """A pod's status."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    start_time: TimestampMs | None = None
    conditions: tuple[PodCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


_NOTHING: Final = ContainerState()


class Pod(Model):
    """A pod of a job, as the API server shows it. What is read off it again and again is worked out once."""

    metadata: PodMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @cached_property
    def job_uid(self) -> str:
        """The uid of the job that it belongs to."""
        return self.metadata.labels.get(pods.JOB_UID, "")

    @cached_property
    def rank(self) -> int:
        """Which of the run's replicas it is, from 0; -1 if nobody can tell."""
        return _number(self.metadata.labels.get(pods.RANK), -1)

    @cached_property
    def run(self) -> int:
        """Which of the job's runs it belongs to, from 1; 0 if nobody can tell."""
        return _number(self.metadata.labels.get(pods.RUN), 0)

    @cached_property
    def rate(self) -> JobRate | None:
        """The rate that was pinned when it was created."""
        price, replicas, period_ms = (
            _number(self.metadata.annotations.get(name), -1) for name in (pods.PRICE, pods.REPLICAS, pods.PERIOD_MS)
        )
        if price < 0 or replicas < 1 or period_ms < 1:
            return None
        return JobRate(price=price, replicas=replicas, period_ms=period_ms)

    @cached_property
    def reserved(self) -> int:
        """What was set aside for its job when it was created."""
        return _number(self.metadata.annotations.get(pods.RESERVED), 0)

    @cached_property
    def stop(self) -> Stop | None:
        """The decision to stop it, if there is one."""
        return parse_stop(self.metadata.annotations.get(pods.STOP))

    @property
    def is_held(self) -> bool:
        """Whether our finalizer keeps the object."""
        return pods.FINALIZER in self.metadata.finalizers

    @property
    def is_bound(self) -> bool:
        """Whether it has a node: before that nothing of it can have run."""
        return bool(self.spec.node_name)

    @property
    def is_being_deleted(self) -> bool:
        """Whether somebody asked for its deletion."""
        return self.metadata.deletion_timestamp is not None

    @property
    def is_stopped(self) -> bool:
        """Whether it is being deleted and its kubelet has done its part: only finalizers keep it."""
        return self.is_being_deleted and self.metadata.deletion_grace_period_seconds == 0

    @property
    def told_to_stop_ms(self) -> int | None:
        """When its deletion was asked for: `deletionTimestamp` is the end of the grace that was given with it."""
        if self.metadata.deletion_timestamp is None:
            return None
        return self.metadata.deletion_timestamp - 1000 * (self.metadata.deletion_grace_period_seconds or 0)

    @cached_property
    def container(self) -> ContainerState:
        """The state of the job's own container, whatever others were injected."""
        return next((c.state for c in self.status.container_statuses if c.name == pods.CONTAINER), _NOTHING)

    @cached_property
    def started_ms(self) -> int | None:
        """When the job's container started, by the kubelet's clock."""
        state = self.container.terminated or self.container.running
        return state.started_at or None if state else None

    @cached_property
    def finished_ms(self) -> int | None:
        """When the job's container ended, by the kubelet's clock."""
        return self.container.terminated.finished_at or None if self.container.terminated else None

    def skew_ms(self, started_by_ms: int) -> int:
        """Return by how much its node's clock is provably ahead of ours if its container had started by then (unix ms).

        It is what is left after clamping its stamp; negative: behind.
        """
        stamped_ms = self.started_ms
        if stamped_ms is None:
            return 0
        return stamped_ms - max(self.metadata.creation_timestamp, min(stamped_ms, started_by_ms))

    @cached_property
    def given_up_ms(self) -> int | None:
        """When a controller first said that it isn't there any more, if nothing was heard of it since."""
        said = (condition.last_transition_time or 0 for condition in self.status.conditions if condition.gives_up)
        return min((at_ms for at_ms in said if at_ms > self._last_heard_ms), default=None)

    @property
    def last_sign_of_life_ms(self) -> int:
        """Until when it may be taken to have lived: to the end of its grace, or until it was given up."""
        ends_ms = self.metadata.deletion_timestamp, self.given_up_ms
        heard_ms = self._last_heard_ms
        return min((at_ms for at_ms in ends_ms if at_ms is not None and at_ms > heard_ms), default=heard_ms)

    @cached_property
    def _last_heard_ms(self) -> int:
        signs = (
            self.metadata.creation_timestamp,
            self.status.start_time,
            self.started_ms,
            *(each.last_transition_time for each in self.status.conditions if not each.gives_up),
        )
        return max(sign for sign in signs if sign is not None)

    def condition(self, type_: str) -> PodCondition | None:
        """Return the condition of that type."""
        return next((condition for condition in self.status.conditions if condition.type == type_), None)


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and text.isascii() else otherwise
