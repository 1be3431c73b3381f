"""`ucloud-operator ledger audit` on a real API server: what the operator wrote adds up, what is forged doesn't."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from devcluster import Cluster
from tests.cluster.storytelling.cast import SUCCESS, Job, Story, Workspace
from tests.cluster.storytelling.promises import statements_of
from tests.cluster.storytelling.telling import story
from ucloud_operator.kube.resources import WALLETS, WALLETSTATEMENTS

LONGEST_SECONDS = 60
QUIET_SECONDS = 3


@dataclass(frozen=True)
class Audited:
    """What the command printed about some wallets, and how it ended."""

    exit_code: int
    differences: Mapping[str, tuple[str, ...]]


def audited(cluster: Cluster, *workspaces: Workspace, patience: int) -> Audited:
    """Run the command as an administrator does; the stories beside ours are none of its tests' business."""
    command = (sys.executable, "-m", "ucloud_operator", "ledger", "audit", "--json", f"--patience={patience}")
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
    )
    assert ended.stdout, ended.stderr
    found = {line["wallet"]: line for line in map(json.loads, ended.stdout.splitlines())}
    ours = (f"{each.account.namespace}/{each.account.name}" for each in workspaces)
    return Audited(ended.returncode, {key: tuple(each["what"] for each in found[key]["differences"]) for key in ours})


async def audit(*workspaces: Workspace, patience: int) -> Audited:
    cluster = workspaces[0].stage.cluster
    return await asyncio.to_thread(audited, cluster, *workspaces, patience=patience)


async def cancelled(job: Job) -> Job:
    """A job that has run for a moment and was cancelled."""
    await job.runs()
    await asyncio.sleep(1)
    await job.patch(terminate=True)
    await job.ends(SUCCESS, "Cancelled")
    return job


async def family(story: Story) -> tuple[Workspace, Workspace]:
    """A wallet and one below it that has paid for a job that is gone, one that has ended and one that runs."""
    faculty = await story.workspace("faculty")
    home = await story.workspace("home", quota=10**9, under=faculty)
    gone, ended = await home.job("gone"), await home.job("ended")
    await asyncio.gather(cancelled(gone), cancelled(ended))
    await gone.delete()
    await gone.is_gone()
    await (await home.job("running")).runs()
    await home.account.until(lambda wallet: wallet.status.settled_usage == gone.usage)
    return faculty, home


@story
async def test_what_the_operator_writes_adds_up(story: Story) -> None:
    faculty, home = await family(story)
    found = await audit(faculty, home, patience=15)
    assert set(found.differences.values()) == {()}


@story
async def test_a_forged_statement_is_found(story: Story) -> None:
    faculty, home = await family(story)
    (statement,) = await statements_of(home.account)
    metadata, forged = statement.metadata, {"spec": {"total": statement.spec.total + 1}}
    await story.stage.client.patch(WALLETSTATEMENTS, metadata.name, forged, namespace=metadata.namespace)
    found = await audit(faculty, home, patience=2)
    assert found.exit_code == 1
    assert found.differences == {
        faculty.account.now.key: (),
        home.account.now.key: (f"total of {metadata.name}",),
    }


@story
async def test_a_forged_status_is_found(story: Story) -> None:
    home = await story.workspace(quota=10**9)
    job = await cancelled(await home.job())
    await home.account.uses(job.usage)
    await asyncio.sleep(QUIET_SECONDS)
    wallet, forged = home.account.now, {"localUsage": job.usage - 1}
    version = wallet.metadata.resource_version
    await story.stage.client.patch_status(
        WALLETS, home.account.name, forged, resource_version=version, namespace=home.namespace
    )
    found = await audit(home, patience=2)
    assert found.exit_code == 1
    assert found.differences == {wallet.key: ("localUsage", "totalUsage less localUsage")}
