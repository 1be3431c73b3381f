"""What the demo takes for the story, and what it doesn't."""

from collections.abc import Mapping, Sequence

import pytest

from devcluster.story import JOB, Scene, Story
from ucloud_operator.api import UCloudJob, Wallet, format_time
from ucloud_operator.lifecycle.kubelet import Pod

T0_MS = 1_795_507_200_000

BEGINNING = {"quota": 500_000_000, "localUsage": 499_000_000, "maxUsable": 100_000, "locked": False}
DRY = {"quota": 500_000_000, "localUsage": 499_100_000, "maxUsable": 0, "locked": True}

TOLD = (
    ("IN_QUEUE", "Your job is now waiting in the queue!", 0),
    ("RUNNING", "Your job is now running!", 2),
    ("SUCCESS", "Your job has been terminated (No more credits)", 122),
)


def wallet(status: Mapping[str, object], metered_seconds: float = 0) -> Wallet:
    manifest = next(
        each
        for each in Story().stage()
        if each["kind"] == "Wallet" and isinstance(each["metadata"], dict) and each["metadata"]["namespace"] == "user"
    )
    return Wallet.model_validate(manifest | {"status": {**status, "meteredAt": at(metered_seconds)}})


def job(updates: Sequence[tuple[str, str, float]], **status: object) -> UCloudJob:
    told = [{"state": state, "status": said, "timestamp": at(seconds)} for state, said, seconds in updates]
    state = updates[-1][0] if updates else None
    return UCloudJob.model_validate(Story().job() | {"status": {"state": state, "updates": told, **status}})


def pod() -> Pod:
    return Pod.model_validate({"metadata": {"name": f"j-{JOB}-job-0"}, "status": {"phase": "Running"}})


def at(seconds: float) -> str:
    return format_time(T0_MS + int(1000 * seconds))


def unmet(story: Story, beginning: Scene, end: Scene) -> list[str]:
    return [
        check.claim.partition(" ")[0] + ": " + check.seen for check in story.checks(beginning, end) if not check.holds
    ]


def test_the_story_as_it_is_told() -> None:
    beginning, end = Scene(wallet(BEGINNING)), Scene(wallet(DRY), job(TOLD))

    assert Story().is_set(beginning)
    assert not Story().is_over(beginning)
    assert Story().is_over(end)
    assert unmet(Story(), beginning, end) == []


def test_at_ten_times_the_price_it_lasts_a_tenth() -> None:
    fast = Story(pace=10)
    (product,) = (each for each in fast.stage() if each["kind"] == "ComputeProduct")
    short = (*TOLD[:2], (*TOLD[2][:2], 14.9))

    assert isinstance(product["spec"], dict)
    assert product["spec"]["price"] == 500_000
    assert fast.run_seconds == 12
    assert unmet(fast, Scene(wallet(BEGINNING)), Scene(wallet(DRY), job(short))) == []


@pytest.mark.parametrize(
    ("end", "complaint"),
    [
        (Scene(wallet(DRY), job((*TOLD[:2], (*TOLD[2][:2], 123.001)))), ["it: 121.001 s"]),
        (Scene(wallet(DRY), job(TOLD), (pod(),)), ["its: j-62348-job-0"]),
        (
            Scene(wallet(DRY | {"maxUsable": 1}), job(TOLD)),
            ["the: quota 500000000, usage 499100000, usable 1, locked"],
        ),
        (
            Scene(wallet(DRY), job((*TOLD[:2], ("SUCCESS", "Job completed successfully.", 122)))),
            ["its: the last one: “Job completed successfully.”"],
        ),
        (
            Scene(None, job(TOLD[:1])),
            [
                "the: IN_QUEUE",
                "its: the last one: “Your job is now waiting in the queue!”",
                "it: it didn't begin and end",
                "the: no wallet",
            ],
        ),
        (
            Scene(wallet(DRY)),
            ["the: no updates", "its: the last one: nothing", "it: it didn't begin and end"],
        ),
    ],
)
def test_another_story_is_said_to_be_another(end: Scene, complaint: list[str]) -> None:
    assert unmet(Story(), Scene(wallet(BEGINNING)), end) == complaint


def test_between_two_publications_the_numbers_go_on() -> None:
    run = {"number": 1, "startedAt": at(2), "price": 50_000, "replicas": 1, "periodMs": 60_000}
    running = job(TOLD[:2], ratePerMinute=50_000, runs=[run])
    before, published = Scene(wallet(BEGINNING), running), Scene(wallet(BEGINNING, metered_seconds=62), running)
    now_ms = T0_MS + 92_000

    assert (before.used(now_ms), before.usable(now_ms)) == (499_075_000, 25_000)
    assert before.dry_at_ms(now_ms) == T0_MS + 122_000
    assert (published.used(now_ms), published.usable(now_ms)) == (499_025_000, 75_000)
    assert (before.used(now_ms + 999_000), before.usable(now_ms + 999_000)) == (499_100_000, 0)


def test_nothing_is_spent_where_nothing_is() -> None:
    assert (Scene().used(T0_MS), Scene().usable(T0_MS), Scene().dry_at_ms(T0_MS)) == (0, 0, None)
    assert Scene(wallet(BEGINNING), job(TOLD)).rate_per_minute == 0
