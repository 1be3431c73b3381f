"""The levels at which people are told that something ends."""

from __future__ import annotations

from tests.unit.lifecycle.stories import at
from ucloud_operator.lifecycle import warnings
from ucloud_operator.settings import FOREVER_MS

LEVELS = (60, 15, 5)


def test_the_closest_level_that_was_crossed_counts() -> None:
    assert [warnings.level_at(at(3601), LEVELS, at(0), at(now)) for now in (0, 1, 2700, 2701, 3301, 9999)] == [
        None,
        60,
        60,
        15,
        5,
        5,
    ]


def test_a_level_that_was_behind_at_the_beginning_was_never_crossed() -> None:
    assert warnings.level_at(at(3600), LEVELS, at(0), at(0)) is None
    assert warnings.level_at(at(3600), LEVELS, at(0), at(2700)) == 15


def test_the_next_level_is_the_first_that_is_not_crossed_yet() -> None:
    assert [warnings.next_level_ms(at(3601), LEVELS, at(now)) for now in (0, 1, 2701, 3301)] == [
        at(1),
        at(2701),
        at(3301),
        FOREVER_MS,
    ]
    assert warnings.next_level_ms(FOREVER_MS, LEVELS, at(0)) == FOREVER_MS


def test_what_was_told_is_read_back() -> None:
    far = warnings.condition(None, "later", None, at(1))
    near = warnings.condition(60, "soon", far, at(2))
    nearer = warnings.condition(15, "sooner", near, at(3))
    assert [warnings.level_of(each) for each in (None, far, near, nearer)] == [None, None, 60, 15]
    assert [(each.status, each.message, each.last_transition_time) for each in (far, near, nearer)] == [
        ("False", "later", at(1)),
        ("True", "soon", at(2)),
        ("True", "sooner", at(2)),
    ]
    assert warnings.told((nearer.model_copy(update={"type": "Running"}), near)) == near
    assert (warnings.since(None), warnings.since(nearer)) == (0, at(2))


def test_only_what_comes_closer_is_said_aloud() -> None:
    near = warnings.condition(15, "", None, at(1))
    assert [warnings.is_closer(level, near) for level in (None, 60, 15, 5)] == [False, False, False, True]
    assert [warnings.is_news(level, near) for level in (None, 60, 15, 5)] == [True, True, False, True]
    assert warnings.is_closer(60, None)
    assert not warnings.is_news(None, None)
