"""Events that don't come, come late, come twice, or come in another order than that in which things happened.

A real API server does none of that within a watch. But Kopf stands between it and us, which loses what comes while it
begins anew, and each kind has a stream of its own that may be slower than the others.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.simulation.network import Way

if TYPE_CHECKING:
    from collections import Counter

    from tests.simulation.loop import Process
    from ucloud_operator.kube.transport import Request

LATE_SECONDS = 25.0
HELD_SECONDS = 45.0
WAYS = ("dropped", "late", "twice", "held")
"""It never comes; it comes after others; it comes, and again after others; with it the whole stream stands still."""


def is_event(line: bytes) -> bool:
    """Say whether a watch's line tells of an object."""
    return json.loads(line)["type"] in {"ADDED", "MODIFIED", "DELETED"}


class EventFault(Way):
    """Something happens to the n-th event of a kind that one operator is told of."""

    def __init__(self, injected: Counter[str], operator: str, plural: str, number: int, how: str) -> None:
        self.seen = 0
        self._injected = injected
        self._whose = operator, plural
        self._number = number
        self._how = how
        self._held_until = 0.0

    def told(self, request: Request, line: bytes, process: Process | None) -> list[tuple[float, bytes]]:
        """Change what comes of it, if it is this one; or of all, as long as the stream is held."""
        if process is None or (process.name, request.resource.plural) != self._whose:
            return [(0, line)]
        now = asyncio.get_running_loop().time()
        self.seen += is_event(line)
        if self.seen != self._number or not is_event(line):
            return [(max(0, self._held_until - now), line)]
        self._injected[f"event {self._how}"] += 1
        match self._how:
            case "dropped":
                return []
            case "late":
                return [(LATE_SECONDS, line)]
            case "twice":
                return [(0, line), (LATE_SECONDS, line)]
            case _:
                self._held_until = now + HELD_SECONDS
                return [(HELD_SECONDS, line)]


class SlowKind(Way):
    """All that is told of a kind comes so late, to all operators."""

    def __init__(self, injected: Counter[str], plural: str, seconds: float) -> None:
        self._injected = injected
        self._plural = plural
        self._seconds = seconds

    def told(self, request: Request, line: bytes, process: Process | None) -> list[tuple[float, bytes]]:  # noqa: ARG002  # of all
        """Let it come later."""
        if request.resource.plural != self._plural:
            return [(0, line)]
        self._injected["event of a slow kind"] += 1
        return [(self._seconds, line)]
