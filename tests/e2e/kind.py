"""What the end-to-end tests do with a cluster: call kind and kubectl, apply stories, wait."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ucloud_operator.api import UCloudJob, Wallet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parent.parent.parent
OPERATOR_IMAGE = "ucloud-operator:0.1.0"
APPLICATION_IMAGE = "busybox:1.37"

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

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Call kubectl, and return what it prints."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

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

    def job(self, namespace: str, name: str) -> UCloudJob:
        """Return a job."""
        return UCloudJob.model_validate(self.get("ucloudjob", name, f"--namespace={namespace}"))

    def wallet(self, namespace: str, name: str = "compute") -> Wallet:
        """Return a wallet."""
        return Wallet.model_validate(self.get("wallet", name, f"--namespace={namespace}"))

    def pods(self, namespace: str) -> list[dict[str, object]]:
        """Return a namespace's pods."""
        items = self.get("pods", f"--namespace={namespace}")["items"]
        assert isinstance(items, list)
        return items


def told(kind: Kind, namespace: str) -> str:
    """Return what there is to know about a namespace and the operator, for a test that has failed."""
    state = kind.kubectl("get", "ucloudjobs,wallets,pods,events", f"--namespace={namespace}", "--output=yaml")
    log = kind.kubectl("logs", "--namespace=ucloud-system", "--selector=app.kubernetes.io/name=ucloud-operator")
    return f"{state}\n{log}"


def eventually(ask: Callable[[], T | None], within_seconds: float = 60) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + within_seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {within_seconds} s"
        time.sleep(0.2)


def workspace(name: str, usable: int) -> tuple[dict[str, object], ...]:
    """Return a namespace under the restricted profile, with a wallet that can pay so much."""
    allocation = {"id": "all", "quota": usable, "startDate": "2026-01-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"}
    category = {"name": "e2e", "provider": "example", "accountingFrequency": "PERIODIC_MINUTE"}
    return (
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {
            "apiVersion": "ucloud.dk/v1alpha1",
            "kind": "Wallet",
            "metadata": {"name": "compute", "namespace": name},
            "spec": {
                "owner": {"type": "user", "username": name},
                "paysFor": category,
                "allocationGroups": [{"allocations": [allocation]}],
            },
        },
    )


def product(price: int) -> dict[str, object]:
    """Return a small product at that price per minute."""
    category = {"name": "e2e", "provider": "example"}
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "ComputeProduct",
        "metadata": {"name": f"e2e-{price}"},
        "spec": {"category": category, "price": price, "cpuMillis": 20, "memoryInGigs": 1},
    }


def application(name: str, script: str) -> dict[str, object]:
    """Return an application that runs a shell script."""
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {
            "name": name,
            "version": "1",
            "image": APPLICATION_IMAGE,
            "command": ["sh", "-c", script],
        },
    }


def job(namespace: str, name: str, app: str, price: int, **spec: object) -> dict[str, object]:
    """Return a job of that application."""
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "UCloudJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "application": {"name": app, "version": "1"},
            "product": {"id": f"e2e-{price}", "category": "e2e", "provider": "example"},
            **spec,
        },
    }
