"""The gateway as an application, and as a process."""

from __future__ import annotations

import asyncio
import logging
import resource
from http import HTTPStatus
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from ucloud_operator.gateway.asked import sentence
from ucloud_operator.gateway.calls import accounting, following, jobs
from ucloud_operator.gateway.calls.caller import Services
from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError, bad_request, from_kubernetes
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.errors import ApiError
from ucloud_operator.kube.login import address

if TYPE_CHECKING:
    from fastapi import Request

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 5
"""How long requests that are under way have when the process is told to end."""

LONGEST_FRAME_BYTES = 2**16
"""Of a WebSocket's client: a token is the longest thing in it."""


def application(services: Services) -> FastAPI:
    """Return the ASGI application."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.services = services
    for calls in (accounting, following, jobs):
        app.include_router(calls.router)
    app.add_api_route("/healthz", _healthz, methods=["GET"])
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(ApiError, _failed)
    app.add_exception_handler(RequestValidationError, _senseless)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(Exception, _broken)
    return app


async def run(host: str, port: int, *, minimum_run_seconds: int, root: str) -> None:
    """Answer until the process is told to end; LoginError if nothing says where the API server is."""
    access = await asyncio.to_thread(address)
    _allow_many_connections()
    async with Client(lambda: access, most_connections=None) as client:
        app = application(Services(client, 1000 * minimum_run_seconds, root))
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=LONGEST_FRAME_BYTES,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=CLOSING_SECONDS,
        )
        await uvicorn.Server(config).serve()


def _allow_many_connections() -> None:
    """Take as many files as this process may have: whoever follows a job needs two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _healthz() -> PlainTextResponse:
    """Answer at all."""
    return PlainTextResponse("ok")


async def _refused(_: Request, error: Exception) -> JSONResponse:
    refusal = error if isinstance(error, RefusalError) else _unexpected()
    return JSONResponse(refusal.body, refusal.status)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    refusal = from_kubernetes(error) if isinstance(error, ApiError) else _unexpected()
    if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.warning("%s %s: %s", request.method, request.url.path, error)
    return await _refused(request, refusal)


async def _senseless(request: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else None
    return await _refused(request, bad_request(sentence(first)) if first else _unexpected())


async def _unknown(request: Request, _: Exception) -> JSONResponse:
    """Answer a path that isn't known, or a method that it doesn't have: UCloud makes no difference."""
    return await _refused(request, RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND))


async def _broken(request: Request, _: Exception) -> JSONResponse:
    return await _refused(request, _unexpected())


def _unexpected() -> RefusalError:
    return RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error; the gateway's log says more")
