"""The facts of a component of wallets, as the ledger takes them.

Nothing here is a counter. The facts are the runs in the jobs' status and the checkpoint in the wallets' status (which
allocations applied, and what was attributed to each), and whatever of them is decided and on its way. So an operator
that was killed and one that lived compute the same.

The instant to compute from is the component's newest checkpoint. No checkpoint is ever stamped at or after an
exhaustion that isn't in the jobs' status yet, so rebuilding finds that exhaustion again, at the same millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ucloud_operator.api.checkpoint import WalletCheckpoint
from ucloud_operator.control.accounts import runs_of, tangle_accounts, tangle_meter, tree_accounts
from ucloud_operator.control.world import parents_of
from ucloud_operator.ledger.ledger import Ledger
from ucloud_operator.ledger.state import Meter, State
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import open_run, planned_end, reserved_for
from ucloud_operator.lifecycle.statement import account_of
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from ucloud_operator.api import UCloudJob, Wallet
    from ucloud_operator.api.checkpoint import LedgerCheckpoint
    from ucloud_operator.control.world import World

UNDER_WAY_MS = 10_000
"""How long a job's status may have been on its way to the API server while a checkpoint without it was written."""


class Sources:
    """Components of wallets, and their states, built from the world on demand."""

    def __init__(self, world: World) -> None:
        """Take the world to read."""
        self._world, self._decided = world, world.decided
        self._components: dict[str, tuple[str, ...]] = {}
        self._version = -1

    def component(self, wallet_key: str) -> tuple[str, ...]:
        """Return the wallets that are connected to this one through parents, in order; a component's first names it."""
        if self._version != self._world.graph_version:
            self._components, self._version = {}, self._world.graph_version
        known = self._components.get(wallet_key)
        if known is None:
            found, todo = {wallet_key}, [wallet_key]
            while todo:
                key = todo.pop()
                wallet = self._world.wallet(key)
                above = parents_of(wallet) if wallet else set()
                for neighbour in above.union(self._world.children_of(key)) - found:
                    found.add(neighbour)
                    todo.append(neighbour)
            known = tuple(sorted(key for key in found if self._world.wallet(key) is not None))
            for key in known:
                self._components[key] = known
        return known

    def goes_on(self, uid: str) -> bool:
        """Say whether a job's end isn't in its status yet."""
        job = self._world.jobs.find(uid)
        return job is not None and open_run(self._decided.job(job).status) is not None

    def jobs_of(self, wallet_key: str) -> Iterator[UCloudJob]:
        """Yield the jobs that spend, or have spent, a wallet's credits, as they will be said to be."""
        return map(self._decided.job, self._world.jobs_of(wallet_key))

    def state(self, component: Sequence[str], now_ms: int, ends: Mapping[str, int] | None = None) -> State:
        """Return the facts as of the component's newest checkpoint; `ends` are runs' ends that no job says yet."""
        found = (wallet for key in component if (wallet := self._world.wallet(key)) is not None)
        wallets = {wallet.key: self._decided.wallet(wallet) for wallet in found}
        pieces = self._pieces(wallets)
        states = [self._piece(piece, now_ms, ends or {}) for piece in pieces]
        return states[0] if len(states) == 1 else self._joined(states, now_ms)

    def _joined(self, states: Sequence[State], now_ms: int) -> State:
        """Bring pieces that a spec is about to connect to one instant."""
        ledgers = [Ledger(state) for state in states]
        stops = [stop for ledger in ledgers if (next_ := ledger.forecast()) is not None for stop in next_.stops]
        going = (meter for state in states for meter in state.meters if self.goes_on(meter.uid))
        stops_ms = (stop.at_ms for stop in stops if self.goes_on(stop.uid))
        billed_ms = self._decided.billed_ms({wallet.name for state in states for wallet in state.wallets})
        unsaid_ms = min((*stops_ms, *ends_of(going), *billed_ms), default=FOREVER_MS)
        at_ms = max((*(ledger.at_ms for ledger in ledgers), min(now_ms, unsaid_ms - 1)))
        for ledger in ledgers:
            ledger.advance(at_ms)
        parts = [ledger.state() for ledger in ledgers]
        return State(
            at_ms,
            tuple(wallet for part in parts for wallet in part.wallets),
            tuple(meter for part in parts for meter in part.meters),
        )

    def applied(self, wallet: Wallet) -> WalletCheckpoint:
        """Return what a wallet's spec last came to: from the checkpoint of its tangle, or from its own status."""
        checkpoint = self._world.checkpoint_of(wallet.metadata.uid)
        if checkpoint is not None:
            return next(each for each in checkpoint.spec.wallets if each.uid == wallet.metadata.uid)
        status = wallet.status
        return WalletCheckpoint(
            opening_usage=status.opening_usage, excess=status.excess, groups=status.groups, blocked=status.blocked
        )

    def is_tangle(self, component: Sequence[str]) -> bool:
        """Say whether one of these wallets has several parents, or had."""
        wallets = (self._world.wallet(key) for key in component)
        return any(
            len(wallet.status.groups) > 1 or self._world.checkpoint_of(wallet.metadata.uid) is not None
            for wallet in wallets
            if wallet is not None
        )

    def _pieces(self, wallets: Mapping[str, Wallet]) -> list[dict[str, Wallet]]:
        """Part the wallets by what connects them as last applied: pieces of a tangle may have different checkpoints."""
        if not self.is_tangle(tuple(wallets)):
            return [dict(wallets)]
        near: dict[str, set[str]] = {key: set() for key in wallets}
        for key, wallet in wallets.items():
            for group in self.applied(wallet).groups:
                if group.parent is not None and group.parent.key in near:
                    near[key].add(group.parent.key)
                    near[group.parent.key].add(key)
        pieces: list[dict[str, Wallet]] = []
        left = dict(wallets)
        while left:
            piece: dict[str, Wallet] = {}
            todo = [next(iter(left))]
            while todo:
                key = todo.pop()
                if key in left:
                    piece[key] = left.pop(key)
                    todo.extend(near[key])
            pieces.append(piece)
        return pieces

    def _piece(self, wallets: Mapping[str, Wallet], now_ms: int, ends: Mapping[str, int]) -> State:
        checkpoints = [self._world.checkpoint_of(wallet.metadata.uid) for wallet in wallets.values()]
        newest = max((each for each in checkpoints if each is not None), key=lambda each: each.spec.at, default=None)
        return self._tree(wallets, now_ms, ends) if newest is None else self._tangle(wallets, newest, ends)

    def _tangle(self, wallets: Mapping[str, Wallet], checkpoint: LedgerCheckpoint, ends: Mapping[str, int]) -> State:
        had = {key: self.applied(wallet) for key, wallet in wallets.items()}
        meters = [
            meter
            for key in wallets
            for job in self.jobs_of(key)
            if (meter := tangle_meter(job, key, checkpoint, self._end_ms(job, ends))) is not None
        ]
        charged = {meter.uid: meter.charged for meter in meters}
        free = {
            key: self._own_usage(wallet, had[key].opening_usage, charged)
            for key, wallet in wallets.items()
            if wallet.spec.pays_for.free_to_use
        }
        return State(checkpoint.spec.at, tuple(tangle_accounts(wallets, had, free)), tuple(meters))

    def _own_usage(self, wallet: Wallet, opening_usage: int, charged: Mapping[str, int]) -> int:
        """Return what a wallet used itself, by its statements and its jobs."""
        settled, uid = self._world.settled(account_of(wallet)), wallet.metadata.uid
        unsettled = (
            charged.get(job.metadata.uid, job.status.usage)
            for job in self.jobs_of(wallet.key)
            if job.metadata.uid not in settled.uids and (job.status.wallet is None or job.status.wallet.uid == uid)
        )
        return opening_usage + settled.usage + sum(unsettled)

    def _end_ms(self, job: UCloudJob, ends: Mapping[str, int]) -> int | None:
        """Return when a job's open run ends, as far as that is decided."""
        run, uid = open_run(job.status), job.metadata.uid
        if run is None:
            return None
        planned_ms = min(planned_end(job, self._world.pods_of(job)), max(run.started_at, self._decided.end_ms(uid)))
        end_ms = ends.get(uid, planned_ms)
        return end_ms if end_ms < FOREVER_MS else None

    def _tree(self, wallets: Mapping[str, Wallet], now_ms: int, ends: Mapping[str, int]) -> State:
        stamps = [wallet.status.metered_at for wallet in wallets.values() if wallet.status.metered_at is not None]
        at_ms = max(stamps, default=now_ms)
        newest = {key: each.status.recent_runs for key, each in wallets.items() if each.status.metered_at == at_ms}
        recent = frozenset(uid for uids in newest.values() for uid in uids)
        local: dict[str, int] = {}
        meters: list[Meter] = []
        for key, wallet in wallets.items():
            local[key] = wallet.status.opening_usage + self._world.settled(account_of(wallet)).usage
            for job in self.jobs_of(key):
                meter = self._meter(job, wallet, at_ms, newest.get(key, recent), ends)
                if isinstance(meter, int):
                    local[key] += meter
                else:
                    local[key] += meter.charged
                    meters.append(meter)
        return State(at_ms, tuple(tree_accounts(wallets, local)), tuple(meters))

    def _meter(
        self, job: UCloudJob, wallet: Wallet, at_ms: int, recent: Container[str], ends: Mapping[str, int]
    ) -> Meter | int:
        """Return the job's meter while it runs, else its usage, which is 0 where it is counted elsewhere.

        `recent` are the young runs that the checkpoint has in it: those of the wallet's own, if none is newer. A run
        that the checkpoint may have missed owes what it has cost until then, as far as there is room: credits that
        others have spent before its start was learned can't be spent again.
        """
        status, uid = job.status, job.metadata.uid
        if uid in self._world.settled(account_of(wallet)).uids or (
            status.wallet is not None and status.wallet.uid != wallet.metadata.uid
        ):
            return 0
        run = open_run(status)
        reserved = 0 if job.is_final else reserved_for(job, self._world.pods_of(job))
        if job.is_final or run is None or reserved:
            return max(status.usage, reserved)
        runs = runs_of(job, self._end_ms(job, ends))
        counted = uid in recent or began_ms(job) + UNDER_WAY_MS < at_ms
        overrun = (
            max(0, usage_at(runs[:-1], run.started_at) - status.usage) if runs[:-1] else 0
        )  # of runs that are over
        charged = max(status.usage, usage_at(runs, at_ms) - overrun) if counted else status.usage
        return Meter(uid, wallet.key, runs, charged, overrun)


def began_ms(job: UCloudJob) -> int:
    """Return when a job's status said that it runs (unix ms)."""
    began_ms = (each.last_transition_time for each in job.status.conditions if each.type == "Running")
    return max(began_ms, default=FOREVER_MS)


def ends_of(meters: Iterable[Meter]) -> Iterable[int]:
    """Return when the jobs' last runs are known to end; only their status makes that a fact."""
    return (run.end_ms for meter in meters for run in meter.runs[-1:] if run.end_ms is not None)
