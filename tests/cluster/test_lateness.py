"""How promptly jobs are stopped when many wallets run dry at once."""

import asyncio
import time
from pathlib import Path

import pytest

from devcluster import Cluster
from tests.cluster.storytelling.cast import PLENTY, SUCCESS, Job, Stage, Story, Workspace, new_name
from tests.cluster.storytelling.process import Scrape
from tests.cluster.storytelling.telling import open_stage
from ucloud_operator.kube.resources import NAMESPACES

WALLETS = 100
JOBS_EACH = 2
WITHIN_MS = 10_000
AHEAD_MS = 15_000
SETTINGS = {"minimum_run_seconds": 1, "arm_seconds": 10, "queue_notice_seconds": 60}
ACKNOWLEDGED = "ucloud_stop_acknowledged_seconds"
LATENESS = "ucloud_stop_lateness_seconds"
START_SECONDS = 120.0
P99_SECONDS = 0.25
BUSY_SECONDS = 0.1
"""If a GET of one object takes this long (the 99th percentile), somebody else has the processors."""


async def open_workspace(story: Story, number: int, limit: asyncio.Semaphore) -> tuple[Workspace, list[Job]]:
    async with limit:
        space = await story.empty_workspace(f"w-{number}")
        await space.apply_account(PLENTY)
        return space, [await space.job(f"job-{each}") for each in range(JOBS_EACH)]


async def let_run_dry(space: Workspace, jobs: list[Job], end_ms: int, limit: asyncio.Semaphore) -> None:
    """Give a wallet exactly the credits that its jobs use until then."""
    async with limit:
        await space.account.set_quota(sum(end_ms - job.started_ms for job in jobs))


def table(scrape: Scrape, name: str) -> str:
    """A histogram for people."""
    total = scrape.total(f"{name}_count")
    rows = [f"{name}: {total:.0f} observations, mean {scrape.total(f'{name}_sum') / max(1, total) * 1000:.0f} ms"]
    for (bound,), count in sorted(scrape.by(f"{name}_bucket", "le").items(), key=lambda row: float(row[0][0])):
        rows.append(f"  ≤ {bound:>5} s  {count:5.0f}  {count / max(1, total):7.1%}")
    return "\n".join(rows)


async def probe(stage: Stage, until_ms: int) -> float:
    """How long the API server takes for next to nothing, in seconds (the 99th percentile)."""
    took = []
    while time.time_ns() // 10**6 < until_ms:
        began = time.monotonic()
        await stage.client.get(NAMESPACES, "default")
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    return sorted(took)[len(took) * 99 // 100]


async def play(stage: Stage) -> float:
    """Let them all run dry; return how long the API server took for nothing meanwhile."""
    story, limit = Story(stage, new_name("lateness")), asyncio.Semaphore(8)
    await story.begin()
    try:
        spaces = await asyncio.gather(*(open_workspace(story, number, limit) for number in range(WALLETS)))
        for _, jobs in spaces:
            for job in jobs:
                await job.runs(START_SECONDS)
        first_ms = time.time_ns() // 10**6 + AHEAD_MS
        await asyncio.gather(
            *(
                let_run_dry(space, jobs, first_ms + number * WITHIN_MS // WALLETS, limit)
                for number, (space, jobs) in enumerate(spaces)
            )
        )
        await asyncio.sleep(first_ms / 1000 - time.time())
        idle_seconds = await probe(stage, first_ms + WITHIN_MS)
        for number, (_, jobs) in enumerate(spaces):
            for job in jobs:
                await job.ends(SUCCESS, "OutOfCredits", within_seconds=START_SECONDS)
                assert job.ended_ms == first_ms + number * WITHIN_MS // WALLETS
        for _, jobs in spaces:
            for job in jobs:
                await job.has_no_pods()
        return idle_seconds
    finally:
        await story.end()
        await story.is_over()


async def test_jobs_are_stopped_promptly_when_a_hundred_wallets_run_dry(cluster: Cluster, tmp_path: Path) -> None:
    async with open_stage(cluster, tmp_path / "operator.log", SETTINGS) as stage:
        try:
            idle_seconds = await play(stage)
        except BaseException:
            print(stage.operator.said())
            raise
        scrape = await stage.operator.scrape()
        print(table(scrape, ACKNOWLEDGED), table(scrape, LATENESS), sep="\n")
        stops = scrape.total(f"{ACKNOWLEDGED}_count")
        prompt = scrape.total(f"{ACKNOWLEDGED}_bucket", le=str(P99_SECONDS))
        assert stops == WALLETS * JOBS_EACH
        if idle_seconds > BUSY_SECONDS:
            pytest.skip(f"this machine has no time to measure on: the API server took {idle_seconds:.3f} s for a GET")
        assert prompt >= 0.99 * stops
