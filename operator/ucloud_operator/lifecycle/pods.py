"""The pods that are built for a job, as the JSON that goes to the API server.

A run of a job is one pod per replica, bare: no Job or StatefulSet stands between, because a pod that ends is the end of
the whole job and must never be replaced by itself. What makes them more than bare pods is in their metadata:

- the *name* contains the number of the run, so that the pod of an old run, still held, is never taken for a new one;
- the *labels* find them (by the job's uid, which a re-created job of the same name doesn't share);
- the *annotations* pin the price at which they run. They come into being with the pod, in one write, and the pod guard
  lets nobody change them: a crash after that write can't lose the rate, and an edited price list can't alter it;
- the *epoch* says which leader built them: the API server refuses those of a leader that has been replaced;
- the *finalizer* keeps the object, with its end in it, until that end is in the job's status.

The container runs under the restricted Pod Security profile and without a token for the API server. What the
application or the product leave open is left out, never null: an absent field gets the API server's default.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ucloud_operator.api import Application, ComputeProduct, UCloudJob
from ucloud_operator.lifecycle import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json]"
"""What goes to the API server. There is no null in it, on purpose."""

JOB_ID: Final = "ucloud.dk/jobId"  # label and annotation, as UCloud's own
JOB_UID: Final = "ucloud.dk/job-uid"
RANK: Final = "ucloud.dk/rank"
RUN: Final = "ucloud.dk/run"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OPERATOR: Final = "ucloud-operator"

PRICE: Final = "ucloud.dk/price"
REPLICAS: Final = "ucloud.dk/replicas"
PERIOD_MS: Final = "ucloud.dk/period-ms"
WALLET: Final = "ucloud.dk/wallet"
RESERVED: Final = "ucloud.dk/reserved"
EPOCH: Final = "ucloud.dk/epoch"
STOP: Final = "ucloud.dk/stop"  # added when the pod is armed: see `lifecycle.stops`
EXHAUSTS_AT: Final = "ucloud.dk/exhausts-at"  # added with the warnings; the pod reads it as a file

FINALIZER: Final = "ucloud.dk/metered"
CONTAINER: Final = "user-job"
FILES: Final = "/etc/ucloud"
"""Where a pod finds what is known about it. The kubelet follows a change of the annotation within about a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One run of a job: what all of its pods have in common."""

    job: UCloudJob
    product: ComputeProduct
    application: Application
    wallet: str
    run: int  # 1 for the first
    price: int  # per replica and accounting period
    period_ms: int
    epoch: int  # the lease's `leaseTransitions` while we lead
    reserved: int = 0  # what is set aside for the whole job


def service_name(job: str) -> str:
    """Return the name of a job's headless Service, which is its pods' subdomain."""
    return f"j-{job}"


def host_name(job: str, rank: int) -> str:
    """Return by which name the job's other replicas find this one; the same in every run."""
    return f"j-{job}-job-{rank}"


def pod_name(job: str, rank: int, run: int) -> str:
    """Return the name of a replica's pod: UCloud's in the first run."""
    return host_name(job, rank) if run == 1 else f"{host_name(job, rank)}-run-{run}"


def build_pod(launch: Launch, rank: int) -> dict[str, Json]:
    """Build one replica of a run."""
    job = launch.job
    assert 0 <= rank < job.spec.replicas
    assert launch.run >= 1
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(job.metadata.name, rank, launch.run),
            "namespace": _namespace(job),
            "labels": {**_labels(job), RANK: str(rank), RUN: str(launch.run)},
            "annotations": _annotations(launch, rank),
            "finalizers": [FINALIZER],
            "ownerReferences": [_owner(job)],
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": job.spec.termination_grace_period_seconds,
            "hostname": host_name(job.metadata.name, rank),
            "subdomain": service_name(job.metadata.name),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": _pod_security(launch.application),
            "containers": [_container(launch, rank)],
            "volumes": _volumes(launch.product),
            **_placement(launch.product),
        },
    }


