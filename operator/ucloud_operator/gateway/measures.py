"""What the gateway tells of the requests that pass: numbers for Prometheus, and a line each for its log.

A route is told by its template and what isn't one by `unknown`, so neither has anything in it that a caller chose:
no id, no query, no header. Probes of `/healthz` aren't told at all.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from ucloud_operator.gateway import metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ucloud_operator.kube.client import Call

logger = logging.getLogger(__name__)

HEALTH: Final = "/healthz"
UNKNOWN: Final = "unknown"
"""A route that there isn't, and a method that HTTP doesn't have."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
EVENTS: Final = "events"
WEBSOCKET: Final = "websocket"
NO_ANSWER: Final = 0


def begin() -> None:
    """Let the gauges start at 0."""
    for protocol in (EVENTS, WEBSOCKET):
        metrics.FOLLOWERS.labels(protocol)


def count(call: Call) -> None:
    """Count a call to the API server."""
    metrics.API_REQUESTS.labels(call.verb, call.target, str(call.status)).inc()
    if call.verb != "watch":
        metrics.API_REQUEST_SECONDS.labels(call.verb, call.target).observe(call.seconds)


class Measured:
    """ASGI middleware around the whole application. What passes it goes on unchanged, and at once."""

    def __init__(self, app: ASGIApp, *, log: bool = False) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and take down what becomes of it."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        passing = _Passing(scope)

        async def sent(message: Message) -> None:
            passing.sees(message)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect:
            raise
        except Exception:
            passing.fails()
            raise
        finally:
            passing.ends()
            if self._log:
                passing.is_told()


@dataclass
class _Passing:
    """One request on its way."""

    scope: Scope
    began: float = field(default_factory=monotonic)
    status: int | None = None
    protocol: str | None = None
    """How it follows, once it does."""

    def __post_init__(self) -> None:
        metrics.IN_FLIGHT.inc()

    @property
    def route(self) -> str:
        """The template: known when the application has looked for it."""
        return str(getattr(self.scope.get("route"), "path", UNKNOWN))

    @property
    def method(self) -> str:
        if self.scope["type"] == "websocket":
            return "WEBSOCKET"
        return self.scope["method"] if self.scope["method"] in METHODS else UNKNOWN

    def sees(self, message: Message) -> None:
        """Take down how the application begins to answer."""
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self._is_answered(message["status"])
                if _is_of_events(message):
                    self._follows(EVENTS)
            case "websocket.accept":
                self._is_answered(HTTPStatus.SWITCHING_PROTOCOLS)
                self._follows(WEBSOCKET)
            case "websocket.close" if self.status is None:
                self._is_answered(HTTPStatus.FORBIDDEN)  # what a server makes of it

    def fails(self) -> None:
        """Take down that the application broke."""
        if self.status is None:
            self._is_answered(HTTPStatus.INTERNAL_SERVER_ERROR)

    def ends(self) -> None:
        """Take down that it is over."""
        if self.status is None:
            self._is_answered(NO_ANSWER)
        if self.protocol is not None:
            metrics.FOLLOWERS.labels(self.protocol).dec()

    def is_told(self) -> None:
        """Write its line."""
        logger.info("%s %s: %d after %.3f s", self.method, self.route, self.status, monotonic() - self.began)

    def _is_answered(self, status: int) -> None:
        self.status = int(status)
        metrics.IN_FLIGHT.dec()
        metrics.REQUESTS.labels(self.route, self.method, str(self.status)).inc()
        if self.status != NO_ANSWER:
            metrics.REQUEST_SECONDS.labels(self.route).observe(monotonic() - self.began)

    def _follows(self, protocol: str) -> None:
        self.protocol = protocol
        metrics.FOLLOWERS.labels(protocol).inc()


def _is_of_events(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in message.get("headers", ())
    )
