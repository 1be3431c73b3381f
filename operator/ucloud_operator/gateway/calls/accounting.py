"""Calls about wallets."""

from typing import Annotated

from fastapi import APIRouter, Query

from ucloud_operator.api import Wallet
from ucloud_operator.gateway.asked import WalletsQuery
from ucloud_operator.gateway.calls.caller import Here, Shared
from ucloud_operator.gateway.openapi import described
from ucloud_operator.gateway.pages import page
from ucloud_operator.gateway.render import JsonObject
from ucloud_operator.gateway.told import Page, WalletV2
from ucloud_operator.gateway.wallets import children_of, render_wallet

router = APIRouter()


@router.get("/api/accounting/v2/browseWallets", **described("accounting.v2.browseWallets", Page[WalletV2]))
async def browse_wallets(asked: Annotated[WalletsQuery, Query()], here: Here, shared: Shared) -> JsonObject:
    """List the workspace's wallets, by name."""
    found = [w for w in await here.wallets() if asked.filter_type in {None, w.spec.pays_for.product_type}]
    others = await here.all_wallets() if asked.include_children else None

    def render(wallet: Wallet) -> JsonObject:
        children = None if others is None else children_of(wallet, others, asked.children_query)
        return render_wallet(wallet, children=children, root=shared.root)

    return page(found, asked, place=lambda wallet: wallet.metadata.name, render=render)
