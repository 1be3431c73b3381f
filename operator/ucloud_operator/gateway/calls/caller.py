"""Who calls, about which workspace, and with what: what every call depends on."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import ClientDisconnect

from ucloud_operator.gateway.asked import MAX_BODY_BYTES
from ucloud_operator.gateway.cluster import Workspace, workspace_of
from ucloud_operator.gateway.errors import BAD_TOKEN, FORBIDDEN, RefusalError
from ucloud_operator.kube.client import Client

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What RFC 6750 lets a bearer token be."""


@dataclass(frozen=True)
class Services:
    """What the calls share: connections that show nothing of their own, and what an administrator chose."""

    client: Client
    minimum_run_ms: int
    root: str


def services(request: Request) -> Services:
    """Return what the application was made with."""
    shared: Services = request.app.state.services
    return shared


Shared = Annotated[Services, Depends(services)]


_SCHEME = HTTPBearer(auto_error=False, description="A token that the cluster accepts.")
_PROJECT = "The workspace (a namespace); without it, the one that is called as the caller is."


def token(request: Request, _: Annotated[object, Security(_SCHEME)]) -> str:
    """Return the caller's token; it goes to the API server and nowhere else."""
    authorization = request.headers.get("authorization", "")
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise RefusalError(HTTPStatus.FORBIDDEN, FORBIDDEN)
    return checked(shown.strip())


def checked(shown: str) -> str:
    """Return a token that could be one."""
    if not shown:
        raise RefusalError(HTTPStatus.FORBIDDEN, FORBIDDEN)
    if not TOKEN.fullmatch(shown):
        raise RefusalError(HTTPStatus.FORBIDDEN, BAD_TOKEN)
    return shown


async def workspace(
    shared: Shared,
    shown: Annotated[str, Depends(token)],
    project: Annotated[str, Header(alias="Project", description=_PROJECT)] = "",
) -> Workspace:
    """Return the workspace that the request is about, with the caller's rights in it."""
    return await enter(shared, shown, project.strip())


async def enter(shared: Services, shown: str, project: str) -> Workspace:
    """Return a workspace, with the rights of whose token is shown."""
    client = shared.client.on_behalf_of(shown)
    return Workspace(client, await workspace_of(client, project))


Here = Annotated[Workspace, Depends(workspace)]


async def body(request: Request, _: Annotated[str, Depends(token)]) -> bytes:
    """Return the body, whatever its Content-Type says; RefusalError (413) if it is longer than a MiB."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_BODY_BYTES:
                raise RefusalError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request can't be longer than {MAX_BODY_BYTES} bytes"
                )
    except ClientDisconnect:
        raise RefusalError(HTTPStatus.REQUEST_TIMEOUT, "The request has no end") from None  # nobody hears it
    return bytes(content)


Body = Annotated[bytes, Depends(body)]
