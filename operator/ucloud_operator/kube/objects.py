"""JSON objects as they travel, and the few fields of them that this folder reads itself.

Whoever needs more of an object parses it into a model. `object` instead of `Any` makes the type checker insist on that.
"""

from __future__ import annotations

import json
import json.scanner
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, object]
"""What is sent."""

JsonObject: TypeAlias = dict[str, object]
"""What comes back."""

DEEPEST_JSON = 10_000
"""How deep the API server lets JSON be nested."""


def allow_depth() -> None:
    """Let JSON be read that is as deep as the API server takes it: one such object would hide all others from us.

    It is Python's limit for everything, and for all of this process: Kopf reads JSON, too. Since Python 3.12 the
    scanner that is written in C has a limit of its own, which nobody can raise: it is lower in 3.12, and in 3.13 as
    high, but for the list in which an object stands. What it gives up at is read again by the one in Python.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 4 * DEEPEST_JSON))
    default: Any = json._default_decoder  # type: ignore[attr-defined]  # noqa: SLF001  # what `json.loads` reads with
    usual = json.scanner.make_scanner(default)
    patient = json.scanner.py_make_scanner(default)  # type: ignore[attr-defined]  # beside the one in C

    def scan_once(text: str, index: int) -> tuple[object, int]:
        try:
            found: tuple[object, int] = usual(text, index)
        except RecursionError:
            found = patient(text, index)
        return found

    default.scan_once = scan_once


def encode(body: Json | bytes) -> bytes:
    """Return the body as it is sent."""
    return body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()


def decode(content: bytes) -> JsonObject:
    """Return the object in it; `ValueError` where there is none."""
    try:
        decoded: object = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep to be read") from None
    if not isinstance(decoded, dict):
        raise ValueError(f"expected a JSON object, not {content[:40]!r}")  # noqa: TRY004  # of the content, not of a type
    return decoded


def section(body: Json, name: str) -> Json:
    """Return an object inside an object; an absent one is empty."""
    inner = body.get(name)
    return inner if isinstance(inner, dict) else {}


def objects(body: Json, name: str) -> list[JsonObject]:
    """Return a list of objects inside an object; an absent one is empty."""
    inner = body.get(name)
    return [each for each in inner if isinstance(each, dict)] if isinstance(inner, list) else []


def text(body: Json, name: str) -> str:
    """Return a string; an absent one is empty."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def texts(body: Json, name: str) -> list[str]:
    """Return a list of strings; an absent one is empty."""
    value = body.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def number(body: Json, name: str) -> int | None:
    """Return an integer, or None where there is none."""
    value = body.get(name)
    return value if isinstance(value, int) else None
