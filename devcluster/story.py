"""The story that the demo plays: a user's wallet runs dry, and the job that it pays for is terminated.

It is the example of UCloud's documentation, "Running out of compute credits". The stage is what `manifests/samples`
puts up: three wallets, of which the user's has used 499 of 500 million and can still use 100,000, because its parent
has no more. At 50,000 per minute that lasts two minutes; at ten times the price, twelve seconds.

Pure: what was seen goes in, what it proves comes out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from ucloud_operator.api import JobUpdate, UCloudJob, Wallet
from ucloud_operator.ledger.state import Run
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.kubelet import Pod

Manifest = dict[str, object]

USER: Final = "user"
"""Who creates the job, and the namespace where that happens."""

WALLET: Final = "example-compute"
JOB: Final = "62348"

QUOTA: Final = 500_000_000
USED_BEFORE: Final = 499_000_000
USABLE_BEFORE: Final = 100_000
PRICE_PER_MINUTE: Final = 50_000

ENDING: Final = (
    ("IN_QUEUE", "Your job is now waiting in the queue!"),
    ("RUNNING", "Your job is now running!"),
    ("SUCCESS", "Your job has been terminated (No more credits)"),
)
TOLERANCE_MS: Final = 1000

_SAMPLES = Path(__file__).parent.parent / "manifests" / "samples"

_RIGHTS: Final[Manifest] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "ucloud-user", "namespace": USER},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ucloud-user"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
}


@dataclass(frozen=True)
class Scene:
    """What is seen at one moment."""

    wallet: Wallet | None = None
    job: UCloudJob | None = None
    pods: tuple[Pod, ...] = ()

    @property
    def rate_per_minute(self) -> int:
        """What is being spent; the job says it some seconds earlier than the wallet."""
        if self.job is None or self.job.is_final:
            return 0
        return self.job.status.rate_per_minute

    def spent_since_metered(self, now_ms: int) -> int:
        """What the job has spent since the wallet's numbers were published.

        They are written once a minute, as of `meteredAt`. What people see between two of them is worked out here, by
        the operator's own formula, from what the job's status says about its run.
        """
        metered_ms = self.wallet.status.metered_at if self.wallet is not None else None
        if self.job is None or metered_ms is None:
            return 0
        runs = [
            Run(run.started_at, run.ended_at, run.price, run.replicas, run.period_ms) for run in self.job.status.runs
        ]
        return usage_at(runs, max(now_ms, metered_ms)) - usage_at(runs, metered_ms)

    def usable(self, now_ms: int) -> int:
        """What can still be used by now."""
        return max(0, self.wallet.status.max_usable - self.spent_since_metered(now_ms)) if self.wallet else 0

    def used(self, now_ms: int) -> int:
        """What has been used by now."""
        if self.wallet is None:
            return 0
        published = self.wallet.status
        return published.local_usage + min(published.max_usable, self.spent_since_metered(now_ms))

    def dry_at_ms(self, now_ms: int) -> int | None:
        """When nothing is left: the wallet's own forecast, or, until that is published, what the rate says."""
        if self.wallet is None or not self.rate_per_minute:
            return None
        return self.wallet.status.exhausts_at or now_ms + self.usable(now_ms) * 60_000 // self.rate_per_minute


@dataclass(frozen=True)
class Check:
    """One thing that the story promises, and what was seen of it."""

    claim: str
    holds: bool
    seen: str


