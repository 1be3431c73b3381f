"""The CRDs' rules (CEL), each as the Python that comes to the same.

Nothing here reads CEL: a rule that is new or changed isn't found, and that is said. That the two agree is compared on a
real API server (tests/cluster/test_bad_input.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ucloud_operator.api import parse_time
from ucloud_operator.api.common import DNS_LABEL_PATTERN, WRITTEN_PATTERN
from ucloud_operator.api.job import MAX_NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.objects import Json

ABSENT: Final[Any] = object()
"""What an object was that is only being created."""

_ALLOCATED_SECONDS: Final = "({0}.hours * 3600 + {0}.minutes * 60 + {0}.seconds)"
_SAME_PARENT: Final = "(has({0}.parent) ? has({1}.parent) && {0}.parent == {1}.parent : !has({1}.parent))"
_OPTIONAL: Final = re.compile(
    r"has\(self\.(\w+)\) == has\(oldSelf\.\1\) && \(!has\(self\.\1\) \|\| self\.\1 == oldSelf\.\1\)"
)


def broken_rules(value: Any, old: Any, schema: Json, path: str = "") -> Iterator[str]:
    """Say which rules a value breaks, that was `old` before."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if ("oldSelf" not in rule["rule"] or old is not ABSENT) and not _holds(rule["rule"], value, old):
            place = f"{path}{rule.get('fieldPath', '')}" or "<nil>"
            yield f'{place}: Invalid value: "{type(value).__name__}": {rule["message"]}'
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from broken_rules(each, ABSENT, schema.get("items", {}), f"{path}[{index}]")
    elif isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, node in schema.get("properties", {}).items():
            if name in value:
                yield from broken_rules(value[name], before.get(name, ABSENT), node, f"{path}.{name}".lstrip("."))


def _holds(rule: str, self: Any, old: Any) -> bool:
    optional = _OPTIONAL.fullmatch(rule)
    if optional is not None:
        return bool(self.get(optional[1]) == old.get(optional[1]))
    try:
        return _RULES[rule](self, old)
    except ValueError:  # a time that isn't one: CEL fails, and what fails is refused
        return False


def _instant(text: str) -> tuple[int, str]:
    """Read a time to the nanosecond."""
    fraction = re.search("[.]([0-9]+)", text)
    return parse_time(text) // 1000, fraction[1].ljust(9, "0") if fraction else "0" * 9


def _is_time(text: str) -> bool:
    if re.fullmatch(WRITTEN_PATTERN, text) is None:
        return False
    parse_time(text)
    return _instant(text) >= _instant("0001-01-01T00:00:00Z")


def _seconds(allocation: Json) -> int:
    return int(allocation["hours"] * 3600 + allocation["minutes"] * 60 + allocation["seconds"])


def _groups(spec: Json) -> list[tuple[Any, list[str]]]:
    """Return a wallet's groups, by parent, with the ids of what they grant."""
    return [(group.get("parent"), [each["id"] for each in group["allocations"]]) for group in spec["allocationGroups"]]


def _one_group_per_parent(spec: Json, _: Any) -> bool:
    parents = [parent for parent, _ in _groups(spec)]
    return all(parents.count(parent) == 1 for parent in parents)


def _keeps_parents(spec: Json, old: Json) -> bool:
    before, after = _groups(old), _groups(spec)
    known, kept = [parent for parent, _ in before], [parent for parent, _ in after]
    return all(
        not ids or parent in kept or not any(ids[0] in others and other not in known for other, others in after)
        for parent, ids in before
    )


def _is_job_name(job: Json, _: Any) -> bool:
    name = job["metadata"]["name"]
    return len(name) <= MAX_NAME_LENGTH and re.fullmatch(DNS_LABEL_PATTERN, name) is not None


_RULES: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "self == oldSelf": lambda self, old: self == old,
    "self >= oldSelf": lambda self, old: self >= old,
    "self || !oldSelf": lambda self, old: self or not old,
    f"self.matches('{WRITTEN_PATTERN}') && timestamp(self).getFullYear() > 0": lambda self, _: _is_time(self),
    "timestamp(self.endDate) > timestamp(self.startDate)": lambda self, _: (
        _instant(self["endDate"]) > _instant(self["startDate"])
    ),
    "self.type == 'user' ? has(self.username) : has(self.projectId)": lambda self, _: (
        "username" in self if self["type"] == "user" else "projectId" in self
    ),
    f"self.allocationGroups.all(g, self.allocationGroups.exists_one(h, {_SAME_PARENT.format('g', 'h')}))": (
        _one_group_per_parent
    ),
    "oldSelf.allocationGroups.all(o, o.allocations.size() == 0"
    f" || self.allocationGroups.exists(g, {_SAME_PARENT.format('g', 'o')})"
    " || !self.allocationGroups.exists(g, g.allocations.exists(a, a.id == o.allocations[0].id)"
    f" && !oldSelf.allocationGroups.exists(p, {_SAME_PARENT.format('g', 'p')})))": _keeps_parents,
    f"self.metadata.name.size() <= {MAX_NAME_LENGTH} && self.metadata.name.matches('{DNS_LABEL_PATTERN}')": (
        _is_job_name
    ),
    "has(self.timeAllocation) == has(oldSelf.timeAllocation)": lambda self, old: (
        ("timeAllocation" in self) == ("timeAllocation" in old)
    ),
    "self.funding != 'Reserve' || !has(oldSelf.timeAllocation) || self.timeAllocation == oldSelf.timeAllocation": (
        lambda self, old: (
            self["funding"] != "Reserve"
            or "timeAllocation" not in old
            or self.get("timeAllocation") == old["timeAllocation"]
        )
    ),
    "self.funding != 'Reserve' || has(self.timeAllocation)": lambda self, _: (
        self["funding"] != "Reserve" or "timeAllocation" in self
    ),
    f"{_ALLOCATED_SECONDS.format('self')} > 0": lambda self, _: _seconds(self) > 0,
    f"{_ALLOCATED_SECONDS.format('self')} >= {_ALLOCATED_SECONDS.format('oldSelf')}": lambda self, old: (
        _seconds(self) >= _seconds(old)
    ),
    "!oldSelf.closed || self == oldSelf": lambda self, old: not old["closed"] or self == old,
    "self.lines.size() >= oldSelf.lines.size()": lambda self, old: len(self["lines"]) >= len(old["lines"]),
    "self.matches('^[0-9]{4}-(0[1-9]|1[0-2])$')": lambda self, _: (
        re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", self) is not None
    ),
    "has(self.cpu) != has(self.cpuMillis)": lambda self, _: ("cpu" in self) != ("cpuMillis" in self),
    "has(self.key) || self.operator == 'Exists'": lambda self, _: "key" in self or self["operator"] == "Exists",
}
