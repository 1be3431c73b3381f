"""What callers send, in UCloud's names: query parameters and JSON bodies.

Fields that aren't known are ignored, as UCloud does, and so is a query parameter without a value. A body is read
strictly: a number is no text, and 1.0 no integer.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json

from ucloud_operator.api import JobState, Model, NameAndVersion, ProductReference, SimpleDuration
from ucloud_operator.api.common import FreeForm
from ucloud_operator.api.job import MAX_REPLICAS
from ucloud_operator.gateway.errors import bad_request

MAX_ITEMS = 1000
MAX_BODY_BYTES = 2**20
_INTEGERS_END = 2**63

T = TypeVar("T", bound=BaseModel)

ProductType: TypeAlias = Literal[
    "COMPUTE", "STORAGE", "INGRESS", "LICENSE", "NETWORK_IP", "PRIVATE_NETWORK", "INFERENCE"
]


JobId = Annotated[str, Field(examples=["62348"])]


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
    filter_type: ProductType | None = None


_LABEL = "filterLabels."


class JobFlags(Query):
    """Which jobs, how much of each, and in what order."""

    include_updates: bool = False
    """Show what became of a job so far."""

    include_parameters: bool = False
    """Show what the application was asked to do."""

    include_application: bool = False
    """Show the application in `resolvedApplication`."""

    include_product: bool = False
    """Show the product in `resolvedProduct`."""

    include_support: bool = False
    """Show what can be done on the product in `resolvedSupport`."""

    include_others: bool = False
    """Without effect: who may do what is RBAC's business."""

    filter_application: str | None = None
    filter_created_after: int | None = None
    filter_created_before: int | None = None
    filter_created_by: str | None = None
    filter_ids: str | None = None
    """Ids with commas between them."""

    filter_labels: Mapping[str, str] = {}
    """Labels that a job must have; in a query a parameter each, as in `filterLabels.course=physics-1`."""

    filter_product_category: str | None = None
    filter_product_id: str | None = None
    filter_provider: str | None = None
    filter_provider_ids: str | None = None
    """As `filterIds`: a job's provider has no other id for it."""

    filter_state: JobState | None = None
    filter_type: Literal["JOBS_ONLY", "VMS_ONLY"] | None = None
    """There are no virtual machines here: with VMS_ONLY nothing is found."""

    hide_product_category: str | None = None
    hide_product_id: str | None = None
    hide_provider: str | None = None
    sort_by: Literal["createdAt", "createdBy", "timeLeft"] | None = None
    """The order. Without it the newest job comes first."""

    sort_direction: Literal["ascending", "descending"] | None = None
    """With `sortBy`; ascending unless told otherwise."""

    @model_validator(mode="before")
    @classmethod
    def _gather_labels(cls, values: object) -> object:
        """Take the parameters `filterLabels.<label>` of a query together."""
        if not isinstance(values, dict):
            return values
        labels = {str(name).removeprefix(_LABEL): each for name, each in values.items() if str(name).startswith(_LABEL)}
        return {**values, "filterLabels": labels} if labels else values


class JobQuery(JobFlags):
    """What `jobs/retrieve` is asked."""

    id: JobId
    """The job's id."""


class JobsQuery(JobFlags, PageQuery):
    """What `jobs/browse` is asked."""


class JobSearch(JobsQuery):
    """What `jobs/search` is asked: flags in an object of their own, or beside the rest."""

    query: str = ""
    """A part of the job's id or name, or of its application's name, in upper or lower case."""

    flags: JobFlags | None = None
    """The flags, unless they stand beside this."""

    @model_validator(mode="before")
    @classmethod
    def _unpack_flags(cls, values: object) -> object:
        if isinstance(values, dict) and isinstance(flags := values.get("flags"), dict):
            return {**flags, **values}
        return values


class ProductFlags(Query):
    """Which products, and what of the workspace's wallet for them."""

    filter_name: str | None = None
    filter_category: str | None = None
    filter_provider: str | None = None
    filter_product_type: ProductType | None = None
    include_balance: bool = False
    """Show in `balance` what was granted and isn't used."""

    include_max_balance: bool = False
    """Show in `maxUsableBalance` what can still be used."""


class ProductsQuery(ProductFlags, PageQuery):
    """What `products/v2/browse` is asked."""


class JobSpecification(Model):
    """A job as callers ask for it. Defaults are UCloud's."""

    application: NameAndVersion
    product: ProductReference
    name: str | None = None
    replicas: int = Field(default=1, json_schema_extra={"minimum": 1, "maximum": MAX_REPLICAS})
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

    id: JobId


class FollowFrame(Model):
    """What somebody sends over a WebSocket to follow a job."""

    call: str
    stream_id: str
    payload: FindById
    bearer: str | None = None
    project: str | None = None


class Renaming(Model):
    """Another name for a job; an empty one takes it away."""

    id: JobId
    new_title: str


class Labelling(Model):
    """The labels that a job has from now on, and no others."""

    id: JobId
    labels: Mapping[str, str]


class Extension(Model):
    """More time for a job."""

    job_id: JobId
    requested_time: SimpleDuration


class Bulk(BaseModel, Generic[T]):
    """Several requests in one."""

    items: tuple[T, ...] = Field(json_schema_extra={"minItems": 1, "maxItems": MAX_ITEMS})


def read_bulk(kind: type[T], body: bytes) -> tuple[T, ...]:
    """Return the items of a body, from 1 to 1000; RefusalError (400) with what is wrong."""
    items = read(Bulk[kind], body).items  # type: ignore[valid-type]  # made at run time
    if not items:
        raise bad_request("Request must not be empty")
    if len(items) > MAX_ITEMS:
        raise bad_request(f"Request cannot exceed {MAX_ITEMS} items")
    return items


def read(kind: type[T], body: bytes) -> T:
    """Return what a body says; RefusalError (400) with what is wrong."""
    try:
        content = from_json(body, allow_inf_nan=False)  # NaN isn't JSON, and would become null on its way
    except ValueError as error:
        raise bad_request(f"Invalid request supplied: Invalid JSON: {error}") from None
    try:
        said = kind.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise bad_request(f"Invalid request supplied: {sentence(error.errors(include_url=False)[0])}") from None
    if not all(map(_lasts, _numbers(content))):
        raise bad_request("Invalid request supplied: it has a number that is too large")
    return said


def _numbers(content: object) -> Iterator[float]:
    """Return all numbers in it; `from_json` takes nothing that is nested too deep for that."""
    inner: Iterable[object] = ()
    match content:
        case dict():
            inner = content.values()
        case list():
            inner = content
        case int() | float():
            yield content
    for each in inner:
        yield from _numbers(each)


def _lasts(number: float) -> bool:
    """Whether the API server gives it back as it was: whole numbers have 64 bits there, and nothing is infinite."""
    return abs(number) < _INTEGERS_END if isinstance(number, int) else isfinite(number)


def sentence(error: ErrorDetails) -> str:
    """Say what is wrong, and where."""
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else error["msg"]
