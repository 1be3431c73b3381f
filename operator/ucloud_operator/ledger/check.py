"""What a state must hold to be one: checked once, when a ledger is built from it, so that nothing else has to ask."""

from collections import Counter
from collections.abc import Iterable

from ucloud_operator.ledger.state import State, Wallet


def check(state: State) -> None:
    """Raise ValueError for what can't be a ledger's state, with the name of the wallet or job that is wrong."""
    inflow: Counter[str | None] = Counter()
    for edge in (edge for wallet in state.wallets for edge in wallet.edges):
        inflow[edge.parent] += edge.usage
    if repeated := _repeated(wallet.name for wallet in state.wallets):
        raise ValueError(f"two wallets have the name {repeated}")
    if repeated := _repeated(meter.uid for meter in state.meters):
        raise ValueError(f"two jobs have the uid {repeated}")
    charged = {wallet.name: 0 for wallet in state.wallets}
    for meter in state.meters:
        if meter.wallet not in charged:
            raise ValueError(f"job {meter.uid}: there is no wallet {meter.wallet}")
        charged[meter.wallet] += meter.charged
    for wallet in state.wallets:
        _check_wallet(wallet, inflow[wallet.name], charged[wallet.name])


def _check_wallet(wallet: Wallet, inflow: int, charged: int) -> None:
    if len({edge.parent for edge in wallet.edges}) != len(wallet.edges):
        raise ValueError(f"wallet {wallet.name}: two edges lead to the same parent")
    for edge in wallet.edges:
        if repeated := _repeated(allocation.id for allocation in edge.allocations):
            raise ValueError(f"wallet {wallet.name}: two allocations of one parent have the id {repeated}")
        if edge.usage < sum(allocation.used for allocation in edge.allocations):
            raise ValueError(f"wallet {wallet.name}: its allocations used more than went up")
    if wallet.local_usage < charged:
        raise ValueError(f"wallet {wallet.name}: its jobs were charged more than was used locally")
    own = 0 if wallet.free_to_use else wallet.local_usage
    if own + inflow < sum(edge.usage for edge in wallet.edges):
        raise ValueError(f"wallet {wallet.name}: it passed up more than it and its children used")


def _repeated(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
