"""What all stories of a session share."""

import asyncio
from dataclasses import dataclass

from devcluster import Cluster
from tests.cluster.storytelling.process import OperatorProcess
from tests.cluster.storytelling.view import View
from ucloud_operator.kube.client import Client


@dataclass(frozen=True)
class Stage:
    """A cluster with an operator, and how stories see it and act on it."""

    cluster: Cluster
    view: View
    client: Client
    operator: OperatorProcess

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return await asyncio.to_thread(self.cluster.kubectl, *arguments, stdin=stdin)
