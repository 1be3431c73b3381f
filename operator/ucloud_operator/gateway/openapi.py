"""What can be asked and answered, as an OpenAPI document.

FastAPI knows the paths, the parameters and the answers' models. Bodies are read as bytes, so what they may be is said
here; what every call may be answered is, too.
"""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from ucloud_operator.gateway.asked import Bulk, Extension, FindById, JobSearch, JobSpecification, Labelling, Renaming
from ucloud_operator.gateway.grants import RootAllocation, SubAllocation
from ucloud_operator.gateway.told import Error

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pydantic import BaseModel

_REF: Final = "#/components/schemas/"
_BODIES: Final[tuple[type[BaseModel], ...]] = (
    Bulk[JobSpecification],
    Bulk[FindById],
    Bulk[Extension],
    Bulk[Renaming],
    Bulk[Labelling],
    Bulk[RootAllocation],
    Bulk[SubAllocation],
    JobSearch,
)
_REFS, _SCHEMAS = models_json_schema([(body, "validation") for body in _BODIES], ref_template=f"{_REF}{{model}}")

_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WHY: Final = {
    HTTPStatus.BAD_REQUEST: "It makes no sense; `why` says where.",
    HTTPStatus.PAYMENT_REQUIRED: "Nobody can pay; `errorCode` is `NOT_ENOUGH_COMPUTE_CREDITS`.",
    HTTPStatus.FORBIDDEN: "No token, one that is wrong or has expired, or not enough rights.",
    HTTPStatus.NOT_FOUND: "It isn't there.",
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to arrive.",
    HTTPStatus.CONFLICT: "Somebody else's change came first.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "It is longer than a MiB.",
    HTTPStatus.TOO_MANY_REQUESTS: "The API server has too much to do.",
    HTTPStatus.BAD_GATEWAY: "The API server gives no usable answer.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The gateway has too many connections.",
}
_EVENTS: Final = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
DESCRIPTION: Final = """UCloud's HTTP calls over wallets and jobs in Kubernetes, with the rights of whoever calls.

Numbers are whole, and amounts have up to 64 bits: JavaScript reads them exactly up to 2^53 only."""


def described(
    name: str, gives: type[BaseModel] | None, *also: HTTPStatus, takes: type[BaseModel] | None = None
) -> dict[str, Any]:
    """Return what FastAPI is to be told of a call: its name in UCloud, its answers (None: events), and its body."""
    statuses = (*_ALWAYS, *also, *((HTTPStatus.REQUEST_ENTITY_TOO_LARGE,) if takes else ()))
    errors = {status.value: {"model": Error, "description": _WHY[status]} for status in sorted(statuses)}
    schema = {"schema": _REFS[takes, "validation"]} if takes else {}
    done = {"model": gives} if gives else _EVENTS
    return {
        "operation_id": name,
        "response_model": None,
        "responses": {HTTPStatus.OK.value: {**done, "description": "Done."}, **errors},
        "openapi_extra": {"requestBody": {"required": True, "content": {_JSON: schema}}} if takes else {},
    }


@cache
def document(app: FastAPI) -> dict[str, Any]:
    """Return the whole document."""
    made = get_openapi(
        title="UCloud's calls", version=version("ucloud-operator"), description=DESCRIPTION, routes=app.routes
    )
    schemas = made["components"]["schemas"]
    schemas |= {name: schema for name, schema in _SCHEMAS["$defs"].items() if name not in schemas}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    examples = json.loads(files("ucloud_operator.gateway").joinpath("examples.json").read_text())
    for path in made["paths"].values():
        for operation in path.values():
            _finish(operation, examples.get(operation["operationId"], {}))
    return made


_JSON: Final = "application/json"


def _finish(operation: dict[str, Any], examples: dict[str, Any]) -> None:
    """Make the summary of the first sentence, say how parameters are written, and give examples."""
    operation["summary"], _, operation["description"] = operation.get("description", "").partition("\n\n")
    operation["responses"].pop("422", None)  # FastAPI's own; ours is a 400
    for parameter in operation.get("parameters", ()):
        _say_how_it_is_written(parameter)
    if "request" in examples:
        operation["requestBody"]["content"][_JSON]["example"] = examples["request"]
    if "answer" in examples:
        operation["responses"]["200"]["content"][_JSON]["example"] = examples["answer"]


def _say_how_it_is_written(parameter: dict[str, Any]) -> None:
    """A query has no null, and a parameter without a value counts as if it weren't there."""
    schema: dict[str, Any] = parameter["schema"]
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    schema |= kinds[0] if kinds else {}
    if parameter["name"] == "filterLabels":
        parameter["name"], parameter["schema"] = "filterLabels.<label>", {"type": "string"}
    if parameter["in"] == "query" and not parameter["required"]:
        parameter["allowEmptyValue"] = True
