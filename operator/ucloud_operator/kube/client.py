"""The API server's verbs, as coroutines over JSON objects.

Thin on purpose: a create costs about 0.3 ms of CPU here, and four times that through the libraries that build typed
objects. Objects come back as they are, for the caller's own small model to parse.

Two arguments are required that other clients leave to discipline, because a status patch with a wrong uid, and a delete
by name, would land on a re-created object: `patch_status` needs the resourceVersion that was read, `delete` the uid.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from copy import copy
from typing import TYPE_CHECKING, NamedTuple, Self

from ucloud_operator.kube.clock import Clock, SystemClock
from ucloud_operator.kube.errors import Gone, MalformedAnswer, answered_error
from ucloud_operator.kube.login import Login, login
from ucloud_operator.kube.objects import Json, JsonObject, decode, encode, number, objects, section, text
from ucloud_operator.kube.transport import MOST_CONNECTIONS, Call, LentTransport, Request, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from types import TracebackType

    from ucloud_operator.kube.resources import Resource

__all__ = ["Call", "Client", "Json", "JsonObject", "Page", "WatchEvent"]

PAGE_ITEMS = 500
"""One page of pods takes about 25 ms to decode, which is how long the loop may stall."""
LONGEST_LINE_BYTES = 16 * 2**20


class Page(NamedTuple):
    """A part of a list. All pages of one list show the same moment, which is `resource_version`."""

    items: Sequence[JsonObject]
    resource_version: str


class WatchEvent(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED or BOOKMARK (whose object has little but its resourceVersion)."""

    type: str
    object: JsonObject


def _ignore(_: Call) -> None:
    """Count nothing."""


