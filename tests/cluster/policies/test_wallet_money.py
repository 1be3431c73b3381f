"""Credits come from somewhere: nobody makes them by editing a wallet."""

from collections.abc import Iterator, Mapping

import pytest

from devcluster import BOB, Cluster
from tests.cluster.people import Answer, Json, Person
from tests.cluster.policies.conftest import RBAC, UCLOUD, a_wallet, bind, may, stamped
from tests.cluster.support import eventually

LATER = {"startDate": "2026-01-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"}
FUNDED = ["faculty", *(f"institute-{number}" for number in range(7))]
"""The wallets that Bob may give credits from."""
MINT = "need the verb mint on wallets/lab"


@pytest.fixture(scope="module")
def wallets(namespace: str) -> str:
    return f"{UCLOUD}/namespaces/{namespace}/wallets"


@pytest.fixture(scope="module")
def bank(admin: Person, namespace: str) -> Iterator[str]:
    """Another namespace, whose wallets pay."""
    name = f"{namespace}-bank"
    assert admin.create("/api/v1/namespaces", {"metadata": {"name": name}}).allowed
    yield name
    admin.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def bob(cluster: Cluster, admin: Person, namespace: str, bank: str) -> Person:
    """Somebody who edits a workspace's wallets and may give credits from some of the bank's."""
    editor = {
        "metadata": {"name": "wallets"},
        "rules": [
            {"apiGroups": ["ucloud.dk"], "resources": ["wallets"], "verbs": ["get", "create", "patch", "delete"]}
        ],
    }
    funder = {
        "metadata": {"name": "faculty"},
        "rules": [{"apiGroups": ["ucloud.dk"], "resources": ["wallets"], "resourceNames": FUNDED, "verbs": ["fund"]}],
    }
    grant(admin, namespace, editor)
    grant(admin, bank, funder)
    eventually(lambda: may(admin, BOB.username, "create", "ucloud.dk/wallets", namespace))
    person = Person(cluster.kubeconfig_of(BOB))
    path = f"{UCLOUD}/namespaces/{namespace}/wallets?dryRun=All"
    eventually(lambda: person.create(path, a_wallet(group(bank, "faculty"))))
    return person


def test_credits_are_given_from_a_parent_that_one_may_give_from(bob: Person, bank: str, wallets: str) -> None:
    assert bob.create(wallets, a_wallet(group(bank, "faculty"))).allowed
    assert set_groups(bob, wallets, group(bank, "faculty", quota=2)).allowed


def test_and_from_no_other(bob: Person, bank: str, namespace: str, wallets: str) -> None:
    for parent in ((bank, "university"), (namespace, "faculty")):
        answer = bob.create(wallets, a_wallet(group(*parent)))
        assert answer.status == 403
        assert (
            f"give credits from wallets/{parent[1]} in namespace {parent[0]}: that needs the verb fund"
            in answer.message
        )


@pytest.mark.parametrize("position", range(8))
def test_each_of_several_parents_is_asked_about(bob: Person, bank: str, wallets: str, position: int) -> None:
    parents = [*FUNDED]
    assert bob.create(f"{wallets}?dryRun=All", a_wallet(*(group(bank, parent) for parent in parents))).allowed
    parents[position] = "university"
    answer = bob.create(wallets, a_wallet(*(group(bank, parent) for parent in parents)))
    assert answer.status == 403
    assert f"wallets/university in namespace {bank}" in answer.message


@pytest.mark.parametrize("change", ["raise", "cut", "prolong", "remove"])
def test_a_grant_is_changed_only_by_who_could_give_it(
    admin: Person, bob: Person, bank: str, wallets: str, change: str
) -> None:
    theirs, university = group(bank, "faculty"), group(bank, "university")
    assert admin.create(wallets, a_wallet(theirs, university)).allowed
    changed: dict[str, tuple[Json, ...]] = {
        "raise": (theirs, group(bank, "university", quota=2)),
        "cut": (theirs, group(bank, "university", quota=0)),
        "prolong": (theirs, group(bank, "university", end="2046-01-01T00:00:00Z")),
        "remove": (theirs,),
        "add": (theirs, university, group(bank, "university", quota=2)),
    }
    answer = set_groups(bob, wallets, *changed[change])
    assert f"give credits from wallets/university in namespace {bank}: that needs the verb fund" in answer.message


