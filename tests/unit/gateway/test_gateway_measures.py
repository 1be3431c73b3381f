"""What is taken down of requests on their way: by template, status and time, and never by what a caller chose."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from prometheus_client import REGISTRY
from starlette.requests import ClientDisconnect
from starlette.types import Message

from ucloud_operator.gateway.measures import HEALTH, Measured


class Exchange:
    """One request to an application, and what it sends."""

    def __init__(self, app: FastAPI, method: str, path: str, *, kind: str = "http") -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.scope: dict[str, Any] = {
            "type": kind,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"secret=query",
            "headers": [(b"authorization", b"Bearer secret-token")],
            "asgi": {"version": "3.0", "spec_version": "2.4"},
        }
        self._app = app

    async def run(self) -> list[Message]:
        await self._app(self.scope, self.heard.get, self.sent.put)
        return [self.sent.get_nowait() for _ in range(self.sent.qsize())]

    def is_sent(self, kind: str, **rest: object) -> None:
        self.heard.put_nowait({"type": kind, **rest})


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.add_middleware(Measured, log=True)

    @app.get(HEALTH)
    async def health() -> dict[str, str]:
        return {}

    return app


def requests(route: str, method: str, status: int) -> float:
    labels = {"route": route, "method": method, "status": str(status)}
    return REGISTRY.get_sample_value("ucloud_gateway_requests_total", labels) or 0


def followers(protocol: str) -> float | None:
    return REGISTRY.get_sample_value("ucloud_gateway_followers", {"protocol": protocol})


def in_flight() -> float | None:
    return REGISTRY.get_sample_value("ucloud_gateway_requests_in_flight")


def timed(route: str) -> float | None:
    return REGISTRY.get_sample_value("ucloud_gateway_request_seconds_count", {"route": route})


async def test_a_request_counts_by_the_template_of_its_route(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    @app.get("/by-template/{name}")
    async def show(name: str) -> dict[str, str]:
        seen.append(in_flight())
        return {"name": name}

    before = in_flight() or 0
    with caplog.at_level(logging.INFO):
        for name in ("alice", "bob"):
            await Exchange(app, "GET", f"/by-template/{name}").run()
    assert seen == [before + 1, before + 1]
    assert in_flight() == before
    assert requests("/by-template/{name}", "GET", 200) == 2
    assert timed("/by-template/{name}") == 2
    first, _ = caplog.messages
    assert first.startswith("GET /by-template/{name}: 200 after 0.")
    assert "secret" not in caplog.text


async def test_what_is_not_there_is_one_value_whatever_it_is_called(app: FastAPI) -> None:
    before = requests("unknown", "GET", 404), requests("unknown", "unknown", 404)
    for path in ("/a", "/b", "/c"):
        await Exchange(app, "GET", path).run()
    for method in ("BREW", "get"):
        await Exchange(app, method, "/d").run()
    assert requests("unknown", "GET", 404) == before[0] + 3
    assert requests("unknown", "unknown", 404) == before[1] + 2


async def test_probes_do_not_count(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        start, *_ = await Exchange(app, "GET", HEALTH).run()
    assert start["status"] == 200
    assert requests(HEALTH, "GET", 200) == 0
    assert caplog.messages == []


async def test_an_application_that_breaks_has_answered_500(app: FastAPI) -> None:
    @app.get("/breaks")
    async def breaks() -> None:
        raise ZeroDivisionError

    before = in_flight()
    with pytest.raises(ZeroDivisionError):
        await Exchange(app, "GET", "/breaks").run()
    assert requests("/breaks", "GET", 500) == 1
    assert in_flight() == before


async def test_who_goes_before_there_is_an_answer_got_none(app: FastAPI) -> None:
    @app.post("/left")
    async def left(request: Request) -> str:
        return (await request.body()).decode()

    exchange, before = Exchange(app, "POST", "/left"), in_flight()
    exchange.is_sent("http.disconnect")
    with pytest.raises(ClientDisconnect):
        await exchange.run()
    assert requests("/left", "POST", 0) == 1
    assert timed("/left") is None
    assert in_flight() == before


async def test_events_are_passed_on_at_once_and_their_listener_is_a_follower(app: FastAPI) -> None:
    more = asyncio.Event()

    @app.get("/follow")
    async def follow() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            await more.wait()
            yield "data: 2\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    exchange = Exchange(app, "GET", "/follow")
    before, waiting = followers("events") or 0, in_flight()
    exchange.is_sent("http.request")
    running = asyncio.create_task(exchange.run())
    start, first = await exchange.sent.get(), await exchange.sent.get()
    assert (start["status"], first["body"]) == (200, b"data: 1\n\n")
    assert followers("events") == before + 1
    assert in_flight() == waiting
    assert timed("/follow") == 1
    more.set()
    await running
    assert followers("events") == before
    assert requests("/follow", "GET", 200) == 1


async def test_a_websocket_is_a_follower_from_its_acceptance_to_its_end(app: FastAPI) -> None:
    seen = []

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        seen.append(followers("websocket"))
        await socket.send_text(await socket.receive_text())
        await socket.close()

    exchange, before = Exchange(app, "GET", "/socket", kind="websocket"), followers("websocket") or 0
    exchange.is_sent("websocket.connect")
    exchange.is_sent("websocket.receive", text="hello")
    sent = await exchange.run()
    assert [each["type"] for each in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[1]["text"] == "hello"
    assert seen == [before + 1]
    assert followers("websocket") == before
    assert requests("/socket", "WEBSOCKET", 101) == 1


async def test_a_websocket_that_is_not_accepted_is_refused(app: FastAPI) -> None:
    exchange, before = Exchange(app, "GET", "/nowhere", kind="websocket"), requests("unknown", "WEBSOCKET", 403)
    exchange.is_sent("websocket.connect")
    (sent,) = await exchange.run()
    assert sent["type"] == "websocket.close"
    assert requests("unknown", "WEBSOCKET", 403) == before + 1
