from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucloud_operator.api import FINAL_STATES, JobState, JobUpdate
from ucloud_operator.api.job import MAX_UPDATES
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.states import TRANSITIONS, allowed, append_update, diagram, step
from ucloud_operator.lifecycle.stops import STOPPED, SUSPENDED_OUT_OF_CREDITS


def test_every_state_is_in_the_table_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == {None, *JobState}
    assert {after for targets in TRANSITIONS.values() for after in targets} == set(JobState)


def test_nothing_leaves_a_final_state() -> None:
    assert all(not TRANSITIONS[state] for state in FINAL_STATES)
    assert not any(allowed(state, reason, after) for state in FINAL_STATES for reason in Reason for after in JobState)


def test_a_job_enters_by_the_queue() -> None:
    assert step(None, Reason.Queued, JobState.IN_QUEUE) is JobState.IN_QUEUE
    assert set(TRANSITIONS[None]) == {JobState.IN_QUEUE}


def test_what_is_not_in_the_table_does_not_happen() -> None:
    with pytest.raises(AssertionError, match="SUCCESS -> FAILURE because of ExitCode is no transition"):
        step(JobState.SUCCESS, Reason.ExitCode, JobState.FAILURE)


def test_a_state_and_a_reason_lead_to_one_state_but_for_what_the_wallet_chooses() -> None:
    ambiguous = {
        (before, reason)
        for before, targets in TRANSITIONS.items()
        for reason in Reason
        if sum(reason in reasons for reasons in targets.values()) > 1
    }
    assert ambiguous == {
        (JobState.IN_QUEUE, Reason.OutOfCredits),
        (JobState.IN_QUEUE, Reason.NotEnoughCredits),
        (JobState.RUNNING, Reason.OutOfCredits),
    }


def test_every_reason_leads_somewhere_but_those_that_explain_waiting() -> None:
    leading = {reason for targets in TRANSITIONS.values() for reasons in targets.values() for reason in reasons}
    assert set(Reason) - leading == {Reason.Unschedulable, Reason.Starting, Reason.Stopping}


def test_every_stop_can_happen_to_a_running_job() -> None:
    for outcome in (*STOPPED.values(), SUSPENDED_OUT_OF_CREDITS):
        assert allowed(JobState.RUNNING, outcome.reason, outcome.state)


ENDS_OF_PODS = [
    "ExitCode",
    "Signal",
    "OOMKilled",
    "Evicted",
    "NodeLost",
    "NodeRefused",
    "ImagePullFailed",
    "ConfigError",
    "PodRejected",
    "PodDeleted",
    "Unknown",
]
LOSSES = ["WalletDeleted", "WalletBlocked", "ParentNotFound"]
REFUSALS = [
    "ProductNotFound",
    "ApplicationNotFound",
    "NoWallet",
    "ParentNotFound",
    "WalletBlocked",
    "InvalidParameters",
    "NotEnoughCredits",
    "ReserveNotPossible",
]


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        (JobState.IN_QUEUE, JobState.RUNNING, ["Started"]),
        (JobState.IN_QUEUE, JobState.SUSPENDED, ["Suspended", "OutOfCredits", "NotEnoughCredits"]),
        (JobState.IN_QUEUE, JobState.SUCCESS, ["Completed", "Cancelled", "OutOfCredits"]),
        (JobState.IN_QUEUE, JobState.FAILURE, [*REFUSALS, *LOSSES, *ENDS_OF_PODS]),
        (JobState.RUNNING, JobState.SUSPENDED, ["Suspended", "OutOfCredits"]),
        (JobState.RUNNING, JobState.SUCCESS, ["Completed", "Cancelled", "OutOfCredits"]),
        (JobState.RUNNING, JobState.FAILURE, [*LOSSES, *ENDS_OF_PODS]),
        (JobState.RUNNING, JobState.EXPIRED, ["Expired"]),
        (JobState.SUSPENDED, JobState.IN_QUEUE, ["Resumed"]),
        (JobState.SUSPENDED, JobState.SUCCESS, ["Cancelled"]),
        (JobState.SUSPENDED, JobState.FAILURE, [*REFUSALS, *LOSSES]),
    ],
)
def test_a_job_goes_from_state_to_state_for_these_reasons_only(
    before: JobState, after: JobState, reasons: list[str]
) -> None:
    assert {reason.value for reason in Reason if allowed(before, reason, after)} == set(reasons)


def test_the_diagram_shows_the_table() -> None:
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    [*] --> IN_QUEUE: Queued" in lines
    assert "    RUNNING --> EXPIRED: Expired" in lines
    assert "    RUNNING --> SUCCESS: Cancelled, Completed, OutOfCredits" in lines
    assert "    EXPIRED --> [*]" in lines
    arrows = sum(len(targets) for targets in TRANSITIONS.values())
    assert len(lines) == 1 + arrows + len(FINAL_STATES)


def update(timestamp: int, state: JobState | None = None) -> JobUpdate:
    return JobUpdate(timestamp=timestamp, state=state, status=str(timestamp))


def test_updates_are_never_older_than_those_before_them() -> None:
    updates = append_update([update(5_000)], update(4_000))
    assert [(u.timestamp, u.status) for u in updates] == [(5_000, "5000"), (5_000, "4000")]


def test_the_first_and_the_last_run_outlive_any_number_of_updates_between_them() -> None:
    story = [update(1, JobState.IN_QUEUE), update(2, JobState.RUNNING), update(3, JobState.SUSPENDED)]
    story += [update(10 + n) for n in range(200)]
    story += [update(300, JobState.IN_QUEUE), update(301, JobState.RUNNING)]
    story += [update(400 + n) for n in range(200)]
    kept: tuple[JobUpdate, ...] = ()
    for happened in story:
        kept = append_update(kept, happened)
    assert len(kept) == MAX_UPDATES
    assert [u.timestamp for u in kept[:4]] == [1, 2, 3, 301]
    assert [u.timestamp for u in kept[4:]] == list(range(540, 600))


def test_of_the_runs_between_them_the_oldest_are_forgotten() -> None:
    story: list[JobUpdate] = []
    for run in range(30):
        states = (JobState.IN_QUEUE, JobState.RUNNING, JobState.SUSPENDED)
        story += [update(3 * run + step, state) for step, state in enumerate(states)]
    kept: tuple[JobUpdate, ...] = ()
    for happened in story:
        kept = append_update(kept, happened)
    assert [u.timestamp for u in kept] == [0, 1, 2, *range(90 - MAX_UPDATES + 3, 90)]


@given(st.lists(st.tuples(st.integers(0, 500), st.none() | st.sampled_from(JobState)), max_size=200))
def test_updates_stay_bounded_ascending_and_keep_their_landmarks(story: list[tuple[int, JobState | None]]) -> None:
    kept: tuple[JobUpdate, ...] = ()
    happened: list[JobUpdate] = []
    for timestamp, state in story:
        kept = append_update(kept, update(timestamp, state))
        happened.append(kept[-1])
    assert len(kept) == min(len(story), MAX_UPDATES)
    assert all(a.timestamp <= b.timestamp for a, b in pairwise(kept))
    runs = [u for u in happened if u.state is JobState.RUNNING]
    for landmark in (*happened[:1], *happened[-1:], *runs[:1], *runs[-1:]):
        assert landmark in kept
