"""The operator itself is killed, upgraded and away while real containers run: no bill changes by it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.e2e.cast import LASTS_61_S, is_over, is_running
from tests.e2e.installation import begin_job, build_next_image
from tests.e2e.kind import DEPLOYMENT, OPERATOR_IMAGE, SYSTEM, Kind, eventually

if TYPE_CHECKING:
    from tests.e2e.ends import Ends
    from ucloud_operator.api import UCloudJob

NEXT_IMAGE = f"{OPERATOR_IMAGE}-next"


def was_billed_to_the_instant(job: UCloudJob) -> bool:
    began, stopped = (update.timestamp for update in job.status.updates[-2:])
    return (stopped - began, job.status.usage, job.status.reason) == (61_000, LASTS_61_S, "OutOfCredits")


def image_of(kind: Kind, replica: str) -> str:
    path = "--output=jsonpath={.spec.containers[*].image}"
    return kind.kubectl("get", "pod", replica, f"--namespace={SYSTEM}", "--ignore-not-found", path) if replica else ""


def test_a_leader_that_is_killed_and_an_upgrade_change_no_bill(kind: Kind, ends: Ends) -> None:
    build_next_image(NEXT_IMAGE)
    kind.load(NEXT_IMAGE)
    begin_job(kind, "upgrade", LASTS_61_S)
    container = kind.container("upgrade")
    leader = kind.leader()
    kind.kubectl("delete", "pod", leader, f"--namespace={SYSTEM}", "--grace-period=0", "--force")
    eventually(lambda: kind.leader() not in ("", leader))
    kind.roll_out("set", "image", f"--namespace={SYSTEM}", DEPLOYMENT, f"operator={NEXT_IMAGE}")
    eventually(lambda: image_of(kind, kind.leader()) == NEXT_IMAGE)
    ended = kind.awaited("upgrade", is_over)
    assert was_billed_to_the_instant(ended)
    assert ends.wait(container, within_seconds=5) - ended.status.updates[-1].timestamp <= 4000
    kind.roll_out("set", "image", f"--namespace={SYSTEM}", DEPLOYMENT, f"operator={OPERATOR_IMAGE}")


def test_without_any_operator_the_kubelet_stops_the_job_and_the_bill_is_right_later(kind: Kind, ends: Ends) -> None:
    began = begin_job(kind, "nobody", LASTS_61_S).status.updates[-1].timestamp
    container = kind.container("nobody")
    armed = "--output=jsonpath={.items[*].spec.activeDeadlineSeconds}"
    eventually(lambda: kind.kubectl("get", "pods", "--namespace=nobody", armed))
    kind.roll_out("scale", f"--namespace={SYSTEM}", DEPLOYMENT, "--replicas=0")
    eventually(lambda: not kind.pods(SYSTEM))
    assert time.time() * 1000 < began + 61_000, "the operator took so long to go that this test shows nothing"
    late_ms = ends.wait(container, within_seconds=40) - (began + 61_000)
    print(f"without an operator the container ended {late_ms:.0f} ms after the credits")
    assert -1500 <= late_ms <= 4000
    assert is_running(kind.job("nobody"))
    kind.roll_out("scale", f"--namespace={SYSTEM}", DEPLOYMENT, "--replicas=2")
    assert was_billed_to_the_instant(kind.awaited("nobody", is_over))
