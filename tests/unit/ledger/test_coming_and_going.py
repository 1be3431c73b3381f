"""Jobs that start and stop in a ledger that lives on: what they change, and what takes a ledger that is built anew."""

from dataclasses import replace

import pytest

from tests.unit.ledger.money import MINUTE, Money, money, stops
from ucloud_operator.ledger import Forecast, Ledger, Meter, Run, Stop
from ucloud_operator.ledger.timeline import Timeline


def new(wallet: str = "w", price: int = 10, *, start: int, uid: str = "new", per_ms: int = MINUTE) -> Meter:
    return Meter(uid, wallet, (Run(start, None, price, 1, per_ms),))


def running(quota: int = 100) -> Ledger:
    """Return a ledger two minutes after its only job, of 10 per minute, has started."""
    return money().wallet("top", 1000).wallet("w", quota, "top").job("j", "w", price=10).at(2 * MINUTE)


def is_live(ledger: Ledger, timeline: Timeline) -> bool:
    return ledger._timeline is timeline


def test_a_start_brings_the_end_of_the_credits_nearer_and_a_stop_puts_it_off() -> None:
    ledger = running()
    timeline = ledger._timeline
    assert ledger.forecast() == Forecast(10 * MINUTE, (Stop("j", 10 * MINUTE),))
    assert "new" not in ledger
    ledger.start(new(start=2 * MINUTE))
    assert "new" in ledger
    assert ledger.forecast() == Forecast(6 * MINUTE, (Stop("j", 6 * MINUTE), Stop("new", 6 * MINUTE)))
    ledger.advance(4 * MINUTE)
    ledger.stop("j")
    assert ledger.forecast() == Forecast(8 * MINUTE, (Stop("new", 8 * MINUTE),))
    assert (ledger.charged("j"), ledger.charged("new")) == (40, 20)
    assert stops(ledger, 9 * MINUTE) == {"new": 8 * MINUTE}
    assert is_live(ledger, timeline)


def test_numbers_are_of_now_however_long_nobody_has_looked() -> None:
    ledger = running()
    ledger.advance(5 * MINUTE)
    assert ledger.twin().charged("j") == 50
    assert ledger.twin().wallet("w").local_usage == 50
    assert ledger.numbers("top").max_usable == 950


def test_a_job_that_goes_on_keeps_its_place_and_pays_for_each_run() -> None:
    ledger = running()
    timeline = ledger._timeline
    ledger.stop("j")
    ledger.stop("j")
    ledger.advance(3 * MINUTE)
    (meter,) = ledger.state().meters
    again = replace(meter, runs=(*meter.runs, Run(3 * MINUTE, None, 20, 1, MINUTE)))
    assert ledger.runway(again) == 7 * MINUTE
    ledger.start(again)
    ledger.advance(4 * MINUTE)
    ledger.stop("j")
    assert ledger.charged("j") == 40
    assert [run.end_ms for run in ledger.state().meters[0].runs] == [2 * MINUTE, 4 * MINUTE]
    assert is_live(ledger, timeline)


def test_a_start_that_is_learned_late_is_charged_from_when_it_was() -> None:
    ledger = running()
    timeline = ledger._timeline
    ledger.start(new(start=MINUTE))
    assert ledger.charged("new") == 10
    assert ledger.numbers("w").local_usage == 30
    assert is_live(ledger, timeline)


def test_and_takes_its_turn_among_those_that_were_there() -> None:
    ledger = running()
    ledger.start(new(start=-MINUTE))
    assert ledger.forecast() == Forecast(270_000, (Stop("new", 270_000), Stop("j", 270_000)))


def test_if_it_owes_more_than_there_is_the_rest_is_overrun_and_all_stop() -> None:
    ledger = running(quota=25)
    ledger.start(new(start=MINUTE))
    assert stops(ledger, 2 * MINUTE) == {"j": 2 * MINUTE, "new": 2 * MINUTE}
    assert [(meter.uid, meter.charged, meter.overrun) for meter in ledger.state().meters] == [
        ("j", 20, 0),
        ("new", 5, 5),
    ]


