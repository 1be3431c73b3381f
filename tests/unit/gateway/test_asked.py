"""What callers may send."""

import json

import pytest

from ucloud_operator.gateway.asked import Extension, FindById, JobSearch, JobSpecification, read, read_bulk
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


def test_a_search_has_its_flags_in_an_object_or_beside_the_rest() -> None:
    flags = {"filterState": "RUNNING", "filterLabels": {"a": "b"}, "includeUpdates": True, "sortBy": "timeLeft"}
    nested = read(JobSearch, json.dumps({"query": "x", "itemsPerPage": 7, "next": None, "flags": flags}).encode())
    beside = read(JobSearch, json.dumps({"query": "x", "itemsPerPage": 7, **flags}).encode())
    assert beside == nested.model_copy(update={"flags": None})
    assert (nested.query, nested.items_per_page, nested.filter_labels) == ("x", 7, {"a": "b"})
    assert (nested.filter_state, nested.include_updates, nested.sort_by) == ("RUNNING", True, "timeLeft")
    assert read(JobSearch, b"{}") == read(JobSearch, b'{"flags": null}') == JobSearch()


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'{"flags": {"filterState": "ASLEEP"}}', "filterState: "),
        (b'{"sortDirection": null, "flags": {"sortDirection": 1}}', "flags.sortDirection: "),
        (b'{"flags": []}', "flags: "),
        (b'{"itemsPerPage": "7"}', "itemsPerPage: "),
        (b'{"query": 1}', "query: "),
        (b'{"filterLabels": {"a": 1}}', "filterLabels.a: "),
        (b"[]", ""),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_with_the_place(content: bytes, where: str) -> None:
    with pytest.raises(RefusalError, match=f"Invalid request supplied: {where}") as refused:
        read(JobSearch, content)
    assert refused.value.status == 400


@pytest.mark.parametrize("number", ["9007199254740993", "9223372036854775807", "-9223372036854775807", "1e308", "true"])
def test_a_number_that_lasts_is_passed_on_as_it_is(number: str) -> None:
    content = f'{{"items": [{json.dumps(JOB)[:-1]}, "parameters": {{"a": [{number}]}}}}]}}'
    (item,) = read_bulk(JobSpecification, content.encode())
    assert item.as_spec()["parameters"] == {"a": [json.loads(number)]}


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775808", "1" + "0" * 400, "1e400", "-1e999"])
def test_a_number_that_would_become_another_is_refused(number: str) -> None:
    content = f'{{"items": [{json.dumps(JOB)[:-1]}, "parameters": {{"a": [{number}]}}}}]}}'
    with pytest.raises(RefusalError, match="it has a number that is too large"):
        read_bulk(JobSpecification, content.encode())


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    assert read_bulk(FindById, b'{"items": [], "items": [{"id": "1", "id": "2"}]}') == (FindById(id="2"),)
