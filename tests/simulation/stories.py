"""Objects to tell stories with, for the simulation and for real clusters alike: `wallet(quota=100_000, used=20_000)`.

What a story doesn't mention has the seed's values: product `example-compute` at 50000 per minute, application
`acme-web-application` 1.0.0, a wallet `example-compute` of the provider `example`. How a container behaves is told by
environment variables of its application, which the simulated kubelet and the devcluster's understand alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.simulation.objects import Json

CATEGORY: Final = "example-compute"
PROVIDER: Final = "example"
APPLICATION: Final = "acme-web-application"
VERSION: Final = "1.0.0"
PRICE: Final = 50_000
LONG_AGO: Final = "2020-01-01T00:00:00Z"
FAR_AHEAD: Final = "2040-01-01T00:00:00Z"


def allocation(
    quota: int,
    *,
    id: str = "1",  # noqa: A002  # UCloud's own name
    starts: str = LONG_AGO,
    ends: str = FAR_AHEAD,
) -> Json:
    """Credits that can be spent from one instant to another."""
    return {"id": id, "quota": quota, "startDate": starts, "endDate": ends}


def group(*allocations: Json, parent: str | None = None) -> Json:
    """Credits from one parent (`namespace/name`), or from nowhere."""
    namespace, _, name = (parent or "").partition("/")
    return {"allocations": [*allocations]} | ({"parent": {"namespace": namespace, "name": name}} if parent else {})


def wallet(
    name: str = CATEGORY,
    *,
    quota: int | None = None,
    parent: str | None = None,
    groups: list[Json] | None = None,
    used: int = 0,
    frequency: str = "PERIODIC_MINUTE",
    category: str = CATEGORY,
    free: bool = False,
    suspends: bool = False,
) -> Json:
    """A wallet with one allocation of `quota`, or with the groups that are given; `used` of it elsewhere before."""
    granted = [] if quota is None else [group(allocation(quota), parent=parent)]
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "Wallet",
        "metadata": {"name": name},
        "spec": {
            "owner": {"type": "user", "username": "user"},
            "paysFor": {
                "name": category,
                "provider": PROVIDER,
                "productType": "COMPUTE",
                "accountingFrequency": frequency,
                "freeToUse": free,
            },
            "allocationGroups": groups if groups is not None else granted,
            "openingUsage": used,
            "onExhaustion": "Suspend" if suspends else "Terminate",
        },
    }


def product(name: str = CATEGORY, *, price: int = PRICE, category: str = CATEGORY) -> Json:
    """A machine type."""
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "ComputeProduct",
        "metadata": {"name": name},
        "spec": {
            "category": {"name": category, "provider": PROVIDER},
            "price": price,
            "cpuMillis": 10,
            "memoryInGigs": 1,
        },
    }


def application(name: str = APPLICATION, *, version: str = VERSION, **behaviour: str) -> Json:
    """An application; `behaviour` is how its containers fare, such as `exit_after="3s", exit_code="1"`."""
    env = {f"DEVCLUSTER_{setting.upper()}": value for setting, value in behaviour.items()}
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"{name}-{version}".replace(".", "-")},
        "spec": {"name": name, "version": version, "image": "registry.example.com/acme/web:1.0.0", "env": env},
    }


def job(
    name: str = "a",
    *,
    replicas: Any = 1,
    minutes: int | None = None,
    grace_seconds: int | None = None,
    application: str = APPLICATION,
    product: str = CATEGORY,
    category: str = CATEGORY,
    **spec: Any,
) -> Json:
    """A job of so many replicas, for so many minutes where that is said."""
    asked = {
        "application": {"name": application, "version": VERSION},
        "product": {"id": product, "category": category, "provider": PROVIDER},
        "replicas": replicas,
        "timeAllocation": None if minutes is None else {"hours": 0, "minutes": minutes, "seconds": 0},
        "terminationGracePeriodSeconds": grace_seconds,
        **spec,
    }
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "UCloudJob",
        "metadata": {"name": name},
        "spec": {field: value for field, value in asked.items() if value is not None},
    }


def pod(
    name: str = "p", *, node: str | None = None, scheduled: bool = False, grace_seconds: int = 30, **behaviour: str
) -> Json:
    """A pod of nobody's, on a node where that is said; no scheduler takes care of it unless that is said."""
    env = [{"name": f"DEVCLUSTER_{setting.upper()}", "value": value} for setting, value in behaviour.items()]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": grace_seconds,
            "containers": [{"name": "user-job", "image": "registry.example.com/acme/web:1.0.0", "env": env}],
            **({"nodeName": node} if node else {} if scheduled else {"schedulerName": "nobody"}),
        },
    }
