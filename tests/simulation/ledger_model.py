"""The ledger's definition, walked: millisecond by millisecond, unit by unit. Slow and obvious, and no code shared.

Only for small numbers. What the real ledger computes must be equal to this, state by state and stop by stop.
"""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations

from ucloud_operator.ledger import Allocation, Edge, Meter, Phase, Run, State, Stop, Wallet


@dataclass
class Grant:
    """An allocation, and whose it is."""

    child: str
    parent: str | None
    allocation: Allocation


@dataclass
class Job:
    meter: Meter
    runs: list[Run]
    charged: int
    overrun: int

    def due(self, at_ms: int) -> int:
        exact = Fraction(0)
        for run in self.runs:
            last_ms = at_ms if run.end_ms is None else min(at_ms, run.end_ms)
            exact += Fraction(run.price * run.replicas * max(0, last_ms - run.start_ms), run.period_ms)
        return max(0, int(exact) - self.charged - self.overrun)


@dataclass
class Model:
    """Everything in plain lists, rebuilt from a state and turned back into one."""

    state: State
    at_ms: int = field(init=False)
    local: dict[str, int] = field(init=False)
    usage: dict[tuple[str, str | None], int] = field(init=False)
    grants: list[Grant] = field(init=False)
    jobs: list[Job] = field(init=False)

    def __post_init__(self) -> None:
        self.at_ms = self.state.at_ms
        self.wallets = {wallet.name: wallet for wallet in self.state.wallets}
        self.local = {wallet.name: wallet.local_usage for wallet in self.state.wallets}
        self.usage = {(wallet.name, edge.parent): edge.usage for wallet in self.state.wallets for edge in wallet.edges}
        self.grants = [
            Grant(wallet.name, edge.parent, allocation)
            for wallet in self.state.wallets
            for edge in wallet.edges
            for allocation in edge.allocations
        ]
        self.jobs = [Job(meter, list(meter.runs), meter.charged, meter.overrun) for meter in self.state.meters]
        self.jobs.sort(key=lambda job: (job.runs[0].start_ms, job.meter.uid))

    def advance(self, to_ms: int) -> list[Stop]:
        stops = self.instant()
        while self.at_ms < to_ms:
            self.at_ms += 1
            stops += self.instant()
        return stops

    def instant(self) -> list[Stop]:
        """Do everything that happens at one millisecond, in the order that the design gives."""
        self.accrue()
        for grant in self.grants:
            if grant.allocation.end_ms <= self.at_ms:
                grant.allocation = replace(grant.allocation, phase=Phase.RETIRED)
        for grant in self.grants:
            if grant.allocation.phase is Phase.PENDING and grant.allocation.start_ms <= self.at_ms:
                grant.allocation = replace(grant.allocation, phase=Phase.ACTIVE)
        for name in sorted(self.wallets):
            while self.excess(name) and self.charge_one(name):
                pass
        self.accrue()
        return self.decide()

    def accrue(self) -> None:
        for job in self.jobs:
            name = job.meter.wallet
            while job.due(self.at_ms) and (self.wallets[name].free_to_use or self.charge_one(name)):
                job.charged += 1
                self.local[name] += 1

    def decide(self) -> list[Stop]:
        stops = []
        for job in self.jobs:
            wallet = self.wallets[job.meter.wallet]
            locked = not wallet.free_to_use and self.first_open_path(wallet.name) is None
            for number, run in enumerate(job.runs):
                going_on = run.start_ms <= self.at_ms and (run.end_ms is None or run.end_ms > self.at_ms)
                if going_on and (wallet.blocked or (locked and run.price and run.replicas)):
                    job.runs[number] = replace(run, end_ms=self.at_ms)
                    stops.append(Stop(job.meter.uid, self.at_ms))
            job.overrun += job.due(self.at_ms)
        return stops

    def excess(self, name: str) -> int:
        own = 0 if self.wallets[name].free_to_use else self.local[name]
        received = sum(units for (_, parent), units in self.usage.items() if parent == name)
        return own + received - sum(units for (child, _), units in self.usage.items() if child == name)

    def charge_one(self, name: str) -> bool:
        """Charge one unit up the first open path, if there is one, and attribute it on every edge."""
        path = self.first_open_path(name)
        if path is None:
            return False
        for edge in path:
            self.usage[edge] += 1
            with_room = [one for one in self.active(edge) if one.allocation.used < one.allocation.quota]
            first = min(with_room, key=lambda one: (one.allocation.end_ms, one.allocation.id))
            first.allocation = replace(first.allocation, used=first.allocation.used + 1)
        return True

    def first_open_path(self, name: str) -> list[tuple[str, str | None]] | None:
        if self.wallets[name].blocked or name in self.above(name):
            return None
        for edge in sorted((edge for edge in self.usage if edge[0] == name), key=self.routing_order):
            parent = edge[1]
            if self.room(edge) <= 0 or (parent is not None and parent not in self.wallets):
                continue
            rest = [] if parent is None else self.first_open_path(parent)
            if rest is not None:
                return [edge, *rest]
        return None

    def above(self, name: str) -> set[str]:
        found: set[str] = set()
        todo = [name]
        while todo:
            below = todo.pop()
            for child, parent in self.usage:
                if child == below and parent is not None and parent not in found:
                    found.add(parent)
                    todo.append(parent)
        return found

    def routing_order(self, edge: tuple[str, str | None]) -> tuple[float, str]:
        return min((one.allocation.end_ms for one in self.active(edge)), default=float("inf")), edge[1] or ""

    def active(self, edge: tuple[str, str | None]) -> list[Grant]:
        return [one for one in self.grants if (one.child, one.parent) == edge and one.allocation.phase is Phase.ACTIVE]

    def room(self, edge: tuple[str, str | None]) -> int:
        quota = 0
        for one in self.grants:
            if (one.child, one.parent) == edge:
                if one.allocation.phase is Phase.ACTIVE:
                    quota += one.allocation.quota
                if one.allocation.phase is Phase.RETIRED:
                    quota += min(one.allocation.quota, one.allocation.used)
        return quota - self.usage[edge]

    def max_usable(self, name: str) -> int:
        """Return the least cut: over all sets of wallets with this one, the room of what leads out of the set."""
        if self.wallets[name].blocked or name in self.above(name):
            return 0
        usable = {one for one in self.wallets if not self.wallets[one].blocked and one not in self.above(one)}
        others = sorted(usable - {name})
        sets = [{name, *some} for size in range(len(others) + 1) for some in combinations(others, size)]
        return min(
            sum(
                max(0, self.room((child, parent)))
                for child, parent in self.usage
                if child in inside and parent not in inside and (parent is None or parent in usable)
            )
            for inside in sets
        )

    def now(self) -> State:
        """Return the state, with everything in a fixed order."""
        return State(
            self.at_ms,
            tuple(
                replace(
                    wallet,
                    local_usage=self.local[wallet.name],
                    edges=tuple(
                        Edge(edge.parent, self.allocations(wallet.name, edge), self.usage[wallet.name, edge.parent])
                        for edge in wallet.edges
                    ),
                )
                for wallet in self.state.wallets
            ),
            tuple(
                replace(job.meter, runs=tuple(job.runs), charged=job.charged, overrun=job.overrun) for job in self.jobs
            ),
        )

    def allocations(self, name: str, edge: Edge) -> tuple[Allocation, ...]:
        return tuple(one.allocation for one in self.grants if (one.child, one.parent) == (name, edge.parent))


def sorted_state(state: State) -> State:
    """Return the same state in the one order that two states can be compared in."""

    def sorted_wallet(wallet: Wallet) -> Wallet:
        edges = (
            replace(edge, allocations=tuple(sorted(edge.allocations, key=lambda one: one.id))) for edge in wallet.edges
        )
        return replace(wallet, edges=tuple(sorted(edges, key=lambda edge: edge.parent or "")))

    return State(
        state.at_ms,
        tuple(sorted(map(sorted_wallet, state.wallets), key=lambda wallet: wallet.name)),
        tuple(sorted(state.meters, key=lambda meter: meter.uid)),
    )
