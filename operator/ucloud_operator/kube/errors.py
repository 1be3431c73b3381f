"""What can go wrong between us and the API server, one class per thing that callers tell apart.

Every message says what was asked, of what, and what the API server said:
`patch wallets.ucloud.dk/status "physics/cpu": the object has been modified (409 Conflict)`.
"""

from __future__ import annotations

# ruff: noqa: N818  # the classes are called what Kubernetes calls the reasons
from ucloud_operator.kube.objects import decode, number, objects, section, text

LONGEST_QUOTE = 2000
"""Characters of an answer that are repeated in a message; some proxies answer with pages of HTML."""


class ApiError(Exception):
    """A request that did not succeed."""

    def __init__(  # noqa: PLR0913  # all but the first three by name, and built in one place
        self,
        verb: str,
        target: str,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retry_after_seconds: float | None = None,
        causes: tuple[str, ...] = (),
    ) -> None:
        detail = " ".join(str(part) for part in (status, reason) if part)
        super().__init__(f"{verb} {target}: {message}" + (f" ({detail})" if detail else ""))
        self.verb = verb
        self.target = target
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.causes = causes


class BadRequest(ApiError):
    """400: what we sent makes no sense to the API server."""


class Unauthorized(ApiError):
    """401: it does not know who we are, even after a new login."""


class Forbidden(ApiError):
    """403: it knows, and refuses. `causes` holds "NamespaceTerminating" where that is why."""


class NotFound(ApiError):
    """404: there is no such object (or no such kind)."""


class AlreadyExists(ApiError):
    """409 on create: the name is taken."""


class Conflict(ApiError):
    """409: the object is not (or no longer) the one that was meant: another resourceVersion, another uid."""


class Gone(ApiError):
    """410: the history that a watch or a page needs has been compacted; list anew."""


class TooLarge(ApiError):
    """413, or 500 from etcd: the request is too large, and will be the next time."""


class Invalid(ApiError):
    """422: the schema or a rule refuses the object."""


class TooManyRequests(ApiError):
    """429: it asks us to slow down. The request was not carried out."""


class ServerError(ApiError):
    """5xx: it failed. Whether the request was carried out is unknown."""


class MalformedAnswer(ApiError):
    """An answer that is not what the protocol allows."""


class Unreachable(ApiError):
    """No answer (status 0)."""

    def __init__(self, verb: str, target: str, message: str, *, ambiguous: bool) -> None:
        super().__init__(verb, target, message)
        self.ambiguous = ambiguous
        """Whether the request may have been carried out all the same."""


class LeaseNotHeld(ApiError):
    """A request that we didn't make: another replica may lead by now, or soon."""


PASSING = (Conflict, Gone, TooManyRequests, ServerError, Unreachable, LeaseNotHeld)
"""What comes about by itself and passes by itself: it is nobody's mistake."""

_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    422: Invalid,
    429: TooManyRequests,
}
_BY_REASON: dict[str, type[ApiError]] = {"AlreadyExists": AlreadyExists, "Expired": Gone}
TOO_LARGE = "etcdserver: request is too large"
"""How the API server says that it couldn't store an object; it calls that an error of its own (500)."""
_SERVER_ERRORS = range(500, 600)


def answered_error(
    verb: str, target: str, *, status: int, content: bytes, retry_after_seconds: float | None = None
) -> ApiError:
    """Return the error that an answer (or an ERROR event of a watch) with this body means."""
    try:
        body = decode(content)
    except ValueError:
        body = {"message": content[:LONGEST_QUOTE].decode(errors="replace").strip()}
    reason = text(body, "reason")
    details = section(body, "details")
    if retry_after_seconds is None:
        retry_after_seconds = number(details, "retryAfterSeconds") or None
    unnamed = ServerError if status in _SERVER_ERRORS else ApiError
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, unnamed)
    if TOO_LARGE in text(body, "message"):
        kind = TooLarge
    return kind(
        verb,
        target,
        text(body, "message")[:LONGEST_QUOTE] or "the API server gave no reason",
        status=status,
        reason=reason,
        retry_after_seconds=retry_after_seconds,
        causes=tuple(text(cause, "reason") for cause in objects(details, "causes")),
    )
