"""A kind cluster with the operator installed as the README says, for the whole session.

KIND_NODE_IMAGE and KIND_CONFIG choose the node and its configuration, where kind's own defaults won't do;
DOCKER_BUILD_FLAGS goes to `docker build`. KIND_KEEP=1 leaves the cluster there.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.kind import APPLICATION_IMAGE, OPERATOR_IMAGE, ROOT, Kind, eventually, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    """A running cluster with two replicas of the operator in it."""
    build_image()
    if subprocess.run(["docker", "image", "inspect", APPLICATION_IMAGE], capture_output=True, check=False).returncode:
        subprocess.run(["docker", "pull", APPLICATION_IMAGE], check=True)
    name = f"ucloud-e2e-{os.getpid()}"
    kind = Kind(name, tmp_path_factory.mktemp("kind") / "kubeconfig")
    image, config = os.environ.get("KIND_NODE_IMAGE"), os.environ.get("KIND_CONFIG")
    options = (*(["--image", image] if image else []), *(["--config", config] if config else []))
    try:
        kind.run("create", "cluster", "--wait", "120s", *options)
        for loaded in (OPERATOR_IMAGE, APPLICATION_IMAGE):
            kind.run("load", "docker-image", loaded)
        install(kind)
        yield kind
    finally:
        if not os.environ.get("KIND_KEEP"):
            kind.run("delete", "cluster")


def build_image() -> None:
    """Build the operator's image from this checkout."""
    flags = shlex.split(os.environ.get("DOCKER_BUILD_FLAGS", ""))
    environment = os.environ | {"DOCKER_BUILDKIT": os.environ.get("DOCKER_BUILDKIT", "0")}
    subprocess.run(
        ["docker", "build", "--quiet", *flags, "--tag", OPERATOR_IMAGE, str(ROOT)], check=True, env=environment
    )


def install(kind: Kind) -> None:
    """Install as the README says."""
    kind.kubectl("apply", "--server-side", "--filename", str(ROOT / "crds"))
    kind.kubectl("apply", "--kustomize", str(ROOT / "manifests"))
    kind.kubectl("rollout", "status", "--namespace=ucloud-system", "deployment/ucloud-operator", "--timeout=120s")
    eventually(lambda: kind.takes(*workspace("default", usable=1)))


@pytest.fixture(scope="session")
def samples() -> Path:
    """The seed's world as manifests."""
    return ROOT / "manifests" / "samples"
