"""What the end-to-end tests do with a cluster: call kind and kubectl, follow jobs, wait."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ucloud_operator.api import UCloudJob, Wallet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent.parent
OPERATOR_IMAGE = "ucloud-operator:0.1.0"
APPLICATION_IMAGE = "busybox:1.37"
SYSTEM = "ucloud-system"
DEPLOYMENT = "deployment/ucloud-operator"

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """One kind cluster."""

    name: str
    kubeconfig: Path

    def run(self, *arguments: str) -> None:
        """Call kind."""
        command = ["kind", *arguments, "--name", self.name]
        if arguments[0] != "load":
            command += ["--kubeconfig", str(self.kubeconfig)]
        subprocess.run(command, check=True)

    def load(self, image: str) -> None:
        """Give the nodes an image."""
        self.run("load", "docker-image", image)

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes, which are those of their containers."""
        return self.kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.name}").split()

    def command(self, *arguments: str) -> list[str]:
        """Return how kubectl is called for this cluster."""
        return ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Call kubectl, and return what it prints; if it fails, so does the test, with what it said."""
        done = self.asked(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def asked(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Call kubectl, and return how that went."""
        return subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True, check=False)

    def apply(self, *objects: Mapping[str, object]) -> None:
        """Apply objects."""
        self._apply(objects)

    def _apply(self, objects: Sequence[Mapping[str, object]], *options: str) -> None:
        everything = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", *options, "--filename=-", stdin=json.dumps(everything))

    def takes(self, *objects: Mapping[str, object]) -> bool:
        """Say whether the API server would take objects: its mutating policies learn of new kinds some seconds late."""
        try:
            self._apply(objects, "--dry-run=server")
        except AssertionError as refused:
            if "There can be a delay" not in str(refused):
                raise
            return False
        return True

    def get(self, *what: str) -> dict[str, object]:
        """Return an object, or a list of them."""
        found: dict[str, object] = json.loads(self.kubectl("get", "--output=json", *what))
        return found

    def items(self, *what: str) -> list[dict[str, Any]]:
        """Return what is in a list."""
        found = self.get(*what)["items"]
        assert isinstance(found, list)
        return found

    def roll_out(self, *change: str) -> None:
        """Change the operator's Deployment by a command of kubectl, and wait until all replicas are as it says."""
        self.kubectl(*change)
        self.kubectl("rollout", "status", f"--namespace={SYSTEM}", DEPLOYMENT, "--timeout=120s")

    def job(self, namespace: str, name: str = "1") -> UCloudJob:
        """Return a job."""
        return UCloudJob.model_validate(self.get("ucloudjob", name, f"--namespace={namespace}"))

    def wallet(self, namespace: str, name: str = "compute") -> Wallet:
        """Return a wallet."""
        return Wallet.model_validate(self.get("wallet", name, f"--namespace={namespace}"))

    def pods(self, namespace: str) -> list[dict[str, Any]]:
        """Return a namespace's pods."""
        return self.items("pods", f"--namespace={namespace}")

    def container(self, namespace: str) -> str:
        """Return by what identifier the runtime knows the container of a namespace's only running pod."""
        path = "--output=jsonpath={.items[*].status.containerStatuses[*].containerID}"
        return eventually(lambda: self.kubectl("get", "pods", f"--namespace={namespace}", path)).partition("://")[2]

    def leader(self) -> str:
        """Return the name of the operator's pod that leads."""
        return self.kubectl(
            "get", "lease", "ucloud-operator", f"--namespace={SYSTEM}", "--output=jsonpath={.spec.holderIdentity}"
        )

    @contextmanager
    def proxy(self) -> Iterator[Callable[[str], None]]:
        """Lend a function that sends a DELETE to a path at once, without the time that it takes to start kubectl."""
        with subprocess.Popen(self.command("proxy", "--port=0"), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            address = process.stdout.readline().split()[-1]  # Starting to serve on 127.0.0.1:…

            def delete(path: str) -> None:
                with closing(HTTPConnection(address, timeout=10)) as connection:
                    connection.request("DELETE", path)
                    assert connection.getresponse().status == HTTPStatus.OK

            try:
                yield delete
            finally:
                process.terminate()

    def awaited(self, namespace: str, met: Callable[[UCloudJob], bool], within_seconds: float = 120) -> UCloudJob:
        """Wait until a namespace's job is as wanted, and return it."""
        try:
            return eventually(lambda: found if met(found := self.job(namespace)) else None, within_seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told(namespace)}") from None

    def told(self, namespace: str) -> str:
        """Return what there is to know about a namespace and the operator, for a test that has failed."""
        state = self.kubectl("get", "ucloudjobs,wallets,pods,events", f"--namespace={namespace}", "--output=yaml")
        log = self.kubectl("logs", f"--namespace={SYSTEM}", "--selector=app.kubernetes.io/name=ucloud-operator")
        return f"{state}\n{log}"


def eventually(ask: Callable[[], T | None], within_seconds: float = 60) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + within_seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {within_seconds} s"
        time.sleep(0.3)
