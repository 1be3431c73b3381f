"""A kind cluster, the operator's image, and the installation that the README describes."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.cast import HEEDS, PRICE, application, is_running, job, product, workspace
from tests.e2e.kind import APPLICATION_IMAGE, OPERATOR_IMAGE, ROOT, Kind, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ucloud_operator.api import UCloudJob

SAMPLES = ROOT / "manifests" / "samples"


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
    kind.roll_out("apply", "--server-side", "--kustomize", str(ROOT / "manifests"))
    eventually(lambda: kind.takes(*workspace("default", usable=1)))


def begin_samples(kind: Kind) -> None:
    """Apply the samples, and wait until their job runs."""
    kind.kubectl("apply", "--filename", str(SAMPLES))
    kind.kubectl(
        "wait", "ucloudjob/62348", "--namespace=user", "--for=jsonpath={.status.state}=RUNNING", "--timeout=180s"
    )


def begin_job(kind: Kind, workspace_name: str, usable: int) -> UCloudJob:
    """Let a job that heeds SIGTERM run in a workspace of its own, which can pay so much."""
    kind.apply(product(PRICE), application("heeds", *HEEDS))
    kind.apply(*workspace(workspace_name, usable), job(workspace_name, "heeds", PRICE))
    return kind.awaited(workspace_name, is_running)
