"""docs/reasons.md has every reason once, with the states that it leads to, and every word about a wallet."""

import re
from pathlib import Path

import pytest

from ucloud_operator.control.publication import BROKEN
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.states import TRANSITIONS

PAGE = (Path(__file__).parents[3] / "docs" / "reasons.md").read_text(encoding="utf-8")
WAITING = {Reason.Unschedulable: {"IN_QUEUE"}}
"""Reasons that are written without a change of state."""
UNWRITTEN = {Reason.Starting, Reason.Stopping}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    names = [name.strip("`") for name, *_ in found]
    assert len(set(names)) == len(names)
    return {name: cells for name, (_, *cells) in zip(names, found, strict=True)}


@pytest.mark.parametrize("reason", [each for each in Reason if each not in UNWRITTEN])
def test_a_reason_has_a_row_with_its_states(reason: Reason) -> None:
    states = {
        after.value for steps in TRANSITIONS.values() for after, reasons in steps.items() if reason in reasons
    } | WAITING.get(reason, set())
    written = rows(section("Reasons of a job"))[reason.value][0]

    assert set(re.findall(r"`(\w+)`", written)) == states


def test_there_are_no_other_rows_and_the_rest_is_named() -> None:
    text = section("Reasons of a job")

    assert rows(text).keys() == {each.value for each in Reason if each not in UNWRITTEN}
    assert all(f"`{each.value}`" in text for each in UNWRITTEN)


def test_every_word_about_a_wallet_is_explained() -> None:
    assert rows(section("Conditions of a wallet")).keys() - {"Ready", "Locked", "EndsSoon"} == BROKEN
