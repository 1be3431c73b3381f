"""How the gateway ends without losing a request.

A cluster tells a pod to end and its load balancers to leave it out at the same time, so requests still come for some
seconds. And whoever keeps a connection open may send the next one just as it is closed, which no client can repeat
that doesn't know whether it was heard. So there are some seconds in which everything is answered as ever, but with
`Connection: close`: who asks again does so over another connection, and soon nobody is left on an old one.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)


@dataclass
class Leave:
    """For how long it is taken, and whether it has begun."""

    seconds: int = 0
    begun: bool = False


class Server(uvicorn.Server):
    """Takes its leave when it is first told to end; told again, it ends at once."""

    def __init__(self, config: uvicorn.Config, leave: Leave) -> None:
        super().__init__(config)
        self._leave = leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so: uvicorn itself isn't listened to, as it tells too much."""
        await super().startup(sockets)
        logger.info("listening on http://%s:%d", self.config.host, self.config.port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        if self._leave.begun or not self._leave.seconds:
            super().handle_exit(sig, frame)
            return
        self._leave.begun = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._leave.seconds, partial(super().handle_exit, sig, frame))


class LastAnswers:
    """ASGI middleware that says to be the last on its connection, once leave is taken."""

    def __init__(self, app: ASGIApp, leave: Leave) -> None:
        self._app = app
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def sent(message: Message) -> None:
            if self._leave.begun and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, sent)
