"""The operator is killed or rolled, again and again, while many jobs run dry: nothing is lost, nobody pays twice.

Each job is the seed's story at ten times its price: 100000 credits last exactly 12 s. The jobs begin one after the
other, so that every kill meets some of them at every moment of their lives.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path

import pytest

from devcluster import Cluster
from tests.chaos.witness import witnessing
from tests.cluster.storytelling.cast import IN_QUEUE, RUNNING, SUCCESS, Job, Stage, Story, Workspace, new_name
from tests.cluster.storytelling.process import OperatorProcess, as_options
from tests.cluster.storytelling.telling import open_stage
from tests.cluster.storytelling.view import watching
from tests.cluster.support import renew_controllers

SEED = int(os.environ.get("CRASH_SEED", time.time_ns() // 10**6))
KILLS = 12
ROLLS = 2
STORIES = 12
FAST_PRICE = 500_000
USABLE = 100_000
LENGTH_MS = 12_000
SETTINGS = {"minimum_run_seconds": 1, "lease_seconds": 3, "renew_seconds": 1}
LAST_SECONDS = 60.0
LATEST_MS = 1000
"""Kubelets stamp whole seconds. While nobody leads those that are armed are stopped by their kubelets."""


async def begin(story: Story, number: int) -> tuple[Workspace, Workspace, Job]:
    """The seed's wallets: the user has used 499 of 500, and the root above has 0.10 left."""
    root = await story.empty_workspace(f"root-{number}")
    await root.apply_account(499_000_000 + USABLE)
    user = await story.empty_workspace(f"user-{number}")
    await user.apply_account(500_000_000, under=root, openingUsage=499_000_000)
    return root, user, await user.job("62348", product=story.product_reference("fast"))


async def kill_and_restart(replicas: Sequence[OperatorProcess], choice: random.Random) -> None:
    """Kill one replica, or both at once, at a random moment."""
    await asyncio.sleep(choice.uniform(0.3, 3.5))
    victims = [replica for replica in replicas if choice.random() < 0.6] or [choice.choice(replicas)]
    print(f"{time.strftime('%X')} kill -9 of", *(victim.identity for victim in victims))
    await asyncio.gather(*(victim.kill() for victim in victims))
    for victim in victims:
        await victim.start()


async def kill_all(replicas: Sequence[OperatorProcess]) -> None:
    """Kill, and kill again."""
    choice = random.Random(SEED)  # noqa: S311  # not a secret
    for _ in range(KILLS):
        await kill_and_restart(replicas, choice)


async def roll(replicas: Sequence[OperatorProcess]) -> None:
    """Do what `kubectl rollout restart` does, several times: one replica after the other ends and is replaced."""
    for _ in range(ROLLS):
        for replica in replicas:
            await replica.stop()
            await replica.start()
            await replica.is_well()
            await asyncio.sleep(1)


async def play(
    stage: Stage,
    replicas: Sequence[OperatorProcess],
    disturb: Callable[[Sequence[OperatorProcess]], Awaitable[None]],
) -> None:
    story = Story(stage, new_name("crash"))
    await story.begin()
    await story.product("fast", price=FAST_PRICE)
    cast: list[tuple[Workspace, Workspace, Job]] = []

    async def begin_all() -> None:
        for number in range(STORIES):
            cast.append(await begin(story, number))
            await asyncio.sleep(1)

    async with witnessing(stage.client) as witness:
        await asyncio.gather(begin_all(), disturb(replicas))
        for root, user, job in cast:
            await expect_the_end(root, user, job)
        await asyncio.sleep(1)  # the witness hears by a watch of its own
        for _, _, job in cast:
            (container,) = witness.of_job(job.uid)
            assert container.finished_ms is not None
            assert container.finished_ms <= job.started_ms + LENGTH_MS + LATEST_MS, "it outlived its credits"
    await asyncio.gather(*(job.delete() for _, _, job in cast))
    for root, user, job in cast:
        await job.is_gone()
        settled = await user.account.until(lambda wallet: wallet.status.settled_usage == USABLE)
        assert settled.status.local_usage == 499_000_000 + USABLE
        assert root.account.now.status.total_usage == 499_000_000 + USABLE
    await story.end()
    await story.is_over()


async def expect_the_end(root: Workspace, user: Workspace, job: Job) -> None:
    await job.ends(SUCCESS, "OutOfCredits", within_seconds=LAST_SECONDS)
    assert job.lengths_ms == [LENGTH_MS]
    assert job.usage == USABLE
    assert job.updates == [
        (IN_QUEUE, "Your job is now waiting in the queue!"),
        (RUNNING, "Your job is now running!"),
        (SUCCESS, "Your job has been terminated (No more credits)"),
    ]
    await job.has_stopped()
    wallet = await user.account.is_locked()
    assert (wallet.status.max_usable, wallet.status.local_usage) == (0, 499_000_000 + USABLE)
    above = await root.account.uses(499_000_000 + USABLE)
    assert above.status.locked


@pytest.mark.parametrize("disturb", [kill_all, roll], ids=["killed", "rolled"])
async def test_an_operator_that_is_replaced_at_any_moment_comes_to_the_same_numbers(
    cluster: Cluster, tmp_path: Path, disturb: Callable[[Sequence[OperatorProcess]], Awaitable[None]]
) -> None:
    print(f"CRASH_SEED={SEED}")
    replicas = [
        OperatorProcess(cluster, tmp_path / f"{name}.log", *as_options(SETTINGS), identity=name)
        for name in ("one", "two")
    ]
    async with watching(cluster) as (view, client):
        try:
            for replica in replicas:
                await replica.start()
            await play(Stage(cluster, view, client, replicas[0]), replicas, disturb)
        except BaseException:
            for replica in replicas:
                print(f"--- {replica.identity}\n{replica.said()}")
            raise
        finally:
            for replica in replicas:
                await replica.stop()


async def test_an_api_server_that_is_away_at_the_instant_changes_no_number(cluster: Cluster, tmp_path: Path) -> None:
    settings = {**SETTINGS, "blind_seconds": 2}
    async with open_stage(cluster, tmp_path / "operator.log", settings) as stage:
        story = Story(stage, new_name("away"))
        await story.begin()
        home = await story.workspace(quota=8000)
        job = await home.job()
        await job.runs()
        await asyncio.sleep(job.started_ms / 1000 + 6 - time.time())
        await asyncio.to_thread(cluster.process("api-server").stop)
        await asyncio.sleep(3.5)  # its credits end meanwhile
        status, why = await stage.operator.ask("/healthz")
        await asyncio.to_thread(cluster.start)
        assert status == HTTPStatus.OK, why  # a restart would mend nothing
        await stage.operator.is_well()
        await job.ends(SUCCESS, "OutOfCredits")
        assert (job.lengths_ms, job.usage) == ([8000], 8000)
        await home.account.is_locked()
        await story.end()
        await story.is_over()
    await asyncio.to_thread(renew_controllers, cluster)
