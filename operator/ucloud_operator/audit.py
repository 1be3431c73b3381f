"""`ucloud-operator ledger audit`: every wallet worked out anew from facts, and held against what it says.

`find` compares, and knows no I/O. `read` reads everything there is. That isn't of one moment, so what is read last must
be what is written first: a job's line is written before the job goes, hence jobs are read before statements and none
is missed. What a wallet says is a few seconds behind its statements; so `audit` looks again for a while before it calls
something a difference.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ucloud_operator.control.accounts import departed_from
from ucloud_operator.control.recount import Moment, Recount, Span, exactly
from ucloud_operator.control.world import World
from ucloud_operator.kube.resources import LEDGERCHECKPOINTS, PODS, UCLOUDJOBS, WALLETS, WALLETSTATEMENTS
from ucloud_operator.lifecycle.pods import JOB_UID
from ucloud_operator.lifecycle.statement import account_of, account_of_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ucloud_operator.api import UCloudJob, Wallet
    from ucloud_operator.api.checkpoint import LedgerCheckpoint
    from ucloud_operator.api.statement import StatementWallet
    from ucloud_operator.kube.client import Client

AGAIN_SECONDS: Final = 1.0
SEVERAL: Final = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that isn't what it should be."""

    what: str
    says: int
    source: str
    comes_to: Span

    def __str__(self) -> str:
        """Write it as a sentence."""
        return f"{self.what} says {self.says}, {self.source} {self.comes_to}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one wallet, or about statements and jobs whose wallet is gone."""

    wallet: str
    usage: Span
    parts: str = ""  # what the usage is made of
    differences: tuple[Difference, ...] = ()
    remarks: tuple[str, ...] = ()  # worth knowing, and no difference

    @property
    def is_fine(self) -> bool:
        """Whether everything is what it should be."""
        return not self.differences

    def __str__(self) -> str:
        """Write it as one line."""
        words = [self.wallet, "ok" if self.is_fine else "DIFFERS", str(self.usage)]
        words += [f"= {self.parts}"] if self.parts else []
        words += ["; ".join((*map(str, self.differences), *self.remarks))] if self.differences or self.remarks else []
        return "  ".join(words)

    def as_json(self) -> dict[str, object]:
        """Return it for machines."""
        return {
            "wallet": self.wallet,
            "ok": self.is_fine,
            "usage": [self.usage.least, self.usage.most],
            "differences": [
                {
                    "what": each.what,
                    "says": each.says,
                    "source": each.source,
                    "comesTo": [each.comes_to.least, each.comes_to.most],
                }
                for each in self.differences
            ],
            "remarks": list(self.remarks),
        }


async def audit(client: Client, patience_seconds: float) -> tuple[Finding, ...]:
    """Look at all wallets until each was right once, or for so long."""
    ends = asyncio.get_running_loop().time() + patience_seconds
    findings = {finding.wallet: finding for finding in find(await read(client))}
    while not all(finding.is_fine for finding in findings.values()) and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(AGAIN_SECONDS)
        seen = {finding.wallet: finding for finding in find(await read(client))}
        findings = {
            key: old if (old := findings.get(key)) is not None and old.is_fine else new for key, new in seen.items()
        }
    return tuple(findings[key] for key in sorted(findings))


async def read(client: Client) -> World:
    """Read all that wallets' numbers are made from."""
    world = World(lambda _: None)
    for wallet in await client.list(WALLETS):
        world.wallets.apply(wallet)
    for checkpoint in await client.list(LEDGERCHECKPOINTS):
        world.checkpoints.apply(checkpoint)
    for pod in await client.list(PODS, label_selector=JOB_UID):
        world.pods.apply(pod)
    for job in await client.list(UCLOUDJOBS):
        world.jobs.apply(job)
    for statement in await client.list(WALLETSTATEMENTS):
        world.statements.apply(statement)
    return world


def find(world: World) -> tuple[Finding, ...]:
    """Hold every wallet against the facts."""
    recount = Recount(world)
    wallets = [_about(wallet, world, recount) for wallet in world.wallets.values()]
    return tuple(sorted([*wallets, *_without_wallet(world), *_unreadable(world)], key=lambda finding: finding.wallet))


def _about(wallet: Wallet, world: World, recount: Recount) -> Finding:
    status, lines, jobs = wallet.status, recount.lines(wallet), recount.jobs(wallet)
    if status.metered_at is None:
        return Finding(wallet.key, exactly(0), remarks=("it was not applied yet",))
    moment = _moment(wallet, world, recount)
    usage = recount.local_usage(wallet, moment)
    settled = sum(line.usage for line in lines)
    parts = f"{status.opening_usage} opening + {settled} in {len(lines)} lines + {len(jobs)} jobs"
    differences = (
        *_in_statements(wallet, world),
        *_equal("settledUsage", status.settled_usage, "the lines of its statements come to", exactly(settled)),
        *_equal("localUsage", status.local_usage, "its opening usage, lines and jobs come to", usage),
        *_in_edges(wallet, recount.aside(wallet)),
        *_from_below(wallet, recount, moment),
        *_in_checkpoint(wallet, world, recount),
    )
    return Finding(wallet.key, usage, parts, differences)


def _moment(wallet: Wallet, world: World, recount: Recount) -> Moment:
    """Return when a wallet's status is of, and which news it was surely published from."""
    status = wallet.status
    assert status.metered_at is not None  # noqa: S101  # it was applied
    return Moment(
        status.metered_at,
        idle=status.rate_per_minute == 0,
        line_by_line=status.settled_usage != sum(line.usage for line in recount.lines(wallet)),
        paths=world.checkpoint_of(wallet.metadata.uid) is not None,
    )


