"""Following a job: by WebSocket, as UCloud's clients do, and by server-sent events, for people with curl.

Both say the same, UCloud's `JobsFollowMessage`: `{updates, log, newStatus, initialJob}`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from ucloud_operator.gateway.asked import FindById, FollowFrame
from ucloud_operator.gateway.calls.caller import Here, Services, checked, enter
from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError, bad_request, from_kubernetes
from ucloud_operator.gateway.following import NOTHING, follow
from ucloud_operator.gateway.openapi import described
from ucloud_operator.gateway.render import JsonObject
from ucloud_operator.kube.errors import ApiError

router = APIRouter()

CALL = "jobs.follow"
FIRST_FRAME_SECONDS = 10
"""How long a connection may say nothing: until its first frame nobody knows whose it is."""
QUIET_SECONDS = 15
"""After so long without news a comment is sent, for the sake of proxies that end what is silent."""
MOST_STREAMS = 16
"""How many jobs can be followed over one connection."""
UNREADABLE = 1007
"""A WebSocket's close code for a message that makes no sense."""


@router.get(
    "/api/jobs/follow", response_class=StreamingResponse, **described("jobs.follow", None, HTTPStatus.NOT_FOUND)
)
async def follow_by_events(asked: Annotated[FindById, Query()], here: Here, request: Request) -> StreamingResponse:
    """Follow a job as server-sent events.

    With `curl --no-buffer` they are seen as they come; when the job is over, an event `end` ends the stream.
    """
    messages = follow(here, await here.job(asked.id))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return _Events(_events(messages, request), media_type="text/event-stream", headers=headers)


class _Events(StreamingResponse):
    """A stream without tasks of its own, as there may be thousands; who has gone is noticed at the next comment."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's
        """Send it."""
        await self.stream_response(send)


async def _events(messages: AsyncGenerator[JsonObject], request: Request) -> AsyncGenerator[str]:
    try:
        async with aclosing(_with_pauses(messages)) as told:
            async for message in told:
                if message is not None:
                    yield f"data: {_encoded(message)}\n\n"
                elif await request.is_disconnected():
                    return
                else:
                    yield ":\n\n"
    except (RefusalError, ApiError) as error:
        yield f"event: error\ndata: {_encoded(_refusal(error).body)}\n\n"
    else:
        yield "event: end\ndata: {}\n\n"


async def _with_pauses(messages: AsyncGenerator[JsonObject]) -> AsyncGenerator[JsonObject | None]:
    """Yield what comes, and None whenever nothing has come for a while."""
    coming = asyncio.ensure_future(anext(messages, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=QUIET_SECONDS)
            if not done:
                yield None
            elif (message := coming.result()) is None:
                return
            else:
                yield message
                coming = asyncio.ensure_future(anext(messages, None))
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, RefusalError, ApiError):
            await coming


@router.websocket("/api/jobs")
async def follow_by_frames(socket: WebSocket) -> None:
    """Answer each frame `{call: "jobs.follow", streamId, payload: {id}, project, bearer}` with a stream of messages."""
    await socket.accept()
    try:
        async with asyncio.TaskGroup() as streams:
            await _read_frames(socket, streams)
    except* WebSocketDisconnect:
        pass
    except* (TimeoutError, ValidationError):
        with suppress(WebSocketDisconnect):
            await socket.close(UNREADABLE, "Invalid request supplied")


async def _read_frames(socket: WebSocket, streams: asyncio.TaskGroup) -> None:
    services: Services = socket.app.state.services
    room = asyncio.Semaphore(MOST_STREAMS)
    patience_seconds: float | None = FIRST_FRAME_SECONDS
    while True:
        async with asyncio.timeout(patience_seconds):
            received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received["code"])
        frame = FollowFrame.model_validate_json(received.get("text") or "", strict=True)
        patience_seconds = None
        if room.locked():
            await _respond(
                socket, frame, bad_request(f"At most {MOST_STREAMS} jobs can be followed over one connection")
            )
        else:
            await room.acquire()
            streams.create_task(_stream(socket, services, frame)).add_done_callback(lambda _: room.release())


async def _stream(socket: WebSocket, services: Services, frame: FollowFrame) -> None:
    try:
        async with aclosing(await _asked_for(services, frame)) as messages:
            async for message in messages:
                await _send(socket, {"type": "message", "streamId": frame.stream_id, "payload": message})
    except (RefusalError, ApiError) as error:
        await _respond(socket, frame, _refusal(error))
    else:
        await _respond(socket, frame, None)


async def _asked_for(services: Services, frame: FollowFrame) -> AsyncGenerator[JsonObject]:
    if frame.call != CALL:
        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    here = await enter(services, checked(frame.bearer or ""), frame.project or "")
    return follow(here, await here.job(frame.payload.id))


async def _respond(socket: WebSocket, frame: FollowFrame, refusal: RefusalError | None) -> None:
    """End a stream. UCloud's client reads the last message as any other, so it has all the fields."""
    status = HTTPStatus.OK if refusal is None else refusal.status
    payload = {**NOTHING, **({} if refusal is None else refusal.body)}
    await _send(socket, {"type": "response", "streamId": frame.stream_id, "status": status, "payload": payload})


async def _send(socket: WebSocket, message: JsonObject) -> None:
    await socket.send_text(_encoded(message))


def _encoded(message: JsonObject) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _refusal(error: RefusalError | ApiError) -> RefusalError:
    return from_kubernetes(error) if isinstance(error, ApiError) else error
