"""The API server is away for longer than /healthz is patient: the process stays, and due stops come first."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from devcluster import Cluster
from tests.cluster.storytelling.cast import SUCCESS, Job, Stage, Story, new_name
from tests.cluster.storytelling.process import OperatorProcess
from tests.cluster.storytelling.replicas import pair
from tests.cluster.storytelling.view import watching
from tests.cluster.support import renew_controllers
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.errors import ApiError
from ucloud_operator.kube.objects import section
from ucloud_operator.kube.resources import PODS

AWAY_SECONDS = 30
BLIND_SECONDS = 20
"""Less than from one bookmark of a quiet watch to the next, so it only holds for as long as something happens."""
DUE, WAITING = 10, 30
PROMPT_SECONDS = 5.0


async def is_fine_all_the_time(replica: OperatorProcess) -> None:
    """Ask /healthz again and again, and expect that it never wants a restart."""
    while True:
        status, why = await replica.ask("/healthz")
        assert status == HTTPStatus.OK, f"{replica.identity}: {why}"
        await asyncio.sleep(1)


@asynccontextmanager
async def all_fine(*replicas: OperatorProcess) -> AsyncIterator[None]:
    """Every one of them is fine, as long as the block takes."""
    asking = [asyncio.create_task(is_fine_all_the_time(each)) for each in replicas]
    try:
        yield
        for each in asking:
            if each.done():
                each.result()
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def are_told_to_stop(client: Client, namespace: str) -> None:
    """Wait until all pods of a workspace are, without a watch that itself has to come back first."""
    while True:
        with contextlib.suppress(ApiError):
            pods = await client.list(PODS, namespace=namespace)
            told = ["deletionTimestamp" in section(pod, "metadata") for pod in pods]
            if all(told):
                assert len(told) == DUE
                return
        await asyncio.sleep(0.2)


async def begun(story: Story, number: int) -> Job:
    space = story.workspaces[1 + number % (len(story.workspaces) - 1)]
    while True:  # the API server installs its paths for a moment after it is ready
        try:
            return await space.job(f"after-{number}")
        except ApiError:
            await asyncio.sleep(0.1)


async def test_an_outage_is_survived_without_a_restart_and_due_stops_come_first(
    restless: Cluster, tmp_path: Path
) -> None:
    settings = {"minimum_run_seconds": 1, "arm_seconds": 0, "blind_seconds": BLIND_SECONDS}
    async with watching(restless) as (view, client), pair(restless, tmp_path, settings) as replicas:
        pids = replicas.leader.pid, replicas.standby.pid
        story = Story(Stage(restless, view, client, replicas.leader), new_name("outage"))
        await story.begin()
        home, *_ = [await story.workspace(f"w-{number}") for number in range(4)]
        due = [await home.job(f"due-{number}") for number in range(DUE)]
        for job in due:
            await job.runs()
        quota = sum(time.time_ns() // 10**6 + 10_000 - job.started_ms for job in due)
        await home.account.set_quota(quota)
        await home.account.is_applied()

        await asyncio.to_thread(restless.process("api-server").stop)
        async with all_fine(replicas.leader, replicas.standby):
            await asyncio.sleep(AWAY_SECONDS)  # the credits end meanwhile, and no kubelet knows
            await asyncio.to_thread(restless.start_servers)
            back = time.monotonic()
            beginning = asyncio.gather(*(begun(story, number) for number in range(WAITING)))
            await are_told_to_stop(client, home.namespace)
            stopped = time.monotonic()
            print(f"due stops were carried out {stopped - back:.1f} s after the API server was back")
            waiting = await beginning
            assert stopped - back <= PROMPT_SECONDS
            for job in due:
                await job.ends(SUCCESS, "OutOfCredits", within_seconds=AWAY_SECONDS)
            assert sum(job.usage for job in due) == quota
        await asyncio.to_thread(renew_controllers, restless)
        for job in waiting:
            await job.runs()
        assert (replicas.leader.pid, replicas.standby.pid) == pids
        assert replicas.leader.runs
        assert replicas.standby.runs
        await story.end()
        await story.is_over()
