"""`ucloud-operator release` on a real API server: what a dead operator holds goes, and nothing while one leads."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from devcluster import Cluster
from tests.cluster.storytelling.cast import Story, new_name, uid_of
from tests.cluster.storytelling.telling import open_stage
from ucloud_operator.kube.resources import NAMESPACES

LONGEST_SECONDS = 60
SETTINGS = {"minimum_run_seconds": 1, "lease_seconds": 3, "renew_seconds": 1}


async def release(cluster: Cluster, *options: str) -> tuple[int, str]:
    """Run the command as an administrator does; its exit code and what it said."""
    command = (sys.executable, "-m", "ucloud_operator", "release", *options)
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    ended = await asyncio.to_thread(
        subprocess.run,
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_what_a_dead_operator_holds_is_released(cluster: Cluster, tmp_path: Path) -> None:
    async def story() -> None:
        async with open_stage(cluster, tmp_path / "operator.log", SETTINGS) as stage:
            story = Story(stage, new_name("release"))
            await story.begin()
            home, other = await story.workspace(), await story.workspace("other")
            goes, stays, last = await home.job("goes"), await home.job("stays"), await other.job("last")
            for job in (goes, stays, last):
                await job.runs()

            code, said = await release(cluster)
            assert code == 1
            assert "leads, and lets go by itself" in said

            await stage.operator.kill()
            await goes.delete()
            await home.account.delete()
            await asyncio.sleep(1)
            assert goes.exists, "its finalizer holds it"
            code, said = await release(cluster)
            assert code == 0, said
            assert f"ucloudjobs.ucloud.dk {home.namespace}/goes released" in said
            assert f"wallets.ucloud.dk {home.namespace}/{home.account.name} released" in said
            assert f"{home.namespace}/stays" not in said
            await goes.is_gone()
            await goes.has_no_pods()  # whom Kubernetes deletes only then
            await home.account.is_gone()

            uid = uid_of(await stage.client.get(NAMESPACES, home.namespace))
            await stage.client.delete(NAMESPACES, home.namespace, uid=uid)
            code, said = await release(cluster)
            assert code == 0, said
            assert f"{home.namespace}/stays released" in said
            assert other.namespace not in said
            await home.is_gone()

            code, said = await release(cluster, "--all")
            assert code == 0, said
            assert f"{other.namespace}/last released" in said
            await last.delete()
            await last.is_gone()
            await stage.operator.start()
            await story.end()

    asyncio.run(story())
