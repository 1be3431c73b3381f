from __future__ import annotations

import asyncio

from ucloud_operator.kube.backoff import Backoff
from ucloud_operator.kube.clock import Clock, ManualClock, SystemClock


async def test_the_systems_clock_runs() -> None:
    clock = SystemClock()
    began_ms, began = clock.now_ms(), clock.monotonic()
    await clock.sleep(0.02)
    assert clock.monotonic() - began >= 0.02
    assert 0 <= clock.now_ms() - began_ms < 5000


async def test_sleepers_wake_in_order_and_see_their_own_time() -> None:
    clock = ManualClock(1000)
    seen: list[tuple[str, int]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for seconds in naps:
            await clock.sleep(seconds)
            seen.append((name, clock.now_ms()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("a", 2, 2))
        tasks.create_task(sleeper("b", 3))
        tasks.create_task(sleeper("c", 0))
        await clock.advance(3.5)
        assert seen == [("c", 1000), ("a", 3000), ("b", 4000)]
        await clock.advance(1)
    assert seen[-1] == ("a", 5000)
    assert clock.monotonic() == 4.5


async def test_a_sleeper_that_gave_up_holds_nobody_up() -> None:
    clock: ManualClock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(2)
    assert task.cancelled()


def test_both_are_clocks() -> None:
    clocks: list[Clock] = [SystemClock(), ManualClock()]
    assert len(clocks) == 2


def test_pauses_double_up_to_a_cap_and_start_anew() -> None:
    backoff = Backoff(first_seconds=1, cap_seconds=5)
    pauses = [backoff.next_seconds() for _ in range(5)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, (1, 2, 4, 5, 5), strict=True))
    backoff.reset()
    assert backoff.next_seconds() <= 1
