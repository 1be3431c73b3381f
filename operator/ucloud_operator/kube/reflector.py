"""Keeps a store equal to what the API server holds: list once, then watch, for ever.

A watch is a promise about history: "everything after version V, in order". So the reflector only has to remember the
version of the last event it took. A watch that ends or breaks is resumed from there and nothing is missed; bookmarks
move that version on while nothing of ours changes, so that it stays within the history which the API server keeps.

If it has fallen out of it after all (410 Gone), what was deleted meanwhile will never be reported, and a new list
alone does not say so either: an object that is gone is merely absent. Hence every list is compared with the store, and
what it lacks is reported as deleted, marked `vanished`. Lists run beside the watch and beside our own writes; the store
compares versions, so it does not matter which of them brings a change first.

Failures are never final: the reflector tries again, at the latest after ten seconds. How long it has been blind is
`last_contact_ms`, for whoever decides to restart the process. A watch that hangs without breaking (a lost peer sends
nothing at all) is noticed because bookmarks stop coming.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Generic, TypeVar

from ucloud_operator.kube.backoff import Backoff
from ucloud_operator.kube.clock import Clock, SystemClock
from ucloud_operator.kube.errors import ApiError, Gone, TooManyRequests, Unreachable
from ucloud_operator.kube.objects import section, text

if TYPE_CHECKING:
    from ucloud_operator.kube.client import Client, Page, WatchEvent
    from ucloud_operator.kube.resources import Resource
    from ucloud_operator.kube.store import Store

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10
"""Short enough to be back soon after an API server is, long enough that nobody notices our knocking."""
SHORTEST_WATCH_SECONDS = 5
"""A watch that ends sooner and brought nothing counts as a failure, or we would knock without a pause."""
FAILURES_BEFORE_RELIST = 3
TURN_SECONDS = 0.01
"""How long objects are taken in without letting other tasks run."""

log = logging.getLogger(__name__)


class Reflector(Generic[T]):
    """Follows the objects of one kind into a store."""

    def __init__(  # noqa: PLR0913  # options, by name
        self,
        client: Client,
        resource: Resource,
        store: Store[T],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        clock: Clock | None = None,
        relist_seconds: float | None = None,
        watch_seconds: int = 300,
        idle_seconds: float = 75,
    ) -> None:
        self.store = store
        self.resource = resource
        self.synced = asyncio.Event()
        self.last_contact_ms = 0
        self._client = client
        self._namespace = namespace
        self._label_selector = label_selector
        self._clock = clock or SystemClock()
        self._relist_seconds = relist_seconds if relist_seconds is not None else math.inf
        self._watch_seconds = watch_seconds
        self._idle_seconds = idle_seconds
        self._position = 0  # the version up to which the watch's history has been taken in
        self._list_needed = True
        self._events_taken = 0
        self._relist_at = 0.0  # by the monotonic clock
        self._turn_began = 0.0
        self._listing = asyncio.Lock()

    async def run(self) -> None:
        """Follow until cancelled."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        failures = 0
        while True:
            began, taken = self._clock.monotonic(), self._events_taken
            failure: ApiError | None = None
            try:
                await self._follow()
            except ApiError as error:
                failure = error
                failures += 1
                self._mind_failure(error, failures)
            worked = self._events_taken > taken or self._clock.monotonic() - began >= SHORTEST_WATCH_SECONDS
            if worked:
                backoff.reset()
                failures = 0
            if failure or not worked:
                asked_seconds = (failure and failure.retry_after_seconds) or 0
                await self._clock.sleep(max(backoff.next_seconds(), min(asked_seconds, LONGEST_PAUSE_SECONDS)))

    async def relist(self) -> None:
        """Compare the store with a complete list now, beside the running watch."""
        await self._list()

    async def _follow(self) -> None:
        """List if need be, then watch until the watch ends; raise what breaks it."""
        if self._list_needed or self._clock.monotonic() >= self._relist_at:
            self._position = await self._list()
            self._list_needed = False
        await self._watch()

    def _mind_failure(self, error: ApiError, failures: int) -> None:
        """Decide whether the watch can be resumed where it stopped."""
        if isinstance(error, Gone):
            log.info("%s are listed anew: %s", self.resource, error)
            self._list_needed = True
            return
        log.warning("%s are not followed at the moment: %s", self.resource, error)
        if failures >= FAILURES_BEFORE_RELIST and not isinstance(error, TooManyRequests | Unreachable):
            self._list_needed = True  # what comes at this very position may be what fails

    async def _list(self) -> int:
        """Bring the store to the state of a list; return the list's version."""
        async with self._listing:
            while True:
                try:
                    version, present = await self._take_pages()
                except Gone as error:  # this list's own history was compacted before its last page
                    log.info("%s are listed once more: %s", self.resource, error)
                    await self._clock.sleep(FIRST_PAUSE_SECONDS)
                    continue
                self.store.sweep(present, version)
                self._relist_at = self._clock.monotonic() + self._relist_seconds
                self.synced.set()
                return version

    async def _take_pages(self) -> tuple[int, set[str]]:
        present: set[str] = set()
        version = 0
        position = self._position  # as of now: a watch beside us may pass the list's moment before its answer is here
        async for page in self._client.pages(
            self.resource, namespace=self._namespace, label_selector=self._label_selector
        ):
            self._heard()
            if not version:
                version = int(page.resource_version)
                self._mind_history(position, version)
            await self._take_page(page, present)
        return version, present

    def _mind_history(self, position: int, version: int) -> None:
        """A list is never older than an event that came before it was asked for, unless time itself was turned back."""
        if version < position:
            log.error(
                "%s: the API server's history ended at %s and is now at %s, as after a restored backup; it is believed",
                self.resource,
                position,
                version,
            )
            self.store.rewind()

    async def _take_page(self, page: Page, present: set[str]) -> None:
        for each in page.items:
            present.add(text(section(each, "metadata"), "uid"))
            self.store.apply(each)
            await self._give_way()

    async def _watch(self) -> None:
        left_seconds = max(1, self._relist_at - self._clock.monotonic())
        async with self._client.watch(
            self.resource,
            resource_version=str(self._position),
            namespace=self._namespace,
            label_selector=self._label_selector,
            timeout_seconds=math.ceil(min(self._watch_seconds, left_seconds)),
            idle_seconds=self._idle_seconds,
        ) as events:
            self._heard()
            async for event in events:
                self._heard()
                self._take(event)
                await self._give_way()

    def _take(self, event: WatchEvent) -> None:
        if event.type == "DELETED":
            self.store.remove(event.object)
        elif event.type != "BOOKMARK":
            self.store.apply(event.object)
        self._events_taken += 1
        self._position = int(text(section(event.object, "metadata"), "resourceVersion"))

    def _heard(self) -> None:
        self.last_contact_ms = self._clock.now_ms()

    async def _give_way(self) -> None:
        """Let other tasks run, if we have not for a while: a full buffer is read without ever waiting."""
        now = self._clock.monotonic()
        if now - self._turn_began >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_began = self._clock.monotonic()
