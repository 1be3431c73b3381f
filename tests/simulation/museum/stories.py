"""The stories that the museum tells, each once without a defect, and once for every defect that it brings to light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tests.simulation import accidents

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine


class Story(Protocol):
    """Something that is told, and that raises an AssertionError if it has come out wrong."""

    def __call__(self) -> Coroutine[None, None, None]: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Accidents:
    """Random stories, one after the other: where it takes luck to meet a defect, there are some to meet it in."""

    seeds: int
    minutes: int = 4

    async def __call__(self) -> None:
        for seed in range(self.seeds):
            story = accidents.Accidents(seed, replace(accidents.MINUTES, minutes=self.minutes))
            await story.play()
            for replica in story.simulation.replicas:
                replica.process.kill()

    def __str__(self) -> str:
        return f"{self.seeds} random stories of {self.minutes} minutes, seeds 0 to {self.seeds - 1}"


@dataclass(frozen=True)
class Scene:
    """A story that was thought up for what it shows."""

    tell: Callable[[], Awaitable[None]]

    async def __call__(self) -> None:
        await self.tell()

    def __str__(self) -> str:
        return self.tell.__name__.replace("_", " ")
