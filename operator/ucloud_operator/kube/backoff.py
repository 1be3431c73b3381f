"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Pauses that double up to a cap, each shortened by up to a half at random.

    The randomness keeps the watches that one restart of the API server broke from coming back in step.
    """

    first_seconds: float
    cap_seconds: float
    _next_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_seconds = self.first_seconds

    def next_seconds(self) -> float:
        """Return the next pause; the one after it will be about twice as long."""
        pause_seconds = self._next_seconds
        self._next_seconds = min(2 * pause_seconds, self.cap_seconds)
        return pause_seconds * random.uniform(0.5, 1)  # noqa: S311  # jitter guards no secret

    def reset(self) -> None:
        """Start again with the shortest pause: something worked."""
        self._next_seconds = self.first_seconds
