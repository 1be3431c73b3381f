"""A kind cluster with the operator installed as the README says, and the samples applied, for the whole session."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.ends import Ends, listening
from tests.e2e.installation import begin_samples, install, kind_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kind import Kind


@dataclass(frozen=True)
class Seed:
    """The story of the samples, which goes on while other tests run."""

    seconds: float
    """From before `kind create cluster` until its job ran."""


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kind, Seed]]:
    """A cluster on which the samples' job runs."""
    began = time.monotonic()
    with kind_cluster(tmp_path_factory.mktemp("kind") / "kubeconfig") as kind:
        install(kind)
        begin_samples(kind)
        yield kind, Seed(time.monotonic() - began)


@pytest.fixture(scope="session")
def kind(seeded: tuple[Kind, Seed]) -> Kind:
    """A running cluster with two replicas of the operator in it."""
    return seeded[0]


@pytest.fixture(scope="session")
def seed(seeded: tuple[Kind, Seed]) -> Seed:
    """The samples' story."""
    return seeded[1]


@pytest.fixture(scope="session", autouse=True)
def ends(kind: Kind) -> Iterator[Ends]:
    """When containers really end; listened to from the first test on."""
    with listening(kind) as ends:
        yield ends
