"""What the API server asks of an object's name, labels, annotations and finalizers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.objects import Json

_PART: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"{_PART}(\.{_PART})*")
_WORD: Final = re.compile("([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LONGEST_NAME: Final = 253
_LONGEST_WORD: Final = 63
_LARGEST: Final = 256 * 1024
"""Bytes of all annotations together."""


def mistakes_in_metadata(metadata: Json) -> Iterator[str]:
    """Say what is wrong with an object's metadata."""
    if not _is_subdomain(metadata["name"]):
        yield f'metadata.name: Invalid value: "{metadata["name"]}": a lowercase RFC 1123 subdomain must consist of …'
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for name in (*labels, *map(str.lower, annotations), *(metadata.get("finalizers") or ())):
        if not _is_qualified(name):
            yield f'metadata: Invalid value: "{name}": name part must consist of alphanumeric characters, …'
    for value in labels.values():
        if value and not _is_word(value):
            yield f'metadata.labels: Invalid value: "{value}": a valid label must be an empty string or consist of …'
    if sum(len(name.encode()) + len(value.encode()) for name, value in annotations.items()) > _LARGEST:
        yield f"metadata.annotations: Too long: may not be more than {_LARGEST} bytes"


def _is_qualified(name: str) -> bool:
    prefix, slash, word = name.rpartition("/")
    return _is_word(word) and (not slash or _is_subdomain(prefix))


def _is_word(word: str) -> bool:
    return len(word) <= _LONGEST_WORD and _WORD.fullmatch(word) is not None


def _is_subdomain(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _SUBDOMAIN.fullmatch(name) is not None
