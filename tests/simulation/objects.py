"""JSON objects as the API server handles them: merged, selected, compared."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""An object of the API. One that is stored is never changed in place: every write makes a new one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def copied(thing: Json) -> Json:
    """Return an equal object that may be changed."""
    copy: Json = json.loads(json.dumps(thing))
    return copy


def without_finalizers(old: Json, body: Json) -> Json:
    """Return a strategic patch that takes finalizers off as the plain one that comes to the same."""
    directive = "$deleteFromPrimitiveList/finalizers"
    metadata = body.get("metadata", {})
    if directive not in metadata:
        return body
    left = [each for each in old["metadata"].get("finalizers", []) if each not in metadata[directive]]
    others = {name: value for name, value in metadata.items() if name != directive}
    return {**body, "metadata": {**others, "finalizers": left}}


def merged(target: Any, patch: Any) -> Any:
    """Apply a merge patch (RFC 7386); neither of the two is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def stamp(at_ms: int) -> str:
    """Write an instant as Kubernetes' own stamps are written: cut off to the second."""
    return f"{_EPOCH + timedelta(seconds=at_ms // 1000):%Y-%m-%dT%H:%M:%SZ}"


def stamped_ms(text: str) -> int:
    """Read a stamp."""
    return int((datetime.fromisoformat(text) - _EPOCH).total_seconds()) * 1000


def selected(labels: dict[str, str], selector: str | None) -> bool:
    """Say whether labels fit a selector such as `a=b,c,!d,e in (f,g)`."""
    return all(_fits(labels, requirement) for requirement in _requirements(selector or ""))


def field_selected(thing: Json, selector: str | None) -> bool:
    """Say whether an object fits a field selector such as `metadata.name=a,spec.nodeName!=b`."""
    for requirement in _requirements(selector or ""):
        wanted = "!=" not in requirement
        path, _, value = requirement.replace("==", "=").replace("!=", "=").partition("=")
        found: Any = thing
        for step in path.split("."):
            found = found.get(step, "") if isinstance(found, dict) else ""
        if (found == value) is not wanted:
            return False
    return True


def _requirements(selector: str) -> list[str]:
    requirements, depth = [""], 0
    for letter in selector:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            requirements.append("")
        else:
            requirements[-1] += letter
    return [requirement.strip() for requirement in requirements if requirement.strip()]


def _fits(labels: dict[str, str], requirement: str) -> bool:
    if requirement.startswith("!"):
        return requirement[1:].strip() not in labels
    words = requirement.replace("(", " ( ").split()
    if "in" in words[1:2]:
        return labels.get(words[0]) in _values(requirement)
    if "notin" in words[1:2]:
        return labels.get(words[0]) not in _values(requirement)
    if "!=" in requirement:
        name, _, value = requirement.partition("!=")
        return labels.get(name.strip()) != value.strip()
    if "=" in requirement:
        name, _, value = requirement.replace("==", "=").partition("=")
        return labels.get(name.strip()) == value.strip()
    return requirement in labels


def _values(requirement: str) -> set[str]:
    inside = requirement.partition("(")[2].rpartition(")")[0]
    return {value.strip() for value in inside.split(",")}
