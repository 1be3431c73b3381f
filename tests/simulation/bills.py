"""Bills held against what really ran: no run is free, none is paid twice, and the wallets say the same as the jobs.

The kubelets know to the millisecond when containers ran; the API server only ever learned seconds. So a bill may begin
up to a second before its run did, and end up to a second before or, where credits or the time allocation ended it at an
instant, after its containers did. It may end long before them: a container that outlives its credits is the provider's
loss. Of containers that were lost with their node nobody knows more than when that was noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.kube.resources import WALLETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.audit import Audit
    from tests.simulation.simulation import Simulation
    from ucloud_operator.api import JobRun

SECOND_MS = 1000
NODE_LOSS_MS = 60_000


@dataclass(frozen=True, slots=True)
class Ran:
    """When all replicas of a run really ran."""

    number: int
    since_ms: int
    until_ms: int


def check_bills(simulation: Simulation, *, clocks_differ_ms: int = 0) -> None:
    """Raise what doesn't add up; to be asked when everything has ended and was published."""
    jobs = list(simulation.audit.jobs.values())
    for job in jobs:
        really = {ran.number: ran for ran in _runs_of(simulation, job)}
        for run in job.status.runs:
            assert run.number in really, f"{job.key} is billed for run {run.number}, which never was: {run}"
            _check_run(job, run, really[run.number], SECOND_MS + clocks_differ_ms)
        billed = job.status.runs_folded.runs + len(job.status.runs)
        for ran in really.values():
            free = ran.number > billed and ran.until_ms - ran.since_ms > 2 * SECOND_MS
            assert not free, f"{job.key}: run {ran.number} of {ran.until_ms - ran.since_ms} ms is free"
        _check_usage(job, len(jobs))
    wallets = [Wallet.model_validate(thing) for thing in simulation.api.storage.every(WALLETS)]
    for wallet in wallets:
        _check_wallet(wallet, wallets, simulation.audit)


def _runs_of(simulation: Simulation, job: UCloudJob) -> Iterator[Ran]:
    kubelets = simulation.kubelets
    pods: dict[int, list[str]] = {}
    for uid, pod in simulation.audit.pods.items():
        labels = pod["metadata"].get("labels", {})
        if labels.get("ucloud.dk/job-uid") == job.metadata.uid:
            pods.setdefault(int(labels["ucloud.dk/run"]), []).append(uid)
    for number, uids in pods.items():
        if all(uid in kubelets.started_ms for uid in uids) and len(uids) >= job.spec.replicas:
            since_ms = max(kubelets.started_ms[uid] for uid in uids)
            until_ms = min(kubelets.finished_ms.get(uid, simulation.clock.now_ms()) for uid in uids)
            if until_ms > since_ms:
                yield Ran(number, since_ms, until_ms)


def _check_run(job: UCloudJob, run: JobRun, ran: Ran, tolerance_ms: int) -> None:
    if job.status.reason == "NodeLost":
        tolerance_ms += NODE_LOSS_MS
    assert run.ended_at is not None, f"{job.key} has ended, but not its run {run.number}"
    early_ms, late_ms = ran.since_ms - run.started_at, run.ended_at - ran.until_ms
    assert early_ms <= tolerance_ms, f"{job.key}: billed from {early_ms} ms before run {run.number} began"
    assert early_ms >= -tolerance_ms, f"{job.key}: run {run.number} was free for its first {-early_ms} ms"
    assert late_ms <= tolerance_ms, f"{job.key}: billed for {late_ms} ms after run {run.number} had ended"
    if job.status.reason in {"Completed", "ExitCode", "OOMKilled", "Cancelled"}:
        assert late_ms >= -tolerance_ms, f"{job.key}: run {run.number} was free for its last {-late_ms} ms"


def _check_usage(job: UCloudJob, jobs: int) -> None:
    """A job pays by the formula, or a few units less where the credits ended between two jobs' units."""
    status = job.status
    if not status.runs:
        assert status.usage == 0, f"{job.key} never ran and pays {status.usage}"
        return
    run = status.runs[0]
    period_ms = run.period_ms
    units = sum(r.price * r.replicas * ((r.ended_at or 0) - r.started_at) for r in status.runs)
    formula = (units + status.runs_folded.usage * period_ms + status.runs_folded.remainder) // period_ms
    per_ms = run.price * run.replicas // period_ms + 1
    assert status.usage <= formula, f"{job.key} pays {status.usage} for {formula}"
    short = 2 * jobs * per_ms if "OutOfCredits" in {status.reason, *_reasons(job)} else 0
    assert formula - status.usage <= short, f"{job.key} pays {status.usage} for {formula}"


def _reasons(job: UCloudJob) -> set[str]:
    """Return whether any of its runs may have ended for lack of credits, by its updates."""
    return {"OutOfCredits" for update in job.status.updates if update.status and "credits" in update.status.lower()}


def _check_wallet(wallet: Wallet, wallets: list[Wallet], audit: Audit) -> None:
    own = [job for job in audit.jobs.values() if job.status.wallet and job.status.wallet.uid == wallet.metadata.uid]
    used = wallet.spec.opening_usage + sum(job.status.usage for job in own)
    said = wallet.status.local_usage
    assert said == used, f"{wallet.key} says {said}, its jobs used {used}"
    below = sum(
        group.tree_usage
        for child in wallets
        for group in child.status.groups
        if group.parent is not None and group.parent.key == wallet.key
    )
    below += sum(departed.usage for departed in wallet.status.departed)
    total = wallet.status.total_usage
    assert total == said + below, f"{wallet.key} says {total}; {said} here and {below} below"