def test_whoever_starts_in_a_locked_wallet_stops_at_once() -> None:
    ledger = money().wallet("w").wallet("other", 100).job("k", "other", price=1).at(2 * MINUTE)
    timeline = ledger._timeline
    ledger.start(new(start=MINUTE))
    ledger.start(new("other", start=2 * MINUTE, uid="next"))
    assert stops(ledger, 2 * MINUTE) == {"new": 2 * MINUTE}
    assert not is_live(ledger, timeline), "the second came before it was decided about the first"


def test_also_if_it_owes_nothing_yet() -> None:
    ledger = money().wallet("w").wallet("other", 100).job("k", "other", price=1).at(2 * MINUTE)
    ledger.start(new(start=2 * MINUTE))
    assert stops(ledger, 3 * MINUTE) == {"new": 2 * MINUTE}


def test_a_job_that_outlasts_all_others_ends_with_its_credits() -> None:
    ledger = money().grant("w", 1000, end=50 * MINUTE).job("j", "w", price=1, end=MINUTE).at(0)
    assert ledger.forecast() is None
    ledger.start(new(start=0))
    assert ledger.forecast() == Forecast(50 * MINUTE, (Stop("new", 50 * MINUTE),))


def test_a_free_wallet_counts_and_asks_nobody() -> None:
    ledger = money().wallet("w", free=True).at(0)
    ledger.start(new(start=0))
    assert stops(ledger, 5 * MINUTE) == {}
    ledger.stop("new")
    assert ledger.numbers("w").local_usage == 50


@pytest.mark.parametrize(
    "meter",
    [
        new(start=2 * MINUTE, per_ms=7),
        new("top", start=2 * MINUTE, uid="j"),
        new(start=MINUTE, uid="j"),
        new(start=3 * MINUTE),
    ],
    ids=["another period", "another wallet", "another beginning", "not yet"],
)
def test_what_is_not_ordinary_is_built_anew(meter: Meter) -> None:
    ledger = running()
    timeline, anew = ledger._timeline, Ledger(ledger._with(meter))
    ledger.start(meter)
    assert not is_live(ledger, timeline)
    assert stops(ledger, 20 * MINUTE) == stops(anew, 20 * MINUTE)
    assert ledger.state() == anew.state()


def test_also_before_an_instant_is_decided() -> None:
    ledger = running(quota=20)
    ledger = Money(ledger.state()).ledger()
    ledger.start(new(start=2 * MINUTE))
    ledger.stop("j")
    assert stops(ledger, 2 * MINUTE) == {"new": 2 * MINUTE}


def test_however_many_have_come_and_gone() -> None:
    ledger = running()
    for number in range(100):
        ledger.start(new(start=2 * MINUTE, uid=f"n{number}"))
        ledger.stop(f"n{number}")
    assert ledger.forecast() == Forecast(10 * MINUTE, (Stop("j", 10 * MINUTE),))


def test_what_can_not_be_is_refused() -> None:
    ledger = running()
    with pytest.raises(ValueError, match="there is no job x"):
        ledger.stop("x")
    with pytest.raises(ValueError, match="job new: there is no wallet x"):
        ledger.start(new("x", start=0))
    with pytest.raises(ValueError, match="its jobs were charged more than was used locally"):
        ledger.start(replace(new(start=0), charged=1))


def test_a_job_may_bring_what_it_was_charged_if_its_wallet_has_used_it() -> None:
    ledger = money().wallet("w", 100, used=10).at(MINUTE)
    ledger.start(replace(new(start=0), charged=10))
    assert ledger.charged("new") == ledger.numbers("w").local_usage == 10
    assert ledger.forecast() == Forecast(10 * MINUTE, (Stop("new", 10 * MINUTE),))
