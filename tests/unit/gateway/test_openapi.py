"""The OpenAPI document and its page; `test_gateway_fuzz` holds the gateway against it."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster.conversation import exchanges
from ucloud_operator.gateway import reference
from ucloud_operator.gateway.app import application
from ucloud_operator.gateway.calls.caller import Services
from ucloud_operator.gateway.openapi import document
from ucloud_operator.gateway.told import Created, Job, Page, Responses, WalletV2
from ucloud_operator.kube.client import Client

DOCUMENT = document(application(Services(Client(), 0, "root")))
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def inside(value: object) -> Iterator[object]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(each)


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to() -> None:
    references = {each["$ref"] for each in inside(DOCUMENT) if isinstance(each, dict) and "$ref" in each}
    assert references == {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_call_says_what_it_takes_and_every_answer_it_may_get(name: str) -> None:
    operation = OPERATIONS[name]
    assert re.fullmatch(
        r"(accounting\.v2|products\.v2|jobs|applications|workspace)\.[a-zA-Z]+", operation["operationId"]
    )
    assert operation["summary"].endswith(".")
    assert operation["security"] == [{"HTTPBearer": []}]
    assert "Project" in [each["name"] for each in operation["parameters"] if each["in"] == "header"]
    assert {"200", "400", "403", "408", "429", "502", "503"} <= operation["responses"].keys()
    assert "422" not in operation["responses"]
    done = operation["responses"]["200"]["content"]
    assert list(done) == ["text/event-stream" if name == "GET /api/jobs/follow" else "application/json"]
    refused = [each for status, each in operation["responses"].items() if status != "200"]
    errors = [each["content"]["application/json"]["schema"]["$ref"] for each in refused]
    assert set(errors) == {"#/components/schemas/Error"}
    takes = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    assert ("$ref" in takes) == ("413" in operation["responses"]) == name.startswith("POST ")


def test_no_two_calls_have_one_name() -> None:
    assert len({each["operationId"] for each in OPERATIONS.values()}) == len(OPERATIONS)


def test_the_examples_are_those_of_ucloud_s_documentation() -> None:
    (_, wallets), (create, created), (_, ended) = exchanges()
    for name, answer in (("GET /api/accounting/v2/browseWallets", wallets), ("GET /api/jobs/retrieve", ended)):
        assert json.dumps(OPERATIONS[name]["responses"]["200"]["content"]["application/json"]["example"]) == json.dumps(
            answer
        )
    creating = OPERATIONS["POST /api/jobs"]
    assert creating["responses"]["200"]["content"]["application/json"]["example"] == created
    written = create.partition("-d '")[2].rstrip("'")
    assert creating["requestBody"]["content"]["application/json"]["example"] == json.loads(written)


def test_what_ucloud_answers_has_the_form_that_is_described() -> None:
    (_, wallets), (_, created), (_, ended) = exchanges()
    assert Page[WalletV2].model_validate(wallets).items[0].max_usable == 100_000
    assert Responses[Created].model_validate(created).responses[0].id == "62348"
    assert Job.model_validate(ended).status.state == "SUCCESS"


def test_the_page_shows_every_call_and_loads_nothing() -> None:
    page = reference.page(DOCUMENT)
    for name, operation in OPERATIONS.items():
        assert f"<code>{name}</code>" in page
        assert f'id="{operation["operationId"]}"' in page
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert set(anchors) <= set(re.findall(r'id="([^"]+)"', page))
    assert re.findall("<script|<link|<img|<iframe|src=|url\\(|@import| on[a-z]+=| style=|https?:", page) == []


def test_the_pages_policy_lets_it_have_its_style_and_nothing_else() -> None:
    (style,) = re.findall("<style>(.*?)</style>", reference.page(DOCUMENT), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert reference.POLICY.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")


def test_what_is_described_can_do_the_page_no_harm() -> None:
    sly = '<script>"&'
    schema = {"type": sly, "description": sly}
    answer = {"description": sly, "content": {sly: {"schema": schema, "example": sly}}}
    operation = {
        "operationId": sly,
        "summary": sly,
        "description": sly,
        "parameters": [{"name": sly, "in": sly, "schema": schema, "description": sly}],
        "responses": {sly: answer},
        "requestBody": answer,
    }
    page = reference.page(
        {
            "info": {"title": sly, "description": sly},
            "paths": {sly: {"get": operation}},
            "components": {"schemas": {sly: schema}},
        }
    )
    assert "<script" not in page
    assert '="<' not in page
