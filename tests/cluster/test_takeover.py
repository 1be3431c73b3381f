"""How soon a standby acts when the leader dies, or goes: with the settings that the operator has by itself.

What counts is not that it says that it leads, but that it does what is to be done: a job that came meanwhile has its
pod, and one whose credits ended meanwhile is told to stop.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from devcluster import Cluster
from tests.cluster.storytelling.cast import Stage, Story, new_name
from tests.cluster.storytelling.replicas import Pair, pair
from tests.cluster.storytelling.view import watching

Leave = Coroutine[Any, Any, None]

TIMES = 5
AFTER_A_CRASH_SECONDS = 5.0
AFTER_AN_ORDERLY_END_SECONDS = 1.0
SETTINGS = {"minimum_run_seconds": 1, "arm_seconds": 0}  # unarmed jobs are stopped by an operator alone
ENDS_AFTER_MS = 300


async def seconds_until_it_acts(story: Story, leave: Callable[[], Leave], number: int) -> tuple[float, float]:
    """Let the leader leave just before a job's credits end; how long until that is stopped, and one started."""
    view = story.stage.view
    home, other = await asyncio.gather(story.workspace(f"ends-{number}"), story.workspace(f"begins-{number}"))
    ending = await home.job()
    await ending.runs()
    await asyncio.sleep(random.uniform(0, 1))  # noqa: S311  # at any moment between two renewals
    last_ms = time.time_ns() // 10**6 + 500 + ENDS_AFTER_MS
    await home.account.set_quota(last_ms - ending.started_ms)
    await home.account.is_applied()
    await asyncio.sleep((last_ms - ENDS_AFTER_MS) / 1000 - time.time())

    async def stopped() -> float:
        await view.until(lambda: not any(pod.metadata.deletion_timestamp is None for pod in ending.pods), str, 30)
        return time.monotonic()

    async def started() -> float:
        beginning = await other.job()
        await view.until(lambda: bool(beginning.pods), str, 30)
        return time.monotonic()

    left = time.monotonic()
    leaving = asyncio.create_task(leave())
    acted = await asyncio.gather(stopped(), started())
    await leaving
    return acted[0] - left, acted[1] - left


async def measured(
    cluster: Cluster, folder: Path, title: str, leave: Callable[[Pair], Leave]
) -> list[tuple[float, float]]:
    async with watching(cluster) as (view, client), pair(cluster, folder, SETTINGS) as replicas:
        story = Story(Stage(cluster, view, client, replicas.leader), new_name(title))
        await story.begin()
        seconds = []
        for number in range(TIMES):
            seconds.append(await seconds_until_it_acts(story, lambda: leave(replicas), number))
            await replicas.has_changed_roles()
        await story.end()
        await story.is_over()
    for to_stop, to_start in seconds:
        print(f"{title}: a stop after {to_stop:.2f} s, a start after {to_start:.2f} s")
    return seconds


async def test_a_standby_acts_within_five_seconds_of_the_leaders_death(cluster: Cluster, tmp_path: Path) -> None:
    seconds = await measured(cluster, tmp_path, "dies", lambda replicas: replicas.leader.kill())
    assert max(map(max, seconds)) <= AFTER_A_CRASH_SECONDS


async def test_a_standby_acts_within_a_second_of_the_leaders_orderly_end(cluster: Cluster, tmp_path: Path) -> None:
    seconds = await measured(cluster, tmp_path, "goes", lambda replicas: replicas.leader.stop())
    assert max(map(max, seconds)) <= AFTER_AN_ORDERLY_END_SECONDS
