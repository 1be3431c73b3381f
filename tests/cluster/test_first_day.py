"""From an empty cluster and back: what is installed in one go can be uninstalled, and installed again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import ADMIN, OPERATOR, Cluster
from devcluster.problems import DevclusterError
from tests.cluster.people import Person
from tests.cluster.policies.conftest import LEASE, LEASES, a_pod
from tests.cluster.support import eventually

MANIFESTS = Path(__file__).parents[2] / "manifests"
WITH_KINDS = MANIFESTS / "overlays" / "with-kinds"
SAMPLES = MANIFESTS / "samples"
BUT_THE_BOOKS = "--selector=!ucloud.dk/books"
PODS = "/api/v1/namespaces/default/pods?dryRun=All"


@pytest.fixture(scope="module")
def installed(spare: Cluster) -> Iterator[Cluster]:
    """An empty cluster, on which everything was then applied in one go."""
    spare.kubectl("apply", "--server-side", f"--kustomize={WITH_KINDS}")
    yield spare
    spare.kubectl("delete", f"--kustomize={WITH_KINDS}", "--ignore-not-found", "--timeout=60s")


def takes_samples(cluster: Cluster) -> bool:
    """Whether the API server would take a wallet and a job: it learns of new kinds some seconds late."""
    spaces = ("root", "sibling", "user")
    for name in spaces:
        if not cluster.kubectl("get", "namespace", name, "--ignore-not-found"):
            cluster.kubectl("create", "namespace", name)
    try:
        cluster.kubectl("apply", "--dry-run=server", f"--filename={SAMPLES}")
    except DevclusterError as refused:
        if "There can be a delay" in str(refused):
            return False
        raise
    return True


def test_one_command_installs_everything_on_an_empty_cluster(installed: Cluster) -> None:
    installed.kubectl("rollout", "status", "deployment/ucloud-operator", "--namespace=ucloud-system", "--timeout=60s")
    eventually(lambda: takes_samples(installed), within_seconds=30)
    installed.kubectl("apply", "--server-side", f"--kustomize={WITH_KINDS}")


def test_what_is_uninstalled_in_the_documented_order_can_be_installed_again(installed: Cluster) -> None:
    """The API server takes the lease for what it was when the policy that compares pods with it was deleted."""
    admin, operator = Person(installed.kubeconfig_of(ADMIN)), Person(installed.kubeconfig_of(OPERATOR))

    def leads_in(epoch: int) -> None:
        eventually(lambda: operator.create(PODS, a_pod(epoch=epoch)))
        eventually(lambda: "another operator leads now" in operator.create(PODS, a_pod(epoch=epoch - 1)).message)

    assert admin.create(LEASES, a_lease(7))
    leads_in(7)

    installed.kubectl("delete", "lease", "ucloud-operator", "--namespace=ucloud-system")
    installed.kubectl("delete", f"--kustomize={WITH_KINDS}", BUT_THE_BOOKS)
    eventually(lambda: admin.create(PODS, a_pod(epoch=-1)))  # nothing compares it any more
    assert "walletstatements.ucloud.dk" in installed.kubectl("get", "customresourcedefinitions", "--output=name")
    assert admin.get("/api/v1/namespaces/ucloud-system")["status/phase"] == "Active"

    installed.kubectl("apply", "--server-side", f"--kustomize={WITH_KINDS}")
    assert admin.create(LEASES, a_lease(1))
    leads_in(1)
    assert admin.patch(LEASE, {"spec": {"leaseTransitions": 2}})
    leads_in(2)


def a_lease(epoch: int) -> dict[str, object]:
    return {"metadata": {"name": "ucloud-operator"}, "spec": {"holderIdentity": "a", "leaseTransitions": epoch}}
