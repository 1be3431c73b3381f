"""A Kubernetes API server in memory, true to the real one in what the operator relies on.

Its verbs are plain functions that take no time: whoever calls them decides how long a request travels (`network.py`).
What it does was compared with a real API server, answer by answer (`contract.py`, tests/cluster/test_contract.py);
where the two ever differ, this one is wrong.

It answers with whole objects or raises a `Refusal`. It has no controllers (`controllers.py`), no kubelet (`kubelet.py`)
and no authorisation: users differ only where the operator's policies tell them apart.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from tests.simulation import admission
from tests.simulation.kinds import KINDS, Kind, begun, changed, check
from tests.simulation.objects import (
    Json,
    copied,
    field_selected,
    merged,
    selected,
    stamp,
    stamped_ms,
    without_finalizers,
)
from tests.simulation.refusals import (
    already_exists,
    bad_request,
    forbidden,
    invalid,
    modified,
    not_found,
    other_uid,
)
from tests.simulation.schemas import conformed, schema_of
from tests.simulation.storage import Place, Storage
from ucloud_operator.kube.resources import NAMESPACES, PODS, Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from ucloud_operator.kube.clock import Clock

ADMIN = "admin"
_SERVER_OWNED = (
    "name",
    "namespace",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Api:
    """The objects and the verbs. With `policies`, ours are installed."""

    def __init__(self, clock: Clock, *, policies: bool = True, seed: int = 0) -> None:
        self.storage = Storage()
        self.policies = policies
        self.snapshots: dict[str, tuple[int, list[Json]]] = {}
        self.is_away = False
        """Whether nobody reaches it, of those that come by a network."""
        self.is_silent = False
        """Of one that is away: whether nobody even says so."""
        self.back = asyncio.Event()
        self.back.set()
        self._leaving: list[Callable[[], None]] = []
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311  # names, not secrets

    def go_away(self, *, silently: bool = False) -> None:
        """Be out of reach from now on: all watches are lost."""
        self.is_away, self.is_silent = True, silently
        self.back.clear()
        for leaving in tuple(self._leaving):
            leaving()

    def come_back(self) -> None:
        """Be there again."""
        self.is_away = self.is_silent = False
        self.back.set()

    def when_leaving(self, act: Callable[[], None]) -> Callable[[], None]:
        """Call somebody when it goes away, until the returned function is called."""
        self._leaving.append(act)
        return lambda: self._leaving.remove(act)

    def as_of(self, version: int) -> Api:
        """Return one that shows the past, for those who read."""
        past = Api(self._clock, policies=self.policies)
        past.storage, past.snapshots = self.storage.as_of(version), self.snapshots
        return past

    def now_ms(self) -> int:
        """Return the API server's time."""
        return self._clock.now_ms()

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Return an object."""
        thing = self.storage.get(resource, Place(namespace, name))
        if thing is None:
            raise not_found(resource, name)
        return thing

    def list(
        self, resource: Resource, namespace: str | None = None, labels: str | None = None, fields: str | None = None
    ) -> list[Json]:
        """Return the objects that are selected, in order."""
        return [
            thing
            for thing in self.storage.every(resource, namespace)
            if selected(thing["metadata"].get("labels", {}), labels) and field_selected(thing, fields)
        ]

    def create(self, resource: Resource, namespace: str, body: Json, *, user: str = ADMIN) -> Json:
        """Store a new object."""
        kind, thing = KINDS[resource], begun(KINDS[resource], copied(body))
        metadata = thing.setdefault("metadata", {})
        if metadata.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if not namespace:
            del metadata["namespace"]
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        self._name(resource, metadata)
        self._check_namespace(resource, namespace, metadata["name"])
        if kind.is_custom:
            thing = conformed(thing, schema_of(resource))
        if self.policies:
            thing = admission.stamped(resource, thing, user)
        thing["metadata"] = self._born(kind, thing["metadata"])
        check(kind, thing)
        if self.policies:
            admission.admit_create(self.storage, resource, thing, user)
        if self.storage.get(resource, Place(namespace, metadata["name"])) is not None:
            raise already_exists(resource, metadata["name"])
        thing.update(apiVersion=resource.api_version, kind=resource.kind)
        return self.storage.put(resource, thing)

    def patch(
        self, resource: Resource, namespace: str, name: str, body: Json, *, subresource: str = "", user: str = ADMIN
    ) -> Json:
        """Merge a patch into an object or its status."""
        kind = KINDS[resource]
        if subresource and not kind.has_status:
            raise not_found(resource, f"{name}/{subresource}")
        old = self.get(resource, namespace, name)
        new = merged(old, without_finalizers(old, body))
        if kind.is_custom:
            new = conformed(new, schema_of(resource))
        if new["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
            raise modified(resource, name)
        new = changed(kind, old, new, subresource=subresource)
        metadata = new["metadata"]
        if metadata.get("uid") != old["metadata"]["uid"]:
            raise invalid(resource, name, f'metadata.uid: Invalid value: "{metadata.get("uid")}": field is immutable')
        generation = metadata.get("generation")
        metadata = {name: value for name, value in metadata.items() if value not in ({}, [])}
        new["metadata"] = {**metadata, **_owned(old["metadata"])} | ({"generation": generation} if generation else {})
        _check_finalizers(resource, old, new)
        check(kind, new, old)
        if self.policies and not subresource:
            admission.admit_update(resource, old, new, user)
        return self._updated(resource, old, new)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Json:
        """Remove an object, or mark it as to be removed; return its last, or its present, state."""
        old = self.get(resource, namespace, name)
        if uid is not None and uid != old["metadata"]["uid"]:
            raise other_uid(resource, name, uid, old["metadata"]["uid"])
        if self.policies:
            admission.admit_delete(resource, old, grace_seconds)
        if resource == NAMESPACES:
            return self._terminate_namespace(old)
        if resource == PODS:
            return self._delete_pod(old, grace_seconds)
        if old["metadata"].get("finalizers"):
            return self._mark_deleted(resource, old, grace_seconds=0)
        return self._remove(resource, old)

    def is_held(self, thing: Json) -> bool:
        """Say whether an object that was just deleted is still there."""
        metadata = thing["metadata"]
        return bool(metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"))

    def bind(self, pod: Json, node: str) -> Json:
        """Give a pod a node, as the scheduler does."""
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(self._clock.now_ms())}
        status = {**pod["status"], "conditions": [scheduled]}
        return self.storage.put(PODS, {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status})

    def finish_namespace(self, name: str) -> None:
        """Remove a terminated namespace, as the namespace controller does when it is empty."""
        self.storage.remove(NAMESPACES, Place("", name))

    def compact(self) -> None:
        """Forget the past: whoever wants to know what happened since then must list anew."""
        self.storage.compact()
        self.snapshots.clear()

    def _born(self, kind: Kind, metadata: Json) -> Json:
        kept = {n: v for n, v in metadata.items() if n not in {"deletionTimestamp", "deletionGracePeriodSeconds"}}
        uid = f"{self._random.getrandbits(128):032x}"
        kept["uid"] = "-".join((uid[:8], uid[8:12], uid[12:16], uid[16:20], uid[20:]))
        kept["creationTimestamp"] = stamp(self._clock.now_ms())
        return kept | ({"generation": 1} if kind.has_generation else {})

    def _name(self, resource: Resource, metadata: Json) -> None:
        if not metadata.get("name"):
            prefix = metadata.get("generateName")
            if not prefix:
                raise invalid(resource, "", "metadata.name: Required value: name or generateName is required")
            metadata["name"] = prefix + "".join(self._random.choices(_ALPHABET, k=5))

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        found = self.storage.get(NAMESPACES, Place("", namespace))
        if found is None:
            raise not_found(NAMESPACES, namespace)
        if "deletionTimestamp" in found["metadata"]:
            because = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(resource, name, because, causes=("NamespaceTerminating",))

    def _updated(self, resource: Resource, old: Json, new: Json) -> Json:
        if new == old:
            return old
        if "deletionTimestamp" in new["metadata"] and not self.is_held(new):
            self._remove(resource, old)
            return new
        return self.storage.put(resource, new)

    def _delete_pod(self, old: Json, asked: int | None) -> Json:
        metadata = old["metadata"]
        given: int | None = metadata.get("deletionGracePeriodSeconds")
        if given == 0:
            return old if metadata.get("finalizers") else self._remove(PODS, old)
        if given is None:
            given = old["spec"]["terminationGracePeriodSeconds"] if asked is None else asked
            if not old["spec"].get("nodeName") or old["status"].get("phase") in {"Succeeded", "Failed"}:
                given = 0
            marked = self._mark_deleted(PODS, old, grace_seconds=given)
        elif asked is None or asked >= given:
            return old
        else:
            ends_ms = stamped_ms(metadata["deletionTimestamp"]) - 1000 * (given - asked)
            marks = {"deletionTimestamp": stamp(ends_ms), "deletionGracePeriodSeconds": asked}
            marked = self.storage.put(PODS, {**old, "metadata": {**metadata, **marks}})
        return marked if self.is_held(marked) else self._remove(PODS, marked)

    def _remove(self, resource: Resource, thing: Json) -> Json:
        return self.storage.remove(resource, Place(thing["metadata"].get("namespace", ""), thing["metadata"]["name"]))

    def _mark_deleted(self, resource: Resource, old: Json, *, grace_seconds: int) -> Json:
        metadata = old["metadata"]
        if "deletionTimestamp" in metadata:
            return old
        marks: dict[str, Any] = {
            "deletionTimestamp": stamp(self._clock.now_ms() + 1000 * grace_seconds),
            "deletionGracePeriodSeconds": grace_seconds,
        }
        if "generation" in metadata:
            marks["generation"] = metadata["generation"] + 1
        return self.storage.put(resource, {**old, "metadata": {**metadata, **marks}})

    def _terminate_namespace(self, old: Json) -> Json:
        if "deletionTimestamp" in old["metadata"]:
            return old
        metadata = {**old["metadata"], "deletionTimestamp": stamp(self._clock.now_ms())}
        return self.storage.put(NAMESPACES, {**old, "metadata": metadata, "status": {"phase": "Terminating"}})


def _owned(metadata: Json) -> Json:
    return {name: metadata[name] for name in _SERVER_OWNED if name in metadata}


def _check_finalizers(resource: Resource, old: Json, new: Json) -> None:
    before, after = old["metadata"].get("finalizers", []), new["metadata"].get("finalizers", [])
    added = [finalizer for finalizer in after if finalizer not in before]
    if added and "deletionTimestamp" in old["metadata"]:
        because = "no new finalizers can be added if the object is being deleted, found new finalizers"
        raise invalid(resource, old["metadata"]["name"], f"metadata.finalizers: Forbidden: {because} {added}")
