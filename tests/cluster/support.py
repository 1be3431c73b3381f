"""What tests on a real API server share."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from devcluster import ADMIN, Cluster, User
from devcluster.processes import Process

T = TypeVar("T")
Manifest = Mapping[str, object]


def eventually(ask: Callable[[], T], *, within_seconds: float = 15.0, every_seconds: float = 0.05) -> T:
    """Ask until the answer is true, and return it; fail with the last answer or failed assertion if it never is."""
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            answer = ask()
            problem = f"still {answer!r} after {within_seconds} s"
        except AssertionError as unmet:
            answer, problem = None, f"still not after {within_seconds} s: {unmet}"
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(problem)
        time.sleep(every_seconds)


def built(cluster: Cluster, folder: Path) -> str:
    """What kustomize makes of a folder, without the stamps where the API server has no such kinds."""
    manifests = cluster.kubectl("kustomize", str(folder)).split("\n---\n")
    return "\n---\n".join(it for it in manifests if cluster.stamps or "\nkind: MutatingAdmissionPolicy" not in it)


def renew_controllers(cluster: Cluster) -> None:
    """Start controllers, scheduler and kubelets anew after an absence of the API server, and wait until all work.

    Left alone they come back too, but ask only after a pause that doubles with each failure to 30 s, and by chance is
    as long again (client-go's reflector): a minute in which nothing is scheduled, or more.
    """
    for name in ("controller-manager", "scheduler", "kwok"):
        cluster.process(name).stop()
    cluster.start()
    namespace = "controllers-are-renewed"
    cluster.kubectl("create", "namespace", namespace)
    eventually(
        lambda: cluster.kubectl("get", f"--namespace={namespace}", "serviceaccounts", "-oname"), within_seconds=60
    )
    container = {"name": "probe", "image": "probe"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": {"containers": [container]}}
    apply(cluster, namespace, pod)
    eventually(lambda: phase_of_probe(cluster, namespace) == "Running", within_seconds=60)
    cluster.kubectl("delete", "namespace", namespace)


def phase_of_probe(cluster: Cluster, namespace: str) -> object:
    status = get(cluster, namespace, "pod", "probe")["status"]
    assert isinstance(status, dict)
    return status.get("phase")


def apply(cluster: Cluster, namespace: str, *manifests: Manifest, user: User = ADMIN) -> None:
    """Apply objects; those without a namespace of their own go into this one."""
    items = {"apiVersion": "v1", "kind": "List", "items": manifests}
    cluster.kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=json.dumps(items), user=user)


def get(cluster: Cluster, namespace: str, *what: str, user: User = ADMIN) -> dict[str, object]:
    """One object, or a list of them."""
    found: dict[str, object] = json.loads(
        cluster.kubectl("get", f"--namespace={namespace}", "--output=json", *what, user=user)
    )
    return found


@contextmanager
def paused(process: Process) -> Iterator[None]:
    """Have a process do nothing for as long as the block takes."""
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
