"""Known defects of this field, put back into the operator one by one: the simulation has to notice every one.

Each story is told once as it is, and nothing is wrong with it; and once with each of its defects, and then what is
wrong is said by the sentence that the exhibit names. A defect that makes the operator raise proves nothing.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.simulation.loop import play
from tests.simulation.museum.catalogue import EXHIBITS, FAULTS, PAGE, Fault, written
from tests.simulation.museum.exhibit import Change, Exhibit, made
from ucloud_operator.lifecycle.stops import billed_end_ms

if TYPE_CHECKING:
    from tests.simulation.museum.stories import Story

STORIES = list(dict.fromkeys(exhibit.story for exhibit in EXHIBITS))


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_without_a_defect_nothing_is_wrong(story: Story) -> None:
    play(story())


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.name)
def test_a_defect_is_caught(exhibit: Exhibit, caplog: pytest.LogCaptureFixture) -> None:
    with made(*exhibit.changes), pytest.raises(AssertionError, match=exhibit.caught_by):
        play(exhibit.story())
    raised = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR and record.exc_info]
    assert raised == [], "the operator itself has noticed that something is wrong"


def test_no_two_exhibits_have_one_name() -> None:
    assert max(Counter(exhibit.name for exhibit in EXHIBITS).values()) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_every_class_of_faults_has_a_protection_whose_absence_is_on_show(fault: Fault) -> None:
    assert fault.without
    assert set(fault.without) <= {exhibit.name for exhibit in EXHIBITS}


def test_the_catalogue_is_up_to_date() -> None:
    page = PAGE.read_text()
    assert written(page) == page, "python -m tests.simulation.museum writes it"


def test_a_change_is_undone() -> None:
    before = billed_end_ms.__code__
    with made(Change("lifecycle.stops:billed_end_ms", "return finished_ms\n", "return 7\n")):
        assert billed_end_ms.__code__ is not before
    assert billed_end_ms.__code__ is before


def test_a_change_that_does_not_fit_is_refused() -> None:
    change = Change("lifecycle.stops:billed_end_ms", "return nothing", "return 7")
    with pytest.raises(ValueError, match=re.escape("has 0 times what was to be changed")), made(change):
        pass
