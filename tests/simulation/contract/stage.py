"""Where the stories of the contract are played: a real API server, or the one in memory; they can't tell which.

Whatever a story does is noted, in words that don't depend on when and where it was played: what was asked, whether it
was granted, which fields it changed. The two transcripts of a story must be equal; what it asserts must hold on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ucloud_operator.kube.errors import ApiError

if TYPE_CHECKING:
    from tests.simulation.objects import Json
    from ucloud_operator.kube.client import Client
    from ucloud_operator.kube.resources import Resource

Story: TypeAlias = Callable[["Stage"], Awaitable[None]]

STORIES: list[Story] = []

_VOLATILE = frozenset({"managedFields", "resourceVersion", "uid", "creationTimestamp", "selfLink"})


def story(play: Story) -> Story:
    """Add a story to the contract."""
    STORIES.append(play)
    return play


class Player:
    """A client whose every call is noted."""

    def __init__(self, name: str, client: Client, stage: Stage) -> None:
        self.client = client
        self._name = name
        self._stage = stage

    async def get(self, resource: Resource, name: str) -> Json:
        """Read an object."""
        return await self._noted(
            f"get {resource} {name}", self.client.get(resource, name, **self._stage.place(resource))
        )

    async def create(self, resource: Resource, body: Mapping[str, object]) -> Json:
        """Create an object."""
        asked = self.client.create(resource, body, **self._stage.place(resource))
        return await self._noted(f"create {resource}", asked)

    async def patch(
        self, resource: Resource, name: str, body: Mapping[str, object], *, version: str | None = None
    ) -> Json:
        """Patch an object."""
        asked = self.client.patch(resource, name, body, resource_version=version, **self._stage.place(resource))
        return await self._noted(f"patch {resource} {name}", asked)

    async def patch_status(self, resource: Resource, name: str, status: Mapping[str, object], *, version: str) -> Json:
        """Patch its status."""
        asked = self.client.patch_status(
            resource, name, status, resource_version=version, **self._stage.place(resource)
        )
        return await self._noted(f"patch {resource} {name} status", asked)

    async def delete(self, resource: Resource, name: str, *, uid: str, grace_seconds: int | None = None) -> Json | None:
        """Delete it."""
        asked = self.client.delete(
            resource, name, uid=uid, grace_period_seconds=grace_seconds, **self._stage.place(resource)
        )
        return await self._noted_maybe(f"delete {resource} {name}", asked)

    async def names(self, resource: Resource, labels: str | None = None) -> Sequence[str]:
        """Return the names of the objects that are selected."""
        found = await self.client.list(resource, label_selector=labels, **self._stage.place(resource))
        names = [name_of(thing) for thing in found]
        self._stage.transcript.append(f"{self._name}: list {resource} {labels}: {names}")
        return names

    async def _noted(self, what: str, asked: Awaitable[Json]) -> Json:
        answer = await self._noted_maybe(what, asked)
        assert answer is not None
        return answer

    async def _noted_maybe(self, what: str, asked: Awaitable[Json | None]) -> Json | None:
        try:
            answer = await asked
        except ApiError as error:
            causes = [cause for cause in error.causes if cause and not cause.startswith("FieldValue")]
            self._stage.transcript.append(f"{self._name}: {what}: {error.status} {error.reason} {causes}")
            raise
        self._stage.transcript.append(f"{self._name}: {what}: {self._stage.news(answer)}")
        return answer


class Stage:
    """Two users, a namespace of their own, and what happened there."""

    def __init__(self, namespace: str, admin: Client, operator: Client) -> None:
        self.namespace = namespace
        self.transcript: list[str] = []
        self.admin = Player("admin", admin, self)
        self.operator = Player("operator", operator, self)
        self._known: dict[str, Json] = {}

    def elsewhere(self, namespace: str) -> Stage:
        """Return the same stage in another namespace; what happens there is noted here too."""
        other = Stage(namespace, self.admin.client, self.operator.client)
        other.transcript = self.transcript
        return other

    def place(self, resource: Resource) -> dict[str, Any]:
        """Return where objects of a kind go, as the client takes it."""
        return {"namespace": self.namespace} if resource.namespaced else {}

    def news(self, thing: Json | None) -> str:
        """Tell what is different about an object since it was last seen."""
        if thing is None:
            return "nothing"
        before = self._known.get(thing["metadata"]["uid"])
        self._known[thing["metadata"]["uid"]] = thing
        return "new" if before is None else f"changed {sorted(_changes(before, thing))}"

    async def seconds(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def settled(self, met: Callable[[], Awaitable[bool]], *, within_seconds: float = 20) -> None:
        """Wait until something is so."""
        for _ in range(int(within_seconds / 0.1)):
            if await met():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"it was not so within {within_seconds} s")


async def refused(asked: Awaitable[object]) -> ApiError:
    """Expect an error, and return it."""
    try:
        answer = await asked
    except ApiError as error:
        return error
    raise AssertionError(f"it was granted: {answer}")


def name_of(thing: Mapping[str, Any]) -> str:
    """Return an object's name."""
    name: str = thing["metadata"]["name"]
    return name


def version_of(thing: Mapping[str, Any]) -> str:
    """Return an object's version."""
    version: str = thing["metadata"]["resourceVersion"]
    return version


def uid_of(thing: Mapping[str, Any]) -> str:
    """Return an object's uid."""
    uid: str = thing["metadata"]["uid"]
    return uid


def _changes(before: Any, after: Any, path: str = "") -> set[str]:
    """Return the paths at which two objects differ, but for what always does."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: set[str] = set()
        for name in before.keys() | after.keys():
            if name not in _VOLATILE:
                found |= _changes(before.get(name), after.get(name), f"{path}.{name}".lstrip("."))
        return found
    return set() if before == after else {path}
