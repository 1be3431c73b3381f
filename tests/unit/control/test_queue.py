"""What the queue says of itself: how much waits, since when, and what fails."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY

from ucloud_operator.control import measures
from ucloud_operator.control.queue import LONGEST_PAUSE_MS, Key, Lane, WorkQueue
from ucloud_operator.kube.clock import ManualClock
from ucloud_operator.kube.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FIRST, SECOND = Key("job", "lab/first"), Key("wallet", "lab/second")


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def nothing(_: Key) -> None:
    pass


def a_queue(work: Callable[[Key], Awaitable[None]] = nothing) -> tuple[WorkQueue, ManualClock]:
    clock = ManualClock()
    return WorkQueue(work, lambda _key, _at_ms: None, clock), clock


async def test_a_key_is_as_old_as_its_first_change() -> None:
    queue, clock = a_queue()
    queue.add(FIRST)
    await clock.advance(3)
    queue.add(FIRST)
    queue.add(SECOND, urgent=True)
    await clock.advance(1)
    assert queue.waiting(Lane.ORDINARY) == (1, 4000)
    assert queue.waiting(Lane.URGENT) == (1, 1000)
    queue.add(FIRST, urgent=True)
    assert queue.waiting(Lane.ORDINARY) == (0, 0)
    assert queue.waiting(Lane.URGENT) == (2, 4000)


async def test_a_key_that_is_worked_on_does_not_wait_and_its_time_begins_anew() -> None:
    done = asyncio.Event()

    async def wait(_: Key) -> None:
        await done.wait()

    queue, clock = a_queue(wait)
    queue.add(FIRST)
    await clock.advance(2)
    workers = asyncio.create_task(queue.run(workers=1, urgent_workers=1))
    await asyncio.sleep(0.01)
    await clock.advance(5)
    assert (queue.waiting(Lane.ORDINARY), queue.longest_ms()) == ((0, 0), 5000)
    done.set()
    await queue.idle()
    assert queue.longest_ms() == 0
    workers.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await workers


async def test_failures_are_told_apart_and_a_key_fails_when_its_pause_grows_no_longer() -> None:
    errors: list[Exception] = [ValueError("a mistake"), *[Unreachable("get", "x", "no answer", ambiguous=False)] * 7]

    async def fail(_: Key) -> None:
        if errors:
            raise errors.pop()

    queue, _ = a_queue(fail)
    before = [told("ucloud_work_failures_total", kind="job", cause=cause) for cause in ("passing", "defect")]
    workers = asyncio.create_task(queue.run(workers=1, urgent_workers=1))
    failing = []
    for _ in range(9):
        queue.add(FIRST)
        await queue.idle()
        failing.append(len(queue.failing()))
    assert failing == [0] * 7 + [1, 0]
    after = [told("ucloud_work_failures_total", kind="job", cause=cause) for cause in ("passing", "defect")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [7, 1]
    workers.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await workers


def test_who_does_not_lead_has_no_failing_keys() -> None:
    queue, _ = a_queue()
    queue._pauses_ms[FIRST] = LONGEST_PAUSE_MS
    measures.queued(queue, leading=True)
    assert told("ucloud_failing_keys", kind="job") == 1
    measures.queued(queue, leading=False)
    assert told("ucloud_failing_keys", kind="job") == 0
