"""A kind cluster, the operator's image, and the installation that the README describes."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.cast import workspace
from tests.e2e.kind import APPLICATION_IMAGE, OPERATOR_IMAGE, ROOT, SYSTEM, Kind, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def build_image() -> None:
    """Build the operator's image from this checkout."""
    _docker_build("--tag", OPERATOR_IMAGE, str(ROOT))


def build_next_image(tag: str) -> None:
    """Build an image that differs from the operator's in its label and digest."""
    _docker_build("--tag", tag, "-", stdin=f"FROM {OPERATOR_IMAGE}\nLABEL next=true\n")


def _docker_build(*arguments: str, stdin: str | None = None) -> None:
    flags = shlex.split(os.environ.get("DOCKER_BUILD_FLAGS", ""))
    environment = os.environ | {"DOCKER_BUILDKIT": os.environ.get("DOCKER_BUILDKIT", "0")}
    command = ["docker", "build", "--quiet", *flags, *arguments]
    subprocess.run(command, input=stdin, text=True, check=True, env=environment)


@contextmanager
def kind_cluster(kubeconfig: Path) -> Iterator[Kind]:
    """Run a kind cluster that has the images at hand, as long as the block takes.

    KIND_NODE_IMAGE and KIND_CONFIG choose the node and its configuration, where kind's own defaults won't do;
    DOCKER_BUILD_FLAGS goes to `docker build`. KIND_KEEP=1 leaves the cluster there.
    """
    build_image()
    if subprocess.run(["docker", "image", "inspect", APPLICATION_IMAGE], capture_output=True, check=False).returncode:
        subprocess.run(["docker", "pull", APPLICATION_IMAGE], check=True)
    kind = Kind(f"ucloud-e2e-{os.getpid()}", kubeconfig)
    image, config = os.environ.get("KIND_NODE_IMAGE"), os.environ.get("KIND_CONFIG")
    options = (*(["--image", image] if image else []), *(["--config", config] if config else []))
    try:
        kind.run("create", "cluster", "--wait", "120s", *options)
        for loaded in (OPERATOR_IMAGE, APPLICATION_IMAGE):
            kind.load(loaded)
        yield kind
    finally:
        if not os.environ.get("KIND_KEEP"):
            kind.run("delete", "cluster")


def image_mb(image: str) -> float:
    """Return an image's size, uncompressed, in millions of bytes."""
    told = subprocess.run(
        ["docker", "image", "inspect", "--format={{.Size}}", image], capture_output=True, check=True, text=True
    )
    return int(told.stdout) / 1e6


def install(kind: Kind) -> None:
    """Install as the README says."""
    kind.kubectl("apply", "--server-side", "--filename", str(ROOT / "crds"))
    kind.kubectl("apply", "--server-side", "--kustomize", str(ROOT / "manifests"))
    kind.kubectl("rollout", "status", f"--namespace={SYSTEM}", "deployment/ucloud-operator", "--timeout=120s")
    eventually(lambda: kind.takes(*workspace("default", usable=1)))
