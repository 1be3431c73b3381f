from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.unit.kube.scripted import HurriedClock, ScriptedApi, line, refusal, thing
from ucloud_operator.kube import errors
from ucloud_operator.kube.client import Client, WatchEvent
from ucloud_operator.kube.objects import section, text
from ucloud_operator.kube.reflector import LONGEST_PAUSE_SECONDS, Reflector
from ucloud_operator.kube.resources import PODS
from ucloud_operator.kube.store import Change, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PODS_PATH = "/api/v1/pods"
UNAVAILABLE = refusal(503, "ServiceUnavailable")


class Followed:
    """A reflector of pods, and what it tells, as "+a@1", "~a@2", "-a@3" and, of what vanished, "?a@3"."""

    def __init__(
        self, client: Client, clock: HurriedClock, *, idle_seconds: float = 5, relist_seconds: float | None = None
    ) -> None:
        self.told: list[str] = []
        self.store = Store(lambda raw: text(section(raw, "metadata"), "resourceVersion"), self._note)
        self.reflector = Reflector(
            client, PODS, self.store, clock=clock, idle_seconds=idle_seconds, relist_seconds=relist_seconds
        )

    def _note(self, change: Change[str]) -> None:
        sign = "?" if change.vanished else {"ADDED": "+", "MODIFIED": "~", "DELETED": "-"}[change.kind]
        self.told.append(f"{sign}{change.key.name}@{change.object}")


@pytest.fixture
async def client(api: ScriptedApi, clock: HurriedClock) -> AsyncIterator[Client]:
    async with Client(api.credentials, clock=clock, timeout_seconds=2, attempts=1) as client:
        yield client


@asynccontextmanager
async def running(followed: Followed, api: ScriptedApi) -> AsyncIterator[None]:
    """Let it run until it has played the script to its end; leave it running for the block."""
    async with asyncio.timeout(10):
        task = asyncio.create_task(followed.reflector.run())
        try:
            await api.played_out.wait()
            await asyncio.sleep(0.05)  # the last answer is on its way
            assert not task.done(), task.exception()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def follow(followed: Followed, api: ScriptedApi) -> list[str]:
    async with running(followed, api):
        return followed.told


