"""How the API server treats the kinds: which have a status of their own, a generation, a grace period, a schema."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from tests.simulation.metadata import mistakes_in_metadata
from tests.simulation.refusals import invalid
from tests.simulation.rules import ABSENT, broken_rules
from tests.simulation.schemas import mistakes, schema_of
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    CONFIGMAPS,
    EVENTS,
    LEASES,
    LEDGERCHECKPOINTS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    UCLOUDJOBS,
    WALLETS,
    WALLETSTATEMENTS,
    Resource,
)

if TYPE_CHECKING:
    from tests.simulation.objects import Json

_POD_CHANGES: Final = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is particular about a kind."""

    resource: Resource
    has_status: bool = False
    has_generation: bool = False
    is_custom: bool = False


KINDS: Final = {
    kind.resource: kind
    for kind in (
        Kind(PODS, has_status=True, has_generation=True),
        Kind(SERVICES, has_status=True),
        Kind(EVENTS),
        Kind(CONFIGMAPS),
        Kind(NAMESPACES, has_status=True),
        Kind(NODES, has_status=True),
        Kind(LEASES),
        Kind(WALLETS, has_status=True, has_generation=True, is_custom=True),
        Kind(UCLOUDJOBS, has_status=True, has_generation=True, is_custom=True),
        Kind(COMPUTEPRODUCTS, has_generation=True, is_custom=True),
        Kind(APPLICATIONS, has_generation=True, is_custom=True),
        Kind(WALLETSTATEMENTS, has_generation=True, is_custom=True),
        Kind(LEDGERCHECKPOINTS, has_generation=True, is_custom=True),
    )
}


def begun(kind: Kind, body: Json) -> Json:
    """Return a new object's body with what the API server adds to it or takes out of it."""
    thing = dict(body)
    if kind.has_status:
        thing.pop("status", None)
    if kind.resource == PODS:
        thing["spec"] = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, **thing.get("spec", {})}
        thing["status"] = {"phase": "Pending", "qosClass": "Burstable"}
    if kind.resource == NAMESPACES:
        thing["spec"] = {"finalizers": ["kubernetes"]}
        thing["status"] = {"phase": "Active"}
    return thing


def changed(kind: Kind, old: Json, new: Json, *, subresource: str) -> Json:
    """Return the part of a change that this address (the object's or its status') lets through."""
    if subresource == "status":
        metadata = old["metadata"] if kind.is_custom else new["metadata"]
        return {**old, "metadata": metadata, "status": new.get("status", {})}
    if kind.has_status:
        new = {name: value for name, value in new.items() if name != "status"}
        new |= {"status": old["status"]} if "status" in old else {}
    if kind.has_generation and _content(new) != _content(old):
        generation = old["metadata"]["generation"] + 1
        new = {**new, "metadata": {**new["metadata"], "generation": generation}}
    return new


def check(kind: Kind, thing: Json, old: Json | None = None) -> None:
    """Refuse what this kind can't be, or can't become."""
    if kind.is_custom:
        schema = schema_of(kind.resource)
        found = list(chain(mistakes_in_metadata(thing["metadata"]), mistakes(thing, schema)))
        found = found or list(broken_rules(thing, ABSENT if old is None else old, schema))
        if found:
            raise invalid(kind.resource, thing["metadata"]["name"], ", ".join(found))
    elif kind.resource == PODS:
        _check_pod(thing, old)
    elif kind.resource == EVENTS and old is None:
        involved = thing.get("involvedObject", {}).get("namespace", "")
        if involved != thing["metadata"]["namespace"]:
            name = thing["metadata"]["name"]
            raise invalid(EVENTS, name, f'involvedObject.namespace: Invalid value: "{involved}": does not match')


def _content(thing: Json) -> Json:
    return {name: value for name, value in thing.items() if name not in {"metadata", "status"}}


def _check_pod(pod: Json, old: Json | None) -> None:
    name, deadline = pod["metadata"]["name"], pod["spec"].get("activeDeadlineSeconds")
    field = "spec.activeDeadlineSeconds: Invalid value:"
    if deadline is not None and deadline < 1:
        raise invalid(PODS, name, f"{field} {deadline}: must be between 1 and 2147483647, inclusive")
    if old is None:
        return
    before = old["spec"].get("activeDeadlineSeconds")
    if before is not None and deadline is None:
        raise invalid(PODS, name, f"{field} null: must not update from a positive integer to nil value")
    if before is not None and deadline > before:
        raise invalid(PODS, name, f"{field} {deadline}: must be less than or equal to previous value")
    may_change = {"activeDeadlineSeconds", "tolerations"}
    parts = (pod["spec"].items(), old["spec"].items())
    if dict(i for i in parts[0] if i[0] not in may_change) != dict(i for i in parts[1] if i[0] not in may_change):
        raise invalid(PODS, name, f"spec: {_POD_CHANGES}")
