"""What Kopf does for the operator: it lists and watches our kinds, and hands each event over.

With its weakness: when it has to list anew, it never tells what has vanished in the meantime. Events of one object that
come within a tenth of a second are handed over as one, the last.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from ucloud_operator.kube.errors import ApiError, Gone
from ucloud_operator.kube.resources import APPLICATIONS, COMPUTEPRODUCTS, UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.objects import Json
    from ucloud_operator.kube.client import Client
    from ucloud_operator.kube.objects import JsonObject
    from ucloud_operator.kube.resources import Resource

    Handler: TypeAlias = Callable[[str, str | None, JsonObject], None]
    """Takes a kind's plural, an event's type (None: it was there already) and the object."""

BATCH_SECONDS = 0.1
PAUSE_SECONDS = 1
OUR_KINDS = (APPLICATIONS, COMPUTEPRODUCTS, WALLETS, UCLOUDJOBS)


async def feed(client: Client, handler: Handler) -> None:
    """Hand over the events of all our kinds, for ever."""
    async with asyncio.TaskGroup() as group:
        for resource in OUR_KINDS:
            group.create_task(_Stream(client, resource, handler).run())


class _Stream:
    def __init__(self, client: Client, resource: Resource, handler: Handler) -> None:
        self._client = client
        self._resource = resource
        self._handler = handler
        self._batch: dict[str, tuple[str | None, Json]] = {}

    async def run(self) -> None:
        version = ""
        while True:
            try:
                if not version:
                    version = await self._list()
                version = await self._watch(version)
            except Gone:
                version = ""
            except ApiError:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _list(self) -> str:
        version = ""
        async for page in self._client.pages(self._resource):
            version = page.resource_version
            for thing in page.items:
                self._handler(self._resource.plural, None, thing)
        return version

    async def _watch(self, version: str) -> str:
        async with self._client.watch(self._resource, resource_version=version) as events:
            async for event in events:
                metadata = event.object["metadata"]
                assert isinstance(metadata, dict)
                version = metadata["resourceVersion"]
                if event.type != "BOOKMARK":
                    self._later(metadata["uid"], event.type, event.object)
        return version

    def _later(self, uid: str, kind: str, thing: JsonObject) -> None:
        if uid not in self._batch:
            asyncio.get_running_loop().call_later(BATCH_SECONDS, self._hand_over, uid)
        self._batch[uid] = (kind, thing)

    def _hand_over(self, uid: str) -> None:
        kind, thing = self._batch.pop(uid)
        self._handler(self._resource.plural, kind, thing)
