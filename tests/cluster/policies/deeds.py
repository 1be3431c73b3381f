"""Everything that docs/security.md says of somebody that they may do it, or may not: each as the request that it is.

All but reading is asked for in a dry run. Roles, policies and the kinds' own rules answer that as they would in
earnest, and nothing is changed, so one stage does for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.cluster.crds.manifests import application, checkpoint, product, statement
from tests.cluster.policies.conftest import LEASE, RBAC, UCLOUD, a_job, a_plain_pod, a_pod, a_wallet

if TYPE_CHECKING:
    from tests.cluster.people import Answer, Json, Person

DRY: Final = "?dryRun=All"
ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
BOOKS: Final = f"{UCLOUD}/namespaces/ucloud-system"

OPERATORS_PODS: Final = "/api/v1/namespaces/ucloud-system/pods"
RESTRICTED_POD: Final = {
    "metadata": {"name": "mine"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "main",
                "image": "busybox:1.37",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}

SPRING: Final = {"id": "spring", "quota": 500, "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-07-01T00:00:00Z"}
AUTUMN: Final = {"id": "autumn", "quota": 700, "startDate": "2026-07-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Stage:
    """A workspace with a job `seed` and its pod, a wallet `lab` with credits from `faculty`; and a closed statement."""

    namespace: str
    bank: str
    """Another namespace, in which nobody of the workspace has a role."""
    epoch: int

    @property
    def jobs(self) -> str:
        return f"{UCLOUD}/namespaces/{self.namespace}/ucloudjobs"

    @property
    def job(self) -> str:
        return f"{self.jobs}/seed"

    @property
    def wallets(self) -> str:
        return f"{UCLOUD}/namespaces/{self.namespace}/wallets"

    @property
    def wallet(self) -> str:
        return f"{self.wallets}/lab"

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def pod(self) -> str:
        return f"{self.pods}/j-seed-job-0"

    @property
    def bindings(self) -> str:
        return f"{RBAC}/namespaces/{self.namespace}/rolebindings"


@dataclass(frozen=True)
class Deed:
    """Something to do, and what somebody reads, or one of these, who is refused it by more than their roles."""

    do: Callable[[Person, Stage], Answer]
    advice: tuple[str, ...] = ()


def granted(*allocations: Json, namespace: str, name: str = "faculty") -> Json:
    """What a wallet has from a parent."""
    return {"parent": {"namespace": namespace, "name": name}, "allocations": allocations}


def mine(manifest: Json) -> Json:
    """The same under a name that is free."""
    metadata = manifest["metadata"]
    assert isinstance(metadata, Mapping)
    return {**manifest, "metadata": {**metadata, "name": "mine"}}


def _patch(path: Callable[[Stage], str], body: Callable[[Stage], Json], *advice: str) -> Deed:
    return Deed(lambda person, stage: person.patch(path(stage) + DRY, body(stage)), advice)


def _job(body: Json, *advice: str) -> Deed:
    return _patch(lambda stage: stage.job, lambda _: body, *advice)


def _wallet(body: Callable[[Stage], Json], *advice: str) -> Deed:
    return _patch(lambda stage: stage.wallet, body, *advice)


def _pod(body: Json, *advice: str, subresource: str = "") -> Deed:
    return _patch(lambda stage: stage.pod + subresource, lambda _: body, *advice)


def _create(path: Callable[[Stage], str], body: Callable[[Stage], Json], *advice: str) -> Deed:
    return Deed(lambda person, stage: person.create(path(stage) + DRY, body(stage)), advice)


def _delete(path: Callable[[Stage], str], *advice: str, **options: object) -> Deed:
    return Deed(lambda person, stage: person.delete(path(stage), dryRun=["All"], **options), advice)


def _get(path: Callable[[Stage], str]) -> Deed:
    return Deed(lambda person, stage: person.get(path(stage)))


def _groups(*groups: Json) -> Json:
    return {"spec": {"allocationGroups": groups}}


def _binding(role: str) -> Json:
    return {
        "metadata": {"name": "mine"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}],
    }


def _eviction(**options: object) -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "j-seed-job-0"},
        "deleteOptions": {"dryRun": ["All"], **options},
    }


RAISED = {**AUTUMN, "quota": 701}

DEEDS: Final[Mapping[str, Deed]] = {
    "read jobs": _get(lambda stage: stage.jobs),
    "create a job": _create(lambda stage: stage.jobs, lambda _: mine(a_job(""))),
    "suspend a job, or let it go on": _job({"spec": {"suspend": True}}),
    "end a job": _job({"spec": {"terminate": True}}),
    "delete a job": _delete(lambda stage: stage.job),
    "change how many replicas a job has": _job({"spec": {"replicas": 9}}, "create another job instead"),
    "change a job's parameters": _job({"spec": {"parameters": {"a": None, "b": 1}}}, "create another job instead"),
    "say that a job is somebody else's": _job(
        {"metadata": {"annotations": {"ucloud.dk/created-by": "somebody"}}}, "leave it as it is, or out of a new"
    ),
    "take off a job's finalizer": _job(
        {"metadata": {"finalizers": None}}, "leave metadata.finalizers out of an applied manifest, or list"
    ),
    "write a job's status": _patch(lambda stage: f"{stage.job}/status", lambda _: {"status": {"state": "SUCCESS"}}),
    "read wallets": _get(lambda stage: stage.wallets),
    "create a wallet, as yet without credits": _create(lambda stage: stage.wallets, lambda _: mine(a_wallet())),
    "say what happens when a wallet is empty": _wallet(lambda _: {"spec": {"onExhaustion": "Suspend"}}),
    "delete a wallet": _delete(lambda stage: stage.wallet),
    "give credits from a wallet of the namespace": _wallet(
        lambda stage: _groups(granted(SPRING, RAISED, namespace=stage.namespace)), "ask who is in charge of it"
    ),
    "give credits from a wallet of another namespace": _wallet(
        lambda stage: _groups(
            granted(SPRING, AUTUMN, namespace=stage.namespace), granted(AUTUMN, namespace=stage.bank)
        ),
        "ask who is in charge of it",
    ),
    "make credits out of nothing": _create(
        lambda stage: stage.wallets, lambda _: mine(a_wallet({"allocations": [AUTUMN]})), "or ask a cluster admin"
    ),
    "raise a wallet's opening usage": _wallet(lambda _: {"spec": {"openingUsage": 1}}, "or ask a cluster admin"),
    "change an allocation that has ended": _wallet(
        lambda stage: _groups(granted({**SPRING, "quota": 501}, AUTUMN, namespace=stage.namespace)),
        "write new credits as an allocation with another id",
        "ask who is in charge of it",  # where one may not even give from there
    ),
    "take off a wallet's finalizer": _wallet(
        lambda _: {"metadata": {"finalizers": None}}, "leave metadata.finalizers out of an applied manifest, or list"
    ),
    "write a wallet's status": _patch(lambda stage: f"{stage.wallet}/status", lambda _: {"status": {"locked": False}}),
    "read statements": _get(lambda _: f"{BOOKS}/walletstatements"),
    "write a statement": _create(lambda _: f"{BOOKS}/walletstatements", lambda _: mine(statement())),
    "change a statement of a month that is over": _patch(
        lambda _: f"{BOOKS}/walletstatements/seed",
        lambda _: {"spec": {"total": 1}},
        "belongs into a later month's statement",
    ),
    "delete a statement": _delete(lambda _: f"{BOOKS}/walletstatements/seed"),
    "write a checkpoint": _create(lambda _: f"{BOOKS}/ledgercheckpoints", lambda _: mine(checkpoint())),
    "read pods": _get(lambda stage: stage.pods),
    "read the log of a job's pod": _get(lambda stage: f"{stage.pod}/log"),
    "execute something in a job's pod": Deed(
        lambda person, stage: person.create(f"{stage.pod}/exec?command=id&container=user-job&stdout=true", {})
    ),
    "create an ordinary pod": _create(lambda stage: stage.pods, lambda _: a_plain_pod("mine")),
    "create a pod in the operator's namespace": _create(lambda _: OPERATORS_PODS, lambda _: RESTRICTED_POD),
    "create a pod that passes for a job's": _create(
        lambda stage: stage.pods, lambda stage: mine(a_pod(epoch=stage.epoch)), "create a UCloudJob"
    ),
    "change what a job's pod costs": _pod(
        {"metadata": {"annotations": {"ucloud.dk/price": "0"}}}, "annotations of your own are fine"
    ),
    "give a job's pod a deadline": _pod({"spec": {"activeDeadlineSeconds": 9999}}, "set spec.timeAllocation"),
    "take off the finalizer of a job's pod": _pod({"metadata": {"finalizers": None}}, "set spec.terminate"),
    "change the image of a job's pod": Deed(
        lambda person, stage: person.patch(
            stage.pod + DRY,
            {"spec": {"containers": [{"name": "user-job", "image": "other"}]}},
            kind="strategic-merge-patch+json",
        )
    ),
    "delete a job's pod": _delete(lambda stage: stage.pod),
    "delete it with a longer grace than the job's": _delete(
        lambda stage: stage.pod, "leave --grace-period out, or ask for less", gracePeriodSeconds=3
    ),
    "evict a job's pod": Deed(lambda person, stage: person.create(f"{stage.pod}/eviction", _eviction())),
    "evict it with a longer grace": Deed(
        lambda person, stage: person.create(f"{stage.pod}/eviction", _eviction(gracePeriodSeconds=3)),
        ("leave gracePeriodSeconds (kubectl drain --grace-period) out",),
    ),
    "write the status of a job's pod": _pod({"status": {"message": "mine"}}, subresource="/status"),
    "resize a job's pod": _pod({"spec": {}}, subresource="/resize"),
    "read products and applications": Deed(
        lambda person, _: person.get(f"{UCLOUD}/computeproducts") and person.get(f"{UCLOUD}/applications")
    ),
    "create a product": _create(lambda _: f"{UCLOUD}/computeproducts", lambda _: mine(product())),
    "create an application": _create(lambda _: f"{UCLOUD}/applications", lambda _: mine(application())),
    "take the operator's lease": _patch(lambda _: LEASE, lambda _: {"spec": {"holderIdentity": "mine"}}),
    "give somebody `view`": _create(lambda stage: stage.bindings, lambda _: _binding("view")),
    "give somebody `ucloud-user`": _create(lambda stage: stage.bindings, lambda _: _binding("ucloud-user")),
    "give somebody `ucloud-treasurer`": _create(lambda stage: stage.bindings, lambda _: _binding("ucloud-treasurer")),
    "switch a policy off": _delete(lambda _: f"{ADMISSION}/validatingadmissionpolicybindings/ucloud-wallet-money"),
}
