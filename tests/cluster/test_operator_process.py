"""The operator as a process: what it says about itself."""

import json
from pathlib import Path

import pytest

from devcluster import ALICE, OPERATOR, Cluster
from tests.cluster.storytelling.cast import SUCCESS, Story
from tests.cluster.storytelling.process import OperatorProcess
from tests.cluster.storytelling.telling import story, theatre

NOT_OURS = ("its pod is refused", "storage is (re)initializing")
"""Errors that are somebody's mistake, or the API server's beginning."""


@story
async def test_health_and_metrics_are_told_over_http(story: Story) -> None:
    home = await story.workspace(quota=2000)
    before = await story.stage.operator.scrape()
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    await job.has_no_pods()
    assert await story.stage.operator.ask("/healthz") == (200, "ok")
    assert await story.stage.operator.ask("/readyz") == (200, "ok")
    after = await story.stage.operator.scrape()
    assert after.total("ucloud_leading") == 1
    for name, labels in (
        ("ucloud_job_transitions_total", {"state": "SUCCESS", "reason": "OutOfCredits"}),
        ("ucloud_api_requests_total", {"verb": "create", "resource": "pods", "status": "201"}),
        ("ucloud_stop_acknowledged_seconds_count", {}),
        ("ucloud_stop_lateness_seconds_count", {}),
    ):
        assert after.total(name, **labels) > before.total(name, **labels), name


async def test_one_without_rights_is_well_but_not_ready(cluster: Cluster, tmp_path: Path) -> None:
    """A rollout that brings it stops there; a restart would mend nothing."""
    replica = OperatorProcess(cluster, tmp_path / "log", identity="nobody", user=ALICE)
    try:
        await replica.start()
        await replica.is_well()
        assert await replica.ask("/readyz") == (503, "the pods couldn't be listed yet")
    finally:
        await replica.stop()


def test_nothing_went_wrong_while_the_stories_were_told(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    """The log of all stories: every line is JSON, no token is in it, and the operator made no mistake."""
    told = theatre(cluster, request)
    login = json.loads(cluster.kubeconfig_of(OPERATOR).read_text())
    token = login["users"][0]["user"]["token"]
    assert token not in told.log
    lines = [json.loads(line) for line in told.log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    mistakes = [
        line
        for line in lines
        if "exception" in line
        or (line["level"] in {"error", "critical"} and not any(word in line["message"] for word in NOT_OURS))
    ]
    assert not mistakes
    assert not told.left_over, "these stay although their namespaces were deleted"
