"""One heap of instants, and one task that sleeps until the first.

Everything that time alone brings about is here: credits that end, allocations that begin or end, time allocations,
the minute in which a wallet is published, a pause after a failure. Nothing polls. A key has one instant; setting it
again replaces it, and what is left of the old one in the heap is skipped, as its generation is past.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from typing import TYPE_CHECKING, Generic, TypeVar

from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ucloud_operator.kube.clock import Clock

LONGEST_SLEEP_MS = 60_000
"""A wall clock that is set while we sleep is noticed after this long at the latest."""

COMPACT_AT = 1024
"""Heap entries from which on dead ones are thrown out, once they are the larger half."""


K = TypeVar("K", bound="Hashable")


class Deadlines(Generic[K]):
    """At most one instant per key; `fire` is called with every key that has come due."""

    def __init__(self, fire: Callable[[K], None], clock: Clock) -> None:
        """Take what to call and the clock to go by."""
        self._fire = fire
        self._clock = clock
        self._heap: list[tuple[int, int, K]] = []
        self._current: dict[K, tuple[int, int]] = {}
        self._generation = 0
        self._earlier = asyncio.Event()

    def set(self, key: K, at_ms: int) -> None:
        """Fire the key at that instant (unix ms), instead of any other."""
        current = self._current.get(key)
        if current is not None and current[0] == at_ms:
            return
        if at_ms >= FOREVER_MS:
            self.drop(key)
            return
        self._generation += 1
        self._current[key] = (at_ms, self._generation)
        if not self._heap or at_ms < self._heap[0][0]:
            self._earlier.set()
        heapq.heappush(self._heap, (at_ms, self._generation, key))
        if len(self._heap) > COMPACT_AT and len(self._heap) > 2 * len(self._current):
            self._heap = [(at, generation, k) for k, (at, generation) in self._current.items()]
            heapq.heapify(self._heap)

    def advance(self, key: K, at_ms: int) -> None:
        """Fire the key at that instant, or earlier where it was to be earlier."""
        current = self._current.get(key)
        if current is None or at_ms < current[0]:
            self.set(key, at_ms)

    def drop(self, key: K) -> None:
        """Forget the key's instant."""
        self._current.pop(key, None)

    def at(self, key: K) -> int:
        """Return when the key is due (unix ms), or FOREVER_MS."""
        return self._current.get(key, (FOREVER_MS, 0))[0]

    def first_ms(self) -> int:
        """Return the first instant that something is due (unix ms), or FOREVER_MS."""
        while self._heap:
            at_ms, generation, key = self._heap[0]
            if self._current.get(key) == (at_ms, generation):
                return at_ms
            heapq.heappop(self._heap)
        return FOREVER_MS

    async def run(self) -> None:
        """Fire for ever."""
        while True:
            self._earlier.clear()
            first_ms = self.first_ms()
            wait_ms = first_ms - self._clock.now_ms()
            if wait_ms > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_ms, LONGEST_SLEEP_MS) / 1000):
                        await self._earlier.wait()
                continue
            _, _, key = heapq.heappop(self._heap)
            del self._current[key]
            self._fire(key)
