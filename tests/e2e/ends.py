"""When containers really end: as the node's container runtime says, to the nanosecond.

A kubelet's `finishedAt` is in whole seconds, too coarse for a promise of one second. The runtime's own events have the
moment at which the kernel reported the process's end, by the clock that the operator on the same machine reads.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.kind import Kind

_EVENTS = ("ctr", "--namespace=k8s.io", "events")


class Ends:
    """The ends of all containers since this began to listen."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ended_ms: dict[str, float] = {}

    def wait(self, container: str, within_seconds: float) -> float:
        """Return when a container ended (unix milliseconds), if need be after it has."""
        with self._changed:
            assert self._changed.wait_for(lambda: container in self._ended_ms, within_seconds), f"{container} runs on"
            return self._ended_ms[container]

    def follow(self, events: Iterator[str]) -> None:
        """Take down what a node's runtime says, until it ends."""
        for line in events:
            _, topic, told = line.partition("/tasks/exit ")
            if not topic:
                continue
            exit_ = json.loads(told)
            if exit_["id"] != exit_["container_id"]:  # a process that was executed in it
                continue
            at = exit_["exited_at"]
            with self._changed:
                self._ended_ms[exit_["container_id"]] = at["seconds"] * 1000 + at.get("nanos", 0) / 1e6
                self._changed.notify_all()


@contextmanager
def listening(kind: Kind) -> Iterator[Ends]:
    """Listen to the container runtime of every node, as long as the block takes."""
    ends = Ends()
    nodes = kind.nodes
    with ExitStack() as processes:
        for node in nodes:
            command = ["docker", "exec", node, *_EVENTS]
            process = processes.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            assert process.stdout
            threading.Thread(target=ends.follow, args=(process.stdout,), daemon=True).start()
        time.sleep(1)  # until they have subscribed
        try:
            yield ends
        finally:
            for node in nodes:  # ends `docker exec` and the thread too; the other way round it would go on
                subprocess.run(["docker", "exec", node, "pkill", "--full", " ".join(_EVENTS)], check=False)