def build_service(job: UCloudJob) -> dict[str, Json]:
    """Build the headless Service by which the replicas of a job find each other, in every run of it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(job.metadata.name),
            "namespace": _namespace(job),
            "labels": _labels(job),
            "ownerReferences": [_owner(job)],
        },
        "spec": {
            "clusterIP": "None",
            "selector": {JOB_UID: job.metadata.uid},
            "publishNotReadyAddresses": True,  # replicas look for each other before they are ready
        },
    }


def _namespace(job: UCloudJob) -> str:
    assert job.metadata.namespace is not None, "jobs are namespaced"
    return job.metadata.namespace


def _labels(job: UCloudJob) -> dict[str, str]:
    return {JOB_ID: job.metadata.name, JOB_UID: job.metadata.uid, MANAGED_BY: OPERATOR}


def _annotations(launch: Launch, rank: int) -> dict[str, str]:
    return {
        JOB_ID: launch.job.metadata.name,
        RANK: str(rank),
        PRICE: str(launch.price),
        REPLICAS: str(launch.job.spec.replicas),
        PERIOD_MS: str(launch.period_ms),
        WALLET: launch.wallet,
        EPOCH: str(launch.epoch),
        **({RESERVED: str(launch.reserved)} if launch.reserved else {}),
    }


def _owner(job: UCloudJob) -> dict[str, Json]:
    return {
        "apiVersion": f"{job.GROUP}/{job.VERSION}",
        "kind": "UCloudJob",
        "name": job.metadata.name,
        "uid": job.metadata.uid,
        "controller": True,  # `kubectl drain` refuses pods without a controller
        "blockOwnerDeletion": False,
    }


def _pod_security(application: Application) -> dict[str, Json]:
    return {
        "runAsNonRoot": True,
        "runAsUser": application.spec.run_as_user,  # images name their user as a word, which the kubelet can't judge
        "runAsGroup": application.spec.run_as_group,
        "fsGroup": application.spec.fs_group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(launch: Launch, rank: int) -> dict[str, Json]:
    application = launch.application.spec
    container: dict[str, Json] = {
        "name": CONTAINER,
        "image": application.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in _environment(launch, rank).items()],
        "resources": _resources(launch.product),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [
            {"name": "ucloud", "mountPath": FILES, "readOnly": True},
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108  # not a temporary file of ours
        ],
    }
    if application.command:
        container["command"] = application.command
    if application.args:
        container["args"] = application.args
    return container


def _environment(launch: Launch, rank: int) -> dict[str, str]:
    """Return the application's own variables and UCloud's, which can't be overridden."""
    job = launch.job
    environment = {
        **launch.application.spec.env,
        "UCLOUD_JOB_ID": job.metadata.name,
        "UCLOUD_RANK": str(rank),
        "UCLOUD_TASK_COUNT": str(job.spec.replicas),
        "VC_JOB_NUM": str(job.spec.replicas),
        "VC_TASK_INDEX": str(rank),
        "VK_TASK_INDEX": str(rank),
    }
    if job.spec.opened_file:
        environment["UCLOUD_OPEN_WITH_FILE"] = _literal(job.spec.opened_file)
    if job.spec.parameters is not None:
        environment[parameters.NAME] = _literal(parameters.as_json(job.spec.parameters))
    return environment


def _literal(text: str) -> str:
    """Keep the kubelet from expanding ``$(NAME)`` in what a user wrote."""
    return text.replace("$", "$$")


def _resources(product: ComputeProduct) -> dict[str, Json]:
    """Return what a replica gets: limits equal to requests, so that a price buys the same wherever it runs."""
    spec = product.spec
    amounts: dict[str, Json] = {"memory": _memory(product)}
    if product.cpu_request_millis:
        amounts["cpu"] = f"{product.cpu_request_millis}m"
    if spec.gpu:
        amounts[spec.gpu_resource] = str(spec.gpu)
    return {"requests": amounts, "limits": amounts}


def _memory(product: ComputeProduct) -> str:
    return f"{product.spec.memory_in_gigs}Gi"


def _volumes(product: ComputeProduct) -> list[Json]:
    files = {
        "annotations": "metadata.annotations",
        "exhausts-at": f"metadata.annotations['{EXHAUSTS_AT}']",
        "rank.txt": f"metadata.annotations['{RANK}']",
        "number_of_nodes.txt": f"metadata.annotations['{REPLICAS}']",
    }
    items: list[Json] = [{"path": path, "fieldRef": {"fieldPath": field}} for path, field in files.items()]
    return [
        {"name": "ucloud", "downwardAPI": {"items": items}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": _memory(product)}},
    ]


def _placement(product: ComputeProduct) -> dict[str, Json]:
    placement: dict[str, Json] = {}
    if product.spec.node_selector:
        placement["nodeSelector"] = product.spec.node_selector
    if product.spec.tolerations:
        placement["tolerations"] = [
            toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
            for toleration in product.spec.tolerations
        ]
    return placement
