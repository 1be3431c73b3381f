"""promtool, and the alerts as it wants them: the rules out of the manifest, which is the only place where they are."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from devcluster import build
from tests.monitoring.alerts import rule_groups

Promtool = Callable[..., subprocess.CompletedProcess[str]]


def run_promtool(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool; it is built where it isn't yet."""
    program = build.built(build.PROMTOOL) / "promtool"
    return subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    return run_promtool


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules as Prometheus reads them."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": rule_groups()}))
    return path
