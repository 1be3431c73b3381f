"""The life of a wallet: its finalizer, its published state, and its end.

A wallet that is deleted gives no credits from the moment that this is seen; its jobs stop. It stays until they have
stopped, nothing below it uses it, and what it had used of its parent's credits stands in the parent's status. Then
its finalizer goes.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from ucloud_operator.api.wallet import DepartedWallet
from ucloud_operator.control.accounts import departed_from, returning_to
from ucloud_operator.control.calls import merge_body
from ucloud_operator.control.checkpoints import Checkpoints
from ucloud_operator.control.events import Happening, tell
from ucloud_operator.control.publication import QUIET_FACTOR, Around, closing_of, is_edited, publish
from ucloud_operator.control.queue import Key
from ucloud_operator.control.statements import Statements
from ucloud_operator.control.world import JOB, SETTLE, WALLET
from ucloud_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from ucloud_operator.kube.resources import WALLETS
from ucloud_operator.lifecycle import warnings
from ucloud_operator.lifecycle.statement import account_of, account_of_job
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ucloud_operator.api import Wallet
    from ucloud_operator.api.checkpoint import WalletClosing
    from ucloud_operator.api.wallet import WalletStatus
    from ucloud_operator.control.parts import Parts
    from ucloud_operator.control.planner import Plan
    from ucloud_operator.control.publication import Publication
    from ucloud_operator.lifecycle.statement import Settled

logger = logging.getLogger(__name__)

WALLET_FINALIZER = "ucloud.dk/ledger"
SEVERAL = 2
UNSETTLED_PAUSE_MS = 250
"""An edit waits so long for a stop that is under way: what it changes comes after that stop."""

BILLING_PAUSE_MS = 25
LONGEST_BILLING_MS = 2000
"""Where jobs end all the time there may always be a bill under way."""


class Wallets:
    """The worker of the keys of kind WALLET."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts that it joins."""
        self._parts = parts
        self._world, self._books = parts.world, parts.books
        self._deadlines, self._queue = parts.deadlines, parts.queue
        self._client, self._settings, self._clock = parts.client, parts.settings, parts.clock
        self._statements = Statements(parts)
        self._checkpoints = Checkpoints(parts)
        self._hurried: set[str] = set()  # by what was edited above, below or beside them
        self._waits_ms: dict[str, int] = {}  # since when for bills that are under way (unix ms)

    async def reconcile(self, key: str) -> None:
        """Bring one wallet's published state up to date, if it is time."""
        wallet = self._world.wallet(key)
        if wallet is None:
            self._deadlines.drop(Key(WALLET, key))
            return
        if WALLET_FINALIZER not in wallet.metadata.finalizers and not wallet.is_being_deleted:
            await self._set_finalizers(wallet, (*wallet.metadata.finalizers, WALLET_FINALIZER))
            return
        if wallet.is_being_deleted and self._stands_above(wallet):
            if not await self._took_over(wallet):
                await self._leave(wallet)
            return
        if self._is_edited(wallet) or self._books.sources.is_tangle(self._books.sources.component(key)):
            async with self._parts.applying:
                await self._publish(key)
        else:
            await self._publish(key)

    def _is_edited(self, wallet: Wallet) -> bool:
        return is_edited(wallet, self._books.sources.applied(wallet), self._books.troubles.blocked(wallet))

    async def _publish(self, key: str) -> None:
        """Write the wallet's status, if there is something to say and it is time."""
        wallet, now_ms = self._world.wallet(key), self._clock.now_ms()
        if wallet is None:
            return
        component = self._books.sources.component(key)
        plan = self._books.planner.plan(component, now_ms)
        publication = self._publication(wallet, plan)
        if key in self._hurried:
            self._hurried.discard(key)
            publication = replace(publication, due_ms=0 if publication.due_ms < FOREVER_MS else FOREVER_MS)
        if publication.due_ms > now_ms:
            self._deadlines.set(Key(WALLET, key), min(publication.due_ms, self._look_ms(publication, plan, now_ms)))
            if wallet.is_being_deleted:
                await self._leave(wallet)
            return
        if self._is_billing(key, component, now_ms) or self._is_being_taken_over(wallet):
            self._deadlines.set(Key(WALLET, key), now_ms + BILLING_PAUSE_MS)
            return
        if self._is_edited(wallet) and plan.at_ms + UNSETTLED_PAUSE_MS < now_ms and plan.ends_ms:
            self._deadlines.set(Key(WALLET, key), now_ms + UNSETTLED_PAUSE_MS)
            return
        await self._write(wallet, publication, plan)

    def _look_ms(self, publication: Publication, plan: Plan, now_ms: int) -> int:
        """Return when time alone may have made a difference to a status that has none now (unix ms)."""
        if publication.due_ms < FOREVER_MS or not plan.ledger.is_spent():
            return FOREVER_MS
        pause_ms = 1000 * self._settings.metering_seconds
        return now_ms + (pause_ms if publication.status.rate_per_minute else pause_ms * QUIET_FACTOR)

    def _is_billing(self, key: str, component: Sequence[str], now_ms: int) -> bool:
        """Say whether to wait for a bill that is under way: what it says could be seen to come, go and come again."""
        if not any(self._world.decided.billed_ms(component)):
            self._waits_ms.pop(key, None)
            return False
        return now_ms < self._waits_ms.setdefault(key, now_ms) + LONGEST_BILLING_MS

    def _is_being_taken_over(self, wallet: Wallet) -> bool:
        """Say whether parents are just writing down what a wallet that is going has used.

        Until they have, it stands here; what the plan says of it is true only if they succeed.
        """
        decided = self._world.decided.wallet
        return wallet.is_being_deleted and any(
            _has_left(wallet, decided(parent)) and not _has_left(wallet, parent) for parent in self._parents(wallet)
        )

    def _publication(self, wallet: Wallet, plan: Plan) -> Publication:
        near = {key: found for key in plan.numbers if (found := self._world.wallet(key)) is not None}
        settled = self._settled(wallet)
        closing = settled.closing if wallet.status.metered_at is None else None
        around = Around(
            applied=self._books.sources.applied(wallet),
            blocked=self._books.troubles.blocked(wallet),
            settled=settled,
            trouble=self._books.troubles.trouble(wallet),
            closing=closing,
            departed=departed_from(wallet, near, closing),
            departing=tuple(self._departing(wallet, plan)),
            returning=returning_to(wallet, near),
        )
        return publish(wallet, plan, around, self._settings)

    async def _write(self, wallet: Wallet, publication: Publication, plan: Plan) -> None:
        status, edited = publication.status, self._is_edited(wallet)
        with self._world.decided.publication(wallet, status, edited=edited):  # before anything is awaited
            if not await self._checkpointed(wallet, publication, plan):
                return
            await self._warn(wallet, status)
            try:
                await self._patch_status(wallet, status)
            except (NotFound, Conflict):
                return
        await self._tell_lock(wallet, status)
        self._wake(wallet, status)

    async def _patch_status(self, wallet: Wallet, status: WalletStatus) -> None:
        try:
            answer = await self._client.patch_status(
                WALLETS,
                wallet.metadata.name,
                merge_body(status),
                resource_version=wallet.metadata.resource_version,
                namespace=wallet.metadata.namespace,
            )
        except NotFound:
            raise
        except ApiError:  # it may have got through: what was decided counts until we know
            with contextlib.suppress(ApiError):
                await self._refresh(wallet)
            raise
        self._world.wallets.apply(answer)

    async def _checkpointed(self, wallet: Wallet, publication: Publication, plan: Plan) -> bool:
        """Write a tangle's checkpoint before what is published from it; say whether to go on."""
        component = self._books.sources.component(wallet.key)
        if not self._books.sources.is_tangle(component) and len(publication.status.groups) < SEVERAL:
            return True
        state = publication.state or plan.state
        age_ms = self._checkpoints.age_ms(wallet, state.at_ms)
        if not self._is_edited(wallet) and age_ms < 1000 * self._settings.metering_seconds:
            return True
        try:
            await self._checkpoints.write(state, {wallet.key: publication.status.opening_usage})
        except (AlreadyExists, Conflict):
            self._queue.add(Key(WALLET, wallet.key))
            return False
        return True

    async def _warn(self, wallet: Wallet, status: WalletStatus) -> None:
        """Tell people that the end comes near, before the status says that they know."""
        before, after = warnings.told(wallet.status.conditions), warnings.told(status.conditions)
        if after is not None and warnings.is_closer(warnings.level_of(after), before):
            occasion = str(warnings.since(before))
            await tell(self._parts, wallet, Happening(after.reason, after.message, warning=True, occasion=occasion))

    async def _tell_lock(self, wallet: Wallet, status: WalletStatus) -> None:
        if wallet.status.locked != status.locked:
            lock = next(condition for condition in status.conditions if condition.type == "Locked")
            await tell(self._parts, wallet, Happening(lock.reason, lock.message, warning=status.locked))

    def _wake(self, wallet: Wallet, status: WalletStatus) -> None:
        """Bring those back who wait for what was just published."""
        if wallet.status.metered_at is None or wallet.status.locked != status.locked:
            for job in self._world.jobs_in(wallet.metadata.namespace or ""):
                if not job.is_final:
                    self._queue.add(Key(JOB, job.key))
        before, component = wallet.status, self._books.sources.component(wallet.key)
        edited = before.observed_generation != status.observed_generation
        if edited:
            self._hurried.update(component)
        if edited or (before.locked, before.blocked, before.departed) != (
            status.locked,
            status.blocked,
            status.departed,
        ):
            for key in component:
                self._queue.add(Key(WALLET, key))

    async def _refresh(self, wallet: Wallet) -> None:
        """Read a wallet that somebody else has changed meanwhile; its change brings it back into the queue."""
        try:
            answer = await self._client.get(WALLETS, wallet.metadata.name, namespace=wallet.metadata.namespace)
        except NotFound:
            return
        self._world.wallets.apply(answer)
        self._queue.add(Key(WALLET, wallet.key))

    async def _set_finalizers(self, wallet: Wallet, finalizers: object) -> None:
        body = {"metadata": {"finalizers": finalizers}}
        try:
            answer = await self._client.patch(
                WALLETS,
                wallet.metadata.name,
                body,
                namespace=wallet.metadata.namespace,
                resource_version=wallet.metadata.resource_version,
            )
        except NotFound:
            return
        except Conflict:
            await self._refresh(wallet)
            return
        if wallet.is_being_deleted and not finalizers:
            self._world.wallets.remove(answer)  # the answer is the last that is seen of it, and its version the old one
        else:
            self._world.wallets.apply(answer)

    def _departing(self, wallet: Wallet, plan: Plan) -> Iterator[DepartedWallet]:
        """Return the wallets below that are being deleted, spend nothing any more and aren't in our status yet."""
        known = {departed.uid for departed in wallet.status.departed}
        for key in self._world.children_of(wallet.key):
            child = self._world.wallet(key)
            if child is None or not child.is_being_deleted or child.metadata.uid in known:
                continue
            if self._in_use(child) or not self._is_closed(child):
                continue
            edges = plan.ledger.wallet(key).edges if key in plan.numbers else ()
            usage = sum(edge.usage for edge in edges if edge.parent == wallet.key)
            yield DepartedWallet(
                namespace=child.metadata.namespace or "", name=child.metadata.name, uid=child.metadata.uid, usage=usage
            )

    async def _took_over(self, wallet: Wallet) -> bool:
        """Note who has gone below a wallet that stands above already, and nothing else: only circles come to that."""
        plan = self._books.planner.plan(self._books.sources.component(wallet.key), self._clock.now_ms())
        gone = tuple(self._departing(wallet, plan))
        if gone:
            status = wallet.status.model_copy(update={"departed": (*wallet.status.departed, *gone)})
            with contextlib.suppress(NotFound, Conflict):
                await self._patch_status(wallet, status)
        return bool(gone)

    def _in_use(self, wallet: Wallet) -> bool:
        """Say whether jobs still run on a wallet, or wallets below still exist.

        Those of a circle are below each other: where all are being deleted, none of them waits for another.
        """
        if any(not job.is_final for job in self._world.jobs_of(wallet.key)):
            return True
        below = (self._world.wallet(key) for key in self._world.children_of(wallet.key) if key != wallet.key)
        staying = [child for child in below if child is not None]
        return bool(staying) and not (
            all(child.is_being_deleted for child in staying) and {each.key for each in staying} <= self._above(wallet)
        )

    def _above(self, wallet: Wallet) -> set[str]:
        """Return the keys of all wallets above."""
        found: set[str] = set()
        todo = self._parents(wallet)
        while todo:
            each = todo.pop()
            if each.key not in found:
                found.add(each.key)
                todo += self._parents(each)
        return found

    async def _leave(self, wallet: Wallet) -> None:
        """Let a deleted wallet go as soon as all that it had stands elsewhere: with its statements and its parents."""
        if self._in_use(wallet):
            return
        account, settled = account_of(wallet), self._settled(wallet)
        used = [job for job in self._world.jobs_of(wallet.key) if job.status.usage and account_of_job(job) == account]
        if any(job.metadata.uid not in settled.uids for job in used):
            self._queue.add(Key(SETTLE, wallet.key))
            return
        if not self._is_closed(wallet):
            with contextlib.suppress(
                AlreadyExists, Conflict
            ):  # somebody else wrote it meanwhile; it has been read since
                await self._statements.close(account, self._closing(wallet))
            self._queue.add(Key(WALLET, wallet.key))
            return
        for parent in self._parents(wallet):
            if not _has_left(wallet, parent):
                self._queue.add(Key(WALLET, parent.key))
                return
        await self._set_finalizers(wallet, [f for f in wallet.metadata.finalizers if f != WALLET_FINALIZER])

    def _parents(self, wallet: Wallet) -> list[Wallet]:
        """Return the wallets above that exist."""
        references = [group.parent for group in self._books.sources.applied(wallet).groups]
        found = (self._world.wallet(reference.key) for reference in references if reference is not None)
        return [parent for parent in found if parent is not None]

    def _is_closed(self, wallet: Wallet) -> bool:
        """Say whether what a wallet leaves to the next one of its name is written down, or is nothing."""
        closing = self._closing(wallet)
        leaves = closing.groups or closing.opening_usage or closing.departed
        return not leaves or self._settled(wallet).closing == closing

    def _closing(self, wallet: Wallet) -> WalletClosing:
        return closing_of(wallet, self._books.sources.applied(wallet))

    def _settled(self, wallet: Wallet) -> Settled:
        return self._world.settled(account_of(wallet))

    def _stands_above(self, wallet: Wallet) -> bool:
        """Say whether a wallet that is going stands in its parents already, and so not in its own status any more."""
        parents = self._parents(wallet)
        return bool(parents) and all(_has_left(wallet, parent) for parent in parents)


def _has_left(wallet: Wallet, parent: Wallet) -> bool:
    """Say whether a wallet stands in a parent as one that is gone."""
    return any(gone.uid == wallet.metadata.uid for gone in parent.status.departed)
