"""The contract's stories on a real API server: they must hold there, and go exactly as they do in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from devcluster import ADMIN, OPERATOR
from tests.simulation.contract.in_memory import played_in_memory
from tests.simulation.contract.stage import STORIES, Stage, Story
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.login import login

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster import Cluster, User
    from ucloud_operator.kube.login import Credentials


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_on_a_real_api_server(story: Story, cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def credentials(user: User) -> Credentials:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_of(user)))
        return login()

    transcript = asyncio.run(_played(story, namespace, credentials(ADMIN), credentials(OPERATOR)))
    assert transcript == played_in_memory(story, namespace)


async def _played(story: Story, namespace: str, of_admin: Credentials, of_operator: Credentials) -> Sequence[str]:
    async with Client(lambda: of_admin) as admin, Client(lambda: of_operator) as operator:
        stage = Stage(namespace, admin, operator)
        await story(stage)
        return stage.transcript
