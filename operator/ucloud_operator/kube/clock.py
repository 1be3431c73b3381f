"""Time, as everything that waits or stamps takes it: so that tests and simulations can own it.

`now_ms` is the wall clock, for what is compared with stamps of others. `monotonic` is for durations of our own: it
never jumps when the wall clock is set.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """What is asked of a clock."""

    def now_ms(self) -> int:
        """Return the wall clock's time in unix milliseconds."""

    def monotonic(self) -> float:
        """Return seconds since some fixed instant; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for so long."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Return the wall clock's time in unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until `advance` is called: for tests and simulations."""

    SETTLING_TURNS = 50
    """How many turns the event loop gets for what a sleeper does once it is awake."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms
        self._elapsed_ms = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        """Return the time that was set and advanced to."""
        return self._now_ms + self._elapsed_ms

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed_ms / 1000

    async def sleep(self, seconds: float) -> None:
        """Sleep until somebody has advanced the clock so far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_ms + round(seconds * 1000), next(self._order), awake))
        await awake

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, waking sleepers in order, each with time to act before the next one wakes."""
        target_ms = self._elapsed_ms + round(seconds * 1000)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= target_ms:
            at_ms, _, awake = heapq.heappop(self._sleepers)
            self._elapsed_ms = max(self._elapsed_ms, at_ms)
            if not awake.done():
                awake.set_result(None)
                await self._settle()
        self._elapsed_ms = target_ms

    async def _settle(self) -> None:
        for _ in range(self.SETTLING_TURNS):
            await asyncio.sleep(0)
