"""UCloudJob: one run of an application on a product, paid from the namespace's wallet, and what became of it."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from ucloud_operator.api.common import AGE, DNS_LABEL_PATTERN, Column, FreeForm, Model, Name, Resource
from ucloud_operator.api.job_status import (
    FINAL_STATES,
    MAX_RUNS,
    MAX_UPDATES,
    JobRate,
    JobRun,
    JobState,
    JobUpdate,
    JobWallet,
    RunsFolded,
    UCloudJobStatus,
)
from ucloud_operator.api.rules import Rule, immutable, immutable_optional, rules

__all__ = [
    "FINAL_STATES",
    "MAX_NAME_LENGTH",
    "MAX_REPLICAS",
    "MAX_RUNS",
    "MAX_UPDATES",
    "Funding",
    "JobRate",
    "JobRun",
    "JobState",
    "JobUpdate",
    "JobWallet",
    "NameAndVersion",
    "ProductReference",
    "RunsFolded",
    "SimpleDuration",
    "UCloudJob",
    "UCloudJobSpec",
    "UCloudJobStatus",
]

MAX_NAME_LENGTH = 45
MAX_REPLICAS = 1000

ANOTHER_JOB = "create another job instead"

Funding = Literal["Stream", "Reserve"]


class NameAndVersion(Model):
    """Which application: its name and version."""

    name: Name
    """The application's name, such as acme-web-application."""

    version: Name
    """The application's version, such as 1.0.0."""


class ProductReference(Model):
    """Which product: its id, and the category and provider that it belongs to."""

    id: Name
    """The product's name, such as example-compute."""

    category: Name
    """The name of the product's category, such as example-compute."""

    provider: Name
    """The provider's name, such as example."""


class SimpleDuration(Model):
    """A length of time: hours, minutes and seconds together."""

    hours: int = Field(default=0, ge=0, le=1_000_000)
    """Hours."""

    minutes: int = Field(default=0, ge=0, le=1_000_000)
    """Minutes, added to the hours."""

    seconds: int = Field(default=0, ge=0, le=1_000_000)
    """Seconds, added to the hours and minutes."""

    @property
    def duration_ms(self) -> int:
        """The whole length in milliseconds."""
        return ((self.hours * 60 + self.minutes) * 60 + self.seconds) * 1000


def _seconds(of: str) -> str:
    """CEL: the length of a time allocation in seconds."""
    return f"({of}.hours * 3600 + {of}.minutes * 60 + {of}.seconds)"


