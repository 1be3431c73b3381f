"""What a wallet's status says next, and when it has to say so.

The status is two things: the numbers that people read, and the checkpoint that the books go on from. A spec takes
effect by being written here: first the component is worked out as of now under what applied before, then the new
allocations are put in its place, and only when the API server has accepted that status is anything decided from it.

Writes are the budget, so a difference is published as late as its reader can bear: a change of the spec, of the lock or
of an allocation's phase at once, a rate, a forecast or settled jobs after some seconds, mere usage once a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ucloud_operator.api.checkpoint import WalletClosing
from ucloud_operator.api.common import Condition, saturate
from ucloud_operator.api.wallet import AllocationStatus, DepartedWallet, GroupStatus, WalletReference, WalletStatus
from ucloud_operator.control.accounts import edge_of
from ucloud_operator.control.troubles import circle_of
from ucloud_operator.ledger.ledger import Ledger
from ucloud_operator.ledger.state import Allocation, Edge, Phase
from ucloud_operator.lifecycle import sentences, warnings
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ucloud_operator.api import Wallet
    from ucloud_operator.api.checkpoint import WalletCheckpoint
    from ucloud_operator.control.planner import Plan
    from ucloud_operator.ledger.state import State, WalletNumbers
    from ucloud_operator.ledger.state import Wallet as Account
    from ucloud_operator.lifecycle.statement import Settled
    from ucloud_operator.settings import Settings

FORECAST_NOISE_MS = 1000
STEP = 4
"""What is left has changed by a step, and not by a drift, if it has by more than this part of it."""

QUIET_FACTOR = 10
"""A wallet whose own credits nobody is spending publishes what others leave it this many times more seldom."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A status to be written, and the instant by which it should be (unix ms)."""

    status: WalletStatus
    due_ms: int
    state: State | None  # the whole component with an edit, where there was one


@dataclass(frozen=True, slots=True)
class Around:
    """What a wallet's status says of others."""

    applied: WalletCheckpoint  # what its spec last came to
    blocked: str  # why it can't be used as it is, to the ledger
    settled: Settled  # what its statements say
    trouble: str = ""  # why it can't be used, whatever its numbers, as `Word: sentence`
    closing: WalletClosing | None = None  # what the last wallet of its name had, if it hasn't been taken over yet
    departed: tuple[DepartedWallet, ...] = ()  # wallets below that are gone
    departing: tuple[DepartedWallet, ...] = ()  # wallets below that are being deleted and have stopped spending
    returning: Mapping[str, int] = field(default_factory=dict)
    """By parent: what it says that the last wallet of this name had used. It is this wallet's usage from now on."""


def publish(wallet: Wallet, plan: Plan, around: Around, settings: Settings) -> Publication:
    """Work out the wallet's next status."""
    old = wallet.status
    edited = old.metered_at is None or is_edited(wallet, around.applied, around.blocked)
    before = around.closing or around.applied
    ledger = _apply(wallet, plan, around) if edited else plan.ledger
    numbers, account = plan.numbers[wallet.key] if not edited else ledger.numbers(wallet.key), ledger.wallet(wallet.key)
    left = sum(gone.usage for gone in around.departed)
    left_before, left_again = (around.closing or old).departed, {gone.key for gone in around.departing}
    aside_here = plan.reserved.get(wallet.key, 0)
    aside = (
        sum(plan.reserved.get(key, 0) for key in ledger.at_and_below(wallet.key)) if any(plan.reserved.values()) else 0
    )
    status = WalletStatus(
        quota=saturate(numbers.quota),
        local_usage=saturate(numbers.local_usage - left - aside_here),
        total_usage=saturate(numbers.total_usage - aside),
        tree_usage=saturate(numbers.tree_usage - aside),
        total_allocated=saturate(numbers.total_allocated),
        max_usable=saturate(numbers.max_usable),
        locked=numbers.locked,
        reserved=saturate(aside_here),
        rate_per_minute=saturate(plan.ledger.rate_per_minute(wallet.key)),
        exhausts_at=plan.exhausts_ms.get(wallet.key),
        metered_at=max(plan.at_ms, old.metered_at or 0),
        observed_generation=wallet.metadata.generation,
        opening_usage=max(before.opening_usage, wallet.spec.opening_usage) if edited else before.opening_usage,
        blocked=around.blocked,
        recent_runs=plan.recent_runs,
        settled_usage=saturate(around.settled.usage),
        excess=saturate(numbers.excess),
        departed=(
            *(gone for gone in left_before if gone.key not in left_again or gone in around.departed),
            *around.departing,
        ),
        groups=tuple(group_of(edge, wallet, before) for edge in account.edges),
        conditions=conditions(wallet, numbers, plan, around.trouble),
    )
    hurried = edited or bool(around.departing)
    return Publication(
        status, _due_ms(old, status, hurried=hurried, settings=settings), ledger.state() if edited else None
    )


