"""The contract about what happens by itself: namespaces that are emptied, and dependents that go with their owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.contract.pods import NOWHERE, RELEASED, held
from tests.simulation.contract.stage import Stage, refused, story, uid_of, version_of
from tests.simulation.stories import pod, wallet
from ucloud_operator.kube.errors import Forbidden, NotFound
from ucloud_operator.kube.resources import CONFIGMAPS, NAMESPACES, PODS, WALLETS

if TYPE_CHECKING:
    from tests.simulation.objects import Json
    from ucloud_operator.kube.resources import Resource


async def gone(stage: Stage, resource: Resource, name: str) -> bool:
    """Say whether there is no such object, without a note of it: who waits asks more than once."""
    try:
        await stage.admin.client.get(resource, name, **stage.place(resource))
    except NotFound:
        return True
    return False


async def marked(stage: Stage, resource: Resource, name: str) -> bool:
    """Say whether an object is marked as deleted."""
    found: Json = await stage.admin.client.get(resource, name, **stage.place(resource))
    return "deletionTimestamp" in found["metadata"]


def owned(thing: Json, owner: Json) -> Json:
    """The same, owned by a ConfigMap."""
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": uid_of(owner)}
    return {**thing, "metadata": {**thing["metadata"], "ownerReferences": [reference]}}


@story
async def a_namespace_that_goes_takes_nothing_new_but_statuses(stage: Stage) -> None:
    name = f"{stage.namespace[:50]}-going"
    namespace = await stage.admin.client.create(NAMESPACES, {"metadata": {"name": name}})
    there = stage.elsewhere(name)
    made = await there.admin.create(WALLETS, wallet("cpu", quota=100))
    await stage.admin.client.delete(NAMESPACES, name, uid=uid_of(namespace))
    late = await refused(there.admin.create(CONFIGMAPS, {"metadata": {"name": "late"}}))
    assert isinstance(late, Forbidden)
    assert "NamespaceTerminating" in late.causes
    await there.settled(lambda: marked(there, WALLETS, "cpu"))
    found = await there.admin.get(WALLETS, "cpu")
    assert uid_of(found) == uid_of(made)
    await there.operator.patch_status(WALLETS, "cpu", {"localUsage": 7}, version=version_of(found))
    await there.operator.patch(WALLETS, "cpu", {"metadata": {"finalizers": None}})
    await stage.settled(lambda: gone(stage, NAMESPACES, name), within_seconds=60)


@story
async def pods_go_before_the_rest_of_their_namespace(stage: Stage) -> None:
    name = f"{stage.namespace[:50]}-going"
    namespace = await stage.admin.client.create(NAMESPACES, {"metadata": {"name": name}})
    there = stage.elsewhere(name)
    await stage.settled(lambda: _can_run_pods(there))
    await there.admin.create(CONFIGMAPS, {"metadata": {"name": "stays"}})
    await there.admin.create(PODS, held(pod(node=NOWHERE)))
    await stage.admin.client.delete(NAMESPACES, name, uid=uid_of(namespace))
    await there.settled(lambda: marked(there, PODS, "p"))
    assert not await gone(there, CONFIGMAPS, "stays")
    found = await there.admin.client.get(PODS, "p", namespace=name)
    await there.admin.client.delete(PODS, "p", uid=uid_of(found), namespace=name, grace_period_seconds=0)
    await there.admin.patch(PODS, "p", RELEASED)
    await stage.settled(lambda: gone(stage, NAMESPACES, name), within_seconds=60)


async def _can_run_pods(stage: Stage) -> bool:
    """Say whether a new namespace has got the service account that pods need."""
    try:
        made = await stage.admin.client.create(PODS, pod("first"), namespace=stage.namespace)
    except Forbidden:
        return False
    await stage.admin.client.delete(PODS, "first", uid=uid_of(made), namespace=stage.namespace)
    return True


@story
async def what_an_object_owned_goes_with_it(stage: Stage) -> None:
    owner = await stage.admin.create(CONFIGMAPS, {"metadata": {"name": "owner"}})
    await stage.admin.create(CONFIGMAPS, owned({"metadata": {"name": "free"}}, owner))
    await stage.admin.create(PODS, owned(held(pod(node=NOWHERE)), owner))
    await stage.admin.delete(CONFIGMAPS, "owner", uid=uid_of(owner))
    await stage.settled(lambda: gone(stage, CONFIGMAPS, "free"))
    await stage.settled(lambda: marked(stage, PODS, "p"))
    found = await stage.admin.client.get(PODS, "p", namespace=stage.namespace)
    await stage.admin.client.delete(PODS, "p", uid=uid_of(found), namespace=stage.namespace, grace_period_seconds=0)
    await stage.admin.patch(PODS, "p", RELEASED)


@story
async def an_owner_that_is_held_keeps_what_it_owns(stage: Stage) -> None:
    owner = await stage.admin.create(CONFIGMAPS, held({"metadata": {"name": "owner"}}))
    await stage.admin.create(CONFIGMAPS, owned({"metadata": {"name": "kept"}}, owner))
    await stage.admin.delete(CONFIGMAPS, "owner", uid=uid_of(owner))
    await stage.seconds(2)
    assert not await gone(stage, CONFIGMAPS, "kept")
    await stage.admin.patch(CONFIGMAPS, "owner", RELEASED)
    await stage.settled(lambda: gone(stage, CONFIGMAPS, "kept"))


@story
async def what_comes_after_its_owner_has_gone_goes_too(stage: Stage) -> None:
    owner = await stage.admin.create(CONFIGMAPS, {"metadata": {"name": "owner"}})
    await stage.admin.delete(CONFIGMAPS, "owner", uid=uid_of(owner))
    await stage.admin.create(CONFIGMAPS, owned({"metadata": {"name": "late"}}, owner))
    await stage.settled(lambda: gone(stage, CONFIGMAPS, "late"))
