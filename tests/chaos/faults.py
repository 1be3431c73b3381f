"""What goes wrong in a round: processes killed, and pods deleted."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from devcluster import Cluster, DevclusterError
from tests.chaos.families import Family, persistently
from tests.cluster.storytelling.cast import Job
from tests.cluster.storytelling.process import OperatorProcess
from tests.cluster.storytelling.view import Pod
from ucloud_operator.kube.errors import NotFound

RESTARTS = 3
"""A kubelet tries for ever."""


class Faults:
    """Does one or two things at a time."""

    def __init__(self, cluster: Cluster, replicas: Sequence[OperatorProcess], seed: int) -> None:
        self._cluster = cluster
        self._replicas = replicas
        self._chance = random.Random(seed)  # noqa: S311  # bad luck, not secrets

    async def happen(self, families: Sequence[Family]) -> str:
        """Let something go wrong, and all be there again; say what it was."""
        kinds = ["operators", "operators", "operators", "api-server", "etcd", "pods", "pods"]
        chosen = self._chance.sample(kinds, 2 if self._chance.random() < 0.3 else 1)
        said = await asyncio.gather(*(self._let(kind, families) for kind in dict.fromkeys(chosen)))
        return " and ".join(said)

    async def _let(self, kind: str, families: Sequence[Family]) -> str:
        match kind:
            case "operators":
                number_of_victims = self._chance.choice((1, 1, len(self._replicas)))
                return await self._kill_operators(self._chance.sample(self._replicas, number_of_victims))
            case "pods":
                return await self._delete_pods(families)
            case _:
                number = self._chance.choice((signal.SIGKILL, signal.SIGTERM)) if kind != "etcd" else signal.SIGKILL
                await asyncio.sleep(self._chance.uniform(0, 1))
                await asyncio.to_thread(end_and_restart, self._cluster, kind, number)
                return f"{number.name} of the {kind}"

    async def _kill_operators(self, victims: Sequence[OperatorProcess]) -> str:
        for victim in victims:
            assert victim.runs, f"{victim.identity} ended by itself:\n{victim.said()}"
        away_seconds = self._chance.choice((0.0, 0.0, 1.0, 4.0))
        await asyncio.gather(*(victim.kill() for victim in victims))
        await asyncio.sleep(away_seconds)
        for victim in victims:
            await victim.start()
        return f"SIGKILL of {', '.join(victim.identity for victim in victims)}, away for {away_seconds:.0f} s"

    async def _delete_pods(self, families: Sequence[Family]) -> str:
        jobs = (part.job for family in families if not family.is_poor for part in family.parts)
        pods = [(job, pod) for job in jobs for pod in job.pods if pod.status.phase in {"Pending", "Running"}]
        victims = self._chance.sample(pods, min(len(pods), 2))
        for job, pod in victims:
            await persistently(partial(delete_pod, job, pod))
        return f"{len(victims)} pods deleted"


async def delete_pod(job: Job, pod: Pod) -> None:
    """Delete a pod, if it is still there."""
    try:
        await job.delete_pod(pod)
    except NotFound:
        return


def end_and_restart(cluster: Cluster, component: str, number: signal.Signals) -> None:
    """End etcd or the API server, start it again on what it had written, and wait until it answers."""
    process = cluster.process(component)
    pid = process.pid
    assert pid is not None, f"{component} ended by itself: {process.last_words()}"
    os.kill(pid, number)
    process.stop()
    for _ in range(RESTARTS - 1):  # an API server that finds no etcd while it starts ends at once
        with suppress(DevclusterError):
            cluster.start_servers()
            return
    cluster.start_servers()
