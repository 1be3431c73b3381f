"""What jobs refer to, as UCloud's HTTP API shows it: products, what can be done on them, and applications.

A product names its category; how that is counted stands in the wallet that pays for it. Where the workspace has none,
the category's unit and frequency aren't known, and null. A product can be had whole (a `fraction` of 1/1) and is a
container: what UCloud knows of virtual machines isn't here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ucloud_operator.gateway.render import JsonObject, Resolved
from ucloud_operator.gateway.wallets import render_category

if TYPE_CHECKING:
    from ucloud_operator.api import Application, CategoryReference, ComputeProduct, UCloudJob, Wallet
    from ucloud_operator.gateway.asked import JobFlags
    from ucloud_operator.gateway.verdict import Surroundings

_ABILITIES: Final = ("enabled", "web", "vnc", "logs", "terminal", "peers", "timeExtension", "bindLinkToPort")
_OURS: Final = frozenset({"enabled", "timeExtension"})


def resolve(job: UCloudJob, flags: JobFlags, around: Surroundings) -> Resolved:
    """Return what was asked for of what a job refers to; what isn't there is None."""
    product, application, wallet = around.product_for(job), around.application_for(job), around.wallet_for(job)
    return Resolved(
        application=render_application(application) if application and flags.include_application else None,
        support=render_support(product, wallet) if product and flags.include_support else None,
        product=render_product(product, wallet) if product and flags.include_product else None,
    )


def place_of_product(product: ComputeProduct) -> str:
    """Return where a product stands in UCloud's order: by provider, category and name."""
    category = product.spec.category
    return f"{category.provider}@{category.name}@{product.id}@{product.metadata.name}"


def render_product(
    product: ComputeProduct, wallet: Wallet | None, *, balance: bool = False, max_balance: bool = False
) -> JsonObject:
    """Return a product as `products/v2` answers; `wallet` is the one that pays for it in the caller's workspace."""
    spec, is_whole = product.spec, product.cpu_request_millis % 1000 == 0
    return {
        "type": "compute",
        "category": render_category(wallet.spec.pays_for) if wallet else _unknown_category(spec.category),
        "name": product.id,
        "description": spec.description,
        "productType": "COMPUTE",
        "price": spec.price,
        "fraction": {"numerator": 1, "denominator": 1},
        "hiddenInGrantApplications": False,
        "usage": None,
        "cpu": product.cpu_request_millis // 1000 if is_whole else None,
        "cpuModel": None,
        "memoryInGigs": spec.memory_in_gigs,
        "memoryModel": None,
        "gpu": spec.gpu,
        "gpuModel": None,
        "balance": wallet.status.quota - wallet.status.total_usage if wallet and balance else None,
        "maxUsableBalance": wallet.status.max_usable if wallet and max_balance else None,
    }


def render_support(product: ComputeProduct, wallet: Wallet | None) -> JsonObject:
    """Return a product with what jobs on it can do, as `jobs/retrieveProducts` answers."""
    category = product.spec.category
    return {
        "product": render_product(product, wallet),
        "support": {
            "product": {"id": product.id, "category": category.name, "provider": category.provider},
            "docker": {ability: ability in _OURS for ability in _ABILITIES},
            "virtualMachine": {**dict.fromkeys(_ABILITIES, False), "suspension": False},
            "native": dict.fromkeys(_ABILITIES, False),
            "queueStatus": None,
        },
        "features": ["jobs.docker.enabled", "jobs.docker.extension"],
    }


def render_application(application: Application) -> JsonObject:
    """Return an application as far as it is known: what it is called, and that it runs in a container."""
    spec = application.spec
    named = {"name": spec.name, "version": spec.version}
    return {
        "metadata": {
            **named,
            "authors": [],
            "title": spec.title or spec.name,
            "description": spec.description or "",
            "website": None,
            "public": True,
            "flavorName": None,
            "group": None,
            "createdAt": application.metadata.creation_timestamp,
        },
        "invocation": {
            "tool": {**named, "tool": None},
            "invocation": [],
            "parameters": [],
            "outputFileGlobs": [],
            "applicationType": "BATCH",
        },
    }


def _unknown_category(category: CategoryReference) -> JsonObject:
    return {
        "name": category.name,
        "provider": category.provider,
        "productType": "COMPUTE",
        "accountingUnit": None,
        "accountingFrequency": None,
        "freeToUse": None,
        "allowSubAllocations": None,
    }
