"""Who plays in the end-to-end stories, as manifests: workspaces, products, applications and their jobs."""

from __future__ import annotations

from tests.e2e.kind import APPLICATION_IMAGE
from ucloud_operator.api import JobState, UCloudJob

PRICE = 600_000  # per minute: 10,000 per second
LASTS_61_S = 610_000  # a second more than a job needs to be started at all
PLENTY = 10_000_000
QUICK_PRICE = PRICE + 1
"""Of the product that has enough of a core to fill its memory within seconds."""

HEEDS = ("sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait")
IGNORES = ("sh", "-c", "trap '' TERM; sleep infinity")
SLEEPS = ("sleep", "infinity")  # as process 1 it is sent no signal that it doesn't ask for


def workspace(name: str, usable: int) -> tuple[dict[str, object], ...]:
    """Return a namespace under the restricted profile, with a wallet that can pay so much."""
    allocation = {"id": "all", "quota": usable, "startDate": "2026-01-01T00:00:00Z", "endDate": "2036-01-01T00:00:00Z"}
    category = {"name": "e2e", "provider": "example", "accountingFrequency": "PERIODIC_MINUTE"}
    return (
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {
            "apiVersion": "ucloud.dk/v1alpha1",
            "kind": "Wallet",
            "metadata": {"name": "compute", "namespace": name},
            "spec": {
                "owner": {"type": "user", "username": name},
                "paysFor": category,
                "allocationGroups": [{"allocations": [allocation]}],
            },
        },
    )


def product(price: int, cpu_millis: int = 20) -> dict[str, object]:
    """Return a small product at that price per minute, which also names it."""
    category = {"name": "e2e", "provider": "example"}
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "ComputeProduct",
        "metadata": {"name": f"e2e-{price}"},
        "spec": {"category": category, "price": price, "cpuMillis": cpu_millis, "memoryInGigs": 1},
    }


def application(name: str, *command: str, image: str = APPLICATION_IMAGE) -> dict[str, object]:
    """Return an application that runs a command."""
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"name": name, "version": "1", "image": image, "command": command},
    }


def job(namespace: str, app: str, price: int, *, name: str = "1", **spec: object) -> dict[str, object]:
    """Return a namespace's job, which is the only one unless it has a name: of that application, at that price."""
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "UCloudJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "application": {"name": app, "version": "1"},
            "product": {"id": f"e2e-{price}", "category": "e2e", "provider": "example"},
            **spec,
        },
    }


def is_running(job: UCloudJob) -> bool:
    return job.status.state is JobState.RUNNING


def is_over(job: UCloudJob) -> bool:
    return job.is_final


def cost_of_run(job: UCloudJob, price: int = PRICE, replicas: int = 1) -> int:
    """Return what a job's only run cost, from its beginning to its end."""
    (run,) = job.status.runs
    assert run.ended_at is not None
    return replicas * price * (run.ended_at - run.started_at) // 60_000
