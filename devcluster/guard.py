"""The end of a cluster that belongs to one process: when that process ends, however it ends, the cluster does.

The guard is a process that reads from a pipe whose other end the owner holds. It reads nothing until the owner is gone,
even by `kill -9`; then it stops the cluster.
"""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class Guard:
    """Stands by while it is open; closing it means that the owner has stopped the cluster, or wants it stopped."""

    def __init__(self, state: Path) -> None:
        command = [sys.executable, "-m", "devcluster", "guard", f"--state={state}"]
        checkout = Path(__file__).parent.parent
        self._process = subprocess.Popen(command, cwd=checkout, stdin=subprocess.PIPE, start_new_session=True)

    def close(self) -> None:
        """Let it do its work, and wait for it."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
