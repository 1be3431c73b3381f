"""The stories that the museum tells, each once without a defect, and once for every defect that it brings to light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tests.simulation.accidents import MINUTES, Accidents

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine


class Story(Protocol):
    """Something that is told, and that raises an AssertionError if it has come out wrong."""

    def __call__(self) -> Coroutine[None, None, None]: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Accident:
    """A random story, by its seed."""

    seed: int
    minutes: int = 4
    operators: str = "one"

    async def __call__(self) -> None:
        pace = replace(MINUTES, minutes=self.minutes)
        await Accidents(self.seed, pace, several_operators=self.operators == "several").play()

    def __str__(self) -> str:
        return f"accidents, seed {self.seed}, {self.minutes} min, {self.operators}"


@dataclass(frozen=True)
class Scene:
    """A story that was thought up for what it shows."""

    tell: Callable[[], Awaitable[None]]

    async def __call__(self) -> None:
        await self.tell()

    def __str__(self) -> str:
        return self.tell.__name__.replace("_", " ")
