"""What a job has used at an instant: one floor of the whole, never of a slice.

A run costs `price · replicas` per period; over its runs, a job's usage is the floor of the exact sum. Counting in
`1/scale` units, where every period divides `scale`, keeps that sum an integer. Between two runs' starts a job's usage
is one clamped line, `Line`, which is all that the search for an exhaustion looks at.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ucloud_operator.ledger.state import Run

FOREVER = 1 << 63  # later than any instant: the end of a run that has none


class Line(NamedTuple):
    """A job's usage, in `1/scale` units: `level + rate · min(max(at_ms, start_ms), end_ms)`."""

    level: int
    rate: int
    start_ms: int
    end_ms: int


def usage_at(runs: Sequence[Run], at_ms: int) -> int:
    """Units that have fallen due by `at_ms`, all runs together: `floor(Σ price · replicas · ms / period)`."""
    scale = common_scale(runs)
    return sum(_rate(run, scale) * _elapsed_ms(run, at_ms) for run in runs) // scale


def common_scale(runs: Iterable[Run]) -> int:
    """The least number that every run's period divides."""
    return math.lcm(*{run.period_ms for run in runs})


def line_at(runs: Sequence[Run], at_ms: int, scale: int) -> Line:
    """The line that holds from `at_ms` until the next run after the current one begins.

    The current run is the first that hasn't ended by `at_ms`, or the last.
    """
    level = 0
    for run in runs[:-1]:
        if run.end_ms is None or run.end_ms > at_ms:
            break
        level += _rate(run, scale) * (run.end_ms - run.start_ms)
    else:
        run = runs[-1]
    rate = _rate(run, scale)
    return Line(level - rate * run.start_ms, rate, run.start_ms, FOREVER if run.end_ms is None else run.end_ms)


def _rate(run: Run, scale: int) -> int:
    assert scale % run.period_ms == 0
    return run.price * run.replicas * (scale // run.period_ms)


def _elapsed_ms(run: Run, at_ms: int) -> int:
    end_ms = at_ms if run.end_ms is None else min(at_ms, run.end_ms)
    return max(0, end_ms - run.start_ms)
