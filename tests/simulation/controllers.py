"""What the controller manager does in the background: it empties namespaces, and collects what has lost its owner."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.simulation.kinds import KINDS
from tests.simulation.refusals import Refusal
from tests.simulation.storage import Place
from ucloud_operator.kube.resources import NAMESPACES, PODS, Resource

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.simulation.api import Api
    from tests.simulation.objects import Json
    from tests.simulation.storage import Write

_NAMESPACE_SECONDS = 1.0
_BY_KIND = {(resource.api_version, resource.kind): resource for resource in KINDS}


class Controllers:
    """The namespace controller and the garbage collector."""

    def __init__(self, api: Api, *, seed: int = 0) -> None:
        self._api = api
        self._random = random.Random(seed)  # noqa: S311  # how long things take
        self._tasks: set[asyncio.Task[None]] = set()
        api.storage.listen(self._heard)

    def _heard(self, write: Write) -> None:
        if write.after is None:
            self._spawn(self._collect(write.last["metadata"]["uid"]))
        elif write.before is None and write.after["metadata"].get("ownerReferences"):
            if not self._has_owner(write.after):
                self._spawn(self._collect_orphan(write.resource, write.after))
        elif write.resource == NAMESPACES and _is_marked(write.after) and not _is_marked(write.before):
            self._spawn(self._empty(write.after["metadata"]["name"]))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _collect(self, owner: str) -> None:
        """Delete what an object that is gone was the owner of."""
        dependents = [
            (resource, thing)
            for resource in self._api.storage.kinds()
            for thing in self._api.storage.every(resource)
            if any(reference["uid"] == owner for reference in thing["metadata"].get("ownerReferences", []))
        ]
        for resource, thing in dependents:
            await self._collect_orphan(resource, thing)

    async def _collect_orphan(self, resource: Resource, thing: Json) -> None:
        await asyncio.sleep(self._random.uniform(0.05, 0.5))
        await self._api.back.wait()
        self._delete(resource, thing)

    def _has_owner(self, thing: Json) -> bool:
        namespace = thing["metadata"].get("namespace", "")
        for reference in thing["metadata"]["ownerReferences"]:
            owner = _BY_KIND.get((reference["apiVersion"], reference["kind"]))
            place = Place(namespace if owner is None or owner.namespaced else "", reference["name"])
            found = self._api.storage.get(owner, place) if owner else None
            if found is not None and found["metadata"]["uid"] == reference["uid"]:
                return True
        return False

    async def _empty(self, namespace: str) -> None:
        """Delete the pods of a namespace, and when they are gone the rest, and when that is gone the namespace."""
        while True:
            await asyncio.sleep(_NAMESPACE_SECONDS)
            await self._api.back.wait()
            left = {
                resource: found
                for resource in self._api.storage.kinds()
                if resource.namespaced and (found := self._api.list(resource, namespace))
            }
            if not left:
                self._api.finish_namespace(namespace)
                return
            for resource, things in left.items():
                if resource == PODS or PODS not in left:
                    for thing in things:
                        self._delete(resource, thing)

    def _delete(self, resource: Resource, thing: Json) -> None:
        metadata = thing["metadata"]
        try:
            self._api.delete(resource, metadata.get("namespace", ""), metadata["name"], uid=metadata["uid"])
        except Refusal:
            return


def _is_marked(thing: Json | None) -> bool:
    return thing is not None and "deletionTimestamp" in thing["metadata"]
