"""What callers get, described: the form of the answers that `render`, `wallets`, `catalogue` and `pages` make.

Nothing is checked against it as it is sent; a test asks the real gateway everything and compares. Every field is always
there, unless it is said to be optional, and none is there besides.
"""

from collections.abc import Mapping
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, WithJsonSchema

from ucloud_operator.api import AccountingFrequency, JobState, Model

T = TypeVar("T")

Whole = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]
"""A whole number of up to 64 bits: an amount, or unix milliseconds."""


class Told(Model):
    """Part of an answer."""

    model_config = ConfigDict(extra="forbid")


class Error(Told):
    """Why not."""

    status_code: int
    why: str
    """A sentence for people."""

    error_code: str
    """A word for programs, and empty where UCloud has none: `NOT_ENOUGH_COMPUTE_CREDITS`."""

    detailed_code: Literal[0]


class Nothing(Told):
    """It was done."""


class Page(Told, Generic[T]):
    """Part of a list."""

    items_per_page: int
    items: tuple[T, ...]
    next: str | None
    """What to ask for the next part with; null at the end."""


class Responses(Told, Generic[T]):
    """The answers to several requests, in their order."""

    responses: tuple[T, ...]


class Created(Told):
    """The id of what was created."""

    id: str


class ShownUnit(Told):
    """What one unit is called."""

    name: str
    name_plural: str
    floating_point: bool
    display_frequency_suffix: bool


class ShownCategory(Told):
    """A product category. How it is counted is null where no wallet of the workspace pays for it."""

    name: str
    provider: str
    product_type: Literal["COMPUTE"]
    accounting_unit: ShownUnit | None
    accounting_frequency: AccountingFrequency | None
    free_to_use: bool | None
    allow_sub_allocations: bool | None


class ShownOwner(Told):
    """Whom a wallet belongs to: a user with a username, or a project with an id."""

    type: Literal["user", "project"]
    username: str | None = None
    project_id: str | None = None


class ShownParent(Told):
    """Who grants, or is granted."""

    project_id: str | None
    project_title: str
    pi: str


class ShownAllocation(Told):
    """Credits that may be spent during some time."""

    id: Whole
    start_date: Whole
    end_date: Whole
    quota: Whole
    granted_in: Whole | None
    retired_usage: Whole | None


class ShownGroup(Told):
    """All that comes from one parent."""

    id: Whole
    allocations: tuple[ShownAllocation, ...]
    usage: Whole


class GroupWithParent(Told):
    """A group and its parent."""

    parent: ShownParent
    group: ShownGroup


class GroupWithChild(Told):
    """A group and whom it was granted to."""

    child: ShownParent
    group: ShownGroup


class WalletV2(Told):
    """Credits of a workspace for one product category."""

    owner: ShownOwner
    pays_for: ShownCategory
    allocation_groups: tuple[GroupWithParent, ...]
    children: tuple[GroupWithChild, ...] | None
    total_usage: Whole
    local_usage: Whole
    max_usable: Whole
    quota: Whole
    total_allocated: Whole
    last_significant_update_at: Whole


class Fraction(Told):
    """A part of a machine."""

    numerator: int
    denominator: int


class ProductV2(Told):
    """A machine type."""

    type: Literal["compute"]
    category: ShownCategory
    name: str
    description: str
    product_type: Literal["COMPUTE"]
    price: Whole
    fraction: Fraction
    hidden_in_grant_applications: bool
    usage: None
    cpu: int | None
    """Whole cores; null for parts of one."""

    cpu_model: None
    memory_in_gigs: int
    memory_model: None
    gpu: int
    gpu_model: None
    balance: Whole | None
    """What was granted and isn't used; null unless it was asked for."""

    max_usable_balance: Whole | None
    """What can still be used; null unless it was asked for."""


class ShownReference(Told):
    """A product."""

    id: str
    category: str
    provider: str


class BackendSupport(Told):
    """What jobs can do in one kind of machine."""

    enabled: bool
    web: bool
    vnc: bool
    logs: bool
    terminal: bool
    peers: bool
    time_extension: bool
    bind_link_to_port: bool


class MachineSupport(BackendSupport):
    """What virtual machines can do."""

    suspension: bool


class JobSupport(Told):
    """What jobs can do on a product."""

    product: ShownReference
    docker: BackendSupport
    virtual_machine: MachineSupport
    native: BackendSupport
    queue_status: None


class ResolvedSupport(Told):
    """A product, and what jobs can do on it."""

    product: ProductV2
    support: JobSupport
    features: tuple[str, ...]


class SupportByProvider(Told):
    """All products, by provider."""

    products_by_provider: Mapping[str, tuple[ResolvedSupport, ...]]


class ShownApplication(Told):
    """An application's name and version."""

    name: str
    version: str


class ApplicationMetadata(ShownApplication):
    """What an application is called."""

    authors: tuple[str, ...]
    title: str
    description: str
    website: None
    public: bool
    flavor_name: None
    group: None
    created_at: Whole


class ToolReference(ShownApplication):
    """The container of an application, which isn't shown."""

    tool: None


class ApplicationInvocation(Told):
    """How an application is started, as far as it is shown."""

    tool: ToolReference
    invocation: tuple[Nothing, ...]
    parameters: tuple[Nothing, ...]
    output_file_globs: tuple[str, ...]
    application_type: Literal["BATCH"]


class ResolvedApplication(Told):
    """An application."""

    metadata: ApplicationMetadata
    invocation: ApplicationInvocation


class JobOwner(Told):
    """Who created a job, and in which project; null for a workspace of one's own."""

    created_by: str
    project: str | None


class ShownUpdate(Told):
    """What became of a job at some time."""

    state: JobState | None
    output_folder: str | None
    status: str | None
    expected_state: JobState | None
    expected_different_state: bool | None
    new_time_allocation: Whole | None
    allow_restart: bool | None
    new_mounts: tuple[str, ...] | None
    timestamp: Whole


class ShownDuration(Told):
    """A length of time."""

    hours: int
    minutes: int
    seconds: int


class ShownSpecification(Told):
    """A job as it was asked for."""

    application: ShownApplication
    product: ShownReference
    name: str | None
    replicas: int
    allow_duplicate_job: bool
    parameters: Mapping[str, object] | None
    resources: tuple[Mapping[str, object], ...] | None
    time_allocation: ShownDuration | None
    opened_file: str | None
    restart_on_exit: bool | None
    ssh_enabled: bool | None
    labels: Mapping[str, str] = Field(default={})
    """Optional: there only where there are any."""


class JobStatus(Told):
    """What became of a job."""

    state: JobState
    job_parameters_json: None
    started_at: Whole | None
    expires_at: Whole | None
    resolved_application: ResolvedApplication | None
    resolved_support: ResolvedSupport | None
    resolved_product: ProductV2 | None
    allow_restart: bool


class Job(Told):
    """A job."""

    id: str
    owner: JobOwner
    updates: tuple[ShownUpdate, ...]
    specification: ShownSpecification
    status: JobStatus
    created_at: Whole
    output: None
    permissions: None
