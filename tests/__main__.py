"""Run every check and test that can run on this machine, tier by tier, and say how long each took.

`make test` calls this. A tier that can't run here is named at the end, with the reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PURE = ("ucloud_operator.ledger", "ucloud_operator.lifecycle")
IN_PARALLEL = ("--numprocesses=auto", "--dist=worksteal")

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
"""Sets have the same order in every run, so that a seed plays the same story again."""


@dataclass(frozen=True)
class Tier:
    """Commands that run one after the other."""

    name: str
    commands: tuple[tuple[str, ...], ...]


def pytest(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs these tests with this interpreter."""
    return (sys.executable, "-m", "pytest", "-q", *arguments)


TIERS = (
    Tier(
        "checks",
        (
            (str(BIN / "ruff"), "check", "--quiet", "."),
            (str(BIN / "ruff"), "format", "--quiet", "--check", "."),
            (str(BIN / "mypy"),),
            (str(BIN / "lint-imports"), "--no-cache"),
        ),
    ),
    Tier(
        "unit",
        (
            pytest(
                "tests/unit",
                *IN_PARALLEL,
                *(f"--cov={package}" for package in PURE),
                "--cov-branch",
                "--cov-report=term",
                "--cov-fail-under=100",
            ),
        ),
    ),
    Tier("monitoring", (pytest("tests/monitoring"),)),
    Tier("simulation", (pytest("tests/simulation", *IN_PARALLEL),)),
    Tier("cluster", (pytest("tests/cluster"),)),
    Tier("e2e", (pytest("tests/e2e"),)),
)


def why_not(tier: Tier) -> str:
    """Return why a tier can't run here, or an empty string."""
    if tier.name != "e2e":
        return ""
    for program in ("docker", "kind", "kubectl"):
        if shutil.which(program) is None:
            return f"there is no {program} on the PATH"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "docker doesn't answer"
    return ""


def run(tier: Tier) -> tuple[bool, float]:
    """Run a tier to its end or first failure; return whether it passed and the seconds it took."""
    started = time.monotonic()
    for command in tier.commands:
        shown = " ".join((Path(command[0]).name, *command[1:]))
        print(f"\n--- {tier.name}: {shown}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False, env=ENVIRONMENT).returncode != 0:
            return False, time.monotonic() - started
    return True, time.monotonic() - started


def main() -> int:
    """Run the tiers that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("--only", choices=[tier.name for tier in TIERS], help="run this tier alone")
    only = parser.parse_args().only
    lines, failed = [], False
    for tier in TIERS:
        if only and tier.name != only:
            continue
        if reason := why_not(tier):
            lines.append(f"{tier.name:<20} skipped: {reason}")
            failed |= bool(only)
            continue
        passed, seconds = run(tier)
        failed |= not passed
        lines.append(f"{tier.name:<20} {'passed' if passed else 'FAILED'} in {seconds:.0f} s")
    print("\n" + "\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
