"""The commands that a page of docs/ tells people to run, to run them as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.kind import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.e2e.kind import Kind

_BLOCK = re.compile(r"^( *)```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def commands(page: str, heading: str, *, but_for: str | None = None) -> Sequence[str]:
    """Return what a section's blocks say: where a block shows output too, the lines that begin with $.

    Blocks with the word `but_for` in them are another way to the same, and left out.
    """
    _, found, rest = (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading}"
    blocks = [match[2].splitlines() for match in _BLOCK.finditer(rest.partition("\n## ")[0])]
    lines = [
        line.strip().removeprefix("$ ")
        for block in blocks
        if but_for is None or but_for not in "\n".join(block)
        for line in block
        if line.strip().startswith("$ ") or not any(other.strip().startswith("$ ") for other in block)
    ]
    assert lines
    return lines


def run(kind: Kind, line: str, folder: Path) -> str:
    """Run a command as a person would in a checkout, but let its files go elsewhere; return what it prints."""
    for name in ("crds", "manifests"):
        if not (folder / name).exists():
            shutil.copytree(ROOT / name, folder / name)  # kubectl takes no links to folders
    environment = os.environ | {"KUBECONFIG": str(kind.kubeconfig)}
    command = ["bash", "-c", line]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert "grep" in line or done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout
