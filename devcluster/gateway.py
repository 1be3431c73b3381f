"""The gateway beside a throw-away cluster, for as long as somebody needs it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection

from devcluster.cluster import Cluster
from devcluster.ports import free_port
from devcluster.problems import DevclusterError
from devcluster.processes import Process

_START_SECONDS = 30


@dataclass(frozen=True)
class Gateway:
    """One that runs."""

    process: Process
    port: int

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_gateway(cluster: Cluster, *options: str) -> Iterator[Gateway]:
    """Run one; of the admin's kubeconfig it takes the address alone. It counts as one of the cluster's processes."""
    gateway = Gateway(Process(cluster.state, "gateway"), free_port())
    command = [sys.executable, "-m", "ucloud_operator", "gateway", f"--http-port={gateway.port}", *options]
    gateway.process.start(["env", f"KUBECONFIG={cluster.kubeconfig}", *command])
    try:
        _wait_for(gateway)
        yield gateway
    finally:
        gateway.process.stop()


def _wait_for(gateway: Gateway) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and gateway.process.runs():
        if answers(gateway.port):
            return
        time.sleep(0.1)
    raise DevclusterError(f"The gateway doesn't answer:\n{gateway.process.last_words()}")


def answers(port: int) -> bool:
    """Whether a gateway answers there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
