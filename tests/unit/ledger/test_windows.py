"""Allocations that begin and end, quotas that change, and usage that found no room."""

from dataclasses import replace

from tests.unit.ledger.money import edge, money, stops
from ucloud_operator.ledger import Allocation, Edge, Ledger, Phase, State, Wallet, edits


def used(ledger: Ledger, wallet: str = "w") -> dict[str, tuple[int, Phase]]:
    return {one.id: (one.used, one.phase) for one in edge(ledger.state(), wallet).allocations}


def test_an_allocation_is_valid_from_its_start_up_to_its_end() -> None:
    ledger = money().grant("w", 10, start=5, end=8, named="a").ledger()
    usable = []
    for at_ms in (4, 5, 7, 8):
        ledger.advance(at_ms)
        usable.append(ledger.numbers("w").max_usable)
    assert usable == [0, 10, 10, 0]


def test_a_job_survives_the_seam_between_two_allocations_that_meet() -> None:
    story = money().grant("w", 100, end=10, named="a").grant("w", 100, start=10, end=20, named="b")
    ledger = story.job("j", "w", price=2, per_ms=1).ledger()
    assert stops(ledger, 30) == {"j": 20}
    assert used(ledger) == {"a": (20, Phase.RETIRED), "b": (20, Phase.RETIRED)}


def test_even_if_the_first_is_used_up_at_the_very_seam() -> None:
    story = money().grant("w", 15, end=10, named="a").grant("w", 100, start=8, end=20, named="b")
    ledger = story.job("j", "w", price=2, per_ms=1).ledger()
    assert stops(ledger, 30) == {"j": 20}
    assert used(ledger) == {"a": (15, Phase.RETIRED), "b": (25, Phase.RETIRED)}
    assert ledger.state().meters[0].overrun == 0


def test_a_retired_allocation_keeps_what_was_used_of_it_and_gives_no_room() -> None:
    ledger = money().grant("w", 100, end=10, named="a").job("j", "w", price=3, per_ms=1, end=5).at(10)
    numbers = ledger.numbers("w")
    assert (numbers.quota, numbers.tree_usage, numbers.max_usable) == (15, 15, 0)


def test_units_are_attributed_to_what_ends_first_then_by_id() -> None:
    story = (
        money().grant("w", 4, end=50, named="late").grant("w", 4, end=40, named="b").grant("w", 4, end=40, named="a")
    )
    ledger = story.job("j", "w", price=1, per_ms=1).at(9)
    assert {name: units for name, (units, _) in used(ledger).items()} == {"a": 4, "b": 4, "late": 1}


def test_an_allocation_that_is_first_seen_after_its_end_is_worth_nothing() -> None:
    ledger = money(at_ms=50).grant("w", 100, start=0, end=40).at(50)
    assert (ledger.numbers("w").quota, ledger.numbers("w").locked) == (0, True)


def test_an_allocation_that_moves_its_start_stays_active() -> None:
    moved = Allocation("a", 10, 90, 99, 4, Phase.ACTIVE)
    ledger = Ledger(State(5, (Wallet("w", (Edge(None, (moved,), 4),), 4),)))
    ledger.advance(6)
    assert ledger.numbers("w").max_usable == 6


def test_a_cut_below_usage_stops_jobs_now_and_keeps_the_usage() -> None:
    ledger = money().wallet("w", 100).job("j", "w", price=5, per_ms=1).at(10)
    cut = Ledger(edits.resize(ledger.state(), "w from outside", 30))
    assert stops(cut, 10) == {"j": 10}
    numbers = cut.numbers("w")
    assert (numbers.quota, numbers.tree_usage, numbers.max_usable, numbers.excess) == (30, 50, 0, 0)


def test_what_is_missing_after_a_cut_comes_off_the_next_allocation() -> None:
    ledger = money().wallet("w", 100).job("j", "w", price=5, per_ms=1, end=10).at(10)
    cut = Ledger(
        edits.allocate(edits.resize(ledger.state(), "w from outside", 30), "w", None, Allocation("b", 50, 0, 99))
    )
    cut.advance(10)
    assert cut.numbers("w").max_usable == 30


def test_room_that_appears_takes_the_excess_first() -> None:
    story = money().wallet("w", 100, used=150)
    ledger = story.at(1)
    assert (ledger.numbers("w").excess, ledger.numbers("w").locked) == (50, True)
    ledger = Ledger(edits.resize(ledger.state(), "w from outside", 160))
    ledger.advance(1)
    assert (ledger.numbers("w").excess, ledger.numbers("w").max_usable) == (0, 10)


def test_excess_is_routed_wallet_by_wallet_in_name_order() -> None:
    story = money().wallet("top", 70).wallet("b", 100, "top", used=50).wallet("a", 100, "top", used=50)
    ledger = story.at(0)
    assert [ledger.numbers(name).excess for name in ("a", "b", "top")] == [0, 30, 0]


def test_edits_of_an_instant_come_before_its_stops() -> None:
    story = money().wallet("w", 10).job("j", "w", price=1, per_ms=1)
    ledger = story.ledger()
    assert ledger.reach(10) == ()
    topped_up = Ledger(edits.resize(ledger.state(), "w from outside", 15))
    assert stops(topped_up, 30) == {"j": 15}
    assert stops(ledger, 10) == {"j": 10}


def test_usage_that_no_allocation_accounts_for_is_attributed_when_a_ledger_is_built() -> None:
    story = money().grant("w", 10, end=30, named="a").grant("w", 10, end=20, named="b").at(0).state()
    wallet = replace(story.wallets[0], edges=(replace(story.wallets[0].edges[0], usage=12),), local_usage=12)
    assert used(Ledger(replace(story, wallets=(wallet,)))) == {"b": (10, Phase.ACTIVE), "a": (2, Phase.ACTIVE)}
