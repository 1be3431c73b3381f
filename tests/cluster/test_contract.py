"""The contract's stories on a real API server: they must hold there, and go exactly as they do in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from devcluster import ADMIN, OPERATOR
from tests.simulation.contract import objects
from tests.simulation.contract.in_memory import played_in_memory
from tests.simulation.contract.stage import STORIES, Stage, Story
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.login import login
from ucloud_operator.kube.objects import section
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devcluster import Cluster, User
    from ucloud_operator.kube.client import JsonObject
    from ucloud_operator.kube.login import Credentials
    from ucloud_operator.kube.resources import Resource

ABOUT_STAMPS = (objects.a_new_object_has_what_the_server_gives_it, objects.a_job_carries_its_creator_and_a_finalizer)
STAMPS: Mapping[Resource, Mapping[str, object]] = {
    UCLOUDJOBS: {"finalizers": ["ucloud.dk/settled"], "annotations": {"ucloud.dk/created-by": "admin"}},
    WALLETS: {"finalizers": ["ucloud.dk/ledger"]},
}


class SelfStamping(Client):
    """The admin of an API server that stamps nothing: new jobs and wallets bring along what it would have put on."""

    async def create(
        self,
        resource: Resource,
        body: Mapping[str, object] | bytes,
        *,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> JsonObject:
        if not isinstance(body, bytes) and resource in STAMPS:
            body = {**body, "metadata": {**section(body, "metadata"), **STAMPS[resource]}}
        return await super().create(resource, body, namespace=namespace, dry_run=dry_run)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_on_a_real_api_server(story: Story, cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if story in ABOUT_STAMPS and not cluster.stamps:
        pytest.skip("this API server has no MutatingAdmissionPolicy (before Kubernetes 1.36): it stamps nothing")

    def credentials(user: User) -> Credentials:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig_of(user)))
        return login()

    admin = Client if cluster.stamps else SelfStamping
    transcript = asyncio.run(_played(story, namespace, admin, credentials(ADMIN), credentials(OPERATOR)))
    assert transcript == played_in_memory(story, namespace)


async def _played(
    story: Story, namespace: str, admins: type[Client], of_admin: Credentials, of_operator: Credentials
) -> Sequence[str]:
    async with admins(lambda: of_admin) as admin, Client(lambda: of_operator) as operator:
        stage = Stage(namespace, admin, operator)
        await story(stage)
        return stage.transcript
