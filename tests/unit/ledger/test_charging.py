"""What is charged where while credits last, and how it ends."""

import pytest

from tests.unit.ledger.money import MINUTE, edge, money, stops
from ucloud_operator.ledger import Meter, Run


def test_the_seed_a_wallet_limited_by_its_ancestor_runs_dry() -> None:
    story = (
        money()
        .wallet("root", 999_100_000)
        .wallet("sibling", 600_000_000, "root", used=500_000_000)
        .wallet("user", 500_000_000, "root", used=499_000_000)
        .job("62348", "user", price=50_000)
    )
    ledger = story.ledger()
    ledger.advance(0)
    assert ledger.numbers("user").max_usable == 100_000
    assert ledger.rate_per_minute("user") == ledger.rate_per_minute("root") == 50_000
    assert stops(ledger, 10 * MINUTE) == {"62348": 2 * MINUTE}
    user = ledger.numbers("user")
    assert (user.local_usage, user.max_usable, user.locked) == (499_100_000, 0, True)
    assert ledger.rate_per_minute("root") == 0


def test_what_a_child_uses_its_parents_use() -> None:
    story = money().wallet("top", 100).wallet("mid", 50, "top").wallet("low", 30, "mid").job("j", "low", price=10)
    ledger = story.at(MINUTE)
    assert [ledger.numbers(name).total_usage for name in ("low", "mid", "top")] == [10, 10, 10]
    assert [ledger.numbers(name).local_usage for name in ("low", "mid", "top")] == [10, 0, 0]
    assert [ledger.numbers(name).max_usable for name in ("low", "mid", "top")] == [20, 40, 90]
    assert [ledger.numbers(name).total_allocated for name in ("low", "mid", "top")] == [0, 30, 50]


def test_an_exhausted_ancestor_locks_every_wallet_below_it() -> None:
    story = money().wallet("top", 20).wallet("one", 100, "top").wallet("two", 100, "top").job("j", "one", price=20)
    ledger = story.at(MINUTE)
    assert all(ledger.numbers(name).locked for name in ("top", "one", "two"))


def test_all_who_share_an_exhausted_edge_stop_and_only_they() -> None:
    story = (
        money()
        .wallet("top", 1000)
        .wallet("team", 60, "top")
        .wallet("other", 500, "top")
        .wallet("ann", 50, "team")
        .wallet("bob", 50, "team")
        .job("a", "ann", price=10)
        .job("b", "bob", price=10, replicas=2)
        .job("c", "other", price=10)
    )
    assert stops(story.ledger(), 3 * MINUTE) == {"a": 2 * MINUTE, "b": 2 * MINUTE}


def test_an_inner_edge_caps_before_an_outer_one() -> None:
    story = (
        money()
        .wallet("top", 14)
        .wallet("low", 6, "top")
        .job("inner", "low", price=6, per_ms=1)
        .job("outer", "top", price=7, per_ms=1)
    )
    ledger = story.ledger()
    assert stops(ledger, 5) == {"inner": 1, "outer": 2}
    assert ledger.numbers("top").max_usable == 0
    assert (ledger.charged("inner"), ledger.charged("outer")) == (6, 8)


def test_in_the_last_millisecond_who_started_first_is_charged_first() -> None:
    story = (
        money()
        .wallet("w", 10)
        .job("z", "w", price=4, per_ms=1, start=-1)
        .job("b", "w", price=4, per_ms=1)
        .job("a", "w", price=4, per_ms=1)
    )
    ledger = story.ledger()
    assert stops(ledger, 9) == {"z": 1, "a": 1, "b": 1}
    assert {uid: ledger.charged(uid) for uid in "zab"} == {"z": 8, "a": 2, "b": 0}


def test_an_edge_is_used_to_its_last_unit_and_not_beyond() -> None:
    ledger = money().wallet("w", 100).job("j", "w", price=7, per_ms=1).ledger()
    assert stops(ledger, 100) == {"j": 15}
    assert edge(ledger.state(), "w").usage == 100
    (meter,) = ledger.state().meters
    assert (meter.charged, meter.overrun) == (100, 5)
    assert meter.runs == (Run(0, 15, 7, 1, 1),)


def test_what_was_overrun_is_not_charged_when_credits_come() -> None:
    ledger = money().wallet("w", 100).grant("w", 50, start=20, named="later").job("j", "w", price=7, per_ms=1).at(30)
    assert ledger.numbers("w").max_usable == 50
    assert ledger.charged("j") == 100


