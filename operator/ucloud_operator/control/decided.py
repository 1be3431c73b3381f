"""What has been decided and is on its way to the API server: it counts from the decision on, not from the answer.

Two decisions about the same credits may be under way at once: a job's bill and a wallet's checkpoint, a stop and the
bill of a job beside it. Each was made from what was known before, so without this both could take what is left. What
doesn't get through is forgotten, and decided again.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ucloud_operator.lifecycle.facts import open_run, paid_by
from ucloud_operator.lifecycle.stops import BILLED_TO_THE_INSTANT
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from ucloud_operator.api import UCloudJob, UCloudJobStatus, Wallet
    from ucloud_operator.api.wallet import WalletStatus
    from ucloud_operator.lifecycle.stops import Stop


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bill:
    """A job's status that says what it has cost in all."""

    wallet: str
    status: UCloudJobStatus


class Decided:
    """Decisions under way, each as long as its `with` block lasts."""

    def __init__(self, touch: Callable[[str], None], failed: Callable[[str], None]) -> None:
        """Take whom to tell of which wallet (by key) something is decided or forgotten, and that it has failed."""
        self._touch = touch
        self._failed = failed  # plans may have been made meanwhile that had it done
        self._ends_ms: dict[str, int] = {}  # by job uid
        self._bills: dict[str, Bill] = {}  # by job uid
        self._published: dict[str, tuple[str, WalletStatus]] = {}  # by wallet: of which version, and what it will be

    @contextmanager
    def end(self, job: UCloudJob, stop: Stop) -> Iterator[None]:
        """Count a job's run until that stop and no longer, if it has one and the reason ends the bill."""
        if open_run(job.status) is None or stop.reason not in BILLED_TO_THE_INSTANT:
            yield
            return
        with self._counted(self._ends_ms, job, stop.at_ms):
            yield

    @contextmanager
    def bill(self, job: UCloudJob, status: UCloudJobStatus) -> Iterator[None]:
        """Take the job's next status for its present one, if it concludes a run."""
        if not concludes_run(job, status):
            yield
            return
        with self._counted(self._bills, job, Bill(paid_by(job), status)):
            yield

    @contextmanager
    def publication(self, wallet: Wallet, status: WalletStatus, *, edited: bool = False) -> Iterator[None]:
        """Take the wallet's next status for its present one; an edited one only for what is charged by then.

        What an edit grants or takes isn't there before the API server has accepted it.
        """
        charged = {"metered_at": status.metered_at, "recent_runs": status.recent_runs}
        counts = wallet.status.model_copy(update=charged) if edited else status
        self._published[wallet.key] = wallet.metadata.resource_version, counts
        try:
            yield
        finally:
            del self._published[wallet.key]
            if edited:
                self._touch(wallet.key)

    def is_published(self, wallet: Wallet, before: Wallet | None) -> bool:
        """Say whether nothing about a wallet has changed but its status, to what is being published."""
        if before is None or (before.metadata.resource_version, wallet.status) != self._published.get(wallet.key):
            return False
        now, then = wallet.metadata, before.metadata
        return (now.uid, now.generation, now.finalizers, now.deletion_timestamp) == (
            then.uid,
            then.generation,
            then.finalizers,
            then.deletion_timestamp,
        )

    def wallet(self, wallet: Wallet) -> Wallet:
        """Return the wallet as it will be, or as it has become if it has changed since that was decided."""
        version, status = self._published.get(wallet.key, ("", None))
        return wallet if version != wallet.metadata.resource_version else wallet.model_copy(update={"status": status})

    def job(self, job: UCloudJob) -> UCloudJob:
        """Return the job as it will be."""
        bill = self._bills.get(job.metadata.uid)
        return job if bill is None else job.model_copy(update={"status": bill.status})

    def end_ms(self, job_uid: str) -> int:
        """Return when a job's run was decided to end, FOREVER_MS if that isn't under way."""
        return self._ends_ms.get(job_uid, FOREVER_MS)

    def billed_ms(self, wallets: Container[str]) -> Iterator[int]:
        """Yield until when jobs of these wallets are billed that no status says it of: no checkpoint goes past that."""
        for bill in self._bills.values():
            ended_ms = bill.status.runs[-1].ended_at
            if bill.wallet in wallets and ended_ms is not None:
                yield ended_ms

    @contextmanager
    def _counted(self, kept: dict[str, T], job: UCloudJob, value: T) -> Iterator[None]:
        kept[job.metadata.uid] = value
        self._touch(paid_by(job))
        try:
            yield
        except Exception:
            self._failed(paid_by(job))
            raise
        finally:
            del kept[job.metadata.uid]
            self._touch(paid_by(job))


def concludes_run(job: UCloudJob, status: UCloudJobStatus) -> bool:
    """Say whether a status ends a run of the job, and so says what it has cost."""
    return open_run(job.status) is not None and open_run(status) is None
