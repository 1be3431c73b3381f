"""A UCloudJob as UCloud's HTTP API shows a job; `wallets` does the same for a Wallet.

Field names are UCloud's in the resources already, so this is a change of form and not of meaning: instants become unix
milliseconds, what is absent becomes `null` (UCloud's clients expect every field), and what Kubernetes keeps in an
object's metadata (name, creator, creation) goes where UCloud has it. The order of the fields is the one of UCloud's
documentation, so that a person can lay the two side by side.

`resolved…` is what a caller may ask UCloud to look up besides; `catalogue` does. Permissions are RBAC's business, and
null. Labels, which the documentation's jobs don't have, are shown where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from ucloud_operator.api import JobUpdate, SimpleDuration, UCloudJob, UCloudJobSpec, UCloudJobStatus

JsonObject: TypeAlias = Mapping[str, object]

CREATOR: Final = "ucloud.dk/created-by"
"""The annotation in which an admission policy notes who created a job."""

UNKNOWN_CREATOR: Final = "unknown"
"""The creator of a job in a cluster without that policy."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a job refers to, where it was asked for and is there."""

    application: JsonObject | None = None
    support: JsonObject | None = None
    product: JsonObject | None = None


def creator_of(job: UCloudJob) -> str:
    """Return who created a job."""
    return job.metadata.annotations.get(CREATOR, UNKNOWN_CREATOR)


def project_of(job: UCloudJob) -> str | None:
    """Return the project that a job is in: its namespace, or None where that has its creator's name."""
    namespace = job.metadata.namespace
    return None if namespace == creator_of(job) else namespace


def render_job(
    job: UCloudJob,
    *,
    project: str | None = None,
    updates: bool = True,
    parameters: bool = True,
    resolved: Resolved = Resolved(),  # frozen
) -> JsonObject:
    """Return the job as `jobs/retrieve` answers; `project` is its workspace's, None where that is a user's own.

    Lists leave out the updates (an empty list) and the parameters (null) unless they were asked for.
    """
    return {
        "id": job.metadata.name,
        "owner": {"createdBy": creator_of(job), "project": project},
        "updates": [render_update(update) for update in job.status.updates] if updates else [],
        "specification": _specification(job.spec, parameters=parameters),
        "status": render_status(job.status, resolved),
        "createdAt": job.metadata.creation_timestamp,
        "output": None,
        "permissions": None,
    }


def render_update(update: JobUpdate) -> JsonObject:
    """Return something that was told of a job."""
    return {
        "state": update.state.value if update.state else None,
        "outputFolder": update.output_folder,
        "status": update.status,
        "expectedState": update.expected_state.value if update.expected_state else None,
        "expectedDifferentState": update.expected_different_state,
        "newTimeAllocation": update.new_time_allocation,
        "allowRestart": update.allow_restart,
        "newMounts": None if update.new_mounts is None else list(update.new_mounts),
        "timestamp": update.timestamp,
    }


def _specification(spec: UCloudJobSpec, *, parameters: bool) -> JsonObject:
    return {
        "application": {"name": spec.application.name, "version": spec.application.version},
        "product": {"id": spec.product.id, "category": spec.product.category, "provider": spec.product.provider},
        "name": spec.name,
        "replicas": spec.replicas,
        "allowDuplicateJob": spec.allow_duplicate_job,
        "parameters": dict(spec.parameters) if parameters and spec.parameters is not None else None,
        "resources": None if spec.resources is None else [dict(resource) for resource in spec.resources],
        "timeAllocation": _duration(spec.time_allocation),
        "openedFile": spec.opened_file,
        "restartOnExit": spec.restart_on_exit,
        "sshEnabled": spec.ssh_enabled,
        **({"labels": dict(spec.labels)} if spec.labels else {}),
    }


def _duration(duration: SimpleDuration | None) -> JsonObject | None:
    if duration is None:
        return None
    return {"hours": duration.hours, "minutes": duration.minutes, "seconds": duration.seconds}


def render_status(
    status: UCloudJobStatus,
    resolved: Resolved = Resolved(),  # frozen
) -> JsonObject:
    """Return how a job fares."""
    return {
        "state": status.state.value if status.state else "IN_QUEUE",  # UCloud knows no job without a state
        "jobParametersJson": None,
        "startedAt": status.started_at,
        "expiresAt": status.expires_at,
        "resolvedApplication": resolved.application,
        "resolvedSupport": resolved.support,
        "resolvedProduct": resolved.product,
        "allowRestart": False,
    }