def conditions(wallet: Wallet, numbers: WalletNumbers, plan: Plan, trouble: str) -> tuple[Condition, ...]:
    """Say whether the wallet's jobs can spend, and if not why; a time only changes when the answer does."""
    trouble = trouble or circle_of(plan, wallet.key)
    if trouble:
        reason, _, message = trouble.partition(": ")
    elif numbers.locked and not wallet.spec.allocation_groups:
        reason, message = "NoAllocation", "nothing was ever allocated to it: add an allocation to spec.allocationGroups"
    elif numbers.locked:
        reason, message = (
            "OutOfCredits",
            "nothing can be used any more: add an allocation, here or at the parent that is used up",
        )
    else:
        reason, message = "Usable", "jobs can spend its credits"
    applied = Condition(
        type="Ready",
        status="False" if reason in BROKEN else "True",
        reason=reason if reason in BROKEN else "Applied",
        message=message if reason in BROKEN else "its allocations are applied",
        last_transition_time=plan.at_ms,
    )
    lock = Condition(
        type="Locked",
        status="True" if numbers.locked else "False",
        reason=reason,
        message=message,
        last_transition_time=plan.at_ms,
    )
    kept = tuple(_keep_time(condition, wallet.status.conditions) for condition in (applied, lock))
    return (*kept, _warning(wallet, plan))


def _warning(wallet: Wallet, plan: Plan) -> Condition:
    """Say whether the credits end soon."""
    end_ms, before = plan.exhausts_ms.get(wallet.key, FOREVER_MS), warnings.told(wallet.status.conditions)
    level = warnings.level_at(end_ms, wallet.spec.warn_minutes, 0, plan.at_ms)
    message = sentences.exhausts_at(end_ms - plan.at_ms, end_ms) if level is not None else sentences.ENDS_LATER
    return warnings.condition(level, message, before, plan.at_ms)


BROKEN = frozenset({"Circle", "Duplicate", "ParentNotFound", "CategoryMismatch", "WalletDeleted", "WalletBlocked"})
"""Why a wallet can't be used as it is written, whatever its numbers."""


def _keep_time(condition: Condition, known: Sequence[Condition]) -> Condition:
    for old in known:
        if (old.type, old.status) == (condition.type, condition.status):
            return condition.model_copy(update={"last_transition_time": old.last_transition_time})
    return condition


def is_edited(wallet: Wallet, applied: WalletCheckpoint, blocked: str) -> bool:
    """Say whether a wallet isn't what was last applied: it has another spec, or other reasons against its use."""
    return applied.blocked != blocked or wallet.status.observed_generation != wallet.metadata.generation


def _apply(wallet: Wallet, plan: Plan, around: Around) -> Ledger:
    """Put the spec's allocations in the place of those that applied, as of the plan's instant.

    A new wallet goes on from what the last one of its name had when it went, if there was one.
    """
    resumed = around.closing
    accounts = []
    for account in plan.state.wallets:
        if account.name != wallet.key:
            left = max(0, account.local_usage - around.returning.get(account.name, 0))
            accounts.append(replace(account, local_usage=left))
            continue
        opened = max(wallet.spec.opening_usage, resumed.opening_usage if resumed else 0) - around.applied.opening_usage
        before = account if resumed is None else replace(account, edges=tuple(map(edge_of, resumed.groups)))
        edges = _edges(wallet, before, plan.at_ms)
        left = sum(gone.usage for gone in around.departed) if resumed else 0
        local_usage = account.local_usage + max(0, opened) + left
        accounts.append(replace(account, edges=edges, local_usage=local_usage, blocked=around.blocked))
    ledger = Ledger(replace(plan.state, wallets=tuple(accounts)))
    ledger.advance(plan.at_ms)
    return ledger


def closing_of(wallet: Wallet, applied: WalletCheckpoint) -> WalletClosing:
    """Return what a wallet that is going leaves to the next one of its name: what was used of which allocation.

    One that grants it under the same ids, as a backup does, goes on with what is left of them; the others retire.
    """
    groups = []
    for group in applied.groups:
        used = tuple(allocation for allocation in group.allocations if allocation.used)
        if used or group.tree_usage:
            groups.append(group.model_copy(update={"allocations": used}))
    return WalletClosing(
        opening_usage=applied.opening_usage,
        excess=applied.excess,
        groups=tuple(groups),
        departed=tuple(gone for gone in wallet.status.departed if gone.usage),
    )


