"""The jobs of a ledger while it moves: what has fallen due for each, and when their sum reaches an amount.

Jobs are numbers here. Those that are there from the beginning are in the order in which their units are charged within
a millisecond, (first start, uid); one that comes later has the next number, wherever it stands in that order.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from operator import add

from ucloud_operator.ledger.state import Meter, Run
from ucloud_operator.ledger.usage import FOREVER, Line, common_scale, line_at


class Metering:
    """Parallel lists over the jobs."""

    def __init__(self, meters: Iterable[Meter], wallets: Mapping[str, int], at_ms: int) -> None:
        self.meters = sorted(meters, key=lambda meter: (meter.runs[0].start_ms, meter.uid))
        self.is_sorted = True  # until one comes in between
        self.index = {meter.uid: job for job, meter in enumerate(self.meters)}
        self.scale = common_scale(run for meter in self.meters for run in meter.runs)
        self.wallet = [wallets[meter.wallet] for meter in self.meters]
        self.of_wallet: list[list[int]] = [[] for _ in wallets]
        for job, wallet in enumerate(self.wallet):
            self.of_wallet[wallet].append(job)
        self.runs = [meter.runs for meter in self.meters]
        self.charged = [meter.charged for meter in self.meters]
        self.paid = [meter.charged + meter.overrun for meter in self.meters]
        self.line = [line_at(runs, at_ms, self.scale) for runs in self.runs]
        self.waiting = {job for job, line in enumerate(self.line) if line.start_ms > at_ms}  # for their first run
        self.last_ms = max((_end_ms(runs) for runs in self.runs), default=at_ms)  # nothing runs any longer by then
        self.cut: set[int] = set()  # jobs with one run, which was ended and not yet written so

    def twin(self) -> "Metering":
        """Make an independent copy; what never changes is shared."""
        twin = copy(self)
        twin.meters, twin.index = self.meters.copy(), self.index.copy()
        twin.wallet, twin.of_wallet = self.wallet.copy(), self.of_wallet.copy()
        twin.runs, twin.line = self.runs.copy(), self.line.copy()
        twin.charged, twin.paid = self.charged.copy(), self.paid.copy()
        twin.waiting, twin.cut = self.waiting.copy(), self.cut.copy()
        return twin

    def now(self) -> tuple[Meter, ...]:
        """Return the jobs as values."""
        return tuple(
            Meter(meter.uid, meter.wallet, self._runs(job), charged, paid - charged)
            for job, (meter, charged, paid) in enumerate(zip(self.meters, self.charged, self.paid, strict=True))
        )

    def dues(self, at_ms: int) -> list[int]:
        """Return for every job the units that have fallen due by then and are neither charged nor overrun."""
        scale = self.scale
        return [
            owed
            if (
                owed := (level + rate * (at_ms if start < at_ms < end else start if at_ms <= start else end)) // scale
                - paid
            )
            > 0
            else 0
            for (level, rate, start, end), paid in zip(self.line, self.paid, strict=True)
        ]

    def due(self, job: int, at_ms: int) -> int:
        """Return the same for one job."""
        level, rate, start, end = self.line[job]
        return max(0, (level + rate * (start if at_ms < start else min(at_ms, end))) // self.scale - self.paid[job])

    def in_order(self, jobs: Iterable[int]) -> list[int]:
        """Sort as their units are charged within a millisecond."""
        return sorted(jobs, key=None if self.is_sorted else self.order)

    def order(self, job: int) -> tuple[int, str]:
        """Return what they are sorted by."""
        meter = self.meters[job]
        return meter.runs[0].start_ms, meter.uid

    def bills(self, jobs: Iterable[int]) -> "list[Bill]":
        """Return what it takes to say what these jobs owe by any instant until the next transition."""
        return [(self.line[job], self.paid[job]) for job in jobs]

    def bound(self, job: int, after_ms: int) -> tuple[int, int]:
        """Return (level, rate) of a line that what the job has used never exceeds at or after `after_ms`.

        What it has paid counts as used. In `1/scale` units.
        """
        level, rate, start_ms, end_ms = self.line[job]
        used = max(level + rate * min(max(after_ms, start_ms), end_ms), self.paid[job] * self.scale)
        return (used, 0) if end_ms <= after_ms else (used - rate * after_ms, rate)

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

    def runs_at(self, job: int, at_ms: int) -> bool:
        """Whether a run is going on at that instant. One that ends there has ended by itself."""
        line = self.line[job]
        return line.start_ms <= at_ms < line.end_ms

    def is_in_last_run(self, job: int, at_ms: int) -> bool:
        """Whether its last run has begun, and perhaps ended."""
        return self.line[job].start_ms == self.runs[job][-1].start_ms <= at_ms

    def end_run(self, job: int, at_ms: int) -> None:
        """End the run that is going on at `at_ms` there."""
        assert self.runs_at(job, at_ms)
        level, rate, start_ms, _ = self.line[job]
        self.line[job] = Line(level, rate, start_ms, at_ms)
        if len(self.runs[job]) == 1:
            self.cut.add(job)  # many end at once when a large wallet is empty, and hardly anybody asks for their runs
        else:
            self.runs[job] = tuple(_cut(run, at_ms) for run in self.runs[job])

    def _runs(self, job: int) -> tuple[Run, ...]:
        runs = self.runs[job]
        return (_cut(runs[0], self.line[job].end_ms),) if job in self.cut else runs

    def goes_on(self, job: int, at_ms: int, *, unpriced: bool) -> bool:
        """Whether there is time after `at_ms` that the job will run, and pay for unless `unpriced` counts too."""
        line, runs = self.line[job], self.runs[job]
        if len(runs) == 1:
            return line.end_ms > at_ms and (unpriced or line.rate > 0)
        return any(
            (run.end_ms is None or run.end_ms > at_ms) and (unpriced or run.price * run.replicas > 0) for run in runs
        )

    def turn(self, at_ms: int) -> None:
        """Go on to the lines that hold from `at_ms`, for jobs whose next run begins."""
        for job, runs in enumerate(self.runs):
            if len(runs) > 1:
                self.line[job] = line_at(runs, at_ms, self.scale)

    def takes(self, meter: Meter, wallets: Mapping[str, int], at_ms: int) -> bool:
        """Whether that job can be put among the others as it is: no run to come, no new period, no other place."""
        known = self.index.get(meter.uid)
        same = known is None or (
            self.meters[known].wallet == meter.wallet and self.meters[known].runs[0].start_ms == meter.runs[0].start_ms
        )
        fits = all(self.scale % run.period_ms == 0 for run in meter.runs)
        return same and fits and meter.wallet in wallets and meter.runs[-1].start_ms <= at_ms

    def put(self, meter: Meter, wallet: int, at_ms: int) -> int:
        """Add a job, or put it in the place of the one of the same uid, and return its number."""
        job = self.index.setdefault(meter.uid, len(self.meters))
        if job == len(self.meters):
            self.of_wallet[wallet] = [*self.of_wallet[wallet], job]  # a twin may share the list
        here = slice(job, job + 1)
        assert self.wallet[here] in ([], [wallet])
        self.meters[here], self.wallet[here], self.runs[here] = [meter], [wallet], [meter.runs]
        self.charged[here], self.paid[here] = [meter.charged], [meter.charged + meter.overrun]
        self.line[here] = [line_at(meter.runs, at_ms, self.scale)]
        self.last_ms = max(self.last_ms, _end_ms(meter.runs))
        self.cut.discard(job)
        assert self.line[job].start_ms <= at_ms
        self.is_sorted = self.is_sorted and (job == 0 or self.order(job - 1) < self.order(job))
        return job

    def transitions(self) -> Iterable[int]:
        """Yield every instant at which a job's second or later run begins."""
        for runs in self.runs:
            for run in runs[1:]:
                yield run.start_ms


