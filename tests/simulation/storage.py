"""Where the in-memory API keeps its objects: one version counter, and a history that watches read from.

Like etcd under the API server: every write gets the next version, whatever its kind; a watch from version V hears all
that came after V, in order, or that V is too old. The history is forgotten by `compact`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.objects import Json, copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ucloud_operator.kube.resources import Resource


class Place(NamedTuple):
    """Where an object is, within its kind."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Write:
    """One step of one object: its states before (None: it was created) and after (None: it was removed)."""

    version: int
    resource: Resource
    before: Json | None
    after: Json | None

    @property
    def last(self) -> Json:
        """What the object is, or was at the end."""
        thing = self.after or self.before
        assert thing is not None
        return thing


class Storage:
    """All objects, and what happened to them."""

    def __init__(self) -> None:
        self.version = 1000
        self._objects: defaultdict[Resource, dict[Place, Json]] = defaultdict(dict)
        self._history: defaultdict[Resource, list[Write]] = defaultdict(list)
        self._oldest = self.version
        self._listeners: list[Callable[[Write], None]] = []

    def get(self, resource: Resource, place: Place) -> Json | None:
        """Return an object, or None."""
        return self._objects[resource].get(place)

    def every(self, resource: Resource, namespace: str | None = None) -> Iterator[Json]:
        """Return the objects of a kind in the API server's order: by namespace and name."""
        for place, thing in sorted(self._objects[resource].items(), key=lambda item: item[0]):
            if namespace in {None, place.namespace}:
                yield thing

    def kinds(self) -> list[Resource]:
        """Return the kinds of which there are objects."""
        return [resource for resource, objects in self._objects.items() if objects]

    def put(self, resource: Resource, thing: Json) -> Json:
        """Store an object under its next version; return it as it is stored."""
        place = place_of(thing)
        before = self._objects[resource].get(place)
        self.version += 1
        after = copied(thing)
        after["metadata"]["resourceVersion"] = str(self.version)
        self._objects[resource][place] = after
        self._note(Write(self.version, resource, before, after))
        return after

    def remove(self, resource: Resource, place: Place) -> Json:
        """Remove an object; return its last state, under the version of its removal."""
        before = self._objects[resource].pop(place)
        self.version += 1
        last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version)}}
        self._note(Write(self.version, resource, before, None))
        return last

    def since(self, resource: Resource, version: int) -> list[Write] | None:
        """Return what happened to a kind after a version, or None where that is forgotten."""
        if version < self._oldest:
            return None
        history = self._history[resource]
        first = next((i for i in range(len(history), 0, -1) if history[i - 1].version <= version), 0)
        return history[first:]

    def compact(self) -> None:
        """Forget the history so far: watches that aren't open must list anew."""
        self._history.clear()
        self._oldest = self.version

    def as_of(self, version: int) -> Storage:
        """Return what was here at a version of the past, or at the oldest that is remembered."""
        past = Storage()
        past.version = max(version, self._oldest)
        for resource, objects in self._objects.items():
            then = dict(objects)
            for write in reversed(self._history[resource]):
                if write.version <= past.version:
                    break
                if write.before is None:
                    del then[place_of(write.last)]
                else:
                    then[place_of(write.before)] = write.before
            past._objects[resource] = then
        return past

    def listen(self, listener: Callable[[Write], None]) -> Callable[[], None]:
        """Call somebody at every write, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _note(self, write: Write) -> None:
        self._history[write.resource].append(write)
        for listener in tuple(self._listeners):
            listener(write)


def place_of(thing: Json) -> Place:
    """Return an object's own place."""
    metadata = thing["metadata"]
    return Place(metadata.get("namespace", ""), metadata["name"])
