"""What the gateway does when the API server doesn't say yes or no."""

import json
import re
from collections.abc import AsyncIterator

import pytest

from tests.unit.kube.scripted import HurriedClock, ScriptedApi, refusal, thing
from ucloud_operator.api import Wallet
from ucloud_operator.gateway.cluster import Workspace, is_namespace_name, new_name
from ucloud_operator.gateway.errors import RefusalError
from ucloud_operator.gateway.grants import Grant, RootAllocation
from ucloud_operator.kube.client import Client

JOBS = "/apis/ucloud.dk/v1alpha1/namespaces/lab/ucloudjobs"
SPEC = {"application": {"name": "app", "version": "1"}, "product": {"id": "p", "category": "c", "provider": "o"}}
WALLET = "/apis/ucloud.dk/v1alpha1/namespaces/lab/wallets/cpu"
NAME = "1795988049298401"
ATTEMPTS_OF_A_CLIENT = 4


@pytest.fixture
async def lab(api: ScriptedApi) -> AsyncIterator[Workspace]:
    async with Client(api.credentials, clock=HurriedClock(), timeout_seconds=2) as client:
        yield Workspace(client.on_behalf_of("alice-s"), "lab")


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("ucloud_operator.gateway.cluster.new_name", lambda: NAME)
    return NAME


def job(name: str, version: int = 1) -> dict[str, object]:
    return {**thing(name, version, namespace="lab"), "spec": SPEC}


async def test_instead_of_a_name_that_is_taken_there_is_another(api: ScriptedApi, lab: Workspace) -> None:
    api.answers("POST", JOBS, refusal(409, "AlreadyExists"), status=409)
    api.answers("POST", JOBS, job("other"), status=201)
    (created,) = await lab.create([SPEC])
    first, second = (json.loads(each)["metadata"]["name"] for each in api.bodies)
    assert (created, first != second) == (second, True)
    assert {each.headers["Authorization"] for each in api.seen} == {"Bearer alice-s"}


async def test_after_an_answer_that_says_nothing_it_looks(api: ScriptedApi, lab: Workspace, name: str) -> None:
    api.answers("POST", JOBS, refusal(500, "InternalError"), status=500)
    api.answers("GET", f"{JOBS}/{name}", job(name))
    assert await lab.create([SPEC]) == [name]


async def test_what_it_cannot_know_it_says(api: ScriptedApi, lab: Workspace, name: str) -> None:
    api.answers("POST", JOBS, refusal(504, "Timeout"), status=504)
    api.answers("GET", f"{JOBS}/{name}", refusal(404, "NotFound"), status=404)
    with pytest.raises(RefusalError, match=f"look whether job '{name}' was created before you ask again") as refused:
        await lab.create([SPEC])
    assert refused.value.status == 502


async def test_a_refused_token_is_not_tried_again_with_our_own(api: ScriptedApi, lab: Workspace) -> None:
    api.answers("POST", JOBS, refusal(401, "Unauthorized"), status=401)
    with pytest.raises(RefusalError, match="Bad token supplied") as refused:
        await lab.create([SPEC])
    assert refused.value.status == 403


async def test_a_change_that_another_overtook_is_made_anew(api: ScriptedApi, lab: Workspace) -> None:
    path = f"{JOBS}/j"
    api.answers("GET", path, job("j", 1)).answers("GET", path, job("j", 1))
    api.answers("PATCH", path, refusal(409, "Conflict"), status=409)
    api.answers("GET", path, job("j", 2)).answers("PATCH", path, job("j", 3))
    await lab.change([("j", lambda _: {"terminate": True})])
    sent = [json.loads(each) for each in api.bodies if each]
    assert [each["metadata"]["resourceVersion"] for each in sent] == ["1", "2"]
    assert [each["spec"] for each in sent] == [{"terminate": True}] * 2


def wallet(version: int, *allocations: str) -> dict[str, object]:
    groups = [{"allocations": [{"id": each, "quota": 1} for each in allocations]}]
    return {**thing("cpu", version, namespace="lab"), "spec": {"allocationGroups": groups}}


def grant(allocation_id: str) -> Grant:
    asked = {"category": {"name": "cpu", "provider": "us"}, "quota": 2, "start": 0, "end": 1}
    spec = {
        "owner": {"type": "project", "projectId": "lab"},
        "paysFor": {"name": "cpu", "provider": "us", "accountingFrequency": "PERIODIC_HOUR"},
    }
    parsed = Wallet.model_validate({"metadata": {"name": "cpu", "namespace": "lab"}, "spec": spec})
    return Grant(parsed, None, allocation_id, RootAllocation.model_validate(asked), by="bob", at_ms=0)


async def test_a_top_up_that_the_operator_overtook_is_made_anew_and_once(api: ScriptedApi, lab: Workspace) -> None:
    api.answers("GET", WALLET, wallet(1, "a"))
    api.answers("PATCH", WALLET, refusal(409, "Conflict"), status=409)
    api.answers("GET", WALLET, wallet(2, "a", "b", "2"))
    api.answers("PATCH", WALLET, wallet(3))
    await lab.grant([grant("2"), grant("3")])
    first, second = (json.loads(each) for each in api.bodies if each)
    assert [each["metadata"]["resourceVersion"] for each in (first, second)] == ["1", "2"]
    ids = [[each["id"] for each in sent["spec"]["allocationGroups"][0]["allocations"]] for sent in (first, second)]
    assert ids == [["a", "2", "3"], ["a", "b", "2", "3"]]


async def test_a_top_up_that_was_made_by_a_request_whose_answer_was_lost_is_not_made_again(
    api: ScriptedApi, lab: Workspace
) -> None:
    api.answers("GET", WALLET, wallet(1))
    api.answers("PATCH", WALLET, refusal(409, "Conflict"), status=409)
    api.answers("GET", WALLET, wallet(2, "2"))
    await lab.grant([grant("2")])


async def test_a_top_up_whose_answer_says_nothing_is_looked_for(api: ScriptedApi, lab: Workspace) -> None:
    api.answers("GET", WALLET, wallet(1))
    for _ in range(ATTEMPTS_OF_A_CLIENT):
        api.answers("PATCH", WALLET, refusal(500, "InternalError"), status=500)
    api.answers("GET", WALLET, wallet(2, "2"))
    await lab.grant([grant("2")])


async def test_a_top_up_that_may_have_been_made_is_named(api: ScriptedApi, lab: Workspace) -> None:
    api.answers("GET", WALLET, wallet(1))
    for _ in range(ATTEMPTS_OF_A_CLIENT):
        api.answers("PATCH", WALLET, refusal(500, "InternalError"), status=500)
    api.answers("GET", WALLET, wallet(1))
    with pytest.raises(RefusalError, match="look whether wallet 'cpu' got 2 before you ask again") as refused:
        await lab.grant([grant("2")])
    assert refused.value.status == 502


def test_names_of_jobs_are_numbers_that_grow_and_names_of_pods_can_be_made_of_them() -> None:
    one, other = new_name(), new_name()
    assert re.fullmatch("[0-9]{16}", one)
    assert int(other) >= int(one)


@pytest.mark.parametrize("name", ["a", "user", "a-1", "1", "a" * 63])
def test_what_can_be_a_namespace(name: str) -> None:
    assert is_namespace_name(name)


@pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a-", "a" * 64, "a\n", "alice@example.com", "system:node:a"])
def test_what_cannot(name: str) -> None:
    assert not is_namespace_name(name)