def test_a_start_that_is_learned_late_is_charged_at_once_as_far_as_there_is_room() -> None:
    ledger = money(at_ms=10).wallet("w", 100).job("j", "w", price=20, per_ms=1, start=0).ledger()
    assert stops(ledger, 10) == {"j": 10}
    numbers = ledger.numbers("w")
    assert (numbers.local_usage, numbers.excess) == (100, 0)
    assert ledger.state().meters[0].overrun == 100


def test_arrears_of_a_wallet_without_credits_do_not_hide_those_of_another() -> None:
    story = money(at_ms=10).wallet("empty").wallet("w", 10).job("a", "empty", price=1, per_ms=2)
    ledger = story.job("j", "w", price=2, per_ms=1).ledger()
    assert stops(ledger, 10) == {"a": 10, "j": 10}
    assert [(meter.charged, meter.overrun) for meter in ledger.state().meters] == [(0, 5), (10, 10)]


def test_a_job_that_ends_by_itself_at_the_exhaustion_is_not_stopped() -> None:
    story = money().wallet("w", 10).job("j", "w", price=1, per_ms=1, end=10).job("k", "w", price=0, end=99)
    assert stops(story.ledger(), 50) == {}


def test_a_job_that_should_have_ended_later_is_stopped_at_the_exhaustion() -> None:
    assert stops(money().wallet("w", 10).job("j", "w", price=1, per_ms=1, end=11).ledger(), 50) == {"j": 10}


def test_a_job_without_a_price_never_stops() -> None:
    assert stops(money().wallet("w", 0).job("j", "w", price=0).ledger(), MINUTE) == {}


def test_a_locked_wallet_stops_its_jobs_at_once_and_refuses_those_that_start() -> None:
    story = money(at_ms=5).wallet("w", 0).job("now", "w", price=1).job("later", "w", price=1, start=7)
    ledger = story.ledger()
    assert stops(ledger, 20) == {"now": 5, "later": 7}
    assert ledger.charged("later") == 0


def test_a_free_wallet_meters_and_passes_nothing_up() -> None:
    story = money().wallet("top", 100).wallet("w", 10, "top", free=True).job("j", "w", price=7, per_ms=1)
    ledger = story.ledger()
    assert stops(ledger, 30) == {}
    numbers = ledger.numbers("w")
    assert (numbers.local_usage, numbers.tree_usage, numbers.excess, numbers.locked) == (210, 0, 0, False)
    assert (ledger.rate_per_minute("w"), ledger.rate_per_minute("top")) == (7 * MINUTE, 0)


def test_a_second_run_goes_on_where_the_first_one_ended() -> None:
    meter = Meter("j", "w", (Run(0, 5, 1, 1, 2), Run(8, None, 1, 1, 2)))
    ledger = money().wallet("w", 10).ledger()
    ledger.start(meter)
    assert stops(ledger, 100) == {"j": 23}
    assert ledger.charged("j") == 10


def test_a_job_that_paid_for_more_time_than_has_passed_owes_nothing_until_then() -> None:
    story = money().wallet("w", 100, used=50)
    ledger = story.ledger()
    ledger.start(Meter("j", "w", (Run(0, None, 10, 1, 1),), charged=50))
    ledger.advance(4)
    assert ledger.charged("j") == 50
    assert stops(ledger, 20) == {"j": 10}


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="can't go back to 4"):
        money(at_ms=5).ledger().advance(4)


def test_amounts_have_no_bound() -> None:
    story = money().wallet("w", 9 * 10**18).grant("w", 9 * 10**18, named="b").job("j", "w", price=10**18, replicas=1000)
    assert story.at(MINUTE // 100).numbers("w").max_usable == 8 * 10**18


def test_what_has_found_no_room_is_not_charged_by_whoever_looks_before_it_is_decided() -> None:
    ledger = (
        money()
        .wallet("w", 10)
        .wallet("v", 99)
        .job("j", "w", price=3, per_ms=1)
        .job("k", "v", price=1, per_ms=1)
        .ledger()
    )
    assert ledger.reach(4) == ()
    assert {meter.uid: (meter.charged, meter.overrun) for meter in ledger.state().meters} == {"j": (10, 0), "k": (4, 0)}
    assert ledger.numbers("w").local_usage == ledger.charged("j") == 10
    assert stops(ledger, 4) == {"j": 4}
    assert [meter.overrun for meter in ledger.state().meters] == [2, 0]


def test_not_even_by_whoever_looks_at_that_job_alone() -> None:
    ledger = money().wallet("w", 10).job("j", "w", price=3, per_ms=1).ledger()
    ledger.reach(4)
    assert ledger.charged("j") == ledger.numbers("w").local_usage == 10
