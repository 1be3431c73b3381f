"""Everything a decision about a job is made from, and what follows from it without deciding anything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.lifecycle.admission import Objection
from ucloud_operator.lifecycle.endings import Intent
from ucloud_operator.lifecycle.facts import expires_ms, open_run, run_number
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.observe import Observation, observe
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import BY_TIME, Stop, first_stop
from ucloud_operator.settings import FOREVER_MS, Settings


@dataclass(frozen=True, slots=True)
class Bill:
    """What a job has used in all, and when its run ended for those who pay."""

    usage: int
    end_ms: int


@dataclass(frozen=True)
class View:
    """Everything a decision about a job is made from."""

    job: UCloudJob
    pods: tuple[Pod, ...]
    wallet: Wallet | None
    now_ms: int
    settings: Settings
    credits: Stop | None = None  # when and why its credits end, by the latest plan; what is written on pods stays
    settled: bool = False  # its line stands in a statement
    namespace_terminating: bool = False
    failing_since_ms: int | None = None  # when one of its pods was first seen to fail to start
    held_up: str = ""  # what the API server said when it refused them for now
    rejected: str = ""  # what the API server said when it refused the job's pods for good
    admit: Callable[[], Objection | None] = field(default=lambda: None)  # asked only when it is to be launched
    in_the_way: Callable[[tuple[int, ...]], Pod | None] = field(default=lambda _ranks: None)  # a pod of that name
    bill: Callable[[int], Bill] = field(default=lambda end_ms: Bill(0, end_ms))  # by the end of its run (unix ms)

    @cached_property
    def run_pods(self) -> tuple[Pod, ...]:
        """The pods of the run that goes on or comes next."""
        number = run_number(self.job.status)
        return tuple(pod for pod in self.pods if pod.run == number)

    @cached_property
    def intent(self) -> Intent:
        """What was decided about the job besides what stands on its pods."""
        return Intent(
            stop=self.wish,
            suspends=self.wallet is not None and self.wallet.spec.on_exhaustion == "Suspend",
            namespace_terminating=self.namespace_terminating,
        )

    @cached_property
    def wish(self) -> Stop | None:
        """The user's own decision to end or suspend it."""
        spec, deleted_ms = self.job.spec, self.job.metadata.deletion_timestamp
        told = [pod.told_to_stop_ms for pod in self.run_pods if pod.told_to_stop_ms is not None]
        at_ms = min((self.now_ms, *told))
        if spec.terminate or deleted_ms is not None:
            return Stop(Reason.Cancelled, at_ms)
        return Stop(Reason.Suspended, at_ms) if spec.suspend else None

    @cached_property
    def observation(self) -> Observation:
        """How the run fares."""
        return observe(self.run_pods, self.job.spec.replicas, self.now_ms, self.intent)

    @cached_property
    def limit_ms(self) -> int:
        """When the run had to end by what was decided: what runs on after that is nobody's to pay."""
        run = open_run(self.job.status)
        expires = expires_ms(self.job, run.started_at) if run is not None else FOREVER_MS
        return min(expires, self.written.at_ms if self.written is not None else FOREVER_MS)

    @cached_property
    def written(self) -> Stop | None:
        """The end of its credits or time, where that stands on its pods: it counts, whatever a new plan would find."""
        return first_stop(pod.stop for pod in self.run_pods if pod.stop is not None and pod.stop.reason in BY_TIME)

    @cached_property
    def stop(self) -> Stop | None:
        """The decision that ends the run, or will."""
        run = open_run(self.job.status)
        expires = expires_ms(self.job, run.started_at) if run is not None else FOREVER_MS
        expiry = Stop(Reason.Expired, expires) if expires < FOREVER_MS else None
        return first_stop((*(pod.stop for pod in self.run_pods), self.wish, expiry, self.credits))
