"""The CRDs: current, structural, and of one mind with the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import yaml
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ucloud_operator.api import Application, ComputeProduct, Resource, UCloudJob, Wallet
from ucloud_operator.api.schema import KINDS, crds, root_schema, write_crds

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "manifests" / "samples"
Node = dict[str, Any]

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.PLURAL)


def nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """A node and all below it, with their paths."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            yield from nodes(node[keyword], f"{path}[]")


def test_the_committed_crds_are_current() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "crds").glob("*.yaml")}
    assert committed == crds(), "run `make crds`"


def test_crds_are_written_into_a_new_folder(tmp_path: Path) -> None:
    written = write_crds(tmp_path / "new")
    assert sorted(path.name for path in written) == [
        "applications.ucloud.dk.yaml",
        "computeproducts.ucloud.dk.yaml",
        "ledgercheckpoints.ucloud.dk.yaml",
        "ucloudjobs.ucloud.dk.yaml",
        "wallets.ucloud.dk.yaml",
        "walletstatements.ucloud.dk.yaml",
    ]
    assert {path.name: path.read_text(encoding="utf-8") for path in written} == crds()


@each_kind
def test_every_node_has_one_type_and_every_field_a_description(kind: type[Resource]) -> None:
    for path, node in nodes(root_schema(kind), kind.__name__):
        assert isinstance(node["type"], str), path
        assert not node.keys() & {"$ref", "anyOf", "oneOf", "allOf", "title", "const", "uniqueItems"}, path
        for name, child in node.get("properties", {}).items():
            assert len(child.get("description", "")) > 5, f"{path}.{name}"


@each_kind
def test_every_rule_says_what_to_do_about_it(kind: type[Resource]) -> None:
    for path, node in nodes(root_schema(kind), kind.__name__):
        for rule in node.get("x-kubernetes-validations", []):
            assert len(rule["message"]) > 20, path


def fields(model: type[BaseModel], node: Node, path: str) -> Iterator[tuple[str, FieldInfo, Node, Node]]:
    """A model's fields and those of the models in it: where, the field, the node of its object, and its own."""
    for field in model.model_fields.values():
        child = node["properties"][field.alias]
        yield f"{path}.{field.alias}", field, node, child
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fields(inner, child.get("items", child), f"{path}.{field.alias}")


@each_kind
def test_defaults_of_the_schema_are_those_of_the_model(kind: type[Resource]) -> None:
    spec = kind.model_fields["spec"].annotation
    assert isinstance(spec, type)
    assert issubclass(spec, BaseModel)
    for path, field, node, child in fields(spec, root_schema(kind)["properties"]["spec"], f"{kind.__name__}.spec"):
        assert (field.alias in node.get("required", [])) is field.is_required(), path
        if not field.is_required():
            assert child.get("default") == to_jsonable_python(field.get_default(), by_alias=True), path


@pytest.mark.parametrize("kind", [Wallet, UCloudJob], ids=lambda kind: kind.PLURAL)
def test_nothing_in_a_status_appears_by_itself(kind: type[Resource]) -> None:
    for path, node in nodes(root_schema(kind)["properties"]["status"], "status"):
        assert "default" not in node, path


def test_what_has_no_structural_schema_is_refused() -> None:
    class WithAPattern(Resource):
        spec: Annotated[str, Field(pattern="^a")]

    with pytest.raises(ValueError, match="no structural schema"):
        root_schema(WithAPattern)


def test_samples_are_what_the_models_read() -> None:
    kinds: dict[str, type[Resource]] = {kind.__name__: kind for kind in KINDS}
    manifests = [
        manifest
        for path in sorted(SAMPLES.glob("*.yaml"))
        for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    read = [kinds[each["kind"]].model_validate(each) for each in manifests if each["kind"] in kinds]
    assert [type(each) for each in read] == [ComputeProduct, Application, Wallet, Wallet, Wallet, UCloudJob]
