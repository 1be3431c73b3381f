"""Who acts in a story: workspaces with their wallets, jobs, products and applications.

Every story has namespaces, a product category and applications of its own, so many can be told at a time. Its prices
are such that a credit is a millisecond: a wallet of 4000 credits keeps one replica running for 4 s.
"""

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.cluster.storytelling.account import PLENTY, PROVIDER, Account, allocation, category
from tests.cluster.storytelling.job import EXPIRED, FAILURE, IN_QUEUE, RUNNING, SUCCESS, SUSPENDED, Job
from tests.cluster.storytelling.stage import Stage
from tests.cluster.storytelling.view import PATIENCE_SECONDS
from ucloud_operator.api import UCloudJob
from ucloud_operator.kube.client import JsonObject
from ucloud_operator.kube.errors import AlreadyExists, NotFound
from ucloud_operator.kube.objects import section, text
from ucloud_operator.kube.resources import APPLICATIONS, COMPUTEPRODUCTS, NAMESPACES, UCLOUDJOBS, WALLETS, Resource

__all__ = [
    "EXPIRED",
    "FAILURE",
    "IN_QUEUE",
    "PLENTY",
    "PRICE",
    "PROVIDER",
    "RUNNING",
    "SUCCESS",
    "SUSPENDED",
    "Account",
    "Job",
    "Stage",
    "Story",
    "Workspace",
    "allocation",
    "category",
    "new_name",
]

PRICE: Final = 60_000
"""Credits per minute and replica: one per millisecond."""
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)


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


def uid_of(raw: JsonObject) -> str:
    return text(section(raw, "metadata"), "uid")


def name_of(raw: JsonObject) -> str:
    return text(section(raw, "metadata"), "name")


_numbers = itertools.count(time.time_ns() // 10**9 % 10**5 * 100)


def new_name(title: str) -> str:
    """A story's own name, made of its title; also no earlier story on a cluster that was kept had it."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower().removeprefix("test_"))
    return f"{words[:40].strip('-')}-{next(_numbers)}"
