"""What the museum's scenes are held against, beside the audit of every write and the bills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.bills import check_bills

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation
    from ucloud_operator.api import JobState

HEEDS_SIGTERM_MS = 1000
IGNORES_SIGTERM_MS = 3000
BY_DEADLINE_MS = 2500
"""A deadline counts in whole seconds, and is obeyed up to one late."""


async def everything_ends(simulation: Simulation, *, within_seconds: float = 600) -> None:
    """Wait until all jobs have ended and everything is published; then the bills have to be right."""
    await simulation.until(simulation.is_over, within_seconds=within_seconds)
    await simulation.pass_seconds(120)
    check_bills(simulation)


def check_stopped(simulation: Simulation, *, most_ms: int = HEEDS_SIGTERM_MS) -> None:
    """No container outlives the credits of its job by more than that."""
    for job in simulation.jobs():
        billed_ms = job.status.runs[-1].ended_at or 0
        for uid, pod in simulation.audit.pods.items():
            if pod["metadata"]["labels"]["ucloud.dk/job-uid"] == job.metadata.uid:
                over_ms = simulation.kubelets.finished_ms[uid] - billed_ms
                assert over_ms <= most_ms, f"{job.key} ran {over_ms} ms longer than it had credits for"


def check_ended(simulation: Simulation, state: JobState, reason: str, *, usage: int | None = None) -> None:
    """The only job has ended so."""
    (job,) = simulation.jobs()
    said = f"{job.key} ended as {job.status.state} for {job.status.reason}, and pays {job.status.usage}"
    assert (job.status.state, job.status.reason) == (state, reason), said
    assert usage in {None, job.status.usage}, said
