"""What an administrator may choose, in one frozen place; `ucloud-operator run --help` lists it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FOREVER_MS = 2**62
"""An instant that never comes, for comparisons (unix milliseconds)."""


def unholdable(lease_seconds: float, renew_seconds: float) -> str:
    """Return why a lease of this length can't be held by renewing it so often, or an empty string."""
    if 2 * renew_seconds < lease_seconds:
        return ""
    return (
        f"a lease of {lease_seconds} s can't be held by renewing it every {renew_seconds} s: "
        "renew it more than twice in that time"
    )


class Settings(BaseModel):
    """The operator's settings; durations are whole seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str = Field(default="ucloud-system", description="where the operator's own Lease lives")
    identity: str = Field(default="", description="the holder's name in the Lease; the pod's name when empty")
    minimum_run_seconds: int = Field(
        default=60, ge=0, description="a job starts or resumes only where the credits last this long"
    )
    reference_wait_seconds: int = Field(
        default=60, ge=0, description="how long a job waits for a product, application or wallet that isn't there yet"
    )
    queue_notice_seconds: int = Field(
        default=5, ge=0, description="a job that runs sooner than this never writes IN_QUEUE by itself"
    )
    start_failure_seconds: int = Field(
        default=60, ge=1, description="image and configuration errors that last this long end the job"
    )
    arm_seconds: int = Field(
        default=20, ge=0, description="how long before a stop the kubelet is told of it, in case we are dead by then"
    )
    metering_seconds: int = Field(
        default=60, ge=1, description="how often the numbers of a wallet with running jobs are published"
    )
    notice_seconds: int = Field(
        default=10, ge=0, description="the least time between two publications of one wallet that nothing hurries"
    )
    relist_seconds: int = Field(default=600, ge=10, description="how often jobs, wallets and pods are listed in full")
    lease_seconds: int = Field(default=4, ge=3, description="how long a dead leader keeps the lease")
    renew_seconds: int = Field(default=1, ge=1, description="how often the leader renews the lease")
    workers: int = Field(default=32, ge=1, description="jobs and wallets that are worked on at once")
    urgent_workers: int = Field(default=48, ge=1, description="stops that are carried out at once, besides those")
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="/metrics, /healthz and /readyz; 0 takes any free port"
    )
    http_host: str = Field(default="0.0.0.0", description="the address that /metrics, /healthz and /readyz listen on")  # noqa: S104  # a kubelet probes the pod's address
    blind_seconds: int = Field(default=90, ge=1, description="/healthz fails when the API server is unheard this long")
    overdue_seconds: int = Field(default=5, ge=1, description="/healthz fails when a deadline is this late")

    @model_validator(mode="after")
    def _can_be_held(self) -> Self:
        """Refuse a lease that would be lost before it is renewed."""
        if trouble := unholdable(self.lease_seconds, self.renew_seconds):
            raise ValueError(trouble)
        return self