class UCloudJobSpec(Model):
    """What to run, on what, how many times over and for how long."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                immutable_optional(field, ANOTHER_JOB)
                for field in ("parameters", "resources", "openedFile", "restartOnExit", "sshEnabled")
            ),
            Rule(
                "has(self.timeAllocation) == has(oldSelf.timeAllocation)",
                "a timeAllocation can only be raised, not added to a job or removed from it: " + ANOTHER_JOB,
                field=".timeAllocation",
            ),
            Rule(
                "self.funding != 'Reserve' || !has(oldSelf.timeAllocation)"
                " || self.timeAllocation == oldSelf.timeAllocation",
                "with funding: Reserve a timeAllocation can't be raised, as the cost was set aside for that long: "
                + ANOTHER_JOB,
                field=".timeAllocation",
            ),
            Rule(
                "self.funding != 'Reserve' || has(self.timeAllocation)",
                "funding: Reserve sets aside what a whole timeAllocation costs: write a timeAllocation, such as"
                " {hours: 1}, or leave funding out",
                field=".funding",
            ),
        )
    )

    application: NameAndVersion = Field(json_schema_extra=immutable("application", ANOTHER_JOB))
    """What to run. It can't be changed."""

    product: ProductReference = Field(json_schema_extra=immutable("product", ANOTHER_JOB))
    """What to run it on. The namespace's wallet for the product's category pays. It can't be changed."""

    replicas: int = Field(default=1, ge=1, le=MAX_REPLICAS, json_schema_extra=immutable("replicas", ANOTHER_JOB))
    """How many pods run it side by side, from 1 to 1000. Each costs the product's price. It can't be changed."""

    name: str | None = Field(default=None, max_length=253)
    """A title for people. It may be changed at any time."""

    parameters: FreeForm | None = None
    """What the application is asked to do: an object of its own making. It can't be changed."""

    resources: tuple[FreeForm, ...] | None = Field(default=None, max_length=64)
    """What the application is given besides, such as folders: objects of UCloud's making. They can't be changed."""

    time_allocation: SimpleDuration | None = Field(
        default=None,
        json_schema_extra=rules(
            Rule(
                f"{_seconds('self')} > 0",
                "a timeAllocation must be longer than zero, such as {hours: 1}; leave it out for a job without a limit",
            ),
            Rule(
                f"{_seconds('self')} >= {_seconds('oldSelf')}",
                "a timeAllocation can only be raised: write what it was, or more",
            ),
        ),
    )
    """How long the job may run in all, such as `{hours: 1}`; then it ends as EXPIRED. Absent means for as long as there
    are credits. It may be raised while the job lives, not lowered, added or removed."""

    funding: Funding = Field(default="Stream", json_schema_extra=immutable("funding", ANOTHER_JOB))
    """How it is paid. Stream: it spends while it runs, and ends when the credits do. Reserve: what its whole
    `timeAllocation` costs is set aside at the start, so that it is certain to finish; what it didn't use returns at its
    end. It can't be changed."""

    labels: Mapping[str, str] = Field(default={}, max_length=64)
    """Labels for people and programs, such as `{"course": "physics-1"}`. They may be changed at any time."""

    allow_duplicate_job: bool = Field(default=False, json_schema_extra=immutable("allowDuplicateJob", ANOTHER_JOB))
    """For UCloud's clients, and without effect, as in UCloud: equal jobs may run side by side. It can't be changed."""

    opened_file: str | None = Field(default=None, max_length=4096)
    """The file that it was started from, for the record. It can't be changed."""

    restart_on_exit: bool | None = None
    """Whether the application asked to be started again after its exit. It can't be changed."""

    ssh_enabled: bool | None = None
    """Whether the application asked for access by SSH. It can't be changed."""

    suspend: bool = False
    """Write true to stop the pods and the spending, and false to let the job run again."""

    terminate: bool = Field(
        default=False,
        json_schema_extra=rules(
            Rule("self || !oldSelf", "terminate can't be taken back: to run it again, create another job")
        ),
    )
    """Write true to end the job. That can't be taken back."""

    termination_grace_period_seconds: int = Field(
        default=1, ge=1, le=300, json_schema_extra=immutable("terminationGracePeriodSeconds", ANOTHER_JOB)
    )
    """How many seconds the application has between being told to stop (SIGTERM) and being killed, from 1 to 300. When
    credits run out it is told that much earlier. It can't be changed."""

    ttl_seconds_after_finished: int | None = Field(default=None, ge=0, le=2**31 - 1)
    """How many seconds after its end the job is deleted, once what it used stands in its wallet's statement. With 0, as
    soon as it does. Absent means that it stays. It may be changed at any time."""


class UCloudJob(Resource):
    """One run of an application on a product, paid by its namespace's wallet.

    While its pods run it spends that wallet's credits. When they are used up it ends, or waits for more where the
    wallet says so.
    """

    PLURAL: ClassVar[str] = "ucloudjobs"
    SHORT_NAME: ClassVar[str] = "uj"
    NAMESPACED: ClassVar[bool] = True
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("State", "string", ".status.state", "Where the job is in its life"),
        Column("Product", "string", ".spec.product.id", "What it runs on"),
        Column("Usage", "integer", ".status.usage", "What it has used so far"),
        AGE,
        Column("Reason", "string", ".status.reason", "Why it is in this state"),
        Column("Replicas", "integer", ".spec.replicas", "How many pods run it", priority=1),
        Column("Rate", "integer", ".status.ratePerMinute", "What it uses per minute", priority=1),
        Column("Expires-At", "string", ".status.expiresAt", "When its time allocation ends", priority=1),
        Column("Funding", "string", ".spec.funding", "Whether its whole cost is set aside", priority=1),
    )

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                f"self.metadata.name.size() <= {MAX_NAME_LENGTH} && self.metadata.name.matches('{DNS_LABEL_PATTERN}')",
                f"a job's name must have at most {MAX_NAME_LENGTH} characters, only a-z, 0-9 and -, and neither begin"
                " nor end with -, such as my-job-1, because its pods are named after it",
            )
        )
    )

    spec: UCloudJobSpec
    """What to run, on what, how many times over and for how long."""

    status: UCloudJobStatus = UCloudJobStatus()
    """What became of it so far. Written by the operator."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended for good."""
        return self.status.state is not None and self.status.state.is_final
