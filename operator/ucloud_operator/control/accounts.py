"""Wallets and jobs as the ledger takes them, built from what their statuses say.

In a **tree**, where every wallet has one parent, an edge's usage needs no memory of its own: it is what was used at
and below the child, less what found no room (excess). That makes checkpoints of different wallets good together even
when a crash came between their writes.

Where a wallet has several parents, the share of each depends on the path that every charge took. Such a **tangle**
has one `LedgerCheckpoint`, written at once or not at all; there it is the other way round: what a wallet used itself
follows from what its edges carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ucloud_operator.ledger.state import Allocation, Edge, Meter, Phase, Run
from ucloud_operator.ledger.state import Wallet as Account
from ucloud_operator.ledger.usage import usage_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ucloud_operator.api import UCloudJob, Wallet
    from ucloud_operator.api.checkpoint import LedgerCheckpoint, WalletCheckpoint, WalletClosing
    from ucloud_operator.api.wallet import DepartedWallet, GroupStatus


def runs_of(job: UCloudJob, end_ms: int | None) -> tuple[Run, ...]:
    """Return the job's runs as the ledger takes them, the open one with its planned end.

    Those that are no longer listed become one run of a millisecond that cost exactly as much as they did.
    """
    folded, listed = job.status.runs_folded, job.status.runs
    runs = [
        Run(
            run.started_at, run.ended_at if run.ended_at is not None else end_ms, run.price, run.replicas, run.period_ms
        )
        for run in listed
    ]
    if folded.runs:
        first, period_ms = listed[0].started_at, listed[0].period_ms
        cost = folded.usage * period_ms + folded.remainder
        runs.insert(0, Run(first - 1, first, cost, 1, period_ms))
    return tuple(runs)


def departed_from(
    wallet: Wallet, wallets: Mapping[str, Wallet], closing: WalletClosing | None = None
) -> tuple[DepartedWallet, ...]:
    """Return the wallets below that are gone; one of the same name that has come back goes on for the one that went.

    A new wallet has them from the closing of the last one of its name.
    """
    known = closing.departed if closing is not None else wallet.status.departed
    return tuple(gone for gone in known if not _is_back(gone, wallet, wallets.get(gone.key)))


def returning_to(wallet: Wallet, wallets: Mapping[str, Wallet]) -> dict[str, int]:
    """Return what the parents of a wallet that is about to come back say that the last one of its name had used."""
    if wallet.status.groups:
        return {}
    return {
        key: sum(gone.usage for gone in parent.status.departed if gone.key == wallet.key)
        for key, parent in wallets.items()
        if _pay_for_the_same(parent, wallet)
        and any(gone.uid != wallet.metadata.uid for gone in parent.status.departed if gone.key == wallet.key)
    }


def _is_back(gone: DepartedWallet, parent: Wallet, wallet: Wallet | None) -> bool:
    if wallet is None or wallet.metadata.uid == gone.uid or not _pay_for_the_same(parent, wallet):
        return False
    return any(group.parent is not None and group.parent.key == parent.key for group in wallet.status.groups)


def _pay_for_the_same(parent: Wallet, wallet: Wallet) -> bool:
    """Say whether a wallet can be one again that was below the other: one of its name may be for something else."""
    return parent.spec.pays_for.reference == wallet.spec.pays_for.reference


def tree_accounts(wallets: Mapping[str, Wallet], local: Mapping[str, int]) -> Iterable[Account]:
    """Build the ledger's wallets, with every edge's usage worked out from what lies at and below its child."""
    children: dict[str, list[str]] = {key: [] for key in wallets}
    for key, wallet in wallets.items():
        for group in wallet.status.groups:
            if group.parent is not None and group.parent.key in children:
                children[group.parent.key].append(key)
    departed = {key: departed_from(wallet, wallets) for key, wallet in wallets.items()}
    written = {gone.uid for below in departed.values() for gone in below}
    passed = {key: 0 for key, wallet in wallets.items() if wallet.metadata.uid in written}  # it stands in the parent

    def passed_up(key: str) -> int:
        """Return what a wallet's one edge carries."""
        if key not in passed:
            status = wallets[key].status
            passed[key] = 0  # a circle ends here
            below = sum(passed_up(child) for child in children[key]) + sum(gone.usage for gone in departed[key])
            free = wallets[key].spec.pays_for.free_to_use
            passed[key] = 0 if free or not status.groups else max(0, local[key] + below - status.excess)
        return passed[key]

    for key, wallet in wallets.items():
        groups = wallet.status.groups
        yield Account(
            name=key,
            edges=tuple(edge_of(group, passed_up(key) if len(groups) == 1 else None) for group in groups),
            local_usage=local[key] + sum(gone.usage for gone in departed[key]),
            free_to_use=wallet.spec.pays_for.free_to_use,
            blocked=wallet.status.blocked,
        )


