"""The contract about lists and watches: what is told, in which order, and when history has been forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.contract.stage import Stage, name_of, refused, story, uid_of, version_of
from tests.simulation.stories import job, pod
from ucloud_operator.kube.errors import Gone
from ucloud_operator.kube.resources import CONFIGMAPS, PODS, UCLOUDJOBS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ucloud_operator.kube.client import WatchEvent
    from ucloud_operator.kube.resources import Resource

STORY = {"labels": {"story": "x"}}


async def told(stage: Stage, resource: Resource, since: str, count: int, labels: str | None = None) -> Sequence[str]:
    """Watch from a version on, and return that many events as `TYPE name`."""
    events: list[WatchEvent] = []
    async with (
        asyncio.timeout(30),
        stage.admin.client.watch(
            resource, resource_version=since, namespace=stage.namespace, label_selector=labels, timeout_seconds=20
        ) as watched,
    ):
        async for event in watched:
            if event.type != "BOOKMARK":
                events.append(event)
            if len(events) == count:
                break
    return [f"{event.type} {name_of(event.object)}" for event in events]


async def present(stage: Stage, resource: Resource) -> str:
    """Return the version of a list."""
    version = ""
    async for page in stage.admin.client.pages(resource, namespace=stage.namespace):
        version = page.resource_version
    return version


@story
async def a_watch_tells_everything_in_order(stage: Stage) -> None:
    since = await present(stage, UCLOUDJOBS)
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    await stage.operator.patch_status(UCLOUDJOBS, "a", {"usage": 1}, version=version_of(made))
    await stage.admin.create(UCLOUDJOBS, job("b"))
    await stage.admin.delete(UCLOUDJOBS, "a", uid=uid_of(made))
    await stage.operator.patch(UCLOUDJOBS, "a", {"metadata": {"finalizers": None}})
    assert await told(stage, UCLOUDJOBS, since, 5) == [
        "ADDED a",
        "MODIFIED a",
        "ADDED b",
        "MODIFIED a",
        "DELETED a",
    ]


@story
async def what_changes_nothing_is_not_told(stage: Stage) -> None:
    since = await present(stage, UCLOUDJOBS)
    await stage.admin.create(UCLOUDJOBS, job("a"))
    await stage.admin.patch(UCLOUDJOBS, "a", {"metadata": {"labels": None}})
    await stage.admin.create(UCLOUDJOBS, job("b"))
    assert await told(stage, UCLOUDJOBS, since, 2) == ["ADDED a", "ADDED b"]


@story
async def an_object_that_loses_its_label_is_deleted_to_those_who_select_it(stage: Stage) -> None:
    since = await present(stage, CONFIGMAPS)
    await stage.admin.create(CONFIGMAPS, {"metadata": {"name": "a", **STORY}})
    await stage.admin.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"story": None}}})
    await stage.admin.patch(CONFIGMAPS, "a", {"data": {"unseen": "x"}})
    await stage.admin.patch(CONFIGMAPS, "a", {"metadata": STORY})
    made = await stage.admin.patch(CONFIGMAPS, "a", {"data": {"seen": "x"}})
    await stage.admin.delete(CONFIGMAPS, "a", uid=uid_of(made))
    assert await told(stage, CONFIGMAPS, since, 5, "story=x") == [
        "ADDED a",
        "DELETED a",
        "ADDED a",
        "MODIFIED a",
        "DELETED a",
    ]


@story
async def the_versions_of_all_kinds_are_one_sequence(stage: Stage) -> None:
    first = await stage.admin.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    second = await stage.admin.create(UCLOUDJOBS, job("a"))
    third = await stage.admin.create(PODS, pod())
    assert int(version_of(first)) < int(version_of(second)) < int(version_of(third))


@story
async def the_last_state_of_a_deleted_object_has_a_version_of_its_own(stage: Stage) -> None:
    made = await stage.admin.create(CONFIGMAPS, {"metadata": {"name": "a", **STORY}, "data": {"a": "b"}})
    await stage.admin.delete(CONFIGMAPS, "a", uid=uid_of(made))
    async with stage.admin.client.watch(
        CONFIGMAPS, resource_version=version_of(made), namespace=stage.namespace, label_selector="story=x"
    ) as watched:
        async for event in watched:
            if event.type != "DELETED":
                continue
            assert uid_of(event.object) == uid_of(made)
            assert int(version_of(event.object)) > int(version_of(made))
            assert event.object["data"] == {"a": "b"}
            break


@story
async def a_forgotten_version_is_gone(stage: Stage) -> None:
    assert isinstance(await refused(told(stage, UCLOUDJOBS, "1", 1)), Gone)


@story
async def a_list_comes_in_pages_of_one_moment(stage: Stage) -> None:
    for name in ("a", "b", "c"):
        await stage.admin.create(CONFIGMAPS, {"metadata": {"name": name, **STORY}})
    sizes, names = [], []
    versions: set[str] = set()
    async for page in stage.admin.client.pages(
        CONFIGMAPS, namespace=stage.namespace, label_selector="story=x", limit=2
    ):
        if not versions:
            await stage.admin.create(CONFIGMAPS, {"metadata": {"name": "late", **STORY}})
        sizes.append(len(page.items))
        versions.add(page.resource_version)
        names += [name_of(thing) for thing in page.items]
    assert (sizes, len(versions), names) == ([2, 1], 1, ["a", "b", "c"])


@story
async def a_watch_ends_when_its_time_is_up(stage: Stage) -> None:
    since = await present(stage, UCLOUDJOBS)
    async with stage.admin.client.watch(
        UCLOUDJOBS, resource_version=since, namespace=stage.namespace, timeout_seconds=1
    ) as watched:
        assert [event async for event in watched if event.type != "BOOKMARK"] == []
