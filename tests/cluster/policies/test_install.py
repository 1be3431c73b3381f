"""The installation as a whole: what is put together, and what is left out of it on purpose."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import Cluster, DevclusterError
from tests.cluster.people import Person
from tests.cluster.policies.conftest import UCLOUD, a_job, stamped
from tests.cluster.support import eventually

MANIFESTS = Path(__file__).parents[3] / "manifests"
POLICIES = "/apis/admissionregistration.k8s.io/v1"
MUTATING = f"{POLICIES}/mutatingadmissionpolicybindings"
VALIDATING = f"{POLICIES}/validatingadmissionpolicybindings"
UNSTAMPED = {"metadata": {"finalizers": None}}


@pytest.mark.parametrize(
    "folder",
    [".", "base", "policies", *(f"overlays/{name}" for name in ("elsewhere", "single-replica", "without-stamps"))],
)
def test_what_is_installed_can_be_put_together(cluster: Cluster, folder: str) -> None:
    built = cluster.kubectl("kustomize", str(MANIFESTS / folder))

    def apply() -> str:
        return cluster.kubectl("apply", "--dry-run=client", "--filename=-", stdin=built)

    if cluster.stamps or "MutatingAdmissionPolicy" not in built:
        apply()
    else:
        with pytest.raises(DevclusterError, match='no matches for kind "MutatingAdmissionPolicy"'):
            apply()


def test_elsewhere_nothing_is_left_of_the_usual_namespace(cluster: Cluster) -> None:
    built = cluster.kubectl("kustomize", str(MANIFESTS / "overlays" / "elsewhere"))
    assert "ucloud-system" not in built
    assert built.count("'system:serviceaccount:billing:ucloud-operator'") == 3


def test_without_stamps_everything_else_is_there(cluster: Cluster) -> None:
    everything = cluster.kubectl("kustomize", str(MANIFESTS))
    without = cluster.kubectl("kustomize", str(MANIFESTS / "overlays" / "without-stamps"))
    kinds = {found["kind"] for found in yaml.safe_load_all(without)}
    assert "ValidatingAdmissionPolicy" in kinds
    assert not [kind for kind in kinds if kind.startswith("Mutating")]
    assert everything.count("\nkind:") == without.count("\nkind:") + 4


def test_a_single_replica_is_upgraded_without_a_gap_and_blocks_no_drain(cluster: Cluster) -> None:
    everything = by_name(cluster.kubectl("kustomize", str(MANIFESTS)))
    single = by_name(cluster.kubectl("kustomize", str(MANIFESTS / "overlays" / "single-replica")))
    assert everything.keys() - single.keys() == {("PodDisruptionBudget", "ucloud-operator")}
    changed = {key for key, found in single.items() if found != everything[key]}
    assert changed == {("Deployment", "ucloud-operator")}
    spec = single["Deployment", "ucloud-operator"]["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_with_kinds_is_everything_and_the_kinds_come_first(cluster: Cluster) -> None:
    with_kinds = by_name(cluster.kubectl("kustomize", str(MANIFESTS / "overlays" / "with-kinds")))
    without = by_name(cluster.kubectl("kustomize", str(MANIFESTS)))
    kinds = [("CustomResourceDefinition", path.stem) for path in sorted((MANIFESTS.parent / "crds").glob("*.yaml"))]
    assert list(with_kinds) == [
        ("Namespace", "ucloud-system"),
        *kinds,
        *[key for key in without if key[0] != "Namespace"],
    ]


def test_what_stays_when_the_operator_goes_is_labelled(cluster: Cluster) -> None:
    with_kinds = by_name(cluster.kubectl("kustomize", str(MANIFESTS / "overlays" / "with-kinds")))
    labelled = {key for key, found in with_kinds.items() if "ucloud.dk/keep" in found["metadata"].get("labels", {})}
    assert labelled == {
        key for key in with_kinds if key[0] in {"Namespace", "CustomResourceDefinition"} or key[1] == "ucloud-pod-epoch"
    }


def test_the_operators_own_pod_is_admitted_under_the_restricted_profile(
    cluster: Cluster, admin: Person, namespace: str
) -> None:
    enforced = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    assert admin.patch(f"/api/v1/namespaces/{namespace}", enforced)
    assert admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "ucloud-operator"}})
    installed = by_name(cluster.kubectl("kustomize", str(MANIFESTS / "base")))
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    priority = installed["PriorityClass", "ucloud-operator"]
    pod = {"apiVersion": "v1", "kind": "Pod", **installed["Deployment", "ucloud-operator"]["spec"]["template"]}
    pod["metadata"]["name"] = "operator"
    assert admin.create(classes, priority)
    try:
        answer = admin.create(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    finally:
        admin.delete(f"{classes}/ucloud-operator")
    assert answer, answer.message
    assert answer["spec/priority"] == priority["value"]


def by_name(manifests: str) -> dict[tuple[str, str], Any]:
    return {(found["kind"], found["metadata"]["name"]): found for found in yaml.safe_load_all(manifests)}


class TestWithoutStamps:
    """On a cluster that has no mutating policies."""

    @pytest.fixture(autouse=True)
    def _no_stamps(self, cluster: Cluster, admin: Person, jobs: str) -> Iterator[None]:
        if not cluster.stamps:
            yield
            return
        with without(admin, f"{MUTATING}/ucloud-job-stamps"):
            eventually(lambda: not admin.create(f"{jobs}?dryRun=All", a_job("a"))["metadata/finalizers"])
            yield
        eventually(lambda: admin.create(f"{jobs}?dryRun=All", a_job("a"))["metadata/finalizers"])

    def test_a_made_up_creator_is_refused(self, alice: Person, jobs: str) -> None:
        answer = alice.create(jobs, a_job("seed", annotations={"ucloud.dk/created-by": "bob"}))
        assert "ucloud.dk/created-by says who created this object" in answer.message
        assert alice.create(jobs, a_job("seed"))

    def test_the_operator_puts_the_finalizer_on_and_it_stays(self, alice: Person, operator: Person, jobs: str) -> None:
        assert alice.create(jobs, a_job("seed"))
        stamps = {"finalizers": ["ucloud.dk/settled"], "annotations": {"ucloud.dk/created-by": "unknown"}}
        assert operator.patch(f"{jobs}/seed", {"metadata": stamps})
        assert not alice.patch(f"{jobs}/seed", UNSTAMPED)
        assert not alice.patch(f"{jobs}/seed", {"metadata": {"annotations": {"ucloud.dk/created-by": "alice"}}})


def test_the_glass_can_be_broken(admin: Person, operator: Person, jobs: str) -> None:
    assert stamped(operator, f"{jobs}/seed", admin.create(jobs, a_job("seed")))
    assert not admin.patch(f"{jobs}/seed", UNSTAMPED)
    with without(admin, f"{VALIDATING}/ucloud-keep-stamps"):
        eventually(lambda: admin.patch(f"{jobs}/seed?dryRun=All", UNSTAMPED))
    assert stamped(operator, f"{jobs}/other", admin.create(jobs, a_job("other")))
    eventually(lambda: not admin.patch(f"{jobs}/other?dryRun=All", UNSTAMPED))


@pytest.fixture
def jobs(namespace: str) -> str:
    return f"{UCLOUD}/namespaces/{namespace}/ucloudjobs"


@contextmanager
def without(admin: Person, binding: str) -> Iterator[None]:
    """Delete a policy's binding for a while."""
    bound = admin.get(binding)
    assert admin.delete(binding)
    try:
        yield
    finally:
        again = {**bound.body, "metadata": {"name": bound["metadata/name"]}}
        assert admin.create(binding.rpartition("/")[0], again)
