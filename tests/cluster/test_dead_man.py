"""Nobody is there when credits run out: the dead man's switch, and what becomes of those for whom it wasn't set."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster import Cluster
from tests.chaos.witness import Witness, witnessing
from tests.cluster.storytelling.cast import RUNNING, SUCCESS, Job, Story, Workspace, new_name
from tests.cluster.storytelling.replicas import Pair, pair
from tests.cluster.storytelling.stage import Stage
from tests.cluster.storytelling.view import watching

SETTINGS = {"minimum_run_seconds": 1, "arm_seconds": 4}
QUOTA = 27_000  # which three replicas use in 9 s
AWAY_SECONDS = 3
"""How long after the end of the credits nobody is there yet."""
KUBELETS_SECONDS = 2.5
"""How long after it a kubelet may take by itself: its deadline is in whole seconds, and it looks every second."""
OVERRUN = "ucloud_overrun_seconds_total"


@dataclass
class Scene:
    """Three containers of two jobs that have one wallet, and two replicas of the operator."""

    replicas: Pair
    witness: Witness
    home: Workspace
    jobs: list[Job]
    end_ms: int

    async def everybody_dies(self) -> None:
        await asyncio.gather(self.replicas.leader.kill(), self.replicas.standby.kill())
        assert time.time() < self.end_ms / 1000, "the machine is too slow: the credits have ended before"

    async def somebody_comes_back(self) -> None:
        """Some time after the credits have ended."""
        await asyncio.sleep(self.end_ms / 1000 + AWAY_SECONDS - time.time())
        assert all(job.now.status.state is RUNNING for job in self.jobs)  # who should have said otherwise?

    async def all_is_settled(self) -> None:
        """Start one replica, and expect what there would have been if nobody had died, but for the overrun."""
        await self.replicas.leader.start()
        for job in self.jobs:
            await job.ends(SUCCESS, "OutOfCredits", "Your job has been terminated (No more credits)")
            assert job.ended_ms == self.end_ms
            await job.has_stopped()
        assert sum(job.usage for job in self.jobs) == QUOTA
        await self.home.account.is_locked()
        overrun = sum(late_ms for late_ms in self.late_ms()) / 1000
        print(f"containers ended {self.late_ms()} ms after their credits")
        assert (await self.replicas.leader.scrape()).total(OVERRUN) == pytest.approx(overrun)

    def late_ms(self) -> list[int]:
        """How long after the end of the credits each container ended, by its kubelet's stamp; 0 before."""
        ends = [each.finished_ms for job in self.jobs for each in self.witness.of_job(job.uid)]
        return [max(0, end - self.end_ms) for end in ends if end is not None]


@asynccontextmanager
async def scene(cluster: Cluster, folder: Path, title: str) -> AsyncIterator[Scene]:
    """All runs, and it is known when the credits end."""
    async with (
        watching(cluster) as (view, client),
        witnessing(client) as witness,
        pair(cluster, folder, SETTINGS) as replicas,
    ):
        story = Story(Stage(cluster, view, client, replicas.leader), new_name(title))
        await story.begin()
        home = await story.workspace(quota=QUOTA)
        jobs = await asyncio.gather(home.job("single"), home.job("double", replicas=2))
        for job in jobs:
            await job.runs()
        spent = sum(each.started_ms * each.now.spec.replicas for each in jobs)
        end_ms = (QUOTA + spent) // 3
        yield Scene(replicas, witness, home, list(jobs), end_ms)
        await story.end()
        await story.is_over()


async def test_kubelets_stop_armed_jobs_when_every_operator_is_dead(cluster: Cluster, tmp_path: Path) -> None:
    async with scene(cluster, tmp_path, "armed") as play:
        view = play.home.stage.view
        pods = [pod.name for job in play.jobs for pod in job.pods]
        assert len(pods) == 3
        await view.until(
            lambda: all(pod.spec.active_deadline_seconds for job in play.jobs for pod in job.pods), str, 10
        )
        await play.everybody_dies()
        await play.somebody_comes_back()
        assert len(play.late_ms()) == 3
        assert max(play.late_ms()) <= 1000 * KUBELETS_SECONDS
        await play.all_is_settled()


async def test_jobs_that_nobody_armed_run_on_and_are_billed_until_their_credits_end(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with scene(cluster, tmp_path, "unarmed") as play:
        await play.everybody_dies()
        await play.somebody_comes_back()
        assert play.late_ms() == []  # they run on
        await play.all_is_settled()
        assert len(play.late_ms()) == 3
        assert min(play.late_ms()) >= 1000 * (AWAY_SECONDS - 1)