def _edges(wallet: Wallet, account: Account, now_ms: int) -> tuple[Edge, ...]:
    """Merge the groups of one parent, keep what was used, and retire what the spec no longer has."""
    wanted: dict[str | None, dict[str, Allocation]] = {}
    for group in wallet.spec.allocation_groups:
        granted = wanted.setdefault(group.parent.key if group.parent else None, {})
        for each in group.allocations:
            granted.setdefault(each.id, Allocation(each.id, each.quota, each.start_date, each.end_date))
    known = {edge.parent: edge for edge in account.edges}
    edges = []
    for parent in sorted({*wanted, *known}, key=lambda parent: parent or ""):
        old = known.get(parent, Edge(parent, ()))
        before = {allocation.id: allocation for allocation in old.allocations}
        merged = [_merge(before.get(id_), new, now_ms) for id_, new in wanted.get(parent, {}).items()]
        dropped = [
            _retire(allocation, now_ms) for id_, allocation in before.items() if id_ not in wanted.get(parent, {})
        ]
        allocations = (*merged, *(allocation for allocation in dropped if allocation.used))
        if allocations or old.usage or parent in wanted:
            edges.append(Edge(parent, allocations, old.usage))
    return tuple(edges)


def _merge(old: Allocation | None, new: Allocation, now_ms: int) -> Allocation:
    """Take the new numbers and keep the past: what is retired stays so, what is seen too late is worth nothing."""
    if old is None:
        return replace(new, phase=Phase.RETIRED) if new.end_ms <= now_ms else new
    if old.phase is Phase.RETIRED:
        return old
    if old.phase is Phase.PENDING:
        return new
    return replace(new, used=old.used, phase=old.phase, start_ms=min(old.start_ms, new.start_ms))


def _retire(allocation: Allocation, now_ms: int) -> Allocation:
    if allocation.phase is Phase.RETIRED:
        return allocation
    return replace(allocation, phase=Phase.RETIRED, end_ms=max(allocation.start_ms, min(allocation.end_ms, now_ms)))


def group_of(edge: Edge, wallet: Wallet, before: WalletCheckpoint) -> GroupStatus:
    """Return an edge as it is written down."""
    return GroupStatus(
        parent=_reference(edge.parent, wallet, before),
        quota=saturate(edge.quota),
        tree_usage=saturate(edge.usage),
        allocations=tuple(
            AllocationStatus(
                id=allocation.id,
                quota=allocation.quota,
                start_date=allocation.start_ms,
                end_date=allocation.end_ms,
                used=saturate(allocation.used),
                phase=allocation.phase.value,
            )
            for allocation in edge.allocations
        ),
    )


def _reference(parent: str | None, wallet: Wallet, before: WalletCheckpoint) -> WalletReference | None:
    references = [group.parent for group in wallet.spec.allocation_groups]
    references += [group.parent for group in before.groups]
    found = next((reference for reference in references if reference is not None and reference.key == parent), None)
    if found is not None or parent is None:
        return found
    namespace, _, name = parent.partition("/")  # of one that went, whose name this wallet has, and that it doesn't name
    return WalletReference(namespace=namespace, name=name)


def _due_ms(old: WalletStatus, new: WalletStatus, *, hurried: bool, settings: Settings) -> int:
    """Return by when the difference should be published."""
    last_ms = old.metered_at
    if hurried or last_ms is None or old.locked != new.locked or _phases(old) != _phases(new):
        return 0
    if _said(old.conditions) != _said(new.conditions) or old.excess != new.excess:
        return 0
    stepped = STEP * abs(old.max_usable - new.max_usable) > max(old.max_usable, new.max_usable)
    came_to_rest = new.rate_per_minute == 0 and old.total_usage != new.total_usage  # nothing more is to be waited for
    if stepped or came_to_rest or _noticed(old) != _noticed(new) or _moved(old.exhausts_at, new.exhausts_at):
        return last_ms + 1000 * settings.notice_seconds
    if (old.total_usage, old.quota, old.total_allocated) != (new.total_usage, new.quota, new.total_allocated):
        return last_ms + 1000 * settings.metering_seconds
    if old.max_usable != new.max_usable:
        return last_ms + 1000 * settings.metering_seconds * QUIET_FACTOR
    return FOREVER_MS


def _noticed(status: WalletStatus) -> tuple[int, bool, int]:
    """Return what people who look at a wallet expect to see within seconds."""
    return status.rate_per_minute, status.reserved > 0, status.settled_usage


def _moved(old_ms: int | None, new_ms: int | None) -> bool:
    """Tell a forecast that moved from one that was rounded otherwise."""
    if old_ms is None or new_ms is None:
        return old_ms is not new_ms
    return abs(old_ms - new_ms) > FORECAST_NOISE_MS


def _phases(status: WalletStatus) -> Mapping[tuple[str, str], str]:
    return {
        (group.parent.key if group.parent else "", allocation.id): allocation.phase
        for group in status.groups
        for allocation in group.allocations
    }


def _said(conditions: Sequence[Condition]) -> set[tuple[str, str, str]]:
    return {(condition.type, condition.status, condition.reason) for condition in conditions}
