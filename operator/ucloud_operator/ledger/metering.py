"""The jobs of a ledger while it moves: what has fallen due for each, and when their sum reaches an amount.

Jobs are numbers here, in the order in which their units are charged within a millisecond: (first start, uid).
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from operator import add

from ucloud_operator.ledger.state import Meter, Run
from ucloud_operator.ledger.usage import Line, common_scale, line_at


class Metering:
    """Parallel lists over the jobs."""

    def __init__(self, meters: Iterable[Meter], wallets: Mapping[str, int], at_ms: int) -> None:
        self.meters = sorted(meters, key=lambda meter: (meter.runs[0].start_ms, meter.uid))
        self.index = {meter.uid: job for job, meter in enumerate(self.meters)}
        self.scale = common_scale(run for meter in self.meters for run in meter.runs)
        self.wallet: list[int] = []
        self.of_wallet: list[list[int]] = [[] for _ in wallets]
        for job, meter in enumerate(self.meters):
            self.wallet.append(wallets[meter.wallet])
            self.of_wallet[wallets[meter.wallet]].append(job)
        self.runs = [meter.runs for meter in self.meters]
        self.charged = [meter.charged for meter in self.meters]
        self.paid = [meter.charged + meter.overrun for meter in self.meters]
        self.line = [line_at(runs, at_ms, self.scale) for runs in self.runs]

    def twin(self) -> "Metering":
        """Make an independent copy; what never changes is shared."""
        twin = copy(self)
        twin.runs, twin.line = self.runs.copy(), self.line.copy()
        twin.charged, twin.paid = self.charged.copy(), self.paid.copy()
        return twin

    def now(self) -> tuple[Meter, ...]:
        """Return the jobs as values."""
        return tuple(
            Meter(meter.uid, meter.wallet, runs, charged, paid - charged)
            for meter, runs, charged, paid in zip(self.meters, self.runs, self.charged, self.paid, strict=True)
        )

    def dues(self, at_ms: int) -> list[int]:
        """Return for every job the units that have fallen due by then and are neither charged nor overrun."""
        scale = self.scale
        return [
            max(0, (level + rate * (start if at_ms < start else min(at_ms, end))) // scale - paid)
            for (level, rate, start, end), paid in zip(self.line, self.paid, strict=True)
        ]

    def bills(self, jobs: Iterable[int]) -> "list[Bill]":
        """Return what it takes to say what these jobs owe by any instant until the next transition."""
        return [(self.line[job], self.paid[job]) for job in jobs]

    def per_wallet(self, units: Sequence[int]) -> list[int]:
        """Add up, for every wallet, the units of its jobs."""
        sums = [0] * len(self.of_wallet)
        for wallet, some in zip(self.wallet, units, strict=True):
            sums[wallet] += some
        return sums

    def charge_all(self, units: Sequence[int]) -> None:
        """Note for every job that so many of the units due are charged."""
        assert len(units) == len(self.meters)
        assert min(units, default=0) >= 0
        self.charged = list(map(add, self.charged, units))
        self.paid = list(map(add, self.paid, units))

    def charge(self, job: int, units: int) -> None:
        """Note that so many of the units due are charged."""
        assert units >= 0
        self.charged[job] += units
        self.paid[job] += units

    def write_off(self, job: int, units: int) -> None:
        """Note that so many of the units due are overrun: they found no room when they fell due."""
        assert units > 0
        self.paid[job] += units

    def run_at(self, job: int, at_ms: int) -> Run | None:
        """Return the run that is going on at that instant. One that ends there has ended by itself."""
        return next((r for r in self.runs[job] if r.start_ms <= at_ms and (r.end_ms is None or at_ms < r.end_ms)), None)

    def end_run(self, job: int, at_ms: int) -> None:
        """End the run that is going on at `at_ms` there."""
        current = self.run_at(job, at_ms)
        assert current is not None
        assert current.start_ms == self.line[job].start_ms, "the run that goes on is the line's"
        ended = replace(current, end_ms=at_ms)
        self.runs[job] = tuple(ended if run is current else run for run in self.runs[job])
        self.line[job] = self.line[job]._replace(end_ms=at_ms)

    def turn(self, at_ms: int) -> None:
        """Go on to the lines that hold from `at_ms`, for jobs whose next run begins."""
        for job, runs in enumerate(self.runs):
            if len(runs) > 1:
                self.line[job] = line_at(runs, at_ms, self.scale)

    def transitions(self) -> Iterable[int]:
        """Yield every instant at which a job's second or later run begins."""
        for runs in self.runs:
            for run in runs[1:]:
                yield run.start_ms


Bill = tuple[Line, int]  # what falls due, and how much of it is paid


def first_reach(bills: Sequence[Bill], scale: int, units: int, after_ms: int, until_ms: int) -> int | None:
    """Return the first instant after `after_ms`, up to `until_ms`, by which so many units are owed in all.

    Exact: the sum without the floors can't be smaller, so it gives an instant before which there is nothing to find;
    and it is larger by less than one unit per job, so the search from there is short.
    """
    sooner = earliest_reach(*bound(bills, scale, after_ms), scale, units, after_ms)
    assert sooner is not None, "only what runs can fill an edge"
    until_ms = min(until_ms, max(line.end_ms for line, _ in bills))
    low, high, step = sooner - 1, sooner, 1
    while _owed(bills, scale, min(high, until_ms)) < units:
        if high >= until_ms:
            return None
        low, high, step = high, high + step, step * 2
    high = min(high, until_ms)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _owed(bills, scale, middle) >= units else (middle, high)
    return high


def bound(bills: Iterable[Bill], scale: int, after_ms: int) -> tuple[int, int]:
    """Return (level, rate) of one line that the sum of what is owed never exceeds at or after `after_ms`."""
    level = rate = 0
    for line, paid in bills:
        owed = line.level + line.rate * min(max(after_ms, line.start_ms), line.end_ms) - paid * scale
        level += max(0, owed)
        if line.end_ms > after_ms:
            level -= line.rate * after_ms
            rate += line.rate
    return level, rate


def earliest_reach(level: int, rate: int, scale: int, units: int, after_ms: int) -> int | None:
    """Return the first instant after `after_ms` at which that line is at `units`, if it ever is."""
    if not rate:
        return None
    return max(after_ms + 1, -((level - units * scale) // rate))


def _owed(bills: Iterable[Bill], scale: int, at_ms: int) -> int:
    return sum(
        max(0, (level + rate * (start if at_ms < start else min(at_ms, end))) // scale - paid)
        for (level, rate, start, end), paid in bills
    )
