"""From an empty cluster and back: what is installed in one go can be uninstalled, and installed again."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster import ADMIN, OPERATOR, Cluster
from devcluster.problems import DevclusterError
from tests.cluster.people import Person
from tests.cluster.policies.conftest import LEASE, LEASES, a_pod
from tests.cluster.support import built, eventually

MANIFESTS = Path(__file__).parents[2] / "manifests"
WITH_KINDS = MANIFESTS / "overlays" / "with-kinds"
SAMPLES = MANIFESTS / "samples"
LOOKS_FOR_LEASES = 37
"""Before this minor version an API server that has stopped following leases sees none again until it is restarted."""
PODS = "/api/v1/namespaces/default/pods?dryRun=All"


@pytest.fixture(scope="module")
def everything(spare: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What kubectl is told to apply."""
    return told(spare, WITH_KINDS, tmp_path_factory.mktemp("everything"))


@pytest.fixture(scope="module")
def all_but_the_kinds(spare: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What kubectl is told to delete: an API server lets go of kinds only when it has little else to do."""
    return told(spare, MANIFESTS, tmp_path_factory.mktemp("all-but-the-kinds"))


def told(cluster: Cluster, folder: Path, place: Path) -> str:
    if cluster.stamps:
        return f"--kustomize={folder}"
    manifests = place / "without-stamps.yaml"
    manifests.write_text(built(cluster, folder))
    return f"--filename={manifests}"


@pytest.fixture(scope="module")
def installed(spare: Cluster, everything: str) -> Cluster:
    """An empty cluster, on which everything was then applied in one go; it goes as a whole."""
    spare.kubectl("apply", "--server-side", everything)
    return spare


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


def test_one_command_installs_everything_on_an_empty_cluster(installed: Cluster, everything: str) -> None:
    installed.kubectl("rollout", "status", "deployment/ucloud-operator", "--namespace=ucloud-system", "--timeout=60s")
    eventually(lambda: takes_samples(installed), within_seconds=30)
    installed.kubectl("apply", "--server-side", everything)


def minor_version(cluster: Cluster) -> int:
    return int(json.loads(cluster.kubectl("get", "--raw=/version"))["minor"].rstrip("+"))


@dataclass(frozen=True)
class Leadership:
    """Who leads, as the API server is told, and what it admits of it."""

    admin: Person
    operator: Person

    def begins_in(self, epoch: int) -> None:
        self.is_written(epoch)
        self.is_known(epoch)

    def is_written(self, epoch: int) -> None:
        lease = {"metadata": {"name": "ucloud-operator"}, "spec": {"holderIdentity": "a", "leaseTransitions": epoch}}
        assert self.admin.create(LEASES, lease)

    def changes_to(self, epoch: int) -> None:
        assert self.admin.patch(LEASE, {"spec": {"leaseTransitions": epoch}})
        self.is_known(epoch)

    def is_known(self, epoch: int) -> None:
        """Wait until pods of this epoch are admitted, and those of the one before aren't."""
        eventually(lambda: self.operator.create(PODS, a_pod(epoch=epoch)))
        eventually(lambda: "another operator leads" in self.operator.create(PODS, a_pod(epoch=epoch - 1)).message)


@pytest.fixture
def leadership(installed: Cluster) -> Iterator[Leadership]:
    leadership = Leadership(Person(installed.kubeconfig_of(ADMIN)), Person(installed.kubeconfig_of(OPERATOR)))
    leadership.begins_in(7)
    yield leadership
    leadership.admin.delete(LEASE)


def test_an_operator_that_is_uninstalled_and_installed_again_is_known_as_the_leader(
    installed: Cluster, leadership: Leadership, everything: str
) -> None:
    installed.kubectl("delete", everything, "--selector=!ucloud.dk/keep")
    left = installed.kubectl("get", "customresourcedefinitions,namespaces", "--output=name")
    assert "walletstatements.ucloud.dk" in left
    assert "namespace/ucloud-system" in left
    time.sleep(3)  # policies are taken up about once a second
    installed.kubectl("apply", "--server-side", everything)
    leadership.changes_to(8)


def test_so_is_one_of_which_everything_was_deleted_after_the_lease(
    installed: Cluster, leadership: Leadership, everything: str, all_but_the_kinds: str
) -> None:
    installed.kubectl("delete", "lease", "ucloud-operator", "--namespace=ucloud-system")
    installed.kubectl("delete", all_but_the_kinds, "--timeout=120s")
    eventually(lambda: leadership.admin.create(PODS, a_pod(epoch=-1)))  # nothing compares it any more
    installed.kubectl("apply", "--server-side", everything)
    leadership.is_written(1)
    if minor_version(installed) < LOOKS_FOR_LEASES:
        time.sleep(3)
        assert "no params found" in leadership.operator.create(PODS, a_pod(epoch=1)).message
        installed.process("api-server").stop()
        installed.start_servers()
    leadership.is_known(1)
    leadership.changes_to(2)
