"""One request to the API server: authenticated, timed, counted, and repeated where that can do no harm.

What may be repeated. A request that never left (connection refused) or was turned away (429) may, whatever it asks. One
whose fate is unknown (connection lost, time out, 5xx) may only if doing it twice is the same as doing it once: reads,
merge patches, deletes of one uid. A POST of unknown fate is reported as it is: the caller has to look. A repeated PATCH
that carries a resourceVersion gets a Conflict if the first one did succeed, and a repeated DELETE gets NotFound.

Tokens. A service account's token file is read again every minute, as the kubelet replaces its content while the old
token is still valid. A 401 brings a new login: once per request, and one for all requests that failed with the same
credentials. The session survives it, because the TLS context goes with each request: watches under way are not cut.
A request on behalf of somebody else shows their token and nothing of ours, and a 401 is theirs.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from ucloud_operator.kube.backoff import Backoff
from ucloud_operator.kube.errors import (
    ApiError,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
    answered_error,
)
from ucloud_operator.kube.login import LoginError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from ucloud_operator.kube.clock import Clock
    from ucloud_operator.kube.login import Credentials, Login
    from ucloud_operator.kube.resources import Resource

CONNECT_SECONDS = 5
CLOSING_SECONDS = 0.05
"""For the sockets of broken streams: nobody can wait for them, and the loop closes them in its next turns."""
TOKEN_FILE_SECONDS = 60
FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 10
"""Whoever is asked to come back later than this is told at once."""
MOST_CONNECTIONS = 256
_METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at one request, for those who count."""

    verb: str
    """get, list, watch, create, patch or delete"""
    resource: Resource
    subresource: str
    """"status", or empty"""
    status: int
    """of HTTP; 0 where no answer came"""
    seconds: float
    """until the answer was read; of a watch, until it began"""

    @property
    def target(self) -> str:
        """What kind of objects it was about, and what part of them."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of the API server."""

    verb: str
    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes | None = None
    strategic: bool = False
    """Of a patch: that Kubernetes' own rules for merging lists apply, which only its own kinds have."""
    created_name: str | None = None
    """The name in the body of a create, whose address has none."""
    token: str | None = field(default=None, repr=False)
    """Of whom it is sent on behalf: shown instead of everything that our own login gave."""

    @property
    def path(self) -> str:
        """Where it is sent."""
        return self.resource.path(namespace=self.namespace, name=self.name, subresource=self.subresource or None)

    @property
    def target(self) -> str:
        """What it is about, for messages."""
        of = f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)
        place = "/".join(part for part in (self.namespace, self.name or self.created_name) if part)
        return f'{of} "{place}"' if place else of

    @property
    def headers(self) -> dict[str, str]:
        """What it needs beside the credentials; compressed answers would cost both sides more than they save."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self.body is not None:
            patch = "application/strategic-merge-patch+json" if self.strategic else "application/merge-patch+json"
            headers["Content-Type"] = patch if self.verb == "patch" else "application/json"
        return headers

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is the same as doing it once."""
        return self.verb != "create"


@dataclass(frozen=True, slots=True)
class _Access:
    """What one login gave."""

    session: aiohttp.ClientSession
    credentials: Credentials
    tls: ssl.SSLContext


