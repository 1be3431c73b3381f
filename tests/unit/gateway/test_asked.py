"""What callers may send."""

import json

import pytest

from ucloud_operator.gateway.asked import Extension, FindById, JobSpecification, read_bulk
from ucloud_operator.gateway.errors import RefusalError

JOB = {
    "application": {"name": "app", "version": "1"},
    "product": {"id": "p", "category": "c", "provider": "o"},
}


def bulk(*items: object) -> bytes:
    return json.dumps({"items": items}).encode()


def test_a_job_becomes_the_spec_of_one_without_what_is_null() -> None:
    full = {
        **JOB,
        "name": "night run",
        "replicas": 3,
        "allowDuplicateJob": True,
        "parameters": {"input": {"type": "text", "value": None}},
        "resources": [{"type": "file", "path": "/1"}],
        "timeAllocation": {"hours": 1, "minutes": 2, "seconds": 3},
        "openedFile": "/1/notebook",
        "restartOnExit": False,
        "sshEnabled": True,
        "labels": {"course": "physics-1"},
    }
    shortest = {**JOB, "name": None, "timeAllocation": None, "sshEnabled": None, "unknown": 1}
    one, other = read_bulk(JobSpecification, bulk(full, shortest))
    assert one.as_spec() == full
    assert other.as_spec() == {**JOB, "replicas": 1, "allowDuplicateJob": False}


@pytest.mark.parametrize("items", [1, 1000])
def test_from_one_to_a_thousand_items(items: int) -> None:
    assert len(read_bulk(FindById, bulk(*[{"id": "1"}] * items))) == items


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (bulk(), "Request must not be empty"),
        (bulk(*[{"id": "1"}] * 1001), "Request cannot exceed 1000 items"),
        (b'{"items": [{"id": "1"}], "x": NaN}', "Invalid request supplied: Invalid JSON: "),
        (b'{"items": [{"id": "1"}', "Invalid request supplied: Invalid JSON: "),
        (bulk({"id": 1}), "Invalid request supplied: items.0.id: Input should be a valid string"),
        (bulk({"id": "1"}, {}), "Invalid request supplied: items.1.id: Field required"),
    ],
    ids=range(6),
)
def test_anything_else_is_refused_with_the_place(content: bytes, why: str) -> None:
    with pytest.raises(RefusalError) as refused:
        read_bulk(FindById, content)
    assert refused.value.status == 400
    assert refused.value.why.startswith(why)


@pytest.mark.parametrize("hours", ["1", 1.0, -1, None, True, 10**30])
def test_a_number_is_a_number(hours: object) -> None:
    with pytest.raises(RefusalError, match=r"items\.0\.requestedTime\.hours: "):
        read_bulk(Extension, bulk({"jobId": "1", "requestedTime": {"hours": hours}}))
