"""A node that falls silent, as a real controller manager sees it: what it says of the pods there ends their bill."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import Cluster
from tests.cluster.storytelling.cast import SUCCESS, Job, Stage, Story, new_name
from tests.cluster.storytelling.telling import SETTINGS, open_stage
from tests.cluster.storytelling.view import Pod
from tests.cluster.support import eventually, paused
from ucloud_operator.api import format_time, parse_time

CALLED_SILENT_SECONDS = 90
"""A node may be silent for 50 s, and is looked at every 5."""


@contextmanager
def silent_nodes(cluster: Cluster) -> Iterator[None]:
    """No kubelet says anything for as long as the block takes."""
    with paused(cluster.process("kwok")):
        yield
    ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    eventually(lambda: set(cluster.kubectl("get", "nodes", f"--output={ready}").split()) == {"True"}, within_seconds=60)


async def are_called_not_ready(stage: Stage, job: Job) -> list[int]:
    """Return when it was said of each of the job's pods, without a reason, as soon as it was of all."""
    until = time.monotonic() + CALLED_SILENT_SECONDS
    while True:
        pods = json.loads(await stage.kubectl("get", "pods", f"--namespace={job.namespace}", "--output=json"))["items"]
        ready = [each for pod in pods for each in pod["status"]["conditions"] if each["type"] == "Ready"]
        if all(each["status"] == "False" for each in ready):
            assert not any(each.get("reason") for each in ready), ready
            return [parse_time(each["lastTransitionTime"]) for each in ready]
        assert time.monotonic() < until, ready
        await asyncio.sleep(0.5)


async def say_that_it_has_completed(stage: Stage, pod: Pod) -> None:
    """Say so for its kubelet."""
    where = ("pod", pod.metadata.name, f"--namespace={pod.metadata.namespace}")
    (container,) = json.loads(await stage.kubectl("get", *where, "--output=json"))["status"]["containerStatuses"]
    now, started = format_time(time.time_ns() // 10**9 * 1000), container["state"]["running"]["startedAt"]
    end = {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now.replace(".000Z", "Z")}
    status = {"phase": "Succeeded", "containerStatuses": [{**container, "state": {"terminated": end}}]}
    await stage.kubectl(
        "patch", *where, "--subresource=status", "--type=merge", f"--patch={json.dumps({'status': status})}"
    )


async def test_a_job_of_which_a_node_falls_silent_is_billed_until_that_is_said(
    restless: Cluster, tmp_path: Path
) -> None:
    async with open_stage(restless, tmp_path / "operator.log", SETTINGS) as stage:
        story = Story(stage, new_name("silence"))
        await story.begin()
        job = await (await story.workspace()).job(replicas=2)
        await job.runs()
        with silent_nodes(restless):
            said_ms = await are_called_not_ready(stage, job)
            await asyncio.sleep(3)
            assert job.now.status.state == "RUNNING"
            await say_that_it_has_completed(stage, job.pods[0])
            await job.ends(SUCCESS, "Completed")
            assert job.ended_ms == said_ms[1]
            print(f"billed for {job.lengths_ms[0] / 1000:.0f} s, until its second node was called silent")
        await story.end()
        await story.is_over()
