"""Two replicas of the operator, of which one leads and one stands by."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import Cluster
from tests.cluster.storytelling.process import OperatorProcess, as_options


@dataclass
class Pair:
    """They change roles when the one that leads goes."""

    leader: OperatorProcess
    standby: OperatorProcess

    async def has_changed_roles(self) -> None:
        """Wait until the one that stood by leads, and start the other one again, which then stands by."""
        self.leader, self.standby = self.standby, self.leader
        await self.leader.leads()
        await self.standby.start()
        await self.standby.stands_by()


@asynccontextmanager
async def pair(cluster: Cluster, folder: Path, settings: Mapping[str, int]) -> AsyncIterator[Pair]:
    """Two replicas, as long as the block takes; what they said is printed if it fails."""
    replicas = [
        OperatorProcess(cluster, folder / f"{name}.log", *as_options(settings), identity=name)
        for name in ("one", "two")
    ]
    try:
        await replicas[0].start()
        await replicas[0].leads()
        await replicas[1].start()
        await replicas[1].stands_by()
        yield Pair(*replicas)
    except BaseException:
        for replica in replicas:
            print(f"--- {replica.identity}\n{replica.said()}")
        raise
    finally:
        await asyncio.gather(*(replica.stop() for replica in replicas))
