"""Who plays in the tests of the policies, and what they play with."""

from collections.abc import Iterator

import pytest

from devcluster import ADMIN, ALICE, OPERATOR, Cluster
from tests.cluster.people import Answer, Json, Person
from tests.cluster.support import eventually

RBAC = "/apis/rbac.authorization.k8s.io/v1"
UCLOUD = "/apis/ucloud.dk/v1alpha1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/ucloud-system/leases"
LEASE = f"{LEASES}/ucloud-operator"


@pytest.fixture(scope="session")
def admin(cluster: Cluster) -> Person:
    """A cluster admin: RBAC refuses them nothing, so what is refused is refused by a policy."""
    return Person(cluster.kubeconfig_of(ADMIN))


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Person:
    return Person(cluster.kubeconfig_of(OPERATOR))


@pytest.fixture(scope="module")
def namespace(admin: Person, request: pytest.FixtureRequest) -> Iterator[str]:
    """One workspace for a module: its tests leave it empty."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    assert admin.create("/api/v1/namespaces", {"metadata": {"name": name}}).allowed
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    eventually(lambda: admin.get(account))
    yield name
    admin.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(autouse=True)
def _left_empty(admin: Person, operator: Person, namespace: str) -> Iterator[None]:
    """Remove what a test made, as the operator would."""
    yield
    for kind in (f"/api/v1/namespaces/{namespace}/pods", *ours(namespace)):
        for name in names(admin.get(kind)):
            operator.patch(f"{kind}/{name}", {"metadata": {"finalizers": None}})
        admin.delete(kind, gracePeriodSeconds=0)
        assert names(admin.get(kind)) == []


@pytest.fixture(scope="module")
def alice(cluster: Cluster, admin: Person, namespace: str) -> Person:
    """A researcher with everything that one can be given in a workspace short of making credits."""
    for role in ("admin", "ucloud-user", "ucloud-project-admin"):
        bind(admin, namespace, role, ALICE.username)
    person = Person(cluster.kubeconfig_of(ALICE))
    eventually(lambda: may(admin, ALICE.username, "create", "ucloud.dk/ucloudjobs", namespace))
    eventually(lambda: may(admin, ALICE.username, "fund", "ucloud.dk/wallets", namespace))
    eventually(lambda: may(admin, ALICE.username, "create", "/pods/eviction", namespace))
    return person


@pytest.fixture(scope="session", autouse=True)
def _policies_in_force(cluster: Cluster, admin: Person, operator: Person) -> None:
    """Wait until the policies have come into force: those with a parameter do so later than others."""
    pods = "/api/v1/namespaces/default/pods?dryRun=All"
    eventually(lambda: "create a UCloudJob" in admin.create(pods, a_plain_pod("a", **{"ucloud.dk/jobId": "a"})).message)
    eventually(lambda: "epoch" in operator.create(pods, a_pod(epoch=-1)).message)
    jobs = f"{UCLOUD}/namespaces/default/ucloudjobs?dryRun=All"
    made_up = a_job("somebodys", annotations={"ucloud.dk/created-by": "somebody"})

    def stamps_are_kept() -> bool:
        answer = admin.create(jobs, made_up)
        return bool(answer["metadata/finalizers"]) if cluster.stamps else "says who created" in answer.message

    eventually(stamps_are_kept)
    for plural in ("ucloudjobs", "wallets"):
        eventually(lambda: operator.get(f"{UCLOUD}/{plural}"))  # noqa: B023  # asked before the loop goes on


@pytest.fixture
def epoch(admin: Person, operator: Person) -> Iterator[int]:
    """The epoch that the lease is in, and that policies know of; there is a lease when the test is over, too."""
    found = admin.get(LEASE)
    before = found["spec/leaseTransitions"] if found else 0
    assert isinstance(before, int)
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ucloud-operator"},
        "spec": {"leaseTransitions": before + 1},
    }
    if not admin.patch(LEASE, lease):
        assert admin.create(LEASES, lease)
    eventually(lambda: operator.create("/api/v1/namespaces/default/pods?dryRun=All", a_pod(epoch=before + 1)))
    yield before + 1
    if not admin.get(LEASE):
        assert admin.create(LEASES, lease)


@pytest.fixture
def _stamps(cluster: Cluster) -> None:
    """Skip what only an API server that stamps can do."""
    if not cluster.stamps:
        pytest.skip("this API server has no MutatingAdmissionPolicy (before Kubernetes 1.36): see TestWithoutStamps")


@pytest.fixture
def pod(admin: Person, operator: Person, namespace: str, epoch: int) -> str:
    """The path of a job's pod as the operator makes it."""
    jobs = f"{UCLOUD}/namespaces/{namespace}/ucloudjobs"
    job = stamped(operator, f"{jobs}/seed", admin.create(jobs, a_job("seed")))
    pods = f"/api/v1/namespaces/{namespace}/pods"
    body = a_pod(epoch=epoch, owner=str(job["metadata/uid"]))
    path = f"{pods}/j-seed-job-0"
    assert operator.create(pods, body)
    return path


