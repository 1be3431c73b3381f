"""Wallets and jobs for tests, told as stories: `money().wallet("user", 100_000).job("j", "user", price=50_000)`.

Instants are milliseconds after zero, prices per minute unless `per_ms` says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ucloud_operator.ledger import Allocation, Edge, Ledger, Meter, Run, State, Wallet, edits

MINUTE = 60_000
FAR = 1_000_000 * MINUTE


@dataclass(frozen=True)
class Money:
    """A state in the making; each call returns a new one."""

    state: State

    def wallet(
        self, name: str, quota: int | None = None, under: str | None = None, *, used: int = 0, free: bool = False
    ) -> Money:
        """Add a wallet that was granted `quota` from another, or from outside; `used` is its own usage before."""
        wallets = (*self.state.wallets, Wallet(name, (), used, free_to_use=free))
        added = Money(replace(self.state, wallets=wallets))
        return added if quota is None else added.grant(name, quota, under)

    def grant(
        self, to: str, quota: int, under: str | None = None, *, start: int = 0, end: int = FAR, named: str = ""
    ) -> Money:
        allocation = Allocation(named or f"{to} from {under or 'outside'}", quota, start, end)
        return Money(edits.allocate(self.state, to, under, allocation))

    def block(self, name: str) -> Money:
        wallets = (replace(one, blocked="deleted") if one.name == name else one for one in self.state.wallets)
        return Money(replace(self.state, wallets=tuple(wallets)))

    def job(
        self,
        uid: str,
        wallet: str,
        price: int,
        *,
        replicas: int = 1,
        start: int = 0,
        end: int | None = None,
        per_ms: int = MINUTE,
    ) -> Money:
        """Add a job that runs once."""
        meter = Meter(uid, wallet, (Run(start, end, price, replicas, per_ms),))
        return Money(replace(self.state, meters=(*self.state.meters, meter)))

    def ledger(self) -> Ledger:
        return Ledger(self.state)

    def at(self, to_ms: int) -> Ledger:
        """Return the ledger at that instant."""
        ledger = self.ledger()
        ledger.advance(to_ms)
        return ledger


def money(at_ms: int = 0) -> Money:
    return Money(State(at_ms, ()))


def stops(ledger: Ledger, to_ms: int) -> dict[str, int]:
    """Advance and return which job stops when."""
    return {stop.uid: stop.at_ms for stop in ledger.advance(to_ms)}


def edge(state: State, child: str, parent: str | None = None) -> Edge:
    wallet = next(wallet for wallet in state.wallets if wallet.name == child)
    return next(edge for edge in wallet.edges if edge.parent == parent)
