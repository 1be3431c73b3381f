"""Watches of the in-memory API, with what label selectors make of a change, bookmarks and ends."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.objects import Json, field_selected, selected
from tests.simulation.refusals import expired

if TYPE_CHECKING:
    from tests.simulation.api import Api
    from tests.simulation.storage import Write
    from ucloud_operator.kube.transport import Request

BOOKMARK_SECONDS = 60


class Watch:
    """One open watch: lines, each with when it was written."""

    def __init__(self, api: Api, request: Request) -> None:
        self._api = api
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._lines: deque[tuple[float, bytes]] = deque()
        self._filled = asyncio.Event()
        self._ends_at = self._loop.time() + int(request.query.get("timeoutSeconds", "1800"))
        self._bookmark_at = self._loop.time() + BOOKMARK_SECONDS
        self._over = False
        self.is_lost = False
        """Whether its connection was lost because the API server has gone away."""
        self._stop_listening = api.storage.listen(self._heard)
        self._stop_expecting = api.when_leaving(self._lose)
        missed = api.storage.since(request.resource, int(request.query["resourceVersion"]))
        if missed is None:
            self._put(b'{"type":"ERROR","object":%s}\n' % json.dumps(expired().status).encode())
            self._over = True
        for write in missed or ():
            self._heard(write)

    def close(self) -> None:
        """Hear nothing any more."""
        self._stop_listening()
        self._stop_expecting()

    @property
    def is_over(self) -> bool:
        """Whether the API server has ended it in good order, and all lines were taken."""
        return not self._lines and (self._over or self._loop.time() >= self._ends_at)

    async def next(self, *, until: float) -> tuple[float, bytes | None]:
        """Return the next line and when it was written; None: there is none until then, or no more at all."""
        while not self._lines:
            wake_at = min(until, self._ends_at, self._bookmark_at)
            if self._over or self.is_lost or (wake_at < self._bookmark_at and self._loop.time() >= wake_at):
                return self._loop.time(), None
            self._filled.clear()
            try:
                async with asyncio.timeout_at(wake_at):
                    await self._filled.wait()
            except TimeoutError:
                if wake_at == self._bookmark_at:
                    self._bookmark_at += BOOKMARK_SECONDS
                    self._put(_line("BOOKMARK", self._bookmark()))
        return self._lines.popleft()

    def _lose(self) -> None:
        self.is_lost = True
        self._filled.set()

    def _heard(self, write: Write) -> None:
        if write.resource != self._request.resource:
            return
        namespace = self._request.namespace
        if namespace is not None and write.last["metadata"].get("namespace") != namespace:
            return
        before = write.before is not None and self._wants(write.before)
        after = write.after is not None and self._wants(write.after)
        match before, after:
            case False, True:
                self._put(_line("ADDED", write.last))
            case True, True:
                self._put(_line("MODIFIED", write.last))
            case True, False:
                assert write.before is not None
                version = str(write.version)
                metadata = {**write.before["metadata"], "resourceVersion": version}
                self._put(_line("DELETED", {**write.before, "metadata": metadata}))

    def _wants(self, thing: Json) -> bool:
        query = self._request.query
        labels = thing["metadata"].get("labels", {})
        return selected(labels, query.get("labelSelector")) and field_selected(thing, query.get("fieldSelector"))

    def _bookmark(self) -> Json:
        resource, version = self._request.resource, str(self._api.storage.version)
        metadata = {"resourceVersion": version, "creationTimestamp": None}
        return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}

    def _put(self, line: bytes) -> None:
        self._lines.append((self._loop.time(), line))
        self._filled.set()


def _line(kind: str, thing: Json) -> bytes:
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"