@dataclass(frozen=True)
class Story:
    """The story at its own price, or faster at a multiple of it."""

    pace: int = 1
    wallet: str = WALLET
    """What all its wallets are called. One of another name begins anew, where the last one's statements stay."""

    @property
    def run_seconds(self) -> int:
        """How long the credits last."""
        return USABLE_BEFORE * 60 // (PRICE_PER_MINUTE * self.pace)

    @property
    def minimum_run_seconds(self) -> int:
        """The operator's usual minimum, or one that credits for twelve seconds pass."""
        return 60 if self.pace == 1 else 5

    def stage(self) -> list[Manifest]:
        """Everything but the job: workspaces, product, application, wallets, and the user's right to run jobs."""
        return [*(each for each in self._manifests() if each["kind"] != "UCloudJob"), _RIGHTS]

    def job(self) -> Manifest:
        """The job."""
        return next(each for each in self._manifests() if each["kind"] == "UCloudJob")

    def is_set(self, scene: Scene) -> bool:
        """Whether the wallet has come to the numbers that the story begins with."""
        return self._beginning(scene).holds

    def is_over(self, scene: Scene) -> bool:
        """Whether nothing more will happen."""
        return scene.job is not None and scene.job.is_final and not scene.pods and self._wallet_end(scene).holds

    def checks(self, beginning: Scene, end: Scene) -> Sequence[Check]:
        """Compare what was seen with what was promised."""
        updates = end.job.status.updates if end.job is not None else ()
        return (
            self._beginning(beginning),
            _states(updates),
            _sentences(updates),
            self._length(updates),
            self._wallet_end(end),
            Check("its pods are gone", not end.pods, ", ".join(pod.metadata.name for pod in end.pods) or "no pods"),
        )

    def _manifests(self) -> Iterator[Manifest]:
        for path in sorted(_SAMPLES.glob("*.yaml")):
            for each in yaml.safe_load_all(path.read_text()):
                if each["kind"] == "ComputeProduct":
                    each["spec"]["price"] *= self.pace
                if each["kind"] == "Wallet":
                    each["metadata"]["name"] = self.wallet
                    for parent in (group["parent"] for group in each["spec"]["allocationGroups"] if "parent" in group):
                        parent["name"] = self.wallet
                yield each

    @staticmethod
    def _beginning(scene: Scene) -> Check:
        return Check(
            f"the wallet began with quota {QUOTA}, usage {USED_BEFORE} and {USABLE_BEFORE} to spend",
            _numbers(scene) == (QUOTA, USED_BEFORE, USABLE_BEFORE, False),
            _wallet_line(scene),
        )

    @staticmethod
    def _wallet_end(scene: Scene) -> Check:
        used = USED_BEFORE + USABLE_BEFORE
        return Check(
            f"the wallet ended locked, with usage {used} and 0 to spend",
            _numbers(scene) == (QUOTA, used, 0, True),
            _wallet_line(scene),
        )

    def _length(self, updates: Sequence[JobUpdate]) -> Check:
        at_ms = {update.state: update.timestamp for update in updates}
        claim = f"it ran for {self.run_seconds} s, give or take {TOLERANCE_MS // 1000} s"
        if not {"RUNNING", "SUCCESS"} <= at_ms.keys():
            return Check(claim, holds=False, seen="it didn't begin and end")
        ran_ms = updates[-1].timestamp - next(each.timestamp for each in updates if each.state == "RUNNING")
        return Check(claim, abs(ran_ms - 1000 * self.run_seconds) <= TOLERANCE_MS, f"{ran_ms / 1000:.3f} s")


def _states(updates: Sequence[JobUpdate]) -> Check:
    wanted = tuple(state for state, _ in ENDING)
    seen = tuple(update.state or "" for update in updates)
    return Check(f"the job was {', then '.join(wanted)}", seen == wanted, ", ".join(seen) or "no updates")


def _sentences(updates: Sequence[JobUpdate]) -> Check:
    wanted = tuple(sentence for _, sentence in ENDING)
    seen = tuple(update.status or "" for update in updates)
    said = f"“{seen[-1]}”" if seen else "nothing"
    return Check("its updates say so in UCloud's words", seen == wanted, f"the last one: {said}")


def _numbers(scene: Scene) -> tuple[int, int, int, bool] | None:
    if scene.wallet is None:
        return None
    status = scene.wallet.status
    return status.quota, status.local_usage, status.max_usable, status.locked


def _wallet_line(scene: Scene) -> str:
    numbers = _numbers(scene)
    if numbers is None:
        return "no wallet"
    quota, used, usable, locked = numbers
    return f"quota {quota}, usage {used}, usable {usable}, {'locked' if locked else 'not locked'}"
