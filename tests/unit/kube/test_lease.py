from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ucloud_operator.kube import errors
from ucloud_operator.kube.client import Client, WatchEvent
from ucloud_operator.kube.clock import ManualClock
from ucloud_operator.kube.lease import Lease
from ucloud_operator.kube.objects import Json, JsonObject, section, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ucloud_operator.kube.resources import Resource

START_MS = 1_795_507_200_000


class OneLease(Client):
    """An API server that holds one Lease, guards it by version, and can be slow, out of reach or lose its answers."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.slow_seconds = 0.0
        self.told: list[asyncio.Queue[WatchEvent]] = []
        """What is on its way to those who watch."""
        self.spec: dict[str, object] | None = None
        self.version = 0
        self.reachable = True
        self.answering = True

    async def get(self, resource: Resource, name: str, *, namespace: str | None = None) -> JsonObject:
        await self._reach("get", resource)
        if self.spec is None:
            raise errors.NotFound("get", f"{resource} {namespace}/{name}", "not found", status=404)
        return await self._answer("get", resource)

    async def create(
        self, resource: Resource, body: Json | bytes, *, namespace: str | None = None, dry_run: bool = False
    ) -> JsonObject:
        await self._reach("create", resource)
        assert isinstance(body, dict)
        assert not dry_run
        if self.spec is not None:
            raise errors.AlreadyExists("create", f"{resource} {namespace}", "exists", status=409)
        self._store(dict(section(body, "spec")))
        return await self._answer("create", resource)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Json,
        *,
        namespace: str | None = None,
        resource_version: str | None = None,
    ) -> JsonObject:
        await self._reach("patch", resource)
        if self.spec is None:
            raise errors.NotFound("patch", f"{resource} {namespace}/{name}", "not found", status=404)
        if resource_version not in {None, str(self.version)}:
            raise errors.Conflict("patch", f"{resource} {namespace}/{name}", "modified", status=409)
        self._store({**self.spec, **section(body, "spec")})
        return await self._answer("patch", resource)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, resource_version: str, field_selector: str | None = None, **_: object
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        await self._reach("watch", resource)
        assert field_selector == "metadata.name=ucloud-operator"
        told: asyncio.Queue[WatchEvent] = asyncio.Queue()
        if resource_version != str(self.version):
            told.put_nowait(self._event())

        async def events() -> AsyncIterator[WatchEvent]:
            while True:
                yield await told.get()

        self.told.append(told)
        try:
            yield events()
        finally:
            self.told.remove(told)

    def touch(self) -> None:
        """Give it another version, and tell those who watch."""
        self.version += 1
        for each in self.told:
            each.put_nowait(self._event())

    def remove(self) -> None:
        self.spec = None
        self.touch()

    def _event(self) -> WatchEvent:
        metadata = {"resourceVersion": str(self.version)}
        if self.spec is None:
            return WatchEvent("DELETED", {"metadata": metadata})
        return WatchEvent("MODIFIED", {"metadata": metadata, "spec": dict(self.spec)})

    @property
    def holder(self) -> str:
        return text(self.spec or {}, "holderIdentity")

    def _store(self, spec: dict[str, object]) -> None:
        self.spec = spec
        self.touch()

    async def _reach(self, verb: str, resource: Resource) -> None:
        await asyncio.sleep(0)  # others' requests are under way, too
        if not self.reachable:
            raise errors.Unreachable(verb, str(resource), "no answer", ambiguous=False)
        await self.clock.sleep(self.slow_seconds / 2)

    async def _answer(self, verb: str, resource: Resource) -> JsonObject:
        if not self.answering:
            raise errors.Unreachable(verb, str(resource), "no answer", ambiguous=True)
        answer: JsonObject = {"metadata": {"resourceVersion": str(self.version)}, "spec": self.spec}
        await self.clock.sleep(self.slow_seconds / 2)
        return answer


@pytest.fixture
def api(clock: ManualClock) -> OneLease:
    return OneLease(clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


def candidate(api: OneLease, clock: ManualClock, identity: str) -> Lease:
    return Lease(api, identity=identity, clock=clock)


def held(lease: Lease) -> bool:
    return lease.held


@asynccontextmanager
async def holding(lease: Lease) -> AsyncIterator[asyncio.Task[None]]:
    """Acquire and hold it in the background."""
    await lease.acquire()
    async with background(lease.hold()) as task:
        yield task


@asynccontextmanager
async def background(work: object) -> AsyncIterator[asyncio.Task[None]]:
    assert asyncio.iscoroutine(work)
    task: asyncio.Task[None] = asyncio.create_task(work)
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_lease_that_does_not_exist_is_made(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    assert not held(lease)
    assert await lease.acquire() == lease.epoch == 1
    assert held(lease)
    assert api.spec == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 4,
        "leaseTransitions": 1,
        "acquireTime": "2026-11-24T08:00:00.000000Z",
        "renewTime": "2026-11-24T08:00:00.000000Z",
    }


async def test_a_lease_without_a_holder_is_taken_at_once(api: OneLease, clock: ManualClock) -> None:
    api.spec = {}
    assert await candidate(api, clock, "a").acquire() == 1


async def test_a_holder_renews_for_as_long_as_it_likes(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease) as task:
        for _ in range(100):
            await clock.advance(1)
            assert held(lease)
        assert not task.done()
    assert text(api.spec or {}, "renewTime") == "2026-11-24T08:01:40.000000Z"
    assert lease.epoch == 1


async def test_a_standby_waits_while_the_holder_lives(api: OneLease, clock: ManualClock) -> None:
    async with holding(candidate(api, clock, "a")), background(candidate(api, clock, "b").acquire()) as standby:
        await clock.advance(120)
        assert not standby.done()


@pytest.mark.parametrize("lived_seconds", [10, 10.5, 10.999])
async def test_a_standby_takes_over_when_the_holder_has_been_silent_for_as_long_as_it_promised(
    api: OneLease, clock: ManualClock, lived_seconds: float
) -> None:
    dead, heir = candidate(api, clock, "a"), candidate(api, clock, "b")
    async with holding(dead) as life, background(heir.acquire()) as standby:
        await clock.advance(lived_seconds)
        life.cancel()
        await clock.advance(13.9 - lived_seconds)
        assert not standby.done()
        assert not held(dead)  # for a second already
        await clock.advance(0.2)
        assert standby.done()
    assert (api.holder, heir.epoch) == ("b", 2)


async def test_a_released_lease_is_taken_at_once(api: OneLease, clock: ManualClock) -> None:
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    async with holding(first), background(second.acquire()) as standby:
        await clock.advance(10)
        await first.release()
        assert not held(first)
        await clock.advance(0)
        assert standby.done()
    assert second.epoch == 2


async def test_a_lease_that_is_deleted_is_made_at_once(api: OneLease, clock: ManualClock) -> None:
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    await first.acquire()
    async with background(second.acquire()) as standby:
        await clock.advance(1)
        api.remove()
        await clock.advance(0)
        assert standby.done()


async def test_a_renewal_under_way_does_not_keep_a_lease_from_being_released(api: OneLease, clock: ManualClock) -> None:
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    async with holding(first) as life, background(second.acquire()):
        api.slow_seconds = 0.2
        await clock.advance(1.15)  # it has been carried out, and the answer is on its way
        life.cancel()
        api.slow_seconds = 0
        await first.release()
        await clock.advance(0)
    assert (api.holder, second.epoch) == ("b", 2)


async def test_who_was_deposed_releases_nothing(api: OneLease, clock: ManualClock) -> None:
    first = candidate(api, clock, "a")
    await first.acquire()
    api.spec = {**(api.spec or {}), "holderIdentity": "b", "leaseTransitions": 2}
    api.touch()
    await first.release()
    assert api.holder == "b"


async def test_a_standby_whose_watch_has_fallen_silent_takes_nothing_from_who_lives(
    api: OneLease, clock: ManualClock
) -> None:
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    async with holding(first), background(second.acquire()) as standby:
        await clock.advance(2)
        api.told.clear()
        await clock.advance(60)
        assert not standby.done()
        assert held(first)
    assert first.epoch == api.version - 62  # every renewal got through, and nothing else


async def test_a_standby_that_may_not_watch_looks_again_and_again(
    api: OneLease, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise errors.Forbidden("watch", "leases", "not allowed", status=403)

    monkeypatch.setattr(api, "watch", forbidden)
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    async with holding(first) as life, background(second.acquire()) as standby:
        await clock.advance(60)
        assert not standby.done()
        life.cancel()
        await clock.advance(5)
        assert standby.done()


async def test_who_does_not_hold_it_releases_nothing(api: OneLease, clock: ManualClock) -> None:
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    await first.acquire()
    await second.release()
    assert api.holder == "a"


async def test_a_restart_takes_its_own_lease_at_once_in_a_new_epoch(api: OneLease, clock: ManualClock) -> None:
    await candidate(api, clock, "a").acquire()
    assert await candidate(api, clock, "a").acquire() == 2


async def test_a_holder_out_of_reach_stops_before_anybody_may_start(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease):
        await clock.advance(5)
        api.reachable = False
        await clock.advance(2.9)
        assert held(lease)
        await clock.advance(0.1)
        assert not held(lease)


async def test_a_late_renewal_is_one_if_nobody_has_led_meanwhile(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease) as task:
        await clock.advance(5)
        api.reachable = False
        await clock.advance(9)
        assert not held(lease)
        api.reachable = True
        await clock.advance(1)
        assert held(lease)
        assert not task.done()
    assert lease.epoch == 1


async def test_a_late_renewal_is_none_if_somebody_leads_by_then(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease) as task:
        await clock.advance(5)
        api.reachable = False
        await clock.advance(9)
        api.reachable = True
        api.spec = {**(api.spec or {}), "holderIdentity": "b", "leaseTransitions": 2}
        await clock.advance(1)
        assert task.done()
        assert not held(lease)
    assert api.holder == "b"


async def test_who_is_out_of_reach_for_long_gives_up_and_begins_anew(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease) as task:
        api.reachable = False
        await clock.advance(14)
        assert not task.done()
        await clock.advance(2)
        assert task.done()
        assert not held(lease)


@pytest.mark.parametrize("answer_seconds", [1, 1.5, 2, 2.5])
async def test_an_api_server_that_takes_seconds_to_answer_passes_leadership_to_nobody(
    api: OneLease, clock: ManualClock, answer_seconds: float
) -> None:
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    async with holding(first) as task, background(second.acquire()) as standby:
        api.slow_seconds = answer_seconds
        moments = []
        for _ in range(200):
            await clock.advance(0.25)
            moments.append(held(first))
            assert not task.done()
            assert not standby.done()
        assert sum(moments[-20:]) >= 4  # now and then it may create something
    assert first.epoch == 1


async def test_a_renewal_whose_answer_was_lost_is_found_out(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease) as task:
        api.answering = False
        await clock.advance(1.5)
        api.answering = True
        await clock.advance(20)
        assert not task.done()
        assert held(lease)


async def test_an_edit_by_somebody_else_costs_nobody_the_lease(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease) as task:
        api.touch()
        await clock.advance(20)
        assert not task.done()
        assert held(lease)


@pytest.mark.parametrize("spec", [{"holderIdentity": "b"}, {"leaseTransitions": 2}, None])
async def test_a_lease_that_was_taken_or_deleted_is_lost_at_the_next_renewal(
    api: OneLease, clock: ManualClock, spec: dict[str, object] | None
) -> None:
    lease = candidate(api, clock, "a")
    async with holding(lease) as task:
        api.spec = api.spec and spec and {**api.spec, **spec}
        api.touch()
        await clock.advance(1)
        assert not held(lease)
        assert task.done()


async def test_a_deleted_lease_does_not_take_its_holder_back_in_time(api: OneLease, clock: ManualClock) -> None:
    api.spec = {"leaseTransitions": 6}
    lease = candidate(api, clock, "a")
    await lease.acquire()
    api.spec = None
    assert await lease.acquire() == 8


async def test_of_two_who_grab_at_once_one_wins(api: OneLease, clock: ManualClock) -> None:
    first, second = candidate(api, clock, "a"), candidate(api, clock, "b")
    grabbing = [asyncio.create_task(each.acquire()) for each in (first, second)]
    await clock.advance(2)
    assert sorted(task.done() for task in grabbing) == [False, True]
    assert sorted([held(first), held(second)]) == [False, True]
    for task in grabbing:
        task.cancel()
    await asyncio.gather(*grabbing, return_exceptions=True)


async def test_an_acquisition_whose_answer_was_lost_is_made_again(api: OneLease, clock: ManualClock) -> None:
    api.spec = {"leaseTransitions": 1}
    api.answering = False
    lease = candidate(api, clock, "a")
    async with background(lease.acquire()) as task:
        await clock.advance(2)
        assert not task.done()
        api.answering = True
        await clock.advance(2)
        assert task.done()


async def test_a_release_that_fails_is_no_reason_to_stay(api: OneLease, clock: ManualClock) -> None:
    lease = candidate(api, clock, "a")
    await lease.acquire()
    api.reachable = False
    await lease.release()
    assert not held(lease)


@pytest.mark.parametrize(
    ("identity", "renew_seconds", "sentence"), [("", 1, "nobody holds it"), ("a", 2, "renew it more than twice")]
)
def test_settings_that_can_not_work_are_refused(
    api: OneLease, identity: str, renew_seconds: float, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Lease(api, identity=identity, renew_seconds=renew_seconds)
