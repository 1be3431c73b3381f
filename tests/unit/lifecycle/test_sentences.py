import re

import pytest

from ucloud_operator.api import parse_time
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.sentences import Reason


def test_reasons_are_what_kubernetes_takes_for_one() -> None:
    for reason in Reason:
        assert re.fullmatch(r"[A-Z][A-Za-z]+", reason)
        assert reason.value == reason.name


def test_the_documented_sentences_are_to_the_letter() -> None:
    assert sentences.QUEUED == "Your job is now waiting in the queue!"
    assert sentences.RUNNING == "Your job is now running!"
    assert sentences.OUT_OF_CREDITS == "Your job has been terminated (No more credits)"


def test_a_refusal_says_the_numbers() -> None:
    assert sentences.not_enough_credits(50_000, 12_000, 14_400, 60_000) == (
        "needs 50000 per minute; this wallet can still use 12000, which lasts 14 s"
        " (to start, it takes credits for 60 s)"
    )


@pytest.mark.parametrize(
    ("length_ms", "said"),
    [
        (0, "0 s"),
        (1, "1 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (119_999, "119 s"),
        (120_000, "2 min"),
        (7_199_999, "119 min"),
        (7_200_000, "2 h"),
        (172_799_999, "47 h"),
        (172_800_000, "2 d"),
        (10**12, "11574 d"),
    ],
)
def test_durations_are_rounded_down(length_ms: int, said: str) -> None:
    assert sentences.duration(length_ms) == said


def test_there_are_no_negative_durations() -> None:
    with pytest.raises(AssertionError):
        sentences.duration(-1)


def test_a_refusal_to_set_aside_says_for_how_long_it_could_where_that_is_worth_saying() -> None:
    assert sentences.not_enough_to_reserve(9, 60_000, 5, 1000).endswith(" 5 can be used; at the most 1 s can be")
    assert sentences.not_enough_to_reserve(9, 60_000, 5, 999).endswith(" 5 can be used")


def test_a_kubelets_message_is_put_on_one_line_and_cut() -> None:
    said = sentences.image_pull_failed("failed to\n  pull " + "x" * 1000)
    assert said.startswith("Job failed because its image could not be pulled: failed to pull xxx")
    assert said.endswith("x…")
    assert len(said) < 600


def test_a_message_that_just_fits_is_said_in_full() -> None:
    said = "Job failed because its pod was refused: "
    assert sentences.pod_rejected("x" * 512) == said + "x" * 512
    assert sentences.pod_rejected("x" * 513) == said + "x" * 511 + "…"


def test_a_kubelet_without_a_message_leaves_a_whole_sentence() -> None:
    assert sentences.node_refused(" ") == "Job failed because its node did not accept it."


def test_an_api_server_says_what_is_wrong_with_a_pod() -> None:
    assert sentences.pod_rejected("no such quota") == "Job failed because its pod was refused: no such quota"


def test_a_scheduler_says_what_is_missing() -> None:
    assert sentences.unschedulable("0/3 nodes are available: 3 Insufficient cpu.") == (
        "There are currently no machines available to run your job: 0/3 nodes are available: 3 Insufficient cpu."
    )


def test_people_are_warned_with_an_instant() -> None:
    at_ms = parse_time("2026-11-24T08:15:00Z")
    assert sentences.ends_at(900_000, at_ms) == (
        "At the present rate this job ends in 15 min, at 2026-11-24T08:15:00.000Z."
    )
    assert sentences.exhausts_at(900_000, at_ms) == (
        "At the present rate its credits end in 15 min, at 2026-11-24T08:15:00.000Z."
    )


def test_an_end_that_is_past_is_no_negative_time_away() -> None:
    at_ms = parse_time("2026-11-24T08:15:00Z")
    assert sentences.ends_at(-1, at_ms) == "At the present rate this job ends in 0 s, at 2026-11-24T08:15:00.000Z."
    assert (
        sentences.exhausts_at(-1, at_ms) == "At the present rate its credits end in 0 s, at 2026-11-24T08:15:00.000Z."
    )
