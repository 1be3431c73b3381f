"""What a decision about a job can command, and nothing else can happen to it."""

from dataclasses import dataclass
from typing import TypeAlias

from ucloud_operator.api import UCloudJobStatus
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.stops import Stop
from ucloud_operator.settings import FOREVER_MS


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
    deadline_ms: int = FOREVER_MS  # none


@dataclass(frozen=True, slots=True)
class DeletePods:
    """Delete these pods with that much grace."""

    pods: tuple[Pod, ...]
    grace_seconds: int
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """Let the pods read when the run ends (None: not soon), and tell people, where there is something to tell."""

    pods: tuple[Pod, ...]
    end_ms: int | None
    reason: str
    message: str
    aloud: bool
    occasion: str
    """What tells this warning from others of its level."""


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete the job itself: it has been over for as long as it wanted to be kept."""


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
    """Give the job its line in the wallet's statement."""


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """Take our finalizer off the job."""


Command: TypeAlias = (
    Adopt | Launch | Arm | Warn | DeletePods | ReleasePods | WriteStatus | Settle | DeleteJob | ReleaseJob
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in this order, and when to look again if nothing changes (unix ms)."""

    commands: tuple[Command, ...] = ()
    wake_ms: int = FOREVER_MS
