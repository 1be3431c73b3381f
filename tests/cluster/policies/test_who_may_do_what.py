"""The table in docs/security.md, cell by cell: whoever is said to may do it, and whoever isn't is told why not."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cluster.crds.manifests import statement
from tests.cluster.people import Answer, Json, Person
from tests.cluster.policies.conftest import RBAC, UCLOUD, a_job, a_pod, a_wallet, bind, stamped
from tests.cluster.policies.deeds import AUTUMN, BOOKS, DEEDS, SPRING, Deed, Stage, granted
from tests.cluster.support import eventually

PAGE = Path(__file__).parents[3] / "docs" / "security.md"
ROLES = ("ucloud-user", "ucloud-project-admin", "ucloud-treasurer", "ucloud-viewer", "edit", "admin")
YES, BY_ROLE, BY_POLICY, BY_KIND = "yes", "no", "no¹", "no²"


def table() -> Mapping[str, Mapping[str, str]]:
    """What the page says: of each deed, of each person, yes or no."""
    section = PAGE.read_text().partition("## Who may do what")[2].partition("\n## ")[0]
    head, _, *rows = [line for line in section.splitlines() if line.startswith("|")]
    people = [cell.strip("`") for cell in cells(head)[1:]]
    return {row[0]: dict(zip(people, row[1:], strict=True)) for row in map(cells, rows) if any(row[1:])}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


TABLE = table()


@pytest.fixture(scope="module")
def bank(admin: Person, namespace: str) -> Iterator[str]:
    name = f"{namespace}-bank"
    assert admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    admin.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def people(admin: Person, operator: Person, namespace: str) -> Iterator[Mapping[str, Person]]:
    """One person per column, with that role in the workspace and no other."""
    for role in ROLES:
        bind(admin, namespace, role, f"has-{role}")
    boss = {
        "metadata": {"name": "boss"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "has-cluster-admin"}],
    }
    assert admin.create(f"{RBAC}/clusterrolebindings", boss)
    wallets = f"{UCLOUD}/namespaces/{namespace}/wallets"
    found = {role: admin.named(f"has-{role}") for role in (*ROLES, "cluster-admin")}
    for role, person in found.items():
        theirs = f"/api/v1/namespaces/{namespace}/pods" if role in {"edit", "admin"} else wallets
        eventually(lambda: person.get(theirs))  # noqa: B023  # asked before the loop goes on
    for kind in ("computeproducts", "applications", "walletstatements"):  # a kind that is new isn't read at once
        eventually(lambda: admin.get(f"{UCLOUD}/{kind}"))  # noqa: B023  # asked before the loop goes on
    yield {"anybody": admin.named("has-nothing"), "the operator": operator, **found}
    admin.delete(f"{RBAC}/clusterrolebindings/boss")


@pytest.fixture
def stage(admin: Person, operator: Person, namespace: str, bank: str, epoch: int) -> Iterator[Stage]:
    stage = Stage(namespace, bank, epoch)
    job = stamped(operator, stage.job, admin.create(stage.jobs, with_parameters(a_job("seed"))))
    assert operator.create(stage.pods, on_no_node(a_pod(epoch=epoch, owner=str(job["metadata/uid"]))))
    groups = granted(SPRING, AUTUMN, namespace=namespace)
    assert stamped(operator, stage.wallet, admin.create(stage.wallets, a_wallet(groups)))
    applied = granted(
        {**SPRING, "used": 500, "phase": "Retired"}, {**AUTUMN, "used": 0, "phase": "Active"}, namespace=namespace
    )
    assert operator.patch(f"{stage.wallet}/status", {"status": {"groups": [applied]}})
    assert operator.create(f"{BOOKS}/walletstatements", {**statement(closed=True), "metadata": {"name": "seed"}})
    yield stage
    assert admin.delete(f"{BOOKS}/walletstatements/seed")


def with_parameters(job: Json) -> Json:
    return {**job, "spec": {**section(job, "spec"), "parameters": {"a": 1}}}


def on_no_node(pod: Json) -> Json:
    """What is asked of its kubelet ends where a kubelet would be asked: there is none here."""
    return {**pod, "spec": {**section(pod, "spec"), "nodeName": "nowhere"}}


def section(thing: Json, name: str) -> Json:
    found = thing[name]
    assert isinstance(found, dict)
    return found


def test_the_table_is_about_everything_that_is_tried_here() -> None:
    assert list(TABLE) == list(DEEDS)
    assert {said for row in TABLE.values() for said in row.values()} == {YES, BY_ROLE, BY_POLICY, BY_KIND}


@pytest.mark.parametrize("deed", DEEDS)
def test_it_is_as_the_table_says(people: Mapping[str, Person], stage: Stage, deed: str) -> None:
    found = {column: verdict(DEEDS[deed], DEEDS[deed].do(people[column], stage)) for column in TABLE[deed]}
    assert found == TABLE[deed]
    assert found.keys() == people.keys()


def verdict(deed: Deed, answer: Answer) -> str:
    """Who said yes or no; a no has to say what is missing, or what to do instead."""
    if answer or is_past_all_doors(answer):
        return YES
    said = answer.message
    if "ValidatingAdmissionPolicy" in said:
        assert any(advice in said for advice in deed.advice), said
        return BY_POLICY
    if answer.status == 422:
        assert any(advice in said for advice in deed.advice), said
        return BY_KIND
    missing = r'cannot \w+ resource "[^"]+"|is attempting to grant RBAC permissions not currently held:\n\{\w+'
    assert re.search(missing, said), said
    assert answer.status == 403
    return BY_ROLE


def is_past_all_doors(answer: Answer) -> bool:
    """Whether all that is missing is a kubelet to ask."""
    return answer.status == 404 and '"nowhere" not found' in answer.message
