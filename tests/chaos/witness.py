"""Who watches the pods, and nothing else: when each container ran, by its kubelet's own stamps.

It is not told what the operator says. Its watch breaks with the API server like everybody's and is taken up again; of
a pod that ended and went in between it has seen no end, and says so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from tests.chaos.oracle import Run
from ucloud_operator.api.common import parse_time
from ucloud_operator.kube.client import Client, Json, JsonObject
from ucloud_operator.kube.objects import objects, section, text
from ucloud_operator.kube.reflector import Reflector
from ucloud_operator.kube.resources import PODS
from ucloud_operator.kube.store import Change, ChangeKind, Store

JOB_UID, RANK = "ucloud.dk/job-uid", "ucloud.dk/rank"


@dataclass(frozen=True)
class Container:
    """What is known of the container of one pod."""

    pod: str
    job: str
    rank: str
    started_ms: int | None
    finished_ms: int | None
    unseen: bool = False
    """It went before anybody could see its end."""

    @classmethod
    def of(cls, pod: JsonObject) -> "Container":
        metadata = section(pod, "metadata")
        labels = section(metadata, "labels")
        state = next((section(each, "state") for each in objects(section(pod, "status"), "containerStatuses")), {})
        ended = section(state, "terminated")
        return cls(
            text(metadata, "uid"),
            text(labels, JOB_UID),
            text(labels, RANK),
            _time(ended or section(state, "running"), "startedAt"),
            _time(ended, "finishedAt"),
        )


def _time(state: Json, name: str) -> int | None:
    return parse_time(text(state, name)) if text(state, name) else None


class Witness:
    """Remembers all containers that there ever were."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}

    def note(self, change: Change[JsonObject]) -> None:
        """Remember what a pod says now."""
        now = Container.of(change.object)
        before = self.containers.get(now.pod)
        if before is None or before.finished_ms is None:
            lost = change.kind is ChangeKind.DELETED and now.started_ms is not None and now.finished_ms is None
            self.containers[now.pod] = replace(now, unseen=lost)

    def of_job(self, uid: str) -> list[Container]:
        return [container for container in self.containers.values() if container.job == uid]

    def running(self) -> list[Container]:
        """Those that have begun, and have not ended as far as anybody knows."""
        begun = (each for each in self.containers.values() if each.started_ms is not None)
        return [each for each in begun if each.finished_ms is None and not each.unseen]

    def saw(self, uid: str) -> bool:
        """Whether it saw the end of every container of a job, if not its start."""
        return not any(each.unseen for each in self.of_job(uid))

    def twice(self) -> list[str]:
        """The jobs that had more than one pod for a rank: all jobs here run once."""
        ranks = [(container.job, container.rank) for container in self.containers.values()]
        return sorted({job for job, rank in ranks if ranks.count((job, rank)) > 1})

    def run(self, uid: str, replicas: int, *, by_credits: bool) -> Run | None:
        """When a job ran: from its last container's start to its first one's end, if anything but credits ended it."""
        containers = [each for each in self.of_job(uid) if each.started_ms is not None]
        if len(containers) < replicas:
            return None
        started_ms = max(each.started_ms or 0 for each in containers)
        ends = [each.finished_ms for each in containers if each.finished_ms is not None]
        if by_credits:
            return Run(uid, replicas, started_ms, None)
        return Run(uid, replicas, started_ms, min(ends, default=started_ms))


@asynccontextmanager
async def witnessing(client: Client) -> AsyncIterator[Witness]:
    """A witness who watches as long as the block takes."""
    witness = Witness()
    store: Store[JsonObject] = Store(lambda raw: raw, witness.note)
    reflector = Reflector(client, PODS, store, label_selector=JOB_UID)
    following = asyncio.create_task(reflector.run())
    try:
        await reflector.synced.wait()
        yield witness
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
