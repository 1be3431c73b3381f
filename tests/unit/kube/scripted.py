"""An API server that plays a script: it expects these requests in this order, and anything else fails the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from ucloud_operator.kube.clock import SystemClock
from ucloud_operator.kube.login import Credentials

if TYPE_CHECKING:
    from ucloud_operator.kube.objects import Json, JsonObject

Play = Callable[[web.Request], Awaitable[web.StreamResponse]]


NOTHING: Mapping[str, str] = MappingProxyType({})


def thing(name: str, version: int, *, uid: str = "", namespace: str = "physics", **spec: object) -> JsonObject:
    metadata = {"namespace": namespace, "name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": spec}


def refusal(status: int, reason: str, message: str = "no", **details: object) -> JsonObject:
    return {"kind": "Status", "code": status, "reason": reason, "message": message, "details": details}


def line(kind: str, body: JsonObject) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


class HurriedClock(SystemClock):
    """Does not sleep but notes for how long it was asked to; its time passes only by that."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return sum(self.pauses)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Step:
    """A request that is expected, and what is done about it."""

    method: str
    path: str
    query: Mapping[str, str]
    play: Play


class ScriptedApi:
    """The server. Lay out the script with `answers`, `watches` and `drops`, then talk to `credentials().server`."""

    def __init__(self) -> None:
        self.script: list[Step] = []
        self.seen: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.surprises: list[str] = []
        self.played_out = asyncio.Event()
        self.logins = 0
        self._closing = asyncio.Event()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(application)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._server.close()

    def credentials(self) -> Credentials:
        self.logins += 1
        return Credentials(server=str(self._server.make_url("")).rstrip("/"), token=f"secret-{self.logins}")

    def answers(
        self,
        method: str,
        path: str,
        body: Json | bytes,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] = NOTHING,
    ) -> Self:
        async def play(_: web.Request) -> web.StreamResponse:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return web.Response(status=status, body=content, headers=headers)

        return self._step(method, path, query, play)

    def lists(
        self, path: str, version: int, *items: JsonObject, following: str = "", query: Mapping[str, str] = NOTHING
    ) -> Self:
        page: JsonObject = {"metadata": {"resourceVersion": str(version), "continue": following}, "items": list(items)}
        return self.answers("GET", path, page, query={"limit": "500", **query})

    def hangs(self, method: str, path: str) -> Self:
        """The request is never answered."""

        async def play(_: web.Request) -> web.StreamResponse:
            await self._closing.wait()
            return web.Response(status=503)

        return self._step(method, path, NOTHING, play)

    def watches(self, path: str, since: int, *chunks: bytes, ends: bool = True, cut: bool = False) -> Self:
        """A watch from that version: sends the chunks, then ends in good order, is cut, or stays silent."""

        async def play(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for chunk in chunks:
                await response.write(chunk)
            if cut:
                assert request.transport is not None
                request.transport.close()
            elif not ends:
                await self._closing.wait()
            return response

        return self._step("GET", path, {"watch": "true", "resourceVersion": str(since)}, play)

    def drops(self, method: str, path: str) -> Self:
        """The connection is lost when the request has arrived."""

        async def play(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        return self._step(method, path, NOTHING, play)

    def _step(self, method: str, path: str, query: Mapping[str, str], play: Play) -> Self:
        self.script.append(Step(method, path, query, play))
        return self

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.read())
        if not self.script:
            self.surprises.append(f"{request.method} {request.path_qs} after the script")
            await self._closing.wait()
            return web.Response(status=501)
        step = self.script.pop(0)
        if not self.script:
            self.played_out.set()
        asked = {name: request.query.get(name) for name in step.query}
        if (request.method, request.path, asked) != (step.method, step.path, step.query):
            self.surprises.append(f"{request.method} {request.path_qs} instead of {step}")
        return await step.play(request)
