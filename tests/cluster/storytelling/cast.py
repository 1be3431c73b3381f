"""Who acts in a story: workspaces with their wallets, jobs, products and applications.

Every story has namespaces, a product category and applications of its own, so many can be told at a time. Its prices
are such that a credit is a millisecond: a wallet of 4000 credits keeps one replica running for 4 s.
"""

import asyncio
import contextlib
import itertools
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from devcluster import Cluster
from tests.cluster.storytelling.process import OperatorProcess
from tests.cluster.storytelling.view import PATIENCE_SECONDS, Pod, View
from ucloud_operator.api import JobState, UCloudJob, Wallet
from ucloud_operator.kube.client import Client, JsonObject
from ucloud_operator.kube.errors import AlreadyExists, NotFound
from ucloud_operator.kube.objects import section, text
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    NAMESPACES,
    PODS,
    UCLOUDJOBS,
    WALLETS,
    Resource,
)

PRICE: Final = 60_000
"""Credits per minute and replica: one per millisecond."""
PLENTY: Final = 10**12
PROVIDER: Final = "theatre"
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)

SUCCESS, FAILURE, EXPIRED = JobState.SUCCESS, JobState.FAILURE, JobState.EXPIRED
IN_QUEUE, RUNNING, SUSPENDED = JobState.IN_QUEUE, JobState.RUNNING, JobState.SUSPENDED


@dataclass(frozen=True)
class Stage:
    """What all stories of a session share."""

    cluster: Cluster
    view: View
    client: Client
    operator: OperatorProcess

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return await asyncio.to_thread(self.cluster.kubectl, *arguments, stdin=stdin)


@dataclass(frozen=True)
class Account:
    """A wallet."""

    stage: Stage
    namespace: str
    name: str

    @property
    def reference(self) -> Mapping[str, str]:
        return {"namespace": self.namespace, "name": self.name}

    @property
    def seen(self) -> Wallet | None:
        return self.stage.view.wallets.get(self.namespace, self.name)

    @property
    def now(self) -> Wallet:
        """The wallet as it is."""
        assert self.seen is not None, f"there is no wallet {self.namespace}/{self.name}"
        return self.seen

    async def until(self, holds: Callable[[Wallet], bool], within_seconds: float = PATIENCE_SECONDS) -> Wallet:
        """Wait until this holds, and return the wallet."""
        await self.stage.view.until(
            lambda: self.seen is not None and holds(self.seen), lambda: f"wallet {self.seen!r}", within_seconds
        )
        return self.now

    async def is_applied(self) -> Wallet:
        """Wait until its present spec counts."""
        return await self.until(lambda wallet: wallet.status.observed_generation == wallet.metadata.generation)

    async def uses(self, usage: int, within_seconds: float = PATIENCE_SECONDS) -> Wallet:
        """Wait until it says that so much was used by it and below it, and no more."""
        return await self.until(lambda wallet: wallet.status.total_usage == usage, within_seconds)

    async def has_settled(self, usage: int) -> Wallet:
        """Wait until it has taken over that much from jobs that are gone, and expect that this is all."""
        wallet = await self.until(lambda wallet: wallet.status.settled_usage == usage)
        assert wallet.status.local_usage == usage
        return wallet

    async def is_locked(self, *, locked: bool = True) -> Wallet:
        return await self.until(lambda wallet: wallet.status.locked == locked)

    async def is_gone(self) -> None:
        await self.stage.view.until(lambda: self.seen is None, lambda: f"wallet {self.seen!r}", PATIENCE_SECONDS)

    async def patch(self, **spec: object) -> None:
        """Change the spec, as `kubectl patch` does."""
        answer = await self.stage.client.patch(WALLETS, self.name, {"spec": spec}, namespace=self.namespace)
        self.stage.view.wallets.apply(answer)

    async def set_quota(self, quota: int) -> None:
        """Change the one allocation that it began with."""
        group = self.now.spec.allocation_groups[0].model_dump(mode="json", by_alias=True, exclude_none=True)
        await self.patch(allocationGroups=[{**group, "allocations": [allocation(quota)]}])

    async def delete(self) -> None:
        await self.stage.client.delete(WALLETS, self.name, uid=self.now.metadata.uid, namespace=self.namespace)


