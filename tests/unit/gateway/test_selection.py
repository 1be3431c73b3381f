"""Which jobs a caller asked for."""

import pytest

from ucloud_operator.api import UCloudJob
from ucloud_operator.gateway.asked import JobFlags
from ucloud_operator.gateway.selection import is_asked_for

CREATED_MS = 1633588976000

JOB = UCloudJob.model_validate(
    {
        "metadata": {
            "name": "62348",
            "namespace": "user",
            "creationTimestamp": "2021-10-07T06:42:56Z",
            "annotations": {"ucloud.dk/created-by": "alice"},
        },
        "spec": {
            "application": {"name": "app", "version": "1"},
            "product": {"id": "p", "category": "c", "provider": "o"},
        },
    }
)


def test_without_filters_every_job_is() -> None:
    assert is_asked_for(JOB, JobFlags())


@pytest.mark.parametrize(
    ("name", "matching", "other"),
    [
        ("filterApplication", "app", "ap"),
        ("filterCreatedAfter", CREATED_MS, CREATED_MS + 1),
        ("filterCreatedBefore", CREATED_MS, CREATED_MS - 1),
        ("filterCreatedBy", "alice", "user"),
        ("filterIds", "1,62348", "6234,8"),
        ("filterProductCategory", "c", "p"),
        ("filterProductId", "p", "c"),
        ("filterProvider", "o", "c"),
        ("filterProviderIds", "62348", "1"),
        ("filterState", "IN_QUEUE", "RUNNING"),
        ("hideProductCategory", "p", "c"),
        ("hideProductId", "c", "p"),
        ("hideProvider", "c", "o"),
    ],
)
def test_a_filter_keeps_what_it_names_and_nothing_else(name: str, matching: object, other: object) -> None:
    assert is_asked_for(JOB, JobFlags.model_validate({name: matching}))
    assert not is_asked_for(JOB, JobFlags.model_validate({name: other}))


def test_a_state_is_one_that_there_is() -> None:
    with pytest.raises(ValueError, match="Input should be 'IN_QUEUE'"):
        JobFlags.model_validate({"filterState": "ASLEEP"})