def ours(namespace: str) -> tuple[str, ...]:
    """The paths of the workspace's jobs and wallets."""
    return tuple(f"{UCLOUD}/namespaces/{namespace}/{plural}" for plural in ("ucloudjobs", "wallets"))


def stamped(operator: Person, path: str, created: Answer) -> Answer:
    """Put on what a new job or wallet lacks where the API server doesn't, as the operator does."""
    assert created, created.message
    if created["metadata/finalizers"]:
        return created
    finalizer = "ucloud.dk/ledger" if "/wallets/" in path else "ucloud.dk/settled"
    return operator.patch(path, {"metadata": {"finalizers": [finalizer]}})


def names(answer: Answer) -> list[str]:
    """The names in a list."""
    items = answer["items"]
    assert isinstance(items, list)
    return [item["metadata"]["name"] for item in items]


def a_job(name: str, **metadata: object) -> Json:
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "UCloudJob",
        "metadata": {"name": name, **metadata},
        "spec": {
            "application": {"name": "acme-web-application", "version": "1.0.0"},
            "product": {"id": "example-compute", "category": "example-compute", "provider": "example"},
        },
    }


def a_wallet(*groups: Json, openingUsage: int = 0, freeToUse: bool = False) -> Json:  # noqa: N803  # as in the manifest
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "Wallet",
        "metadata": {"name": "lab"},
        "spec": {
            "owner": {"type": "project", "projectId": "lab"},
            "paysFor": {
                "name": "example-compute",
                "provider": "example",
                "productType": "COMPUTE",
                "accountingUnit": {
                    "name": "Credit",
                    "namePlural": "Credits",
                    "floatingPoint": False,
                    "displayFrequencySuffix": False,
                },
                "accountingFrequency": "PERIODIC_MINUTE",
                "freeToUse": freeToUse,
            },
            "allocationGroups": list(groups),
            "openingUsage": openingUsage,
        },
    }


def a_pod(*, epoch: int = 0, owner: str = "", **metadata: object) -> dict[str, object]:
    """A pod of the job `seed`, as far as the policies look at it."""
    reference = {"apiVersion": "ucloud.dk/v1alpha1", "kind": "UCloudJob", "name": "seed", "uid": owner}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "j-seed-job-0",
            "labels": {"ucloud.dk/jobId": "seed", "ucloud.dk/job-uid": owner or "none", "team": "physics"},
            "annotations": {"ucloud.dk/epoch": str(epoch), "ucloud.dk/price": "50000", "note": "mine"},
            "finalizers": ["ucloud.dk/metered"],
            "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": False}] if owner else [],
            **metadata,
        },
        "spec": {
            "terminationGracePeriodSeconds": 2,
            "restartPolicy": "Never",
            "containers": [{"name": "user-job", "image": "busybox:1.37"}],
        },
    }


def a_plain_pod(name: str, **labels: str) -> dict[str, object]:
    """A pod that is none of our business."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"team": "physics", **labels}},
        "spec": {"containers": [{"name": "main", "image": "busybox:1.37"}]},
    }


def bind(admin: Person, namespace: str, role: str, username: str) -> None:
    """Give somebody a ClusterRole in a namespace."""
    body = {
        "metadata": {"name": f"{role}-{username}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": username}],
    }
    assert admin.create(f"{RBAC}/namespaces/{namespace}/rolebindings", body).allowed


def may(admin: Person, username: str, verb: str, resource: str, namespace: str = "") -> bool:
    """Ask RBAC whether somebody may do something; `resource` is `group/resource` or `group/resource/subresource`."""
    group, kind, *subresource = resource.split("/")
    attributes = {"verb": verb, "group": group, "resource": kind, "namespace": namespace}
    if subresource:
        attributes["subresource"] = subresource[0]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": username, "groups": ["system:authenticated"], "resourceAttributes": attributes},
    }
    return admin.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status/allowed"] is True
