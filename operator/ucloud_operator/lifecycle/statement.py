"""What a wallet's statements say about a job that leaves, and where its line goes.

A line is written once, under the job's uid, into the month in which it is settled, by UTC. A month has as many parts
as it needs; a part is full long before it is too large for the API server. When its month is over a part is closed,
and what is closed never changes. So the sum over all lines is a wallet's settled usage, and anybody can add it up.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.api.checkpoint import WalletClosing
from ucloud_operator.api.statement import StatementLine, StatementWallet, WalletStatement, WalletStatementSpec

LINES_PER_PART: Final = 200
"""A line is about 300 bytes, and a part is written anew with every line: 60 kB at the most."""

CREATED_BY: Final = "ucloud.dk/created-by"


@dataclass(frozen=True, slots=True)
class Entry:
    """A part to be written: a new one where `present` is None."""

    present: WalletStatement | None
    spec: WalletStatementSpec


def month_of(at_ms: int) -> str:
    """Return the month of an instant by UTC, such as 2026-11."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m")


def account_of(wallet: Wallet) -> StatementWallet:
    """Return what a wallet's statements go by: whoever has the same namespace, name and category goes on from them."""
    category = wallet.spec.pays_for
    return StatementWallet(
        namespace=wallet.metadata.namespace or "",
        name=wallet.metadata.name,
        category=category.name,
        provider=category.provider,
    )


def account_of_job(job: UCloudJob) -> StatementWallet | None:
    """Return whose statements a job belongs in; None for one that never had a wallet."""
    if job.status.wallet is None:
        return None
    product = job.spec.product
    return StatementWallet(
        namespace=job.metadata.namespace or "",
        name=job.status.wallet.name,
        category=product.category,
        provider=product.provider,
    )


def line_of(job: UCloudJob) -> StatementLine:
    """Return the line of a job that has ended."""
    status = job.status
    ended_ms = status.runs[-1].ended_at if status.runs else None
    assert ended_ms is not None, "only what has ended is settled"
    return StatementLine(
        uid=job.metadata.uid,
        job=job.metadata.name,
        created_by=job.metadata.annotations.get(CREATED_BY),
        product=job.spec.product.id,
        replicas=job.spec.replicas,
        started_at=status.started_at,
        ended_at=ended_ms,
        usage=status.usage,
        reason=status.reason or "",
    )


def enter(
    account: StatementWallet, parts: Iterable[WalletStatement], jobs: Sequence[UCloudJob], month: str
) -> Iterator[Entry]:
    """Say which parts to write so that all of these jobs have their line; `parts` are all of the account's."""
    lines = [line_of(job) for job in jobs]
    present = sorted((part for part in parts if part.spec.month == month), key=lambda part: part.spec.part)
    last = present[-1] if present and not present[-1].spec.closed else None
    number = present[-1].spec.part if present else 0
    if last is not None and (room := LINES_PER_PART - len(last.spec.lines)) > 0:
        yield Entry(last, _with(last.spec, lines[:room]))
        lines = lines[room:]
    for start in range(0, len(lines), LINES_PER_PART):
        number += 1
        empty = WalletStatementSpec(wallet=account, month=month, part=number)
        yield Entry(None, _with(empty, lines[start : start + LINES_PER_PART]))


def _with(spec: WalletStatementSpec, lines: Sequence[StatementLine]) -> WalletStatementSpec:
    more = (*spec.lines, *lines)
    assert len({line.uid for line in more}) == len(more), "a job is settled once"
    total = sum(line.usage for line in more)
    assert total >= spec.total, "a total only grows"
    return spec.model_copy(update={"lines": more, "total": total})


@dataclass(frozen=True, slots=True)
class Settled:
    """What all statements of a wallet say together."""

    usage: int
    uids: frozenset[str]
    closing: WalletClosing | None  # what the last wallet of that name had when it went


def settled_by(parts: Sequence[WalletStatement]) -> Settled:
    """Add up statements, oldest first."""
    closings = [part.spec.closing for part in parts if part.spec.closing is not None]
    return Settled(
        usage=sum(part.spec.total for part in parts),
        uids=frozenset(line.uid for part in parts for line in part.spec.lines),
        closing=closings[-1] if closings else None,
    )
