"""What only a real kubelet can show: containers that really run, stop in time, and find each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.kind import Kind, application, eventually, job, product, told, workspace
from ucloud_operator.api import JobState, UCloudJob, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

HEEDS = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
IGNORES = "trap '' TERM; while true; do sleep 0.1; done"
PRICE = 600_000  # per minute: 10,000 per second
LASTS_61_S = 610_000  # a second more than a job needs to be started at all


def finished_job(kind: Kind, namespace: str, name: str) -> UCloudJob:
    return awaited_job(kind, namespace, name, lambda job: job.is_final)


def running_job(kind: Kind, namespace: str, name: str) -> UCloudJob:
    return awaited_job(kind, namespace, name, lambda job: job.status.state is JobState.RUNNING)


def awaited_job(kind: Kind, namespace: str, name: str, met: Callable[[UCloudJob], bool]) -> UCloudJob:
    try:
        return eventually(lambda: found if met(found := kind.job(namespace, name)) else None, 120)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{told(kind, namespace)}") from None


def updates(job: UCloudJob) -> list[tuple[JobState | None, str | None]]:
    return [(update.state, update.status) for update in job.status.updates]


def test_a_wallet_runs_dry_and_its_job_is_terminated(kind: Kind) -> None:
    kind.apply(
        *workspace("dry", LASTS_61_S), product(PRICE), application("heeds", HEEDS), job("dry", "1", "heeds", PRICE)
    )
    ended = finished_job(kind, "dry", "1")
    assert updates(ended) == [
        (JobState.IN_QUEUE, "Your job is now waiting in the queue!"),
        (JobState.RUNNING, "Your job is now running!"),
        (JobState.SUCCESS, "Your job has been terminated (No more credits)"),
    ]
    began, stopped = ended.status.updates[-2].timestamp, ended.status.updates[-1].timestamp
    assert stopped - began == 61_000
    assert ended.status.usage == LASTS_61_S
    wallet = eventually(lambda: found if (found := kind.wallet("dry")).status.locked else None)
    assert (wallet.status.max_usable, wallet.status.local_usage) == (0, LASTS_61_S)
    eventually(lambda: not kind.pods("dry"))


def test_one_that_ignores_sigterm_is_gone_within_three_seconds(kind: Kind) -> None:
    kind.apply(
        *workspace("stubborn", LASTS_61_S),
        product(PRICE),
        application("ignores", IGNORES),
        job("stubborn", "1", "ignores", PRICE),
    )
    ended = finished_job(kind, "stubborn", "1")
    assert ended.status.reason == "OutOfCredits"
    finished = next(c for c in ended.status.conditions if c.type == "Finished").last_transition_time
    assert finished - ended.status.updates[-1].timestamp <= 3_500


def test_replicas_find_each_other_and_cost_twice_as_much(kind: Kind) -> None:
    script = (
        'other="j-$UCLOUD_JOB_ID-job-$((1 - UCLOUD_RANK)).j-$UCLOUD_JOB_ID.pair.svc.cluster.local"; '
        'until nslookup "$other" >/dev/null 2>&1; do sleep 0.5; done; sleep 3'
    )
    kind.apply(
        *workspace("pair", 10_000_000),
        product(PRICE),
        application("meets", script),
        job("pair", "1", "meets", PRICE, replicas=2),
    )
    ended = finished_job(kind, "pair", "1")
    assert (ended.status.state, ended.status.reason) == (JobState.SUCCESS, "Completed")
    run = ended.status.runs[0]
    assert run.ended_at is not None
    assert ended.status.usage == 2 * PRICE * (run.ended_at - run.started_at) // 60_000


def test_the_leader_dies_and_nothing_is_free_or_paid_twice(kind: Kind) -> None:
    kind.apply(
        *workspace("orphan", LASTS_61_S),
        product(PRICE),
        application("heeds", HEEDS),
        job("orphan", "1", "heeds", PRICE),
    )
    running_job(kind, "orphan", "1")
    lease = kind.get("lease", "ucloud-operator", "--namespace=ucloud-system")["spec"]
    assert isinstance(lease, dict)
    leader = str(lease["holderIdentity"])
    kind.kubectl("delete", "pod", leader, "--namespace=ucloud-system", "--grace-period=0", "--force")
    ended = finished_job(kind, "orphan", "1")
    assert (ended.status.usage, ended.status.reason) == (LASTS_61_S, "OutOfCredits")
    began, stopped = ended.status.updates[-2].timestamp, ended.status.updates[-1].timestamp
    assert stopped - began == 61_000


def test_a_deleted_namespace_goes(kind: Kind) -> None:
    kind.apply(
        *workspace("doomed", 10_000_000),
        product(PRICE),
        application("heeds", HEEDS),
        job("doomed", "1", "heeds", PRICE),
    )
    running_job(kind, "doomed", "1")
    kind.kubectl("delete", "namespace", "doomed", "--timeout=60s")


def test_the_pods_end_before_their_bill_does(kind: Kind) -> None:
    """The kubelet's stamp of the container's end lies within a second and a half of the instant, for one that heeds."""
    kind.apply(
        *workspace("prompt", LASTS_61_S),
        product(PRICE),
        application("heeds", HEEDS),
        job("prompt", "1", "heeds", PRICE),
    )
    running_job(kind, "prompt", "1")
    seen: list[str] = []

    def look() -> bool:
        for pod in kind.pods("prompt"):
            status = pod["status"]
            assert isinstance(status, dict)
            states = [container["state"] for container in status.get("containerStatuses", [])]
            seen.extend(state["terminated"]["finishedAt"] for state in states if "terminated" in state)
        return kind.job("prompt", "1").is_final

    eventually(look, 120)
    stopped = kind.job("prompt", "1").status.updates[-1].timestamp
    assert all(abs(parse_time(stamp) - stopped) <= 1_500 for stamp in seen)
