"""Writing the checkpoints of tangles: components in which a wallet has several parents.

A tangle's checkpoint is one object, as of one instant, and it is written before anything that depends on it: before an
edit is said to be applied, before a job's line goes to a statement and the job out of sight. Between those it needs no
writing, as the ledger comes from the checkpoint and the jobs' facts to the same state again; it is renewed once a
minute all the same while jobs run, so that there is never much to compute again.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from ucloud_operator.api.checkpoint import CheckpointedJob, CheckpointedWallet, LedgerCheckpointSpec
from ucloud_operator.control.publication import group_of
from ucloud_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from ucloud_operator.kube.resources import LEDGERCHECKPOINTS
from ucloud_operator.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ucloud_operator.api import Wallet
    from ucloud_operator.api.checkpoint import LedgerCheckpoint
    from ucloud_operator.control.parts import Parts
    from ucloud_operator.ledger.state import State

logger = logging.getLogger(__name__)


class Checkpoints:
    """Writes checkpoints."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts that it joins."""
        self._world, self._books = parts.world, parts.books
        self._client, self._settings = parts.client, parts.settings

    def age_ms(self, wallet: Wallet, now_ms: int) -> int:
        """Return how old the wallet's checkpoint is; 0 where it has none."""
        checkpoint = self._world.checkpoint_of(wallet.metadata.uid)
        return 0 if checkpoint is None else now_ms - checkpoint.spec.at

    async def write(self, state: State, opening: Mapping[str, int]) -> None:
        """Write a state down; `opening` has the opening usage of wallets (by key) whose spec has just been applied."""
        wallets = {each.name: wallet for each in state.wallets if (wallet := self._world.wallet(each.name)) is not None}
        spec = self._spec(state, wallets, opening)
        uids = sorted(wallet.uid for wallet in spec.wallets)
        name = self._name(uids)
        answer = await self._put(name, spec)
        self._world.checkpoints.apply(answer)
        await self._forget(name, set(uids))

    def _name(self, uids: Sequence[str]) -> str:
        """Name a checkpoint by the first of its wallets, or by all: where others have theirs under that name, it stays.

        They were connected until now, or an edit that would have connected them didn't come about.
        """
        name = _hashed(uids[0])
        present = self._world.checkpoints.get(self._settings.namespace, name)
        others = {wallet.uid for wallet in present.spec.wallets} - set(uids) if present is not None else ()
        return _hashed(",".join(uids)) if others else name

    def _spec(self, state: State, wallets: Mapping[str, Wallet], opening: Mapping[str, int]) -> LedgerCheckpointSpec:
        ledger = Ledger(state)
        entries = (
            CheckpointedWallet(
                uid=wallet.metadata.uid,
                namespace=wallet.metadata.namespace or "",
                name=wallet.metadata.name,
                blocked=account.blocked,
                opening_usage=opening.get(account.name, self._books.sources.applied(wallet).opening_usage),
                excess=ledger.numbers(account.name).excess,
                groups=tuple(group_of(edge, wallet, self._books.sources.applied(wallet)) for edge in account.edges),
            )
            for account in state.wallets
            if (wallet := wallets.get(account.name)) is not None
        )
        jobs = (CheckpointedJob(uid=meter.uid, charged=meter.charged) for meter in state.meters)
        return LedgerCheckpointSpec(at=state.at_ms, wallets=tuple(entries), jobs=tuple(jobs))

    async def _put(self, name: str, spec: LedgerCheckpointSpec) -> dict[str, object]:
        namespace, present = self._settings.namespace, self._world.checkpoints.get(self._settings.namespace, name)
        body = {"spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True)}
        try:
            if present is None:
                whole = {"apiVersion": "ucloud.dk/v1alpha1", "kind": "LedgerCheckpoint", "metadata": {"name": name}}
                return await self._client.create(LEDGERCHECKPOINTS, {**whole, **body}, namespace=namespace)
            version = present.metadata.resource_version
            return await self._client.patch(
                LEDGERCHECKPOINTS, name, body, namespace=namespace, resource_version=version
            )
        except (AlreadyExists, Conflict):
            self._world.checkpoints.apply(await self._client.get(LEDGERCHECKPOINTS, name, namespace=namespace))
            raise

    async def _forget(self, name: str, uids: set[str]) -> None:
        """Delete checkpoints that this one has outdated: all of their wallets are in it."""
        for old in self._world.checkpoints.values():
            if old.metadata.name != name and {wallet.uid for wallet in old.spec.wallets} <= uids:
                await self._delete(old)

    async def _delete(self, old: LedgerCheckpoint) -> None:
        metadata = old.metadata
        try:
            await self._client.delete(LEDGERCHECKPOINTS, metadata.name, uid=metadata.uid, namespace=metadata.namespace)
        except NotFound:
            pass
        except ApiError as error:
            logger.warning("can't delete the outdated checkpoint %s yet: %s", metadata.name, error)
            return
        self._world.checkpoints.remove(old.model_dump(mode="json", by_alias=True))


def _hashed(what: str) -> str:
    return "lcp-" + hashlib.sha256(what.encode()).hexdigest()[:16]
