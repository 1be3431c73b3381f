"""The stage of the contract in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.admission import OPERATOR
from tests.simulation.api import ADMIN, Api
from tests.simulation.contract.stage import Stage
from tests.simulation.controllers import Controllers
from tests.simulation.kubelet import Kubelets
from tests.simulation.loop import VirtualClock, play
from tests.simulation.network import Network, SimulatedClient
from ucloud_operator.kube.resources import NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.contract.stage import Story


def played_in_memory(story: Story, namespace: str = "stage") -> Sequence[str]:
    """Play a story; return its transcript."""
    return play(_played(story, namespace))


async def _played(story: Story, namespace: str) -> Sequence[str]:
    api = Api(VirtualClock())
    Controllers(api)
    Kubelets(api)
    api.create(NAMESPACES, "", {"metadata": {"name": namespace}})
    admin, operator = (SimulatedClient(Network(api, user=user)) for user in (ADMIN, OPERATOR))
    stage = Stage(namespace, admin, operator)
    await story(stage)
    return stage.transcript
