"""An event loop whose time is made of what is scheduled, and processes on it that can be killed.

When nothing is ready to run, an ordinary loop waits for the first timer; this one sets its clock to that timer and goes
on. A simulated hour takes as long as what happens in it, nothing ever races, and the same seed plays the same story
again (with the same PYTHONHASHSEED, as sets of strings have an order of their own). Time is kept in whole microseconds
and rounded up, so no timer ever fires a hair before its millisecond.

Nothing here opens files, sockets or threads: a loop on which nothing is scheduled is stuck for ever, and says so.
"""

from __future__ import annotations

import asyncio
import gc
import math
import selectors
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

T = TypeVar("T")

BEGINNING_MS = 1_764_000_000_250
"""When every simulation begins: not at the start of a second, because stamps are cut off to seconds."""

_MICROSECONDS = 1_000_000
_ROUNDING = 1e-3
"""Microseconds that a sum of floats may be too large by."""


class StuckError(RuntimeError):
    """Everyone waits for somebody else."""


class _Jump(selectors.SelectSelector):
    """Waits for nothing but moves the time."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_us = 0
        self.turns = 0
        self.at_turn: dict[int, Callable[[], None]] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        if self.at_turn and (act := self.at_turn.pop(self.turns, None)):
            act()
        if timeout is None:
            raise StuckError("nothing is scheduled any more")
        if timeout > 0:
            self.elapsed_us += max(1, math.ceil(timeout * _MICROSECONDS - _ROUNDING))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time jumps from timer to timer."""

    def __init__(self) -> None:
        self.over = False
        """Whether the story has come to its end: what still runs is about to be cancelled."""
        self._jump = _Jump()
        super().__init__(self._jump)
        self.set_task_factory(_make_task)

    def time(self) -> float:
        """Return the simulated seconds since the beginning."""
        return self._jump.elapsed_us / _MICROSECONDS

    @property
    def elapsed_ms(self) -> int:
        """The same in whole milliseconds."""
        return self._jump.elapsed_us // 1000

    @property
    def turns(self) -> int:
        """How often the loop went round: every point at which a process may be killed has a number."""
        return self._jump.turns

    def at_turn(self, turn: int, act: Callable[[], None]) -> None:
        """Do something between two turns."""
        self._jump.at_turn[turn] = act


class VirtualClock:
    """The loop's time as the operator's code takes it.

    `ahead_ms` is how wrong this machine's wall clock is, and `drift_ppm` by how many millionths it is too quick. The
    clock of a process that is frozen wakes nobody up before it goes on.
    """

    def __init__(self, ahead_ms: int = 0, *, drift_ppm: int = 0, process: Process | None = None) -> None:
        self.ahead_ms = ahead_ms
        self.drift_ppm = drift_ppm
        self._process = process

    def now_ms(self) -> int:
        """Return the simulated wall clock in unix milliseconds."""
        elapsed_ms = _running().elapsed_ms
        return BEGINNING_MS + elapsed_ms + elapsed_ms * self.drift_ppm // 1_000_000 + self.ahead_ms

    def monotonic(self) -> float:
        """Return simulated seconds since the beginning."""
        return _running().time()

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        await asyncio.sleep(seconds)
        if self._process is not None:
            await self._process.thawed()


def play(story: Coroutine[Any, Any, T]) -> T:
    """Play a story in simulated time from beginning to end; what still runs then is cancelled."""

    async def whole() -> T:
        try:
            return await story
        finally:
            _running().over = True

    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(whole())
    finally:
        gc.unfreeze()  # every operator freezes what it finds, and this process sees many of them


def _running() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


class Process:
    """Tasks that live and die together, as those of one operating system process do."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.failure: BaseException | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._thawed: asyncio.Event | None = None

    @property
    def runs(self) -> bool:
        """Whether it lives and isn't frozen."""
        return self.alive and self._thawed is None

    def freeze(self) -> None:
        """Stop it as SIGSTOP does: nothing gets out of it and nothing in, while time goes on."""
        self._thawed = asyncio.Event()

    def thaw(self) -> None:
        """Let it go on."""
        if self._thawed is not None:
            self._thawed.set()
            self._thawed = None

    async def thawed(self) -> None:
        """Wait until it isn't frozen."""
        while self._thawed is not None:
            await self._thawed.wait()

    def start(self, main: Coroutine[Any, Any, None]) -> None:
        """Run something in it; all tasks that this starts in turn belong to it too."""
        token = _process.set(self)
        try:
            asyncio.get_running_loop().create_task(main).add_done_callback(self._ended)
        finally:
            _process.reset(token)

    def kill(self) -> None:
        """End it as `kill -9` does: its clients answer nothing from now on, so nothing that tidies up gets anywhere."""
        self.alive = False
        for task in list(self._tasks):
            task.cancel()

    async def gone(self) -> None:
        """Wait until every task of a killed process has ended."""
        assert not self.alive
        for _ in range(100):
            alive = [task for task in self._tasks if not task.done()]
            if not alive:
                return
            for task in alive:
                task.cancel()
            await asyncio.sleep(0)
        raise AssertionError(f"{self.name} does not die: {alive}")

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Count a task as this process's own."""
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self.alive and not task.cancelled():
            self.failure = task.exception()


_process: ContextVar[Process | None] = ContextVar("process", default=None)


def _make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T] | Generator[Any, None, T], /, **options: Any
) -> asyncio.Task[T]:
    task: asyncio.Task[T] = asyncio.Task(coroutine, loop=loop, **options)
    process = _process.get()
    if process is not None:
        process.adopt(task)
    return task


def is_over() -> bool:
    """Say whether the story has come to its end."""
    return _running().over


def outside(act: Callable[[], T]) -> T:
    """Do something as nobody's: tasks that it starts outlive the process that caused them."""
    token = _process.set(None)
    try:
        return act()
    finally:
        _process.reset(token)
