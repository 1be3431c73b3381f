"""A node that falls silent, as a real controller manager sees it: what it says of the pods there ends their bill."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import Cluster
from tests.cluster.storytelling.cast import SUCCESS, Job, Story, new_name
from tests.cluster.storytelling.telling import SETTINGS, open_stage
from tests.cluster.storytelling.view import Pod
from tests.cluster.support import eventually, get, paused
from tests.simulation.objects import Json, stamp
from ucloud_operator.api import parse_time

CALLED_SILENT_SECONDS = 90
"""A node may be silent for 50 s, and is looked at every 5."""


@contextmanager
def silent_nodes(cluster: Cluster) -> Iterator[None]:
    """No kubelet says anything for as long as the block takes."""
    with paused(cluster.process("kwok")):
        yield
    ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
    eventually(lambda: set(cluster.kubectl("get", "nodes", f"--output={ready}").split()) == {"True"}, within_seconds=60)


def readiness(job: Job) -> list[Json]:
    """Return what is said of whether the job's pods are ready."""
    pods: list[Json] = get(job.stage.cluster, job.namespace, "pods")["items"]  # type: ignore[assignment]  # a list's
    return [each for pod in pods for each in pod["status"]["conditions"] if each["type"] == "Ready"]


def are_called_not_ready(job: Job) -> list[int]:
    """Return when it was said of each of the job's pods, without a reason, as soon as it was of all."""
    eventually(
        lambda: all(each["status"] == "False" for each in readiness(job)),
        within_seconds=CALLED_SILENT_SECONDS,
        every_seconds=0.5,
    )
    said = readiness(job)
    assert not any(each.get("reason") for each in said), said
    return [parse_time(each["lastTransitionTime"]) for each in said]


def say_that_it_has_completed(job: Job, pod: Pod) -> None:
    """Say so for its kubelet."""
    cluster, name = job.stage.cluster, pod.metadata.name
    shown: Json = get(cluster, job.namespace, "pod", name)
    (container,) = shown["status"]["containerStatuses"]
    now, started = stamp(time.time_ns() // 10**6), container["state"]["running"]["startedAt"]
    end = {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now}
    status = {"phase": "Succeeded", "containerStatuses": [{**container, "state": {"terminated": end}}]}
    patch = f"--patch={json.dumps({'status': status})}"
    cluster.kubectl("patch", "pod", name, f"--namespace={job.namespace}", "--subresource=status", "--type=merge", patch)


async def test_a_job_of_which_a_node_falls_silent_is_billed_until_that_is_said(
    restless: Cluster, tmp_path: Path
) -> None:
    async with open_stage(restless, tmp_path / "operator.log", SETTINGS) as stage:
        story = Story(stage, new_name("silence"))
        await story.begin()
        job = await (await story.workspace()).job(replicas=2)
        await job.runs()
        with silent_nodes(restless):
            said_ms = await asyncio.to_thread(are_called_not_ready, job)
            await asyncio.sleep(3)
            assert job.now.status.state == "RUNNING"
            await asyncio.to_thread(say_that_it_has_completed, job, job.pods[0])
            await job.ends(SUCCESS, "Completed")
            assert job.ended_ms == said_ms[1]
            print(f"billed for {job.lengths_ms[0] / 1000:.0f} s, until its second node was called silent")
        await story.end()
        await story.is_over()
