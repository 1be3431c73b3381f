"""Where the programs of the control plane come from.

In this order: `KUBEBUILDER_ASSETS` for what it has; the cache of what was built here before; a build. Which version is
built `DEVCLUSTER_KUBERNETES` says.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from devcluster import build
from devcluster.problems import DevclusterError

_HERE = "local"


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
    if (wanted := os.environ.get("DEVCLUSTER", _HERE)) != _HERE:
        raise DevclusterError(
            f"DEVCLUSTER={wanted}: there is only {_HERE}, a control plane on this machine. `make e2e` runs on kind."
        )
    kubernetes = build.kubernetes(os.environ.get("DEVCLUSTER_KUBERNETES", ""))
    return Programs(
        etcd=_program("etcd", kubernetes),
        api_server=_program("kube-apiserver", kubernetes),
        controller_manager=_program("kube-controller-manager", kubernetes),
        scheduler=_program("kube-scheduler", kubernetes),
        kwok=_program("kwok", build.KWOK),
        kubectl=_program("kubectl", kubernetes),
    )


def _program(name: str, module: build.Module) -> Path:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(given := Path(assets).absolute() / name, os.X_OK):
        return given
    return build.built(module) / name
