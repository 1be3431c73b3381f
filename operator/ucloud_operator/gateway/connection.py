"""A connection that ends in bounded time, and takes no request that two readers could read in two ways.

uvicorn limits how long a connection may idle between two requests, and nothing else: a client that sends a byte now and
then, or doesn't take its answer, would be kept for ever. So a clock runs here while it is the client's turn: for the
whole of a request, and for an answer that the connection doesn't take. While the gateway works on an answer, none does.

A proxy in front reads requests, too. What it may read otherwise than we do is refused: a body with two lengths, and two
of a header that we act on.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ucloud_operator.gateway.errors import RefusalError, bad_request

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn import Config
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle
    from uvicorn.server import ServerState

SLOWEST_BYTES_PER_SECOND: Final = 2**16
"""How fast a client takes a long answer, at least."""

LINGER_SECONDS: Final = 5
"""How long, at most, the rest of a request that is answered already is read: so its sender gets to see the answer."""

_HEADER_BYTES: Final = 2**14
_ONCE: Final = frozenset({b"authorization", b"project", b"content-length", b"transfer-encoding"})


class Limits(NamedTuple):
    """What an administrator chose."""

    client_seconds: float
    """How long a client may take for a whole request, from its first byte on, and to take an answer."""

    connections: int
    """How many there may be at once."""


class StrictReader(h11.Connection):
    """HTTP, but for what could be read in two ways."""

    def next_event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        """Return what comes next; RemoteProtocolError if it isn't HTTP, or ambiguous."""
        event = super().next_event()
        if isinstance(event, h11.Request) and (trouble := _trouble_with(event)):
            raise h11.RemoteProtocolError(trouble)
        return event


def _trouble_with(request: h11.Request) -> str:
    """Return why a request isn't taken, or an empty string."""
    names = [name.lower() for name, _ in request.headers.raw_items()]
    has_body = {b"content-length", b"transfer-encoding"} & set(names)
    upgrades = (b"upgrade", b"websocket") in ((name, value.lower()) for name, value in request.headers)
    troubles = {
        "another version": request.http_version not in {b"1.0", b"1.1"},
        "its headers are too long": sum(map(_length, request.headers.raw_items())) > _HEADER_BYTES,
        "a header is there twice": any(names.count(name) > 1 for name in _ONCE),
        "a body has two lengths": len(has_body) > 1,
        "a WebSocket begins with a body": upgrades and bool(has_body),  # whoever takes over would wait for it for ever
    }
    return next((trouble for trouble, is_there in troubles.items() if is_there), "")


def _length(header: tuple[bytes, bytes]) -> int:
    return len(b"%s: %s\r\n" % header)


class BoundedProtocol(H11Protocol):
    """One connection."""

    chosen: ClassVar[Limits]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = StrictReader(h11.SERVER, config.h11_max_incomplete_event_size or _HEADER_BYTES)
        self._request_clock, self._answer_clock = _Clock(), _Clock()
        self._lingers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin; where there are too many, end at once."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # `pause_writing` as soon as anything waits
        if len(self.connections) > self.chosen.connections:
            self._refuse(RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections; try again later"))
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        super().connection_lost(exc)
        self._request_clock.stop()
        self._answer_clock.stop()

    def data_received(self, data: bytes) -> None:
        """Go on reading."""
        super().data_received(data)
        if self._lingers and self.conn.their_state is not h11.SEND_BODY:
            self._lingers = False
            self._request_clock.stop()
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, or the rest of this one."""
        self._lingers = self.conn.their_state is h11.SEND_BODY
        super().on_response_complete()
        self._request_clock.stop()
        if self._lingers:
            seconds = min(LINGER_SECONDS, self.chosen.client_seconds)
            self._request_clock.start(self.loop, seconds, self.transport.abort)
        self._watch()

    def pause_writing(self) -> None:
        """Give what waits to be sent some time."""
        super().pause_writing()
        seconds = self.chosen.client_seconds + self.transport.get_write_buffer_size() / SLOWEST_BYTES_PER_SECOND
        self._answer_clock.start(self.loop, seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """All is sent."""
        super().resume_writing()
        self._answer_clock.stop()

    def send_400_response(self, msg: str) -> None:
        """Say what isn't HTTP in the form of all errors."""
        self._refuse(bad_request(msg))

    def _watch(self) -> None:
        """Let the clock run while a request is to come; a WebSocket is another protocol's business."""
        is_ours = self.transport.get_protocol() is self and not self.transport.is_closing()
        if not is_ours or self._rests or self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._request_clock.stop()
        elif not self._request_clock.runs:
            self._request_clock.start(self.loop, self.chosen.client_seconds, self._give_up)

    @property
    def _rests(self) -> bool:
        """Whether it is between two requests: uvicorn ends it when that lasts too long."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and self._is_at_a_beginning

    @property
    def _is_at_a_beginning(self) -> bool:
        begun, _ = self.conn.trailing_data
        return self.conn.their_state is h11.IDLE and not begun

    def _give_up(self) -> None:
        """Answer a request that took too long; where none was begun, there is nothing to answer."""
        if self._is_at_a_beginning:
            self.transport.close()
        else:
            self._refuse(RefusalError(HTTPStatus.REQUEST_TIMEOUT, "The request took too long"))

    def _refuse(self, refusal: RefusalError) -> None:
        """Answer, unless an answer is on its way already, and end the connection; who reads from it reads no more."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            content = json.dumps(refusal.body).encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
            closing = [*headers, ("Connection", "close")]
            for event in (
                h11.Response(status_code=refusal.status, headers=closing, reason=refusal.status.phrase),
                h11.Data(data=content),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def bounded(limits: Limits) -> type[BoundedProtocol]:
    """Return the protocol with an administrator's limits."""

    class Bounded(BoundedProtocol):
        chosen = limits

    return Bounded


class _Clock:
    """Ends a connection that lasts too long."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        return self._timer is not None

    def start(self, loop: asyncio.AbstractEventLoop, seconds: float, end: Callable[[], None]) -> None:
        self.stop()
        self._timer = loop.call_later(seconds, end)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
