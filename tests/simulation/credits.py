"""Whether credits had ended at an instant, as far as anybody could know who read what the jobs said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ucloud_operator.control.accounts import runs_of
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import expires_ms, open_run, paid_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeAlias

    from ucloud_operator.api import UCloudJob, Wallet

    Jobs: TypeAlias = Mapping[str, UCloudJob]
    """All that ever were, by uid."""


class Grants:
    """What was ever granted to each wallet at a time; only where each has one parent at the most."""

    def __init__(self) -> None:
        self._wallets: dict[str, Wallet] = {}
        self._granted: dict[str, set[int]] = {}

    def note(self, wallet: Wallet) -> None:
        """Take a wallet as it is now."""
        asked = sum(each.quota for group in wallet.spec.allocation_groups for each in group.allocations)
        self._wallets[wallet.key] = wallet
        self._granted.setdefault(wallet.key, set()).update((asked, _applied(wallet)))

    def ended_at(self, job: UCloudJob, at_ms: int, jobs: Jobs) -> bool:
        """Say whether at that instant the last of them was used, of a job's wallet or of one above it, or had been."""
        if self.are_spent(job, at_ms, jobs):
            return True
        for above in self._upwards(paid_by(job)):
            before, by_then = (self._used_of(above, instant, jobs) for instant in (at_ms - 1, at_ms))
            if any(before <= granted <= by_then for granted in self._granted[above.key]):
                return True
        return False

    def are_spent(self, job: UCloudJob, at_ms: int, jobs: Jobs) -> bool:
        """Say whether by then all that counted was, but for a unit of each job, or a wallet was being deleted."""
        return any(
            above.is_being_deleted or self._used_of(above, at_ms, jobs) + len(jobs) >= _applied(above)
            for above in self._upwards(paid_by(job))
        )

    def others_took(self, job: UCloudJob, at_ms: int, now_ms: int, jobs: Jobs) -> bool:
        """Say whether others have used by now all that a job hadn't by that instant, but for a unit of each."""
        later = used_by(job, now_ms) - used_by(job, at_ms)
        return any(
            self._used_of(above, now_ms, jobs) - later + len(jobs) >= _applied(above)
            for above in self._upwards(paid_by(job))
        )

    def _used_of(self, above: Wallet, at_ms: int, jobs: Jobs) -> int:
        """Return what was used of a wallet."""
        below = {key for key in self._wallets if any(each.key == above.key for each in self._upwards(key))}
        opening = sum(self._wallets[key].spec.opening_usage for key in below)
        paying = (job for job in jobs.values() if job.status.wallet is not None and paid_by(job) in below)
        return opening + sum(used_by(job, at_ms) for job in paying)

    def _upwards(self, key: str | None) -> Iterator[Wallet]:
        """Yield a wallet, and those above it."""
        seen = set[str]()
        while key is not None and key not in seen and (wallet := self._wallets.get(key)) is not None:
            yield wallet
            seen.add(key)
            parents = (group.parent.key for group in wallet.spec.allocation_groups if group.parent is not None)
            key = next(parents, None)


def _applied(wallet: Wallet) -> int:
    return sum(group.quota for group in wallet.status.groups)


def used_by(job: UCloudJob, at_ms: int) -> int:
    """Return what a job has used by an instant; one that runs, runs on for as long as it may."""
    run = open_run(job.status)
    runs = runs_of(job, None if run is None else expires_ms(job, run.started_at))
    used = usage_at(runs, at_ms) if runs else 0
    return min(used, job.status.usage) if job.is_final else used
