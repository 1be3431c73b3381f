"""How long the ledger takes on one core, against what is promised.

Every number is the CPU time of this process, as machines are shared; the wall-clock time stands beside it. The median
of several rounds is what counts, the best says what is possible, and the ratio is that of the median to the bound. A
round begins with freshly built values, after a garbage collection, so that none pays for another.

A start or stop is measured as it is lived through: in a ledger that is there and knows its next exhaustion, some time
passes, then the job comes or goes. That is the change alone. Then the ledger says when the next exhaustion is, and whom
it stops: which costs the more, the more jobs are charged through the edge that fills first, so there are three rows of
each. In the component as it is, that edge is a department's, with about 400 jobs, and a job chosen at random is seldom
one of them; then such a job is chosen; and last the root has so little that it fills first, with all 10,000 jobs.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from ucloud_operator.ledger import Allocation, Edge, Ledger, Meter, Run, State, Wallet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MINUTE_MS: Final = 60_000
FAR_MS: Final = 1_000_000 * MINUTE_MS
NOW_MS: Final = 60 * MINUTE_MS
SOME_MS: Final = 7
ROUNDS: Final = 15

DEPARTMENTS, WALLETS, JOBS = 30, 1000, 10_000
SMALL_WALLETS, SMALL_ROOTS, SMALL_PARENTS, SMALL_JOBS = 20, 4, 3, 100


# What is computed


def tree(chance: random.Random, root_quota: int = 10**15) -> State:
    """One root, departments, and teams below them: 1,000 wallets with 10,000 jobs that run since some time ago.

    The departments promise three times what they have, so that the next exhaustion is an inner edge's, unless the root
    has less than they.
    """
    departments = [f"department-{number}" for number in range(DEPARTMENTS)]
    teams = [f"team-{number}" for number in range(WALLETS - DEPARTMENTS - 1)]
    wallets = [
        Wallet("root", (edge(None, root_quota),)),
        *(Wallet(name, (edge("root", chance.randint(10**11, 10**12)),)) for name in departments),
        *(Wallet(name, (edge(chance.choice(departments), chance.randint(10**10, 10**11)),)) for name in teams),
    ]
    return State(NOW_MS, tuple(wallets), tuple(jobs(chance, JOBS, teams)))


def tangle(chance: random.Random) -> State:
    """Twenty wallets, of which all but the roots have three parents among those above them, and a hundred jobs."""
    names = [f"wallet-{number:02}" for number in range(SMALL_WALLETS)]
    wallets = [Wallet(name, (edge(None, chance.randint(10**9, 10**10)),)) for name in names[:SMALL_ROOTS]]
    for number, name in enumerate(names[SMALL_ROOTS:], SMALL_ROOTS):
        parents = chance.sample(names[:number], SMALL_PARENTS)
        edges = tuple(edge(parent, chance.randint(10**8, 10**9), chance.randint(2, 1000)) for parent in parents)
        wallets.append(Wallet(name, edges))
    return State(NOW_MS, tuple(wallets), tuple(jobs(chance, SMALL_JOBS, names[SMALL_ROOTS:])))


def edge(parent: str | None, quota: int, hours: int = 10_000) -> Edge:
    """Return what one parent granted: two allocations, the first of which ends sooner."""
    half_ms = NOW_MS + hours * 30 * MINUTE_MS
    sooner = Allocation("sooner", quota // 2, 0, half_ms)
    return Edge(parent, (sooner, Allocation("later", quota - quota // 2, 0, FAR_MS)))


def jobs(chance: random.Random, count: int, wallets: list[str]) -> Iterator[Meter]:
    """Return jobs that run, at prices that don't divide each other."""
    for number in range(count):
        start_ms = chance.randint(NOW_MS - 30 * MINUTE_MS, NOW_MS)
        price, replicas = chance.choice((50_000, 7_777, 333_333)), chance.randint(1, 4)
        yield Meter(f"job-{number}", chance.choice(wallets), (Run(start_ms, None, price, replicas, MINUTE_MS),))


def planned_to_end(chance: random.Random, meter: Meter) -> Meter:
    """Return the job with an end for its run, within a day."""
    return replace(meter, runs=(replace(meter.runs[0], end_ms=NOW_MS + chance.randint(1, 24 * 60 * MINUTE_MS)),))


# What is measured


@dataclass(frozen=True, slots=True)
class Measurement:
    """How long something took, round by round, in milliseconds."""

    what: str
    bound_ms: float | None  # None: nothing is promised
    cpu_ms: tuple[float, ...]
    wall_ms: tuple[float, ...]

    def __str__(self) -> str:
        """Write it as a row of the table."""
        median, best, wall = statistics.median(self.cpu_ms), min(self.cpu_ms), statistics.median(self.wall_ms)
        bound, ratio, verdict = "", "", ""
        if self.bound_ms is not None:
            bound, ratio = f"{self.bound_ms:g}", f"{median / self.bound_ms:.2f}"
            verdict = "kept" if median <= self.bound_ms else "MISSED"
        return f"{self.what:<66}{bound:>7}{median:>10.2f}{best:>9.2f}{wall:>9.2f}{ratio:>8}  {verdict}".rstrip()


HEADING: Final = f"{'ms on one core':<66}{'bound':>7}{'CPU':>10}{'best':>9}{'wall':>9}{'ratio':>8}"


