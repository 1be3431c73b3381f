"""Errors as UCloud tells them: `{statusCode, why, errorCode, detailedCode}`.

`errorCode` is for programs and empty where UCloud has none. A refusal of Kubernetes keeps its own sentence: it is what
the caller would be told by `kubectl`, and says what is missing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ucloud_operator.kube import errors as kube

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ucloud_operator.kube.errors import ApiError

NO_CREDITS: Final = "NOT_ENOUGH_COMPUTE_CREDITS"
"""UCloud's code for a job that nobody can pay for."""

NO_RESOURCES: Final = "You do not have any resources to run the machine."
"""UCloud's sentence for a machine that is to go on and that nobody can pay for."""

FORBIDDEN: Final = "Forbidden"
BAD_TOKEN: Final = "Bad token supplied, or it has expired"  # noqa: S105  # a sentence
NOT_FOUND: Final = "Not found"
NO_ANSWER: Final = "The Kubernetes API server gives no usable answer; try again later"


class RefusalError(Exception):
    """An answer that is no."""

    def __init__(self, status: HTTPStatus, why: str, code: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.why = why[:1].upper() + why[1:]  # as UCloud writes them
        self.code = code

    @property
    def body(self) -> Mapping[str, object]:
        """The JSON object that the caller gets."""
        return {"statusCode": self.status.value, "why": self.why, "errorCode": self.code, "detailedCode": 0}


def bad_request(why: str) -> RefusalError:
    """Return the answer to a request that makes no sense."""
    return RefusalError(HTTPStatus.BAD_REQUEST, why)


def from_kubernetes(error: ApiError) -> RefusalError:
    """Return what the caller is told when the API server says no, or nothing."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return RefusalError(status, error.message)
    if isinstance(error, kube.Unauthorized):
        return RefusalError(HTTPStatus.FORBIDDEN, BAD_TOKEN)  # UCloud knows no 401
    return RefusalError(HTTPStatus.BAD_GATEWAY, NO_ANSWER)


_STATUSES: Final = (
    (kube.Forbidden, HTTPStatus.FORBIDDEN),
    (kube.NotFound, HTTPStatus.NOT_FOUND),
    (kube.AlreadyExists, HTTPStatus.CONFLICT),
    (kube.Conflict, HTTPStatus.CONFLICT),
    (kube.BadRequest, HTTPStatus.BAD_REQUEST),
    (kube.Invalid, HTTPStatus.BAD_REQUEST),
    (kube.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (kube.TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
)
