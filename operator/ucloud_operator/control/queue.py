"""Keys that wait to be worked on.

An event never carries work: it only says that something about a key changed. A key that is queued twice is worked on
once; a key that changes while it is worked on is worked on again afterwards; never twice at the same time. So a worker
always decides from the newest state, and no lock is needed anywhere else.

Stops have a lane of their own: `urgent` keys are taken by workers that do nothing else, so a stop never waits behind a
thousand starts. A key that fails comes back after a pause that doubles, up to half a minute.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from ucloud_operator.kube.errors import PASSING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ucloud_operator.kube.clock import Clock

logger = logging.getLogger(__name__)

FIRST_PAUSE_MS = 200
LONGEST_PAUSE_MS = 30_000


class Key(NamedTuple):
    """What can be worked on: a kind of work and whose."""

    kind: str
    name: str


class WorkQueue:
    """Two lanes of keys and the workers on them."""

    def __init__(self, work: Callable[[Key], Awaitable[None]], later: Callable[[Key, int], None], clock: Clock) -> None:
        """Take what to do with a key, and how to bring it back at an instant (unix ms)."""
        self._work = work
        self._later = later
        self._clock = clock
        self._lanes: dict[bool, asyncio.Queue[Key]] = {False: asyncio.Queue(), True: asyncio.Queue()}
        self._waiting: dict[Key, bool] = {}
        self._running: dict[Key, bool | None] = {}
        self._pauses_ms: dict[Key, int] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, key: Key, *, urgent: bool = False) -> None:
        """Note that something about the key changed."""
        self._idle.clear()
        if key in self._running:
            self._running[key] = bool(self._running[key]) or urgent
            return
        if self._waiting.get(key, False) or (key in self._waiting and not urgent):
            return
        self._waiting[key] = urgent  # a key may stand in both lanes; the one who comes second finds it gone
        self._lanes[urgent].put_nowait(key)

    async def run(self, workers: int, urgent_workers: int) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(urgent_workers):
                group.create_task(self._worker(urgent=True))
            for _ in range(workers):
                group.create_task(self._worker(urgent=False))

    async def idle(self) -> None:
        """Wait until nothing is queued or worked on."""
        await self._idle.wait()

    @property
    def depth(self) -> int:
        """How many keys wait."""
        return len(self._waiting)

    def _put_off(self, key: Key) -> int:
        """Let a key that failed come back after a pause; return how long that is (ms)."""
        pause_ms = self._pauses_ms.get(key, FIRST_PAUSE_MS)
        self._pauses_ms[key] = min(2 * pause_ms, LONGEST_PAUSE_MS)
        self._later(key, self._clock.now_ms() + pause_ms)
        return pause_ms

    async def _worker(self, *, urgent: bool) -> None:
        lane = self._lanes[urgent]
        while True:
            key = await lane.get()
            if self._waiting.get(key) is not urgent:
                continue
            del self._waiting[key]
            self._running[key] = None
            try:
                await self._work(key)
            except PASSING as error:
                logger.warning("%s %s: %s; again in %d ms", key.kind, key.name, error, self._put_off(key))
            except Exception:
                logger.exception("%s %s failed; again in %d ms", key.kind, key.name, self._put_off(key))
            else:
                self._pauses_ms.pop(key, None)
            again = self._running.pop(key)
            if again is not None:
                self.add(key, urgent=again)
            elif not self._waiting and not self._running:
                self._idle.set()
