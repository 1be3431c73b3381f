from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ucloud_operator.control.untold import Untold
from ucloud_operator.kube.clock import ManualClock

if TYPE_CHECKING:
    from ucloud_operator.kube.objects import JsonObject

START_MS = 1_795_507_200_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
def untold(clock: ManualClock) -> Untold:
    return Untold(clock)


def raw(version: int, uid: str = "a") -> JsonObject:
    return {"metadata": {"uid": uid, "resourceVersion": str(version)}}


async def test_what_kopf_told_first_it_owes_no_more(untold: Untold) -> None:
    untold.note("a", "5")
    untold.told(raw(5))
    assert untold.since_ms() is None


async def test_an_event_is_owed_from_when_its_object_was_known_otherwise(untold: Untold, clock: ManualClock) -> None:
    untold.note("a", "5")
    await clock.advance(10)
    untold.note("b", "7")
    untold.note("a", "8")
    untold.told(raw(4))
    assert untold.since_ms() == START_MS
    untold.told(raw(8))
    assert untold.since_ms() == START_MS + 10_000
    untold.told(raw(9, "b"))  # several at once come as the last
    assert untold.since_ms() is None


async def test_who_tells_of_the_past_has_all_the_time_again_for_the_rest(untold: Untold, clock: ManualClock) -> None:
    untold.note("a", "5")
    untold.note("a", "8")
    await clock.advance(10)
    untold.told(raw(6))
    assert untold.since_ms() == START_MS + 10_000
    untold.told(raw(7))
    assert untold.since_ms() == START_MS + 10_000
    untold.told(raw(8))
    assert untold.since_ms() is None


async def test_no_event_is_owed_of_what_is_gone(untold: Untold) -> None:
    untold.note("a", "5")
    untold.note("a", None)
    assert untold.since_ms() is None
