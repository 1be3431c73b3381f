"""`kubectl delete namespace` with everything in it, and `kubectl wait`: what people and their scripts go by."""

import asyncio
import time
from pathlib import Path

from devcluster import Cluster
from tests.cluster.storytelling.cast import SUCCESS, Story, new_name
from tests.cluster.storytelling.promises import lines_of
from tests.cluster.storytelling.telling import SETTINGS, open_stage, story

JOBS = 50
GONE_WITHIN_SECONDS = 30


def test_a_namespace_of_fifty_running_jobs_goes_and_its_usage_stays(cluster: Cluster, tmp_path: Path) -> None:
    async def tale() -> None:
        async with open_stage(cluster, tmp_path / "operator.log", SETTINGS) as stage:
            told = Story(stage, new_name("departure"))
            await told.begin()
            deaf = await told.application("deaf", ignore_sigterm="true")
            faculty = await told.workspace("faculty")
            lab = await told.workspace("lab", under=faculty)
            jobs = [await lab.job("pair", replicas=2)]
            jobs += [await lab.job(f"deaf-{number}", application=deaf) for number in range(10)]
            jobs += [await lab.job(f"job-{number}") for number in range(JOBS - len(jobs))]
            for job in jobs:
                await job.runs(within_seconds=60)

            began = time.monotonic()
            await stage.kubectl("delete", "namespace", lab.namespace, f"--timeout={GONE_WITHIN_SECONDS}s")
            print(f"gone after {time.monotonic() - began:.1f} s")

            lines = await lines_of(lab.account)
            assert set(lines) == {job.uid for job in jobs}
            assert all(line.usage > 0 for line in lines.values())
            assert lines[jobs[0].uid].replicas == 2
            await faculty.account.uses(sum(line.usage for line in lines.values()))
            await told.end()
            await told.is_over()

    asyncio.run(tale())


@story
async def test_kubectl_waits_for_wallets_and_jobs(story: Story) -> None:
    home = await story.workspace(quota=8000)  # 8 s: long enough to be waited for twice
    await home.job()

    async def wait(until: str, what: str) -> str:
        return await story.stage.kubectl(
            "wait", f"--namespace={home.namespace}", f"--for={until}", what, "--timeout=20s"
        )

    assert "condition met" in await wait("condition=Ready", "wallet/credits")
    assert "condition met" in await wait("jsonpath={.status.state}=RUNNING", "ucloudjob/job")
    assert "condition met" in await wait("condition=Running", "ucloudjob/job")
    assert "condition met" in await wait(f"jsonpath={{.status.state}}={SUCCESS.value}", "ucloudjob/job")
    assert "condition met" in await wait("condition=Finished", "ucloudjob/job")
    assert "condition met" in await wait("condition=Locked", "wallet/credits")