def tangle_accounts(
    wallets: Mapping[str, Wallet], had: Mapping[str, WalletCheckpoint], free: Mapping[str, int]
) -> Iterable[Account]:
    """Build the ledger's wallets from a checkpoint, with what each used itself worked out from what its edges carry.

    `free` says what those used themselves whose own usage no edge carries: the free ones.
    """
    written = {(key, gone.uid) for key, wallet in wallets.items() for gone in departed_from(wallet, wallets)}
    had_edges = {key: tuple(map(edge_of, had[key].groups)) for key in wallets}
    edges = {
        key: tuple(edge for edge in had_edges[key] if (edge.parent, wallet.metadata.uid) not in written)
        for key, wallet in wallets.items()
    }
    inflow = dict.fromkeys(wallets, 0)
    for edge in (edge for above in edges.values() for edge in above):
        if edge.parent in inflow:
            inflow[edge.parent] += edge.usage
    for key, wallet in wallets.items():
        carried = sum(edge.usage for edge in had_edges[key]) + had[key].excess
        departed = sum(gone.usage for gone in departed_from(wallet, wallets))
        yield Account(
            name=key,
            edges=edges[key],
            local_usage=free[key] + departed if key in free else max(0, carried - inflow[key]),
            free_to_use=wallet.spec.pays_for.free_to_use,
            blocked=had[key].blocked,
        )


def tangle_meter(job: UCloudJob, wallet_key: str, checkpoint: LedgerCheckpoint, end_ms: int | None) -> Meter | None:
    """Return a job's meter as of a checkpoint; None for one that never ran, or that the wallet's usage has in it."""
    listed = {each.uid: each.charged for each in checkpoint.spec.jobs}
    charged = listed.get(job.metadata.uid)
    if not job.status.runs or (charged is None and _was_over(job, checkpoint.spec.at)):
        return None
    runs = runs_of(job, end_ms)
    return Meter(job.metadata.uid, wallet_key, _ended(runs, job.status.usage) if job.is_final else runs, charged or 0)


def _was_over(job: UCloudJob, at_ms: int) -> bool:
    """Say whether a job's end stood in its status already."""
    return job.is_final and all(
        condition.last_transition_time <= at_ms for condition in job.status.conditions if condition.type == "Finished"
    )


def _ended(runs: tuple[Run, ...], usage: int) -> tuple[Run, ...]:
    """Return runs that come to exactly that usage: what was billed is a fact, whatever the formula says."""
    last = runs[-1]
    assert last.end_ms is not None  # noqa: S101  # it is over
    first_ms, end_ms = last.start_ms, last.end_ms
    while first_ms < end_ms:  # the last millisecond at which the formula doesn't exceed it
        middle_ms = (first_ms + end_ms + 1) // 2
        first_ms, end_ms = (middle_ms, end_ms) if usage_at(runs, middle_ms) <= usage else (first_ms, middle_ms - 1)
    shortened = (*runs[:-1], Run(last.start_ms, end_ms, last.price, last.replicas, last.period_ms))
    rest = usage - usage_at(shortened, end_ms)
    return (*shortened, Run(end_ms, end_ms + 1, rest, 1, 1)) if rest > 0 else shortened


def edge_of(group: GroupStatus, usage: int | None = None) -> Edge:
    """Build the ledger's edge, with its usage as it was written down or as it has become since.

    The ledger attributes more itself. What a run learned late has given back is taken here, from what was attributed
    last.
    """
    usage = group.tree_usage if usage is None else usage
    too_much = max(0, group.tree_usage - usage)
    allocations = []
    for status in sorted(
        group.allocations, key=lambda a: (Phase(a.phase) is Phase.ACTIVE, a.end_date, a.id), reverse=True
    ):
        phase = Phase(status.phase)
        returned = min(too_much, status.used)
        too_much -= returned
        used = status.used - returned
        allocations.append(Allocation(status.id, status.quota, status.start_date, status.end_date, used, phase))
    return Edge(group.parent.key if group.parent else None, tuple(allocations), usage)
