"""What only a real kubelet can show: containers that really run, end in every way, find each other, and stop in time.

The stories begin together, beside the samples' own, and each test waits for the end of one: most of their time is
waiting.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.cast import (
    HEEDS,
    IGNORES,
    LASTS_61_S,
    PLENTY,
    PRICE,
    QUICK_PRICE,
    SLEEPS,
    application,
    cost_of_run,
    is_over,
    is_running,
    job,
    product,
    workspace,
)
from tests.e2e.installation import SAMPLES, image_mb
from tests.e2e.kind import OPERATOR_IMAGE, Kind, eventually
from ucloud_operator.api import JobState, UCloudJob

if TYPE_CHECKING:
    from tests.e2e.conftest import Seed
    from tests.e2e.ends import Ends

SAVES = ("sh", "-c", "trap 'echo saving; sleep 3; echo saved; exit 0' TERM; echo begun; sleep infinity & wait")
FILLS_2_GIB = ("dd", "if=/dev/zero", "of=/dev/null", "bs=2G")
MEETS = (
    "sh",
    "-c",
    """
    mkdir /tmp/www && echo "I am $UCLOUD_RANK" > /tmp/www/rank && httpd -p 8080 -h /tmp/www
    for page in rank done; do
      for other in 0 1 2; do
        [ $other = $UCLOUD_RANK ] && continue
        url="http://j-$UCLOUD_JOB_ID-job-$other.j-$UCLOUD_JOB_ID.trio.svc.cluster.local:8080/$page"
        until wget -q -O - "$url"; do sleep 0.5; done
      done
      echo yes > /tmp/www/done
    done
    sleep 3
    """,
)
"""Each of three replicas reads the others' pages by name, then waits until the others have read everybody's."""

STOPPED_BY = {"sigterm": HEEDS, "sigkill": IGNORES, "sleep": SLEEPS}
ENDS_BY_ITSELF = {
    "exit-0": (("sh", "-c", "sleep 5"), PRICE, JobState.SUCCESS, "Completed", "Job completed successfully."),
    "exit-3": (("sh", "-c", "sleep 5; exit 3"), PRICE, JobState.FAILURE, "ExitCode", "Job failed with exit code 3."),
    "memory": (
        FILLS_2_GIB,
        QUICK_PRICE,
        JobState.FAILURE,
        "OOMKilled",
        "Job exceeded its memory limit (OOMKilled).",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _begun(kind: Kind) -> None:
    stories = [(name, command, PRICE, LASTS_61_S) for name, command in STOPPED_BY.items()]
    stories += [(name, command, price, PLENTY) for name, (command, price, *_) in ENDS_BY_ITSELF.items()]
    kind.apply(
        product(PRICE),
        product(QUICK_PRICE, cpu_millis=200),
        *(application(name, *command) for name, command, *_ in stories),
        application("trio", *MEETS),
        application("saves", *SAVES),
        application("nothing", *HEEDS, image="example.invalid/nothing:1"),
    )
    kind.apply(
        *(
            item
            for name, _, price, usable in stories
            for item in (*workspace(name, usable), job(name, name, price, terminationGracePeriodSeconds=1))
        ),
        *(*workspace("trio", PLENTY), job("trio", "trio", PRICE, replicas=3)),
        *(*workspace("saves", PLENTY), job("saves", "saves", PRICE, terminationGracePeriodSeconds=20)),
        *(*workspace("nothing", PLENTY), job("nothing", "nothing", PRICE)),
    )


@pytest.fixture(scope="module", autouse=True)
def stopped(kind: Kind, _begun: None) -> dict[str, str]:
    """Return the containers that credits will stop, while they are there to be asked."""
    for name in STOPPED_BY:
        kind.awaited(name, is_running)
    return {name: kind.container(name) for name in STOPPED_BY}


def updates(job: UCloudJob) -> list[tuple[JobState | None, str | None]]:
    return [(update.state, update.status) for update in job.status.updates]


def test_the_image_is_small() -> None:
    size = image_mb(OPERATOR_IMAGE)
    print(f"{OPERATOR_IMAGE} has {size:.0f} MB")
    assert size < 200


def test_a_cluster_a_minute_old_runs_its_first_job(seed: Seed) -> None:
    print(f"from before `kind create cluster` until the first job ran: {seed.seconds:.0f} s")
    assert seed.seconds <= 180


def test_what_traps_sigterm_saves_within_its_grace(kind: Kind) -> None:
    kind.awaited("saves", is_running)
    command = kind.command("logs", "--follow", "--namespace=saves", "--selector=ucloud.dk/jobId=1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout
        assert follower.stdout.readline() == "begun\n"
        kind.kubectl(
            "patch", "ucloudjob/1", "--namespace=saves", "--type=merge", '--patch={"spec": {"terminate": true}}'
        )
        assert follower.stdout.read() == "saving\nsaved\n"
    ended = kind.awaited("saves", is_over)
    assert (ended.status.state, ended.status.reason) == (JobState.SUCCESS, "Cancelled")


@pytest.mark.parametrize("name", ENDS_BY_ITSELF)
def test_a_container_that_ends_by_itself_ends_its_job(kind: Kind, name: str) -> None:
    _, price, state, reason, sentence = ENDS_BY_ITSELF[name]
    ended = kind.awaited(name, is_over)
    assert (ended.status.state, ended.status.reason) == (state, reason)
    assert updates(ended)[-1] == (state, sentence)
    assert ended.status.usage == cost_of_run(ended, price)


def test_three_replicas_find_each_other_by_name_and_cost_three_times_as_much(kind: Kind) -> None:
    ended = kind.awaited("trio", is_over)
    assert (ended.status.state, ended.status.reason) == (JobState.SUCCESS, "Completed")
    assert ended.status.usage == cost_of_run(ended, replicas=3)


@pytest.mark.parametrize(("name", "bound_ms"), [("sigterm", 2000), ("sigkill", 4000), ("sleep", 4000)])
def test_a_container_is_stopped_when_the_credits_end(
    kind: Kind, ends: Ends, stopped: dict[str, str], name: str, bound_ms: int
) -> None:
    """The bounds are those of a machine on which many stories go on at once; `make bench-kind` measures the promise."""
    ended = kind.awaited(name, is_over)
    assert updates(ended) == [
        (JobState.IN_QUEUE, "Your job is now waiting in the queue!"),
        (JobState.RUNNING, "Your job is now running!"),
        (JobState.SUCCESS, "Your job has been terminated (No more credits)"),
    ]
    began, instant = (update.timestamp for update in ended.status.updates[1:])
    assert instant - began == 61_000
    assert ended.status.usage == LASTS_61_S
    late_ms = ends.wait(stopped[name], within_seconds=5) - instant
    print(f"{name}: the container ended {late_ms:.0f} ms after the credits")
    assert -1000 < late_ms <= bound_ms
    wallet = eventually(lambda: found if (found := kind.wallet(name)).status.locked else None)
    assert (wallet.status.max_usable, wallet.status.local_usage) == (0, LASTS_61_S)
    eventually(lambda: not kind.pods(name))


def test_an_image_that_does_not_exist_costs_nothing(kind: Kind) -> None:
    ended = kind.awaited("nothing", is_over)
    assert (ended.status.state, ended.status.reason, ended.status.usage) == (JobState.FAILURE, "ImagePullFailed", 0)
    assert "example.invalid/nothing:1" in str(ended.status.updates[-1].status)


def test_the_samples_tell_the_story_of_running_out_of_credits(kind: Kind) -> None:
    kind.kubectl(
        "wait", "ucloudjob/62348", "--namespace=user", "--for=jsonpath={.status.state}=SUCCESS", "--timeout=180s"
    )
    ended = kind.job("user", "62348")
    assert updates(ended) == [
        (JobState.IN_QUEUE, "Your job is now waiting in the queue!"),
        (JobState.RUNNING, "Your job is now running!"),
        (JobState.SUCCESS, "Your job has been terminated (No more credits)"),
    ]
    assert ended.status.usage == 100_000
    kind.kubectl(
        "wait", "wallet/example-compute", "--namespace=user", "--for=jsonpath={.status.locked}=true", "--timeout=30s"
    )
    wallet = kind.wallet("user", "example-compute")
    assert (wallet.status.total_usage, wallet.status.max_usable) == (499_100_000, 0)
    kind.kubectl("wait", "wallet/example-compute", "--namespace=root", "--for=condition=Ready", "--timeout=30s")
    eventually(lambda: not kind.pods("user"))


def test_samples_that_are_deleted_are_gone(kind: Kind) -> None:
    kind.kubectl("delete", "--filename", str(SAMPLES), "--timeout=60s")
    assert kind.kubectl("get", "namespaces", "user", "root", "sibling", "--ignore-not-found", "--output=name") == ""
