"""What a CRD's structural schema does to an object: prunes it, completes it, refuses it."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ucloud_operator.api import Application, ComputeProduct, UCloudJob, Wallet
from ucloud_operator.api.checkpoint import LedgerCheckpoint
from ucloud_operator.api.schema import root_schema
from ucloud_operator.api.statement import WalletStatement
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    LEDGERCHECKPOINTS,
    UCLOUDJOBS,
    WALLETS,
    WALLETSTATEMENTS,
    Resource,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.objects import Json
    from ucloud_operator.api import Resource as Kind

_MODELS: Final[dict[Resource, type[Kind]]] = {
    WALLETS: Wallet,
    UCLOUDJOBS: UCloudJob,
    WALLETSTATEMENTS: WalletStatement,
    LEDGERCHECKPOINTS: LedgerCheckpoint,
    COMPUTEPRODUCTS: ComputeProduct,
    APPLICATIONS: Application,
}


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_INT64: Final = range(-(2**63), 2**63)
_DATE_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})t([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))"
)
_LEAST: Final = ("minimum", "minLength", "minItems", "minProperties")
_MOST: Final = ("maximum", "maxLength", "maxItems", "maxProperties")


def model_of(resource: Resource) -> type[Kind]:
    """Return what a custom kind's objects are read into."""
    return _MODELS[resource]


@cache
def schema_of(resource: Resource) -> Json:
    """Return a custom kind's structural schema, as its CRD has it."""
    schema: Json = root_schema(_MODELS[resource])
    return schema


def conformed(thing: Any, schema: Json) -> Any:
    """Return an object without the fields that its schema doesn't know, and with its defaults."""
    if isinstance(thing, list):
        return [conformed(each, schema.get("items", {})) for each in thing]
    if not isinstance(thing, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return thing
    if "additionalProperties" in schema:
        return {name: conformed(value, schema["additionalProperties"]) for name, value in thing.items()}
    known = schema.get("properties", {})
    defaults = {name: node["default"] for name, node in known.items() if "default" in node and thing.get(name) is None}
    always = {"apiVersion", "kind", "metadata"}
    kept = {name: value for name, value in thing.items() if name in known or name in always}
    return {
        name: conformed(value, known.get(name, {})) if name in known else value
        for name, value in (kept | defaults).items()
    }


def mistakes(value: Any, schema: Json, path: str = "") -> Iterator[str]:
    """Say what is wrong with a value."""
    kind = schema.get("type")
    if kind is None:
        return
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f'{path}: Invalid value: "{type(value).__name__}": {path} in body must be of type {kind}: "{value}"'
        return
    yield from _out_of_bounds(value, schema, path)
    if schema.get("format") == "date-time" and not _is_date_time(str(value)):
        yield f'{path}: Invalid value: "{value}": {path} in body must be of type date-time: "{value}"'
    if isinstance(value, list):
        yield from _repeated(value, schema, path)
        for index, each in enumerate(value):
            yield from mistakes(each, schema.get("items", {}), f"{path}[{index}]")
    if isinstance(value, dict):
        yield from _mistakes_inside(value, schema, f"{path}." if path else "")


def _mistakes_inside(value: Json, schema: Json, path: str) -> Iterator[str]:
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}{name}: Required value"
    for name, node in schema.get("properties", {}).items():
        if name in value:
            yield from mistakes(value[name], node, path + name)
    if "additionalProperties" in schema:
        for name, each in value.items():
            yield from mistakes(each, schema["additionalProperties"], path + name)


def _repeated(values: list[Any], schema: Json, path: str) -> Iterator[str]:
    """Say which elements of a list are there twice, where that isn't allowed."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys is None and schema.get("x-kubernetes-list-type") != "set":
        return
    known: set[str] = set()
    for index, each in enumerate(values):
        same = json.dumps({key: each.get(key) for key in keys} if keys and isinstance(each, dict) else each)
        if same in known:
            yield f"{path}[{index}]: Duplicate value: {same}"
        known.add(same)


def _is_date_time(text: str) -> bool:
    """Judge as `format: date-time` does: days that don't exist are none, and a small t and z are as good as large."""
    found = _DATE_TIME.fullmatch(text.lower())
    if found is None or found[2] > "23" or found[3] > "59" or found[4] > "59":
        return False
    try:
        date.fromisoformat(found[1])
    except ValueError:
        return found[1].startswith("0000")
    return True


def _out_of_bounds(value: Any, schema: Json, path: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(f'"{each}"' for each in schema["enum"])
        yield f'{path}: Unsupported value: "{value}": supported values: {supported}'
    if schema.get("format") == "int64" and value not in _INT64:
        yield f'{path}: Invalid value: "float64": {path} in body must be of type int64: "float64"'
    size = len(value) if isinstance(value, str | list | dict) else value
    for keyword in _LEAST:
        if keyword in schema and size < schema[keyword]:
            yield f"{path}: Invalid value: {size}: {path} in body should be greater than or equal to {schema[keyword]}"
    for keyword in _MOST:
        if keyword in schema and size > schema[keyword]:
            yield f"{path}: Invalid value: {size}: {path} in body should be less than or equal to {schema[keyword]}"
