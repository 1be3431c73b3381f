"""Bills held against what really ran: no run is free, none is paid twice, and the wallets say the same as the jobs.

The kubelets know to the millisecond when containers ran; the API server only ever learned seconds. So a bill may begin
up to a second before its run did, and end up to a second before or, where credits or the time allocation ended it at an
instant, after its containers did. It may end long before them: a container that outlives its credits is the provider's
loss, and so is a run that ended before the node of one of its replicas could say that it had begun. A container that
was lost with its node ends for everybody when somebody says so first, or wants it deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.api.common import parse_time
from ucloud_operator.kube.resources import WALLETS
from ucloud_operator.lifecycle.observe import LOST_AFTER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.audit import Audit
    from tests.simulation.simulation import Simulation
    from ucloud_operator.api import JobRun

SECOND_MS = 1000
BILLED_TO_THE_END = frozenset(
    {"Completed", "ExitCode", "Signal", "OOMKilled", "Cancelled", "Suspended", "PodDeleted", "NodeLost"}
)
"""The other ends are those of credits or time, whatever the containers did, or nobody knows when they were."""


@dataclass(frozen=True, slots=True)
class Ran:
    """When all replicas of a run really ran."""

    since_ms: int
    until_ms: int
    known_until_ms: int
    """Until when anybody could know: later, if one of their nodes was lost."""
    doubted_ms: frozenset[int]
    """When somebody said of one of their nodes that it is gone: nobody may be charged for what ran after that."""
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
        _check_usage(job, len(jobs), simulation.audit, exact=exact)
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
        concluded_ms = simulation.audit.concluded_ms.get((job.metadata.uid, number), simulation.clock.now_ms())
        known_until_ms = min(_known_until_ms(simulation, uid, concluded_ms) for uid in uids)
        if len(uids) == job.spec.replicas and known_until_ms > since_ms:
            unknown = _is_unknown(simulation, uids)
            doubted = frozenset(instant for uid in uids for instant in _doubted_ms(simulation, uid))
            runs[number] = Ran(since_ms, max(since_ms, until_ms), known_until_ms, doubted, unknown=unknown)
    return runs


def _known_until_ms(simulation: Simulation, uid: str, concluded_ms: int) -> int:
    """Return when a container ended for who concluded its run: if nobody had heard of that, when it was given up."""
    kubelets, never_ms = simulation.kubelets, simulation.clock.now_ms()
    ended_ms, grace_over_ms = kubelets.finished_ms.get(uid, never_ms), _grace_over_ms(simulation, uid)
    if kubelets.end_told_ms.get(uid, never_ms) <= concluded_ms:
        return ended_ms
    is_missed = grace_over_ms is not None and concluded_ms >= grace_over_ms + LOST_AFTER_MS
    said_ms = kubelets.given_up_ms.get(uid, never_ms), (grace_over_ms or never_ms) if is_missed else never_ms
    return max(ended_ms, min(said_ms))


def _grace_over_ms(simulation: Simulation, uid: str) -> int | None:
    """Return when a pod that was deleted had to be gone."""
    pod = simulation.audit.pods[uid]
    metadata = pod["metadata"]
    if "deletionTimestamp" not in metadata:
        return None
    shortened: int = pod["spec"]["terminationGracePeriodSeconds"] - metadata["deletionGracePeriodSeconds"]
    return parse_time(metadata["deletionTimestamp"]) + SECOND_MS * shortened


def _doubted_ms(simulation: Simulation, uid: str) -> Iterator[int]:
    """Yield, in whole seconds, from when on nobody had to believe that a container still runs."""
    kubelets, grace_over_ms = simulation.kubelets, _grace_over_ms(simulation, uid)
    for at_ms in kubelets.doubted_ms[uid]:
        yield at_ms // SECOND_MS * SECOND_MS
    told_ms = kubelets.end_told_ms.get(uid, simulation.clock.now_ms())
    if grace_over_ms is not None and (uid in kubelets.lost or told_ms > grace_over_ms + LOST_AFTER_MS):
        grace_ms = SECOND_MS * simulation.audit.pods[uid]["spec"]["terminationGracePeriodSeconds"]
        yield from range(grace_over_ms - grace_ms, grace_over_ms + 1, SECOND_MS)


def _is_unknown(simulation: Simulation, uids: list[str]) -> bool:
    """Say whether nobody was told in time that all had started: one had ended before, or was given up as lost."""
    kubelets, never_ms = simulation.kubelets, simulation.clock.now_ms()
    start_ms = max(kubelets.start_told_ms.get(uid, never_ms) for uid in uids)
    end_ms = min(kubelets.end_told_ms.get(uid, never_ms) for uid in uids)
    grace_over_ms = min(_grace_over_ms(simulation, uid) or never_ms for uid in uids)
    return start_ms >= min(never_ms, end_ms + 1, grace_over_ms + LOST_AFTER_MS)


def _ended_before_anyone_knew(simulation: Simulation, job: UCloudJob, run: JobRun) -> bool:
    """Say whether credits or time had ended a run that really went on."""
    ran_ms = sum((each.ended_at or 0) - each.started_at for each in job.status.runs if each.number <= run.number)
    allocated = job.spec.time_allocation
    expired = allocated is not None and ran_ms == allocated.duration_ms
    return expired or (job.metadata.uid, run.ended_at) in simulation.audit.out_of_credits


def _check_run(what: str, run: JobRun, ran: Ran, reason: str, clocks_ms: int) -> None:
    assert run.ended_at is not None, f"{what} goes on, its job has ended"
    tolerance_ms = SECOND_MS + clocks_ms
    early_ms, late_ms = ran.since_ms - run.started_at, run.ended_at - ran.known_until_ms
    assert early_ms <= tolerance_ms, f"{what} is billed from {early_ms} ms before it began"
    assert early_ms >= -tolerance_ms, f"{what} was free for its first {-early_ms} ms"
    assert late_ms <= tolerance_ms, f"{what} is billed for {late_ms} ms after it had ended for {reason}"
    free_ms = ran.until_ms - run.ended_at
    if reason in BILLED_TO_THE_END and run.ended_at not in ran.doubted_ms:
        assert free_ms <= tolerance_ms, f"{what}, ended for {reason}, was free for its last {free_ms} ms"
    assert early_ms + late_ms <= 2 * SECOND_MS, f"{what} is billed for {early_ms + late_ms} ms more than it ran"


def _check_usage(job: UCloudJob, jobs: int, audit: Audit, *, exact: bool) -> None:
    """A job pays by the formula, or a few units less where the credits ended between two jobs' units.

    Where news came late, what ran while nobody knew pays what is left.
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
    if not exact and job.metadata.uid in audit.short:
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