@dataclass(frozen=True)
class Job:
    """A job; one that is re-created under the same name is another one."""

    stage: Stage
    namespace: str
    name: str
    uid: str

    @property
    def now(self) -> UCloudJob:
        """The job as it is, or was when it went."""
        return self.stage.view.last_seen[self.uid]

    @property
    def exists(self) -> bool:
        return self.stage.view.jobs.find(self.uid) is not None

    @property
    def pods(self) -> list[Pod]:
        return self.stage.view.pods_of(self.uid)

    @property
    def usage(self) -> int:
        return self.now.status.usage

    @property
    def updates(self) -> list[tuple[JobState | None, str | None]]:
        """What it says that happened, without the times."""
        return [(update.state, update.status) for update in self.now.status.updates]

    @property
    def lengths_ms(self) -> list[int]:
        """How long each of its ended runs lasted."""
        return [run.ended_at - run.started_at for run in self.now.status.runs if run.ended_at is not None]

    @property
    def started_ms(self) -> int:
        return self.now.status.runs[-1].started_at

    @property
    def ended_ms(self) -> int:
        ended = self.now.status.runs[-1].ended_at
        assert ended is not None, f"{self.name} still runs"
        return ended

    async def until(self, holds: Callable[[UCloudJob], bool], within_seconds: float = PATIENCE_SECONDS) -> UCloudJob:
        """Wait until this holds, and return the job."""
        view = self.stage.view
        await view.until(
            lambda: self.uid in view.last_seen and holds(self.now), lambda: self._description, within_seconds
        )
        return self.now

    async def runs(self, within_seconds: float = PATIENCE_SECONDS) -> UCloudJob:
        return await self._comes_to(RUNNING, within_seconds)

    async def waits(self) -> UCloudJob:
        return await self._comes_to(IN_QUEUE, PATIENCE_SECONDS)

    async def ends(
        self, state: JobState, reason: str, message: str | None = None, *, within_seconds: float = PATIENCE_SECONDS
    ) -> UCloudJob:
        """Wait until it has ended, and expect this end."""
        job = await self.until(lambda job: job.is_final, within_seconds)
        assert (job.status.state, job.status.reason) == (state, reason), self._description
        if message is not None:
            assert job.status.message == message
        assert job.status.updates[-1].state == state
        assert job.status.updates[-1].status == job.status.message
        return job

    async def says(self, reason: str) -> UCloudJob:
        """Wait until it gives this reason for its state."""
        return await self.until(lambda job: job.status.reason == reason)

    async def is_suspended(self, reason: str) -> UCloudJob:
        """Wait until it is suspended, for this reason."""
        job = await self._comes_to(SUSPENDED, PATIENCE_SECONDS)
        assert job.status.reason == reason, self._description
        return job

    async def has_no_pods(self, within_seconds: float = PATIENCE_SECONDS) -> None:
        await self.stage.view.until(lambda: not self.pods, lambda: f"pods {self.pods}", within_seconds)

    async def has_stopped(self) -> None:
        """Wait until none of its pods runs or is held. (The ended ones stay for those who read their logs.)"""
        await self.stage.view.until(
            lambda: all(
                pod.status.phase in {"Succeeded", "Failed"} and not pod.metadata.finalizers for pod in self.pods
            ),
            lambda: f"pods {self.pods}",
            PATIENCE_SECONDS,
        )

    async def has_pods(self, count: int = 1) -> list[Pod]:
        """Wait until it has so many pods, all of them known to their kubelets, and return them."""
        await self.stage.view.until(
            lambda: len(self.pods) == count and all(pod.status.start_time for pod in self.pods),
            lambda: f"pods {self.pods}",
            PATIENCE_SECONDS,
        )
        return self.pods

    async def is_gone(self, within_seconds: float = PATIENCE_SECONDS) -> None:
        view = self.stage.view
        await view.until(
            lambda: self.uid in view.last_seen and not self.exists, lambda: self._description, within_seconds
        )

    async def patch(self, **spec: object) -> None:
        """Change the spec, as `kubectl patch` does."""
        answer = await self.stage.client.patch(UCLOUDJOBS, self.name, {"spec": spec}, namespace=self.namespace)
        self.stage.view.jobs.apply(answer)

    async def delete(self, cascade: str = "background") -> None:
        """`kubectl delete ucloudjob`."""
        await self.stage.kubectl(
            "delete", "ucloudjob", self.name, f"--namespace={self.namespace}", f"--cascade={cascade}", "--wait=false"
        )

    async def delete_pod(self, pod: Pod, grace_seconds: int | None = None) -> None:
        """Somebody deletes one of its pods by hand."""
        await self.stage.client.delete(
            PODS, pod.name, uid=pod.metadata.uid, namespace=self.namespace, grace_period_seconds=grace_seconds
        )

    async def evict_pod(self, pod: Pod) -> None:
        """What `kubectl drain` does to its pod."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod.name}/eviction"
        await self.stage.kubectl("create", f"--raw={path}", "--filename=-", stdin=json.dumps(eviction))

    async def tell(self, pod: Pod, **settings: str) -> None:
        """Tell the kubelet of one pod how its container fares, for example `exit_after="1s"`."""
        annotations = {f"devcluster.ucloud.dk/{name.replace('_', '-')}": value for name, value in settings.items()}
        body = {"metadata": {"annotations": annotations}}
        await self.stage.client.patch(PODS, pod.name, body, namespace=self.namespace)

    async def _comes_to(self, state: JobState, within_seconds: float) -> UCloudJob:
        job = await self.until(lambda job: job.status.state is state or job.is_final, within_seconds)
        assert job.status.state is state, self._description
        return job

    @property
    def _description(self) -> str:
        if self.uid not in self.stage.view.last_seen:
            return f"job {self.name} was never seen"
        phases = {pod.name: pod.status.phase for pod in self.pods}
        return f"job {self.name}, pods {phases}: {self.now.status!r}"


@dataclass
class Workspace:
    """A namespace, and as a rule a wallet in it."""

    story: "Story"
    namespace: str

    @property
    def stage(self) -> Stage:
        return self.story.stage

    @property
    def account(self) -> Account:
        """Its wallet."""
        return Account(self.stage, self.namespace, "credits")

    async def open_account(
        self, quota: int = PLENTY, *, under: "Workspace | None" = None, name: str = "credits", **spec: object
    ) -> Account:
        """Create a wallet, and wait until it counts."""
        account = await self.apply_account(quota, under=under, name=name, **spec)
        await account.is_applied()
        return account

    async def apply_account(
        self, quota: int = PLENTY, *, under: "Workspace | None" = None, name: str = "credits", **spec: object
    ) -> Account:
        """Create a wallet, and don't wait."""
        parent = {} if under is None else {"parent": under.account.reference}
        body = {
            "owner": {"type": "project", "projectId": self.namespace},
            "paysFor": category(self.story.name),
            "allocationGroups": [{**parent, "allocations": [allocation(quota)]}],
            **spec,
        }
        await self.story.create(WALLETS, name, body, self.namespace)
        return Account(self.stage, self.namespace, name)

    async def job(self, name: str = "job", /, **spec: object) -> Job:
        """Create a job; by default one replica of an application that runs until it is told to stop."""
        body = {
            "application": {"name": f"{self.story.name}-steady", "version": "1.0.0"},
            "product": self.story.product_reference("standard"),
            **spec,
        }
        created = await self.story.create(UCLOUDJOBS, name, body, self.namespace)
        return Job(self.stage, self.namespace, name, UCloudJob.model_validate(created).metadata.uid)

    async def delete(self) -> None:
        """Delete the namespace."""
        await self.delete_object(NAMESPACES, await self.stage.client.get(NAMESPACES, self.namespace))

    async def delete_object(self, resource: Resource, raw: JsonObject) -> None:
        """Delete something that is in it, or is it."""
        namespace = self.namespace if resource.namespaced else None
        await self.stage.client.delete(resource, name_of(raw), uid=uid_of(raw), namespace=namespace)

    async def is_gone(self) -> None:
        """Wait until the namespace is."""
        for _ in range(180):  # whoever deletes namespaces takes its time
            try:
                await self.stage.client.get(NAMESPACES, self.namespace)
            except NotFound:
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"namespace {self.namespace} is still there")


