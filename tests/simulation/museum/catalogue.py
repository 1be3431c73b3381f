"""All exhibits, and the table of them that stands in docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.simulation.museum import absences, availability, decisions, ledger, metering, races, stopping, watches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.simulation.museum.exhibit import Exhibit

HALLS: Final[Mapping[str, tuple[Exhibit, ...]]] = {
    "The ledger": ledger.EXHIBITS,
    "Metering": metering.EXHIBITS,
    "Stopping": stopping.EXHIBITS,
    "Crashes, lost answers and races": races.EXHIBITS,
    "Decisions on their way": decisions.EXHIBITS,
    "Nodes and kubelets that are away": absences.EXHIBITS,
    "Watches and caches": watches.EXHIBITS,
    "Several operators": availability.EXHIBITS,
}
EXHIBITS: Final = tuple(exhibit for hall in HALLS.values() for exhibit in hall)


@dataclass(frozen=True, slots=True)
class Fault:
    """A class of what can happen, what keeps it from costing anybody anything, and what happens without that."""

    what: str
    protection: str
    without: tuple[str, ...]
    """The exhibits that take the protection away."""


FAULTS: Final = (
    Fault(
        "a crash before or after a write",
        "facts are stored once and everything else is worked out from them; the order of writes is a rule",
        ("A job goes before its bill is written down", "A restart sets the start of a job to now"),
    ),
    Fault(
        "a write that is carried out, and whose answer is lost",
        "every write may be made twice: totals, lines by uid, names with the number of the run",
        (
            "What was settled is settled again",
            "A launch without an answer is taken for none",
            "A publication whose answer is lost is forgotten",
        ),
    ),
    Fault(
        "events that are dropped",
        "watches are resumed where they ended, lists are compared with what is known",
        (
            "One event is missed, and never made up for",
            "A history that is gone is asked for again and again",
            "What was deleted unseen is there for ever",
        ),
    ),
    Fault(
        "events that are late, come twice or in another order",
        "the newest version of an object wins, whoever brings it",
        ("Old news replaces new", "An edit is hidden by what it was before", "An end counts when the job says it"),
    ),
    Fault(
        "reads of an older state",
        "versions on all status writes, and full lists before anything is done by a new leader",
        ("A new leader goes by what it has heard so far", "A status is written whatever has happened to the job since"),
    ),
    Fault(
        "an API server that is away or overloaded",
        "what fails comes back, stops in a lane of their own; the kubelets know the deadlines",
        ("The news that credits have ended is acted on once",),
    ),
    Fault(
        "a watch that falls silent",
        "bookmarks, and an end to patience",
        ("A watch that falls silent is listened to for ever",),
    ),
    Fault(
        "a node that dies",
        "the last sign of life is the end, and an alarm for who never answers",
        (
            "A pod whose node is gone runs for ever",
            "A node that is lost is billed until somebody looks",
            "A silent node is billed until its pods are given up",
            "A replica on a silent node is billed until another one ends",
        ),
    ),
    Fault(
        "a pod that is evicted, deleted, or deleted by force",
        "a finalizer until the end is written down, and the kubelet's word for that end",
        (
            "A pod is deleted by force, and its end with it",
            "A pod that is being deleted is taken for one that has stopped",
            "Whoever has ended pays on",
        ),
    ),
    Fault(
        "clocks that are wrong, jump or drift",
        "a node's stamps are clamped; nobody sleeps for long; leases go by monotonic time",
        ("A node's clock is believed", "A clock that is set is not noticed"),
    ),
    Fault(
        "two leaders at once",
        "epochs on pods, versions on status writes, uids on deletes; a look at the lease before every step",
        (
            "A leader that stood still goes on where it was",
            "A leader that was frozen launches what is long over",
            "A status is written whatever has happened to the job since",
            "A name is deleted, and not an object",
        ),
    ),
    Fault(
        "nobody there when credits end",
        "deadlines that the kubelets obey, and the reason beside them; bills that end at the instant",
        ("Nobody but the operator can stop a job", "The reason is lost", "A restart forgets the deadlines"),
    ),
)

PAGE: Final = Path(__file__).parents[3] / "docs" / "reliability.md"
BEGINS: Final = "<!-- written by `python -m tests.simulation.museum` -->\n"
ENDS: Final = "<!-- until here -->\n"


def tables() -> str:
    """Return all tables in Markdown: the faults, and every hall with its exhibits."""
    columns = ("defect", "seen at", "what it did", "what protects us", "caught by", "what it taught")
    faults = [(fault.what, fault.protection, "; ".join(fault.without)) for fault in FAULTS]
    parts = {"Every class of faults": _table(("what happens", "what protects us", "without that"), faults)}
    parts |= {title: _table(columns, map(_row, exhibits)) for title, exhibits in HALLS.items()}
    return "\n".join(f"### {title}\n\n{table}" for title, table in parts.items())


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (columns, ("---",) * len(columns), *rows))


def _row(exhibit: Exhibit) -> tuple[str, ...]:
    seen_at = ", ".join(f"[{name}]({link})" if link else name for name, link in exhibit.origins.items())
    return exhibit.name, seen_at, exhibit.did, exhibit.protection, str(exhibit.story), exhibit.taught


def written(page: str) -> str:
    """Return the page with the tables as they are now."""
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    assert begins, f"{PAGE} has no line {BEGINS}"
    assert ends, f"{PAGE} has no line {ENDS}"
    return f"{before}{begins}\n{tables()}\n{ends}{after}"
