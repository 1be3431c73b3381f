"""Jobs as UCloud's HTTP API shows them; the example is the one of UCloud's own documentation."""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from ucloud_operator.api import UCloudJob, format_time
from ucloud_operator.gateway.render import render_job

EXAMPLE = (Path(__file__).parents[2] / "seed_job.json").read_text()

QUEUED_MS, RUNNING_MS, ENDED_MS = 1633588976235, 1633588981235, 1633589101235


def job(
    *,
    creator: str | None = "user",
    spec: Mapping[str, JsonValue] | None = None,
    status: Mapping[str, JsonValue] | None = None,
) -> UCloudJob:
    return UCloudJob.model_validate(
        {
            "metadata": {
                "name": "62348",
                "namespace": "user",
                "creationTimestamp": format_time(QUEUED_MS),
                "annotations": {"ucloud.dk/created-by": creator} if creator else {},
            },
            "spec": {
                "application": {"name": "acme-web-application", "version": "1.0.0"},
                "product": {"id": "example-compute", "category": "example-compute", "provider": "example"},
                **(spec or {}),
            },
            "status": dict(status or {}),
        }
    )


def update(state: str, sentence: str, at_ms: int) -> JsonValue:
    return {"state": state, "status": sentence, "timestamp": format_time(at_ms)}


def test_the_documented_example_is_rendered_to_the_letter() -> None:
    out_of_credits = job(
        status={
            "state": "SUCCESS",
            "updates": [
                update("IN_QUEUE", "Your job is now waiting in the queue!", QUEUED_MS),
                update("RUNNING", "Your job is now running!", RUNNING_MS),
                update("SUCCESS", "Your job has been terminated (No more credits)", ENDED_MS),
            ],
        }
    )

    assert json.dumps(render_job(out_of_credits), indent=2) + "\n" == EXAMPLE


def test_what_a_job_has_beyond_the_example_is_rendered_too() -> None:
    rendered = render_job(
        job(
            spec={
                "name": "night run",
                "replicas": 3,
                "parameters": {"input": {"type": "text", "value": "a"}},
                "resources": [{"type": "file", "path": "/1"}],
                "timeAllocation": {"hours": 1, "minutes": 30},
                "openedFile": "/1/notebook",
                "restartOnExit": True,
                "sshEnabled": False,
            },
            status={
                "state": "RUNNING",
                "startedAt": format_time(RUNNING_MS),
                "expiresAt": format_time(ENDED_MS),
                "updates": [
                    {
                        "timestamp": format_time(RUNNING_MS),
                        "outputFolder": "/1/Jobs",
                        "expectedState": "IN_QUEUE",
                        "expectedDifferentState": True,
                        "newTimeAllocation": 5_400_000,
                        "allowRestart": True,
                        "newMounts": ["/2"],
                    }
                ],
            },
        ),
        project="lab",
    )

    assert rendered["owner"] == {"createdBy": "user", "project": "lab"}
    assert rendered["specification"] == {
        "application": {"name": "acme-web-application", "version": "1.0.0"},
        "product": {"id": "example-compute", "category": "example-compute", "provider": "example"},
        "name": "night run",
        "replicas": 3,
        "allowDuplicateJob": False,
        "parameters": {"input": {"type": "text", "value": "a"}},
        "resources": [{"type": "file", "path": "/1"}],
        "timeAllocation": {"hours": 1, "minutes": 30, "seconds": 0},
        "openedFile": "/1/notebook",
        "restartOnExit": True,
        "sshEnabled": False,
    }
    assert rendered["updates"] == [
        {
            "state": None,
            "outputFolder": "/1/Jobs",
            "status": None,
            "expectedState": "IN_QUEUE",
            "expectedDifferentState": True,
            "newTimeAllocation": 5_400_000,
            "allowRestart": True,
            "newMounts": ["/2"],
            "timestamp": RUNNING_MS,
        }
    ]
    status = rendered["status"]
    assert isinstance(status, dict)
    assert (status["startedAt"], status["expiresAt"]) == (RUNNING_MS, ENDED_MS)


def test_a_job_that_nobody_has_looked_at_yet_waits_in_the_queue() -> None:
    rendered = render_job(job(creator=None))

    assert rendered["updates"] == []
    status = rendered["status"]
    assert isinstance(status, dict)
    assert status["state"] == "IN_QUEUE"


def test_where_no_policy_notes_the_creator_it_is_unknown() -> None:
    assert render_job(job(creator=None))["owner"] == {"createdBy": "unknown", "project": None}
