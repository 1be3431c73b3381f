"""The API server's ways to say no, in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.objects import Json
    from ucloud_operator.kube.resources import Resource


class Refusal(Exception):  # noqa: N818  # it is an answer, not a defect
    """An answer that is not a success."""

    def __init__(self, code: int, reason: str, message: str, *, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": {"causes": [{"reason": cause} for cause in causes]},
            "code": code,
        }


def overloaded() -> Refusal:
    """It has too much to do. (Each is a new one: an exception keeps where it was raised, and with it a whole world.)"""
    return Refusal(429, "TooManyRequests", "too many requests, please try again later")


def broken() -> Refusal:
    """What it is made of has failed it."""
    return Refusal(500, "InternalError", "etcdserver: leader changed")


def not_found(resource: Resource, name: str) -> Refusal:
    """There is none."""
    return Refusal(404, "NotFound", f'{resource} "{name}" not found')


def already_exists(resource: Resource, name: str) -> Refusal:
    """The name is taken."""
    return Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists')


def modified(resource: Resource, name: str) -> Refusal:
    """It has another version."""
    because = "the object has been modified; please apply your changes to the latest version and try again"
    return Refusal(409, "Conflict", f'Operation cannot be fulfilled on {resource} "{name}": {because}')


def other_uid(resource: Resource, name: str, wanted: str, found: str) -> Refusal:
    """It is another one of the same name."""
    because = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return Refusal(409, "Conflict", f'Operation cannot be fulfilled on {resource} "{name}": {because}')


def invalid(resource: Resource, name: str, mistake: str) -> Refusal:
    """It can't be so."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {mistake}')


def forbidden(resource: Resource, name: str, because: str, *, causes: tuple[str, ...] = ()) -> Refusal:
    """You may not."""
    return Refusal(403, "Forbidden", f'{resource} "{name}" is forbidden: {because}', causes=causes)


def denied(resource: Resource, name: str, policy: str, sentence: str) -> Refusal:
    """A policy says no."""
    request = f"ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {sentence}"
    return forbidden(resource, name, request)


def expired() -> Refusal:
    """What happened since then is forgotten."""
    return Refusal(410, "Expired", "The resourceVersion for the provided watch is too old.")


def bad_request(message: str) -> Refusal:
    """It makes no sense."""
    return Refusal(400, "BadRequest", message)