def measure(what: str, bound_ms: float | None, prepare: Callable[[], Callable[[], object]]) -> Measurement:
    """Time what `prepare` returns; what it takes itself doesn't count."""
    cpu_ms, wall_ms = [], []
    for _ in range(ROUNDS):
        act = prepare()
        gc.collect()
        cpu_ns, wall_ns = time.process_time_ns(), time.perf_counter_ns()
        act()
        cpu_ms.append((time.process_time_ns() - cpu_ns) / 1e6)
        wall_ms.append((time.perf_counter_ns() - wall_ns) / 1e6)
    return Measurement(what, bound_ms, tuple(cpu_ms), tuple(wall_ms))


def recompute(state: State, *, stops: bool = True) -> None:
    """Build the ledger of a state, go on by a minute, and look for the next exhaustion."""
    ledger = Ledger(state)
    ledger.advance(state.at_ms + MINUTE_MS)
    assert (ledger.forecast() is not None) == stops  # noqa: S101  # or else something else was measured


@dataclass(frozen=True, slots=True)
class Life:
    """A ledger that is there, and the jobs among which those that come and go are chosen."""

    ledger: Ledger
    among: Sequence[Meter]
    chance: random.Random

    def changes(self, act: str, *, looks_ahead: bool = False) -> Callable[[], object]:
        """Prepare the stop of one of the jobs, or the start of another in its wallet."""
        ledger, like = self._later()
        run = Run(ledger.at_ms + SOME_MS, None, 50_000, 2, MINUTE_MS)
        new = Meter("new", like.wallet, (run,))
        change = partial(ledger.start, new) if act == "starts" else partial(ledger.stop, like.uid)
        return partial(self._lived, ledger, change, looks_ahead=looks_ahead)

    def runways(self, horizon_ms: int | None = None) -> Callable[[], object]:
        """Prepare the question how long the credits would last a job that starts."""
        ledger, like = self._later()
        until_ms = None if horizon_ms is None else ledger.at_ms + horizon_ms
        run = Run(ledger.at_ms, None, 50_000, 2, MINUTE_MS)
        return partial(ledger.runway, Meter("new", like.wallet, (run,)), until_ms)

    def _later(self) -> tuple[Ledger, Meter]:
        return self.ledger.twin(), self.chance.choice(self.among)

    @staticmethod
    def _lived(ledger: Ledger, change: Callable[[], object], *, looks_ahead: bool) -> None:
        ledger.advance(ledger.at_ms + SOME_MS)
        change()
        assert not looks_ahead or ledger.forecast() is not None  # noqa: S101  # as above


def measurements(chance: random.Random) -> Iterator[Measurement]:
    """Measure everything that is promised."""
    large = Ledger(tree(chance))
    large.advance(NOW_MS)
    state, small = large.state(), tangle(chance)
    size = f"{WALLETS:,} wallets, {JOBS:,} jobs"
    yield measure(f"{size}: build, advance by a minute, forecast", 50, lambda: lambda: recompute(state))
    yield measure("    of that, build", None, lambda: lambda: Ledger(state))
    yield measure("    advance", None, lambda: partial(Ledger(state).advance, NOW_MS + MINUTE_MS))
    yield measure("    forecast", None, lambda: Ledger(state).forecast)
    ending = replace(state, meters=tuple(planned_to_end(chance, meter) for meter in state.meters))
    again = partial(recompute, ending, stops=False)
    yield measure("    all of it, if all jobs end within a day, before any credits do", 50, lambda: again)
    yield from lived(large, chance)
    size = f"{SMALL_WALLETS} wallets with {SMALL_PARENTS} parents each, {SMALL_JOBS} jobs"
    yield measure(f"{size}: forecast", 5, lambda: forecast_of(small))


def forecast_of(state: State) -> Callable[[], object]:
    """Prepare a forecast of a ledger that nobody has asked before."""
    ledger = Ledger(state)
    ledger.advance(NOW_MS)
    assert ledger.twin().forecast() is not None  # noqa: S101  # as above
    return ledger.forecast


def lived(large: Ledger, chance: random.Random) -> Iterator[Measurement]:
    """Measure what happens in a ledger that is there, the next exhaustion included."""
    narrow = Ledger(tree(chance, 10**11))
    narrow.advance(NOW_MS)
    every = large.state().meters
    first = stopped_next(large)
    for act in ("starts", "stops"):
        yield measure(f"one job {act}, the change alone", 1, partial(Life(large, every, chance).changes, act))
    lives = {
        "any": Life(large, every, chance),
        f"below the edge that fills first ({len(first)})": Life(large, first, chance),
        f"the root fills first ({len(stopped_next(narrow)):,})": Life(narrow, narrow.state().meters, chance),
    }
    for which, life in lives.items():
        for act in ("starts", "stops"):
            change = partial(life.changes, act, looks_ahead=True)
            yield measure(f"one job {act}, next exhaustion: {which}", 1, change)
    yield measure(
        "how long credits would last a job, at most an hour", None, lambda: lives["any"].runways(60 * MINUTE_MS)
    )
    yield measure("how long credits would last a job", None, lives["any"].runways)


def stopped_next(ledger: Ledger) -> list[Meter]:
    """Return the jobs that the next exhaustion stops; the ledger knows about it from then on."""
    forecast = ledger.forecast()
    assert forecast is not None  # noqa: S101  # as above
    stopped = {stop.uid for stop in forecast.stops}
    return [meter for meter in ledger.state().meters if meter.uid in stopped]


def main() -> None:
    """Print a table."""
    click.echo(HEADING)
    for measurement in measurements(random.Random(7)):  # noqa: S311  # the same component every time
        click.echo(str(measurement))


if __name__ == "__main__":
    main()
