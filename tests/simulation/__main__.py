"""Tell random stories with every accident in them in simulated time, on all cores, for as long as one likes.

`--seed 7` tells a single one and prints what happens in it; otherwise what many of them amounted to is printed at the
end, and how to tell those again that went wrong.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, islice
from typing import TYPE_CHECKING, Final

from tests.simulation.accidents import PACES, Pace
from tests.simulation.histories import DefectFoundError, Tally, outcome, told

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRESS_SECONDS: Final = 10


def one(seed: int, pace: Pace) -> int:
    """Tell one story aloud; return the process's exit code."""
    try:
        tally = told(seed, pace, print)
    except DefectFoundError as error:
        print(f"\n{str(error).rpartition(chr(10))[2]}")
        return 1
    print(f"\n{report(tally, [], 0)}")
    return 0


def many(seeds: Iterator[int], pace: str, until: float, processes: int) -> int:
    """Tell stories until there are no more seeds, the time is over or Ctrl-C; return the process's exit code."""
    began, said, total, defects = time.monotonic(), time.monotonic(), Tally(), list[str]()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        under_way: dict[Future[tuple[Tally, str]], int] = {}
        try:
            while True:
                if time.monotonic() < until:
                    for seed in islice(seeds, processes - len(under_way)):
                        under_way[pool.submit(outcome, seed, pace)] = seed
                if not under_way:
                    break
                for future in wait(under_way, timeout=PROGRESS_SECONDS, return_when=FIRST_COMPLETED).done:
                    seed = under_way.pop(future)
                    tally, defect = future.result()
                    total.add(tally)
                    if defect:
                        defects.append(f"seed {seed}: {defect}\n  make simulate SEED={seed} PACE={pace}")
                        print(defects[-1], file=sys.stderr, flush=True)
                if time.monotonic() - said > PROGRESS_SECONDS:
                    said = time.monotonic()
                    done = f"{total.histories} histories, {total.job_hours:,.0f} job-hours, {len(defects)} defects"
                    print(f"after {said - began:.0f} s: {done}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
    print(report(total, defects, time.monotonic() - began))
    return int(bool(defects))


def report(tally: Tally, defects: list[str], took_seconds: float) -> str:
    """Say what stories amounted to."""
    lines = [
        f"{tally.histories} histories, {tally.hours:,.1f} simulated hours, {tally.steps:,} requests and answers",
        f"{tally.jobs:,} jobs, {tally.job_hours:,.1f} job-hours",
        *(f"{times:>9,} x {fault}" for fault, times in tally.faults.most_common()),
    ]
    if took_seconds:
        speed = 3600 * tally.hours / took_seconds
        lines.append(
            f"took {took_seconds:.0f} s, {speed:,.0f} times as fast as the clock; {len(defects)} defects found"
        )
    return "\n".join([*lines, *defects])


def main() -> int:
    """Tell what was asked for."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="tell this story alone, aloud")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument(
        "--seeds", type=int, help="how many stories; without an end if neither this nor --minutes is given"
    )
    parser.add_argument("--minutes", type=float, help="how long, by the clock on the wall")
    parser.add_argument("--pace", choices=PACES, default="minutes", help="stories of ten minutes, or of six days")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets have an order of their own, and a seed has to have one story
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONHASHSEED": "0"})  # noqa: S606  # ourselves
    if asked.seed is not None:
        return one(asked.seed, PACES[asked.pace])
    until = time.monotonic() + 60 * asked.minutes if asked.minutes else float("inf")
    seeds = range(asked.first, asked.first + asked.seeds) if asked.seeds else count(asked.first)
    return many(iter(seeds), asked.pace, until, asked.processes)


if __name__ == "__main__":
    sys.exit(main())
