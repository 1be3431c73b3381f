"""A component's next instants: who has to be armed, stopped or published when.

Runs whenever a wallet or a job of the component changed, and when the first of those instants has come. It only
computes and enqueues: jobs that are due go to the urgent lane, where `lifecycle.decide` finds the same end of credits
in the plan that is left in `Plans.latest`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ucloud_operator import metrics
from ucloud_operator.control.queue import Key
from ucloud_operator.control.world import JOB, PLAN, WALLET
from ucloud_operator.lifecycle.timing import Ahead
from ucloud_operator.lifecycle.warnings import next_level_ms
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from ucloud_operator.control.parts import Parts
    from ucloud_operator.control.planner import Plan

logger = logging.getLogger(__name__)


class Plans:
    """The worker of the keys of kind PLAN."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts that it joins."""
        self._world, self._books = parts.world, parts.books
        self._deadlines, self._queue = parts.deadlines, parts.queue
        self._settings, self._clock = parts.settings, parts.clock

    def reconcile(self, wallet_key: str) -> None:
        """Plan the wallet's component anew, and wake whoever is due."""
        component = self._books.sources.component(wallet_key)
        if not component:
            self._orphans(wallet_key)
            return
        now_ms = self._clock.now_ms()
        with metrics.PLAN_SECONDS.time():
            plan = self._books.planner.plan(component, now_ms)
        self._books.planner.remember(component, plan)
        next_ms = plan.next_change_ms
        for key in component:
            next_ms = min(next_ms, self._look_at_jobs(key, plan, now_ms))
        self._deadlines.set(Key(PLAN, component[0]), next_ms if next_ms > now_ms else FOREVER_MS)
        for key in component:
            self._queue.add(Key(WALLET, key))

    def _look_at_jobs(self, wallet_key: str, plan: Plan, now_ms: int) -> int:
        """Wake the wallet's jobs that have to be told, armed or stopped now; return when the next one has to be."""
        wallet, next_ms = self._world.wallet(wallet_key), FOREVER_MS
        if wallet is None:
            return FOREVER_MS
        ahead = Ahead(now_ms, wallet.spec.warn_minutes, self._settings)
        for job in self._world.jobs_of(wallet_key):
            if job.is_final:
                continue
            end_ms = plan.ends_ms.get(job.metadata.uid, FOREVER_MS)
            due_ms = ahead.act_ms(job, self._world.pods_of(job), end_ms)
            if due_ms <= now_ms:
                self._queue.add(Key(JOB, job.key), urgent=True)
            else:
                next_ms = min(next_ms, due_ms)
        exhausts_ms = plan.exhausts_ms.get(wallet_key, FOREVER_MS)
        return min(next_ms, next_level_ms(exhausts_ms, wallet.spec.warn_minutes, now_ms))

    def _orphans(self, wallet_key: str) -> None:
        """Look at the jobs of a wallet that is gone: no wallet, no run."""
        for job in self._world.jobs_of(wallet_key):
            if not job.is_final:
                self._queue.add(Key(JOB, job.key), urgent=True)
