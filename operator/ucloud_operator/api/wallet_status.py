"""What a wallet has, had and can still use: written by the operator, read by people and by the operator itself.

Two things are in it. The numbers that people look at, as of `meteredAt`; and the checkpoint from which accounting
goes on after a restart: what of the spec was last applied, and what was used of it (`groups`, `openingUsage`,
`settledUsage`, `departed`). The rest can be computed again from them and from the jobs.
"""

from typing import Literal

from pydantic import Field

from ucloud_operator.api.common import Amount, Condition, Model, TimestampMs
from ucloud_operator.api.rules import list_map

AllocationPhase = Literal["Pending", "Active", "Retired"]


class WalletReference(Model):
    """Another wallet, by namespace and name."""

    namespace: str = Field(min_length=1, max_length=63)
    """The namespace (workspace) that the wallet is in."""

    name: str = Field(min_length=1, max_length=253)
    """The wallet's name there."""

    @property
    def key(self) -> str:
        """`namespace/name`, as the wallet itself calls its key."""
        return f"{self.namespace}/{self.name}"


class AllocationStatus(Model):
    """An allocation as it was last applied."""

    id: str
    """The allocation's id."""

    quota: Amount
    """Its quota, as last applied."""

    start_date: TimestampMs
    """Its start, as last applied."""

    end_date: TimestampMs
    """Its end, as last applied."""

    used: Amount = 0
    """How many of its credits were used."""

    phase: AllocationPhase = "Pending"
    """Pending before its start, Active from then on, Retired from its end on."""


class GroupStatus(Model):
    """An allocation group as it was last applied: one edge of the tree of wallets."""

    parent: WalletReference | None = None
    """The granting wallet, or nothing for a root."""

    quota: Amount = 0
    """What the group contributes to the wallet's quota: active allocations whole, retired ones as far as they were
    used."""

    tree_usage: Amount = 0
    """How much of the usage here and below was passed up to the parent through this group."""

    allocations: tuple[AllocationStatus, ...] = ()
    """The group's allocations, as last applied."""


class DepartedWallet(Model):
    """A wallet below this one that was deleted. What it had used of this wallet's credits stays used."""

    namespace: str
    """The namespace it was in."""

    name: str
    """Its name."""

    uid: str
    """Its uid."""

    usage: Amount
    """What it had used of this wallet's credits."""

    @property
    def key(self) -> str:
        """`namespace/name`, as the wallet itself called its key."""
        return f"{self.namespace}/{self.name}"


class WalletStatus(Model):
    """What a wallet has, had and can still use. Amounts are in the category's smallest unit, as of `meteredAt`."""

    quota: Amount = 0
    """The sum of what the allocation groups contribute."""

    local_usage: Amount = 0
    """What the jobs of this namespace have used, running ones included, and the opening usage."""

    total_usage: Amount = 0
    """Local usage and what wallets below have used of this wallet's credits."""

    tree_usage: Amount = 0
    """How much of the total usage was passed up to parents. The rest is `excess`."""

    total_allocated: Amount = 0
    """What this wallet has granted to wallets below. It may be more than `quota`."""

    max_usable: Amount = 0
    """How much can still be used now: the least that is left anywhere on the way up, so it can be less than quota minus
    usage."""

    reserved: Amount = 0
    """What is set aside for jobs of this namespace (`funding: Reserve`) and not used yet. Nobody else can use it."""

    locked: bool = False
    """Whether nothing can be used any more. Jobs of a locked wallet neither start nor run."""

    rate_per_minute: Amount = 0
    """What the running jobs of this namespace use per minute, together."""

    exhausts_at: TimestampMs | None = None
    """When the credits run out if everything goes on as it is. Absent when they don't."""

    metered_at: TimestampMs | None = None
    """The instant that these numbers are for."""

    recent_runs: tuple[str, ...] = ()
    """The uids of jobs, here and at connected wallets, that had begun only just before `meteredAt` and are counted."""

    observed_generation: int = Field(default=0, ge=0)
    """The `metadata.generation` of the spec that was last applied."""

    opening_usage: Amount = 0
    """The opening usage as it was last applied."""

    blocked: str = Field(default="", max_length=2048)
    """Why its credits can't be used as they are, such as that it is being deleted, as it was last applied."""

    settled_usage: Amount = 0
    """Usage of jobs that are deleted: the sum of the wallet's statements."""

    excess: Amount = 0
    """Usage that no allocation covers: it exists only if `openingUsage` was larger than the quota."""

    departed: tuple[DepartedWallet, ...] = ()
    """Wallets below this one that were deleted, with what they had used."""

    groups: tuple[GroupStatus, ...] = ()
    """The allocation groups as last applied: with `meteredAt`, the checkpoint that accounting goes on from."""

    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra=list_map("type"))
    """Statements about the wallet: whether it can be used, and why not."""
