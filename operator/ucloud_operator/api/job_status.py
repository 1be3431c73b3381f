"""What became of a job: its state, what happened to it, and the facts that it is billed by.

`runs`, and `runsFolded` for those that no longer fit, are what money is derived from: when a run began and ended,
and its rate, which was pinned when its pods were created. `updates` is what people read; no money is derived from
it.
"""

from enum import StrEnum

from pydantic import Field

from ucloud_operator.api.common import Amount, Condition, Model, TimestampMs
from ucloud_operator.api.rules import list_map

MAX_UPDATES = 64
MAX_RUNS = 64


class JobState(StrEnum):
    """Where a job is in its life."""

    IN_QUEUE = "IN_QUEUE"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    EXPIRED = "EXPIRED"
    SUSPENDED = "SUSPENDED"

    @property
    def is_final(self) -> bool:
        """Whether a job in this state stays in it for ever."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.SUCCESS, JobState.FAILURE, JobState.EXPIRED})


class JobUpdate(Model):
    """Something that happened to the job."""

    state: JobState | None = None
    """The state that the job entered, where it entered one."""

    status: str | None = None
    """What happened, as a sentence."""

    timestamp: TimestampMs
    """When it happened."""

    output_folder: str | None = None
    """Where the job's output is, once that is known."""

    expected_state: JobState | None = None
    """The state that the job was expected to be in."""

    expected_different_state: bool | None = None
    """Whether the job was expected to be in another state than `state`."""

    new_time_allocation: int | None = None
    """The new time allocation in milliseconds, where it was raised."""

    allow_restart: bool | None = None
    """Whether the job may be started again."""

    new_mounts: tuple[str, ...] | None = None
    """Folders that the job was given."""


class JobRate(Model):
    """What the job costs while it runs: price times replicas, for every period."""

    price: Amount
    """What one replica costs per period, as it was when the run began."""

    replicas: int = Field(ge=1)
    """How many replicas run."""

    period_ms: int = Field(ge=1)
    """The period's length in milliseconds."""


class JobRun(JobRate):
    """One stretch of time during which all replicas ran, and what it cost per period."""

    number: int = Field(ge=1)
    """1 for the first run; each resumption is one more."""

    started_at: TimestampMs
    """When the last replica had started: billing begins."""

    ended_at: TimestampMs | None = None
    """When the first replica had stopped, or the credits: billing ends. Absent while the run goes on."""


class RunsFolded(Model):
    """The sum of earlier runs that are no longer listed."""

    runs: int = Field(default=0, ge=0)
    """How many runs."""

    elapsed_ms: int = Field(default=0, ge=0)
    """How many milliseconds they lasted, together."""

    usage: Amount = 0
    """The whole units that they used."""

    remainder: int = Field(default=0, ge=0)
    """What they used beyond those, in units times milliseconds, less than one unit for a whole period."""


class JobWallet(Model):
    """The wallet that pays for the job."""

    name: str
    """Its name."""

    uid: str
    """Its uid."""


class UCloudJobStatus(Model):
    """What became of the job so far."""

    state: JobState | None = None
    """IN_QUEUE, RUNNING or SUSPENDED; at the end SUCCESS, FAILURE or EXPIRED."""

    updates: tuple[JobUpdate, ...] = Field(default=(), max_length=MAX_UPDATES)
    """What happened, oldest first: the last 64, the first and the last run always among them."""

    started_at: TimestampMs | None = None
    """When it first ran."""

    expires_at: TimestampMs | None = None
    """When its time allocation ends if it goes on running."""

    exhausts_at: TimestampMs | None = None
    """When its credits end if everything goes on as it is. It is written when people are warned, and taken back when
    that moves away; the wallet's own `exhaustsAt` is the current one."""

    suspended_at: TimestampMs | None = None
    """Since when it has been suspended. Suspended jobs go on in this order while credits last."""

    usage: Amount = 0
    """What it has used so far, in the category's smallest unit."""

    reserved: Amount = 0
    """How many units were set aside for it when it started. More than 0 only with `funding: Reserve`, until it ends."""

    rate: JobRate | None = None
    """What it costs while it runs."""

    rate_per_minute: Amount = 0
    """What it uses per minute at present, rounded down: 0 while it does not run."""

    runs: tuple[JobRun, ...] = Field(default=(), max_length=MAX_RUNS)
    """The stretches of time that it is billed for, oldest first."""

    runs_folded: RunsFolded = RunsFolded()
    """Earlier runs, summed up."""

    wallet: JobWallet | None = None
    """The wallet that pays for it."""

    reason: str | None = None
    """Why it is in this state, as one CamelCase word, such as OutOfCredits."""

    message: str | None = None
    """Why it is in this state, as a sentence with the numbers."""

    observed_generation: int = Field(default=0, ge=0)
    """The `metadata.generation` of the spec that was last acted on."""

    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra=list_map("type"))
    """Statements about the job, such as whether it is ready, or will soon be out of credits."""
