"""A copy of the objects of one kind, that only ever moves forward.

Several streams write to it: the watch, lists, and the answers to our own writes. They overtake each other: the answer
to our PATCH may come before or after the watch's event for the same change, and a list shows a moment that the watch
has already left. What settles it is the resourceVersion, which grows with every write of a kind: an object replaces
what is here only if it is newer, compared as a number.

Deletions need a memory for the same reason. When the watch has said DELETED, an answer that was under way must not
bring the object back, so the uids of deleted objects are kept for a while with the version at which they went. (By
version and not for good: a pod that loses a label leaves a labelled watch as DELETED, and may come back.)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from ucloud_operator.kube.objects import Json, JsonObject, section, text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet

T = TypeVar("T")

REMEMBERED_DELETIONS = 20_000
"""How many deleted uids are kept: what the API server can delete within the time that a request of ours may take."""

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """An object's place. The namespace of what is cluster scoped is the empty string."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Write it as people do."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ChangeKind(StrEnum):
    """What happened to an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One step of one object."""

    kind: ChangeKind
    key: Key
    uid: str
    object: T
    """The newest state that is known; of a deleted object, the last one."""
    before: T | None
    """What the store held before."""
    vanished: bool = False
    """A deletion that nobody told us of (a list lacks it, or its name has another uid): the end was not seen."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    uid: str
    version: int
    object: T


class _Identity(NamedTuple):
    key: Key
    uid: str
    version: int

    @classmethod
    def of(cls, raw: Json) -> _Identity:
        metadata = section(raw, "metadata")
        key = Key(text(metadata, "namespace"), text(metadata, "name"))
        return cls(key, text(metadata, "uid"), int(text(metadata, "resourceVersion")))


class Store(Generic[T]):
    """The newest known state of every object of a kind; says what changed, in order, while it changes."""

    def __init__(self, parse: Callable[[JsonObject], T], on_change: Callable[[Change[T]], None]) -> None:
        self._parse = parse
        self._on_change = on_change
        self._entries: dict[Key, _Entry[T]] = {}
        self._keys: dict[str, Key] = {}
        self._deleted: dict[str, int] = {}
        self._unreadable: dict[str, str] = {}

    def apply(self, raw: JsonObject) -> T | None:
        """Take an object as the API server gave it, unless it is old news; return what the store holds of it now."""
        key, uid, version = _Identity.of(raw)
        entry = self._entries.get(key)
        if entry is not None and version <= entry.version:
            return entry.object
        if version <= self._deleted.get(uid, -1):
            return entry.object if entry else None
        if entry is not None and uid != entry.uid:
            self._drop(key, entry, entry.object, at_version=version, vanished=True)
            entry = None
        try:
            parsed = self._parse(raw)
        except ValueError as error:
            sentence = f"{key}: {error}"
            if self._unreadable.get(uid) != sentence:  # it comes again with every list, and with every change of it
                log.error("%s can't be read and is left as it was: %s", key, error)  # noqa: TRY400  # it says why
            self._unreadable[uid] = sentence
            return entry.object if entry else None
        self._unreadable.pop(uid, None)
        self._entries[key] = _Entry(uid, version, parsed)
        self._keys[uid] = key
        kind = ChangeKind.MODIFIED if entry else ChangeKind.ADDED
        self._tell(Change(kind, key, uid, parsed, entry.object if entry else None))
        return parsed

    def remove(self, raw: JsonObject) -> None:
        """Take a deletion as a watch told it, with the object's last state."""
        key, uid, version = _Identity.of(raw)
        self._unreadable.pop(uid, None)
        entry = self._entries.get(key)
        if entry is None or entry.uid != uid:
            self._remember_deleted(uid, version)
            return
        # Even where the store is ahead: then the object has only left a labelled watch, and if it came back since, as
        # the answer to a write of ours may have told us already, this watch will say so in its turn.
        try:
            last = self._parse(raw)
        except ValueError:
            last = entry.object
        self._drop(key, entry, last, at_version=version, vanished=False)

    def sweep(self, present: AbstractSet[str], at_version: int) -> None:
        """Drop what a complete list of that version lacks; `present` are the uids in it.

        What is newer here than the list stays: our own write, or the watch, has brought it since.
        """
        for key, entry in list(self._entries.items()):
            if entry.version <= at_version and entry.uid not in present:
                self._drop(key, entry, entry.object, at_version=at_version, vanished=True)
        for uid in self._unreadable.keys() - present:
            del self._unreadable[uid]

    def rewind(self) -> None:
        """Let the next list win over everything: the API server's history has gone back (a restored backup)."""
        self._deleted.clear()
        for key, entry in self._entries.items():
            self._entries[key] = _Entry(entry.uid, -1, entry.object)

    def get(self, namespace: str, name: str) -> T | None:
        """Return an object by its place."""
        entry = self._entries.get(Key(namespace, name))
        return entry.object if entry else None

    def find(self, uid: str) -> T | None:
        """Return an object by its uid."""
        key = self._keys.get(uid)
        return self._entries[key].object if key else None

    def keys(self) -> Collection[Key]:
        """Return the places of all objects."""
        return self._entries.keys()

    def values(self) -> list[T]:
        """Return all objects, as of now."""
        return [entry.object for entry in self._entries.values()]

    @property
    def unreadable(self) -> Mapping[str, str]:
        """The uids of objects whose newest state could not be parsed, and a sentence about each."""
        return MappingProxyType(self._unreadable)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def _drop(self, key: Key, entry: _Entry[T], last: T, *, at_version: int, vanished: bool) -> None:
        del self._entries[key]
        del self._keys[entry.uid]
        self._unreadable.pop(entry.uid, None)
        self._remember_deleted(entry.uid, at_version)
        self._tell(Change(ChangeKind.DELETED, key, entry.uid, last, entry.object, vanished))

    def _remember_deleted(self, uid: str, version: int) -> None:
        self._deleted.pop(uid, None)
        self._deleted[uid] = version
        if len(self._deleted) > REMEMBERED_DELETIONS:
            del self._deleted[next(iter(self._deleted))]

    def _tell(self, change: Change[T]) -> None:
        try:
            self._on_change(change)
        except Exception:
            # One listener's mistake about one object must not blind us to all the others.
            log.exception("%s of %s was not taken note of", change.kind, change.key)
