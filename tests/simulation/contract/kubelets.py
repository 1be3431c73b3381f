"""The contract about kubelets: how containers start, end, and are stopped, and what is left to be seen of it.

Neither kubelet that these stories meet is a real one; they hold the simulation's and the devcluster's together.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.contract.controllers import gone
from tests.simulation.contract.pods import RELEASED, held
from tests.simulation.contract.stage import Stage, story, uid_of
from tests.simulation.objects import stamped_ms
from tests.simulation.stories import pod
from ucloud_operator.kube.resources import PODS

if TYPE_CHECKING:
    from tests.simulation.objects import Json


async def seen(stage: Stage, phase: str) -> Json:
    """Wait until the pod is in a phase, and return it."""
    found: Json = {}

    async def is_there() -> bool:
        found.update(await stage.admin.client.get(PODS, "p", namespace=stage.namespace))
        return bool(found["status"]["phase"] == phase)

    await stage.settled(is_there)
    return found


def state_of(thing: Json) -> Json:
    """Return its container's state."""
    (container,) = thing["status"]["containerStatuses"]
    state: Json = container["state"]
    return state


async def run(stage: Stage, thing: Json) -> Json:
    """Create a pod and wait until it runs."""
    await stage.admin.client.create(PODS, thing, namespace=stage.namespace)
    return await seen(stage, "Running")


async def delete(stage: Stage, thing: Json, grace_seconds: int | None = None) -> None:
    """Delete a pod."""
    await stage.admin.client.delete(
        PODS, "p", uid=uid_of(thing), namespace=stage.namespace, grace_period_seconds=grace_seconds
    )


@story
async def a_container_that_runs_says_since_when(stage: Stage) -> None:
    running = await run(stage, pod(scheduled=True))
    started_ms = stamped_ms(state_of(running)["running"]["startedAt"])
    created_ms = stamped_ms(running["metadata"]["creationTimestamp"])
    assert 0 <= started_ms - created_ms <= 5000
    assert running["spec"]["nodeName"]
    assert running["status"]["startTime"]


@story
async def a_container_that_ends_well_has_succeeded(stage: Stage) -> None:
    await run(stage, pod(scheduled=True, exit_after="2s"))
    ended = state_of(await seen(stage, "Succeeded"))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert 1000 <= stamped_ms(ended["finishedAt"]) - stamped_ms(ended["startedAt"]) <= 4000


@story
async def a_container_that_ends_badly_has_failed(stage: Stage) -> None:
    await run(stage, pod(scheduled=True, exit_after="1s", exit_code="3"))
    ended = state_of(await seen(stage, "Failed"))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")


@story
async def a_container_that_takes_too_much_memory_says_so(stage: Stage) -> None:
    await run(stage, pod(scheduled=True, exit_after="1s", fail="oom"))
    ended = state_of(await seen(stage, "Failed"))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


@story
async def an_evicted_pod_says_so(stage: Stage) -> None:
    await run(stage, pod(scheduled=True, exit_after="1s", fail="evicted"))
    assert (await seen(stage, "Failed"))["status"]["reason"] == "Evicted"


@story
async def containers_of_which_nothing_is_known_have_no_times(stage: Stage) -> None:
    await run(stage, pod(scheduled=True, exit_after="1s", fail="unknown"))
    ended = state_of(await seen(stage, "Failed"))["terminated"]
    assert ended["reason"] == "ContainerStatusUnknown"
    assert not ended.get("finishedAt")


@story
async def an_image_that_cannot_be_pulled_is_waited_for(stage: Stage) -> None:
    await stage.admin.client.create(PODS, pod(scheduled=True, fail="image-pull"), namespace=stage.namespace)

    async def gives_up() -> bool:
        found: Json = await stage.admin.client.get(PODS, "p", namespace=stage.namespace)
        statuses = found["status"].get("containerStatuses", [])
        return any(status["state"].get("waiting", {}).get("reason") == "ImagePullBackOff" for status in statuses)

    await stage.settled(gives_up)
    assert (await seen(stage, "Pending"))["spec"]["nodeName"]


@story
async def the_end_of_a_deleted_container_is_seen_while_something_holds_its_pod(stage: Stage) -> None:
    running = await run(stage, held(pod(scheduled=True, grace_seconds=5)))
    await delete(stage, running)
    ended = await seen(stage, "Failed")
    assert state_of(ended)["terminated"]["exitCode"] == 143
    assert state_of(ended)["terminated"]["finishedAt"]

    async def is_done() -> bool:
        found: Json = await stage.admin.client.get(PODS, "p", namespace=stage.namespace)
        return bool(found["metadata"]["deletionGracePeriodSeconds"] == 0)

    await stage.settled(is_done)
    await stage.admin.client.patch(PODS, "p", RELEASED, namespace=stage.namespace)
    await stage.settled(lambda: gone(stage, PODS, "p"))


@story
async def a_deleted_pod_that_nothing_holds_goes_when_its_container_has_ended(stage: Stage) -> None:
    running = await run(stage, pod(scheduled=True))
    await delete(stage, running)
    await stage.settled(lambda: gone(stage, PODS, "p"))


@story
async def who_ignores_sigterm_is_killed_two_seconds_later_at_the_earliest(stage: Stage) -> None:
    running = await run(stage, held(pod(scheduled=True, grace_seconds=1, ignore_sigterm="true")))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await delete(stage, running)
    ended = await seen(stage, "Failed")
    assert state_of(ended)["terminated"]["exitCode"] == 137
    assert 1.9 <= loop.time() - began <= 5
    await stage.admin.client.patch(PODS, "p", RELEASED, namespace=stage.namespace)


@story
async def a_deadline_stops_a_running_pod(stage: Stage) -> None:
    running = await run(stage, pod(scheduled=True, grace_seconds=1))
    await stage.seconds(2)
    await stage.admin.client.patch(PODS, "p", {"spec": {"activeDeadlineSeconds": 3}}, namespace=stage.namespace)
    ended = await seen(stage, "Failed")
    assert ended["status"]["reason"] == "DeadlineExceeded"
    finished_ms = stamped_ms(state_of(ended)["terminated"]["finishedAt"])
    assert 2000 <= finished_ms - stamped_ms(running["status"]["startTime"]) <= 7000
    assert "deletionTimestamp" not in ended["metadata"]
