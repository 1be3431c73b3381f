"""Why a wallet can't be used, whatever its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ucloud_operator.lifecycle.sentences import Reason

if TYPE_CHECKING:
    from ucloud_operator.api import Wallet
    from ucloud_operator.api.wallet import WalletReference
    from ucloud_operator.control.planner import Plan, Planner
    from ucloud_operator.control.sources import Sources
    from ucloud_operator.control.world import World


class Troubles:
    """Finds what is wrong with wallets, and with those above them."""

    def __init__(self, world: World, sources: Sources, planner: Planner) -> None:
        """Take the world to read, how its wallets were last applied, and the newest plans."""
        self._world, self._sources, self._planner = world, sources, planner

    def trouble(self, wallet: Wallet, below: frozenset[str] = frozenset()) -> str:
        """Return why a wallet can't be used, whatever its numbers, as `Word: sentence`, or an empty string."""
        plan = self._planner.latest(wallet.key)
        own = self.blocked(wallet) or (circle_of(plan, wallet.key) if plan is not None else "")
        groups = self._sources.applied(wallet).groups
        if own or not groups:
            return own
        above = [self._trouble_above(group.parent, below | {wallet.key}) for group in groups]
        return above[0] if all(above) else ""

    def _trouble_above(self, parent: WalletReference | None, below: frozenset[str]) -> str:
        """Return why no credits come from a parent, for whoever is below it."""
        wallet = self._world.wallet(parent.key) if parent is not None else None
        if parent is None or wallet is None or parent.key in below:
            return ""
        word, _, sentence = self.trouble(wallet, below).partition(": ")
        if not word or word == Reason.WalletBlocked:
            return f"{word}: {sentence}" if word else ""
        return f"{Reason.WalletBlocked}: its parent {parent.key} can't be used: {sentence}"

    def blocked(self, wallet: Wallet) -> str:
        """Return why a wallet can't be used whatever its numbers, or an empty string."""
        if wallet.is_being_deleted:
            return f"{Reason.WalletDeleted}: it is being deleted"
        category = wallet.spec.pays_for
        first = self._world.wallets_paying(wallet.metadata.namespace or "", category.name, category.provider)[0]
        if first.metadata.uid != wallet.metadata.uid:
            return f"Duplicate: wallet '{first.metadata.name}' already pays for {category.name} in this namespace"
        groups = self._sources.applied(wallet).groups
        parents = {group.parent.key: self._world.wallet(group.parent.key) for group in groups if group.parent}
        for key, parent in parents.items():
            if parent is not None and _bought(parent) != _bought(wallet):
                ours, theirs = " ".join(_bought(wallet)), " ".join(_bought(parent))
                return f"CategoryMismatch: its parent {key} pays for {theirs}, not for {ours}"
        missing = [key for key, parent in parents.items() if parent is None]
        if missing and len(missing) == len(groups):
            return f"{Reason.ParentNotFound}: there is no wallet {' or '.join(missing)}"
        return ""


def _bought(wallet: Wallet) -> tuple[str, str, str]:
    """Return what a wallet's credits are good for: credits can only be granted to a wallet for the same."""
    category = wallet.spec.pays_for
    return category.name, category.provider, category.accounting_frequency.value


def circle_of(plan: Plan, wallet_key: str) -> str:
    """Return which circle of parents the wallet is in, as `Circle: sentence`, or an empty string."""
    circle = next((circle for circle in plan.circles if wallet_key in circle), None)
    return f"Circle: its parents lead back to itself: {' -> '.join((*circle, circle[0]))}" if circle else ""
