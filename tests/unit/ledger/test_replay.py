"""Scenarios: the shared vectors, jobs that run in them, and what is refused."""

import json
from pathlib import Path

import pytest

from ucloud_operator.ledger.replay import replay
from ucloud_operator.ledger.scenario import ScenarioError

VECTORS = Path(__file__).parents[2] / "vectors"
Do = list[dict[str, object]]


def steps(*some: tuple[int, Do]) -> dict[str, object]:
    return {"steps": [{"at": at, "do": do} for at, do in some]}


def allocate(
    name: str, to: str, quota: int, source: str | None = None, *, start: int = 0, end: int = 1000
) -> dict[str, object]:
    return {"allocate": {"id": name, "to": to, "from": source, "quota": quota, "start": start, "end": end}}


def run(job: str, wallet: str, price: int, **more: int) -> dict[str, object]:
    return {"run": {"wallet": wallet, "job": job, "pricePerMinute": price, **more}}


def stop(job: str) -> dict[str, object]:
    return {"stop": {"job": job}}


def usage(job: str, wallet: str, total: int) -> dict[str, object]:
    return {"usage": {"wallet": wallet, "job": job, "total": total}}


def played(*some: tuple[int, Do]) -> list[dict[str, object]]:
    return list(replay(steps(*some)))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_a_vector_prints_what_it_expects(path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    lines = list(replay(vector))
    assert [line["wallets"] for line in lines] == [step["expect"] for step in vector["steps"]]
    assert [line["at"] for line in lines] == [step["at"] for step in vector["steps"]]
    assert not any("forecast" in line for line in lines)


def test_jobs_that_run_are_metered_and_forecast() -> None:
    lines = played(
        (0, [allocate("a", "w", 100), run("j", "w", 7, replicas=2), run("k", "w", 6)]),
        (2, [stop("k")]),
        (3, [stop("k"), run("k", "w", 36)]),
        (9, []),
    )
    usages = [line["wallets"]["w"]["localUsage"] for line in lines]  # type: ignore[index]  # it is JSON
    assert usages == [0, 40, 54, 100]
    assert [line["forecast"] for line in lines] == [
        {"atMs": 300_000, "stops": ["j", "k"]},
        {"atMs": 120_000 + 257_143, "stops": ["j"]},
        {"atMs": 180_000 + 55_715, "stops": ["j", "k"]},  # 45 and 55: both are rounded down
        None,
    ]


def test_a_top_up_in_the_very_minute_keeps_a_job_alive() -> None:
    lines = played((0, [allocate("a", "w", 10), run("j", "w", 10)]), (1, [{"resize": {"id": "a", "quota": 20}}]))
    assert lines[1]["forecast"] == {"atMs": 120_000, "stops": ["j"]}


def test_a_resize_finds_its_allocation_among_others_and_leaves_a_retired_one() -> None:
    resize: dict[str, object] = {"resize": {"id": "a", "quota": 5}}
    lines = played(
        (0, [allocate("a", "w", 10, end=2), allocate("b", "w", 10, "p"), allocate("c", "w", 1, "p")]),
        (1, [resize]),
        (2, [{"resize": {"id": "a", "quota": 99}}]),
    )
    assert [line["wallets"]["w"]["quota"] for line in lines] == [21, 16, 11]  # type: ignore[index]  # it is JSON


def test_a_scenario_may_be_empty() -> None:
    assert list(replay({"steps": []})) == []


@pytest.mark.parametrize(
    ("scenario", "sentence"),
    [
        ({}, "^steps: Field required"),
        (steps((0, []), (1, [{"allocate": {"id": "a"}}])), "step 2, operation 1, allocate.to: Field required"),
        (steps((0, [{"alocate": {}}])), "step 1, operation 1, alocate: there is no such thing"),
        (steps((0, [{}])), "operation 1: an operation is exactly one of allocate, resize, usage, run, stop"),
        (steps((0, [stop("j") | run("j", "w", 1)])), "operation 1: an operation is exactly one of"),
        (steps((0, [{"stop": None}])), "operation 1: an operation is exactly one of"),
        (steps((0, [usage("j", "w", -3)])), "usage.total: Input should be greater than or equal to 0"),
        (steps((0, [usage("j", "w", 3), usage("j", "w", 2)])), "operation 2, usage: j has used 3 already"),
        (steps((0, [run("j", "w", 1), usage("j", "w", 2)])), "usage: j is metered by its runs"),
        (steps((0, [usage("j", "w", 2), run("j", "w", 1)])), "run: j reports its usage"),
        (steps((0, [run("j", "w", 0), run("j", "w", 1)])), "run: job j runs already"),
        (steps((0, [run("j", "w", 0), run("j", "v", 1)])), "run: job j belongs to w"),
        (steps((3, []), (1, [])), "step 2 is at minute 1, the one before it at 3"),
        (steps((0, [stop("x")])), "step 1, operation 1, stop: there is no job x"),
        (steps((0, [{"resize": {"id": "a", "quota": 1}}])), "resize: there is no allocation a"),
        (steps((0, [allocate("a", "w", 1, "w")])), "allocate: w can't grant to itself"),
        (steps((0, [allocate("a", "w", 1), allocate("a", "v", 1)])), "there is an allocation a already"),
        (steps((0, [allocate("a", "w", 1, start=2, end=1)])), "allocation a: it ends at 60000, before it starts"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(scenario: dict[str, object], sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        list(replay(scenario))
