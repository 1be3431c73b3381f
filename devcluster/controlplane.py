"""The processes of a cluster: started, kept and ended together.

Starting makes true what it wants to see: it keeps what runs as it should, and starts what is missing, has died, or was
started with another command. So a second start changes nothing, and the same code mends whatever a crash left.
"""

import json
import ssl
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from devcluster import components, kubelets, users
from devcluster.components import Ports
from devcluster.ports import LOOPBACK, free_port
from devcluster.problems import DevclusterError
from devcluster.processes import Process, end_session, is_alive, orphans
from devcluster.programs import Programs

NAMES = ("etcd", "api-server", "controller-manager", "scheduler", "kwok")

_PORT_ATTEMPTS = 5
_READY_SECONDS = 120.0


@dataclass(frozen=True)
class ControlPlane:
    """The control plane whose files are in `state`. Its methods must not run twice at once: `Cluster` sees to that."""

    state: Path

    def process(self, name: str) -> Process:
        """One component's process."""
        return Process(self.state, name)

    def start_servers(self, programs: Programs) -> Ports:
        """Start etcd and the API server; afterwards it answers and the kubeconfigs are right."""
        ports = self._start_on_free_ports(programs)
        users.write_kubeconfigs(self.state, components.server_url(ports), components.certificate(self.state))
        return ports

    def start_clients(self, programs: Programs, ports: Ports) -> None:
        """Start the rest, which works through the API server."""
        stages = kubelets.write_configuration(self.state)
        for name, command in components.clients(programs, self.state, ports, stages):
            self._ensure(name, command)

    def check(self) -> None:
        """Complain if a component has ended meanwhile."""
        for name in NAMES:
            if not self.process(name).runs():
                raise DevclusterError(_ended(self.process(name)))

    def stop(self) -> None:
        """End every process that this state directory ever started."""
        for name in reversed(NAMES):
            self.process(name).stop()
        for pid in orphans(self.state):
            end_session(pid, still_runs=partial(is_alive, pid))

    def _start_on_free_ports(self, programs: Programs) -> Ports:
        """Start the servers; on other ports where somebody else has taken theirs."""
        for _ in range(_PORT_ATTEMPTS):
            ports = self._choose_ports()
            etcd = components.etcd(programs, self.state, ports)
            api_server = components.api_server(programs, self.state, ports)
            if self._ensure("etcd", etcd, partial(_etcd_is_healthy, ports)) and self._ensure(
                "api-server", api_server, partial(self._api_server_is_ready, ports)
            ):
                return ports
        raise DevclusterError("Every port that was free a moment before was taken; is something scanning them?")

    def _choose_ports(self) -> Ports:
        """The ports from last time, but for those that are another's now."""
        record = self.state / "ports.json"
        last = Ports(**json.loads(record.read_text())) if record.exists() else Ports()
        etcd_runs, api_server_runs = self.process("etcd").runs(), self.process("api-server").runs()
        ports = Ports(
            etcd=last.etcd if etcd_runs else free_port(last.etcd),
            etcd_peers=last.etcd_peers if etcd_runs else free_port(last.etcd_peers),
            api_server=last.api_server if api_server_runs else free_port(last.api_server),
        )
        record.write_text(json.dumps(asdict(ports)))
        return ports

    def _ensure(self, name: str, command: list[str], is_ready: Callable[[], bool] = lambda: True) -> bool:
        """Make a component run by this command; false means that its port was taken."""
        process = self.process(name)
        if not process.runs(command):
            process.stop()
            process.start(command)
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if is_ready():
                return True
            if not process.runs():
                last_words = process.last_words()
                if "address already in use" in last_words:
                    return False
                raise DevclusterError(_ended(process))
            time.sleep(0.05)
        raise DevclusterError(
            f"{name} isn't ready after {_READY_SECONDS:.0f} s ({process.log}):\n{process.last_words()}"
        )

    def _api_server_is_ready(self, ports: Ports) -> bool:
        authority = components.certificate(self.state)
        if not authority.exists():
            return False
        try:
            context = ssl.create_default_context(cafile=authority)
        except ssl.SSLError:  # half written
            return False
        return _answers(f"{components.server_url(ports)}/readyz", context)


def _ended(process: Process) -> str:
    advice = "`python -m devcluster down` clears everything away for a fresh start."
    return f"{process.name} ended at once. {advice} Its log, {process.log}, says:\n{process.last_words()}"


def _etcd_is_healthy(ports: Ports) -> bool:
    return _answers(f"http://{LOOPBACK}:{ports.etcd}/health")


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with direct.open(url, timeout=5):
            return True
    except OSError:
        return False
