"""The demo, as people run it: it tells the story to its end, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import Cluster
from devcluster.processes import orphans
from tests.cluster.support import eventually

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = json.loads((CHECKOUT / "tests" / "seed_job.json").read_text())
"""The job at the end of the example in UCloud's documentation."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the demo puts its cluster; whatever it leaves there, or running, fails the test."""
    yield tmp_path
    eventually(lambda: not list(tmp_path.iterdir()))


def demo(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "devcluster", "demo", "--fast"]
    environment = os.environ | {"TMPDIR": str(folder)}
    return subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def printed_job(output: str) -> dict[str, object]:
    begin, end = output.index("\n{\n") + 1, output.index("\n}\n") + 2
    job: dict[str, object] = json.loads(output[begin:end])
    return job


def without_instants(value: object) -> object:
    """The same, but for what depends on when it was played."""
    match value:
        case dict():
            instants = {"timestamp", "createdAt", "startedAt"}
            return {key: None if key in instants else without_instants(each) for key, each in value.items()}
        case list():
            return [without_instants(each) for each in value]
        case _:
            return value


def test_the_story_comes_out_as_it_is_told(folder: Path, cluster: Cluster) -> None:
    owner = EXAMPLE["owner"] if cluster.stamps else {**EXAMPLE["owner"], "createdBy": "unknown"}
    process = demo(folder)
    output, _ = process.communicate(timeout=180)

    assert process.returncode == 0, output
    assert without_instants(printed_job(output)) == without_instants({**EXAMPLE, "owner": owner})
    assert output.count("✓ ") == 6 + 3
    assert output.count("\n$ curl ") == 3
    assert "✗" not in output


def test_whoever_interrupts_it_sees_the_operators_log_and_finds_nothing_left_running(folder: Path) -> None:
    process = demo(folder)
    assert process.stdout
    told = ""
    for line in process.stdout:
        told += line
        if "is Running" in line:
            break
    (state,) = folder.iterdir()
    assert list(orphans(state)), told

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode != 0
    assert "leading, epoch 1" in output
    assert not list(orphans(state))
