"""What falls due for jobs, taken up to the edges: late, in bulk, and where credits end job by job.

As long as no edge fills, it doesn't matter when a unit is charged, nor in which order: all take the paths that they
took before. So nothing is charged while time goes by (`is_behind`), until somebody wants to read it (`catch_up`), or a
path changes. Where an edge fills, only those that are charged through it are looked at: in bulk up to the millisecond
before, in it job by job. The others can wait, unless one who has another way meets them there: then it is all.
"""

from collections.abc import Collection, Iterable, Sequence
from copy import copy

from ucloud_operator.ledger.filling import Filling
from ucloud_operator.ledger.metering import Metering
from ucloud_operator.ledger.network import Network


class Charging:
    """Wallets and jobs, and what goes from these to those."""

    def __init__(self, network: Network, metering: Metering) -> None:
        self.network = network
        self.metering = metering
        self.unpaid: dict[int, int] = {}  # what is due at this instant and has found no room
        self.is_behind = False  # there may be more that is due
        self._filling: Filling | None = None
        self._rerouted: set[int] = set()  # edges that are charged by others than that knows

    def twin(self) -> "Charging":
        """Make an independent copy."""
        twin = copy(self)
        twin.network, twin.metering = self.network.twin(), self.metering.twin()
        twin.unpaid, twin._rerouted = self.unpaid.copy(), self._rerouted.copy()  # noqa: SLF001  # its own
        twin._filling = self._filling and self._filling.twin(twin.network, twin.metering)  # noqa: SLF001  # its own
        return twin

    def filling(self, at_ms: int) -> Filling:
        """Return what says when the next edge will be full, for the paths as they are. Up to then none may be."""
        if self._filling is None:
            self._filling = Filling(self.network, self.metering, at_ms)
        elif self._rerouted:
            self._filling.reroute(self._rerouted, at_ms - 1)
        self._rerouted = set()
        return self._filling

    def forget_paths(self) -> None:
        """Let everything be found out anew, as any path may have changed."""
        self._filling = None

    # While no edge fills

    def catch_up(self, at_ms: int) -> None:
        """Charge what has fallen due by now and was not charged yet."""
        if self.is_behind:
            dues = self.metering.dues(at_ms)
            for job, units in self.unpaid.items():
                dues[job] -= units
            self._charge(dues)
            self.is_behind = False

    def catch_up_with(self, job: int, at_ms: int) -> None:
        """Do the same for one job."""
        if self.is_behind:
            due = self.metering.due(job, at_ms) - self.unpaid.get(job, 0)
            assert due >= 0
            assert not due or not self.network.is_stuck(self.metering.wallet[job]), "what waits has a way up"
            self.metering.charge(job, due)
            self.network.pour_one(self.metering.wallet[job], due)

    def _charge(self, dues: Sequence[int]) -> None:
        """Charge every job so much, all at once. No edge may fill by it."""
        self.metering.charge_all(dues)
        self.network.pour(self.metering.per_wallet(dues))

    # Where one may

    def charge_now(self, at_ms: int) -> None:
        """Charge all that is due at this instant, job by job where there may be too little; note what finds no room."""
        network, metering = self.network, self.metering
        self.unpaid, self.is_behind = {}, False
        dues = metering.dues(at_ms)
        if not any(dues):
            return
        self.forget_paths()
        contested = network.contested(metering.per_wallet(dues))
        wallets = metering.wallet
        self._charge([0 if wallet in contested else due for wallet, due in zip(wallets, dues, strict=True)])
        self._charge_in_order((job for job, due in enumerate(dues) if due and wallets[job] in contested), at_ms)

    def charge_late(self, job: int, at_ms: int) -> None:
        """Charge a job that has come with debts, after all others."""
        dues = self.metering.dues(at_ms)
        assert not self.unpaid
        assert dues[job] > 0
        dues[job] = 0
        self._charge(dues)
        self.charge_now(at_ms)

    def exhaust(self, at_ms: int) -> None:
        """Charge those below the edges that are full now."""
        network, full = self.network, self.filling(at_ms).full_at(at_ms)
        assert full
        assert not self.unpaid
        self.is_behind = True
        wallets = {one for edge in full for one in network.fed_by(network.child[edge]) if not network.free[one]}
        before = None
        if any(len(network.edges_up[wallet]) > 1 for wallet in wallets):
            before = network.twin(), self.metering.twin()
        self._fill(wallets, at_ms)
        assert not all(network.room[edge] for edge in full), "an exhaustion fills an edge"
        if before is not None and self._spills(full, before[0], at_ms):
            self.network, self.metering = before
            self.forget_paths()
            self._charge(self.metering.dues(at_ms - 1))
            self.charge_now(at_ms)

    def _fill(self, wallets: Collection[int], at_ms: int) -> None:
        network, metering = self.network, self.metering
        self._rerouted.update(edge for wallet in wallets for edge in network.path(wallet))
        for wallet in wallets:
            assert not network.is_stuck(wallet), "it is charged through an edge that has room until now"
            jobs = metering.of_wallet[wallet]
            dues = [metering.due(job, at_ms - 1) for job in jobs]
            for job, due in zip(jobs, dues, strict=True):
                metering.charge(job, due)
            network.pour_one(wallet, sum(dues))
            assert not network.is_stuck(wallet), "nothing fills before this instant"
        self._charge_in_order((job for wallet in wallets for job in metering.of_wallet[wallet]), at_ms)
        self._rerouted.update(edge for wallet in wallets for edge in network.path(wallet))

    def _spills(self, full: Collection[int], before: Network, at_ms: int) -> bool:
        """Whether those who had another way there met others, so that it matters who was first."""
        filled = (edge for edge, room in enumerate(before.room) if room and not self.network.room[edge])
        return not set(filled) <= set(full) or self.filling(at_ms).first(at_ms - 1, at_ms) is not None

    def _charge_in_order(self, jobs: Iterable[int], at_ms: int) -> None:
        """Charge what is due for these jobs now, unit by unit where there is too little."""
        network, metering = self.network, self.metering
        for job in metering.in_order(jobs):
            wallet, due = metering.wallet[job], metering.due(job, at_ms)
            charged = due if network.free[wallet] else network.route(wallet, due)
            assert 0 <= charged <= due
            assert charged == due or network.is_stuck(wallet), "only who has no way up leaves anything unpaid"
            network.local[wallet] += charged
            metering.charge(job, charged)
            if charged < due:
                self.unpaid[job] = due - charged

    def write_off(self) -> None:
        """Give up what is due and has found no room."""
        for job, units in self.unpaid.items():
            assert self.network.is_stuck(self.metering.wallet[job])
            self.metering.write_off(job, units)
        self.unpaid = {}
