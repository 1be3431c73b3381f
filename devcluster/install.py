"""What a fresh control plane gets: nodes, and the product's own manifests as far as the checkout has them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.users import OPERATOR_NAMESPACE

if TYPE_CHECKING:
    from devcluster.cluster import Cluster

_CHECKOUT = Path(__file__).parent.parent
_CRDS = _CHECKOUT / "crds"
_BASE = _CHECKOUT / "manifests" / "base"
_POLICIES = _CHECKOUT / "manifests" / "policies"


def nodes(cluster: "Cluster", count: int) -> None:
    """Put up nodes for KWOK to play, and wait until pods can be created and run."""
    items = [_node(f"node-{number}") for number in range(1, count + 1)]
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--selector=type=kwok", "--timeout=60s")


def product(cluster: "Cluster") -> None:
    """Install our kinds, the operator's namespace and roles, and the admission policies."""
    crds = sorted(_CRDS.glob("*.yaml"))
    if crds:
        cluster.kubectl("apply", "--server-side", *(f"--filename={path}" for path in crds))
        cluster.kubectl(
            "wait", "--for=condition=Established", "--timeout=60s", *(f"--filename={path}" for path in crds)
        )
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR_NAMESPACE}}
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(namespace))
    for path in sorted(_BASE.glob("rbac*.yaml")):
        cluster.kubectl("apply", f"--namespace={OPERATOR_NAMESPACE}", f"--filename={path}")
    if (_POLICIES / "kustomization.yaml").exists():
        cluster.kubectl("apply", f"--kustomize={_POLICIES}")


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
