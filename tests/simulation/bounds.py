"""How long containers may outlive their credits or their time: by what it takes to stop one, where anybody could.

A stop is told to the kubelet some seconds before its instant, and carried out at it by whoever leads. So a container is
gone shortly after the instant if its pod was told, whoever is there by then; else shortly after somebody leads who
reaches the API server. A fault that makes news late adds just that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ucloud_operator.lifecycle.pods import JOB_UID, RUN

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

STOPPING_MS = 5000
"""A delete reaches the kubelet, a container ignores SIGTERM for two seconds; a deadline is a second or two late."""
LEADING_MS = 2000
"""Who leads for less than this may not have had the time to do anything."""
ENDED_BY_TIME = frozenset({"OutOfCredits", "Expired"})


def check_bounds(simulation: Simulation, *, late_seconds: float = 0) -> None:
    """Raise what ran for longer than it may."""
    kubelets = simulation.kubelets
    for uid, pod in simulation.audit.pods.items():
        labels = pod["metadata"].get("labels", {})
        job = simulation.audit.jobs.get(labels.get(JOB_UID, ""))
        run = next((each for each in job.status.runs if str(each.number) == labels[RUN]), None) if job else None
        if job is None or run is None or uid not in kubelets.started_ms:
            continue
        if simulation.audit.ended_for.get((job.metadata.uid, run.number)) not in ENDED_BY_TIME:
            continue
        assert run.ended_at is not None
        told = kubelets.told_ms.get(uid, run.ended_at + 1) <= run.ended_at
        from_ms = run.ended_at if told else _somebody_leads_ms(simulation, run.ended_at)
        until_ms = from_ms + STOPPING_MS + round(1000 * late_seconds)
        ended_ms = kubelets.finished_ms.get(uid, simulation.clock.now_ms())
        over_ms = ended_ms - until_ms
        assert over_ms <= 0, f"{pod['metadata']['name']} ran for {over_ms} ms longer than it may ({told=})"


def _somebody_leads_ms(simulation: Simulation, since_ms: int) -> int:
    """Return since when, from an instant on, somebody has led for long enough to act."""
    began_ms: int | None = None
    for at_ms, led in simulation.led:
        if not led:
            began_ms = None
        elif began_ms is None:
            began_ms = at_ms
        elif at_ms >= since_ms and at_ms - max(began_ms, since_ms) >= LEADING_MS:
            return max(began_ms, since_ms)
    return simulation.clock.now_ms()
