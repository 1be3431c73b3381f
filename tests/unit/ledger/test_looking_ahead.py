"""Forecasts, runways and rates: what is asked without changing anything."""

import pytest

from tests.unit.ledger.money import FAR, MINUTE, money
from ucloud_operator.ledger import Forecast, Meter, Run, Stop


def test_the_next_exhaustion_and_whom_it_stops() -> None:
    story = money().wallet("top", 100).wallet("w", 50, "top").job("j", "w", price=10).job("k", "top", price=5)
    ledger = story.ledger()
    assert ledger.forecast() == Forecast(5 * MINUTE, (Stop("j", 5 * MINUTE),))
    assert list(ledger.forecasts()) == [
        Forecast(5 * MINUTE, (Stop("j", 5 * MINUTE),)),
        Forecast(10 * MINUTE, (Stop("k", 10 * MINUTE),)),
    ]
    assert ledger.at_ms == 0
    assert ledger.charged("j") == 0


def test_nothing_beyond_the_horizon() -> None:
    ledger = money().wallet("w", 50).job("j", "w", price=10).ledger()
    assert ledger.forecast(5 * MINUTE - 1) is None
    assert ledger.forecast(5 * MINUTE) is not None
    assert ledger.forecast(0) is None


def test_a_forecast_knows_of_windows_and_of_ends_that_are_known() -> None:
    story = money().grant("w", 50, end=3 * MINUTE).grant("w", 1000, start=2 * MINUTE, named="next")
    story = story.job("j", "w", price=20).job("short", "w", price=10, end=MINUTE)
    # 50 are used up at minute 2 exactly, when the next 1000 begin: they last 50 minutes.
    assert story.ledger().forecast() == Forecast(52 * MINUTE, (Stop("j", 52 * MINUTE),))


def test_credits_that_outlast_the_jobs_run_out_never() -> None:
    story = money().wallet("w", 100).job("j", "w", price=10, end=5 * MINUTE).job("free", "w", price=0)
    assert story.ledger().forecast() is None
    assert money().wallet("w", free=True).job("j", "w", price=1).ledger().forecast() is None
    assert money().wallet("w", 9 * 10**18).job("j", "w", price=1, per_ms=86_400_000).ledger().forecast(FAR - 1) is None


def test_whoever_has_ended_brings_no_exhaustion_nearer() -> None:
    ledger = money().wallet("w", 100).job("j", "w", price=10, end=MINUTE).at(2 * MINUTE)
    assert ledger.forecast() is None
    assert ledger.charged("j") == 10


def test_a_free_wallet_on_the_way_pays_for_nothing_itself() -> None:
    story = money().wallet("top", 30).wallet("free", 100, "top", free=True).wallet("w", 100, "free")
    ledger = story.job("gift", "free", price=100).job("j", "w", price=10).at(0)
    assert ledger.forecast() == Forecast(3 * MINUTE, (Stop("j", 3 * MINUTE),))


def test_also_if_they_end_at_the_very_horizon() -> None:
    ledger = money().grant("w", 100, end=5 * MINUTE).job("j", "w", price=10).at(MINUTE)
    assert ledger.forecast(5 * MINUTE - 1) is None
    assert ledger.forecast(5 * MINUTE) == Forecast(5 * MINUTE, (Stop("j", 5 * MINUTE),))


def test_the_next_window_may_open_when_the_credits_of_the_last_one_end() -> None:
    story = money().grant("w", 50, end=3 * MINUTE).grant("w", 1000, start=2 * MINUTE, named="next")
    ledger = story.job("j", "w", price=25).at(MINUTE)
    assert ledger.forecast() == Forecast(42 * MINUTE, (Stop("j", 42 * MINUTE),))


def test_all_whose_credits_end_at_one_instant_stop_at_it() -> None:
    story = money().wallet("v", 50).wallet("w", 50).job("j", "w", price=10).job("k", "v", price=10)
    assert story.at(MINUTE).forecast() == Forecast(5 * MINUTE, (Stop("j", 5 * MINUTE), Stop("k", 5 * MINUTE)))


def test_credits_end_with_their_allocation_at_the_latest() -> None:
    forecast = money().wallet("w", 100).job("j", "w", price=0).job("k", "w", price=1, per_ms=FAR).ledger().forecast()
    assert forecast == Forecast(FAR, (Stop("k", FAR),))


def test_a_job_that_will_start_in_a_locked_wallet_is_stopped_at_its_start() -> None:
    story = money().wallet("w").job("j", "w", price=1, start=7).job("done", "w", price=1, end=0)
    assert story.ledger().forecast() == Forecast(7, (Stop("j", 7),))


def test_how_long_the_credits_would_last_a_job_that_started_now() -> None:
    ledger = money().wallet("top", 12_000).wallet("w", 100_000, "top").job("j", "top", price=10_000).ledger()
    candidate = Meter("new", "w", (Run(0, None, 50_000, 1, MINUTE),))
    assert ledger.runway(candidate) == 12_000
    assert ledger.runway(candidate, horizon_ms=11_999) is None
    assert ledger.runway(Meter("cheap", "w", (Run(0, None, 0, 1, MINUTE),)), horizon_ms=MINUTE) is None
    assert [meter.uid for meter in ledger.state().meters] == ["j"]


def test_that_others_stop_before_does_not_matter() -> None:
    ledger = money().wallet("w", 30).wallet("other", 10).job("j", "other", price=10).ledger()
    assert ledger.runway(Meter("new", "w", (Run(0, None, 10, 1, MINUTE),))) == 3 * MINUTE


def test_a_suspended_job_that_would_go_on_takes_its_own_place() -> None:
    story = money().wallet("w", 100).job("j", "w", price=10, end=MINUTE)
    ledger = story.at(5 * MINUTE)
    (meter,) = ledger.state().meters
    again = Meter("j", "w", (*meter.runs, Run(5 * MINUTE, None, 10, 1, MINUTE)), meter.charged)
    assert ledger.runway(again) == 14 * MINUTE


def test_who_is_not_there_has_no_numbers() -> None:
    ledger = money().wallet("w", 1).ledger()
    with pytest.raises(KeyError):
        ledger.numbers("x")
    with pytest.raises(KeyError):
        ledger.charged("x")
    with pytest.raises(KeyError):
        ledger.rate_per_minute("x")


def test_rates_count_running_jobs_only_and_are_rounded_down_once() -> None:
    story = money().wallet("top", 100).wallet("w", 100, "top")
    story = story.job("hourly", "w", price=90, per_ms=60 * MINUTE).job("half", "top", price=30, per_ms=60 * MINUTE)
    story = story.job("later", "w", price=7, start=MINUTE)
    ledger = story.at(0)
    assert (ledger.rate_per_minute("w"), ledger.rate_per_minute("top")) == (1, 2)


def test_a_ledger_is_spent_while_a_job_runs_that_costs_anything() -> None:
    story = money().wallet("w", 100).job("gift", "w", price=0).job("j", "w", price=1, end=MINUTE)
    assert story.at(0).is_spent()
    assert not story.at(MINUTE).is_spent()


def test_who_is_at_and_below_a_wallet_on_whatever_way() -> None:
    story = money().wallet("top", 9).wallet("a", 9, "top").wallet("b", 9, "top").wallet("w", 9, "a").grant("w", 9, "b")
    assert story.ledger().at_and_below("top") == {"top", "a", "b", "w"}
    assert story.ledger().at_and_below("b") == {"b", "w"}
