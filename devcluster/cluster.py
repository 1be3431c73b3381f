"""A throw-away cluster, as tests and the command line use it."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from devcluster import install, users
from devcluster.controlplane import NAMES, ControlPlane
from devcluster.guard import Guard
from devcluster.problems import DevclusterError
from devcluster.processes import Process
from devcluster.programs import Programs, find_programs
from devcluster.users import ADMIN, User


@dataclass
class Cluster:
    """A cluster with its files in `state`; two with different state directories know nothing of each other."""

    state: Path
    nodes: int = 2

    def __post_init__(self) -> None:
        self.state = self.state.resolve()

    @cached_property
    def programs(self) -> Programs:
        """The executables; looked for, or built, when first asked for."""
        return find_programs()

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig."""
        return self.kubeconfig_of(ADMIN)

    def kubeconfig_of(self, user: User) -> Path:
        """The kubeconfig that logs in as `user`."""
        return users.kubeconfig(self.state, user)

    @cached_property
    def stamps(self) -> bool:
        """Whether the API server itself stamps new jobs and wallets; before Kubernetes 1.36 the operator has to."""
        return install.can_stamp(self)

    def process(self, name: str) -> Process:
        """A component's process: etcd, api-server, controller-manager, scheduler or kwok."""
        return ControlPlane(self.state).process(name)

    def running(self) -> dict[str, bool]:
        """Which components run."""
        return {name: self.process(name).runs() for name in NAMES}

    def start(self, *, bare: bool = False) -> None:
        """Bring it up, or mend it; install our kinds, policies and roles unless `bare`."""
        programs = self.programs
        with self._locked():
            control_plane = ControlPlane(self.state)
            ports = control_plane.start_servers(programs)
            install.nodes(self, self.nodes)
            control_plane.start_clients(programs, ports)
            install.wait_for_nodes(self)
            control_plane.check()
            if not bare:
                install.product(self)

    def start_servers(self) -> None:
        """Start etcd and the API server again, if they have ended, and wait until they answer; leave the rest alone."""
        with self._locked():
            ControlPlane(self.state).start_servers(self.programs)

    def stop(self) -> None:
        """End everything that this state directory ever started, and remove it."""
        if not self.state.exists():
            ControlPlane(self.state).stop()  # it may have been removed by hand
            return
        with self._locked():
            ControlPlane(self.state).stop()
            shutil.rmtree(self.state)

    @contextmanager
    def running_meanwhile(self, *, bare: bool = False) -> Iterator[Self]:
        """Run it as long as the block does, and no longer than this process lives, even if that is killed."""
        with Guard(self.state):
            try:
                self.start(bare=bare)
                yield self
            finally:
                self.stop()

    def kubectl(self, *arguments: str, user: User = ADMIN, stdin: str | None = None) -> str:
        """What kubectl prints; a failure raises with what it said."""
        result = subprocess.run(
            [self.programs.kubectl, f"--kubeconfig={self.kubeconfig_of(user)}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise DevclusterError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Only one process at a time starts or stops this cluster; the lock goes with the directory."""
        while True:
            self.state.mkdir(parents=True, exist_ok=True)
            with (self.state / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if _is_still_there(lock.fileno(), self.state / "lock"):
                    yield
                    return


def _is_still_there(descriptor: int, path: Path) -> bool:
    """Whether the file that was opened wasn't removed by the one who held its lock before."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
