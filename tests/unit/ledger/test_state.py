"""What can't be a state is refused, with a sentence that names what is wrong."""

import pytest

from ucloud_operator.ledger import Allocation, Edge, Ledger, Meter, Phase, Run, State, Wallet

HOUR = Run(0, 60, 1, 1, 60)


def of(*wallets: Wallet, meters: tuple[Meter, ...] = ()) -> State:
    return State(0, wallets, meters)


def edged(*edges: Edge, used: int = 0) -> Wallet:
    return Wallet("w", edges, used)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (of(Wallet("w"), Wallet("w")), "two wallets have the name w"),
        (of(edged(Edge(None, ()), Edge(None, ()))), "wallet w: two edges lead to the same parent"),
        (of(edged(Edge(None, (Allocation("a", 1, 0, 1),) * 2))), "two allocations of one parent have the id a"),
        (of(edged(Edge(None, (Allocation("a", 9, 0, 9, 3, Phase.ACTIVE),), 2))), "its allocations used more than"),
        (of(edged(Edge(None, (), 2), used=1)), "wallet w: it passed up more than it and its children used"),
        (of(Wallet("w"), meters=(Meter("j", "w", (HOUR,)),) * 2), "two jobs have the uid j"),
        (of(meters=(Meter("j", "w", (HOUR,)),)), "job j: there is no wallet w"),
        (of(Wallet("w"), meters=(Meter("j", "w", (HOUR,), 1),)), "its jobs were charged more than was used locally"),
    ],
)
def test_a_state_that_contradicts_itself(state: State, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Ledger(state)


def test_values_that_contradict_themselves() -> None:
    with pytest.raises(ValueError, match="allocation a: quota -1 and used 0 can't be negative"):
        Allocation("a", -1, 0, 1)
    with pytest.raises(ValueError, match="allocation a: it ends at 1, before it starts at 2"):
        Allocation("a", 1, 2, 1)
    with pytest.raises(ValueError, match="allocation a: 1 units are used of what isn't active yet"):
        Allocation("a", 1, 2, 3, used=1)
    with pytest.raises(ValueError, match="a run can't cost 1 for 1 per 0 ms"):
        Run(0, None, 1, 1, 0)
    with pytest.raises(ValueError, match="a run ends at 1, before it starts at 2"):
        Run(2, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="job j: it has no run to meter"):
        Meter("j", "w", ())
    with pytest.raises(ValueError, match="job j: charged -1, overrun 0 can't be negative"):
        Meter("j", "w", (HOUR,), -1)
    with pytest.raises(ValueError, match="job j: the run of 60 begins before the last one has ended"):
        Meter("j", "w", (Run(0, None, 1, 1, 1), Run(60, None, 1, 1, 1)))


def test_a_twin_goes_its_own_way() -> None:
    granted = Edge(None, (Allocation("a", 100, 0, 1000),))
    one = Ledger(of(edged(granted), meters=(Meter("j", "w", (Run(0, None, 1, 1, 1),)),)))
    one.advance(10)
    other = one.twin()
    other.advance(30)
    assert [ledger.wallet("w").local_usage for ledger in (one, other)] == [10, 30]
    assert one.state().wallets == (one.wallet("w"),)
    assert one.wallet("w").edges[0].allocations[0].used == 10
