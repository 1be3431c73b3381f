"""`ucloud-operator release`: lets go of what an operator that is gone for good still holds.

Pods, jobs and wallets carry finalizers, so that nothing goes before what it used is written down. Where no operator
will ever write it down, whatever is being deleted stays for ever, and its namespace with it. This takes the finalizers
off; what was not settled is then lost, and is named. While an operator leads nothing is touched: it lets go by itself.

What goes with something that is being deleted goes with it, so that one call is enough: Kubernetes deletes a job's pods
when the job has gone, and what is in a namespace when its pods have.

The policies let nobody but the operator's own account take them off. Where they refuse, this acts as that account,
which takes the right to impersonate it: cluster admins have that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ucloud_operator.control.wallets import WALLET_FINALIZER
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from ucloud_operator.kube.login import login
from ucloud_operator.kube.objects import number, section, text, texts
from ucloud_operator.kube.resources import LEASES, NAMESPACES, PODS, UCLOUDJOBS, WALLETS
from ucloud_operator.lifecycle.decide import JOB_FINALIZER
from ucloud_operator.lifecycle.pods import FINALIZER, JOB_UID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ucloud_operator.kube.login import Credentials
    from ucloud_operator.kube.objects import JsonObject
    from ucloud_operator.kube.resources import Resource

FINALIZERS: Final = {PODS: FINALIZER, UCLOUDJOBS: JOB_FINALIZER, WALLETS: WALLET_FINALIZER}
"""In this order: a job waits for its pods, and a wallet for its jobs."""
LABELS: Final = {PODS: JOB_UID, UCLOUDJOBS: None, WALLETS: None}
LEASE: Final = "ucloud-operator"
ACCOUNT: Final = "ucloud-operator"
ATTEMPTS: Final = 5


class StillLedError(Exception):
    """An operator leads."""


@dataclass(frozen=True, slots=True)
class Held:
    """Something that stays because of our finalizer."""

    resource: Resource
    name: str
    namespace: str
    uid: str
    used: int
    """What a job says that it has used, in units."""

    def __str__(self) -> str:
        """Name it, and what may be lost with it."""
        lost = f" (it had used {self.used}; what of that is in no statement is lost)" if self.used else ""
        return f"{self.resource} {self.namespace}/{self.name}{lost}"


async def check_nobody_leads(client: Client, namespace: str) -> None:
    """Raise `StillLedError` if the Lease is renewed; wait as long as its holder promised to renew it in."""
    try:
        before = await client.get(LEASES, LEASE, namespace=namespace)
        holder = text(section(before, "spec"), "holderIdentity")
        if not holder:
            return
        await asyncio.sleep(number(section(before, "spec"), "leaseDurationSeconds") or 0)
        after = await client.get(LEASES, LEASE, namespace=namespace)
    except NotFound:
        return
    if section(after, "metadata")["resourceVersion"] != section(before, "metadata")["resourceVersion"]:
        raise StillLedError(
            f"{holder} leads, and lets go by itself of what is settled. To be rid of it:"
            f" kubectl scale deployment ucloud-operator -n {namespace} --replicas=0"
        )


async def held(client: Client, *, everything: bool) -> Sequence[Held]:
    """Return what our finalizers hold: what is being deleted or goes with something that is, or everything."""
    things = {resource: await client.list(resource, label_selector=label) for resource, label in LABELS.items()}
    ending = {_name(each) for each in await client.list(NAMESPACES) if _ends(each)}

    def goes(thing: JsonObject) -> bool:
        return everything or _ends(thing) or text(section(thing, "metadata"), "namespace") in ending

    staying = {text(section(job, "metadata"), "uid") for job in things[UCLOUDJOBS] if not goes(job)}
    found = []
    for resource, finalizer in FINALIZERS.items():
        for each in things[resource]:
            metadata = section(each, "metadata")
            orphaned = resource == PODS and text(section(metadata, "labels"), JOB_UID) not in staying
            if finalizer in texts(metadata, "finalizers") and (goes(each) or orphaned):
                name, namespace, uid = (text(metadata, field) for field in ("name", "namespace", "uid"))
                found.append(Held(resource, name, namespace, uid, _used(resource, each)))
    return found


def _ends(thing: JsonObject) -> bool:
    return "deletionTimestamp" in section(thing, "metadata")


def _name(thing: JsonObject) -> str:
    return text(section(thing, "metadata"), "name")


def _used(resource: Resource, thing: JsonObject) -> int:
    return (number(section(thing, "status"), "usage") or 0) if resource == UCLOUDJOBS else 0


async def release(namespace: str, *, everything: bool) -> AsyncIterator[tuple[Held, str]]:
    """Release what is held, and tell of each as it goes, with what was wrong if something was.

    `StillLedError` while an operator leads, whose Lease is in that namespace.
    """

    def as_the_operator() -> Credentials:
        return replace(login(), acting_as=f"system:serviceaccount:{namespace}:{ACCOUNT}")

    async with Client() as own, Client(as_the_operator) as operators:
        await check_nobody_leads(own, namespace)
        for each in await held(own, everything=everything):
            try:
                try:
                    await _let_go(own, each)
                except (Forbidden, Invalid):  # a policy's answer
                    await _let_go(operators, each)
            except ApiError as error:
                yield each, str(error)
            else:
                yield each, ""


async def _let_go(client: Client, each: Held) -> None:
    """Take our finalizer off, whatever else happens to the object meanwhile."""
    finalizer = FINALIZERS[each.resource]
    try:
        if each.resource == PODS:
            await client.remove_finalizer(PODS, each.name, finalizer, uid=each.uid, namespace=each.namespace)
            return
        for attempt in range(1, ATTEMPTS + 1):
            metadata = section(await client.get(each.resource, each.name, namespace=each.namespace), "metadata")
            if text(metadata, "uid") != each.uid:
                return
            left = [other for other in texts(metadata, "finalizers") if other != finalizer]
            version = text(metadata, "resourceVersion")
            body = {"metadata": {"finalizers": left}}
            try:
                await client.patch(each.resource, each.name, body, namespace=each.namespace, resource_version=version)
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
            else:
                return
    except NotFound:
        return
