"""When something has to be done about a stop that is decided or foreseen.

A stop has three instants. It is *armed* some seconds before: written on the pods, whose kubelet gets a deadline, in
case nobody is there to carry it out. It is *carried out*: the pods are deleted. For a job that asked for a longer
grace, that is by its grace earlier than the third, the *instant* itself, at which the credits end and the container
has to be gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ucloud_operator.api import UCloudJob
from ucloud_operator.lifecycle import warnings
from ucloud_operator.lifecycle.facts import open_run
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import BY_TIME, Stop
from ucloud_operator.lifecycle.view import View
from ucloud_operator.settings import FOREVER_MS, Settings

SHORTEST_GRACE_SECONDS: Final = 1


def next_look_ms(view: View) -> int:
    """Return when a stop that isn't due yet has to be told, armed, or carried out if it is armed."""
    decided = view.stop
    if decided is None or decided is view.wish:
        return FOREVER_MS
    minutes = view.wallet.spec.warn_minutes if view.wallet is not None else ()
    return min(
        _act_ms(view.job, view.run_pods, decided, view.settings),
        warnings.next_level_ms(decided.at_ms, minutes, view.now_ms),
    )


@dataclass(frozen=True, slots=True)
class Ahead:
    """What there is to do about one job's end, seen from now."""

    now_ms: int
    warn_minutes: tuple[int, ...]
    settings: Settings

    def act_ms(self, job: UCloudJob, pods: Sequence[Pod], end_ms: int) -> int:
        """Return when something has to be done about credits that end then (unix ms); FOREVER_MS: they don't."""
        run = open_run(job.status)
        if run is None:
            return FOREVER_MS
        level = warnings.level_at(end_ms, self.warn_minutes, run.started_at, self.now_ms)
        if warnings.is_news(level, warnings.told(job.status.conditions)):
            return self.now_ms
        if end_ms >= FOREVER_MS:
            return FOREVER_MS
        stop = Stop(Reason.OutOfCredits, end_ms)
        return min(
            _act_ms(job, [pod for pod in pods if pod.run == run.number], stop, self.settings),
            warnings.next_level_ms(end_ms, self.warn_minutes, self.now_ms),
        )


def _act_ms(job: UCloudJob, pods: Sequence[Pod], decided: Stop, settings: Settings) -> int:
    left = [pod for pod in pods if not pod.is_being_deleted]  # those on their way out are told nothing any more
    if not left:
        return FOREVER_MS
    due_ms = decided.at_ms - lead_ms(job, decided)
    armed = all(pod.stop is not None and pod.stop.at_ms <= decided.at_ms for pod in left)
    return due_ms if armed else due_ms - 1000 * settings.arm_seconds


def lead_ms(job: UCloudJob, decided: Stop) -> int:
    """Return how long before its instant a stop is carried out: whoever asked for time to save work gets it before."""
    grace_seconds = job.spec.termination_grace_period_seconds
    unhurried = decided.reason in BY_TIME and grace_seconds > SHORTEST_GRACE_SECONDS
    return 1000 * grace_seconds if unhurried else 0


def grace_seconds_of(job: UCloudJob, end_ms: int, now_ms: int) -> int:
    """Return the grace to ask for: the job's own, but no more than is left; one that has begun can't be shortened."""
    left_seconds = -(-max(0, end_ms - now_ms) // 1000)
    return max(SHORTEST_GRACE_SECONDS, min(job.spec.termination_grace_period_seconds, left_seconds))
