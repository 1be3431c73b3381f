"""The client, the reflector and the lease before a real API server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from ucloud_operator.kube import errors
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.lease import Lease
from ucloud_operator.kube.login import from_kubeconfig
from ucloud_operator.kube.objects import JsonObject, section, text
from ucloud_operator.kube.reflector import Reflector
from ucloud_operator.kube.resources import CONFIGMAPS, LEASES, NAMESPACES, PODS
from ucloud_operator.kube.store import Change, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from devcluster import Cluster

SELECTED = "kube-test=yes"
WAITING = {"schedulingGates": [{"name": "kube.test/wait"}], "containers": [{"name": "c", "image": "i"}]}


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client(partial(from_kubeconfig, str(cluster.kubeconfig))) as client:
        yield client


def configmap(name: str, **fields: str) -> JsonObject:
    return {"metadata": {"name": name, "labels": {"kube-test": "yes"}}, "data": fields}


def uid(raw: JsonObject) -> str:
    return text(section(raw, "metadata"), "uid")


def version(raw: JsonObject) -> str:
    return text(section(raw, "metadata"), "resourceVersion")


class Followed:
    """A reflector of the namespace's labelled config maps, and the names of what it told: +added ~modified -deleted."""

    def __init__(self, client: Client, namespace: str, *, watch_seconds: int = 300) -> None:
        self.told: list[str] = []
        self._changed = asyncio.Event()
        self.store = Store(lambda raw: raw, self._note)
        self.reflector = Reflector(
            client, CONFIGMAPS, self.store, namespace=namespace, label_selector=SELECTED, watch_seconds=watch_seconds
        )

    def _note(self, change: Change[JsonObject]) -> None:
        sign = "?" if change.vanished else {"ADDED": "+", "MODIFIED": "~", "DELETED": "-"}[change.kind]
        self.told.append(f"{sign}{change.key.name}")
        self._changed.set()

    async def reaches(self, *told: str) -> None:
        """Wait until these are the last it told."""
        await self.until(lambda: self.told[-len(told) :] == list(told))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            async with asyncio.timeout(30):
                await self.reflector.synced.wait()
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_the_names_of_things_that_go_wrong(client: Client, namespace: str) -> None:
    made = await client.create(CONFIGMAPS, configmap("a"), namespace=namespace)
    with pytest.raises(errors.AlreadyExists):
        await client.create(CONFIGMAPS, configmap("a"), namespace=namespace)
    with pytest.raises(errors.NotFound, match=r'get configmaps ".*/b"'):
        await client.get(CONFIGMAPS, "b", namespace=namespace)
    with pytest.raises(errors.Invalid):
        await client.create(CONFIGMAPS, configmap("Not A Name"), namespace=namespace)
    await client.patch(CONFIGMAPS, "a", {"data": {"x": "1"}}, namespace=namespace, resource_version=version(made))
    with pytest.raises(errors.Conflict):
        await client.patch(CONFIGMAPS, "a", {"data": {"x": "2"}}, namespace=namespace, resource_version=version(made))
    with pytest.raises(errors.Conflict):
        await client.delete(CONFIGMAPS, "a", uid="another", namespace=namespace)
    assert await client.delete(CONFIGMAPS, "a", uid=uid(made), namespace=namespace) is None


async def test_a_status_decided_on_an_old_version_is_refused(client: Client, namespace: str) -> None:
    pod = await client.create(
        PODS,
        {"metadata": {"name": "p"}, "spec": WAITING},
        namespace=namespace,
    )
    status = {"message": "seen"}
    seen = await client.patch_status(PODS, "p", status, resource_version=version(pod), namespace=namespace)
    assert text(section(seen, "status"), "message") == "seen"
    with pytest.raises(errors.Conflict):
        await client.patch_status(PODS, "p", status, resource_version=version(pod), namespace=namespace)


async def test_a_delete_returns_what_a_finalizer_holds(client: Client, namespace: str) -> None:
    held = {"metadata": {"name": "held", "finalizers": ["kube.test/held"]}}
    made = await client.create(CONFIGMAPS, held, namespace=namespace)
    left = await client.delete(CONFIGMAPS, "held", uid=uid(made), namespace=namespace)
    assert left is not None
    assert section(left, "metadata").get("deletionTimestamp")
    await client.patch(CONFIGMAPS, "held", {"metadata": {"finalizers": []}}, namespace=namespace)
    with pytest.raises(errors.NotFound):
        await client.get(CONFIGMAPS, "held", namespace=namespace)


async def test_a_namespace_that_ends_says_so(client: Client) -> None:
    ending = {"metadata": {"name": "kube-ends", "finalizers": ["kube.test/held"]}}
    made = await client.create(NAMESPACES, ending)
    await client.delete(NAMESPACES, "kube-ends", uid=uid(made))
    with pytest.raises(errors.Forbidden) as caught:
        await client.create(CONFIGMAPS, configmap("a"), namespace="kube-ends")
    assert "NamespaceTerminating" in caught.value.causes
    await client.patch(NAMESPACES, "kube-ends", {"metadata": {"finalizers": []}})


