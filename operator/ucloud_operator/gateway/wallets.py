"""A Wallet as UCloud's HTTP API shows it, as of the instant at which its status was written.

Three things have another form there. Groups and allocations have numbers for ids: the allocation's own id where it is
a number, else 53 bits (31 of a group) of a digest of what it is known by, so it is the same whenever it is asked for.
A parent is a project with a title and a principal investigator: here it is a namespace, and who leads it isn't known.
And credits come from "Root" in the end: a group without a parent, or one whose parent is in the namespace `root`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ucloud_operator.api import AllocationStatus, GroupStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ucloud_operator.api import CategoryReference, ProductCategory, Wallet, WalletOwner, WalletReference
    from ucloud_operator.gateway.render import JsonObject

ROOT: Final = "root"
"""The namespace that is shown as UCloud's Root, unless the gateway is told another."""
ROOT_TITLE: Final = "Root"

_GROUP_BITS: Final = 31
_ALLOCATION_BITS: Final = 53
"""The largest that JavaScript reads exactly."""


@dataclass(frozen=True, slots=True)
class Child:
    """What a wallet granted to another."""

    wallet: Wallet
    group: GroupStatus


def render_wallet(wallet: Wallet, *, children: Sequence[Child] | None = None, root: str = ROOT) -> JsonObject:
    """Return the wallet as `browseWallets` answers; `children` are null unless they were asked for."""
    status = wallet.status
    return {
        "owner": _owner(wallet.spec.owner),
        "paysFor": render_category(wallet.spec.pays_for),
        "allocationGroups": [
            {"parent": _parent(group.parent, wallet.spec.owner, root), "group": _group(wallet, group)}
            for group in groups_of(wallet)
        ],
        "children": None if children is None else [_child(child) for child in children],
        "totalUsage": status.total_usage,
        "localUsage": status.local_usage,
        "maxUsable": status.max_usable,
        "quota": status.quota,
        "totalAllocated": status.total_allocated,
        "lastSignificantUpdateAt": _last_significant_ms(wallet),
    }


def children_of(wallet: Wallet, others: Iterable[Wallet], query: str | None = None) -> Sequence[Child]:
    """Return what a wallet granted to others; with a query, to those whose namespace or owner has it in its name."""
    wanted = (query or "").casefold()
    return [
        Child(other, group)
        for other in others
        for group in groups_of(other)
        if group.parent is not None
        and group.parent.key == wallet.key
        and other.spec.pays_for.reference == wallet.spec.pays_for.reference
        and any(wanted in name.casefold() for name in (_namespace(other), _owner_name(other.spec.owner)))
    ]


def paying_for(category: CategoryReference, wallets: Iterable[Wallet]) -> Wallet | None:
    """Return the wallet that pays for a category: where there are several, the oldest."""
    paying = [w for w in wallets if w.spec.pays_for.reference == category]
    return min(paying, key=lambda w: (w.metadata.creation_timestamp, w.metadata.name), default=None)


def groups_of(wallet: Wallet) -> Sequence[GroupStatus]:
    """Return the groups as they count: those last applied, or, of a wallet that is new, those that are written."""
    if wallet.status.metered_at is not None:
        return wallet.status.groups
    return [
        GroupStatus(
            parent=group.parent,
            allocations=tuple(
                AllocationStatus(id=each.id, quota=each.quota, start_date=each.start_date, end_date=each.end_date)
                for each in group.allocations
            ),
        )
        for group in wallet.spec.allocation_groups
    ]


def _owner(owner: WalletOwner) -> JsonObject:
    if owner.type == "user":
        return {"type": "user", "username": owner.username}
    return {"type": "project", "projectId": owner.project_id}


def _owner_name(owner: WalletOwner) -> str:
    return (owner.username if owner.type == "user" else owner.project_id) or ""


def render_category(category: ProductCategory) -> JsonObject:
    """Return a product category, as wallets and products have it."""
    unit = category.accounting_unit
    return {
        "name": category.name,
        "provider": category.provider,
        "productType": category.product_type,
        "accountingUnit": {
            "name": unit.name,
            "namePlural": unit.name_plural,
            "floatingPoint": unit.floating_point,
            "displayFrequencySuffix": unit.display_frequency_suffix,
        },
        "accountingFrequency": category.accounting_frequency.value,
        "freeToUse": category.free_to_use,
        "allowSubAllocations": category.allow_sub_allocations,
    }


def _parent(parent: WalletReference | None, owner: WalletOwner, root: str) -> JsonObject:
    """Nobody leads Root: UCloud's documentation has the owner there."""
    if parent is None or parent.namespace == root:
        return {"projectId": None, "projectTitle": ROOT_TITLE, "pi": _owner_name(owner)}
    return {"projectId": parent.namespace, "projectTitle": parent.namespace, "pi": ""}


def _child(child: Child) -> JsonObject:
    owner, namespace = child.wallet.spec.owner, _namespace(child.wallet)
    whom = (
        {"projectId": None, "projectTitle": owner.username, "pi": owner.username}
        if owner.type == "user"
        else {"projectId": namespace, "projectTitle": namespace, "pi": ""}
    )
    return {"child": whom, "group": _group(child.wallet, child.group)}


def _group(wallet: Wallet, group: GroupStatus) -> JsonObject:
    known_by = (_namespace(wallet), wallet.metadata.name, group.parent.key if group.parent else "")
    granted_in = {
        (written.parent, each.id): each.granted_in
        for written in wallet.spec.allocation_groups
        for each in written.allocations
    }
    return {
        "id": _number(_GROUP_BITS, *known_by),
        "allocations": [
            {
                "id": _as_number(each.id) or _number(_ALLOCATION_BITS, *known_by, each.id),
                "startDate": each.start_date,
                "endDate": each.end_date,
                "quota": each.quota,
                "grantedIn": _as_number(granted_in.get((group.parent, each.id)) or ""),
                "retiredUsage": each.used if each.phase == "Retired" else None,
            }
            for each in group.allocations
        ],
        "usage": group.tree_usage,
    }


def _namespace(wallet: Wallet) -> str:
    return wallet.metadata.namespace or ""


def _as_number(text: str) -> int | None:
    """Return the number that a text is, if UCloud's clients can have it."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(2**_ALLOCATION_BITS)):
        return None
    number = int(text)
    return number if str(number) == text and 0 < number < 2**_ALLOCATION_BITS else None


def _number(bits: int, *known_by: str) -> int:
    digest = hashlib.sha256(json.dumps(known_by).encode()).digest()
    return int.from_bytes(digest) % ((1 << bits) - 1) + 1


def _last_significant_ms(wallet: Wallet) -> int:
    """When it was last locked, unlocked, or found usable or not; 0 if never."""
    lasting = [each for each in wallet.status.conditions if each.type != "EndsSoon"]
    return max((each.last_transition_time for each in lasting), default=0)
