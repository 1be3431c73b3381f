"""What each job has to cost, worked out from when its containers ran and what there was to spend, and nothing else.

It knows nothing of the operator's code. Prices are such that a replica costs a credit per millisecond. The jobs of a
**family** spend one sum together, whichever of its wallets they are in: what the topmost wallet has.

A job that ended by itself, or because somebody deleted its pod, ran until its container's stamp says. All others ran
until the family had spent its last credit. That instant is found by going from one start or end to the next. The last
millisecond may not be paid for in full: what is left goes to those who began first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True)
class Run:
    """When all replicas of a job ran; `ended_ms` is None where credits alone can have ended it."""

    job: str
    """Its uid."""
    replicas: int
    started_ms: int
    ended_ms: int | None


def costs(budget: int, runs: Sequence[Run]) -> Mapping[str, int]:
    """What each job of a family has to cost, by uid."""
    dry_ms = exhausted_ms(budget, runs)
    if dry_ms is None:
        assert all(run.ended_ms is not None for run in runs), f"{budget} credits last for ever, and something ran on"
        return {run.job: cost_until(run, run.ended_ms or 0) for run in runs}
    before = {run.job: cost_until(run, dry_ms - 1) for run in runs}
    left = budget - sum(before.values())
    for run in sorted(runs, key=lambda run: (run.started_ms, run.job)):
        last = min(left, cost_until(run, dry_ms) - before[run.job])
        before[run.job] += last
        left -= last
    return before


def exhausted_ms(budget: int, runs: Sequence[Run]) -> int | None:
    """In which millisecond the last credit is spent; None if some are left when all have ended."""
    moments = sorted({run.started_ms for run in runs} | {run.ended_ms for run in runs if run.ended_ms is not None})
    for moment, following in zip_longest(moments, moments[1:]):
        rate = sum(run.replicas for run in runs if _runs_at(run, moment))
        spent = sum(cost_until(run, moment) for run in runs)
        if not rate:
            continue
        dry_ms = moment + -(-(budget - spent) // rate)
        if following is None or dry_ms <= following:
            return dry_ms
    return None


def cost_until(run: Run, now_ms: int) -> int:
    """What a run has cost by then if credits didn't end it."""
    ended_ms = now_ms if run.ended_ms is None else min(run.ended_ms, now_ms)
    return max(0, ended_ms - run.started_ms) * run.replicas


def _runs_at(run: Run, moment: int) -> bool:
    return run.started_ms <= moment and (run.ended_ms is None or moment < run.ended_ms)
