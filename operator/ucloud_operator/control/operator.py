"""The operator put together: streams in, keys queued, workers that decide and write.

*event → cache (world) → key in the queue → pure decision → API calls → their answers update the cache.* A reader can
follow one job that way through `world`, `jobs`, `lifecycle.decide` and back. Everything runs on one event loop.

One replica leads by a Lease. A standby keeps its caches warm and drops every key; when it wins, it lists pods first
and then jobs anew, so that no launch is decided from a past in which the launch hadn't happened, and looks at
everything once.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from typing import TYPE_CHECKING, Protocol

from ucloud_operator import metrics
from ucloud_operator.control import measures
from ucloud_operator.control.books import Books
from ucloud_operator.control.deadlines import Deadlines
from ucloud_operator.control.jobs import Jobs
from ucloud_operator.control.orphans import Orphans
from ucloud_operator.control.parts import Parts
from ucloud_operator.control.plans import Plans
from ucloud_operator.control.queue import Key, WorkQueue
from ucloud_operator.control.statements import Statements
from ucloud_operator.control.untold import Untold
from ucloud_operator.control.wallets import Wallets
from ucloud_operator.control.world import JOB, ORPHAN, PLAN, SETTLE, WALLET, World
from ucloud_operator.kube.errors import ApiError
from ucloud_operator.kube.lease import Lease
from ucloud_operator.kube.reflector import Reflector
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    LEDGERCHECKPOINTS,
    PODS,
    UCLOUDJOBS,
    WALLETS,
    WALLETSTATEMENTS,
)
from ucloud_operator.lifecycle.facts import open_run
from ucloud_operator.lifecycle.pods import JOB_UID
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ucloud_operator.api import UCloudJob
    from ucloud_operator.kube.client import Client
    from ucloud_operator.kube.clock import Clock
    from ucloud_operator.kube.objects import JsonObject
    from ucloud_operator.kube.resources import Resource
    from ucloud_operator.settings import Settings

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1
EPOCH_SECONDS = 0.3
"""How long a change of the Lease takes to reach the API server's admission, amply: 50 ms were seen.

It only keeps work small: a pod of the last leader's that gets in later still is seen by the watch, and has the name
that ours would have.
"""

LOOK_SECONDS = 10
"""How long all else waits at the most for jobs to be looked at, by who has just come to lead."""
LOOK_PAUSE_SECONDS = 0.02
LEASE_PAUSE_SECONDS = 0.05
OWED_SECONDS = 10
"""How long Kopf may take to tell of a change until a replica isn't called ready."""


class Fed(Protocol):
    """A store, whatever its kind: it takes raw objects."""

    def apply(self, raw: JsonObject) -> object: ...  # noqa: D102

    def remove(self, raw: JsonObject) -> None: ...  # noqa: D102


class Lister(Protocol):
    """A reflector, whatever its kind."""

    @property
    def resource(self) -> Resource: ...  # noqa: D102

    async def relist(self) -> None: ...  # noqa: D102


