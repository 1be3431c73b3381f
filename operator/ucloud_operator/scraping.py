"""A port for those who watch the process, not for those whom it serves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Answer: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]

logger = logging.getLogger(__name__)


async def listen(host: str, port: int, answers: Mapping[str, Answer]) -> web.AppRunner:
    """Start to answer GET requests of these paths; the caller cleans the runner up."""
    app = web.Application()
    for path, answer in answers.items():
        app.router.add_get(path, answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    logger.info("listening on http://%s:%d", *runner.addresses[0][:2])
    return runner


async def live(_: web.Request) -> web.Response:
    """Say that the process still comes to answer."""
    return web.Response(text="ok")


async def scrape(_: web.Request) -> web.Response:
    """Tell Prometheus everything that is counted in this process."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
