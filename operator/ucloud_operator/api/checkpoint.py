"""LedgerCheckpoint: what the connected wallets of one component had at one instant, in one object.

A wallet with one parent keeps its checkpoint in its own status. Where a wallet has several parents, the share that each
parent paid depends on the path that every charge took, so the states of all connected wallets must be of the same
instant. One object is written at once or not at all.
"""

from typing import ClassVar

from pydantic import ConfigDict, Field

from ucloud_operator.api.common import AGE, Amount, Column, Model, Resource, TimestampMs
from ucloud_operator.api.rules import WHOLE, list_map
from ucloud_operator.api.wallet_status import DepartedWallet, GroupStatus

MAX_WALLETS = 1000
MAX_JOBS = 10_000


class WalletCheckpoint(Model):
    """What a wallet had, as far as it can't be computed again from its spec and its jobs."""

    opening_usage: Amount = 0
    """The opening usage as it was last applied."""

    excess: Amount = 0
    """Usage that no allocation covered."""

    groups: tuple[GroupStatus, ...] = ()
    """The allocation groups as last applied, with what was used of them."""

    blocked: str = Field(default="", max_length=2048)
    """Why it could not be used, whatever its numbers; empty where it could."""


class WalletClosing(WalletCheckpoint):
    """What a wallet had when it was deleted."""

    departed: tuple[DepartedWallet, ...] = ()
    """Wallets below it that had been deleted, with what they had used."""


class CheckpointedWallet(WalletCheckpoint):
    """What one wallet of the component had."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    uid: str = Field(max_length=63)
    """The wallet's uid."""

    namespace: str = Field(min_length=1, max_length=63)
    """The namespace that it is in."""

    name: str = Field(min_length=1, max_length=253)
    """Its name."""


class CheckpointedJob(Model):
    """What one running job had been charged."""

    uid: str = Field(max_length=63)
    """The job's uid."""

    charged: Amount
    """How many units it had been charged, over all its runs."""


class LedgerCheckpointSpec(Model):
    """What the wallets of a component had, all at the same instant."""

    at: TimestampMs
    """The instant that these numbers are for."""

    wallets: tuple[CheckpointedWallet, ...] = Field(
        default=(), max_length=MAX_WALLETS, json_schema_extra=list_map("uid")
    )
    """The wallets, each with what it had. At most 1000."""

    jobs: tuple[CheckpointedJob, ...] = Field(default=(), max_length=MAX_JOBS, json_schema_extra=list_map("uid"))
    """The jobs that were running, each with what it had been charged. At most 10000."""


class LedgerCheckpoint(Resource):
    """What wallets that are connected through several parents had at one instant.

    The operator keeps it in its own namespace and goes on from it after a restart. It is not to be edited.
    """

    PLURAL: ClassVar[str] = "ledgercheckpoints"
    SHORT_NAME: ClassVar[str] = "lcp"
    NAMESPACED: ClassVar[bool] = True
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("At", "string", ".spec.at", "The instant that its numbers are for"),
        AGE,
    )

    spec: LedgerCheckpointSpec
    """What the wallets had, all at the same instant."""
