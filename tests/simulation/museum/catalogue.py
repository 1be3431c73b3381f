"""All exhibits, and the table of them that stands in docs/reliability.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.simulation.museum import ledger, metering, stopping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.museum.exhibit import Exhibit

HALLS: Final[Mapping[str, tuple[Exhibit, ...]]] = {
    "The ledger": ledger.EXHIBITS,
    "Metering": metering.EXHIBITS,
    "Stopping": stopping.EXHIBITS,
}
EXHIBITS: Final = tuple(exhibit for hall in HALLS.values() for exhibit in hall)

PAGE: Final = Path(__file__).parents[3] / "docs" / "reliability.md"
BEGINS: Final = "<!-- written by `python -m tests.simulation.museum` -->\n"
ENDS: Final = "<!-- until here -->\n"


def tables() -> str:
    """Return every hall as a heading and a table in Markdown."""
    return "\n".join(f"### {title}\n\n{_table(exhibits)}" for title, exhibits in HALLS.items())


def _table(exhibits: tuple[Exhibit, ...]) -> str:
    columns = ("defect", "seen at", "what it did", "what protects us", "caught by", "what it taught")
    rows = [columns, ("---",) * len(columns), *map(_row, exhibits)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(exhibit: Exhibit) -> tuple[str, ...]:
    seen_at = ", ".join(f"[{name}]({link})" if link else name for name, link in exhibit.origins.items())
    return exhibit.name, seen_at, exhibit.did, exhibit.protection, str(exhibit.story), exhibit.taught


def written(page: str) -> str:
    """Return the page with the tables as they are now."""
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    assert begins, f"{PAGE} has no line {BEGINS}"
    assert ends, f"{PAGE} has no line {ENDS}"
    return f"{before}{begins}\n{tables()}\n{ends}{after}"