@dataclass
class Story:
    """One story; `name` is unique on the cluster."""

    stage: Stage
    name: str
    workspaces: list[Workspace] = field(default_factory=list)
    references: list[tuple[Resource, str]] = field(default_factory=list)

    async def begin(self) -> None:
        """Put up what nearly every story needs."""
        await asyncio.gather(self.product("standard"), self.application("steady"))

    async def end(self) -> None:
        """Delete all its jobs and wallets, without waiting for them.

        Its namespaces stay: they cost nothing, and whoever deletes namespaces takes long for each.
        """
        for resource, store in ((UCLOUDJOBS, self.stage.view.jobs), (WALLETS, self.stage.view.wallets)):
            for each in store.values():
                if each.metadata.namespace in self._namespaces:
                    await self._delete(resource, each.metadata.name, each.metadata.uid, each.metadata.namespace)
        await self.forget_references()

    async def _delete(self, resource: Resource, name: str, uid: str, namespace: str | None = None) -> None:
        with contextlib.suppress(NotFound):
            await self.stage.client.delete(resource, name, uid=uid, namespace=namespace)

    @property
    def _namespaces(self) -> set[str]:
        return {workspace.namespace for workspace in self.workspaces}

    def left_over(self) -> list[str]:
        """Its jobs and wallets that are still there."""
        keys = (*self.stage.view.jobs.keys(), *self.stage.view.wallets.keys())
        return [str(key) for key in keys if key.namespace in self._namespaces]

    async def is_over(self) -> None:
        """Wait until all of it has been taken down."""
        await self.stage.view.until(lambda: not self.left_over(), lambda: f"{self.left_over()}", 2 * PATIENCE_SECONDS)

    async def forget_references(self) -> None:
        """Delete all its products and applications."""
        for resource, name in self.references:
            with contextlib.suppress(NotFound):
                await self._delete(resource, name, uid_of(await self.stage.client.get(resource, name)))
        self.references.clear()

    async def workspace(
        self, name: str = "home", quota: int = PLENTY, *, under: Workspace | None = None, **spec: object
    ) -> Workspace:
        """A workspace with a wallet."""
        workspace = await self.empty_workspace(name)
        await workspace.open_account(quota, under=under, **spec)  # type: ignore[arg-type]  # not its own arguments
        return workspace

    async def empty_workspace(self, name: str = "home") -> Workspace:
        """A namespace that pods can be created in, without a wallet."""
        workspace = Workspace(self, f"{self.name}-{name}")
        body = {
            "metadata": {
                "name": workspace.namespace,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            }
        }
        await self.stage.client.create(NAMESPACES, body)
        self.workspaces.append(workspace)
        account = {"metadata": {"name": "default", "namespace": workspace.namespace}}
        with contextlib.suppress(AlreadyExists):  # the controller manager makes it as well: whoever is first
            await self.stage.client.create(SERVICE_ACCOUNTS, account, namespace=workspace.namespace)
        return workspace

    async def product(self, name: str, *, price: int = PRICE, **spec: object) -> Mapping[str, str]:
        """Create a product; returns how jobs refer to it."""
        reference = self.product_reference(name)
        body = {
            "category": {"name": self.name, "provider": PROVIDER},
            "price": price,
            "cpu": 1,
            "memoryInGigs": 1,
            **spec,
        }
        await self.create(COMPUTEPRODUCTS, reference["id"], body)
        return reference

    def product_reference(self, name: str) -> Mapping[str, str]:
        return {"id": f"{self.name}-{name}", "category": self.name, "provider": PROVIDER}

    async def set_price(self, name: str, price: int) -> None:
        await self.stage.client.patch(COMPUTEPRODUCTS, f"{self.name}-{name}", {"spec": {"price": price}})

    async def application(self, name: str, **told: str) -> Mapping[str, str]:
        """Create an application whose containers do as they are told, for example `exit_code="3"`."""
        reference = self.application_reference(name)
        env = {f"DEVCLUSTER_{setting.upper()}": value for setting, value in told.items()}
        body = {**reference, "image": "registry.example/app:1", "env": env}
        await self.create(APPLICATIONS, reference["name"], body)
        return reference

    def application_reference(self, name: str) -> Mapping[str, str]:
        return {"name": f"{self.name}-{name}", "version": "1.0.0"}

    async def create(
        self, resource: Resource, name: str, spec: Mapping[str, object], namespace: str | None = None
    ) -> JsonObject:
        """Create one of our objects as the admin."""
        if namespace is None:
            self.references.append((resource, name))
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        return await self.stage.client.create(resource, body, namespace=namespace)


def category(name: str) -> Mapping[str, object]:
    """A product category whose prices are per minute."""
    return {
        "name": name,
        "provider": PROVIDER,
        "productType": "COMPUTE",
        "accountingUnit": {"name": "DKK", "namePlural": "DKK", "floatingPoint": True},
        "accountingFrequency": "PERIODIC_MINUTE",
    }


def allocation(
    quota: int,
    id: str = "grant",  # noqa: A002  # the field's name
    *,
    start: str = "2026-01-01T00:00:00Z",
    end: str = "2036-01-01T00:00:00Z",
) -> Mapping[str, object]:
    """An allocation, by default one that neither begins nor ends while the story is told."""
    return {"id": id, "quota": quota, "startDate": start, "endDate": end}


def uid_of(raw: JsonObject) -> str:
    return text(section(raw, "metadata"), "uid")


def name_of(raw: JsonObject) -> str:
    return text(section(raw, "metadata"), "name")


_numbers = itertools.count(time.time_ns() // 10**9 % 10**5 * 100)


def new_name(title: str) -> str:
    """A story's own name, made of its title; also no earlier story on a cluster that was kept had it."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower().removeprefix("test_"))
    return f"{words[:40].strip('-')}-{next(_numbers)}"
