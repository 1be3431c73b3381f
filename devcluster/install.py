"""What a fresh control plane gets: nodes, and the product as the checkout has it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from devcluster.problems import DevclusterError

if TYPE_CHECKING:
    from devcluster.cluster import Cluster

_KUBELETS_ROLE = Path(__file__).parent / "kwok" / "role.yaml"
_CHECKOUT = Path(__file__).parent.parent
_CRDS = _CHECKOUT / "crds"
_MANIFESTS = _CHECKOUT / "manifests"
_BASE = _MANIFESTS / "base"
_WITHOUT_STAMPS = _MANIFESTS / "overlays" / "without-stamps"

_POLICIES_ACT_SECONDS = 30.0
_JOB = {
    "apiVersion": "ucloud.dk/v1alpha1",
    "kind": "UCloudJob",
    "metadata": {"name": "probe"},
    "spec": {
        "application": {"name": "probe", "version": "1"},
        "product": {"id": "probe", "category": "probe", "provider": "probe"},
    },
}
_JOB_OF_ANOTHERS = {**_JOB, "metadata": {"name": "probe", "annotations": {"ucloud.dk/created-by": "somebody-else"}}}
_POD_OF_A_JOB = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe", "labels": {"ucloud.dk/jobId": "probe"}},
    "spec": {"containers": [{"name": "probe", "image": "probe"}]},
}


def nodes(cluster: "Cluster", count: int) -> None:
    """Put up nodes for KWOK to play, and give it the rights to."""
    items = [*yaml.safe_load_all(_KUBELETS_ROLE.read_text()), *(_node(f"node-{n}") for n in range(1, count + 1))]
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def wait_for_nodes(cluster: "Cluster") -> None:
    """Wait until pods can be created and run."""
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--selector=type=kwok", "--timeout=60s")


def product(cluster: "Cluster") -> None:
    """Install our kinds, the operator's namespace and roles, and the admission policies, and wait until all act."""
    kinds = [f"--filename={path}" for path in sorted(_CRDS.glob("*.yaml"))]
    roles = [f"--filename={path}" for path in [_BASE / "namespace.yaml", *sorted(_BASE.glob("rbac*.yaml"))]]
    cluster.kubectl("apply", "--server-side", *kinds, *roles)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *kinds)
    stamps = can_stamp(cluster)
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=_policies(cluster, stamps=stamps))
    _wait_until_policies_act(cluster, stamps=stamps)


def can_stamp(cluster: "Cluster") -> bool:
    """Whether the API server has MutatingAdmissionPolicy; it has since Kubernetes 1.36."""
    served = json.loads(cluster.kubectl("get", "--raw=/apis/admissionregistration.k8s.io/v1"))
    return any(resource["name"] == "mutatingadmissionpolicies" for resource in served["resources"])


def _policies(cluster: "Cluster", *, stamps: bool) -> str:
    """All policies and bindings of what is installed where there are stamps, or where there are none."""
    everything = yaml.safe_load_all(cluster.kubectl("kustomize", str(_MANIFESTS if stamps else _WITHOUT_STAMPS)))
    policies = [manifest for manifest in everything if "AdmissionPolicy" in manifest["kind"]]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": policies})


def _wait_until_policies_act(cluster: "Cluster", *, stamps: bool) -> None:
    """The API server takes up policies about once a second: try in vain what they change and what they refuse."""
    deadline = time.monotonic() + _POLICIES_ACT_SECONDS
    while not (
        _is_refused(cluster, _POD_OF_A_JOB, "create a UCloudJob")
        and (_is_stamped(cluster) if stamps else _is_refused(cluster, _JOB_OF_ANOTHERS, "says who created"))
    ):
        if time.monotonic() > deadline:
            raise DevclusterError(f"the policies in {_MANIFESTS} don't act after {_POLICIES_ACT_SECONDS:.0f} s")
        time.sleep(0.2)


def _is_stamped(cluster: "Cluster") -> bool:
    try:
        created = json.loads(_try_to_create(cluster, _JOB))
    except DevclusterError as problem:  # a kind that is established may take another moment to be served
        if "There can be a delay" in str(problem):
            return False
        raise
    return bool(created["metadata"].get("finalizers"))


def _is_refused(cluster: "Cluster", manifest: Mapping[str, object], sentence: str) -> bool:
    try:
        _try_to_create(cluster, manifest)
    except DevclusterError as problem:
        return sentence in str(problem)
    return False


def _try_to_create(cluster: "Cluster", manifest: Mapping[str, object]) -> str:
    arguments = ("create", "--namespace=default", "--dry-run=server", "--output=json", "--filename=-")
    return cluster.kubectl(*arguments, stdin=json.dumps(manifest))


def _node(name: str) -> dict[str, object]:
    labels = {
        "type": "kwok",  # what KWOK plays
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    size = {"cpu": "500", "memory": "2Ti", "pods": "5000", "nvidia.com/gpu": "32"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": size, "capacity": size},
    }
