"""Keys that wait to be worked on.

An event never carries work: it only says that something about a key changed. A key that is queued twice is worked on
once; a key that changes while it is worked on is worked on again afterwards; never twice at the same time. So a worker
always decides from the newest state, and no lock is needed anywhere else.

Stops have a lane of their own: `urgent` keys are taken by workers that do nothing else, so a stop never waits behind a
thousand starts. A key that fails comes back after a pause that doubles, up to half a minute; one that failed as an
urgent one, up to two seconds: there are never more of those under way than there are workers for them.
"""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from ucloud_operator import metrics
from ucloud_operator.kube.errors import PASSING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ucloud_operator.kube.clock import Clock

logger = logging.getLogger(__name__)

FIRST_PAUSE_MS = 200
LONGEST_PAUSE_MS = 30_000
LONGEST_URGENT_PAUSE_MS = 2000
TURN_SECONDS = 0.01
"""How long keys are worked on without letting other tasks run, where nothing of it waits."""


class Key(NamedTuple):
    """What can be worked on: a kind of work and whose."""

    kind: str
    name: str


class Lane(StrEnum):
    """Where a key waits, to Prometheus."""

    URGENT = "urgent"
    ORDINARY = "ordinary"


class Cause(StrEnum):
    """Why an attempt failed, to Prometheus."""

    PASSING = "passing"
    DEFECT = "defect"


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
        self._since_ms: dict[Key, int] = {}  # of those that wait and those that are worked on
        self._pauses_ms: dict[Key, int] = {}
        self._turn_began = 0.0
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
        self._since_ms.setdefault(key, self._clock.now_ms())
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

    def waiting(self, lane: Lane) -> tuple[int, int]:
        """Return how many keys wait in a lane, and for how long the oldest of them has (ms)."""
        keys = [key for key, urgent in self._waiting.items() if urgent == (lane is Lane.URGENT)]
        return len(keys), self._age_ms(keys)

    def longest_ms(self) -> int:
        """Return for how long the key that takes longest has been worked on (ms)."""
        return self._age_ms(list(self._running))

    def failing(self) -> Sequence[Key]:
        """Return the keys that failed so often in a row that their pauses grow no longer."""
        return [key for key, pause_ms in self._pauses_ms.items() if pause_ms >= LONGEST_PAUSE_MS]

    def _age_ms(self, keys: Sequence[Key]) -> int:
        now_ms = self._clock.now_ms()
        return max((now_ms - self._since_ms[key] for key in keys), default=0)

    def _put_off(self, key: Key, cause: Cause, *, urgent: bool) -> int:
        """Let a key that failed come back after a pause; return how long that is (ms)."""
        metrics.WORK_FAILURES.labels(key.kind, cause.value).inc()
        pause_ms = self._pauses_ms.get(key, FIRST_PAUSE_MS)
        self._pauses_ms[key] = min(2 * pause_ms, LONGEST_PAUSE_MS)
        if urgent:
            pause_ms = min(pause_ms, LONGEST_URGENT_PAUSE_MS)
        self._later(key, self._clock.now_ms() + pause_ms)
        return pause_ms

    async def _give_way(self) -> None:
        """Let other tasks run, if we have not for a while: where no call is needed a worker never waits."""
        if self._clock.monotonic() - self._turn_began >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_began = self._clock.monotonic()

    async def _worker(self, *, urgent: bool) -> None:
        lane = self._lanes[urgent]
        while True:
            key = await lane.get()
            if self._waiting.get(key) is not urgent:
                continue
            del self._waiting[key]
            self._running[key] = None
            self._since_ms[key] = self._clock.now_ms()
            try:
                await self._work(key)
            except PASSING as error:
                pause_ms = self._put_off(key, Cause.PASSING, urgent=urgent)
                logger.warning("%s %s: %s; again in %d ms", key.kind, key.name, error, pause_ms)
            except Exception:
                pause_ms = self._put_off(key, Cause.DEFECT, urgent=urgent)
                logger.exception("%s %s failed; again in %d ms", key.kind, key.name, pause_ms)
            else:
                self._pauses_ms.pop(key, None)
            await self._give_way()
            again = self._running.pop(key)
            del self._since_ms[key]
            if again is not None:
                self.add(key, urgent=again)
            elif not self._waiting and not self._running:
                self._idle.set()
