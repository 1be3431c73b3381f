"""What the control plane tells Prometheus: when something happens, and when it is asked how things stand.

Nothing here is by job, wallet or pod: what a job did is in its status. Gauges are worked out when they are read, from
what is known anyway; that takes 20 ms for ten thousand jobs with a pod each.
"""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from ucloud_operator import metrics
from ucloud_operator.api import JobState
from ucloud_operator.control.queue import Cause, Lane
from ucloud_operator.control.world import ENDED_PHASES, KINDS
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    LEDGERCHECKPOINTS,
    PODS,
    UCLOUDJOBS,
    WALLETS,
    WALLETSTATEMENTS,
)
from ucloud_operator.lifecycle.observe import Running, observe_pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.states import TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ucloud_operator.api import UCloudJobStatus, Wallet
    from ucloud_operator.control.queue import WorkQueue
    from ucloud_operator.control.world import World
    from ucloud_operator.lifecycle.kubelet import Pod
    from ucloud_operator.lifecycle.stops import Stop

NEW = "NEW"
"""The state of a job that has none."""

WALLET_STATES = {"Usable": "usable", "OutOfCredits": "exhausted", "NoAllocation": "unallocated", "": "new"}
"""By the reason of the condition Locked; any other one blocks the wallet."""
BLOCKED = "blocked"


def begin() -> None:
    """Let every series that can be named beforehand start at 0: what isn't there before it counts never increased."""
    metrics.BUILD.labels(version("ucloud-operator")).set(1)
    for targets in TRANSITIONS.values():
        for state, reasons in targets.items():
            for reason in reasons:
                metrics.JOB_STATES.labels(state.value, reason.value)
    for kind in KINDS:
        for cause in Cause:
            metrics.WORK_FAILURES.labels(kind, cause.value)


def came_to(status: UCloudJobStatus, pods: Iterable[Pod], now_ms: int) -> None:
    """Count the state that a job has come to; where it runs now, note how wrong its nodes' clocks are."""
    metrics.JOB_STATES.labels(status.state.value if status.state else NEW, status.reason or "").inc()
    if status.state is JobState.RUNNING:
        for pod in pods:
            seen = observe_pod(pod, now_ms)
            if isinstance(seen, Running):
                metrics.CLOCK_SKEW.observe(abs(seen.skew_ms) / 1000)


def was_told_to_stop(stop: Stop | None, now_ms: int) -> None:
    """Note how late the API server had a DELETE of a pod that has to stop for lack of credits."""
    if stop is not None and stop.reason is Reason.OutOfCredits:
        metrics.STOP_ACKNOWLEDGED.observe(max(0, now_ms - stop.at_ms) / 1000)


def has_stopped(pod: Pod, now_ms: int) -> None:
    """Note how late a pod that had to stop for lack of credits has stopped."""
    if pod.stop is None or pod.stop.reason is not Reason.OutOfCredits:
        return
    metrics.STOP_LATENESS.observe(max(0, now_ms - pod.stop.at_ms) / 1000)
    if pod.finished_ms is not None:
        metrics.OVERRUN.inc(max(0, pod.finished_ms - pod.stop.at_ms) / 1000)


def survey(world: World, now_ms: int) -> None:
    """Bring the gauges of what there is up to date."""
    jobs = Counter(job.status.state.value if job.status.state else NEW for job in world.jobs.values())
    for job_state in (NEW, *(each.value for each in JobState)):
        metrics.JOBS.labels(job_state).set(jobs[job_state])
    wallets = Counter(wallet_state(wallet) for wallet in world.wallets.values())
    for wallet_state_ in (*WALLET_STATES.values(), BLOCKED):
        metrics.WALLETS.labels(wallet_state_).set(wallets[wallet_state_])
    pods = world.pods.values()
    metrics.ORPHAN_PODS.set(sum(map(world.is_orphan, pods)))
    metrics.STOP_OVERDUE.set(max((_overdue_ms(pod, now_ms) for pod in pods), default=0) / 1000)
    for resource, store in (
        (UCLOUDJOBS, world.jobs),
        (WALLETS, world.wallets),
        (COMPUTEPRODUCTS, world.products),
        (APPLICATIONS, world.applications),
        (WALLETSTATEMENTS, world.statements),
        (LEDGERCHECKPOINTS, world.checkpoints),
        (PODS, world.pods),
    ):
        metrics.UNREADABLE.labels(resource.plural).set(len(store.unreadable))


def wallet_state(wallet: Wallet) -> str:
    """Return whether a wallet's credits can be used, and if not why, in a word."""
    reason = next((condition.reason for condition in wallet.status.conditions if condition.type == "Locked"), "")
    return WALLET_STATES.get(reason, BLOCKED)


def _overdue_ms(pod: Pod, now_ms: int) -> int:
    """Return for how long a pod has outlived the end of its job's credits."""
    if pod.stop is None or pod.stop.reason is not Reason.OutOfCredits or pod.finished_ms is not None:
        return 0
    return 0 if pod.status.phase in ENDED_PHASES else max(0, now_ms - pod.stop.at_ms)


def queued(queue: WorkQueue, *, leading: bool) -> None:
    """Bring the gauges of the queue up to date. Who doesn't lead drops what it is told, and has no failing keys."""
    for lane in Lane:
        depth, age_ms = queue.waiting(lane)
        metrics.QUEUE_DEPTH.labels(lane.value).set(depth)
        metrics.QUEUE_AGE.labels(lane.value).set(age_ms / 1000)
    metrics.WORK_AGE.set(queue.longest_ms() / 1000)
    failing = Counter(key.kind for key in queue.failing()) if leading else Counter[str]()
    for kind in KINDS:
        metrics.FAILING_KEYS.labels(kind).set(failing[kind])
