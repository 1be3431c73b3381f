"""Bills held against what really ran: no run is free, none is paid twice, and the wallets say the same as the jobs.

The kubelets know to the millisecond when containers ran; the API server only ever learned seconds. So a bill may begin
up to a second before its run did, and end up to a second before or, where credits or the time allocation ended it at an
instant, after its containers did. It may end long before them: a container that outlives its credits is the provider's
loss, and so is a run that ended before the node of one of its replicas could say that it had begun. Of containers that
were lost with their node nobody knows more than when that was noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.kube.resources import WALLETS

if TYPE_CHECKING:
    from tests.simulation.audit import Audit
    from tests.simulation.simulation import Simulation
    from ucloud_operator.api import JobRun

SECOND_MS = 1000
NODE_LOSS_MS = 60_000
BILLED_TO_THE_END = frozenset({"Completed", "ExitCode", "Signal", "OOMKilled", "Cancelled", "Suspended", "PodDeleted"})
"""The other ends are those of credits or time, whatever the containers did, or nobody knows when they were."""


@dataclass(frozen=True, slots=True)
class Ran:
    """When all replicas of a run really ran."""

    since_ms: int
    until_ms: int
    lost: bool
    """One of their nodes was lost."""
    unknown: bool
    """One had ended before anybody was told that another had started, as that one's node was cut off."""


def check_bills(simulation: Simulation, *, exact: bool = True, clocks_ms: int = 0) -> None:
    """Raise what doesn't add up; to be asked when everything has ended and was published.

    Not `exact`: news came late, so that credits had ended before anyone could know; the jobs aren't charged for that.
    Clocks that were wrong by as much as `clocks_ms` move a run, and don't make it longer.
    """
    jobs = list(simulation.audit.jobs.values())
    for job in jobs:
        really = _runs_of(simulation, job)
        for run in job.status.runs:
            if run.number not in really and run.ended_at == run.started_at:
                continue  # one has ended in the second in which the last has started: nobody can tell which was first
            assert run.number in really, f"{job.key} is billed for run {run.number}, which never was: {run}"
            reason = simulation.audit.ended_for.get((job.metadata.uid, run.number), "")
            if not exact and _ended_before_anyone_knew(simulation, job, run):
                reason = "late"
            _check_run(f"{job.key} run {run.number}", run, really[run.number], reason, clocks_ms)
        billed = job.status.runs_folded.runs + len(job.status.runs)
        for number, ran in really.items():
            free = number > billed and ran.until_ms - ran.since_ms > 2 * SECOND_MS and not ran.unknown
            assert not free, f"{job.key}: run {number} of {ran.until_ms - ran.since_ms} ms is free"
        _check_usage(job, len(jobs), simulation.audit)
    wallets = [Wallet.model_validate(thing) for thing in simulation.api.storage.every(WALLETS)]
    for wallet in wallets:
        _check_wallet(wallet, wallets, simulation.audit)


def _runs_of(simulation: Simulation, job: UCloudJob) -> dict[int, Ran]:
    """Return a job's runs by number. (A run that never ran is tried again under its number, with other pods.)"""
    started, finished = simulation.kubelets.started_ms, simulation.kubelets.finished_ms
    replicas: dict[tuple[int, str], str] = {}
    for uid, pod in simulation.audit.pods.items():
        labels = pod["metadata"].get("labels", {})
        if labels.get("ucloud.dk/job-uid") == job.metadata.uid and uid in started:
            replicas[int(labels["ucloud.dk/run"]), labels["ucloud.dk/rank"]] = uid
    runs: dict[int, Ran] = {}
    for number in {number for number, _ in replicas}:
        uids = [uid for (run, _), uid in replicas.items() if run == number]
        since_ms = max(started[uid] for uid in uids)
        until_ms = min(finished.get(uid, simulation.clock.now_ms()) for uid in uids)
        lost = not simulation.kubelets.lost.isdisjoint(uids)
        if len(uids) == job.spec.replicas and (until_ms > since_ms or lost):
            runs[number] = Ran(since_ms, max(since_ms, until_ms), lost=lost, unknown=_is_unknown(simulation, uids))
    return runs


def _is_unknown(simulation: Simulation, uids: list[str]) -> bool:
    kubelets, never_ms = simulation.kubelets, simulation.clock.now_ms()
    start_ms = max(kubelets.start_told_ms.get(uid, never_ms) for uid in uids)
    return start_ms > min(kubelets.end_told_ms.get(uid, never_ms) for uid in uids)


def _ended_before_anyone_knew(simulation: Simulation, job: UCloudJob, run: JobRun) -> bool:
    """Say whether credits or time had ended a run that really went on."""
    ran_ms = sum((each.ended_at or 0) - each.started_at for each in job.status.runs if each.number <= run.number)
    allocated = job.spec.time_allocation
    expired = allocated is not None and ran_ms == allocated.duration_ms
    return expired or (job.metadata.uid, run.ended_at) in simulation.audit.out_of_credits


def _check_run(what: str, run: JobRun, ran: Ran, reason: str, clocks_ms: int) -> None:
    tolerance_ms = SECOND_MS + (NODE_LOSS_MS if ran.lost else 0)
    assert run.ended_at is not None, f"{what} goes on, its job has ended"
    longest_ms, tolerance_ms = tolerance_ms + SECOND_MS, tolerance_ms + clocks_ms
    early_ms, late_ms = ran.since_ms - run.started_at, run.ended_at - ran.until_ms
    assert early_ms <= tolerance_ms, f"{what} is billed from {early_ms} ms before it began"
    assert early_ms >= -tolerance_ms, f"{what} was free for its first {-early_ms} ms"
    assert late_ms <= tolerance_ms, f"{what} is billed for {late_ms} ms after it had ended for {reason}"
    if reason in BILLED_TO_THE_END:
        assert late_ms >= -tolerance_ms, f"{what}, ended for {reason}, was free for its last {-late_ms} ms"
    assert early_ms + late_ms <= longest_ms, f"{what} is billed for {early_ms + late_ms} ms more than it ran"


def _check_usage(job: UCloudJob, jobs: int, audit: Audit) -> None:
    """A job pays by the formula, or a few units less where the credits ended between two jobs' units.

    What ran in earlier times of which nobody knew pays what is left.
    """
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
    if job.metadata.uid in audit.short:
        return
    ended = any((job.metadata.uid, run.ended_at) in audit.out_of_credits for run in status.runs)
    short = 2 * jobs * per_ms if ended else 0
    assert formula - status.usage <= short, f"{job.key} pays {status.usage} for {formula}"


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
