import pytest

from ucloud_operator.ledger.state import Run
from ucloud_operator.ledger.usage import FOREVER, line_at, usage_at

MINUTE, HOUR = 60_000, 3_600_000


@pytest.mark.parametrize(
    ("run", "at_ms", "units"),
    [
        (Run(0, None, 50_000, 1, MINUTE), 2 * MINUTE, 100_000),
        (Run(0, None, 1_000_000, 1, MINUTE), 90_000, 1_500_000),
        (Run(0, None, 1_000_000, 3, MINUTE), 61_000, 3_050_000),
        (Run(0, None, 1_234_567, 3, MINUTE), MINUTE, 3_703_701),  # floats say 3703700
        (Run(0, None, 1, 1, HOUR), 3_599_999, 0),
        (Run(0, None, 1, 1, HOUR), 3_600_000, 1),
        (Run(0, None, 16, 1, HOUR), 600_000, 2),
        (Run(0, MINUTE, 7, 1, MINUTE), HOUR, 7),
        (Run(MINUTE, None, 7, 1, MINUTE), 0, 0),
        (Run(0, None, 9 * 10**18, 1000, MINUTE), 24 * HOUR, 9 * 10**21 * 1440),
    ],
)
def test_a_run_costs_its_price_for_its_time(run: Run, at_ms: int, units: int) -> None:
    assert usage_at([run], at_ms) == units


def test_runs_are_added_before_the_one_floor_of_the_whole() -> None:
    half = Run(0, MINUTE // 2, 1, 1, MINUTE)
    assert usage_at([half], HOUR) == 0
    assert usage_at([half, Run(MINUTE, MINUTE + MINUTE // 2, 1, 1, MINUTE)], HOUR) == 1


def test_each_run_keeps_its_own_rate() -> None:
    runs = [Run(0, MINUTE, 10, 1, MINUTE), Run(MINUTE, None, 60, 2, HOUR)]
    assert usage_at(runs, 2 * MINUTE) == 12


def test_a_job_that_has_not_run_has_used_nothing() -> None:
    assert usage_at([], 5) == 0


def test_between_two_starts_usage_is_one_line() -> None:
    runs = [Run(0, 10, 1, 1, 2), Run(20, 25, 3, 1, 2), Run(40, None, 5, 1, 2)]
    first, second, third = (line_at(runs, at_ms, 2) for at_ms in (5, 20, 40))
    assert first[1:] == (1, 0, 10)
    assert second[1:] == (3, 20, 25)
    assert third == (10 + 15 - 5 * 40, 5, 40, FOREVER)
    assert line_at(runs[:2], 99, 2) == second
