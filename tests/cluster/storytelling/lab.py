"""A workspace to call the gateway about: a project's, with a wallet that has plenty and one that has nothing."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import ADMIN, ALICE, BOB, EXAMPLE, Cluster, User
from devcluster.users import token
from tests.cluster.storytelling.gateway import Caller, gateway
from tests.cluster.storytelling.process import OperatorProcess
from tests.cluster.support import eventually
from ucloud_operator.api import Wallet

Manifest = dict[str, object]
LAB = "lab"
UCLOUD = "ucloud.dk/v1alpha1"
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Setting:
    """A cluster, and a gateway that was started with an admin's kubeconfig."""

    cluster: Cluster
    port: int

    def caller(self, user: User, project: str | None = None) -> Caller:
        return Caller(self.port, token(self.cluster.state, user), project)

    @property
    def alice(self) -> Caller:
        """A user of the lab, at work there."""
        return self.caller(ALICE, LAB)

    def apply(self, *manifests: Manifest) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": manifests}
        self.cluster.kubectl("apply", "--filename=-", stdin=json.dumps(items))

    def is_applied(self, manifest: Manifest) -> bool:
        """Whether the operator has taken a wallet in; whatever else it is has been."""
        if manifest["kind"] != "Wallet":
            return True
        metadata: dict[str, str] = manifest["metadata"]  # type: ignore[assignment]  # a manifest's
        wallet = self.wallet(metadata["namespace"], metadata["name"])
        return wallet.status.observed_generation == wallet.metadata.generation

    def wallet(self, namespace: str, name: str) -> Wallet:
        """A wallet as it is."""
        raw = self.cluster.kubectl("get", "wallet", name, f"--namespace={namespace}", "--output=json")
        return Wallet.model_validate_json(raw)

    def jobs(self, namespace: str = LAB) -> list[dict[str, dict[str, object]]]:
        """The jobs that there really are."""
        listed = json.loads(self.cluster.kubectl("get", "ucloudjobs", f"--namespace={namespace}", "--output=json"))
        found: list[dict[str, dict[str, object]]] = listed["items"]
        return found


@contextmanager
def running_lab(folder: Path, *more: Manifest) -> Iterator[Setting]:
    """A cluster of its own with the lab and more in it, an operator and a gateway."""
    with Cluster(folder / "cluster", nodes=1).running_meanwhile() as cluster, asyncio.Runner() as runner:
        operator = OperatorProcess(cluster, folder / "operator.log", "--minimum-run-seconds=5")
        runner.run(operator.start())
        try:
            runner.run(operator.leads())
            with gateway(cluster.kubeconfig, folder / "gateway.log", "--minimum-run-seconds=5") as port:
                setting = Setting(cluster, port)
                manifests = (*lab(), *more)
                setting.apply(*manifests)
                eventually(lambda: all(setting.is_applied(each) for each in manifests), within_seconds=60)
                yield setting
            assert_no_token_in(folder / "gateway.log", cluster)
        finally:
            runner.run(operator.stop())


@contextmanager
def unattended_lab(cluster: Cluster, folder: Path, *more: Manifest, options: Sequence[str] = ()) -> Iterator[Setting]:
    """A cluster that others use, too, with the lab and more in it, and a gateway; nobody runs its jobs.

    What jobs are there at the end are deleted: the next operator would run them, and count what that costs it.
    """
    log = folder / "gateway.log"
    with gateway(cluster.kubeconfig, log, *options) as port:
        setting = Setting(cluster, port)
        setting.apply(*lab(), *more)
        yield setting
        cluster.kubectl("delete", "ucloudjobs", "--all", "--all-namespaces", "--wait=false")
    assert_no_token_in(log, cluster)
    assert "Traceback" not in log.read_text()


def specification(**changes: object) -> dict[str, object]:
    """A job of the lab's as callers write it; a change to `...` leaves the field out."""
    job = {"application": {"name": "steady", "version": "1"}, "product": product_reference("plenty"), **changes}
    return {name: value for name, value in job.items() if value is not ...}


def job(name: str, spec: Manifest, namespace: str = LAB) -> Manifest:
    return _object("UCloudJob", name, namespace, spec)


def product_reference(name: str) -> dict[str, str]:
    return {"id": name, "category": name, "provider": "lab"}


def lab() -> Sequence[Manifest]:
    """All of it, with Alice as its user; `unpaid` is a product that no wallet pays for."""
    application = {"name": "steady", "version": "1", "image": "busybox"}
    return (
        namespace(LAB),
        *(_object("ComputeProduct", name, None, _product(name)) for name in ("plenty", "dry", "unpaid")),
        _object("Application", "steady-1", None, application),
        wallet(LAB, "plenty", 10**12),
        wallet(LAB, "dry", 0),
        bound(LAB, ALICE, "ucloud-user"),
    )


def small_workspace(name: str, user: User, role: str) -> Sequence[Manifest]:
    """A workspace for two jobs and its user; who `creates-only` may not delete them."""
    quota = {"hard": {"count/ucloudjobs.ucloud.dk": "2"}}
    rules = [{"apiGroups": ["ucloud.dk"], "resources": ["*"], "verbs": ["get", "list", "create"]}]
    return (
        namespace(name),
        wallet(name, "plenty", 10**12),
        {**_object("ResourceQuota", "two-jobs", name, quota), "apiVersion": "v1"},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "creates-only"}, "rules": rules},
        bound(name, user, role),
    )


def namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def wallet(namespace: str, category: str, quota: int) -> Manifest:
    allocation = {"id": "1", "quota": quota, "startDate": "2026-01-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"}
    spec = {
        "owner": {"type": "project", "projectId": namespace},
        "paysFor": {"name": category, "provider": "lab", "accountingFrequency": "PERIODIC_MINUTE"},
        "allocationGroups": [{"allocations": [allocation]}],
    }
    return _object("Wallet", category, namespace, spec)


def bound(namespace: str, user: User, role: str) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{user.name}-{role}", "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user.username}],
    }


def assert_no_token_in(log: Path, cluster: Cluster) -> None:
    """The gateway was talked to, and said nothing of who they were."""
    said = log.read_text()
    assert "listening on http://" in said
    for user in (ADMIN, ALICE, BOB, EXAMPLE):
        assert token(cluster.state, user) not in said


def _product(name: str) -> Manifest:
    return {"category": {"name": name, "provider": "lab"}, "price": 50_000, "cpu": 1, "memoryInGigs": 1}


def _object(kind: str, name: str, namespace: str | None, spec: object) -> Manifest:
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": UCLOUD, "kind": kind, "metadata": metadata, "spec": spec}
