"""How a pod's container fares, as its application's environment tells; the devcluster's kubelets read the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.objects import Json

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_HAPPENS_AT_EXIT = frozenset({"oom", "evicted", "unknown", "node-lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What was told."""

    start_after: float | None = 0.6
    """Seconds from the node to the start; None: never."""
    exit_after: float | None = None
    """Seconds from the start to the end; None: it runs until it is stopped."""
    exit_code: int = 0
    ignores_sigterm: bool = False
    sigterm_after: float = 0.3
    """Seconds from SIGTERM to the end."""
    sigterm_exit_code: int = 143
    fail: str = ""
    """image-pull, config, oom, evicted, unknown or node-lost; the last four at `exit_after`."""


def behaviour_of(pod: Json) -> Behaviour:
    """Read what a pod was told."""
    told = {
        variable["name"].removeprefix("DEVCLUSTER_").lower(): variable.get("value", "")
        for container in pod["spec"]["containers"]
        for variable in container.get("env", [])
        if variable["name"].startswith("DEVCLUSTER_")
    }
    fail = told.get("fail", "")
    ends = "exit_after" in told or "exit_code" in told or fail in _HAPPENS_AT_EXIT
    return Behaviour(
        start_after=None if told.get("start_after") == "never" else seconds(told.get("start_after", "600ms")),
        exit_after=seconds(told.get("exit_after", "1s")) if ends else None,
        exit_code=int(told.get("exit_code", "0")),
        ignores_sigterm=told.get("ignore_sigterm") == "true",
        sigterm_after=seconds(told.get("sigterm_after", "300ms")),
        sigterm_exit_code=int(told.get("sigterm_exit_code", "143")),
        fail=fail,
    )


def seconds(text: str) -> float:
    """Read a duration such as 1.5s, 300ms or 2m."""
    match = re.fullmatch(r"([0-9]+(?:[.][0-9]+)?)(ms|s|m|h)?", text)
    assert match is not None, text
    return float(match[1]) * _UNITS[match[2] or "s"]