def test_what_others_gave_is_no_obstacle_to_ones_own_edits(admin: Person, bob: Person, bank: str, wallets: str) -> None:
    others = [group(bank, f"other-{number}") for number in range(20)]
    assert admin.create(wallets, a_wallet(group(bank, "faculty"), *others)).allowed
    for body in ({"metadata": {"labels": {"team": "physics"}}}, {"spec": {"onExhaustion": "Suspend"}}):
        answer = bob.patch(f"{wallets}/lab", body)
        assert answer.allowed, answer.message
    answer = set_groups(bob, wallets, *reversed(others), group(bank, "faculty", quota=2))
    assert answer.allowed, answer.message


def test_nobody_mints_without_the_right_to(bob: Person, alice: Person, wallets: str) -> None:
    minted = [
        a_wallet(root()),
        a_wallet(openingUsage=1),
        a_wallet(freeToUse=True),
    ]
    for person in (alice, bob):
        for wallet in minted:
            answer = person.create(wallets, wallet)
            assert answer.status == 403
            assert MINT in answer.message


def test_nor_later(admin: Person, bob: Person, wallets: str) -> None:
    assert admin.create(wallets, a_wallet(root())).allowed
    assert MINT in set_groups(bob, wallets, root(quota=2)).message
    assert MINT in set_groups(bob, wallets).message
    assert MINT in bob.patch(f"{wallets}/lab", {"spec": {"openingUsage": 1}}).message
    assert not bob.patch(f"{wallets}/lab", {"spec": {"paysFor": {"freeToUse": True}}}).allowed


def test_a_minter_mints(admin: Person, cluster: Cluster, namespace: str, wallets: str) -> None:
    bind(admin, namespace, "ucloud-treasurer", BOB.username)
    eventually(lambda: may(admin, BOB.username, "mint", "ucloud.dk/wallets", namespace))
    bob = Person(cluster.kubeconfig_of(BOB))
    answer = bob.create(wallets, a_wallet(root(), openingUsage=5))
    assert answer.allowed, answer.message
    assert set_groups(bob, wallets, root(quota=7)).allowed


def test_eight_parents_are_checked_in_one_request_and_more_only_for_who_may_give_from_all(
    admin: Person, alice: Person, namespace: str, wallets: str
) -> None:
    parents = [large_group(namespace, f"parent-{number}") for number in range(32)]
    answer = alice.create(f"{wallets}?dryRun=All", a_wallet(*parents[:8]))
    assert answer.allowed, answer.message
    refused = alice.create(wallets, a_wallet(*parents))
    assert "allocation groups of 32 parent wallets: change at most 8 in one request" in refused.message
    answer = admin.create(wallets, a_wallet(*parents))
    assert answer.allowed, answer.message


def test_the_largest_wallet_can_be_changed_whole(admin: Person, namespace: str, wallets: str) -> None:
    parents = [large_group(namespace, f"parent-{number}") for number in range(32)]
    assert admin.create(wallets, a_wallet(*parents)).allowed
    answer = set_groups(admin, wallets, *(large_group(namespace, f"parent-{number}", quota=2) for number in range(32)))
    assert answer.allowed, answer.message


def test_a_wallet_is_deleted_without_a_right_to_its_credits(
    admin: Person, operator: Person, bob: Person, wallets: str
) -> None:
    assert stamped(operator, f"{wallets}/lab", admin.create(wallets, a_wallet(root())))
    assert bob.delete(f"{wallets}/lab").allowed
    assert operator.patch(f"{wallets}/lab", {"metadata": {"finalizers": None}}).allowed


def group(namespace: str, parent: str, *, quota: int = 1, end: str = LATER["endDate"]) -> Json:
    allocation = {"id": "a", "quota": quota, "startDate": LATER["startDate"], "endDate": end}
    return {"parent": {"namespace": namespace, "name": parent}, "allocations": [allocation]}


def large_group(namespace: str, parent: str, *, quota: int = 1) -> Json:
    """As many allocations as a group may have."""
    allocations = [{"id": f"a-{number}", "quota": quota, **LATER} for number in range(64)]
    return {"parent": {"namespace": namespace, "name": parent}, "allocations": allocations}


def root(*, quota: int = 1) -> Json:
    return {"allocations": [{"id": "a", "quota": quota, **LATER}]}


def set_groups(person: Person, wallets: str, *groups: Json) -> Answer:
    return person.patch(f"{wallets}/lab", {"spec": {"allocationGroups": list(groups)}})


def grant(admin: Person, namespace: str, role: Mapping[str, object]) -> None:
    """Make a role in a namespace and give it to Bob."""
    assert admin.create(f"{RBAC}/namespaces/{namespace}/roles", role).allowed
    metadata = role["metadata"]
    assert isinstance(metadata, dict)
    binding = {
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": BOB.username}],
    }
    assert admin.create(f"{RBAC}/namespaces/{namespace}/rolebindings", binding).allowed