async def test_it_lists_and_then_watches_from_there(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.lists(PODS_PATH, 5, thing("a", 1), following="more").lists(PODS_PATH, 5, thing("b", 2))
    events = (line("MODIFIED", thing("a", 6)), line("DELETED", thing("b", 7)), line("ADDED", thing("c", 8)))
    api.watches(PODS_PATH, 5, *events, ends=False)
    followed = Followed(client, clock)
    assert not followed.reflector.synced.is_set()
    assert await follow(followed, api) == ["+a@1", "+b@2", "~a@6", "-b@7", "+c@8"]
    assert followed.reflector.synced.is_set()


async def test_a_watch_that_ends_is_resumed_where_it_was(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.lists(PODS_PATH, 5)
    api.watches(PODS_PATH, 5, line("ADDED", thing("a", 6)), line("BOOKMARK", thing("", 9, namespace="")))
    api.watches(PODS_PATH, 9, line("MODIFIED", thing("a", 10)), ends=False)
    assert await follow(Followed(client, clock), api) == ["+a@6", "~a@10"]
    assert clock.pauses == []


async def test_a_watch_cut_within_a_line_loses_and_repeats_nothing(
    api: ScriptedApi, client: Client, clock: HurriedClock
) -> None:
    api.lists(PODS_PATH, 5)
    api.watches(PODS_PATH, 5, line("ADDED", thing("a", 6)), line("ADDED", thing("b", 7))[:-20], cut=True)
    api.watches(PODS_PATH, 6, line("ADDED", thing("b", 7)), ends=False)
    assert await follow(Followed(client, clock), api) == ["+a@6", "+b@7"]
    assert len(clock.pauses) <= 1


async def test_a_watch_that_falls_silent_is_resumed(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.lists(PODS_PATH, 5).watches(PODS_PATH, 5, ends=False)
    api.watches(PODS_PATH, 5, line("ADDED", thing("a", 6)), ends=False)
    assert await follow(Followed(client, clock, idle_seconds=0.1), api) == ["+a@6"]


@pytest.mark.parametrize("within", [True, False], ids=["as an event", "as an answer"])
async def test_after_a_410_what_is_gone_is_told(
    api: ScriptedApi, client: Client, clock: HurriedClock, *, within: bool
) -> None:
    api.lists(PODS_PATH, 5, thing("a", 1), thing("b", 2), thing("c", 3, uid="old"))
    expired = refusal(410, "Expired")
    if within:
        api.watches(PODS_PATH, 5, line("ERROR", expired))
    else:
        api.answers("GET", PODS_PATH, expired, status=410, query={"watch": "true"})
    api.lists(PODS_PATH, 90, thing("a", 80), thing("c", 81, uid="new")).watches(PODS_PATH, 90, ends=False)
    told = await follow(Followed(client, clock), api)
    assert told == ["+a@1", "+b@2", "+c@3", "~a@80", "?c@3", "+c@81", "?b@2"]


async def test_lines_that_make_no_sense_lead_to_a_list(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.lists(PODS_PATH, 5)
    for _ in range(3):
        api.watches(PODS_PATH, 5, b'{"type":"ADDED","object":{"meta\n')
    api.lists(PODS_PATH, 7, thing("a", 6)).watches(PODS_PATH, 7, ends=False)
    assert await follow(Followed(client, clock), api) == ["+a@6"]


async def test_it_tries_for_ever_ever_more_patiently(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    failures = 12
    for _ in range(failures):
        api.answers("GET", PODS_PATH, UNAVAILABLE, status=503)
    api.lists(PODS_PATH, 5, thing("a", 1)).watches(PODS_PATH, 5, ends=False)
    assert await follow(Followed(client, clock), api) == ["+a@1"]
    assert len(clock.pauses) == failures
    assert clock.pauses[0] <= 0.2
    assert LONGEST_PAUSE_SECONDS / 2 <= clock.pauses[-1] <= LONGEST_PAUSE_SECONDS


async def test_a_server_that_asks_for_patience_gets_it(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    busy = refusal(429, "TooManyRequests")
    api.lists(PODS_PATH, 5)
    for _ in range(4):
        api.answers("GET", PODS_PATH, busy, status=429, headers={"Retry-After": "7"}, query={"watch": "true"})
    api.watches(PODS_PATH, 5, line("ADDED", thing("a", 6)), ends=False)
    assert await follow(Followed(client, clock), api) == ["+a@6"]
    assert clock.pauses == [7] * 4


async def test_a_watch_that_always_ends_at_once_is_not_hammered(
    api: ScriptedApi, client: Client, clock: HurriedClock
) -> None:
    api.lists(PODS_PATH, 5)
    for _ in range(6):
        api.watches(PODS_PATH, 5)
    api.watches(PODS_PATH, 5, ends=False)
    await follow(Followed(client, clock), api)
    assert len(clock.pauses) == 6
    assert clock.pauses[-1] > 10 * clock.pauses[0]


async def test_lists_that_work_between_watches_that_fail_bring_no_haste(
    api: ScriptedApi, client: Client, clock: HurriedClock
) -> None:
    for _ in range(6):
        api.lists(PODS_PATH, 5).answers("GET", PODS_PATH, refusal(410, "Expired"), status=410, query={"watch": "true"})
    api.lists(PODS_PATH, 5).watches(PODS_PATH, 5, ends=False)
    await follow(Followed(client, clock), api)
    assert clock.pauses[-1] > 10 * clock.pauses[0]


async def test_a_list_compacted_between_pages_is_not_taken_for_an_empty_cluster(
    api: ScriptedApi, client: Client, clock: HurriedClock
) -> None:
    api.lists(PODS_PATH, 5, thing("a", 1), thing("b", 2)).watches(PODS_PATH, 5, line("ERROR", refusal(410, "Expired")))
    api.lists(PODS_PATH, 9, thing("a", 1), following="more")
    api.answers("GET", PODS_PATH, refusal(410, "Expired"), status=410, query={"continue": "more"})
    api.lists(PODS_PATH, 12, thing("a", 1), following="more").lists(PODS_PATH, 12, thing("b", 2))
    api.watches(PODS_PATH, 12, ends=False)
    assert await follow(Followed(client, clock), api) == ["+a@1", "+b@2"]


async def test_a_history_that_went_back_is_believed(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.lists(PODS_PATH, 500, thing("a", 400), thing("b", 401))
    api.watches(PODS_PATH, 500, line("MODIFIED", thing("a", 501)), line("ERROR", refusal(500, "InternalError")))
    for _ in range(3):
        api.watches(PODS_PATH, 501, line("ERROR", refusal(504, "Timeout", "Too large resource version")))
    api.lists(PODS_PATH, 300, thing("a", 200)).watches(PODS_PATH, 300, ends=False)
    assert await follow(Followed(client, clock), api) == ["+a@400", "+b@401", "~a@501", "~a@200", "?b@401"]


async def test_lists_are_repeated_where_that_is_wished(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.lists(PODS_PATH, 5, thing("a", 1)).watches(PODS_PATH, 5, line("BOOKMARK", thing("", 6)))
    api.lists(PODS_PATH, 9, thing("b", 8)).watches(PODS_PATH, 9, ends=False)
    followed = Followed(client, clock, relist_seconds=0)
    assert await follow(followed, api) == ["+a@1", "+b@8", "?a@1"]


async def test_a_list_in_between_changes_nothing_that_is_newer(
    api: ScriptedApi, client: Client, clock: HurriedClock
) -> None:
    api.lists(PODS_PATH, 5, thing("a", 1)).watches(PODS_PATH, 5, ends=False)
    followed = Followed(client, clock)
    async with running(followed, api):
        followed.store.apply(thing("a", 12))
        followed.store.apply(thing("ours", 13))
        api.lists(PODS_PATH, 10, thing("a", 9), thing("b", 10))
        await followed.reflector.relist()
    assert followed.told == ["+a@1", "~a@12", "+ours@13", "+b@10"]


async def test_a_watch_that_overtakes_a_list_is_not_taken_for_a_history_that_went_back(
    api: ScriptedApi, client: Client, clock: HurriedClock, caplog: pytest.LogCaptureFixture
) -> None:
    api.lists(PODS_PATH, 5, thing("a", 1)).watches(PODS_PATH, 5, ends=False)
    followed = Followed(client, clock)
    async with running(followed, api):
        api.lists(PODS_PATH, 10, thing("a", 9))
        listing = asyncio.create_task(followed.reflector.relist())
        await asyncio.sleep(0)
        followed.reflector._take(WatchEvent("MODIFIED", thing("a", 12)))
        await listing
    assert followed.told == ["+a@1", "~a@12"]
    assert not caplog.records


async def test_a_list_in_between_that_fails_says_so(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.answers("GET", PODS_PATH, refusal(403, "Forbidden"), status=403)
    with pytest.raises(errors.Forbidden):
        await Followed(client, clock).reflector.relist()


async def test_our_own_writes_are_told_once(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.lists(PODS_PATH, 5).watches(PODS_PATH, 5, line("ADDED", thing("ours", 6)))
    api.watches(PODS_PATH, 6, line("MODIFIED", thing("ours", 7)), ends=False)
    followed = Followed(client, clock)
    followed.store.apply(thing("ours", 6))
    assert await follow(followed, api) == ["+ours@6", "~ours@7"]


async def test_it_knows_when_it_last_heard_anything(api: ScriptedApi, client: Client, clock: HurriedClock) -> None:
    api.answers("GET", PODS_PATH, UNAVAILABLE, status=503).hangs("GET", PODS_PATH)
    followed = Followed(client, clock)
    async with running(followed, api):
        assert followed.reflector.last_contact_ms == 0
    api.played_out.clear()
    api.lists(PODS_PATH, 5).watches(PODS_PATH, 5, ends=False)
    async with running(followed, api):
        assert abs(followed.reflector.last_contact_ms - clock.now_ms()) < 1000
