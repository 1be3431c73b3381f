"""API writes are the budget (design: 2 up to RUNNING, 4 until a job has ended by itself, 6 when credits end it).

Counted is what the operator sends, by its own /metrics: each create, patch and delete, whatever it is about. Wallets'
own writes are counted apart, since they don't grow with the jobs, and the lease's, which comes by itself, isn't.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devcluster import Cluster
from tests.cluster.storytelling.cast import SUCCESS, Job, Stage, Story, new_name
from tests.cluster.storytelling.telling import open_stage
from ucloud_operator.kube.objects import section, text
from ucloud_operator.kube.resources import EVENTS

POLICIES = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
STAMPS = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
JOBS = 5
METERING_SECONDS = 3
SETTINGS = {"minimum_run_seconds": 1, "metering_seconds": METERING_SECONDS, "queue_notice_seconds": 30}
REQUESTS = "ucloud_api_requests_total"
ACCEPTED = ("200", "201", "202")
Write = tuple[str, str]
OF_WALLETS = ("wallets", "walletstatements", "ledgercheckpoints")


@pytest.fixture(scope="module", params=["with policies", "without policies"])
def writes_for_the_finalizer(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[int]:
    """Where the API server stamps it, a job is born with our finalizer; else it costs one more write."""
    if request.param == "with policies":
        yield 0 if cluster.stamps else 1
        return
    cluster.kubectl("delete", ",".join((*POLICIES, *STAMPS) if cluster.stamps else POLICIES), "--all")
    yield 1
    cluster.process("api-server").stop()  # since it dropped a policy with parameters, it is blind to their changes
    cluster.start()


class Ledger:
    """The operator's writes since the last look."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._before: Counter[tuple[str, str, str]] = Counter()

    async def begin(self) -> None:
        """Forget what was before."""
        self._before = await self._all()

    async def since(self) -> Counter[Write]:
        """Writes that were accepted, by verb and resource.

        What was refused because a kubelet wrote at the same moment is no write; that it is seldom is checked here.
        """
        await asyncio.sleep(0.5)  # we may see what a write brought about before its writer does
        now = await self._all()
        new, self._before = now - self._before, now
        refused = {key: count for key, count in new.items() if key[2] not in ACCEPTED}
        if refused:
            print("refused:", refused)
        assert sum(refused.values()) <= JOBS
        return Counter({key[:2]: count for key, count in new.items() if key[2] in ACCEPTED})

    async def _all(self) -> Counter[tuple[str, str, str]]:
        scrape = await self._stage.operator.scrape()
        return Counter(
            {
                (verb, resource, status): int(count)
                for (verb, resource, status), count in scrape.by(REQUESTS, "verb", "resource", "status").items()
                if verb in {"create", "patch", "delete"} and resource != "leases"
            }
        )


def of_jobs(writes: Counter[Write]) -> Counter[Write]:
    """Without those that are the wallets'."""
    return Counter({key: count for key, count in writes.items() if key[1].partition("/")[0] not in OF_WALLETS})


def of_wallets(writes: Counter[Write]) -> int:
    return writes.total() - of_jobs(writes).total()


async def events_about(stage: Stage, namespace: str, kind: str) -> int:
    events = await stage.client.list(EVENTS, namespace=namespace)
    return sum(text(section(event, "involvedObject"), "kind") == kind for event in events)


@asynccontextmanager
async def telling(cluster: Cluster, folder: Path, title: str) -> AsyncIterator[tuple[Story, Ledger]]:
    async with open_stage(cluster, folder / "operator.log", SETTINGS) as stage:
        story = Story(stage, new_name(title))
        await story.begin()
        try:
            yield story, Ledger(stage)
        except BaseException:
            print(stage.operator.said())
            raise
        finally:
            await story.end()
            await story.is_over()


async def all_of(jobs: list[Job], reason: str) -> None:
    for job in jobs:
        await job.ends(SUCCESS, reason)
        await job.has_stopped()


async def test_a_job_costs_few_writes(cluster: Cluster, tmp_path: Path, writes_for_the_finalizer: int) -> None:
    async with telling(cluster, tmp_path, "few-writes") as (story, ledger):
        home = await story.workspace()
        brief = await story.application("brief", exit_after="3s")
        await ledger.begin()

        jobs = [await home.job(f"brief-{number}", application=brief) for number in range(JOBS)]
        for job in jobs:
            await job.runs()
        starting = of_jobs(await ledger.since())
        print("up to RUNNING:", dict(starting))
        assert starting.total() == (2 + writes_for_the_finalizer) * JOBS

        await all_of(jobs, "Completed")
        ending = of_jobs(await ledger.since())
        print("until they have ended by themselves:", dict(ending))
        assert ending.total() == 2 * JOBS

        for job in jobs:
            await job.delete()
        for job in jobs:
            await job.is_gone()
        deleting = await ledger.since()
        print("when they are deleted:", dict(deleting))
        assert of_jobs(deleting).total() == JOBS
        assert await events_about(story.stage, home.namespace, "UCloudJob") == 0


async def test_a_job_that_credits_end_costs_two_writes_more(
    cluster: Cluster, tmp_path: Path, writes_for_the_finalizer: int
) -> None:
    async with telling(cluster, tmp_path, "ended-by-credits") as (story, ledger):
        homes = [await story.workspace(f"home-{number}", quota=6000) for number in range(JOBS)]
        await ledger.begin()
        jobs = [await home.job() for home in homes]
        await all_of(jobs, "OutOfCredits")
        for job in jobs:
            await job.has_no_pods()
        writes = of_jobs(await ledger.since())
        about_wallets = [await events_about(story.stage, home.namespace, "Wallet") for home in homes]
        print("until credits have ended them:", dict(writes), "of which Events about wallets:", sum(about_wallets))
        assert writes.total() - sum(about_wallets) == (6 + writes_for_the_finalizer) * JOBS
        assert max(about_wallets) <= 2  # that they will soon be used up, and that they are


async def test_an_idle_minute_costs_a_write_per_wallet_and_none_per_job(cluster: Cluster, tmp_path: Path) -> None:
    async with telling(cluster, tmp_path, "idle") as (story, ledger):
        faculty = await story.workspace("faculty")
        spaces = [await story.workspace(name, under=faculty) for name in ("left", "right")]
        jobs = [await space.job(f"job-{number}") for space in spaces for number in range(JOBS)]
        for job in jobs:
            await job.runs()
        await asyncio.sleep(2 * METERING_SECONDS)  # until the new rates and forecasts are published
        await ledger.begin()
        await asyncio.sleep(3 * METERING_SECONDS)
        writes = await ledger.since()
        print(f"in {3 * METERING_SECONDS} s, with {JOBS} jobs on each of 2 wallets under a third:", dict(writes))
        assert not of_jobs(writes)
        assert of_wallets(writes) <= 3 * (1 + len(spaces))
        assert of_wallets(writes) >= 2 * len(spaces)  # and people see the numbers grow
