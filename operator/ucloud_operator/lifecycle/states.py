"""The states of a job, as one table, and the list of updates that tells how it went through them.

A job is one life with an end, made of any number of *runs*. It enters through the queue, always: even a job that is
refused at once, or runs so soon that both updates go out in one write, says ``IN_QUEUE`` first, because UCloud promises
that its updates begin so. From there it runs when *all* its replicas run, and the meter runs exactly as long as that.

Two ways lead out of ``RUNNING``. To a final state: ``SUCCESS``, ``FAILURE`` or ``EXPIRED``, which nothing leaves
again; there is no transition from one to another, so the first write of an end is the end, whoever repeats it. Or to
``SUSPENDED``, without pods and without cost, from where the only way back to ``RUNNING`` is the queue: what was
suspended is admitted anew, as the credits may have gone elsewhere, and may be refused then.

Three things are less obvious than the table:

- ``SUCCESS`` is not "exit code 0". In UCloud, whoever ends a job on purpose (its user, its wallet) ends it in
  ``SUCCESS``; the reason is what tells these ends apart. ``FAILURE`` is what nobody wanted.
- ``OutOfCredits`` leads to two states. Which one is the wallet's choice (``onExhaustion``), hence a row in the table
  for each; it is the only reason of which the same state makes two things.
- Ends are reachable from ``IN_QUEUE`` too: a replica may end before the last one has begun. Such a job never ran and
  is free. ``Expired`` is not: a time allocation is spent by running.

What is not in the table does not happen: :func:`step` refuses it with an AssertionError, in front of the write.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ucloud_operator.api import FINAL_STATES, JobState, JobUpdate
from ucloud_operator.api.job import MAX_UPDATES
from ucloud_operator.lifecycle.sentences import Reason

IN_QUEUE, RUNNING, SUSPENDED = JobState.IN_QUEUE, JobState.RUNNING, JobState.SUSPENDED
SUCCESS, FAILURE, EXPIRED = JobState.SUCCESS, JobState.FAILURE, JobState.EXPIRED

MISSING_REFERENCES: Final = frozenset(
    {
        Reason.ProductNotFound,
        Reason.ApplicationNotFound,
        Reason.NoWallet,
        Reason.ParentNotFound,
        Reason.WalletBlocked,
    }
)
"""What a job waits for, and is given up for."""

WALLET_LOST: Final = frozenset({Reason.WalletDeleted, Reason.WalletBlocked, Reason.ParentNotFound})
"""What locks a wallet for another reason than its credits, under a job that has pods."""

FAILURES: Final = WALLET_LOST | frozenset(
    {
        Reason.ExitCode,
        Reason.Signal,
        Reason.OOMKilled,
        Reason.Evicted,
        Reason.NodeLost,
        Reason.NodeRefused,
        Reason.ImagePullFailed,
        Reason.ConfigError,
        Reason.PodRejected,
        Reason.PodDeleted,
        Reason.Unknown,
    }
)
"""Ends that nobody wanted, of a job that had pods."""

REFUSALS: Final = MISSING_REFERENCES | {
    Reason.InvalidParameters,
    Reason.NotEnoughCredits,
    Reason.ReserveNotPossible,
}
"""Ends of a job that got no pods."""

TRANSITIONS: Final[Mapping[JobState | None, Mapping[JobState, frozenset[Reason]]]] = {
    None: {
        IN_QUEUE: frozenset({Reason.Queued}),
    },
    IN_QUEUE: {
        RUNNING: frozenset({Reason.Started}),
        SUSPENDED: frozenset({Reason.Suspended, Reason.OutOfCredits, Reason.NotEnoughCredits}),
        SUCCESS: frozenset({Reason.Completed, Reason.Cancelled, Reason.OutOfCredits}),
        FAILURE: REFUSALS | FAILURES,
    },
    RUNNING: {
        SUSPENDED: frozenset({Reason.Suspended, Reason.OutOfCredits}),
        SUCCESS: frozenset({Reason.Completed, Reason.Cancelled, Reason.OutOfCredits}),
        FAILURE: FAILURES,
        EXPIRED: frozenset({Reason.Expired}),
    },
    SUSPENDED: {
        IN_QUEUE: frozenset({Reason.Resumed}),
        SUCCESS: frozenset({Reason.Cancelled}),
        FAILURE: REFUSALS | WALLET_LOST,
    },
    SUCCESS: {},
    FAILURE: {},
    EXPIRED: {},
}
"""From (None: a job that has no state yet), to, for which reasons."""


def allowed(before: JobState | None, reason: Reason, after: JobState) -> bool:
    """Say whether the table has that transition."""
    return reason in TRANSITIONS[before].get(after, frozenset())


def step(before: JobState | None, reason: Reason, after: JobState) -> JobState:
    """Go from one state to the next; whoever asks for what is not in the table has a defect."""
    assert allowed(before, reason, after), f"{before} -> {after} because of {reason} is no transition of a job"
    return after


def diagram() -> str:
    """Draw the table as a mermaid ``stateDiagram-v2``."""
    return "\n".join(("stateDiagram-v2", *(f"    {line}" for line in _arrows()))) + "\n"


def _arrows() -> Iterator[str]:
    for before, targets in TRANSITIONS.items():
        for after, reasons in targets.items():
            yield f"{before or '[*]'} --> {after}: {', '.join(sorted(reasons))}"
        if before in FINAL_STATES:
            yield f"{before} --> [*]"


def append_update(updates: Sequence[JobUpdate], update: JobUpdate) -> tuple[JobUpdate, ...]:
    """Add an update at the end, and forget the oldest one that nobody will look for when there are too many.

    People look for how the job began and what its first and its last run were: those stay, whatever is dropped between
    them. An update is never older than the one before it, even when the clock was set back: clients sort by it.
    """
    if updates and update.timestamp < updates[-1].timestamp:
        update = update.model_copy(update={"timestamp": updates[-1].timestamp})
    kept = [*updates, update]
    while len(kept) > MAX_UPDATES:
        landmarks = _landmarks(kept)
        del kept[next(index for index in range(len(kept)) if index not in landmarks)]
    return tuple(kept)


def _landmarks(updates: Sequence[JobUpdate]) -> frozenset[int]:
    """Return where the first update, the newest one, and the beginning and end of the first and of the last run are."""
    changes = [index for index, update in enumerate(updates) if update.state is not None]
    starts = [position for position, index in enumerate(changes) if updates[index].state is RUNNING]
    runs = {position for start in (*starts[:1], *starts[-1:]) for position in (start, start + 1)}
    return frozenset({0, len(updates) - 1, *(changes[position] for position in runs if position < len(changes))})
