"""Where the tests of the CRDs keep what they store."""

import json
from collections.abc import Iterator

import pytest

from devcluster import OPERATOR, Cluster


@pytest.fixture(scope="module")
def workspace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """One namespace for everything that a module stores. What is in it must go without an operator's help."""
    namespace = request.module.__name__.rpartition(".")[2].replace("_", "-")
    cluster.kubectl("create", "namespace", namespace)
    yield namespace
    left = cluster.kubectl("get", f"--namespace={namespace}", "wal,uj", "--output=json")
    no_finalizers = json.dumps({"metadata": {"finalizers": None}})
    cluster.kubectl("patch", "--filename=-", "--type=merge", f"--patch={no_finalizers}", stdin=left, user=OPERATOR)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