class Transport:
    """A session with the API server."""

    def __init__(  # noqa: PLR0913  # options, by name
        self,
        login: Login,
        *,
        on_call: Callable[[Call], None],
        clock: Clock,
        timeout_seconds: float,
        attempts: int,
        most_connections: int | None,
    ) -> None:
        self._login = login
        self._on_call = on_call
        self._clock = clock
        self._limits = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        self._attempts = attempts
        self._most_connections = most_connections
        self._login_lock = asyncio.Lock()
        self._access: _Access | None = None
        self._token: str | None = None
        self._token_read_at = 0.0

    async def close(self) -> None:
        """Close all connections; the watches on them end with an error."""
        if self._access is not None:
            await self._access.session.close()
            await asyncio.sleep(CLOSING_SECONDS)

    async def send(self, request: Request) -> bytes:
        """Return the answer's content, or raise what went wrong."""
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        logged_in_anew = False
        attempt = 1
        while True:
            access = await self._authenticate()
            try:
                response = await self._ask(request, access, self._limits)
                return await response.read()
            except Unauthorized as refusal:
                if logged_in_anew or request.token is not None:
                    raise
                logged_in_anew = True
                await self._log_in_anew(access, refusal)
            except ApiError as error:
                pause_seconds = pause_before_repeating(request, error, backoff)
                if pause_seconds is None or attempt >= self._attempts:
                    raise
                attempt += 1
                await self._clock.sleep(pause_seconds)

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream. It breaks with `Unreachable` when nothing comes for so long. Never repeated by itself."""
        limits = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=idle_seconds)
        access = await self._authenticate()
        try:
            response = await self._ask(request, access, limits)
        except Unauthorized as refusal:
            if request.token is None:
                await self._log_in_anew(access, refusal)
            raise
        try:
            yield _chunks(request, response)
        finally:
            response.close()

    async def _ask(self, request: Request, access: _Access, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Make one attempt and report it. Except of a stream, the whole answer has been read afterwards."""
        began = self._clock.monotonic()
        status = 0
        try:
            response = await access.session.request(
                _METHODS[request.verb],
                URL(access.credentials.server + request.path, encoded=True).update_query(request.query),
                data=request.body,
                headers=request.headers | self._authorization(request, access.credentials),
                timeout=limits,
                ssl=access.tls,
                server_hostname=access.credentials.tls_server_name,
                proxy=access.credentials.proxy_url,
            )
            if request.verb != "watch" or response.status >= _FIRST_ERROR:
                await response.read()
            status = response.status
        except (aiohttp.ClientError, OSError) as error:  # a time out is an OSError
            raise _no_answer(request, error) from error
        finally:
            seconds = self._clock.monotonic() - began
            self._on_call(Call(request.verb, request.resource, request.subresource, status, seconds))
        if status >= _FIRST_ERROR:
            raise _refusal(request, response, await response.read())
        return response

    async def _authenticate(self, *, stale: _Access | None = None) -> _Access:
        """Return access that is not the stale one; the first who finds it stale logs in for everybody."""
        if self._access is not None and self._access is not stale:
            return self._access
        async with self._login_lock:
            if self._access is None or self._access is stale:
                credentials, tls = await asyncio.to_thread(self._log_in)
                session = self._access.session if self._access else _session(self._most_connections)
                self._access = _Access(session, credentials, tls)
                self._token, self._token_read_at = credentials.token, self._clock.monotonic()
            return self._access

    async def _log_in_anew(self, stale: _Access, refusal: Unauthorized) -> None:
        try:
            await self._authenticate(stale=stale)
        except LoginError as error:
            raise refusal from error

    def _log_in(self) -> tuple[Credentials, ssl.SSLContext]:
        credentials = self._login()
        return credentials, credentials.ssl_context()

    def _authorization(self, request: Request, credentials: Credentials) -> dict[str, str]:
        if request.token is not None:
            if credentials.certificate_path is not None:  # the API server would take us for its owner
                raise LoginError("Requests on behalf of others can't be sent where we show a certificate of our own.")
            return {"Authorization": f"Bearer {request.token}"}
        now = self._clock.monotonic()
        if credentials.token_path is not None and now - self._token_read_at >= TOKEN_FILE_SECONDS:
            self._token = Path(credentials.token_path).read_text(encoding="ascii").strip()
            self._token_read_at = now
        shown = {"Authorization": f"{credentials.scheme} {self._token}"} if self._token else {}
        return shown | ({"Impersonate-User": credentials.acting_as} if credentials.acting_as else {})


class LentTransport:
    """Sends what somebody else asks, over our connections and with their token. There is nothing in it to close."""

    def __init__(self, transport: Transport, token: str) -> None:
        self._transport = transport
        self._token = token

    async def close(self) -> None:
        """Leave the connections to those whose they are."""

    async def send(self, request: Request) -> bytes:
        """Return the answer's content, or raise what went wrong; a token that is refused stays refused."""
        return await self._transport.send(replace(request, token=self._token))

    def stream(self, request: Request, *, idle_seconds: float) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a stream, as `Transport` does."""
        return self._transport.stream(replace(request, token=self._token), idle_seconds=idle_seconds)


def _session(most_connections: int | None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=most_connections or 0)  # 0: as many as are needed
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def _chunks(request: Request, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError) as error:
        raise _no_answer(request, error) from error


def pause_before_repeating(request: Request, error: ApiError, backoff: Backoff) -> float | None:
    """Return how long to wait before the request is sent again, or None where that could do harm or is pointless."""
    match error:
        case TooManyRequests():
            harmless = True
        case Unreachable():
            harmless = request.repeatable or not error.ambiguous
        case ServerError():
            harmless = request.repeatable
        case _:
            harmless = False
    if not harmless:
        return None
    pause_seconds = max(backoff.next_seconds(), error.retry_after_seconds or 0)
    return pause_seconds if pause_seconds <= LONGEST_RETRY_SECONDS else None


def _refusal(request: Request, response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    retry_after = response.headers.get("Retry-After", "")
    return answered_error(
        request.verb,
        request.target,
        status=response.status,
        content=content,
        retry_after_seconds=int(retry_after) if retry_after.isdecimal() else None,
    )


def _no_answer(request: Request, error: Exception) -> Unreachable:
    unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    said = str(error) or type(error).__name__
    return Unreachable(request.verb, request.target, f"no answer: {said}", ambiguous=not unsent)
