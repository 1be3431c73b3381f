"""The models: how objects from the API server arrive, and how they leave."""

import pytest
from pydantic import ValidationError

from ucloud_operator.api import (
    MAX_AMOUNT,
    AccountingFrequency,
    ComputeProduct,
    JobState,
    SimpleDuration,
    UCloudJob,
    UCloudJobStatus,
    Wallet,
    WalletStatus,
    saturate,
)

JOB = {
    "apiVersion": "ucloud.dk/v1alpha1",
    "kind": "UCloudJob",
    "metadata": {
        "name": "62348",
        "namespace": "user",
        "uid": "u-1",
        "resourceVersion": "17",
        "creationTimestamp": "2021-10-07T06:42:56Z",
        "managedFields": [{"manager": "kubectl"}],
    },
    "spec": {
        "application": {"name": "acme-web-application", "version": "1.0.0"},
        "product": {"id": "example-compute", "category": "example-compute", "provider": "example"},
        "parameters": {"depth": {"type": "integer", "value": 3}},
        "aFieldOfTheFuture": True,
    },
}


def test_an_object_arrives_with_its_defaults_and_without_what_is_unknown() -> None:
    job = UCloudJob.model_validate(JOB)
    assert job.key == "user/62348"
    assert job.metadata.creation_timestamp == 1633588976000
    assert not job.is_being_deleted
    assert job.spec.replicas == 1
    assert job.spec.termination_grace_period_seconds == 1
    assert job.spec.parameters == {"depth": {"type": "integer", "value": 3}}
    assert job.status == UCloudJobStatus()
    assert not job.is_final


def test_a_status_leaves_as_the_api_server_stores_it() -> None:
    status = UCloudJobStatus(state=JobState.RUNNING, started_at=1633588981235, usage=50_000)
    assert status.model_dump(mode="json", by_alias=True, exclude_defaults=True) == {
        "state": "RUNNING",
        "startedAt": "2021-10-07T06:43:01.235Z",
        "usage": 50_000,
    }


def test_a_status_comes_back_as_it_left() -> None:
    status = UCloudJobStatus(state=JobState.SUCCESS, started_at=1, expires_at=2, reason="OutOfCredits")
    assert UCloudJobStatus.model_validate_json(status.model_dump_json(by_alias=True)) == status


def test_a_model_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        WalletStatus().quota = 5  # type: ignore[misc]  # that it is refused is the point


@pytest.mark.parametrize(
    ("state", "final"),
    [
        (None, False),
        ("IN_QUEUE", False),
        ("RUNNING", False),
        ("SUSPENDED", False),
        ("SUCCESS", True),
        ("FAILURE", True),
        ("EXPIRED", True),
    ],
)
def test_three_states_are_final(state: str | None, final: bool) -> None:  # noqa: FBT001  # a column of the table above
    job = UCloudJob.model_validate({**JOB, "status": {"state": state}})
    assert job.is_final is final


def test_a_period_has_a_length() -> None:
    assert [frequency.period_ms for frequency in AccountingFrequency] == [60_000, 3_600_000, 86_400_000]


def test_a_duration_adds_up() -> None:
    assert SimpleDuration(hours=1, minutes=90, seconds=1).duration_ms == 9_001_000


def test_an_amount_is_published_within_bounds() -> None:
    assert [saturate(amount) for amount in (-1, 0, MAX_AMOUNT, MAX_AMOUNT + 1)] == [0, 0, MAX_AMOUNT, MAX_AMOUNT]


@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT + 1, 1.5, "many"])
def test_an_amount_is_an_integer_within_bounds(amount: object) -> None:
    with pytest.raises(ValidationError):
        WalletStatus.model_validate({"quota": amount})


def test_a_product_is_called_by_its_own_name_or_its_objects() -> None:
    manifest = {
        "metadata": {"name": "example-small"},
        "spec": {"category": {"name": "c", "provider": "p"}, "price": 1, "cpuMillis": 500, "memoryInGigs": 1},
    }
    product = ComputeProduct.model_validate(manifest)
    assert (product.id, product.key, product.cpu_request_millis) == ("example-small", "example-small", 500)
    spec = {"category": {"name": "c", "provider": "p"}, "price": 1, "cpu": 2, "memoryInGigs": 1, "name": "small"}
    product = ComputeProduct.model_validate({**manifest, "spec": spec})
    assert (product.id, product.key, product.cpu_request_millis) == ("small", "example-small", 2000)


def test_a_category_is_known_by_name_and_provider() -> None:
    wallet = Wallet.model_validate(
        {
            "metadata": {"name": "w", "namespace": "n"},
            "spec": {
                "owner": {"type": "user", "username": "u"},
                "paysFor": {"name": "c", "provider": "p", "accountingFrequency": "PERIODIC_HOUR"},
            },
        }
    )
    product = ComputeProduct.model_validate(
        {
            "metadata": {"name": "example"},
            "spec": {"category": {"name": "c", "provider": "p"}, "price": 1, "cpu": 1, "memoryInGigs": 1},
        }
    )
    assert wallet.spec.pays_for.reference == product.spec.category
