"""What the six kinds share: base model, time, amounts, metadata, conditions, and how a rule is put on a field.

A model here is two things at once. It is what the operator computes with (frozen, snake_case, instants as integer
milliseconds, lists as tuples), and it is the source of the CRD that the API server checks objects against before the
operator ever sees them (`schema.py`). So a field's docstring is written for the person who reads `kubectl explain`,
and its constraints are those the API server enforces. What a schema keyword can't express is a CEL rule (`rules`),
with the sentence that a person gets to read when it fails.

Amounts and instants are integers. A float would be wrong by a unit sooner or later, and a unit is money.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from ucloud_operator.api.rules import Rule, rules

GROUP = "ucloud.dk"
VERSION = "v1alpha1"

MAX_AMOUNT = 9 * 10**18
"""The largest amount that can be written or published: the largest round number that a schema's `maximum` can hold."""

RFC3339_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$"
DNS_LABEL_PATTERN = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

WRITTEN_PATTERN = (
    "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""What people may write. CEL and Python differ on zones a day ahead and on the year 0, and know no leap seconds."""

_RFC3339 = re.compile(RFC3339_PATTERN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND


def parse_time(text: str) -> int:
    """The unix milliseconds of an RFC 3339 time such as `2026-11-24T08:00:00Z`; finer fractions are cut off.

    Raises:
        ValueError: it is no such time, or has no zone.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is not an RFC 3339 time such as 2026-11-24T08:00:00Z")
    return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND


def format_time(at_ms: int) -> str:
    """An instant as Kubernetes objects show it, `2026-11-24T08:00:00.123Z`: in UTC, always with three decimals.

    RFC 3339 has the years 1 to 9999. An instant beyond them, such as when a large wallet that is hardly used
    runs dry, is written as their end.
    """
    within_ms = max(_FIRST_MS, min(at_ms, _LAST_MS))
    return (_EPOCH + within_ms * _MILLISECOND).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def saturate(amount: int) -> int:
    """An amount as it can be published: the ledger computes without bounds, a CRD's integers end at MAX_AMOUNT."""
    return max(0, min(amount, MAX_AMOUNT))


def _parse_if_text(value: object) -> object:
    return parse_time(value) if isinstance(value, str) else value


TimestampMs = Annotated[
    int,
    BeforeValidator(_parse_if_text),
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An instant: RFC 3339 text in a Kubernetes object, integer unix milliseconds everywhere inside."""

Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
"""A number of the category's smallest units, such as millionths of a krone."""

Name = Annotated[str, Field(min_length=1, max_length=253)]
"""A name that people or UCloud gave to something: any text that is not empty."""

FreeForm = Annotated[
    Mapping[str, object], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
]
"""An object whose fields are not the operator's business. It isn't looked into: it may be nested ten thousand deep."""


WrittenTimestampMs = Annotated[
    int,
    BeforeValidator(_parse_if_text),
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 40,
            **rules(
                Rule(
                    f"self.matches('{WRITTEN_PATTERN}') && timestamp(self).getFullYear() > 0",
                    "write an RFC 3339 time that exists, with a zone, and with T and Z in upper case, such as"
                    " 2026-11-24T08:00:00Z",
                )
            ),
        }
    ),
]
"""An instant that a person writes. `format: date-time` accepts a lower-case t and z, which CEL and Python don't, and
says "must be of type date-time"; this one says what to write. `timestamp` refuses the days that don't exist."""


class Column(NamedTuple):
    """A column of `kubectl get`; those of priority 1 appear with `-o wide` only."""

    name: str
    type: Literal["boolean", "date", "integer", "string"]
    path: str
    description: str
    priority: int = 0


AGE = Column("Age", "date", ".metadata.creationTimestamp", "How long it has existed")


class Model(BaseModel):
    """Part of a Kubernetes object: frozen, camelCase outside and snake_case inside, deaf to fields it doesn't know."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        validate_by_alias=True,
        validate_by_name=True,
    )


class ObjectMeta(Model):
    """The part of a Kubernetes object's metadata that the operator looks at."""

    name: str
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: TimestampMs = 0
    deletion_timestamp: TimestampMs | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    finalizers: tuple[str, ...] = ()


class Resource(Model):
    """One of the six kinds: its identity in the API, and what every one of them has."""

    GROUP: ClassVar[str] = GROUP
    VERSION: ClassVar[str] = VERSION
    PLURAL: ClassVar[str]
    SHORT_NAME: ClassVar[str]
    NAMESPACED: ClassVar[bool]
    COLUMNS: ClassVar[tuple[Column, ...]]

    metadata: ObjectMeta

    @property
    def key(self) -> str:
        """`namespace/name`, or the name alone where the kind has no namespaces: unique among objects of its kind."""
        namespace = self.metadata.namespace
        return f"{namespace}/{self.metadata.name}" if namespace else self.metadata.name

    @property
    def is_being_deleted(self) -> bool:
        """Whether someone has deleted it and only finalizers still hold it."""
        return self.metadata.deletion_timestamp is not None


class Condition(Model):
    """One statement about the object's present state, in the form that `kubectl wait` understands."""

    type: Name
    """What the statement is about, such as Ready."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds: True, False or Unknown."""

    reason: str = Field(min_length=1, max_length=1024)
    """Why, as one CamelCase word for programs."""

    message: str = Field(default="", max_length=32768)
    """Why, as a sentence for people."""

    last_transition_time: TimestampMs
    """When `status` last changed."""

    observed_generation: int | None = Field(default=None, ge=0)
    """The `metadata.generation` that this statement is about."""


class AccountingFrequency(StrEnum):
    """The period that a product's price is for."""

    PERIODIC_MINUTE = "PERIODIC_MINUTE"
    PERIODIC_HOUR = "PERIODIC_HOUR"
    PERIODIC_DAY = "PERIODIC_DAY"

    @property
    def period_ms(self) -> int:
        """The period's length in milliseconds."""
        return _PERIOD_MS[self]


_PERIOD_MS = {
    AccountingFrequency.PERIODIC_MINUTE: 60_000,
    AccountingFrequency.PERIODIC_HOUR: 3_600_000,
    AccountingFrequency.PERIODIC_DAY: 86_400_000,
}


class AccountingUnit(Model):
    """What one unit of the category is called. It is for display alone and never part of a computation."""

    name: Name
    """The unit's name for one of it, such as DKK or Core-minute."""

    name_plural: Name
    """The unit's name for several of it, such as DKK or Core-minutes."""

    floating_point: bool = False
    """Whether people are shown millionths: with `true`, an amount of 50000 is displayed as 0.05."""

    display_frequency_suffix: bool = False
    """Whether the period is displayed after the unit, as in "12 DKK/minute"."""


class CategoryReference(Model):
    """Which product category: a name and the provider that it belongs to."""

    name: Name
    """The category's name, such as example-compute."""

    provider: Name
    """The provider's name, such as example."""


class ProductCategory(CategoryReference):
    """A product category: what can be bought from one purse, and how it is counted."""

    product_type: Literal["COMPUTE"] = "COMPUTE"
    """The kind of product. COMPUTE is the only one so far."""

    accounting_unit: AccountingUnit = AccountingUnit(name="Credit", name_plural="Credits")
    """How amounts are displayed."""

    accounting_frequency: AccountingFrequency
    """The period that prices are for: PERIODIC_MINUTE, PERIODIC_HOUR or PERIODIC_DAY. A product with a price of 50000
    in a category with PERIODIC_MINUTE costs 50000 units for every minute that one replica runs, to the millisecond."""

    free_to_use: bool = False
    """Whether jobs of this category are metered without ever being stopped or refused for lack of credits."""

    allow_sub_allocations: bool = True
    """Whether wallets may grant parts of what they have to other wallets."""

    @property
    def reference(self) -> CategoryReference:
        """Name and provider alone, which identify the category."""
        return CategoryReference(name=self.name, provider=self.provider)