async def test_a_list_in_pages_is_whole(client: Client, namespace: str) -> None:
    await make(client, namespace, 25)
    pages = [page async for page in client.pages(CONFIGMAPS, namespace=namespace, label_selector=SELECTED, limit=10)]
    assert [len(page.items) for page in pages] == [10, 10, 5]
    assert len({page.resource_version for page in pages}) == 1
    assert len(await client.list(CONFIGMAPS, namespace=namespace, label_selector=SELECTED)) == 25


async def make(client: Client, namespace: str, count: int) -> list[JsonObject]:
    return await asyncio.gather(
        *(client.create(CONFIGMAPS, configmap(f"c-{number:03}"), namespace=namespace) for number in range(count))
    )


async def test_what_happens_is_followed(client: Client, namespace: str) -> None:
    followed = Followed(client, namespace)
    async with followed.running():
        made = await client.create(CONFIGMAPS, configmap("a"), namespace=namespace)
        await followed.reaches("+a")
        await client.patch(CONFIGMAPS, "a", {"data": {"x": "1"}}, namespace=namespace)
        await followed.reaches("+a", "~a")
        await client.delete(CONFIGMAPS, "a", uid=uid(made), namespace=namespace)
        await followed.reaches("+a", "~a", "-a")
    assert len(followed.store) == 0


async def test_what_loses_the_label_leaves_and_may_come_back(client: Client, namespace: str) -> None:
    followed = Followed(client, namespace)
    async with followed.running():
        await client.create(CONFIGMAPS, configmap("a"), namespace=namespace)
        for label in (None, "yes"):
            await client.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"kube-test": label}}}, namespace=namespace)
        await followed.reaches("+a", "-a", "+a")


async def test_our_own_writes_and_the_watch_never_disagree(client: Client, namespace: str) -> None:
    """Many objects are made, changed and deleted at once, their answers racing the events, over watches of a second."""
    followed = Followed(client, namespace, watch_seconds=1)

    async def live(number: int) -> None:
        name = f"c-{number:03}"
        made = await client.create(CONFIGMAPS, configmap(name), namespace=namespace)
        followed.store.apply(made)
        for turn in range(3):
            patch: JsonObject = {"data": {"turn": str(turn)}}
            followed.store.apply(await client.patch(CONFIGMAPS, name, patch, namespace=namespace))
        if number % 2:
            await client.delete(CONFIGMAPS, name, uid=uid(made), namespace=namespace)
        await followed.reflector.relist()

    async with followed.running():
        async with asyncio.timeout(120):
            for first in range(0, 200, 20):
                await asyncio.gather(*(live(number) for number in range(first, first + 20)))
        listed = await client.list(CONFIGMAPS, namespace=namespace, label_selector=SELECTED)
        await followed.until(lambda: len(followed.store) == 100)
    assert {uid(raw): version(raw) for raw in followed.store.values()} == {uid(raw): version(raw) for raw in listed}
    for number in range(200):
        steps = [told[0] for told in followed.told if told[1:] == f"c-{number:03}"]
        assert "".join(steps).rstrip("-?") == "+~~~"
        assert len(steps) == 4 + number % 2


async def test_a_restarted_api_server_hides_nothing(spare: Cluster) -> None:
    """Its watch history begins anew: what was deleted while we did not watch is told all the same.

    A cluster of its own: controllers come back to an API server that was away only after up to 30 s.
    """
    namespace = "default"
    async with Client(partial(from_kubeconfig, str(spare.kubeconfig))) as client:
        followed = Followed(client, namespace)
        made = await make(client, namespace, 2)
        async with followed.running():
            pass
        await client.delete(CONFIGMAPS, "c-000", uid=uid(made[0]), namespace=namespace)
        await asyncio.to_thread(spare.process("api-server").stop)
        async with followed.running():
            await asyncio.sleep(0.5)
            await asyncio.to_thread(partial(spare.start, bare=True))
            await followed.until(lambda: len(followed.store) == 1)
            await client.patch(CONFIGMAPS, "c-001", {"data": {"x": "1"}}, namespace=namespace)
            await followed.reaches("~c-001")
    assert sorted(followed.told[:3]) in (["+c-000", "+c-001", "-c-000"], ["+c-000", "+c-001", "?c-000"])


async def test_leadership_passes_on(client: Client, namespace: str) -> None:
    def candidate(identity: str) -> Lease:
        return Lease(
            client, identity=identity, namespace=namespace, lease_duration_seconds=4, renew_seconds=1, retry_seconds=0.5
        )

    first, second, third = candidate("first"), candidate("second"), candidate("third")
    assert await first.acquire() == 1
    holding = asyncio.create_task(first.hold())
    standby = asyncio.create_task(second.acquire())
    await asyncio.sleep(5)
    assert not standby.done()
    holding.cancel()
    await first.release()
    async with asyncio.timeout(3):
        assert await standby == 2
    async with asyncio.timeout(10):  # the second one dies
        assert await third.acquire() == 3
    assert not second.held
    lease = await client.get(LEASES, "ucloud-operator", namespace=namespace)
    await client.delete(LEASES, "ucloud-operator", uid=uid(lease), namespace=namespace)
    async with asyncio.timeout(3):
        await third.hold()
    assert not third.held
