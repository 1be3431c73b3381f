"""Objects as an audit finds them, told as stories: `facts().wallet("lab", says=700).job("a", since=0, until=42)`.

One replica costs 1000 per minute; instants are seconds after T0. A wallet is published as of second 100, when nothing
is under way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ucloud_operator.api import format_time, parse_time
from ucloud_operator.control.world import World

if TYPE_CHECKING:
    from ucloud_operator.kube.objects import JsonObject

T0_MS = parse_time("2026-11-24T08:00:00Z")
PRICE = 1000
PUBLISHED = 100


def at(seconds: float) -> str:
    return format_time(T0_MS + round(1000 * seconds))


def cost(seconds: int) -> int:
    return PRICE * seconds // 60


@dataclass(frozen=True)
class Facts:
    """What there is; each call returns more of it."""

    wallets: tuple[JsonObject, ...] = ()
    jobs: tuple[JsonObject, ...] = ()
    statements: tuple[JsonObject, ...] = ()
    checkpoints: tuple[JsonObject, ...] = ()

    def wallet(
        self,
        name: str,
        *,
        says: int = 0,
        below: int = 0,
        under: str | None = None,
        published: float | None = PUBLISHED,
        free: bool = False,
        **status: object,
    ) -> Facts:
        """A wallet that says that it has used so much itself, and wallets below so much."""
        total = says + below
        edge = {"treeUsage": total, "allocations": [allocation(total)]} | parent(under)
        said = {
            "localUsage": says,
            "totalUsage": total,
            "treeUsage": total,
            "groups": [edge],
            "meteredAt": at(published) if published is not None else None,
            **status,
        }
        pays_for = {
            "name": "cpu",
            "provider": "us",
            "productType": "COMPUTE",
            "accountingFrequency": "PERIODIC_MINUTE",
            "freeToUse": free,
        }
        whole: JsonObject = {
            "metadata": metadata(name),
            "spec": {"owner": {"type": "user", "username": "u"}, "paysFor": pays_for},
            "status": said if published is not None else {},
        }
        return replace(self, wallets=(*self.wallets, whole))

    def job(
        self,
        name: str,
        wallet: str = "lab",
        *,
        since: float = 0,
        until: float | None = None,
        told: float | None = None,
        usage: int | None = None,
        **spec: object,
    ) -> Facts:
        """A job that runs since then, or ran until then; its status was told when that happened, unless told later."""
        run = {"number": 1, "startedAt": at(since), "price": PRICE, "replicas": 1, "periodMs": 60_000}
        billed = cost(round(until - since)) if until is not None else 0
        changed = at(told if told is not None else since if until is None else until)
        status = {
            "state": "RUNNING" if until is None else "SUCCESS",
            "startedAt": at(since),
            "runs": [run | ({} if until is None else {"endedAt": at(until)})],
            "usage": billed if usage is None else usage,
            "wallet": {"name": wallet, "uid": f"{wallet}-uid"},
            "reserved": spec.pop("reserved", 0),
            "conditions": [{"type": "Running", "status": "True", "reason": "R", "lastTransitionTime": changed}],
        }
        asked = {
            "application": {"name": "app", "version": "1"},
            "product": {"id": "p", "category": "cpu", "provider": "us"},
            **spec,
        }
        whole: JsonObject = {"metadata": metadata(name, wallet), "spec": asked, "status": status}
        return replace(self, jobs=(*self.jobs, whole))

    def statement(
        self, wallet: str = "lab", *lines: tuple[str, int], part: int = 1, total: int | None = None, until: float = 10
    ) -> Facts:
        """A part of a wallet's statement with lines for jobs, each of which began at 0 and ended then."""
        spec = {
            "wallet": {"namespace": wallet, "name": wallet, "category": "cpu", "provider": "us"},
            "month": "2026-11",
            "part": part,
            "total": sum(usage for _, usage in lines) if total is None else total,
            "lines": [
                {
                    "uid": f"{job}-uid",
                    "job": job,
                    "product": "p",
                    "replicas": 1,
                    "startedAt": at(0),
                    "endedAt": at(until),
                    "usage": usage,
                    "reason": "Completed",
                }
                for job, usage in lines
            ],
        }
        whole: JsonObject = {"metadata": metadata(f"{wallet}-{part}", "ucloud-system"), "spec": spec}
        return replace(self, statements=(*self.statements, whole))

    def checkpoint(self, *wallets: JsonObject, seconds: float = PUBLISHED) -> Facts:
        spec = {"at": at(seconds), "wallets": wallets, "jobs": []}
        return replace(self, checkpoints=({"metadata": metadata("lcp", "ucloud-system"), "spec": spec},))

    def world(self) -> World:
        world = World(lambda _: None)
        for wallet in self.wallets:
            world.wallets.apply(wallet)
        for checkpoint in self.checkpoints:
            world.checkpoints.apply(checkpoint)
        for job in self.jobs:
            world.jobs.apply(job)
        for statement in self.statements:
            world.statements.apply(statement)
        return world


def facts() -> Facts:
    return Facts()


def entry(name: str, *edges: tuple[str | None, int], excess: int = 0) -> JsonObject:
    """A wallet in a checkpoint, with what each of its parents paid."""
    groups = [{"treeUsage": usage, "allocations": [allocation(usage)]} | parent(key) for key, usage in edges]
    return {"uid": f"{name}-uid", "namespace": name, "name": name, "excess": excess, "groups": groups}


def allocation(used: int) -> JsonObject:
    return {"id": "a", "quota": 10**6, "startDate": at(0), "endDate": at(1e6), "used": used, "phase": "Active"}


def parent(name: str | None) -> JsonObject:
    return {} if name is None else {"parent": {"namespace": name, "name": name}}


def metadata(name: str, namespace: str | None = None) -> JsonObject:
    return {
        "name": name,
        "namespace": namespace or name,
        "uid": f"{name}-uid",
        "resourceVersion": "7",
        "creationTimestamp": at(-100),
    }
