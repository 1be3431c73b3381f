"""The gateway as an application, and as a process."""

from __future__ import annotations

import asyncio
import logging
import resource
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from ucloud_operator import scraping
from ucloud_operator.gateway import measures, reference
from ucloud_operator.gateway.asked import sentence
from ucloud_operator.gateway.calls import accounting, following, grants, jobs, outlook, products, webpage
from ucloud_operator.gateway.calls.caller import Services
from ucloud_operator.gateway.connection import Limits, bounded
from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError, bad_request, from_kubernetes
from ucloud_operator.gateway.leaving import LastAnswers, Leave, Server
from ucloud_operator.gateway.openapi import document
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.errors import ApiError
from ucloud_operator.kube.login import address

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 5
"""How long requests that are under way have when the process ends."""
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep a connection that rests (nginx 60): whoever closes it second never loses a request."""

LONGEST_FRAME_BYTES = 2**16
"""Of a WebSocket's client: a token is the longest thing in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How it is served."""

    host: str
    port: int
    metrics_port: int = 0
    """0: nowhere."""
    leave_seconds: int = 0
    limits: Limits
    logs_requests: bool = False


def application(services: Services, *, logs_requests: bool = False) -> FastAPI:
    """Return the ASGI application."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(measures.Measured, log=logs_requests)
    app.state.services = services
    for calls in (accounting, following, grants, jobs, outlook, products, webpage):
        app.include_router(calls.router)
    for path, show in ((measures.HEALTH, _healthz), ("/openapi.json", _openapi), ("/docs", _reference)):
        app.add_api_route(path, show, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(ApiError, _failed)
    app.add_exception_handler(RequestValidationError, _senseless)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(Exception, _broken)
    return app


async def run(serving: Serving, *, minimum_run_seconds: int, root: str) -> None:
    """Answer until the process is told to end; LoginError if nothing says where the API server is."""
    access = await asyncio.to_thread(address)
    _allow_many_connections()
    measures.begin()
    leave = Leave(serving.leave_seconds)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(lambda: access, on_call=measures.count, most_connections=None))
        if serving.metrics_port:
            answers = {"/metrics": scraping.scrape, measures.HEALTH: scraping.live}
            scraped = await scraping.listen(serving.host, serving.metrics_port, answers)
            stack.push_async_callback(scraped.cleanup)
        app = application(Services(client, 1000 * minimum_run_seconds, root), logs_requests=serving.logs_requests)
        config = uvicorn.Config(
            LastAnswers(app, leave),
            host=serving.host,
            port=serving.port,
            http=bounded(serving.limits),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=LONGEST_FRAME_BYTES,
            ws_per_message_deflate=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=CLOSING_SECONDS,
        )
        await Server(config, leave).serve()


def _allow_many_connections() -> None:
    """Take as many files as this process may have: whoever follows a job needs two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _healthz() -> PlainTextResponse:
    """Answer at all."""
    return PlainTextResponse("ok")


async def _openapi(request: Request) -> JSONResponse:
    """Say what can be asked, for programs."""
    return JSONResponse(document(request.app))


async def _reference(request: Request) -> HTMLResponse:
    """Say what can be asked, for people."""
    headers = {"Content-Security-Policy": reference.POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(reference.page(document(request.app)), headers=headers)


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
