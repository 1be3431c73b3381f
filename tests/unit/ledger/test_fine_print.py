"""Fine print: orders, rests and instants that the great stories pass by without noticing."""

import pytest

from tests.unit.ledger.money import edge, money, stops
from ucloud_operator.ledger import (
    Allocation,
    Edge,
    Forecast,
    Ledger,
    Meter,
    Phase,
    Run,
    State,
    Stop,
    Wallet,
    edits,
    invariants,
)
from ucloud_operator.ledger.circles import circles


def carried(ledger: Ledger, child: str, *parents: str) -> list[int]:
    return [edge(ledger.state(), child, parent).usage for parent in parents]


def ticking(start: int = 0, end: int | None = None) -> Run:
    """Return a run that costs one unit per millisecond."""
    return Run(start, end, 1, 1, 1)


# Who is charged, and where


def test_only_allocations_that_are_active_say_which_parent_comes_first() -> None:
    story = money().wallet("a", 1000).wallet("b", 1000).grant("w", 50, "a", end=200).grant("w", 50, "b", end=100)
    story = story.job("j", "w", price=1, per_ms=1, start=10)
    over = story.grant("w", 50, "a", end=5, named="over").at(20)
    assert carried(over, "w", "a", "b") == [0, 10]
    to_come = story.grant("w", 50, "a", start=50, end=60, named="to come").at(20)
    assert carried(to_come, "w", "a", "b") == [0, 10]


def test_of_two_parents_whose_first_ends_are_the_same_the_name_decides_and_no_later_end() -> None:
    story = money().wallet("a", 1000).wallet("b", 1000).grant("w", 50, "a", end=100).grant("w", 50, "b", end=100)
    story = story.grant("w", 50, "a", end=200, named="longer").job("j", "w", price=1, per_ms=1)
    assert carried(story.at(9), "w", "a", "b") == [9, 0]


def test_a_job_keeps_its_turn_when_it_runs_again() -> None:
    again = Meter("z", "w", (ticking(0, 1), ticking(3)))
    ledger = money().wallet("w", 11).job("a", "w", price=1, per_ms=1, start=2).ledger()
    ledger.start(again)
    # 10 of 11 are used at 7; the last unit is for who started first.
    assert stops(ledger, 9) == {"z": 8, "a": 8}
    assert (ledger.charged("z"), ledger.charged("a")) == (6, 5)


def test_an_edge_that_only_might_have_filled_first_does_not_hide_the_one_that_does() -> None:
    # In all three thirds are as fast as one whole, but they come in threes: 9 units at 11, and 12 at 12.
    story = money().wallet("a", 10).wallet("b", 10).job("whole", "a", price=1, per_ms=1)
    for uid in ("x", "y", "z"):
        story = story.job(uid, "b", price=1, per_ms=3)
    ledger = story.ledger()
    assert stops(ledger, 20) == {"whole": 10, "x": 12, "y": 12, "z": 12}
    assert [ledger.charged(uid) for uid in ("whole", "x", "y", "z")] == [10, 4, 3, 3]


def test_stops_come_in_the_order_of_instant_start_and_uid_whatever_their_wallets() -> None:
    story = money().wallet("v").wallet("w")
    story = story.job("now b", "v", price=1).job("now a", "w", price=1).job("now 0", "v", price=1, start=-1)
    story = story.job("late", "v", price=1, start=9).job("soon", "w", price=1, start=7)
    assert story.ledger().advance(20) == (
        Stop("now 0", 0),
        Stop("now a", 0),
        Stop("now b", 0),
        Stop("soon", 7),
        Stop("late", 9),
    )


def test_instants_before_1970_are_like_any_other() -> None:
    story = money(at_ms=-100).grant("top", 10, start=-100).grant("w", 100, "top", start=-100)
    assert stops(story.job("j", "w", price=1, per_ms=1, start=-100).ledger(), 0) == {"j": -90}


# Looking ahead


def test_looking_ahead_changes_no_order() -> None:
    story = money().wallet("a", 1000).wallet("b", 1000).wallet("c", 1000)
    story = story.grant("w", 10, "a", end=100).grant("w", 10, "b", end=110).grant("w", 10, "c", end=120)
    story = story.grant("w", 0, "c", start=50, end=90, named="soon")  # from then on c comes first
    ledger = story.job("j", "w", price=1, per_ms=2).at(0)
    assert ledger.forecast() == Forecast(60, (Stop("j", 60),))
    ledger.advance(24)
    assert carried(ledger, "w", "a", "b", "c") == [10, 2, 0]


def test_a_job_without_a_price_that_will_start_in_a_blocked_wallet_is_stopped_at_its_start() -> None:
    story = money().wallet("w", 5).job("gratis", "w", price=0, start=7).block("w")
    assert story.ledger().forecast() == Forecast(7, (Stop("gratis", 7),))


# What is edited and refused


def test_what_begins_or_ends_a_job_speaks_of_its_last_run() -> None:
    once = money(at_ms=5).wallet("w", 100).state
    twice = edits.run(edits.run(once, "j", "w", ticking(0, 2)), "j", "w", ticking(3))
    with pytest.raises(ValueError, match="job j runs already"):
        edits.run(twice, "j", "w", ticking(5))
    (meter,) = edits.stop(twice, "j").meters
    assert meter.runs == (ticking(0, 2), ticking(3, 5))


def test_who_is_not_there_can_not_be_stopped_even_if_others_can() -> None:
    state = money(at_ms=5).wallet("w", 100).job("j", "w", price=1).state
    with pytest.raises(ValueError, match="there is no job x"):
        edits.stop(state, "x")
    assert edits.stop(state, "j").meters[0].runs[0].end_ms == 5


@pytest.mark.parametrize(
    ("price", "replicas", "sentence"), [(-1, 1, "can't cost -1 for 1 per"), (1, -1, "can't cost 1 for -1")]
)
def test_a_run_costs_nothing_at_the_least(price: int, replicas: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Run(0, None, price, replicas, 1)
    assert Run(0, None, 0, 0, 1).price == 0


def test_nothing_was_used_at_the_least() -> None:
    with pytest.raises(ValueError, match="allocation a: quota 1 and used -1 can't be negative"):
        Allocation("a", 1, 0, 1, -1, Phase.ACTIVE)


# Circles


def test_among_circles_of_the_same_length_the_first_by_name_is_shown_whatever_the_order_of_parents() -> None:
    # a ← b or c ← d ← e or f ← a: four circles, of which each wallet shows one.
    shown = circles({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["e", "f"], "e": ["a"], "f": ["a"]})
    assert shown == (("a", "b", "d", "e"), ("a", "b", "d", "f"), ("a", "c", "d", "e"))
    assert circles({"a": ["c", "b"], "b": ["d"], "c": ["d"], "d": ["f", "e"], "e": ["a"], "f": ["a"]}) == shown


# What the invariants notice


def test_what_a_free_wallet_passes_up_must_have_come_in() -> None:
    spent = Allocation("a", 10, 0, 50, 1, Phase.ACTIVE)
    state = State(20, (Wallet("w", (Edge(None, (spent,), 1),), 4, free_to_use=True),))
    assert list(invariants.what_comes_in_goes_up(state)) == ["w received 0, used 0 and passed up 1"]


@pytest.mark.parametrize(("end", "runs"), [(10, False), (20, False), (21, True), (None, True)])
def test_a_job_runs_until_its_end_and_not_at_it(end: int | None, *, runs: bool) -> None:
    state = State(20, (Wallet("w"),), (Meter("j", "w", (ticking(0, end),)),))
    assert bool(list(invariants.nothing_runs_on_an_empty_wallet(state))) is runs
