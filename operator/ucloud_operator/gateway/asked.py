"""What callers send, in UCloud's names: query parameters and JSON bodies.

Fields that aren't known are ignored, as UCloud does, and so is a query parameter without a value. A body is read
strictly: a number is no text, and 1.0 no integer.
"""

from collections.abc import Mapping
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json

from ucloud_operator.api import JobState, Model, NameAndVersion, ProductReference, SimpleDuration
from ucloud_operator.api.common import FreeForm
from ucloud_operator.api.job import MAX_REPLICAS
from ucloud_operator.gateway.errors import bad_request

MAX_ITEMS = 1000
MAX_BODY_BYTES = 2**20

T = TypeVar("T", bound=BaseModel)


class Query(Model):
    """Query parameters."""

    @model_validator(mode="before")
    @classmethod
    def _forget_empty(cls, values: object) -> object:
        """Take a parameter without a value for one that isn't there."""
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values


class PageQuery(Query):
    """Which part of a list, and of how many items it is."""

    items_per_page: int | None = None
    next: str | None = None
    items_to_skip: int | None = None
    consistency: Literal["PREFER", "REQUIRE"] | None = None
    """Without effect: nothing is cached, so every answer is consistent."""


class WalletsQuery(PageQuery):
    """What `browseWallets` is asked."""

    include_children: bool = False
    children_query: str | None = None
    filter_type: (
        Literal["COMPUTE", "STORAGE", "INGRESS", "LICENSE", "NETWORK_IP", "PRIVATE_NETWORK", "INFERENCE"] | None
    ) = None


class JobFlags(Query):
    """Which jobs, and how much of each. What isn't listed here, such as `includeProduct`, has no effect."""

    include_updates: bool = False
    include_parameters: bool = False
    filter_application: str | None = None
    filter_created_after: int | None = None
    filter_created_before: int | None = None
    filter_created_by: str | None = None
    filter_ids: str | None = None
    """Ids with commas between them."""
    filter_product_category: str | None = None
    filter_product_id: str | None = None
    filter_provider: str | None = None
    filter_provider_ids: str | None = None
    """As `filter_ids`: a job's provider has no other id for it."""
    filter_state: JobState | None = None
    hide_product_category: str | None = None
    hide_product_id: str | None = None
    hide_provider: str | None = None


class JobQuery(JobFlags):
    """What `jobs/retrieve` is asked."""

    id: str


class JobsQuery(JobFlags, PageQuery):
    """What `jobs/browse` is asked."""


class JobSpecification(Model):
    """A job as callers ask for it. Defaults are UCloud's."""

    application: NameAndVersion
    product: ProductReference
    name: str | None = None
    replicas: int = 1
    allow_duplicate_job: bool = False
    parameters: FreeForm | None = None
    resources: tuple[FreeForm, ...] | None = None
    time_allocation: SimpleDuration | None = None
    opened_file: str | None = None
    restart_on_exit: bool | None = None
    ssh_enabled: bool | None = None
    labels: Mapping[str, str] | None = None

    def trouble(self) -> str:
        """Say what is wrong with it in UCloud's words, or nothing."""
        if self.replicas < 1:
            return "You must request at least 1 node"
        if self.replicas > MAX_REPLICAS:
            return f"You can't request more than {MAX_REPLICAS} nodes"
        if self.time_allocation is not None and self.time_allocation.duration_ms == 0:
            return "Time allocated for job is too short"
        return ""

    def as_spec(self) -> Mapping[str, object]:
        """Return it as the `spec` of a UCloudJob; what is null is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class FindById(Model):
    """A job."""

    id: str


class FollowFrame(Model):
    """What somebody sends over a WebSocket to follow a job."""

    call: str
    stream_id: str
    payload: FindById
    bearer: str | None = None
    project: str | None = None


class Extension(Model):
    """More time for a job."""

    job_id: str
    requested_time: SimpleDuration


class Bulk(BaseModel, Generic[T]):
    """Several requests in one."""

    items: tuple[T, ...]


def read_bulk(kind: type[T], body: bytes) -> tuple[T, ...]:
    """Return the items of a body, from 1 to 1000; RefusalError (400) with what is wrong."""
    try:
        from_json(body, allow_inf_nan=False)  # NaN isn't JSON, and would become null on its way
    except ValueError as error:
        raise bad_request(f"Invalid request supplied: Invalid JSON: {error}") from None
    try:
        items = Bulk[kind].model_validate_json(body, strict=True).items  # type: ignore[valid-type]  # made at run time
    except ValidationError as error:
        raise bad_request(f"Invalid request supplied: {sentence(error.errors(include_url=False)[0])}") from None
    if not items:
        raise bad_request("Request must not be empty")
    if len(items) > MAX_ITEMS:
        raise bad_request(f"Request cannot exceed {MAX_ITEMS} items")
    return items


def sentence(error: ErrorDetails) -> str:
    """Say what is wrong, and where."""
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else error["msg"]
