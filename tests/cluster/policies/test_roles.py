"""Who may do what: the roles that are handed out hold no more than they say."""

import pytest

from devcluster import ALICE, OPERATOR
from tests.cluster.people import Person
from tests.cluster.policies.conftest import UCLOUD, a_job, may

ALL_NAMESPACES = ""
OPERATORS = [
    ("watch", "ucloud.dk/ucloudjobs"),
    ("patch", "ucloud.dk/ucloudjobs"),
    ("delete", "ucloud.dk/ucloudjobs"),
    ("patch", "ucloud.dk/ucloudjobs/status"),
    ("watch", "ucloud.dk/wallets"),
    ("patch", "ucloud.dk/wallets"),
    ("patch", "ucloud.dk/wallets/status"),
    ("watch", "ucloud.dk/computeproducts"),
    ("watch", "ucloud.dk/applications"),
    ("list", "/pods"),
    ("create", "/pods"),
    ("patch", "/pods"),
    ("delete", "/pods"),
    ("create", "/services"),
    ("create", "/events"),
    ("get", "/namespaces"),
]
BOOKS = ["ucloud.dk/walletstatements", "ucloud.dk/ledgercheckpoints"]
NOT_THE_OPERATORS = [
    ("get", "/secrets"),
    ("create", "ucloud.dk/wallets"),
    ("delete", "ucloud.dk/wallets"),
    *(("get", kind) for kind in BOOKS),
    ("mint", "ucloud.dk/wallets"),
    ("fund", "ucloud.dk/wallets"),
    ("patch", "/pods/status"),
    ("create", "/pods/exec"),
    ("create", "rbac.authorization.k8s.io/clusterrolebindings"),
    ("delete", "/namespaces"),
    ("create", "coordination.k8s.io/leases"),
]
NOT_ALICES = [
    *((verb, kind) for verb in ("create", "patch", "delete") for kind in BOOKS),
    ("mint", "ucloud.dk/wallets"),
    ("patch", "ucloud.dk/wallets/status"),
    ("update", "ucloud.dk/wallets/status"),
    ("patch", "ucloud.dk/ucloudjobs/status"),
    ("update", "ucloud.dk/ucloudjobs/status"),
    ("patch", "/pods/status"),
    ("create", "/pods/binding"),
]


@pytest.mark.parametrize(("verb", "resource"), OPERATORS)
def test_the_operator_may_do_its_work(admin: Person, verb: str, resource: str) -> None:
    assert may(admin, OPERATOR.username, verb, resource, ALL_NAMESPACES)


def test_the_operator_may_lead(admin: Person) -> None:
    assert may(admin, OPERATOR.username, "create", "coordination.k8s.io/leases", "ucloud-system")


@pytest.mark.parametrize("kind", BOOKS)
def test_the_operator_keeps_its_books_in_its_own_namespace(admin: Person, kind: str) -> None:
    for verb in ("get", "list", "watch", "create", "patch"):
        assert may(admin, OPERATOR.username, verb, kind, "ucloud-system")


def test_a_statement_is_never_deleted_by_it(admin: Person) -> None:
    assert not may(admin, OPERATOR.username, "delete", "ucloud.dk/walletstatements", "ucloud-system")
    assert may(admin, OPERATOR.username, "delete", "ucloud.dk/ledgercheckpoints", "ucloud-system")


@pytest.mark.parametrize(("verb", "resource"), NOT_THE_OPERATORS)
def test_the_operator_may_do_no_more(admin: Person, verb: str, resource: str) -> None:
    assert not may(admin, OPERATOR.username, verb, resource, ALL_NAMESPACES)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(("verb", "resource"), NOT_ALICES)
def test_a_workspaces_admin_can_not_write_what_the_operator_counts(
    admin: Person, namespace: str, verb: str, resource: str
) -> None:
    assert not may(admin, ALICE.username, verb, resource, namespace)


def test_a_status_is_refused_by_whatever_way(alice: Person, namespace: str) -> None:
    jobs = f"{UCLOUD}/namespaces/{namespace}/ucloudjobs"
    made = alice.create(jobs, {**a_job("seed"), "status": {"state": "RUNNING"}})
    assert made["status/state"] is None
    assert alice.patch(f"{jobs}/seed", {"status": {"state": "RUNNING"}})["status/state"] is None
    assert alice.patch(f"{jobs}/seed/status", {"status": {"state": "RUNNING"}}).status == 403


def test_nobody_gives_themselves_the_right_to_mint(alice: Person, namespace: str) -> None:
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    role = {
        "metadata": {"name": "mint"},
        "rules": [{"apiGroups": ["ucloud.dk"], "resources": ["wallets"], "verbs": ["mint"]}],
    }
    binding = {
        "metadata": {"name": "mint"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ucloud-treasurer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ALICE.username}],
    }
    assert alice.create(f"{roles}/roles", role).status == 403
    assert alice.create(f"{roles}/rolebindings", binding).status == 403


def test_the_policies_type_check(admin: Person) -> None:
    found = admin.get("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")["items"]
    assert isinstance(found, list)
    ours = [policy for policy in found if policy["metadata"]["name"].startswith("ucloud-")]
    assert ours
    for policy in ours:
        assert policy["status"]["typeChecking"].get("expressionWarnings", []) == [], policy["metadata"]["name"]