class Client:
    """Talks to the API server. Close it, or use it as a context manager."""

    def __init__(  # noqa: PLR0913  # options, by name
        self,
        login: Login = login,
        *,
        on_call: Callable[[Call], None] = _ignore,
        clock: Clock | None = None,
        timeout_seconds: float = 30,
        attempts: int = 4,
        most_connections: int | None = MOST_CONNECTIONS,
    ) -> None:
        self._transport: Transport | LentTransport = Transport(
            login,
            on_call=on_call,
            clock=clock or SystemClock(),
            timeout_seconds=timeout_seconds,
            attempts=attempts,
            most_connections=most_connections,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def on_behalf_of(self, token: str) -> Client:
        """Return a client of somebody else's: it shows this token, and nothing of our login, over our connections."""
        if isinstance(self._transport, LentTransport):
            raise TypeError("what is lent can't be lent again")
        lent = copy(self)
        lent._transport = LentTransport(self._transport, token)  # noqa: SLF001  # a copy of ourselves
        return lent

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def get(self, resource: Resource, name: str, *, namespace: str | None = None) -> JsonObject:
        """Return one object."""
        return await self._send(Request(verb="get", resource=resource, namespace=namespace, name=name))

    async def pages(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = PAGE_ITEMS,
    ) -> AsyncIterator[Page]:
        """List page by page; without a namespace, of all of them. `Gone` between two pages: begin again."""
        selection = _selection(label_selector, field_selector) | {"limit": str(limit)}
        step: Mapping[str, str] = {}
        while True:
            request = Request(verb="list", resource=resource, namespace=namespace, query={**selection, **step})
            content = await self._send(request)
            metadata, items = section(content, "metadata"), objects(content, "items")
            for each in (content, *items):
                _insist_on_version(request, each)
            yield Page(items, text(metadata, "resourceVersion"))
            following = text(metadata, "continue")
            if not following:
                return
            step = {"continue": following}

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Sequence[JsonObject]:
        """Return all objects at once, as of one moment."""
        while True:
            found: list[JsonObject] = []
            try:
                async for page in self.pages(
                    resource, namespace=namespace, label_selector=label_selector, field_selector=field_selector
                ):
                    found.extend(page.items)
            except Gone:
                if not found:
                    raise
                continue  # that moment's history was compacted while we were reading it
            return found

    async def create(
        self, resource: Resource, body: Json | bytes, *, namespace: str | None = None, dry_run: bool = False
    ) -> JsonObject:
        """Create an object. After an ambiguous `Unreachable` or a `ServerError` look whether it is there.

        Where the API server turned it away first, this may take effect seconds later than it was called. A dry run
        checks everything that a create does, and creates nothing.
        """
        name = None if isinstance(body, bytes) else text(section(body, "metadata"), "name")
        return await self._send(
            Request(
                verb="create",
                resource=resource,
                namespace=namespace,
                query={"dryRun": "All"} if dry_run else {},
                body=encode(body),
                created_name=name,
            )
        )

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Json,
        *,
        namespace: str | None = None,
        resource_version: str | None = None,
    ) -> JsonObject:
        """Merge `body` into an object: None removes a field, lists are replaced whole (so guard those by version)."""
        if resource_version is not None:
            body = {**body, "metadata": {**section(body, "metadata"), "resourceVersion": resource_version}}
        return await self._send(
            Request(verb="patch", resource=resource, namespace=namespace, name=name, body=encode(body))
        )

    async def remove_finalizer(
        self, resource: Resource, name: str, finalizer: str, *, uid: str, namespace: str | None = None
    ) -> JsonObject:
        """Take one finalizer off an object of a kind of Kubernetes' own, whatever else is written to it meanwhile."""
        body = {"metadata": {"uid": uid, "$deleteFromPrimitiveList/finalizers": [finalizer]}}
        return await self._send(
            Request(verb="patch", resource=resource, namespace=namespace, name=name, strategic=True, body=encode(body))
        )

    async def patch_status(
        self, resource: Resource, name: str, status: Json, *, resource_version: str, namespace: str | None = None
    ) -> JsonObject:
        """Merge into an object's status; `Conflict` unless the object is still at that version."""
        body = {"metadata": {"resourceVersion": resource_version}, "status": status}
        return await self._send(
            Request(
                verb="patch",
                resource=resource,
                namespace=namespace,
                name=name,
                subresource="status",
                body=encode(body),
            )
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        uid: str,
        namespace: str | None = None,
        grace_period_seconds: int | None = None,
    ) -> JsonObject | None:
        """Delete the object of that uid (`Conflict` if another has its name); return it if something still holds it."""
        options: dict[str, object] = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        answer = await self._send(
            Request(verb="delete", resource=resource, namespace=namespace, name=name, body=encode(options))
        )
        return answer if _still_there(answer) else None

    @asynccontextmanager
    async def watch(  # noqa: PLR0913  # the API's own options, by name
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 300,
        idle_seconds: float = 75,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Open a watch: `async with client.watch(…) as events: async for event in events`.

        Inside the block the API server has agreed. The events end when it ends the watch in good order, and raise when
        it reports an error (`Gone`: list anew) or falls silent: it sends a bookmark every minute, if nothing else.
        """
        query = _selection(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        request = Request(verb="watch", resource=resource, namespace=namespace, query=query)
        async with self._transport.stream(request, idle_seconds=idle_seconds) as chunks:
            yield _events(request, chunks)

    async def _send(self, request: Request) -> JsonObject:
        content = await self._transport.send(request)
        try:
            return decode(content)
        except ValueError as error:
            raise MalformedAnswer(request.verb, request.target, f"not JSON: {error}") from error


def _selection(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    chosen = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {name: selector for name, selector in chosen.items() if selector}


def _still_there(answer: JsonObject) -> bool:
    """Tell an object that finalizers or a grace period hold from the answers that mean "gone".

    Those are a Status, or, for pods and some others, the object as it was, with nothing left to wait for.
    """
    metadata = section(answer, "metadata")
    held = bool(metadata.get("finalizers")) or number(metadata, "deletionGracePeriodSeconds") not in {None, 0}
    return text(answer, "kind") != "Status" and held


def _insist_on_version(request: Request, body: Json) -> None:
    """Refuse what can't be put in order; from here on, versions are numbers."""
    if not text(section(body, "metadata"), "resourceVersion").isdecimal():
        raise MalformedAnswer(request.verb, request.target, "an object whose resourceVersion is no number")


async def _events(request: Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[WatchEvent]:
    async for line in _lines(request, chunks):
        yield _event_in(request, line)


def _event_in(request: Request, line: bytes) -> WatchEvent:
    try:
        event = decode(line)
    except ValueError as error:
        raise MalformedAnswer(request.verb, request.target, f"a line that is not JSON: {error}") from error
    kind, body = text(event, "type"), section(event, "object")
    if kind == "ERROR":
        raise answered_error(request.verb, request.target, status=number(body, "code") or 0, content=encode(body))
    if kind not in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}:
        raise MalformedAnswer(request.verb, request.target, f"an event of unknown type {kind!r}")
    _insist_on_version(request, body)
    return WatchEvent(kind, dict(body))


async def _lines(request: Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut a stream into lines. A last one without an end was cut off: it will come again when the watch resumes."""
    rest = b""
    async for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if line.strip():
                yield line
        if len(rest) > LONGEST_LINE_BYTES:
            raise MalformedAnswer(request.verb, request.target, f"a line of more than {LONGEST_LINE_BYTES} bytes")
