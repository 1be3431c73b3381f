"""The page for people at `/`: files that are sent as they are.

It is no exception to anything: it shows and does what the calls let whoever's token is pasted into it. The page takes
nothing from anywhere else, and says so to the browser.
"""

import hashlib
from http import HTTPStatus
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError

router = APIRouter()

SAFE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
INDEX: Final = "index.html"
"""What `/` is."""

PAGE: Final = {
    each.name: each.read_bytes()
    for each in files("ucloud_operator.gateway").joinpath("page").iterdir()
    if each.name.endswith(tuple(TYPES))
}


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def index(if_none_match: Annotated[str, Header()] = "") -> Response:
    """Send the page."""
    return _sent(INDEX, if_none_match)


@router.api_route("/page/{name}", methods=["GET", "HEAD"], include_in_schema=False)
async def part(name: str, if_none_match: Annotated[str, Header()] = "") -> Response:
    """Send a script, a style sheet or a picture of the page."""
    if name not in PAGE:
        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return _sent(name, if_none_match)


def _sent(name: str, known: str) -> Response:
    """Send a file unless the browser has it: it asks each time, so nobody sees half of another version's page."""
    content = PAGE[name]
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**SAFE, "ETag": etag, "Cache-Control": "no-cache"}
    if etag in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, media_type=TYPES[name[name.rindex(".") :]], headers=headers)
