"""Processes that outlive whoever started them, and are never confused with somebody else's.

A process is known by a **lock**, not by its number: the file `<name>.pid` is locked (flock) before the process is
started, the process inherits the open file, and so the lock is held exactly as long as the process lives. A number
that the system has given to another program meanwhile, a machine that was restarted, a parent that was killed: the
lock tells the truth in each case. The process itself writes its number into the file, so there is no moment at which
a killed parent leaves a process that nothing knows of.

Each process leads a session of its own: a Ctrl-C in the terminal doesn't reach it, and one signal ends it with all that
it may have started.
"""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from devcluster.problems import DevclusterError

MARK = "UCLOUD_DEVCLUSTER_STATE"
"""Environment variable by which a process of ours can be recognised after its state directory was removed."""

_LAUNCH = 'cd "$1" && echo $$ > "$2" && shift 2 && exec "$@"'
_KILL_AFTER_SECONDS = 3.0


@dataclass(frozen=True)
class Process:
    """One component of one cluster, running or not."""

    state: Path
    name: str

    @property
    def log(self) -> Path:
        """Where its output goes; the run before is kept beside it."""
        return self.state / "logs" / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.state / f"{self.name}.pid"

    @property
    def _command_file(self) -> Path:
        return self.state / f"{self.name}.command"

    def start(self, command: Sequence[str]) -> None:
        """Start it; it must not run yet."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        self._command_file.write_text("\0".join(command))
        with self._pid_file.open("a") as lock:
            _take(lock)
            lock.truncate(0)  # the last one's number
            os.set_inheritable(lock.fileno(), True)  # noqa: FBT003  # there is no other way to say it
            # Not subprocess, which wants to see its children's end.
            os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", _LAUNCH, "sh", str(self.state), str(self._pid_file), *command],
                {**os.environ, MARK: str(self.state)},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )

    def runs(self, command: Sequence[str] | None = None) -> bool:
        """Whether it runs, and by this command."""
        if not _is_locked(self._pid_file):
            return False
        return command is None or self._command_file.read_text() == "\0".join(command)

    @property
    def pid(self) -> int | None:
        """Its number while it runs."""
        if not self.runs():
            return None
        for _ in range(100):  # the lock is taken a moment before the number is written
            if number := self._pid_file.read_text().strip():
                return int(number)
            time.sleep(0.01)
        return None

    def stop(self) -> None:
        """End it and wait until it has ended: politely first, then not."""
        pid = self.pid
        if pid is not None:
            end_session(pid, still_runs=self.runs)
        self._pid_file.unlink(missing_ok=True)
        self._command_file.unlink(missing_ok=True)

    def last_words(self, lines: int = 15) -> str:
        """The end of its log, for error messages."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def end_session(pid: int, *, still_runs: Callable[[], bool]) -> None:
    """Send SIGTERM, after three seconds SIGKILL, to the session that `pid` leads, until `still_runs()` is false."""
    for number, patience_seconds in ((signal.SIGTERM, _KILL_AFTER_SECONDS), (signal.SIGKILL, _KILL_AFTER_SECONDS)):
        _signal_session(pid, number)
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            _reap(pid)
            if not still_runs():
                return
            time.sleep(0.02)


def orphans(state: Path) -> Iterator[int]:
    """Processes that carry this state directory's mark: all that it ever started, even if the directory is gone.

    Only Linux tells; elsewhere a state directory that was removed by hand leaves its processes to their owner.
    """
    wanted = f"{MARK}={state}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            environment = entry.read_bytes().split(b"\0")
        except OSError:  # it has just ended, or is another user's
            continue
        if wanted in environment and (pid := int(entry.parent.name)) != os.getpid():
            yield pid


def is_alive(pid: int) -> bool:
    """Whether a process of this number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _take(lock: IO[str]) -> None:
    """Lock the file, which nothing holds but, for an instant, somebody who asks whether it is locked."""
    for _ in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return
    raise DevclusterError(f"{lock.name} is locked: something of this name runs already")


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _signal_session(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _reap(pid: int) -> None:
    """Take note of a child's end, so that it doesn't stay as a zombie of this process."""
    with suppress(ChildProcessError):  # another process started it
        os.waitpid(pid, os.WNOHANG)