class Operator:
    """One replica of the operator."""

    def __init__(self, client: Client, settings: Settings, clock: Clock) -> None:
        """Join the parts; nothing runs yet."""
        self._client = client
        self._settings = settings
        self._clock = clock
        self._began_ms = clock.now_ms()
        self.leading = False
        self._unseen: set[str] = set()  # jobs that have begun and that we haven't looked at since we lead
        self._put_off: dict[Key, None] = {}  # what waits for that
        self.untold = Untold(clock)
        self.world = World(self._changed, self.untold.note)
        self.books = Books(self.world, settings)
        self.deadlines: Deadlines[Key] = Deadlines(self._due, clock)
        self.queue = WorkQueue(self._work, self.deadlines.advance, clock)
        self.lease = Lease(
            client,
            identity=settings.identity,
            namespace=settings.namespace,
            clock=clock,
            lease_duration_seconds=settings.lease_seconds,
            renew_seconds=settings.renew_seconds,
        )
        self.pods = Reflector(client, PODS, self.world.pods, label_selector=JOB_UID, clock=clock)
        everywhere, ours = None, settings.namespace
        self._lists = tuple(
            Reflector(client, resource, store, namespace=namespace, clock=clock)
            for resource, store, namespace in (
                (APPLICATIONS, self.world.applications, everywhere),
                (COMPUTEPRODUCTS, self.world.products, everywhere),
                (WALLETS, self.world.wallets, everywhere),
                (UCLOUDJOBS, self.world.jobs, everywhere),
                (WALLETSTATEMENTS, self.world.statements, ours),
                (LEDGERCHECKPOINTS, self.world.checkpoints, ours),
            )
        )
        parts = Parts(
            self.world, self.books, self.deadlines, self.queue, client, self.lease, settings, clock, asyncio.Lock()
        )
        self._jobs, self._wallets, self._plans = Jobs(parts), Wallets(parts), Plans(parts)
        self._statements, self._orphans = Statements(parts), Orphans(parts)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for task in (
                self.pods.run(),
                self.queue.run(self._settings.workers, self._settings.urgent_workers),
                self.deadlines.run(),
                self._relist(),
                self._lead(),
            ):
                group.create_task(task)

    def feed(self, plural: str, event: str | None, body: JsonObject) -> None:
        """Take an event of one of our kinds, as a watch tells it (None: it was there already)."""
        stores: Mapping[str, Fed] = {
            "ucloudjobs": self.world.jobs,
            "wallets": self.world.wallets,
            "computeproducts": self.world.products,
            "applications": self.world.applications,
        }
        store = stores[plural]
        if event == "DELETED":
            store.remove(body)
        else:
            store.apply(body)
        self.untold.told(body)

    def unhealthy(self) -> str:
        """Return what is wrong with this process and a restart may mend, or an empty string.

        While the API server itself doesn't answer, a restart mends nothing, and a kubelet restarts ever later.
        """
        now_ms, unanswered_ms = self._clock.now_ms(), self.lease.unanswered_ms
        overdue_ms = now_ms - max(self.deadlines.first_ms(), unanswered_ms)
        if self.leading and overdue_ms > 1000 * self._settings.overdue_seconds:
            return f"a deadline is {overdue_ms // 1000} s overdue"
        for what, since_ms in (
            ("of the pods", self.pods.last_contact_ms or None),
            ("by Kopf of what has changed", self.untold.since_ms()),
        ):
            silent_ms = now_ms - max(since_ms, unanswered_ms) if since_ms is not None else 0
            if silent_ms > 1000 * self._settings.blind_seconds:
                return f"nothing was heard {what} for {silent_ms // 1000} s"
        return ""

    def unready(self) -> str:
        """Return why this replica couldn't lead, or an empty string: a rollout replaces no other one meanwhile."""
        owed_ms = self._clock.now_ms() - (self.untold.since_ms() or FOREVER_MS)
        if not self.pods.synced.is_set():
            return "the pods couldn't be listed yet"
        if owed_ms > 1000 * OWED_SECONDS:
            return f"Kopf hasn't told for {owed_ms // 1000} s of what has changed"
        return self.unhealthy()

    def measure(self) -> None:
        """Bring the gauges up to date."""
        now_ms, first_ms = self._clock.now_ms(), self.deadlines.first_ms()
        metrics.LEADING.set(self.leading)
        metrics.LEASE_EPOCH.set(self.lease.newest_epoch)
        metrics.DEADLINE_OVERDUE.set(0 if first_ms >= FOREVER_MS else max(0, now_ms - first_ms) / 1000)
        metrics.WATCH_SILENCE.set(max(0, now_ms - (self.pods.last_contact_ms or self._began_ms)) / 1000)
        measures.queued(self.queue, leading=self.leading)
        measures.survey(self.world, now_ms)

    async def _lead(self) -> None:
        await self.pods.synced.wait()
        while True:
            epoch = await self.lease.acquire()
            logger.info("leading, epoch %d", epoch)
            try:
                async with asyncio.TaskGroup() as group:  # it may take longer than a renewal; if it fails, so do we
                    taking_over = group.create_task(self._take_over())
                    await self.lease.hold()
                    taking_over.cancel()
            finally:
                self.leading = False
                with contextlib.suppress(asyncio.CancelledError):
                    await self.lease.release()
            logger.warning("the lease was lost; standing by")

    async def _take_over(self) -> None:
        """List everything, pods first, and then look at everything once.

        The API server's admission learns of our epoch a moment after us: until then it may still let a pod of the last
        leader in, which the list has to show.
        """
        await self._clock.sleep(EPOCH_SECONDS)
        for each in (self.pods, *self._lists):
            while not await self._listed(each):
                await self._clock.sleep(RETRY_SECONDS)
        gc.freeze()
        for job in self.world.jobs.values():
            self._jobs.recall(job)
        self.leading = True
        await self._look_around()

    async def _look_around(self) -> None:
        """Look at everything once: first at jobs that have begun, and at the rest when those have said what pods tell.

        A wallet that is published before has spent what jobs are to be charged that began or ended while nobody led,
        and a job that is to start finds nothing left where others have long stopped spending.
        """
        live = [job for job in self.world.jobs.values() if not job.is_final]
        self._unseen, self._put_off = {job.key for job in live if self._has_begun(job)}, {}
        for wallet in self.world.wallets.values():
            self.queue.add(Key(WALLET, wallet.key))
            self._changed(Key(PLAN, wallet.key))
        for job in self.world.jobs.values():
            self.queue.add(Key(JOB, job.key))
        for pod_key in self.world.orphans():
            self.queue.add(Key(ORPHAN, pod_key))
        until_ms = self._clock.now_ms() + 1000 * LOOK_SECONDS
        while self._unseen and self._clock.now_ms() < until_ms:
            await self._clock.sleep(LOOK_PAUSE_SECONDS)
        put_off, self._unseen, self._put_off = self._put_off, set(), {}
        for key in put_off:
            self.queue.add(key)

    async def _listed(self, reflector: Lister) -> bool:
        """List one kind in full; say whether it worked."""
        try:
            await reflector.relist()
        except ApiError as error:
            logger.warning("could not list %s: %s", reflector.resource, error)
            return False
        return True

    async def _relist(self) -> None:
        """List everything in full now and then.

        Kopf never tells of what vanished while its watch was down; and a job whose pod has ended without our knowing
        would run on for ever, were it only once in the life of a cluster that a watch forgets something.
        """
        while True:
            await self._clock.sleep(self._settings.relist_seconds)
            for each in (self.pods, *self._lists):
                await self._listed(each)
            if self.leading:
                await self._statements.close_months()

    def _changed(self, key: Key) -> None:
        if not self.leading:
            return
        if key.kind == PLAN:
            component = self.books.sources.component(key.name)
            key = Key(PLAN, component[0]) if component else key
        self.queue.add(key, urgent=key.kind == PLAN)

    def _due(self, key: Key) -> None:
        if self.leading:
            self.queue.add(key, urgent=key.kind != WALLET and not self._is_a_start(key))

    def _is_a_start(self, key: Key) -> bool:
        job = self.world.job(key.name) if key.kind == JOB else None
        return job is not None and open_run(job.status) is None and not self.world.pods_of(job)

    def _depends(self, key: Key) -> bool:
        """Say whether what is to be done depends on what jobs that have begun have used."""
        job = self.world.job(key.name) if key.kind == JOB else None
        return key.kind in {WALLET, SETTLE} or (job is not None and not self._has_begun(job))

    def _has_begun(self, job: UCloudJob) -> bool:
        return open_run(job.status) is not None or bool(self.world.pods_of(job))

    async def _work(self, key: Key) -> None:
        while self.leading and not self.lease.held:  # its renewal is late: nothing may be done until we know
            await self._clock.sleep(LEASE_PAUSE_SECONDS)
        if not self.leading:
            return
        if self._unseen and self._depends(key):
            self._put_off[key] = None
        elif key.kind == JOB:
            await self._jobs.reconcile(key.name)
            self._unseen.discard(key.name)
        elif key.kind == WALLET:
            await self._wallets.reconcile(key.name)
        elif key.kind == SETTLE:
            await self._statements.reconcile(key.name)
        elif key.kind == ORPHAN:
            await self._orphans.reconcile(key.name)
        else:
            self._plans.reconcile(key.name)
