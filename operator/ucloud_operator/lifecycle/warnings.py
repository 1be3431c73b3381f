"""Telling people in time that something they run will end.

A warning has levels, the wallet's `warnMinutes` before the end. A level is told once, when it is crossed: what has
been told stands in a condition, so a restart doesn't tell it again, and a top-up that moves the end away takes it
back. A run that begins with less left than a level was never without that warning, and is not warned of it.
"""

from collections.abc import Sequence
from typing import Final

from ucloud_operator.api.common import Condition
from ucloud_operator.settings import FOREVER_MS

MINUTE_MS: Final = 60_000
ENDS_SOON: Final = "EndsSoon"
NOT_SOON: Final = "NotSoon"


def level_at(end_ms: int, minutes: Sequence[int], since_ms: int, now_ms: int) -> int | None:
    """Return the closest level that has been crossed since, in minutes, or None."""
    crossed = (each for each in minutes if since_ms < end_ms - each * MINUTE_MS <= now_ms)
    return min(crossed, default=None)


def next_level_ms(end_ms: int, minutes: Sequence[int], now_ms: int) -> int:
    """Return when the next level will be crossed (unix ms), or FOREVER_MS."""
    ahead = (at_ms for each in minutes if (at_ms := end_ms - each * MINUTE_MS) > now_ms)
    return min(ahead, default=FOREVER_MS) if end_ms < FOREVER_MS else FOREVER_MS


def reason_of(level: int | None) -> str:
    """Return the condition's reason at a level."""
    return NOT_SOON if level is None else f"Within{level}Minutes"


def told(conditions: Sequence[Condition]) -> Condition | None:
    """Return what people were told last."""
    return next((condition for condition in conditions if condition.type == ENDS_SOON), None)


def level_of(condition: Condition | None) -> int | None:
    """Return the level that a condition tells, in minutes, or None."""
    if condition is None or condition.reason == NOT_SOON:
        return None
    return int(condition.reason.removeprefix("Within").removesuffix("Minutes"))


def since(before: Condition | None) -> int:
    """Return since when (unix ms) the end has been near, or not near: a warning after a relief is another one."""
    return before.last_transition_time if before is not None else 0


def is_news(level: int | None, before: Condition | None) -> bool:
    """Say whether the level differs from what was told; that nothing is near needs not be told."""
    return level != level_of(before)


def is_closer(level: int | None, before: Condition | None) -> bool:
    """Say whether the end has come closer than what was told."""
    known = level_of(before)
    return level is not None and (known is None or level < known)


def condition(level: int | None, message: str, before: Condition | None, now_ms: int) -> Condition:
    """Return the condition to publish."""
    status = "False" if level is None else "True"
    since_ms = before.last_transition_time if before is not None and before.status == status else now_ms
    return Condition.model_validate(
        {
            "type": ENDS_SOON,
            "status": status,
            "reason": reason_of(level),
            "message": message,
            "lastTransitionTime": since_ms,
        }
    )
