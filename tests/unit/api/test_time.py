"""Instants: RFC 3339 outside, integer milliseconds inside."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucloud_operator.api import format_time, parse_time

FIRST_MS = -62_135_596_800_000
LAST_MS = 253_402_300_799_999


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2021-10-07T06:43:21.235Z", 1633589001235),
        ("2021-10-07T08:43:21.235+02:00", 1633589001235),
        ("2021-10-06T20:43:21.235-10:00", 1633589001235),
        ("2021-10-07T06:43:21.2Z", 1633589001200),
        ("2021-10-07T06:43:21.235999Z", 1633589001235),
        ("2021-10-07T06:43:21.235999999Z", 1633589001235),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_a_time_is_read_to_the_millisecond(text: str, at_ms: int) -> None:
    assert parse_time(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-10-07",
        "2021-10-07T06:43:21",
        "2021-10-07 06:43:21Z",
        "2021-10-07t06:43:21z",
        "2021-10-07T06:43Z",
        "2021-10-07T06:43:21.Z",
        "2021-02-30T06:43:21Z",
        "2021-10-07T25:43:21Z",
        "2021-10-07T06:43:21Z\n",
        "٢٠٢١-10-07T06:43:21Z",  # digits, but not ASCII's
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # which words it uses is Python's choice for some of them
        parse_time(text)


def test_a_time_is_written_in_utc_with_three_decimals() -> None:
    assert format_time(1633589001235) == "2021-10-07T06:43:21.235Z"
    assert format_time(1633589001000) == "2021-10-07T06:43:21.000Z"


def test_a_time_beyond_the_calendar_is_written_as_its_end() -> None:
    assert format_time(FIRST_MS) == "0001-01-01T00:00:00.000Z" == format_time(FIRST_MS - 1)
    assert format_time(LAST_MS) == "9999-12-31T23:59:59.999Z" == format_time(10**19)


@given(st.integers(FIRST_MS, LAST_MS))
def test_what_is_written_is_read_back(at_ms: int) -> None:
    assert parse_time(format_time(at_ms)) == at_ms


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_time_that_python_writes_is_read_rounded_down(when: datetime) -> None:
    at_ms = parse_time(when.isoformat())
    assert 0 <= when.microsecond - at_ms % 1000 * 1000 < 1000
