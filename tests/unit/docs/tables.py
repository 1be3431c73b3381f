"""What `ucloud-operator ledger replay` prints, as tables for people; `python -m tests.unit.docs.tables` prints them.

A table in a page stands under a comment that names its scenario; a test compares the two.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from ucloud_operator.ledger.replay import replay

SCENARIOS = Path(__file__).parents[3] / "docs" / "scenarios"
COLUMNS = ("minute", "wallet", "quota", "localUsage", "totalUsage", "treeUsage", "maxUsable", "locked", "next stop")
NUMBERS = COLUMNS[2:-2]


def table(scenario: Path) -> str:
    """Return a scenario's steps as a Markdown table, under the comment that names it."""
    steps = replay(json.loads(scenario.read_text(encoding="utf-8")))
    rows = [COLUMNS, tuple(map(_rule, COLUMNS)), *(row for step in steps for row in _rows(step))]
    return "\n".join((f"<!-- {scenario.name} -->", *(f"| {' | '.join(row)} |" for row in rows))) + "\n"


def _rule(column: str) -> str:
    return "--:" if column in NUMBERS or column == "minute" else "---"


def _rows(step: Mapping[str, object]) -> Iterator[tuple[str, ...]]:
    first = True
    wallets, at = step["wallets"], step["at"]
    assert isinstance(wallets, dict)
    for name, numbers in wallets.items():
        amounts = (str(numbers[column]) for column in NUMBERS)
        lock = "locked" if numbers["locked"] else ""
        yield str(at) if first else "", name, *amounts, lock, _stop(step) if first else ""
        first = False


def _stop(step: Mapping[str, object]) -> str:
    forecast = step.get("forecast")
    if not isinstance(forecast, dict):
        return ""
    return f"minute {forecast['atMs'] / 60_000:g}: {', '.join(forecast['stops'])}"


if __name__ == "__main__":
    print("\n".join(table(path) for path in sorted(SCENARIOS.glob("*.json"))))
