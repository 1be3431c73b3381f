"""A random story told from its beginning to its end, and what it amounts to: for the tests and for `make simulate`."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.accidents import PACES, Accidents
from tests.simulation.loop import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.accidents import Pace
    from tests.simulation.simulation import Simulation

HOUR_MS = 3_600_000


@dataclass(slots=True)
class Tally:
    """What stories amounted to."""

    histories: int = 0
    hours: float = 0
    """Simulated."""
    jobs: int = 0
    job_hours: float = 0
    """How long jobs ran, as they were billed."""
    steps: int = 0
    """Requests of the operators that reached the API server, and answers that left it."""
    faults: Counter[str] = field(default_factory=Counter)
    """How often what went wrong, by kind."""

    def add(self, other: Tally) -> None:
        """Count another's, too."""
        self.histories += other.histories
        self.hours += other.hours
        self.jobs += other.jobs
        self.job_hours += other.job_hours
        self.steps += other.steps
        self.faults.update(other.faults)


class DefectFoundError(AssertionError):
    """A story came to a wrong end; it tells the story."""

    def __init__(self, seed: int, story: str, end: str, defect: Exception) -> None:
        super().__init__(f"{story}\n{end}\nseed {seed}: {defect}")
        self.seed = seed
        self.defect = f"{type(defect).__name__}: {defect}"


def told(seed: int, pace: Pace, tell: Callable[[str], None] = lambda _: None) -> Tally:
    """Tell a story as it goes, check its bills, and return what it amounts to; `DefectFoundError` if they are wrong."""
    return play(_tell(seed, pace, tell))


def outcome(seed: int, pace: str) -> tuple[Tally, str]:
    """Tell a story in silence; return what it amounts to and what was wrong, if anything was."""
    try:
        return told(seed, PACES[pace]), ""
    except DefectFoundError as error:
        return Tally(histories=1), error.defect


async def _tell(seed: int, pace: Pace, tell: Callable[[str], None]) -> Tally:
    accidents = Accidents(seed, pace, tell)
    with _operators_heard(accidents.note):
        try:
            await accidents.play()
        except Exception as error:
            raise DefectFoundError(seed, "\n".join(accidents.log), accidents.simulation.summary(), error) from error
    return _tally(accidents.simulation)


class _Ear(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        self._note(f"  {record.getMessage()}")


@contextmanager
def _operators_heard(note: Callable[[str], None]) -> Iterator[None]:
    """Take what the operators log into the story instead of anywhere else."""
    log, ear = logging.getLogger("ucloud_operator"), _Ear(note)
    level, propagate = log.level, log.propagate
    log.addHandler(ear)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(ear)
        log.setLevel(level)
        log.propagate = propagate


def _tally(simulation: Simulation) -> Tally:
    jobs = list(simulation.audit.jobs.values())
    ran_ms = sum((run.ended_at or 0) - run.started_at for job in jobs for run in job.status.runs)
    hours = simulation.clock.monotonic() / 3600
    return Tally(1, hours, len(jobs), ran_ms / HOUR_MS, len(simulation.steps), Counter(simulation.injected))
