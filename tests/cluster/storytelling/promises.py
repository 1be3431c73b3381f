"""What stories about promises need besides: grants, statements, Events, and what a pod was told.

A credit is a millisecond of one replica here too (see `cast`), so amounts can be read as times.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.cluster.storytelling.cast import PRICE, Account, Job, Stage, allocation, category
from tests.cluster.storytelling.view import Pod
from ucloud_operator.api import Wallet, format_time
from ucloud_operator.api.common import Condition, parse_time
from ucloud_operator.api.statement import StatementLine, WalletStatement
from ucloud_operator.kube.objects import text
from ucloud_operator.kube.resources import EVENTS, WALLETSTATEMENTS

MINUTE_SECONDS: Final = 75
"""How long it takes at the most until usage is published."""
OPERATORS_NAMESPACE: Final = "ucloud-system"
EXHAUSTS_AT: Final = "ucloud.dk/exhausts-at"
MINUTE: Final = PRICE
"""What one replica costs per minute, in credits."""


def in_seconds(seconds: float) -> int:
    """An instant (unix ms) so long from now."""
    return int((time.time() + seconds) * 1000)


def now_ms() -> int:
    return in_seconds(0)


# Grants


async def grant(account: Account, *allocations: Mapping[str, object]) -> None:
    """Write down which allocations its one group has."""
    group = account.now.spec.allocation_groups[0].model_dump(mode="json", by_alias=True, exclude_none=True)
    await account.patch(allocationGroups=[{**group, "allocations": allocations}])


async def top_up(account: Account, quota: int, name: str) -> Wallet:
    """Grant more, as an allocation beside those there are, and wait until it counts."""
    group = account.now.spec.allocation_groups[0].model_dump(mode="json", by_alias=True, exclude_none=True)
    await grant(account, *group["allocations"], allocation(quota, name))
    return await account.until(
        lambda wallet: any(each.id == name for group in wallet.status.groups for each in group.allocations)
    )


def used_of(wallet: Wallet) -> Mapping[str, int]:
    """How much was used of each allocation, by id."""
    return {each.id: each.used for group in wallet.status.groups for each in group.allocations}


def paid_per(frequency: str, name: str) -> Mapping[str, object]:
    """The category of a story, with prices per HOUR or DAY."""
    return {**category(name), "accountingFrequency": f"PERIODIC_{frequency}"}


async def is_charged(account: Account, usage: int) -> Wallet:
    """Wait until it says that so much was used by and below it; those below may let a minute pass before it does."""
    return await account.uses(usage, MINUTE_SECONDS)


# Statements


async def statements_of(account: Account) -> list[WalletStatement]:
    """All statements of whoever has this namespace and name, oldest first."""
    raw = await account.stage.client.list(WALLETSTATEMENTS, namespace=OPERATORS_NAMESPACE)
    statements = [WalletStatement.model_validate(each) for each in raw]
    own = [each for each in statements if (each.spec.wallet.namespace, each.spec.wallet.name) == _names(account)]
    return sorted(own, key=lambda each: (each.spec.month, each.spec.part))


async def lines_of(account: Account) -> Mapping[str, StatementLine]:
    """The lines of all its statements, by the job's uid; no job has two."""
    lines = [line for statement in await statements_of(account) for line in statement.spec.lines]
    by_uid = {line.uid: line for line in lines}
    assert len(by_uid) == len(lines), f"a job was settled twice: {lines}"
    return by_uid


def _names(account: Account) -> tuple[str, str]:
    return account.namespace, account.name


# Warnings


@dataclass(frozen=True)
class Event:
    """Something that people were told about an object."""

    reason: str
    message: str
    type: str


async def events_about(about: Account | Job) -> list[Event]:
    """All Events about a wallet or job, oldest first."""
    uid = about.now.metadata.uid
    raw = await about.stage.client.list(EVENTS, namespace=about.namespace, field_selector=f"involvedObject.uid={uid}")
    return [Event(text(each, "reason"), text(each, "message"), text(each, "type")) for each in raw]


async def warnings_about(about: Account | Job) -> list[str]:
    """The reasons of the Events that warn of an end, oldest first."""
    return [event.reason for event in await events_about(about) if event.reason.startswith("Within")]


def ends_soon(conditions: tuple[Condition, ...]) -> tuple[str, str] | None:
    """What the condition EndsSoon says: its status and reason."""
    return next(((each.status, each.reason) for each in conditions if each.type == "EndsSoon"), None)


def told_end_ms(pod: Pod) -> int | None:
    """The end that a pod can read of, or None."""
    said = pod.metadata.annotations.get(EXHAUSTS_AT)
    return parse_time(said) if said is not None else None


async def pods_know(job: Job, end_ms: int | None) -> None:
    """Wait until every pod of a job can read of this end."""
    stage: Stage = job.stage
    await stage.view.until(
        lambda: bool(job.pods) and all(told_end_ms(pod) == end_ms for pod in job.pods),
        lambda: f"{[told_end_ms(pod) for pod in job.pods]} instead of {end_ms}",
        10,
    )


__all__ = [
    "EXHAUSTS_AT",
    "MINUTE",
    "Event",
    "ends_soon",
    "events_about",
    "format_time",
    "grant",
    "in_seconds",
    "is_charged",
    "lines_of",
    "now_ms",
    "paid_per",
    "pods_know",
    "statements_of",
    "told_end_ms",
    "top_up",
    "used_of",
    "warnings_about",
]
