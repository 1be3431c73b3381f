"""The cluster as the tests see it: a watch for each kind, so that dozens of stories can wait without asking."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from devcluster import Cluster
from ucloud_operator.api import Model, ObjectMeta, TimestampMs, UCloudJob, Wallet
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.login import from_kubeconfig
from ucloud_operator.kube.reflector import Reflector
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS, WALLETS
from ucloud_operator.kube.store import Change, Store

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
JOB_UID = "ucloud.dk/job-uid"


class PodMeta(ObjectMeta):
    deletion_grace_period_seconds: int | None = None


class EnvironmentVariable(Model):
    name: str
    value: str = ""


class Container(Model):
    name: str
    image: str = ""
    env: tuple[EnvironmentVariable, ...] = ()


class PodSpec(Model):
    hostname: str = ""
    subdomain: str = ""
    node_name: str = ""
    active_deadline_seconds: int | None = None
    termination_grace_period_seconds: int = 30
    containers: tuple[Container, ...] = ()


class PodStatus(Model):
    phase: str = ""
    reason: str = ""
    start_time: TimestampMs | None = None


class Pod(Model):
    """What tests look at in a pod."""

    metadata: PodMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def env(self) -> Mapping[str, str]:
        return {variable.name: variable.value for variable in self.spec.containers[0].env}


class View:
    """What there is, as of a moment ago, and what there was last of that which is gone."""

    def __init__(self) -> None:
        self.jobs: Store[UCloudJob] = Store(UCloudJob.model_validate, self._job_changed)
        self.wallets: Store[Wallet] = Store(Wallet.model_validate, self._changed)
        self.pods: Store[Pod] = Store(Pod.model_validate, self._changed)
        self.last_seen: dict[str, UCloudJob] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    async def until(self, ask: Callable[[], T], what: Callable[[], str], within_seconds: float) -> T:
        """Ask whenever something has changed until the answer is true, and return it; `what` describes the failure."""
        deadline = time.monotonic() + within_seconds
        while not (answer := ask()):
            left_seconds = deadline - time.monotonic()
            assert left_seconds > 0, f"not within {within_seconds} s: {what()}"
            change = asyncio.get_running_loop().create_future()
            self._waiting.add(change)
            await asyncio.wait([change], timeout=left_seconds)
            self._waiting.discard(change)
        return answer

    def pods_of(self, job_uid: str) -> list[Pod]:
        """A job's pods, by name."""
        pods = (pod for pod in self.pods.values() if pod.metadata.labels.get(JOB_UID) == job_uid)
        return sorted(pods, key=lambda pod: pod.name)

    def _job_changed(self, change: Change[UCloudJob]) -> None:
        self.last_seen[change.uid] = change.object
        self._changed(change)

    def _changed(self, _: object) -> None:
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_result(None)


@asynccontextmanager
async def watching(cluster: Cluster) -> AsyncIterator[tuple[View, Client]]:
    """A view of the cluster that follows it, and the admin's client."""
    view = View()
    login = await asyncio.to_thread(from_kubeconfig, str(cluster.kubeconfig))
    async with Client(lambda: login) as client:
        reflectors = (
            Reflector(client, UCLOUDJOBS, view.jobs),
            Reflector(client, WALLETS, view.wallets),
            Reflector(client, PODS, view.pods, label_selector=JOB_UID),
        )
        followers = [asyncio.create_task(reflector.run()) for reflector in reflectors]
        try:
            await asyncio.gather(*(reflector.synced.wait() for reflector in reflectors))
            yield view, client
        finally:
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
    await asyncio.sleep(0.1)  # TLS connections take a moment to say good-bye
