"""Calls about products. The workspace is asked for its wallets too: how a category is counted stands there."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from ucloud_operator.api import ComputeProduct
from ucloud_operator.gateway.asked import ProductFlags, ProductsQuery
from ucloud_operator.gateway.calls.caller import Here
from ucloud_operator.gateway.catalogue import place_of_product, render_product
from ucloud_operator.gateway.errors import RefusalError, bad_request
from ucloud_operator.gateway.openapi import described
from ucloud_operator.gateway.pages import page
from ucloud_operator.gateway.render import JsonObject
from ucloud_operator.gateway.told import Page, ProductV2
from ucloud_operator.gateway.verdict import Surroundings

router = APIRouter()


@router.get("/api/products/v2/browse", **described("products.v2.browse", Page[ProductV2]))
async def browse(asked: Annotated[ProductsQuery, Query()], here: Here) -> JsonObject:
    """List products, by provider, category and name."""
    around = await here.surroundings()
    found = [product for product in around.products if _is_asked_for(product, asked)]
    return page(found, asked, place=place_of_product, render=lambda product: _render(product, asked, around))


@router.get("/api/products/v2/retrieve", **described("products.v2.retrieve", ProductV2, HTTPStatus.NOT_FOUND))
async def retrieve(asked: Annotated[ProductFlags, Query()], here: Here) -> JsonObject:
    """Show one product."""
    if not (asked.filter_name and asked.filter_category and asked.filter_provider):
        raise bad_request("name, category and provider must be supplied")
    around = await here.surroundings()
    found = [product for product in around.products if _is_asked_for(product, asked)]
    if not found:
        raise RefusalError(HTTPStatus.NOT_FOUND, "unknown product")
    return _render(found[0], asked, around)


def _is_asked_for(product: ComputeProduct, flags: ProductFlags) -> bool:
    category = product.spec.category
    wanted = (
        (flags.filter_name, product.id),
        (flags.filter_category, category.name),
        (flags.filter_provider, category.provider),
        (flags.filter_product_type, "COMPUTE"),
    )
    return all(value is None or value == actual for value, actual in wanted)


def _render(product: ComputeProduct, flags: ProductFlags, around: Surroundings) -> JsonObject:
    return render_product(
        product,
        around.wallet_of(product.spec.category),
        balance=flags.include_balance,
        max_balance=flags.include_max_balance,
    )
