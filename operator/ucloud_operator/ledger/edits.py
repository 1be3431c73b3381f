"""What people and jobs do to a state, as functions from one state to the next. Nothing is charged or routed here.

An edit takes effect when a ledger is built from the result: `Ledger(allocate(state, …)).reach(state.at_ms)` activates
the new allocation if it is due and routes excess into it. All raise ValueError, with a sentence, for what can't be.
"""

from collections.abc import Callable
from dataclasses import replace

from ucloud_operator.ledger.state import Allocation, Edge, Meter, Phase, Run, State, Wallet


def with_wallet(state: State, name: str) -> State:
    """Add a wallet of that name, if there is none: without any allocation, so it is locked."""
    if any(wallet.name == name for wallet in state.wallets):
        return state
    return replace(state, wallets=(*state.wallets, Wallet(name)))


def allocate(state: State, to: str, parent: str | None, allocation: Allocation) -> State:
    """Grant an allocation to wallet `to` from `parent` (None: from outside); adds the wallets that aren't there."""
    if to == parent:
        raise ValueError(f"{to} can't grant to itself")
    if any(
        allocation.id == known.id for wallet in state.wallets for edge in wallet.edges for known in edge.allocations
    ):
        raise ValueError(f"there is an allocation {allocation.id} already")
    if parent is not None:
        state = with_wallet(state, parent)
    return _on_wallet(with_wallet(state, to), to, lambda wallet: _granted(wallet, parent, allocation))


def resize(state: State, id: str, quota: int) -> State:  # noqa: A002  # UCloud's name for it
    """Set an allocation's quota. What was used stays used; a retired allocation stays as it is."""
    found = False

    def resized(allocation: Allocation) -> Allocation:
        nonlocal found
        if allocation.id != id:
            return allocation
        found = True
        return allocation if allocation.phase is Phase.RETIRED else replace(allocation, quota=quota)

    wallets = tuple(
        replace(
            wallet,
            edges=tuple(replace(edge, allocations=tuple(map(resized, edge.allocations))) for edge in wallet.edges),
        )
        for wallet in state.wallets
    )
    if not found:
        raise ValueError(f"there is no allocation {id}")
    return replace(state, wallets=wallets)


def use(state: State, name: str, units: int) -> State:
    """Add usage that was reported to a wallet (added if it isn't there). It is excess until it is routed."""
    assert units >= 0
    return _on_wallet(
        with_wallet(state, name), name, lambda wallet: replace(wallet, local_usage=wallet.local_usage + units)
    )


def run(state: State, uid: str, name: str, begun: Run) -> State:
    """Begin a run of a job of that wallet (added if it isn't there): the job's first, or its next."""
    state = with_wallet(state, name)
    meter = next((meter for meter in state.meters if meter.uid == uid), None)
    if meter is None:
        return replace(state, meters=(*state.meters, Meter(uid, name, (begun,))))
    if meter.wallet != name:
        raise ValueError(f"job {uid} belongs to {meter.wallet}")
    if _runs_on(meter, begun.start_ms):
        raise ValueError(f"job {uid} runs already")
    return _on_meter(state, uid, lambda meter: replace(meter, runs=(*meter.runs, begun)))


def stop(state: State, uid: str) -> State:
    """End a job's run at the state's instant, if it has not ended yet."""
    if all(meter.uid != uid for meter in state.meters):
        raise ValueError(f"there is no job {uid}")

    def stopped(meter: Meter) -> Meter:
        if not _runs_on(meter, state.at_ms):
            return meter
        return replace(meter, runs=(*meter.runs[:-1], replace(meter.runs[-1], end_ms=state.at_ms)))

    return _on_meter(state, uid, stopped)


def _runs_on(meter: Meter, at_ms: int) -> bool:
    end_ms = meter.runs[-1].end_ms
    return end_ms is None or end_ms > at_ms


def _granted(wallet: Wallet, parent: str | None, allocation: Allocation) -> Wallet:
    if all(edge.parent != parent for edge in wallet.edges):
        return replace(wallet, edges=(*wallet.edges, Edge(parent, (allocation,))))
    edges = (
        replace(edge, allocations=(*edge.allocations, allocation)) if edge.parent == parent else edge
        for edge in wallet.edges
    )
    return replace(wallet, edges=tuple(edges))


def _on_wallet(state: State, name: str, edit: Callable[[Wallet], Wallet]) -> State:
    return replace(state, wallets=tuple(edit(one) if one.name == name else one for one in state.wallets))


def _on_meter(state: State, uid: str, edit: Callable[[Meter], Meter]) -> State:
    return replace(state, meters=tuple(edit(one) if one.uid == uid else one for one in state.meters))
