"""Telling people who wait what they wait for."""

import subprocess
import sys
import time
from collections import deque
from threading import Event, Thread

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_BETWEEN_UPDATES = 0.5


class Progress:
    """A line that says what is done and why, then how far it is: in place on a terminal, else every 15 seconds."""

    def __init__(self, headline: str) -> None:
        self._began = time.monotonic()
        self._on_terminal = sys.stderr.isatty()
        print(headline, file=sys.stderr, flush=True)

    def count(self, process: subprocess.Popen[str], unit: str) -> str:
        """Count the lines that a process writes to its standard error, to its end; return the last of them."""
        last_lines: deque[str] = deque(maxlen=20)
        number, ended = 0, Event()

        def tell() -> None:
            while not ended.wait(_SECONDS_BETWEEN_UPDATES if self._on_terminal else _SECONDS_BETWEEN_LINES):
                self._print(f"{number} {unit}", end="" if self._on_terminal else "\n")

        teller = Thread(target=tell)
        teller.start()
        for line in process.stderr or ():
            number += 1
            last_lines.append(line)
        ended.set()
        teller.join()
        return "".join(last_lines)

    def note(self, state: str) -> None:
        """Say what has just happened, and keep it on the screen."""
        self._print(state, end="\n")

    def _print(self, state: str, end: str) -> None:
        start = "\r\033[K" if self._on_terminal else ""
        elapsed = int(time.monotonic() - self._began)
        print(f"{start}  {elapsed // 60}:{elapsed % 60:02} {state}", end=end, file=sys.stderr, flush=True)
