"""Calls that give credits. Each adds an allocation; whether that may be, the API server's policies decide."""

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from ucloud_operator.api import Wallet, WalletReference
from ucloud_operator.gateway.asked import Bulk, read_bulk
from ucloud_operator.gateway.calls.caller import Body, Here
from ucloud_operator.gateway.cluster import (
    Workspace,
    is_namespace_name,
    new_name,
    unless_refused,
    username_of,
)
from ucloud_operator.gateway.errors import RefusalError, bad_request
from ucloud_operator.gateway.grants import Grant, RootAllocation, SubAllocation
from ucloud_operator.gateway.openapi import described
from ucloud_operator.gateway.render import JsonObject
from ucloud_operator.gateway.told import Created, Responses
from ucloud_operator.gateway.wallets import paying_for

router = APIRouter()


def _grants(name: str, takes: type[BaseModel]) -> dict[str, Any]:
    return described(name, Responses[Created], HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, takes=takes)


@router.post("/api/accounting/v2/rootAllocate", **_grants("accounting.v2.rootAllocate", Bulk[RootAllocation]))
async def root_allocate(content: Body, here: Here) -> JsonObject:
    """Make credits out of nothing, for the workspace's own wallets."""
    items = read_bulk(RootAllocation, content)
    wallets = await here.wallets()
    found = unless_refused([_wallet(item, here.namespace, wallets) for item in items])
    return await _grant(here, items, [(wallet, None) for wallet in found])


@router.post("/api/accounting/v2/subAllocate", **_grants("accounting.v2.subAllocate", Bulk[SubAllocation]))
async def sub_allocate(content: Body, here: Here) -> JsonObject:
    """Give credits of the workspace's wallets to those of other workspaces."""
    items = read_bulk(SubAllocation, content)
    unless_refused([_receiver_trouble(item, here.namespace) for item in items])
    own = await here.wallets()
    giving = unless_refused([_wallet(item, here.namespace, own) for item in items])
    theirs = {each: await Workspace(here.client, each).wallets() for each in {item.receiver for item in items}}
    found = unless_refused([_wallet(item, item.receiver, theirs[item.receiver]) for item in items])
    return await _grant(here, items, [(to, _reference(of)) for to, of in zip(found, giving, strict=True)])


async def _grant(
    here: Workspace, items: Sequence[RootAllocation], ways: Sequence[tuple[Wallet, WalletReference | None]]
) -> JsonObject:
    by, at_ms, first = await username_of(here.client), time.time_ns() // 1_000_000, int(new_name())
    grants = [
        Grant(wallet, parent, str(first + place), item, by, at_ms)
        for place, (item, (wallet, parent)) in enumerate(zip(items, ways, strict=True))
    ]
    await here.grant(grants)
    return {"responses": [{"id": each.allocation_id} for each in grants]}


def _receiver_trouble(item: SubAllocation, giver: str) -> RefusalError | None:
    if not is_namespace_name(item.receiver):
        return bad_request("The owner must be named as its workspace is: a-z, 0-9 and -, at most 63")
    return bad_request("A workspace can't give credits to itself") if item.receiver == giver else None


def _wallet(item: RootAllocation, workspace: str, wallets: Sequence[Wallet]) -> Wallet | RefusalError:
    wanted = item.category
    wallet = paying_for(wanted, wallets)
    why = f"The workspace '{workspace}' has no wallet for '{wanted.name}' of '{wanted.provider}'"
    return bad_request(why) if wallet is None else wallet


def _reference(wallet: Wallet) -> WalletReference:
    return WalletReference(namespace=wallet.metadata.namespace or "", name=wallet.metadata.name)