def _equal(what: str, says: int, source: str, expected: Span) -> Iterator[Difference]:
    if says not in expected:
        yield Difference(what, says, source, expected)


def _in_statements(wallet: Wallet, world: World) -> Iterator[Difference]:
    """A statement's total is the sum of its lines, no job has two lines, and a line says what its job says."""
    parts = world.statements_of(account_of(wallet))
    for part in parts:
        lines = exactly(sum(line.usage for line in part.spec.lines))
        yield from _equal(f"total of {part.metadata.name}", part.spec.total, "its lines come to", lines)
    counted = Counter(line.uid for part in parts for line in part.spec.lines)
    for line in (line for part in parts for line in part.spec.lines):
        if counted[line.uid] > 1:
            yield Difference(f"lines of job {line.job} ({line.uid})", counted.pop(line.uid), "should be", exactly(1))
        job = world.jobs.find(line.uid)
        if job is not None:
            yield from _equal(f"line of job {line.job}", line.usage, "the job itself says", exactly(job.status.usage))


def _in_edges(wallet: Wallet, aside: int) -> Iterator[Difference]:
    """What a wallet passed up is its total but for the excess; through each edge goes what its allocations paid.

    Those pay for what is set aside as well, which is no usage yet.
    """
    status, carried = wallet.status, sum(group.tree_usage for group in wallet.status.groups)
    passed = 0 if wallet.spec.pays_for.free_to_use else status.total_usage - status.excess
    yield from _equal("treeUsage", status.tree_usage, "its total without its excess comes to", exactly(passed))
    yield from _equal("treeUsage", status.tree_usage, "its groups come to", Span(carried - aside, carried))
    for group in status.groups:
        used, parent = sum(each.used for each in group.allocations), group.parent.key if group.parent else "outside"
        yield from _equal(f"treeUsage from {parent}", group.tree_usage, "its allocations come to", exactly(used))


def _from_below(wallet: Wallet, recount: Recount, moment: Moment) -> Iterator[Difference]:
    """What a wallet used in all is what it used itself and what those below, here or gone, have passed up to it."""
    if moment.paths:
        return  # what each parent paid depends on paths: only a checkpoint, which is of one instant, can be held to it
    inflow = wallet.status.total_usage - wallet.status.local_usage
    yield from _equal("totalUsage less localUsage", inflow, "wallets below come to", recount.inflow(wallet, moment))


def _in_checkpoint(wallet: Wallet, world: World, recount: Recount) -> Iterator[Difference]:
    """In a checkpoint, what went through a wallet's edges and didn't come from below is what it used itself."""
    checkpoint = world.checkpoint_of(wallet.metadata.uid)
    if checkpoint is None or wallet.spec.pays_for.free_to_use:
        return
    entry = next(each for each in checkpoint.spec.wallets if each.uid == wallet.metadata.uid)
    carried = sum(group.tree_usage for group in entry.groups) + entry.excess
    near = {each.key: each for each in world.wallets.values()}
    gone = departed_from(wallet, near)
    local = carried - _inflow_of(wallet, checkpoint, {each.uid for each in gone}) - sum(each.usage for each in gone)
    moment = Moment(checkpoint.spec.at, line_by_line=True, paths=True)
    expected = recount.local_usage(wallet, moment)
    yield from _equal("local usage in its checkpoint", local, "its opening usage, lines and jobs come to", expected)


def _inflow_of(wallet: Wallet, checkpoint: LedgerCheckpoint, gone: set[str]) -> int:
    return sum(
        group.tree_usage
        for child in checkpoint.spec.wallets
        for group in child.groups
        if child.uid not in gone and group.parent is not None and group.parent.key == wallet.key
    )


def _without_wallet(world: World) -> Iterator[Finding]:
    """Tell of statements whose wallet is gone, and of jobs whose usage stands nowhere."""
    present = {account_of(wallet): wallet for wallet in world.wallets.values()}
    gone: dict[StatementWallet, int] = {}
    for statement in world.statements.values():
        if statement.spec.wallet not in present:
            used = sum(line.usage for line in statement.spec.lines)
            gone[statement.spec.wallet] = gone.get(statement.spec.wallet, 0) + used
    lost: dict[StatementWallet, list[UCloudJob]] = {}
    for job in world.jobs.values():
        account = account_of_job(job)
        if account is not None and _counts_nowhere(job, present.get(account), world, account):
            lost.setdefault(account, []).append(job)
    for account in {*gone, *lost}:
        differences = (
            Difference(f"job {job.metadata.name}", job.status.usage, "what stands in a wallet or line is", exactly(0))
            for job in lost.get(account, [])
        )
        key = f"{account.namespace}/{account.name}" + (" (before)" if account in present else "")
        remarks = (f"statements for {account.category}, and no such wallet",) if account in gone else ()
        yield Finding(key, exactly(gone.get(account, 0)), "", tuple(differences), remarks)


def _counts_nowhere(job: UCloudJob, wallet: Wallet | None, world: World, account: StatementWallet) -> bool:
    """Say whether a job's usage is neither in the wallet that it ran on nor in a line."""
    pinned = job.status.wallet
    stays = wallet is not None and pinned is not None and wallet.metadata.uid == pinned.uid
    return bool(job.status.usage) and not stays and job.metadata.uid not in world.settled(account).uids


def _unreadable(world: World) -> Iterator[Finding]:
    """Tell of what could not be read: nobody can say that its wallet is right."""
    stores = (world.wallets, world.jobs, world.statements, world.checkpoints)
    for sentence in (sentence for store in stores for sentence in store.unreadable.values()):
        key, _, why = sentence.partition(": ")
        unread = Difference("objects that can't be read", 1, "there should be", exactly(0))
        yield Finding(key, exactly(0), "", (unread,), (" ".join(why.split()),))
