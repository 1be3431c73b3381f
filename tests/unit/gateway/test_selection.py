"""Which jobs a caller asked for."""

import pytest

from ucloud_operator.api import UCloudJob
from ucloud_operator.gateway.asked import JobFlags
from ucloud_operator.gateway.selection import has_in_its_name, in_order, is_asked_for

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
            "name": "Night run",
            "labels": {"course": "physics-1", "by": "hand"},
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
        ("filterLabels.course", "physics-1", "physics"),
        ("filterLabels", {"course": "physics-1"}, {"course": "physics-1", "year": "1"}),
        ("filterProductCategory", "c", "p"),
        ("filterProductId", "p", "c"),
        ("filterProvider", "o", "c"),
        ("filterProviderIds", "62348", "1"),
        ("filterState", "IN_QUEUE", "RUNNING"),
        ("filterType", "JOBS_ONLY", "VMS_ONLY"),
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


@pytest.mark.parametrize("query", ["", "623", "NIGHT", "ght r", "app"])
def test_a_search_looks_at_the_id_the_name_and_the_applications_name(query: str) -> None:
    assert has_in_its_name(JOB, query)


@pytest.mark.parametrize("query", ["alice", "physics-1", "night-run", "6234 8"])
def test_and_at_nothing_else(query: str) -> None:
    assert not has_in_its_name(JOB, query)


def made(name: str, minute: int, creator: str, end: str | None) -> UCloudJob:
    return UCloudJob.model_validate(
        {
            "metadata": {
                "name": name,
                "creationTimestamp": f"2021-10-07T06:{minute}:56Z",
                "annotations": {"ucloud.dk/created-by": creator},
            },
            "spec": JOB.spec,
            "status": {"expiresAt": end},
        }
    )


@pytest.mark.parametrize(
    ("sort_by", "names"), [("createdAt", "dbac"), ("createdBy", "dabc"), ("timeLeft", "acdb"), (None, "dbac")]
)
def test_jobs_come_in_the_order_that_was_asked_for(sort_by: str | None, names: str) -> None:
    jobs = [
        made("a", 30, "alice", "2030-01-01T00:00:00Z"),
        made("b", 20, "bob", None),
        made("c", 40, "bob", "2030-01-02T00:00:00Z"),
        made("d", 10, "alice", None),
    ]
    for direction, expected in ((None, names), ("ascending", names), ("descending", names[::-1])):
        flags = JobFlags.model_validate({"sortBy": sort_by, "sortDirection": direction})
        assert "".join(job.metadata.name for job in in_order(jobs, flags)) == expected
