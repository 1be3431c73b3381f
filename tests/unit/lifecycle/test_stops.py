import pytest

from tests.unit.lifecycle.stories import at
from ucloud_operator.api import JobState
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import (
    STOPPED,
    Outcome,
    Stop,
    billed_end_ms,
    first_stop,
    format_stop,
    outcome_of,
    parse_stop,
)


def test_a_stop_survives_its_annotation() -> None:
    for reason in STOPPED:
        stop = Stop(reason, at(120.123))
        assert parse_stop(format_stop(stop)) == stop
    assert format_stop(Stop(Reason.OutOfCredits, at(120))) == "OutOfCredits@2026-11-24T08:02:00.000Z"


@pytest.mark.parametrize(
    "text", [None, "", "OutOfCredits", "OutOfCredits@", "OutOfCredits@soon", "Completed@2026-11-24T08:02:00Z", "@"]
)
def test_what_is_no_stop_says_nothing(text: str | None) -> None:
    assert parse_stop(text) is None


def test_only_stops_are_written() -> None:
    with pytest.raises(AssertionError):
        format_stop(Stop(Reason.Completed, 0))


def test_the_earliest_stop_counts_and_in_one_millisecond_the_user_then_time_then_credits() -> None:
    credits_, time, user = (Stop(reason, 5) for reason in (Reason.OutOfCredits, Reason.Expired, Reason.Cancelled))
    assert first_stop([credits_, None, time, user]) == user
    assert first_stop([credits_, time]) == time
    assert first_stop([credits_, Stop(Reason.Cancelled, 6)]) == credits_
    assert first_stop([None]) is None


@pytest.mark.parametrize(
    ("reason", "state", "sentence"),
    [
        (Reason.Cancelled, JobState.SUCCESS, "Your job has been cancelled!"),
        (Reason.Expired, JobState.EXPIRED, "Your job has expired."),
        (Reason.Suspended, JobState.SUSPENDED, "Your job has been suspended."),
        (Reason.OutOfCredits, JobState.SUCCESS, "Your job has been terminated (No more credits)"),
        (Reason.WalletDeleted, JobState.FAILURE, "Your job has been terminated (Its wallet was deleted)"),
        (Reason.WalletBlocked, JobState.FAILURE, "Your job has been terminated (Its wallet can no longer be used)"),
        (Reason.ParentNotFound, JobState.FAILURE, "Your job has been terminated (A parent of its wallet is missing)"),
    ],
)
def test_every_stop_says_what_it_makes_of_the_job(reason: Reason, state: JobState, sentence: str) -> None:
    assert outcome_of(reason, suspends=False) == Outcome(state, reason, sentence)


def test_a_wallet_chooses_what_the_end_of_its_credits_means() -> None:
    assert outcome_of(Reason.OutOfCredits, suspends=False) == Outcome(
        JobState.SUCCESS, Reason.OutOfCredits, "Your job has been terminated (No more credits)"
    )
    assert outcome_of(Reason.OutOfCredits, suspends=True) == Outcome(
        JobState.SUSPENDED, Reason.OutOfCredits, "Your job has been suspended (No more credits)"
    )
    assert outcome_of(Reason.Expired, suspends=True) == Outcome(JobState.EXPIRED, Reason.Expired, sentences.EXPIRED)


@pytest.mark.parametrize(
    ("reason", "finished", "billed"),
    [
        (Reason.OutOfCredits, 118, 118),  # saved its work early and left
        (Reason.OutOfCredits, 119, 119),  # [119, 120) doesn't reach 120.5
        (Reason.OutOfCredits, 120, 120.5),  # [120, 121) may
        (Reason.OutOfCredits, 123, 120.5),  # the provider's loss
        (Reason.Expired, 123, 120.5),
        (Reason.WalletDeleted, 123, 120.5),
        (Reason.WalletBlocked, 123, 120.5),
        (Reason.ParentNotFound, 123, 120.5),
        (Reason.Suspended, 123, 123),
        (Reason.Cancelled, 123, 123),  # it ran until then
    ],
)
def test_credits_and_time_are_billed_to_the_instant(reason: Reason, finished: float, billed: float) -> None:
    assert billed_end_ms(at(finished), Stop(reason, at(120.5))) == at(billed)


def test_a_stamp_that_just_reaches_the_instant_is_billed_to_it() -> None:
    assert billed_end_ms(at(119), Stop(Reason.OutOfCredits, at(120))) == at(120)
    assert billed_end_ms(at(119), Stop(Reason.OutOfCredits, at(120.001))) == at(119)
