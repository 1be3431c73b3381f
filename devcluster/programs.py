"""Where the programs of the control plane come from.

In this order: `KUBEBUILDER_ASSETS` for what it has; the cache of what was built here before; a build.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from devcluster import build


@dataclass(frozen=True)
class Programs:
    """One executable per component."""

    etcd: Path
    api_server: Path
    controller_manager: Path
    scheduler: Path
    kwok: Path
    kubectl: Path


def find_programs() -> Programs:
    """Find the programs, or build what is missing; that takes minutes, once per machine and version."""
    kubernetes = build.built(build.KUBERNETES)
    kwok = build.built(build.KWOK)
    assets = Path(os.environ["KUBEBUILDER_ASSETS"]) if os.environ.get("KUBEBUILDER_ASSETS") else None

    def program(name: str) -> Path:
        given = assets / name if assets else None
        return given if given is not None and os.access(given, os.X_OK) else kubernetes / name

    return Programs(
        etcd=program("etcd"),
        api_server=program("kube-apiserver"),
        controller_manager=program("kube-controller-manager"),
        scheduler=program("kube-scheduler"),
        kwok=kwok / "kwok",
        kubectl=program("kubectl"),
    )
