"""What UCloud's JSON has no place for: when credits end, at what rate they go, what a job has used, and why.

Amounts are in the category's smallest unit, instants unix milliseconds.
"""

from typing import Literal

from ucloud_operator.api import Application, CategoryReference, UCloudJob, Wallet
from ucloud_operator.control.accounts import runs_of
from ucloud_operator.gateway.render import JsonObject
from ucloud_operator.gateway.told import Told, Whole
from ucloud_operator.ledger import usage_at


class Forecast(Told):
    """What is to become of a wallet, as of `meteredAt`."""

    name: str
    pays_for: CategoryReference
    metered_at: Whole | None
    max_usable: Whole
    reserved: Whole
    rate_per_minute: Whole
    """What the workspace's own jobs use."""

    exhausts_at: Whole | None
    """When the credits end if everything goes on as it is; null if they don't."""

    locked: bool
    blocked: str | None
    reason: str | None
    message: str | None
    on_exhaustion: Literal["Terminate", "Suspend"]


class JobCost(Told):
    """What a job has used by `at`."""

    id: str
    at: Whole
    usage: Whole
    reserved: Whole
    rate_per_minute: Whole
    reason: str | None
    message: str | None


class Rights(Told):
    """What a caller may do in a workspace, as the API server would decide now."""

    create_jobs: bool
    change_jobs: bool
    change_wallets: bool
    mint: bool
    fund: bool


class ShownWorkspace(Told):
    """Who calls, which workspace that is about, and what may be done there."""

    username: str
    workspace: str
    may: Rights


class ListedMetadata(Told):
    """What a person needs to choose an application."""

    name: str
    version: str
    title: str
    description: str | None


class ListedApplication(Told):
    """What there is to run."""

    metadata: ListedMetadata


def render_forecast(wallet: Wallet) -> JsonObject:
    """Return what a wallet's status says about its future, as of `meteredAt`."""
    status = wallet.status
    lock = next((each for each in status.conditions if each.type == "Locked"), None)
    return {
        "name": wallet.metadata.name,
        "paysFor": {"name": wallet.spec.pays_for.name, "provider": wallet.spec.pays_for.provider},
        "meteredAt": status.metered_at,
        "maxUsable": status.max_usable,
        "reserved": status.reserved,
        "ratePerMinute": status.rate_per_minute,
        "exhaustsAt": status.exhausts_at,
        "locked": status.locked,
        "blocked": status.blocked or None,
        "reason": lock.reason if lock else None,
        "message": lock.message if lock else None,
        "onExhaustion": wallet.spec.on_exhaustion,
    }


def render_cost(job: UCloudJob, now_ms: int) -> JsonObject:
    """Return what a job has used by now, what it uses per minute, and why it is in its state."""
    status = job.status
    return {
        "id": job.metadata.name,
        "at": now_ms,
        "usage": used_by(job, now_ms),
        "reserved": status.reserved,
        "ratePerMinute": status.rate_per_minute,
        "reason": status.reason,
        "message": status.message,
    }


def used_by(job: UCloudJob, now_ms: int) -> int:
    """Return what a job has used: its status says so up to the last time that it was written."""
    runs = runs_of(job, None)
    if job.is_final or not runs or runs[-1].end_ms is not None:
        return job.status.usage
    return max(job.status.usage, usage_at(runs, now_ms))


def render_application(application: Application) -> JsonObject:
    """Return what a person needs to choose an application."""
    spec = application.spec
    return {
        "metadata": {
            "name": spec.name,
            "version": spec.version,
            "title": spec.title or spec.name,
            "description": spec.description,
        }
    }
