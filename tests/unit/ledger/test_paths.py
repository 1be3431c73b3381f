"""Several parents, and what closes a path: blocked wallets, missing parents, circles."""

from tests.unit.ledger.money import Money, edge, money, stops
from ucloud_operator.ledger import Allocation, Edge, Ledger, State, Wallet
from ucloud_operator.ledger.circles import circles
from ucloud_operator.ledger.flow import largest_flow, max_usable
from ucloud_operator.ledger.network import Network


def two_parents(first_end: int = 100, second_end: int = 200) -> Money:
    return (
        money()
        .wallet("a", 1000)
        .wallet("b", 1000)
        .grant("w", 10, "a", end=first_end)
        .grant("w", 10, "b", end=second_end)
    )


def carried(ledger: Ledger, child: str, *parents: str) -> list[int]:
    return [edge(ledger.state(), child, parent).usage for parent in parents]


def test_charges_go_to_the_parent_whose_allocations_end_earliest() -> None:
    ledger = two_parents(first_end=200, second_end=100).job("j", "w", price=1, per_ms=1).at(6)
    assert carried(ledger, "w", "a", "b") == [0, 6]


def test_then_to_the_first_by_name_and_from_outside_before_any() -> None:
    ledger = two_parents(100, 100).grant("w", 3, end=100).job("j", "w", price=1, per_ms=1).at(8)
    assert edge(ledger.state(), "w").usage == 3
    assert carried(ledger, "w", "a", "b") == [5, 0]


def test_when_one_parent_is_used_up_the_job_runs_on_with_the_next() -> None:
    ledger = two_parents().job("j", "w", price=3, per_ms=1).ledger()
    assert ledger.forecast() is not None
    ledger.advance(4)
    assert carried(ledger, "w", "a", "b") == [10, 2]
    assert stops(ledger, 99) == {"j": 7}


def test_what_was_charged_is_not_routed_anew_when_the_order_changes() -> None:
    story = two_parents().job("j", "w", price=1, per_ms=1)
    ledger = Ledger(Money(story.at(4).state()).grant("w", 10, "b", end=50, named="soon").state)
    ledger.advance(7)
    assert carried(ledger, "w", "a", "b") == [4, 3]


def test_a_shared_ancestor_bounds_what_both_parents_can_give() -> None:
    story = money().wallet("top", 15).wallet("a", 100, "top").wallet("b", 100, "top")
    story = story.grant("w", 10, "a").grant("w", 10, "b")
    assert story.at(0).numbers("w").max_usable == 15


def test_the_largest_flow_gives_back_what_the_shortest_path_took() -> None:
    # w → b → c takes the way out that a needs; then b has to leave it to a and go by e and d.
    story = money().wallet("c", 1).wallet("d", 1)
    story = story.grant("b", 1, "c").grant("b", 1, "e").grant("e", 1, "d")
    story = story.grant("a", 1, "f").grant("f", 1, "g").grant("g", 1, "c")
    story = story.grant("w", 1, "a").grant("w", 1, "b")
    assert story.at(0).numbers("w").max_usable == 2


def test_in_a_tree_the_closed_form_is_the_largest_flow() -> None:
    wallets = money().wallet("top", 50).wallet("mid", 40, "top").wallet("low", 45, "mid").at(0).state().wallets
    network = Network(wallets)
    assert [max_usable(network, wallet) for wallet in range(3)] == [largest_flow(network, w) for w in range(3)]
    assert max_usable(network, network.index["low"]) == 40


def test_a_blocked_wallet_stops_every_job_and_gives_its_children_no_room() -> None:
    story = money().wallet("top", 100).wallet("w", 50, "top", free=True)
    story = story.job("free", "w", price=1).job("gratis", "top", price=0)
    assert stops(story.block("top").ledger(), 5) == {"gratis": 0}
    assert story.block("top").at(0).numbers("w").max_usable == 0
    assert stops(story.block("w").ledger(), 5) == {"free": 0}


def test_a_parent_that_is_not_there_gives_no_room() -> None:
    orphan = Wallet("w", (Edge("ghost", (Allocation("a", 10, 0, 99),)),))
    numbers = Money(State(0, (orphan,))).at(0).numbers("w")
    assert (numbers.quota, numbers.max_usable, numbers.locked) == (10, 0, True)


def test_a_circle_locks_its_members_and_who_has_no_other_way() -> None:
    story = money().wallet("a", 100).grant("a", 10, "c").grant("b", 10, "a").grant("c", 10, "b")
    story = story.wallet("below", 10, "b").wallet("aside", 10, "b").grant("aside", 10)
    ledger = story.job("j", "a", price=1).ledger()
    assert stops(ledger, 5) == {"j": 0}
    assert ledger.circles() == (("a", "c", "b"),)
    locked = {name: ledger.numbers(name).locked for name in ("a", "b", "c", "below", "aside")}
    assert locked == {"a": True, "b": True, "c": True, "below": True, "aside": False}
    assert ledger.numbers("aside").max_usable == 10


def test_every_wallet_finds_its_shortest_circle_and_who_is_between_two_finds_none() -> None:
    parents = {
        "top": [],
        "a": ["b", "c"],
        "b": ["a", "top"],
        "c": ["d"],
        "d": ["a"],
        "x": ["a"],
        "y": ["x", "z"],
        "z": ["y"],
        "s": ["s"],
    }
    assert circles(parents) == (("a", "b"), ("a", "c", "d"), ("s",), ("y", "z"))


def test_who_goes_another_way_in_its_last_millisecond_takes_its_turn_among_those_who_go_there() -> None:
    story = money().wallet("a", 9).wallet("b", 6).grant("w", 100, "a", end=50).grant("w", 100, "b")
    story = story.job("j", "w", price=2, per_ms=1).job("k", "b", price=1, per_ms=1)
    ledger = story.ledger()
    assert stops(ledger, 9) == {"j": 5, "k": 5}
    assert (ledger.charged("j"), ledger.charged("k")) == (10, 5)
    assert (edge(ledger.state(), "a").usage, edge(ledger.state(), "b").usage) == (9, 6)


def test_and_takes_nothing_from_those_who_were_there_before() -> None:
    story = money().wallet("a", 90).wallet("b", 6).grant("w", 100, "a", end=50).grant("w", 100, "b")
    ledger = story.job("j", "w", price=20, per_ms=1).job("k", "b", price=1, per_ms=1).ledger()
    assert stops(ledger, 9) == {"j": 5, "k": 5}
    assert (ledger.charged("j"), ledger.charged("k")) == (92, 4)
