"""Credits that a wallet gets: an allocation is added, and none that is there is changed.

The allocation's id is chosen before anything is written. So a request that is made again, because its first answer was
lost or somebody else's write came in between, adds nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from ucloud_operator.api import Model, WalletOwner, WalletReference
from ucloud_operator.api.common import MAX_AMOUNT, CategoryReference, format_time
from ucloud_operator.kube.objects import objects, section, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ucloud_operator.api import Wallet
    from ucloud_operator.kube.objects import Json, JsonObject

LAST_MS = 253_402_300_799_999
"""The end of the year 9999: RFC 3339 knows no later one."""

Instant = Annotated[int, Field(ge=0, le=LAST_MS)]
"""Unix milliseconds."""


class RootAllocation(Model):
    """Credits out of nothing for the workspace's own wallet."""

    category: CategoryReference
    quota: int = Field(ge=1, le=MAX_AMOUNT)
    start: Instant
    end: Instant
    granted_in: int | None = None

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be later than start")
        return self


class SubAllocation(RootAllocation):
    """Credits from the workspace's wallet for another workspace's."""

    owner: WalletOwner

    @property
    def receiver(self) -> str:
        """The workspace that gets them, by name."""
        return (self.owner.username if self.owner.type == "user" else self.owner.project_id) or ""


@dataclass(frozen=True, slots=True)
class Grant:
    """An allocation that a wallet is about to get, and the wallet that it comes from, if it comes from one."""

    wallet: Wallet
    parent: WalletReference | None
    allocation_id: str
    asked: RootAllocation
    by: str
    at_ms: int

    @property
    def allocation(self) -> JsonObject:
        """Return it as it is written into the wallet's spec."""
        asked = self.asked
        return {
            "id": self.allocation_id,
            "quota": asked.quota,
            "startDate": format_time(asked.start),
            "endDate": format_time(asked.end),
            **({} if asked.granted_in is None else {"grantedIn": str(asked.granted_in)}),
            "grantedBy": self.by,
            "grantedAt": format_time(self.at_ms),
        }


def granted(spec: Json, grants: Sequence[Grant]) -> Mapping[str, object]:
    """Return the changed part of a wallet's spec, everything else in it as it is written, to the letter."""
    groups = [dict(each) for each in objects(spec, "allocationGroups")]
    has_changed = False
    for grant in grants:
        group = next((each for each in groups if _parent_of(each) == grant.parent), None)
        if group is None:
            group = {} if grant.parent is None else {"parent": grant.parent.model_dump()}
            groups.append(group)
        allocations = objects(group, "allocations")
        if all(text(each, "id") != grant.allocation_id for each in allocations):
            group["allocations"] = [*allocations, grant.allocation]
            has_changed = True
    return {"allocationGroups": groups} if has_changed else {}


def _parent_of(group: Json) -> WalletReference | None:
    parent = section(group, "parent")
    return WalletReference.model_validate(parent) if parent else None
