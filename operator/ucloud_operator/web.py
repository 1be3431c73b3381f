"""/metrics, /healthz and /readyz over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from ucloud_operator import scraping

if TYPE_CHECKING:
    from ucloud_operator.control.operator import Operator
    from ucloud_operator.settings import Settings


async def serve(operator: Operator, settings: Settings) -> web.AppRunner:
    """Start to answer; the caller cleans the runner up."""

    async def healthz(_: web.Request) -> web.Response:
        """Answer at all, which a stuck loop doesn't, and say what is wrong."""
        return answer(operator.unhealthy())

    async def readyz(_: web.Request) -> web.Response:
        return answer(operator.unready())

    def answer(wrong: str) -> web.Response:
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    async def scrape(request: web.Request) -> web.Response:
        operator.measure()
        return await scraping.scrape(request)

    answers = {"/healthz": healthz, "/readyz": readyz, "/metrics": scrape}
    return await scraping.listen(settings.http_host, settings.http_port, answers)
