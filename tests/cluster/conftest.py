"""One throw-away Kubernetes per test session, one namespace per test; another one for tests that break it."""

import itertools
import re
from collections.abc import Iterator

import pytest

from devcluster import Cluster
from tests.cluster.people import Person
from tests.cluster.support import eventually

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of this session's own: one that `make cluster` runs is left alone."""
    with Cluster(tmp_path_factory.mktemp("devcluster")).running_meanwhile() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster to be broken: each test leaves it mended."""
    with Cluster(tmp_path_factory.mktemp("spare"), nodes=1).running_meanwhile(bare=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def restless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with everything installed, whose servers may be ended: each test leaves them running."""
    with Cluster(tmp_path_factory.mktemp("restless")).running_meanwhile() as cluster:
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that pods can be created in; it goes when the test is over, and nobody waits for that."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    name = f"{words[:50].strip('-')}-{next(_numbers)}"
    admin, path = Person(cluster.kubeconfig), f"/api/v1/namespaces/{name}"
    assert admin.create("/api/v1/namespaces", {"metadata": {"name": name}}).allowed
    eventually(lambda: admin.get(f"{path}/serviceaccounts/default").allowed)  # pods are refused until it is there
    yield name
    admin.delete(path)
