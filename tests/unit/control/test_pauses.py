from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ucloud_operator.control.queue import Key, WorkQueue
from ucloud_operator.kube.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = Key("job", "physics/a")


class Work:
    """Work that fails until it is told not to, on a clock that stands still."""

    def __init__(self, *, urgent: bool) -> None:
        self.clock = ManualClock()
        self.done_ms: list[int] = []
        self.fails = True
        self.queue = WorkQueue(self._work, self._later, self.clock)
        self._urgent = urgent
        self._due: list[int] = []

    async def tried_for(self, seconds: int) -> None:
        """Let time pass, and bring the key back whenever it is due."""
        until_ms = self.clock.now_ms() + 1000 * seconds
        while self._due and self._due[0] <= until_ms:
            await self.clock.advance((self._due.pop(0) - self.clock.now_ms()) / 1000)
            self.queue.add(KEY, urgent=self._urgent)
            await self.clock.advance(0)
        await self.clock.advance((until_ms - self.clock.now_ms()) / 1000)

    async def _work(self, _: Key) -> None:
        self.done_ms.append(self.clock.now_ms())
        if self.fails:
            raise RuntimeError("a defect")

    def _later(self, _: Key, at_ms: int) -> None:
        self._due.append(at_ms)


@asynccontextmanager
async def working(work: Work, *, urgent: bool) -> AsyncIterator[None]:
    task = asyncio.create_task(work.queue.run(1, 1))
    work.queue.add(KEY, urgent=urgent)
    await work.clock.advance(0)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(("urgent", "longest_ms"), [(False, 30_000), (True, 2000)])
async def test_a_key_that_fails_is_tried_again_ever_later_up_to_a_limit(urgent: bool, longest_ms: int) -> None:  # noqa: FBT001
    work = Work(urgent=urgent)
    async with working(work, urgent=urgent):
        await work.tried_for(120)
    pauses_ms = [later - earlier for earlier, later in zip(work.done_ms, work.done_ms[1:], strict=False)]
    assert pauses_ms[:3] == [200, 400, 800]
    assert max(pauses_ms) == pauses_ms[-1] == longest_ms
