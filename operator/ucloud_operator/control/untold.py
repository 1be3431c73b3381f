"""Whether Kopf still tells us of our kinds.

Kopf restarts its watches by itself, and fails loudly as a rule. But a watch that hangs, or a worker of its that waits
for ever, says nothing, and an idle cluster says nothing either. What tells them apart is what we know from elsewhere:
the answers to our own writes, and full lists. Of each of those Kopf has an event, a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ucloud_operator.kube.objects import section, text

if TYPE_CHECKING:
    from ucloud_operator.kube.clock import Clock
    from ucloud_operator.kube.objects import JsonObject


@dataclass(frozen=True, slots=True)
class _Known:
    """Which version of an object Kopf has to tell of, which is the newest, and since when."""

    version: int
    newest: int
    since_ms: int


class Untold:
    """The objects whose present version is known, and not from Kopf."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock to say since when by."""
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def note(self, uid: str, version: str | None) -> None:
        """Note an object's newest version, whoever told of it; None: it is gone, of which Kopf doesn't always tell."""
        if version is None:
            self._known.pop(uid, None)
            return
        newest, known = int(version), self._known.get(uid)
        self._known[uid] = replace(known, newest=newest) if known else _Known(newest, newest, self._clock.now_ms())

    def told(self, raw: JsonObject) -> None:
        """Note that Kopf has told of an object."""
        metadata = section(raw, "metadata")
        uid, version = text(metadata, "uid"), int(text(metadata, "resourceVersion"))
        known = self._known.get(uid)
        if known is None or version < known.version:
            return
        if version >= known.newest:
            del self._known[uid]
        else:
            self._known[uid] = _Known(known.newest, known.newest, self._clock.now_ms())

    def since_ms(self) -> int | None:
        """Return since when Kopf owes us an event (unix ms), None if it owes none."""
        return min((known.since_ms for known in self._known.values()), default=None)
