"""The gateway as a process, and people who call it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from devcluster.gateway import answers
from devcluster.ports import free_port

START_SECONDS = 60
END_SECONDS = 15


@dataclass(frozen=True)
class Reply:
    """What the gateway answered."""

    status: int
    body: dict[str, object]

    @property
    def why(self) -> str:
        """The sentence of an error, whose form is checked."""
        assert list(self.body) == ["statusCode", "why", "errorCode", "detailedCode"], self.body
        assert (self.body["statusCode"], self.body["detailedCode"]) == (self.status, 0)
        return str(self.body["why"])

    @property
    def items(self) -> list[dict[str, object]]:
        """A page's items, or a bulk's responses."""
        found = self.body.get("items", self.body.get("responses"))
        assert isinstance(found, list), self.body
        return found


@dataclass(frozen=True)
class Caller:
    """Somebody who calls the gateway."""

    port: int
    token: str | None = field(repr=False)
    project: str | None = None

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post(self, path: str, *items: object) -> Reply:
        return self.ask("POST", path, json.dumps({"items": items}).encode())

    def ask(self, method: str, path: str, content: bytes | None = None, **headers: str) -> Reply:
        """Make a request; `headers` come on top of those for the token and the project."""
        own = {"Authorization": None if self.token is None else f"Bearer {self.token}", "Project": self.project}
        sent = {name: value for name, value in (own | headers).items() if value is not None}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            assert response.getheader("Content-Type") == "application/json"
            return Reply(response.status, json.loads(response.read()))
        finally:
            connection.close()


@contextmanager
def gateway(kubeconfig: Path, log: Path, *options: str) -> Iterator[int]:
    """A gateway for as long as the block takes; the port that it listens on."""
    with begun(kubeconfig, log, *options) as (process, port):
        yield port
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_SECONDS) in {0, -signal.SIGTERM}, log.read_text()


@contextmanager
def begun(
    kubeconfig: Path, log: Path, *options: str, verbose: bool = True
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A gateway that the block may end, and the port that it listens on."""
    port = free_port()
    command = [sys.executable, "-m", "ucloud_operator", "gateway", f"--http-port={port}", *options]
    if verbose:
        command.append("--verbose")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | {"KUBECONFIG": str(kubeconfig)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        if answers(port):
            return
        time.sleep(0.1)
    raise AssertionError(f"no answer after {START_SECONDS} s: {log.read_text()}")


def nobody(kubeconfig: Path, target: Path) -> Path:
    """Write a kubeconfig that says where the API server is, and of no user."""
    config: dict[str, object] = json.loads(kubeconfig.read_text())
    contexts: list[Mapping[str, Mapping[str, str]]] = config["contexts"]  # type: ignore[assignment]  # a kubeconfig
    config["users"] = []
    config["contexts"] = [
        {"name": each["name"], "context": {"cluster": each["context"]["cluster"]}} for each in contexts
    ]
    target.write_text(json.dumps(config))
    return target
