"""Values that a structural schema describes: the likely, the odd and the extreme, all of them valid.

Not by hypothesis: a value is one step of a story that goes on for simulated hours and is told again by its seed alone,
as those of `accidents.py` are, and the same stream of values goes to a real API server. What rules (CEL) ask for
beyond the schema is the business of `objects.py`.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from tests.simulation.objects import Json

USUAL: Final = frozenset({"allocationGroups", "allocations"})
"""Optional fields without which an object is good for little."""

INT64: Final = (-(2**63), 2**63 - 1)
SMALL: Final = 12
LONG: Final = 300
"""Characters of a long text, where nothing limits it."""
DEEPEST: Final = 6
"""How deep free-form values are nested."""

TIMES: Final = (
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999999Z",
    "1970-01-01T00:00:00Z",
    "2024-02-29T12:00:00.5+05:45",
    "2025-11-24T16:00:00-23:59",
    "2026-11-24T08:00:00.123456789Z",
    "2026-12-31T23:59:59.999Z",
    "2038-01-19T03:14:08+23:59",
    "9999-12-31T23:59:59.999999999Z",
)
"""RFC 3339 at its edges; every one of them exists."""

LETTERS: Final = (
    string.ascii_lowercase,
    string.ascii_letters + string.digits + "-._/",
    "äßøñ\u6f22\u5b57\U0001f980\u202e\u200f\u00e9\u2003",  # some that are hard to see, or run the other way
    "$(HOME){}[]\"'\\\n\t\x00\x1b<>&%*?!;:,= ",
)


class Values:
    """Draws values, from the same seed always the same ones."""

    def __init__(self, chance: random.Random, hints: Mapping[str, Callable[[], Any]] | None = None) -> None:
        """Take what is likely to stand at a path such as `spec.product.id`: a schema knows no names of others."""
        self.chance = chance
        self._hints = hints or {}

    def of(self, schema: Json, path: str) -> Any:
        """Return a value for a node."""
        hint = self._hints.get(path)
        if hint is not None and self.chance.random() < 0.9:
            return hint()
        if "enum" in schema:
            return self.chance.choice(schema["enum"])
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return self.anything(0)
        return getattr(self, f"_{schema['type']}")(schema, path)

    def anything(self, depth: int) -> Json:
        """Return an object of somebody else's making."""
        return {self.text(0, SMALL): self._any(depth + 1) for _ in range(self.chance.randint(0, 3))}

    def text(self, least: int, most: int) -> str:
        """Return a text of some length, short as a rule."""
        lengths = (self.chance.randint(least, min(most, least + SMALL)), least, min(most, least + SMALL), most)
        length = self.chance.choices(lengths, (20, 1, 3, 1))[0]
        letters = self.chance.choices(LETTERS, (10, 4, 1, 1))[0]
        return "".join(self.chance.choices(letters, k=length))

    def time(self) -> str:
        """Return an instant near the present, or an odd one."""
        if self.chance.random() < 0.3:
            return self.chance.choice(TIMES)
        year, month, day = self.chance.randint(2020, 2032), self.chance.randint(1, 12), self.chance.randint(1, 28)
        return f"{year}-{month:02}-{day:02}T{self.chance.randint(0, 23):02}:{self.chance.randint(0, 59):02}:00Z"

    def _any(self, depth: int) -> Any:
        kind = self.chance.randint(0, 7 if depth < DEEPEST else 5)
        scalars = (None, True, 0, self.chance.randint(*INT64), 0.1, self.text(0, LONG))
        return [self._any(depth + 1)] if kind == 7 else self.anything(depth) if kind == 6 else scalars[kind]

    def _string(self, schema: Json, path: str) -> str:
        field = path.rpartition(".")[2]
        if schema.get("format") == "date-time" or field in {"startDate", "endDate", "grantedAt"}:
            return self.time()
        return self.text(schema.get("minLength", 0), schema.get("maxLength", LONG))

    def _integer(self, schema: Json, _path: str) -> int:
        least, most = schema.get("minimum", INT64[0]), schema.get("maximum", INT64[1])
        usual = self.chance.randint(max(least, 0), min(most, max(least, 0) + 100))
        return self.chance.choices((usual, least, most, self.chance.randint(least, most)), (12, 1, 1, 1))[0]

    def _boolean(self, _schema: Json, _path: str) -> bool:
        return self.chance.random() < 0.5

    def _array(self, schema: Json, path: str) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", SMALL)
        length = self.chance.choices((least + 1, least, min(most, least + 3), min(most, 40)), (10, 4, 3, 1))[0]
        return [self.of(schema["items"], f"{path}[]") for _ in range(min(length, most))]

    def _object(self, schema: Json, path: str) -> Json:
        if "additionalProperties" in schema:
            most = schema.get("maxProperties", SMALL)
            names = {self.text(0, 40) for _ in range(self.chance.randint(0, min(most, 3)))}
            return {name: self.of(schema["additionalProperties"], f"{path}{{}}") for name in sorted(names)}
        required = schema.get("required", ())
        return {
            name: self.of(node, f"{path}.{name}".lstrip("."))
            for name, node in schema.get("properties", {}).items()
            if name != "status" and (name in required or self.chance.random() < (0.9 if name in USUAL else 0.4))
        }
