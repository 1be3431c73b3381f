"""What the ledger knows at one instant, as values: wallets, the edges between them, and the jobs that run.

A `State` is complete: `Ledger(state)` needs nothing else, and `Ledger(ledger.state())` is the same ledger. So the
operator can rebuild one from what it stored (a wallet's checkpoint, a job's runs) whenever it likes, and nothing is
ever incremented in place.

Units: amounts are integers in the wallet's accounting unit, unbounded; instants are integer unix milliseconds (`_ms`).
Words: an **edge** is all that one wallet was granted by one parent (UCloud: allocation group); its **room** is what can
still be charged through it; **excess** is usage of a wallet that no edge took; **overrun** is running time that found
nothing left to charge, and that nobody will ever pay.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Phase(StrEnum):
    """Where an allocation is in its life. It only moves forward, so an edit of its window can't rewrite the past."""

    PENDING = "Pending"
    ACTIVE = "Active"
    RETIRED = "Retired"


@dataclass(frozen=True, slots=True)
class Allocation:
    """Quota that is valid on `[start_ms, end_ms)`; `used` is what was attributed to it so far.

    Each charged unit is attributed to the active allocation with room that ends first, then by id. A quota may be cut
    below what was used: the usage stays, and the edge has the less room for it.
    """

    id: str
    quota: int
    start_ms: int
    end_ms: int
    used: int = 0
    phase: Phase = Phase.PENDING

    def __post_init__(self) -> None:
        if self.quota < 0 or self.used < 0:
            raise ValueError(f"allocation {self.id}: quota {self.quota} and used {self.used} can't be negative")
        if self.start_ms > self.end_ms:
            raise ValueError(f"allocation {self.id}: it ends at {self.end_ms}, before it starts at {self.start_ms}")
        if self.phase is Phase.PENDING and self.used:
            raise ValueError(f"allocation {self.id}: {self.used} units are used of what isn't active yet")

    @property
    def contributes(self) -> int:
        """What it adds to its edge's quota: nothing yet, all of it, or (retired) what was used of it."""
        if self.phase is Phase.PENDING:
            return 0
        return self.quota if self.phase is Phase.ACTIVE else min(self.quota, self.used)


@dataclass(frozen=True, slots=True)
class Edge:
    """What a wallet was granted by `parent` (None: it comes from outside, a root) and what went through: `usage`.

    `usage` should be the sum of what the allocations used. Where it is more, the rest is attributed when a ledger is
    built, as if it were charged then. A `parent` that the state doesn't have gives the edge no room.
    """

    parent: str | None
    allocations: tuple[Allocation, ...]
    usage: int = 0

    @property
    def quota(self) -> int:
        """The quota that counts now."""
        return sum(allocation.contributes for allocation in self.allocations)

    @property
    def room(self) -> int:
        """What can still be charged through this edge, whatever its parent has left."""
        return max(0, self.quota - self.usage)


@dataclass(frozen=True, slots=True)
class Wallet:
    """Credits of one workspace for one product category.

    `local_usage` is what its own jobs used, plus what was brought in from elsewhere. A `free_to_use` wallet meters, is
    never locked by its numbers and passes nothing up. `blocked` says why it is locked whatever the numbers (deleted,
    a duplicate, …): jobs in it stop, whatever they cost, and it gives no room to its children. A child that is gone is
    represented by a blocked wallet that holds what it used, on an edge whose allocations are retired.
    """

    name: str
    edges: tuple[Edge, ...] = ()
    local_usage: int = 0
    free_to_use: bool = False
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job: `price` units per replica and period, from `start_ms` until `end_ms` (None: it still runs)."""

    start_ms: int
    end_ms: int | None
    price: int
    replicas: int
    period_ms: int

    def __post_init__(self) -> None:
        if self.price < 0 or self.replicas < 0 or self.period_ms <= 0:
            raise ValueError(f"a run can't cost {self.price} for {self.replicas} per {self.period_ms} ms")
        if self.end_ms is not None and self.end_ms < self.start_ms:
            raise ValueError(f"a run ends at {self.end_ms}, before it starts at {self.start_ms}")


@dataclass(frozen=True, slots=True)
class Meter:
    """One job as the ledger sees it: its runs, in order, and what became of the units that fell due for them.

    `charged` is part of its wallet's `local_usage`; `overrun` is what found no room when it fell due and is not charged
    later either. Once an instant is decided, `charged + overrun` is `usage_at(runs, at_ms)`. Where it is less, the rest
    falls due at the state's own instant (a start that was learned late). Where it is more (a job's facts may be newer
    than its wallet's), nothing falls due until the usage has caught up.
    """

    uid: str
    wallet: str
    runs: tuple[Run, ...]
    charged: int = 0
    overrun: int = 0

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError(f"job {self.uid}: it has no run to meter")
        if self.charged < 0 or self.overrun < 0:
            raise ValueError(f"job {self.uid}: charged {self.charged}, overrun {self.overrun} can't be negative")
        for earlier, later in pairwise(self.runs):
            if earlier.end_ms is None or earlier.end_ms > later.start_ms:
                raise ValueError(f"job {self.uid}: the run of {later.start_ms} begins before the last one has ended")


@dataclass(frozen=True, slots=True)
class State:
    """Everything as of `at_ms`. Any number of components; the order of wallets, edges and meters means nothing."""

    at_ms: int
    wallets: tuple[Wallet, ...]
    meters: tuple[Meter, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """The job must end at that instant: its wallet has no open path left. Its run is billed until then."""

    uid: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """An exhaustion to come: the instant, and every job that it stops."""

    at_ms: int
    stops: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class WalletNumbers:
    """What people read on a wallet (UCloud's WalletV2 names; design §3 for their meaning).

    `total_usage` is `local_usage` and what flowed in from children, `tree_usage` what was passed up, `excess` the
    difference; `total_allocated` is what was granted to children; `max_usable` is what can be charged from here at
    once, over all paths; `locked` means that nothing can.
    """

    quota: int
    local_usage: int
    total_usage: int
    tree_usage: int
    total_allocated: int
    max_usable: int
    locked: bool
    excess: int
