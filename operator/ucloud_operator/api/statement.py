"""WalletStatement: what a wallet paid for in one month, a line per job.

Statements live in the operator's namespace and not in the workspace's, so they outlast it: deleting a namespace, a
wallet or a settled job refunds nothing. A line is written before its job is let go, keyed by the job's uid, so writing
it again changes nothing. A month that is over is closed and never changes again.

One object holds as many lines as etcd lets it; a busy month goes on in further parts.
"""

import base64
import hashlib
import json
from typing import ClassVar

from pydantic import ConfigDict, Field

from ucloud_operator.api.checkpoint import WalletClosing
from ucloud_operator.api.common import AGE, Amount, Column, Model, Name, Resource, TimestampMs
from ucloud_operator.api.rules import WHOLE, Rule, immutable, list_map, rules

MAX_LINES = 2000
"""The most lines that fit into one part: 2,000 usual ones are 0.6 MB, etcd takes 1.5 MB. Whatever is changed, the API
server reads and writes the whole, at about 0.25 ms of its time per line: a part is better ended long before."""

MAX_NAME_LENGTH = 63
_DIGEST_BYTES = 10

ANOTHER_STATEMENT = "write another statement instead"


class StatementWallet(Model):
    """Whose statement it is. A wallet that is created again under the same names goes on with it."""

    namespace: str = Field(min_length=1, max_length=63)
    """The namespace (workspace) of the wallet."""

    name: str = Field(min_length=1, max_length=253)
    """The wallet's name there."""

    category: Name
    """The name of the product category that it pays for."""

    provider: Name
    """The provider that the category belongs to."""


class StatementLine(Model):
    """What one job used."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    uid: str = Field(min_length=1, max_length=63)
    """The job's uid."""

    job: str = Field(max_length=253)
    """The job's name."""

    created_by: str | None = Field(default=None, max_length=512)
    """Who created the job, where that is known."""

    product: str = Field(max_length=253)
    """The id of the product that it ran on."""

    replicas: int = Field(ge=1)
    """How many replicas ran."""

    started_at: TimestampMs | None = None
    """When it first ran. Absent if it never did."""

    ended_at: TimestampMs
    """When it ended."""

    usage: Amount
    """What it used, in the category's smallest unit."""

    reason: str = Field(max_length=253)
    """Why it ended, as one CamelCase word, such as Completed or OutOfCredits."""


class WalletStatementSpec(Model):
    """What a wallet paid for in one month."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!oldSelf.closed || self == oldSelf",
                "a closed statement never changes: what comes later belongs into a later month's statement",
            ),
            Rule(
                "self.lines.size() >= oldSelf.lines.size()",
                "a statement's lines can't be removed: leave them as they are and add yours",
                field=".lines",
            ),
        )
    )

    wallet: StatementWallet = Field(json_schema_extra=immutable("wallet", ANOTHER_STATEMENT))
    """Whose statement it is. It can't be changed."""

    month: str = Field(
        max_length=7,
        json_schema_extra=rules(
            Rule("self.matches('^[0-9]{4}-(0[1-9]|1[0-2])$')", "write the month as year and month, such as 2026-11"),
            Rule("self == oldSelf", f"month can't be changed: {ANOTHER_STATEMENT}"),
        ),
    )
    """The month in UTC, such as 2026-11. It can't be changed."""

    part: int = Field(ge=1, json_schema_extra=immutable("part", ANOTHER_STATEMENT))
    """1 for the month's first statement, 2 for the one that goes on where that is full, and so on. It can't be
    changed."""

    closed: bool = False
    """Whether the month is over and everything in it is settled. A closed statement never changes."""

    total: Amount = Field(
        default=0,
        json_schema_extra=rules(
            Rule("self >= oldSelf", "a statement's total may only grow: what was paid stays paid"),
        ),
    )
    """The sum of the lines' usage."""

    lines: tuple[StatementLine, ...] = Field(default=(), max_length=MAX_LINES, json_schema_extra=list_map("uid"))
    """What was paid for, a line per job. At most 2000."""

    closing: WalletClosing | None = None
    """What the wallet had when it was deleted. One that is created again under the same names goes on from it."""


class WalletStatement(Resource):
    """What a wallet paid for in one month, a line per job.

    The operator keeps statements in its own namespace, so that they outlast the workspace. They are not to be edited.
    """

    PLURAL: ClassVar[str] = "walletstatements"
    SHORT_NAME: ClassVar[str] = "wstm"
    NAMESPACED: ClassVar[bool] = True
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("Namespace-Of", "string", ".spec.wallet.namespace", "The namespace of the wallet"),
        Column("Wallet", "string", ".spec.wallet.name", "The wallet's name"),
        Column("Month", "string", ".spec.month", "The month in UTC"),
        Column("Total", "integer", ".spec.total", "What was paid"),
        Column("Closed", "boolean", ".spec.closed", "Whether it never changes again"),
        AGE,
        Column("Part", "integer", ".spec.part", "Which part of the month's statement", priority=1),
        Column("Product-Category", "string", ".spec.wallet.category", "What the wallet pays for", priority=1),
    )

    spec: WalletStatementSpec
    """What was paid for."""


def statement_name(  # noqa: PLR0913, PLR0917  # all that a statement is known by
    namespace: str, name: str, category: str, provider: str, month: str, part: int
) -> str:
    """The name of a statement's object: `NAMESPACE-WALLET-MONTH-PART-DIGEST`, a DNS label.

    It is always the same for the same wallet, month and part. The names in front are for people and are shortened
    where they are long; the digest of all four keeps wallets apart, also those that somebody names to be mistaken for
    another (80 bits).
    """
    wallet = json.dumps([namespace, name, category, provider]).encode()
    digest = base64.b32encode(hashlib.sha256(wallet).digest()[:_DIGEST_BYTES]).decode().lower()
    ending = f"-{month}-{part}-{digest}"
    names = f"{namespace}-{name}".replace(".", "-")[: MAX_NAME_LENGTH - len(ending)]
    return names.rstrip("-") + ending