def _end_ms(runs: Sequence[Run]) -> int:
    return FOREVER if runs[-1].end_ms is None else runs[-1].end_ms


def _cut(run: Run, at_ms: int) -> Run:
    """End a run there if it is going on then."""
    goes_on = run.start_ms <= at_ms and (run.end_ms is None or at_ms < run.end_ms)
    return replace(run, end_ms=at_ms) if goes_on else run


Bill = tuple[Line, int]  # what falls due, and how much of it is paid


def first_reach(bills: Sequence[Bill], scale: int, units: int, after_ms: int, until_ms: int) -> int | None:
    """Return the first instant after `after_ms`, up to `until_ms`, by which so many units are owed in all.

    Exact: the sum without the floors can't be smaller, so it gives an instant before which there is nothing to find;
    and it is larger by less than one unit per job, so the search from there is short.
    """
    ends = [line.end_ms for line, _ in bills]
    last_ms = max(after_ms + 1, *ends)
    if last_ms < until_ms:
        until_ms = last_ms
        if _owed(bills, scale, until_ms) < units:
            return None
    sooner, since_ms = earliest_reach(*bound(bills, scale, after_ms), scale, units, after_ms), after_ms
    while sooner is not None and since_ms + 1 < sooner <= until_ms and min(ends) < sooner:
        since_ms = sooner - 1  # without those that have ended by then it may well be later
        sooner = earliest_reach(*bound(bills, scale, since_ms), scale, units, since_ms)
    if sooner is None or sooner > until_ms:
        return None
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
    for (own, slope, start_ms, end_ms), paid in bills:
        ended = end_ms <= after_ms
        now_ms = end_ms if ended else after_ms if after_ms > start_ms else start_ms  # noqa: FURB136  # a call takes longer
        owed = own + slope * now_ms - paid * scale
        if owed > 0:
            level += owed
        if not ended:
            level -= slope * after_ms
            rate += slope
    return level, rate


def earliest_reach(level: int, rate: int, scale: int, units: int, after_ms: int) -> int | None:
    """Return the first instant after `after_ms` at which that line is at `units`, if it ever is."""
    lacking = units * scale - level
    if rate:
        return max(after_ms + 1, -(-lacking // rate))
    return None if lacking > 0 else after_ms + 1


def _owed(bills: Iterable[Bill], scale: int, at_ms: int) -> int:
    total = 0
    for (level, rate, start, end), paid in bills:
        owed = (level + rate * (at_ms if start < at_ms < end else start if at_ms <= start else end)) // scale - paid
        if owed > 0:
            total += owed
    return total
