"""Decisions to stop a run, and what they come to.

A stop is decided for an instant, and it is written on the pods (``OutOfCredits@2026-11-24T08:02:00.000Z``) before or
together with what makes them stop. So a restarted operator that finds ended pods knows why they ended, and a top-up
after the instant can't turn the reason into a riddle.

The kubelet's stamps are truncated to the second, and it takes a moment to stop a container. A stop that money or time
decides is therefore billed to exactly its instant if the container may have lived that long: nobody pays for the
provider's slowness, and nothing below the instant is given away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ucloud_operator.api import JobState, format_time, parse_time
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.sentences import Reason

STAMP_MS: Final = 1000
"""The resolution of the kubelet's and the API server's stamps: what is stamped t happened in ``[t, t + STAMP_MS)``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run's end makes of the job."""

    state: JobState
    reason: Reason
    sentence: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A decision that a run ends at an instant."""

    reason: Reason
    at_ms: int


STOPPED: Final[Mapping[Reason, Outcome]] = {
    reason: Outcome(state, reason, sentence)
    for reason, state, sentence in (
        (Reason.Cancelled, JobState.SUCCESS, sentences.CANCELLED),
        (Reason.Expired, JobState.EXPIRED, sentences.EXPIRED),
        (Reason.Suspended, JobState.SUSPENDED, sentences.SUSPENDED),
        (Reason.OutOfCredits, JobState.SUCCESS, sentences.OUT_OF_CREDITS),
        (Reason.WalletDeleted, JobState.FAILURE, sentences.WALLET_DELETED),
        (Reason.WalletBlocked, JobState.FAILURE, sentences.WALLET_UNUSABLE),
        (Reason.ParentNotFound, JobState.FAILURE, sentences.PARENT_DELETED),
    )
}
"""What each kind of stop comes to; of several at one instant, the first in this order counts."""

SUSPENDED_OUT_OF_CREDITS: Final = Outcome(JobState.SUSPENDED, Reason.OutOfCredits, sentences.SUSPENDED_OUT_OF_CREDITS)

_ORDER: Final = {reason: position for position, reason in enumerate(STOPPED)}
BY_TIME: Final = frozenset({Reason.OutOfCredits, Reason.Expired})
"""Stops that are foreseen, and billed to their instant."""


def outcome_of(reason: Reason, *, suspends: bool) -> Outcome:
    """Return what a stop makes of the job; `suspends`: its wallet says ``onExhaustion: Suspend``."""
    return SUSPENDED_OUT_OF_CREDITS if suspends and reason is Reason.OutOfCredits else STOPPED[reason]


def first_stop(stops: Iterable[Stop | None]) -> Stop | None:
    """Return the one that counts: the earliest; in one millisecond the user, then the time allocation, then credits."""
    return min((stop for stop in stops if stop), key=lambda stop: (stop.at_ms, _ORDER[stop.reason]), default=None)


BILLED_TO_THE_INSTANT: Final = BY_TIME | {Reason.WalletDeleted, Reason.WalletBlocked, Reason.ParentNotFound}


def billed_end_ms(finished_ms: int, stop: Stop) -> int:
    """Return when the bill of a stopped run ends, given the stamp of its container's end."""
    if stop.reason in BILLED_TO_THE_INSTANT and finished_ms + STAMP_MS >= stop.at_ms:
        return stop.at_ms
    return finished_ms


def format_stop(stop: Stop) -> str:
    """Write a stop as the value of its annotation."""
    assert stop.reason in STOPPED, stop.reason
    return f"{stop.reason}@{format_time(stop.at_ms)}"


def parse_stop(text: str | None) -> Stop | None:
    """Read the annotation; what isn't one of ours says nothing."""
    reason, at, instant = (text or "").partition("@")
    if not at or reason not in STOPPED:
        return None
    try:
        return Stop(Reason(reason), parse_time(instant))
    except ValueError:
        return None
