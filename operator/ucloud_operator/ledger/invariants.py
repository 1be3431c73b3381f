"""What holds in every state of the ledger once its instant is decided. Short, and written to be audited.

After the list that UCloud's maintainers keep (`accounting_invariants.go`), where it speaks of time-based categories.
Nothing here uses the ledger's own code but `usage_at`: room, paths and circles are worked out from the definition.
"""

from collections.abc import Callable, Iterator

from ucloud_operator.ledger.state import Allocation, Phase, State, Wallet
from ucloud_operator.ledger.usage import usage_at


def violations(state: State) -> list[str]:
    """Return a sentence for everything that doesn't hold; empty if all is well."""
    return [sentence for invariant in INVARIANTS for sentence in invariant(state)]


def nothing_is_negative(state: State) -> Iterator[str]:
    """Usage of wallets, edges, allocations and jobs is at least 0."""
    for wallet in state.wallets:
        amounts = [wallet.local_usage, *(edge.usage for edge in wallet.edges)]
        amounts += [one.used for edge in wallet.edges for one in edge.allocations]
        if min(amounts) < 0:
            yield f"{wallet.name} has negative usage"


def every_unit_has_its_allocation(state: State) -> Iterator[str]:
    """What went through an edge is what its allocations used."""
    for wallet in state.wallets:
        for edge in wallet.edges:
            if edge.usage != sum(one.used for one in edge.allocations):
                yield f"{wallet.name} ← {edge.parent}: usage {edge.usage} isn't the sum of its allocations'"


def what_comes_in_goes_up(state: State) -> Iterator[str]:
    """A wallet passes up at least what its children passed to it, and at most that and its own usage."""
    for wallet in state.wallets:
        passed = sum(edge.usage for edge in wallet.edges)
        received = _inflow(state, wallet)
        own = 0 if wallet.free_to_use else wallet.local_usage
        if not received <= passed <= received + own:
            yield f"{wallet.name} received {received}, used {own} and passed up {passed}"


def excess_waits_only_without_a_path(state: State) -> Iterator[str]:
    """As long as a wallet has an open path, all its usage is passed up."""
    for wallet in state.wallets:
        own = 0 if wallet.free_to_use else wallet.local_usage
        if own + _inflow(state, wallet) > sum(edge.usage for edge in wallet.edges) and has_open_path(state, wallet):
            yield f"{wallet.name} has excess and an open path"


def phases_follow_the_clock(state: State) -> Iterator[str]:
    """An allocation is active exactly on `[start, end)`, counted from when it was first seen, and retired after."""
    for wallet in state.wallets:
        for allocation in (one for edge in wallet.edges for one in edge.allocations):
            if not _in_time(allocation, state.at_ms):
                yield f"{wallet.name}: {allocation.id} is {allocation.phase.value} at {state.at_ms}"


def jobs_are_charged_what_fell_due(state: State) -> Iterator[str]:
    """Every unit that fell due for a job is charged, or was overrun; and what is charged stands in its wallet."""
    for meter in state.meters:
        if meter.charged + meter.overrun != usage_at(meter.runs, state.at_ms):
            yield f"{meter.uid}: {meter.charged} charged and {meter.overrun} overrun isn't what fell due"
    for wallet in state.wallets:
        if sum(meter.charged for meter in state.meters if meter.wallet == wallet.name) > wallet.local_usage:
            yield f"{wallet.name}: its jobs were charged more than was used locally"


def nothing_runs_on_an_empty_wallet(state: State) -> Iterator[str]:
    """No priced job runs where no path is open, unless the wallet is free; none at all where it is blocked."""
    wallets = {wallet.name: wallet for wallet in state.wallets}
    for meter in state.meters:
        wallet = wallets[meter.wallet]
        empty = not wallet.free_to_use and not has_open_path(state, wallet)
        for run in meter.runs:
            runs = run.start_ms <= state.at_ms and (run.end_ms is None or run.end_ms > state.at_ms)
            if runs and (wallet.blocked or (empty and run.price * run.replicas)):
                yield f"{meter.uid} runs although {wallet.name} is locked"


def no_edge_is_overdrawn(state: State) -> Iterator[str]:
    """No more goes through an edge than its quota. Only where no quota was cut: what was used stays used."""
    for wallet in state.wallets:
        for edge in wallet.edges:
            if edge.usage > edge.quota:
                yield f"{wallet.name} ← {edge.parent}: usage {edge.usage} is above the quota {edge.quota}"


INVARIANTS: tuple[Callable[[State], Iterator[str]], ...] = (
    nothing_is_negative,
    every_unit_has_its_allocation,
    what_comes_in_goes_up,
    excess_waits_only_without_a_path,
    phases_follow_the_clock,
    jobs_are_charged_what_fell_due,
    nothing_runs_on_an_empty_wallet,
)


def has_open_path(state: State, wallet: Wallet) -> bool:
    """Whether one more unit can be charged from here: some edge with room leads outside, or to an open wallet."""
    wallets = {one.name: one for one in state.wallets}

    def is_open(one: Wallet) -> bool:
        return not one.blocked and not in_circle(state, one) and any(leads_out(parent) for parent in with_room(one))

    def with_room(one: Wallet) -> list[str | None]:
        return [edge.parent for edge in one.edges if edge.room]

    def leads_out(parent: str | None) -> bool:
        return parent is None or (parent in wallets and is_open(wallets[parent]))

    return is_open(wallet)


def in_circle(state: State, wallet: Wallet) -> bool:
    """Whether a wallet is above itself."""
    parents = {one.name: {edge.parent for edge in one.edges} for one in state.wallets}
    above: set[str | None] = set()
    fresh = parents[wallet.name]
    while fresh - above:
        above |= fresh
        fresh = {parent for name in fresh if name is not None for parent in parents.get(name, ())}
    return wallet.name in above


def _inflow(state: State, wallet: Wallet) -> int:
    return sum(edge.usage for child in state.wallets for edge in child.edges if edge.parent == wallet.name)


def _in_time(allocation: Allocation, at_ms: int) -> bool:
    if allocation.phase is Phase.PENDING:
        return at_ms < allocation.start_ms
    return allocation.phase is Phase.RETIRED or at_ms < allocation.end_ms
