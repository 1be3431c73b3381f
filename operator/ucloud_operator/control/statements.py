"""Writing statements: what deleted jobs have used goes there before the jobs go.

They live in the operator's own namespace, where nothing that happens to a workspace reaches them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ucloud_operator.api.statement import WalletStatementSpec, statement_name
from ucloud_operator.control.checkpoints import Checkpoints
from ucloud_operator.control.queue import Key
from ucloud_operator.control.world import SETTLE, WALLET
from ucloud_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from ucloud_operator.kube.resources import WALLETSTATEMENTS
from ucloud_operator.lifecycle.statement import Entry, account_of_job, enter, month_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ucloud_operator.api import UCloudJob
    from ucloud_operator.api.checkpoint import WalletClosing
    from ucloud_operator.api.statement import StatementWallet
    from ucloud_operator.control.parts import Parts

logger = logging.getLogger(__name__)


class Statements:
    """Writes and closes statements."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts that it joins."""
        self._world, self._books, self._queue = parts.world, parts.books, parts.queue
        self._checkpoints, self._applying = Checkpoints(parts), parts.applying
        self._client, self._settings, self._clock = parts.client, parts.settings, parts.clock

    async def reconcile(self, wallet_key: str) -> None:
        """Settle all jobs that are leaving, or whose wallet is."""
        leaving: dict[StatementWallet, list[UCloudJob]] = {}
        for job in self._world.jobs_of(wallet_key):
            account = account_of_job(job)
            if account is not None and job.is_final and job.status.usage and self._leaves(job, account):
                leaving.setdefault(account, []).append(job)
        try:
            if leaving:
                await self._checkpoint(wallet_key)
            for account, jobs in leaving.items():
                await self._settle(account, jobs)
        except (AlreadyExists, Conflict):  # somebody else wrote it meanwhile; it has been read since
            self._queue.add(Key(SETTLE, wallet_key))
            return
        self._queue.add(Key(WALLET, wallet_key))

    async def _checkpoint(self, wallet_key: str) -> None:
        """Have a tangle's checkpoint say what jobs have used before they go out of sight."""
        component = self._books.sources.component(wallet_key)
        if component and self._books.sources.is_tangle(component):
            async with self._applying:
                await self._checkpoints.write(self._books.planner.plan(component, self._clock.now_ms()).state, {})

    def _leaves(self, job: UCloudJob, account: StatementWallet) -> bool:
        """Say whether the job has to have a line now, and has none."""
        if job.metadata.uid in self._world.settled(account).uids:
            return False
        wallet = self._world.wallet(f"{account.namespace}/{account.name}")
        assert job.status.wallet is not None  # noqa: S101  # it has an account
        stays = wallet is not None and not wallet.is_being_deleted and wallet.metadata.uid == job.status.wallet.uid
        return job.is_being_deleted or not stays

    async def _settle(self, account: StatementWallet, jobs: Sequence[UCloudJob]) -> None:
        """Give every one of these jobs its line, in as few writes as there are parts to write."""
        parts = self._world.statements_of(account)
        for entry in enter(account, parts, jobs, month_of(self._clock.now_ms())):
            await self._write(entry)

    async def close(self, account: StatementWallet, closing: WalletClosing) -> None:
        """Write down what a wallet that is going has, for the next one of its name."""
        month, parts = month_of(self._clock.now_ms()), self._world.statements_of(account)
        present = [part for part in parts if part.spec.month == month and not part.spec.closed]
        if present:
            last = present[-1]
            await self._write(Entry(last, last.spec.model_copy(update={"closing": closing})))
            return
        number = 1 + max((part.spec.part for part in parts if part.spec.month == month), default=0)
        await self._write(Entry(None, WalletStatementSpec(wallet=account, month=month, part=number, closing=closing)))

    async def close_months(self) -> None:
        """Close what belongs to a month that is over."""
        month = month_of(self._clock.now_ms())
        for part in self._world.statements.values():
            if part.spec.month < month and not part.spec.closed:
                try:
                    await self._write(Entry(part, part.spec.model_copy(update={"closed": True})))
                except ApiError as error:
                    logger.warning("can't close the statement %s yet: %s", part.metadata.name, error)

    async def _write(self, entry: Entry) -> None:
        """Write one part; what somebody has made of it meanwhile is taken note of, and the key comes back."""
        namespace = self._settings.namespace
        body = {"spec": entry.spec.model_dump(mode="json", by_alias=True, exclude_none=True)}
        wallet = entry.spec.wallet
        name = statement_name(
            wallet.namespace, wallet.name, wallet.category, wallet.provider, entry.spec.month, entry.spec.part
        )
        try:
            if entry.present is None:
                whole = {"apiVersion": "ucloud.dk/v1alpha1", "kind": "WalletStatement", "metadata": {"name": name}}
                answer = await self._client.create(WALLETSTATEMENTS, {**whole, **body}, namespace=namespace)
            else:
                version = entry.present.metadata.resource_version
                answer = await self._client.patch(
                    WALLETSTATEMENTS, name, body, namespace=namespace, resource_version=version
                )
        except NotFound:
            if entry.present is not None:  # somebody has deleted it, and only lists tell us of that
                self._world.statements.remove(entry.present.model_dump(mode="json", by_alias=True))
            raise
        except (AlreadyExists, Conflict):
            self._world.statements.apply(await self._client.get(WALLETSTATEMENTS, name, namespace=namespace))
            raise
        self._world.statements.apply(answer)
