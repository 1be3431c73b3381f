"""One throw-away Kubernetes per test session, one namespace per test."""

import itertools
import re
from collections.abc import Iterator

import pytest

from devcluster import Cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of this session's own: one that `make cluster` runs is left alone."""
    with Cluster(tmp_path_factory.mktemp("devcluster")).running_meanwhile() as cluster:
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that pods can be created in; it goes when the test is over, and nobody waits for that."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    name = f"{words[:50].strip('-')}-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("wait", f"--namespace={name}", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
