"""What docs/ledger.md says of numbers is what the ledger prints, and it knows every invariant and every choice."""

import inspect
import re
from pathlib import Path

import pytest

from tests.unit.docs.tables import SCENARIOS, table
from ucloud_operator.ledger.invariants import INVARIANTS, no_edge_is_overdrawn

PAGE = (SCENARIOS.parent / "ledger.md").read_text(encoding="utf-8")
NAMES = sorted(path.name for path in SCENARIOS.glob("*.json"))


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.json")), ids=lambda path: path.stem)
def test_a_table_is_what_replay_prints(path: Path) -> None:
    assert table(path) in PAGE, f"docs/ledger.md should have:\n\n{table(path)}"


def test_every_table_has_its_scenario() -> None:
    assert sorted(re.findall(r"^<!-- (\S+\.json) -->$", PAGE, re.MULTILINE)) == NAMES
    assert len(re.findall(r"^\| minute \|", PAGE, re.MULTILINE)) == len(NAMES)


@pytest.mark.parametrize("invariant", [*INVARIANTS, no_edge_is_overdrawn], ids=lambda invariant: invariant.__name__)
def test_every_invariant_is_named_with_its_sentence(invariant: object) -> None:
    sentence = inspect.getdoc(invariant)
    assert f"| `{getattr(invariant, '__name__', '')}` | {sentence} |" in PAGE
