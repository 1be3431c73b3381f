"""What UCloud's JSON has no place for."""

from pydantic import JsonValue

from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.gateway.outlook import render_cost, render_forecast

RUN: dict[str, JsonValue] = {"number": 1, "price": 30, "replicas": 2, "periodMs": 60_000, "startedAt": 1_000_000}


def job(*runs: dict[str, JsonValue], **status: JsonValue) -> UCloudJob:
    spec = {
        "application": {"name": "app", "version": "1"},
        "product": {"id": "p", "category": "c", "provider": "o"},
    }
    return UCloudJob.model_validate(
        {"metadata": {"name": "j"}, "spec": spec, "status": {"runs": list(runs), "state": "RUNNING", **status}}
    )


def used(job: UCloudJob, at_ms: int) -> object:
    return render_cost(job, at_ms)["usage"]


def test_a_job_that_runs_has_used_what_fell_due_by_now() -> None:
    assert used(job(RUN, usage=10), 1_030_999) == 30
    assert used(job(RUN, usage=40), 1_030_999) == 40


def test_a_job_that_has_paused_or_ended_has_used_what_its_status_says() -> None:
    paused: dict[str, JsonValue] = {**RUN, "endedAt": 1_010_000}
    assert used(job(paused, usage=9), 1_030_000) == 9
    assert used(job(RUN, usage=9, state="SUCCESS"), 1_030_000) == 9
    assert used(job(), 1_030_000) == 0


def test_a_paused_run_before_counts() -> None:
    before: dict[str, JsonValue] = {**RUN, "endedAt": 1_010_000}
    assert used(job(before, {**RUN, "number": 2, "startedAt": 1_020_000}), 1_030_000) == 20


def test_a_wallet_that_was_never_metered_has_a_forecast_without_numbers() -> None:
    wallet = Wallet.model_validate(
        {
            "metadata": {"name": "cpu", "namespace": "lab"},
            "spec": {
                "owner": {"type": "project", "projectId": "lab"},
                "paysFor": {"name": "cpu", "provider": "us", "accountingFrequency": "PERIODIC_HOUR"},
            },
        }
    )
    assert render_forecast(wallet) == {
        "name": "cpu",
        "paysFor": {"name": "cpu", "provider": "us"},
        "meteredAt": None,
        "maxUsable": 0,
        "reserved": 0,
        "ratePerMinute": 0,
        "exhaustsAt": None,
        "locked": False,
        "blocked": None,
        "reason": None,
        "message": None,
        "onExhaustion": "Terminate",
    }
