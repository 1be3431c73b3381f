"""/metrics, /healthz and /readyz over HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from ucloud_operator.control.operator import Operator
    from ucloud_operator.settings import Settings


logger = logging.getLogger(__name__)


async def serve(operator: Operator, settings: Settings) -> web.AppRunner:
    """Start to answer; the caller cleans the runner up."""

    async def healthz(_: web.Request) -> web.Response:
        """Answer at all, which a stuck loop doesn't, and say what is wrong."""
        return answer(operator.unhealthy())

    async def readyz(_: web.Request) -> web.Response:
        return answer(operator.unready())

    def answer(wrong: str) -> web.Response:
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    async def scrape(_: web.Request) -> web.Response:
        operator.measure()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.http_host, settings.http_port).start()
    logger.info("listening on http://%s:%d", *runner.addresses[0][:2])
    return runner
