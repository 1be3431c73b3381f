"""Wallet: credits for one product category of one workspace (a namespace), and where they come from."""

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from ucloud_operator.api.common import AGE, Amount, Column, Model, Name, ProductCategory, Resource, WrittenTimestampMs
from ucloud_operator.api.rules import DISTINCT, Rule, immutable, list_map, rules
from ucloud_operator.api.wallet_status import (
    AllocationStatus,
    DepartedWallet,
    GroupStatus,
    WalletReference,
    WalletStatus,
)

__all__ = [
    "MAX_ALLOCATIONS",
    "MAX_GROUPS",
    "Allocation",
    "AllocationGroup",
    "AllocationStatus",
    "DepartedWallet",
    "GroupStatus",
    "OnExhaustion",
    "Wallet",
    "WalletOwner",
    "WalletReference",
    "WalletSpec",
    "WalletStatus",
]

MAX_GROUPS = 32
MAX_ALLOCATIONS = 64
MAX_WARN_MINUTES = 7 * 24 * 60

OnExhaustion = Literal["Terminate", "Suspend"]


class WalletOwner(Model):
    """Whom the wallet belongs to: a user or a project. It is for display; access is RBAC's business."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.type == 'user' ? has(self.username) : has(self.projectId)",
                "an owner of type user needs a username, one of type project needs a projectId",
            )
        )
    )

    type: Literal["user", "project"]
    """Either user or project."""

    username: Name | None = None
    """The user's name, such as user. To be written when `type` is user."""

    project_id: Name | None = None
    """The project's id. To be written when `type` is project."""


class Allocation(Model):
    """A number of credits that may be spent during one stretch of time."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "timestamp(self.endDate) > timestamp(self.startDate)",
                "endDate must be later than startDate",
                field=".endDate",
                message_with_values="'endDate must be later than startDate, which is ' + self.startDate",
            )
        )
    )

    id: str = Field(min_length=1, max_length=63)
    """A name for it that no other allocation of this group has, such as spring-2026. Usage is attributed to it, so keep
    it."""

    quota: Amount
    """How many credits, in the category's smallest unit: an integer from 0 to 9000000000000000000, such as 500000."""

    start_date: WrittenTimestampMs
    """The instant from which they can be spent, inclusive: an RFC 3339 time such as 2026-01-01T00:00:00Z."""

    end_date: WrittenTimestampMs
    """The instant until which they can be spent, exclusive: an RFC 3339 time later than `startDate`, such as
    2027-01-01T00:00:00Z. What is left then is lost; what was used stays paid."""

    granted_in: str | None = Field(default=None, max_length=253)
    """Where it was decided, such as the id of a grant application. For the record only."""

    granted_by: str | None = Field(default=None, max_length=512)
    """Who decided it, such as alice. For the record only."""

    granted_at: WrittenTimestampMs | None = None
    """When it was decided: an RFC 3339 time such as 2025-12-24T08:00:00Z. For the record only."""


class AllocationGroup(Model):
    """All the credits that come from one parent."""

    parent: WalletReference | None = None
    """The wallet that grants these credits: it must pay for the same category, and what is spent here is spent there
    too. Leave it out for credits that come from nowhere else (a root)."""

    allocations: tuple[Allocation, ...] = Field(
        default=(), max_length=MAX_ALLOCATIONS, json_schema_extra=list_map("id")
    )
    """What was granted: amounts, each with the time during which it can be spent. At most 64."""


def _same_parent(one: str, other: str) -> str:
    """CEL: the two groups have the same parent."""
    return f"(has({one}.parent) ? has({other}.parent) && {one}.parent == {other}.parent : !has({other}.parent))"


_ONE_GROUP_PER_PARENT = Rule(
    f"self.allocationGroups.all(g, self.allocationGroups.exists_one(h, {_same_parent('g', 'h')}))",
    "two groups have the same parent (or none): put their allocations into one group",
    field=".allocationGroups",
)

# A group is known by its parent. So a parent was changed if one group is gone, one is new, and the new one has the gone
# one's first allocation. (To look for the others too is beyond CEL's budget.)
_PARENT_IS_IMMUTABLE = Rule(
    "oldSelf.allocationGroups.all(o, o.allocations.size() == 0"
    f" || self.allocationGroups.exists(g, {_same_parent('g', 'o')})"
    " || !self.allocationGroups.exists(g, g.allocations.exists(a, a.id == o.allocations[0].id)"
    f" && !oldSelf.allocationGroups.exists(p, {_same_parent('g', 'p')})))",
    "a group's parent can't be changed: leave the group, end its allocations by their endDate, and add a group with new"
    " allocations (and new ids) for the other parent",
    field=".allocationGroups",
)


class WalletSpec(Model):
    """What a wallet pays for, and the credits that were granted to it."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_GROUP_PER_PARENT, _PARENT_IS_IMMUTABLE))

    owner: WalletOwner
    """Whom it belongs to."""

    pays_for: ProductCategory = Field(
        json_schema_extra=immutable("paysFor", "for another category, or other terms, create another wallet")
    )
    """The product category that this wallet pays for, for jobs of its own namespace. It can't be changed."""

    allocation_groups: tuple[AllocationGroup, ...] = Field(default=(), max_length=MAX_GROUPS)
    """The credits, grouped by the wallet that grants them. At most 32 groups. A wallet without any is locked."""

    opening_usage: Amount = Field(
        default=0,
        json_schema_extra=rules(Rule("self >= oldSelf", "openingUsage may only grow: write what it was, or more")),
    )
    """Usage brought in from elsewhere, such as the total of a former system, in the category's smallest unit. It counts
    as used before anything else. It may be raised and never lowered."""

    on_exhaustion: OnExhaustion = "Terminate"
    """What becomes of running jobs when the credits run out: Terminate ends them, Suspend stops their pods and starts
    them again once the wallet is topped up."""

    warn_minutes: tuple[Annotated[int, Field(ge=1, le=MAX_WARN_MINUTES)], ...] = Field(
        default=(60, 15, 5), max_length=8, json_schema_extra=DISTINCT
    )
    """How many minutes before the credits or a job's time allocation end its people are warned, once each: up to 8
    numbers from 1 to 10080 (a week). An empty list means never."""


class Wallet(Resource):
    """Credits for one product category of one workspace (this namespace).

    Jobs of the namespace that use a product of that category spend them while they run. When nothing is left they
    are stopped, and the wallet is locked until it is topped up.
    """

    PLURAL: ClassVar[str] = "wallets"
    SHORT_NAME: ClassVar[str] = "wal"
    NAMESPACED: ClassVar[bool] = True
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Usage", "integer", ".status.totalUsage", "What was used, here and by wallets below"),
        Column("Quota", "integer", ".status.quota", "What was granted"),
        Column("Usable", "integer", ".status.maxUsable", "What can still be used"),
        Column("Rate/Min", "integer", ".status.ratePerMinute", "What running jobs use per minute"),
        Column("Exhausts-At", "string", ".status.exhaustsAt", "When it runs out at this rate"),
        Column("Locked", "boolean", ".status.locked", "Whether nothing can be used any more"),
        AGE,
        Column("Product-Category", "string", ".spec.paysFor.name", "What it pays for", priority=1),
        Column("Owner", "string", ".spec.owner['username','projectId']", "Whom it belongs to", priority=1),
        Column("Reserved", "integer", ".status.reserved", "What is set aside for jobs", priority=1),
    )

    spec: WalletSpec
    """What the wallet pays for and the credits that were granted to it. To top it up, add an allocation or raise a
    quota."""

    status: WalletStatus = WalletStatus()
    """What was used and what is left. Written by the operator."""
