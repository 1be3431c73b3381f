"""What tests of the audit share."""

import pytest

from ucloud_operator.kube.client import Client


@pytest.fixture
def client() -> Client:
    """A client that nobody is expected to ask."""
    return Client()
