"""Where the lines of jobs go that leave."""

from __future__ import annotations

import pytest

from tests.unit.lifecycle.lives import life
from tests.unit.lifecycle.stories import at, wallet
from ucloud_operator.api import ObjectMeta, UCloudJob, parse_time
from ucloud_operator.api.checkpoint import WalletCheckpoint
from ucloud_operator.api.statement import WalletStatement, WalletStatementSpec
from ucloud_operator.lifecycle.statement import (
    LINES_PER_PART,
    account_of,
    account_of_job,
    enter,
    line_of,
    month_of,
    settled_by,
)

ACCOUNT = account_of(wallet())


def left(number: int, usage: int = 10) -> UCloudJob:
    job = life().has_run(1, 30).is_final(usage=usage).view.job
    return job.model_copy(update={"metadata": job.metadata.model_copy(update={"uid": f"job-{number}"})})


def statement(spec: WalletStatementSpec) -> WalletStatement:
    return WalletStatement(metadata=ObjectMeta(name="statement", namespace="ucloud-system"), spec=spec)


def part(number: int, *jobs: UCloudJob, closed: bool = False, month: str = "2026-11") -> WalletStatement:
    lines = tuple(line_of(job) for job in jobs)
    total = sum(line.usage for line in lines)
    return statement(
        WalletStatementSpec(wallet=ACCOUNT, month=month, part=number, closed=closed, lines=lines, total=total)
    )


def test_months_are_utc() -> None:
    assert month_of(at(0)) == "2026-11"
    december_ms = parse_time("2026-12-01T00:00:00Z")
    assert (month_of(december_ms - 1), month_of(december_ms)) == ("2026-11", "2026-12")


def test_a_job_belongs_to_the_statements_of_its_wallet_whoever_has_that_name_now() -> None:
    assert account_of_job(left(1)) == ACCOUNT
    assert account_of_job(life().view.job) is None


def test_a_line_says_who_ran_what_when_and_for_how_much() -> None:
    line = line_of(left(1, usage=24_000))
    assert (line.uid, line.job, line.product, line.usage) == ("job-1", "62348", "example-compute", 24_000)
    assert (line.started_at, line.ended_at, line.replicas) == (at(1), at(30), 1)
    assert (line.reason, line.created_by) == ("Completed", None)
    job = left(1)
    annotated = job.metadata.model_copy(update={"annotations": {"ucloud.dk/created-by": "ada"}})
    assert line_of(job.model_copy(update={"metadata": annotated})).created_by == "ada"


def test_only_what_has_ended_gets_a_line() -> None:
    with pytest.raises(AssertionError, match="ended"):
        line_of(life().has_run(1).view.job)
    with pytest.raises(AssertionError, match="ended"):
        line_of(life().is_final().view.job)


def test_the_first_line_of_a_month_begins_its_first_part() -> None:
    (entry,) = enter(ACCOUNT, [part(1, left(0), month="2026-10")], [left(1), left(2)], "2026-11")
    assert entry.present is None
    assert (entry.spec.part, entry.spec.total, len(entry.spec.lines)) == (1, 20, 2)


def test_further_lines_are_added_to_the_last_part_that_has_room() -> None:
    first, last = part(1, left(0)), part(2, left(1))
    (entry,) = enter(ACCOUNT, [last, first], [left(2)], "2026-11")
    assert entry.present is last
    assert (entry.spec.total, [line.uid for line in entry.spec.lines]) == (20, ["job-1", "job-2"])
    (entry,) = enter(ACCOUNT, [part(1, left(0), closed=True), last], [left(2)], "2026-11")
    assert entry.present is last


def test_a_full_or_closed_part_is_followed_by_another() -> None:
    full = part(1, *(left(number) for number in range(LINES_PER_PART)))
    assert [entry.spec.part for entry in enter(ACCOUNT, [full], [left(999)], "2026-11")] == [2]
    closed = part(1, left(0), closed=True)
    assert [entry.spec.part for entry in enter(ACCOUNT, [closed], [left(1)], "2026-11")] == [2]
    both = [part(1, left(0), closed=True), part(2, left(1), closed=True)]
    assert [entry.spec.part for entry in enter(ACCOUNT, both, [left(2)], "2026-11")] == [3]


def test_many_jobs_fill_as_many_parts_as_they_need() -> None:
    jobs = [left(number) for number in range(LINES_PER_PART + 1)]
    entries = list(enter(ACCOUNT, [part(1, left(1000))], jobs, "2026-11"))
    assert [(entry.spec.part, len(entry.spec.lines)) for entry in entries] == [(1, LINES_PER_PART), (2, 2)]


def test_no_job_has_its_line_in_two_of_them() -> None:
    jobs = [left(number) for number in range(2 * LINES_PER_PART + 1)]
    entries = list(enter(ACCOUNT, [], jobs, "2026-11"))
    assert [(entry.spec.part, len(entry.spec.lines)) for entry in entries] == [
        (1, LINES_PER_PART),
        (2, LINES_PER_PART),
        (3, 1),
    ]
    assert [line.uid for entry in entries for line in entry.spec.lines] == [job.metadata.uid for job in jobs]


def test_a_job_is_settled_once() -> None:
    with pytest.raises(AssertionError, match="once"):
        list(enter(ACCOUNT, [part(1, left(0))], [left(0)], "2026-11"))


def test_a_total_never_shrinks() -> None:
    present = part(1, left(0))
    larger = statement(present.spec.model_copy(update={"total": 21}))
    with pytest.raises(AssertionError, match="only grows"):
        list(enter(ACCOUNT, [larger], [left(1)], "2026-11"))


def test_all_parts_together_are_what_is_settled() -> None:
    closing = WalletCheckpoint(opening_usage=7)
    last = part(2, left(1))
    ended = statement(last.spec.model_copy(update={"closing": closing}))
    settled = settled_by([part(1, left(0)), ended])
    assert (settled.usage, settled.uids, settled.closing) == (20, frozenset({"job-0", "job-1"}), closing)
    assert settled_by([]).closing is None
