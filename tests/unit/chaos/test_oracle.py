from __future__ import annotations

import pytest

from tests.chaos.oracle import Run, costs, exhausted_ms


def test_who_ends_by_itself_pays_until_then() -> None:
    runs = (Run("a", 1, 1000, 5000), Run("b", 2, 2000, 3000))
    assert costs(10**9, runs) == {"a": 4000, "b": 2000}


def test_who_runs_on_pays_until_the_last_credit_is_spent() -> None:
    assert costs(7000, [Run("a", 1, 1000, None)]) == {"a": 7000}


def test_those_of_a_family_stop_at_one_moment() -> None:
    runs = (Run("a", 1, 0, None), Run("b", 1, 4000, None), Run("c", 1, 0, 2000))
    assert exhausted_ms(12_000, runs) == 7000
    assert costs(12_000, runs) == {"a": 7000, "b": 3000, "c": 2000}


def test_who_begins_after_the_last_credit_was_spent_pays_nothing() -> None:
    assert costs(3000, (Run("a", 1, 0, None), Run("b", 1, 9000, None))) == {"a": 3000, "b": 0}


@pytest.mark.parametrize(("budget", "paid"), [(10, (5, 5)), (9, (5, 4)), (8, (4, 4))])
def test_the_last_millisecond_is_for_those_who_began_first(budget: int, paid: tuple[int, int]) -> None:
    costed = costs(budget, (Run("b", 1, 0, None), Run("a", 1, 0, None)))
    assert (costed["a"], costed["b"]) == paid


def test_a_pause_in_between_costs_nothing() -> None:
    runs = (Run("a", 1, 0, 1000), Run("b", 1, 5000, None))
    assert costs(2500, runs) == {"a": 1000, "b": 1500}


def test_nothing_can_run_on_where_credits_are_left_when_all_have_ended() -> None:
    assert exhausted_ms(100, [Run("a", 1, 0, 50)]) is None


def test_a_family_of_which_nothing_ever_ran_pays_nothing() -> None:
    assert costs(1000, []) == {}
