"""Whether a job's parameters can be passed on: an application gets them as JSON, in one environment variable.

What has no schema can be of any size and depth that the API server takes: 3 MB of it, nested ten thousand deep. A pod
with too much of it is one that no kubelet can start.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from ucloud_operator.lifecycle import sentences

NAME: Final = "UCLOUD_PARAMETERS"

DEEPEST: Final = 64
"""Levels of objects and lists, one in the other: more than people write, fewer than JSON readers give up at."""

LARGEST: Final = 128 * 1024 - len(f"{NAME}=") - 1
"""Bytes. Linux takes 128 KiB for a variable with its name, and the 0 at its end."""


def as_json(parameters: Mapping[str, object]) -> str:
    """Write parameters as the application gets them."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def trouble_with(parameters: Mapping[str, object]) -> str:
    """Return why no application can be given these parameters, as a sentence, or an empty string."""
    if _is_too_deep(parameters):
        return sentences.parameters_too_deep(DEEPEST)
    size = len(as_json(parameters).encode())
    return sentences.parameters_too_large(size, LARGEST) if size > LARGEST else ""


def _is_too_deep(parameters: Mapping[str, object]) -> bool:
    """Go down level by level: a function that calls itself would not come back from the deepest."""
    level: list[object] = [parameters]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(each, dict | list) for each in level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
