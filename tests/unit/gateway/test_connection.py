"""The clocks of a connection, where no real client shows them."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from ucloud_operator.gateway.connection import Limits, bounded

CLIENT_SECONDS = 0.2


class Upgraded(asyncio.Protocol):
    """What takes a connection over, and says so again when the client's time for a request is long over."""

    def __init__(self, **_: Any) -> None:
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"switched, ")
        self.loop.call_later(5 * CLIENT_SECONDS, transport.write, b"still here")

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"GET / HTTP/1.1\r\n")


async def test_a_connection_that_became_another_protocols_is_left_alone() -> None:
    config = uvicorn.Config(lambda *_: None, ws=Upgraded, lifespan="off", log_config=None)
    protocol, state = bounded(Limits(CLIENT_SECONDS, connections=9)), ServerState()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1") as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert await reader.readexactly(20) == b"switched, still here"
        writer.close()
