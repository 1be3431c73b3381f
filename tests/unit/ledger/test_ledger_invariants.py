"""Each invariant notices when it is broken; that they hold is what tests/simulation tries."""

from collections.abc import Callable, Iterator

import pytest

from ucloud_operator.ledger import Allocation, Edge, Meter, Phase, Run, State, Wallet, invariants

USED = Allocation("a", 10, 0, 50, 4, Phase.ACTIVE)
OVER = Allocation("b", 10, 0, 20, 0, Phase.RETIRED)
NEXT = Allocation("c", 10, 21, 50)
SOUND = State(
    20,
    (Wallet("top", (Edge(None, (USED, OVER, NEXT), 4),)), Wallet("w", (Edge("top", (USED,), 4),), 4)),
    (Meter("j", "w", (Run(0, 4, 1, 1, 1),), 4),),
)


def test_a_sound_state_violates_nothing() -> None:
    assert invariants.violations(SOUND) == []
    assert list(invariants.no_edge_is_overdrawn(SOUND)) == []


def of(*wallets: Wallet, meters: tuple[Meter, ...] = ()) -> State:
    return State(20, wallets, meters)


@pytest.mark.parametrize(
    ("invariant", "state", "sentence"),
    [
        (invariants.nothing_is_negative, of(Wallet("w", (), -1)), "w has negative usage"),
        (
            invariants.every_unit_has_its_allocation,
            of(Wallet("w", (Edge(None, (USED,), 5),), 5)),
            "w ← None: usage 5 isn't the sum of its allocations'",
        ),
        (
            invariants.what_comes_in_goes_up,
            of(Wallet("top"), Wallet("w", (Edge("top", (USED,), 4),), 4)),
            "top received 4, used 0 and passed up 0",
        ),
        (
            invariants.excess_waits_only_without_a_path,
            of(Wallet("w", (Edge(None, (USED,), 4),), 5)),
            "w has excess and an open path",
        ),
        (
            invariants.phases_follow_the_clock,
            of(Wallet("w", (Edge(None, (Allocation("a", 1, 0, 20, 0, Phase.ACTIVE),)),))),
            "w: a is Active at 20",
        ),
        (
            invariants.phases_follow_the_clock,
            of(Wallet("w", (Edge(None, (Allocation("a", 1, 20, 30),)),))),
            "w: a is Pending at 20",
        ),
        (
            invariants.jobs_are_charged_what_fell_due,
            of(Wallet("w", (), 9), meters=(Meter("j", "w", (Run(0, None, 1, 1, 1),), 9, 10),)),
            "j: 9 charged and 10 overrun isn't what fell due",
        ),
        (
            invariants.jobs_are_charged_what_fell_due,
            of(Wallet("w", (), 9), meters=(Meter("j", "w", (Run(0, None, 1, 1, 1),), 20),)),
            "w: its jobs were charged more than was used locally",
        ),
        (
            invariants.nothing_runs_on_an_empty_wallet,
            of(Wallet("w"), meters=(Meter("j", "w", (Run(0, None, 1, 1, 1),)),)),
            "j runs although w is locked",
        ),
        (
            invariants.no_edge_is_overdrawn,
            of(Wallet("w", (Edge(None, (Allocation("a", 3, 0, 50, 4, Phase.ACTIVE),), 4),), 4)),
            "w ← None: usage 4 is above the quota 3",
        ),
    ],
)
def test_a_broken_one_is_named(invariant: Callable[[State], Iterator[str]], state: State, sentence: str) -> None:
    assert list(invariant(state)) == [sentence]


def test_a_path_needs_room_and_a_parent_that_is_there_and_no_circle() -> None:
    def is_open(*edges: Edge, others: tuple[Wallet, ...] = (), blocked: str = "") -> bool:
        wallet = Wallet("w", edges, blocked=blocked)
        return invariants.has_open_path(of(wallet, *others), wallet)

    room = Allocation("a", 1, 0, 50, 0, Phase.ACTIVE)
    assert is_open(Edge(None, (room,)))
    assert not is_open(Edge(None, ()))
    assert not is_open(Edge(None, (room,)), blocked="deleted")
    assert not is_open(Edge("ghost", (room,)))
    assert is_open(Edge("top", (room,)), others=(Wallet("top", (Edge(None, (room,)),)),))
    assert not is_open(Edge(None, (room,)), Edge("top", (room,)), others=(Wallet("top", (Edge("w", (room,)),)),))
