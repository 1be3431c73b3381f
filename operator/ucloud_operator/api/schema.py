"""From the models to CRDs: what pydantic says about a model, in the part of JSON Schema that Kubernetes accepts.

A CRD's schema must be *structural*: every node has one type, nothing is referred to (`$ref`), nothing is a union,
and there is a fixed set of keywords. pydantic's JSON Schema is rewritten into that, node by node: a reference
becomes what it refers to, `X or null` becomes X (Kubernetes says null by leaving a field out), a `const` becomes an
enum of one. A keyword that this module doesn't know stops it: leaving it out would leave out a check.

Defaults in `spec` become the API server's defaults, so stored objects are complete and CEL rules find every field
that has one. Defaults in `status` do not: what isn't written there isn't known yet, and nobody should read a 0 into
that.

The result is deterministic and committed in `crds/`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ucloud_operator.api.application import Application
from ucloud_operator.api.checkpoint import LedgerCheckpoint
from ucloud_operator.api.common import Column, Resource
from ucloud_operator.api.job import UCloudJob
from ucloud_operator.api.product import ComputeProduct
from ucloud_operator.api.statement import WalletStatement
from ucloud_operator.api.wallet import Wallet

Node = dict[str, Any]

KINDS: tuple[type[Resource], ...] = (
    Wallet,
    UCloudJob,
    ComputeProduct,
    Application,
    WalletStatement,
    LedgerCheckpoint,
)
HEADER = "# Made from the models in operator/ucloud_operator/api by `make crds`: change those instead.\n"
RULES = "x-kubernetes-validations"

_KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "required",
    "properties",
    "items",
    "additionalProperties",
    RULES,
)
_DROPPED = {"title", "const", "$defs"}


def crds() -> dict[str, str]:
    """The CRDs: file name → YAML text."""
    return {
        f"{kind.PLURAL}.{kind.GROUP}.yaml": HEADER + yaml.safe_dump(_crd(kind), sort_keys=False, width=120)
        for kind in KINDS
    }


def write_crds(folder: Path) -> list[Path]:
    """Writes the CRDs into a folder, which is made if need be; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in crds().items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _crd(kind: type[Resource]) -> Node:
    name = kind.__name__
    schema = root_schema(kind)
    subresources: Node = {"subresources": {"status": {}}} if "status" in schema["properties"] else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.PLURAL}.{kind.GROUP}",
            "labels": {"app.kubernetes.io/name": "ucloud-operator"},
        },
        "spec": {
            "group": kind.GROUP,
            "scope": "Namespaced" if kind.NAMESPACED else "Cluster",
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": kind.PLURAL,
                "singular": name.lower(),
                "shortNames": [kind.SHORT_NAME],
                "categories": ["ucloud"],
            },
            "versions": [
                {
                    "name": kind.VERSION,
                    "served": True,
                    "storage": True,
                    **subresources,
                    "additionalPrinterColumns": [_column(column) for column in kind.COLUMNS],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def root_schema(kind: type[Resource]) -> Node:
    """The structural schema of a kind. Kubernetes brings its own for `metadata`."""
    schema = kind.model_json_schema()
    schema["properties"].pop("metadata")
    schema["required"].remove("metadata")
    root = _structural(schema, schema["$defs"])
    if "status" in root["properties"]:
        _drop_defaults(root["properties"]["status"])
    return root


def _structural(node: Node, definitions: Mapping[str, Node]) -> Node:
    """A node and all below it, as Kubernetes accepts them."""
    node = _resolve(node, definitions)
    if unknown := node.keys() - _DROPPED - set(_KEPT):
        raise ValueError(f"no structural schema can be made of {sorted(unknown)} in {node}")
    result = {keyword: node[keyword] for keyword in _KEPT if keyword in node}
    if "const" in node:
        result["enum"] = [node["const"]]
    if result["type"] == "integer":
        result["format"] = "int64"
    if "description" in result:
        result["description"] = _unwrap(result["description"])
    if "properties" in result:
        result["properties"] = {name: _structural(child, definitions) for name, child in result["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in result:
            result[keyword] = _structural(result[keyword], definitions)
    return result


def _resolve(node: Node, definitions: Mapping[str, Node]) -> Node:
    """A node without `$ref` and `X or null`. What it says itself outranks what it refers to; rules of both apply."""
    node = dict(node)
    if "$ref" in node:
        target = definitions[node.pop("$ref").removeprefix("#/$defs/")]
    elif "anyOf" in node:
        (target,) = (choice for choice in node.pop("anyOf") if choice != {"type": "null"})
        if node["default"] is None:
            del node["default"]
    else:
        return node
    target = _resolve(target, definitions)
    both = target.get(RULES, []) + node.get(RULES, [])
    return target | node | ({RULES: both} if both else {})


def _drop_defaults(node: Node) -> None:
    node.pop("default", None)
    for child in (*node.get("properties", {}).values(), *(node[k] for k in ("items",) if k in node)):
        _drop_defaults(child)


def _unwrap(text: str) -> str:
    """Text without the line breaks of the source; empty lines still part paragraphs."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _column(column: Column) -> Node:
    return {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
        "priority": column.priority,
    }
