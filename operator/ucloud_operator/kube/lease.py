"""Which of several operators acts: the holder of a Lease, as in every other Kubernetes controller.

Nobody compares clocks. A standby watches the Lease; when it has not changed for as long as the holder promised
(`leaseDurationSeconds`), by the standby's own monotonic clock, the Lease is free. The holder counts from before it
*sent* its last successful renewal, which is earlier than anybody can have seen it, and stops creating things a
renewal's length before the others may start (`deadline`). Whoever takes the Lease names the version that it has seen,
so of two who grab at once one wins, and one whose watch has fallen silent takes nothing from a holder that lives.

A holder whose renewal is late creates nothing, but hasn't lost the Lease: when the answer comes at last and still says
its name and epoch, nobody else has led in between, and it goes on. So an API server that takes seconds to answer makes
nobody pass leadership to and fro. After some times the lease's length it gives up, to begin anew with a fresh look at
everything. A renewal names no version: it says only that its sender lives, and the answer says whose Lease it is.

That is a courtesy: a process may be frozen between looking at its deadline and sending a POST. What makes it safe is
the **epoch**, `spec.leaseTransitions`, which grows at *every* acquisition, also when the same holder returns. It is
written on each pod that we create, and an admission policy compares it with the Lease: a POST of an earlier epoch is
refused.

Whoever finds its own identity in the Lease takes it at once, without waiting: it is itself, restarted. So an identity
must belong to one process at a time. A pod's name is one (a restarted container finds itself again; the kubelet starts
the new one after the old one has ended); a host's name is not, where two may run on it.

A Lease that is deleted starts again at epoch 1, or above the last epoch that its new holder has held. Don't delete it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ucloud_operator.kube.clock import Clock, SystemClock
from ucloud_operator.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    NotFound,
    ServerError,
    TooManyRequests,
    Unreachable,
)
from ucloud_operator.kube.objects import JsonObject, number, section, text
from ucloud_operator.kube.resources import LEASES
from ucloud_operator.settings import unholdable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ucloud_operator.kube.client import Client

log = logging.getLogger(__name__)

TICK_SECONDS = 0.01
LATE_RENEWALS = 3
"""How many lengths of the lease a renewal may be late before we give up and begin anew."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What the Lease says."""

    holder: str
    transitions: int
    duration_seconds: int
    version: str

    @classmethod
    def of(cls, lease: JsonObject) -> _Record:
        spec = section(lease, "spec")
        return cls(
            holder=text(spec, "holderIdentity"),
            transitions=number(spec, "leaseTransitions") or 0,
            duration_seconds=number(spec, "leaseDurationSeconds") or 0,
            version=text(section(lease, "metadata"), "resourceVersion"),
        )


@dataclass(frozen=True, slots=True)
class _Observation:
    """What a standby has seen, and since when."""

    record: _Record
    since: float


class Lease:
    """One candidate for the Lease."""

    def __init__(  # noqa: PLR0913  # options, by name
        self,
        client: Client,
        *,
        identity: str,
        namespace: str = "ucloud-system",
        name: str = "ucloud-operator",
        clock: Clock | None = None,
        lease_duration_seconds: int = 4,
        renew_seconds: float = 1,
        retry_seconds: float = 0.5,
    ) -> None:
        if not identity:
            raise ValueError("an empty identity in a Lease means that nobody holds it")
        if trouble := unholdable(lease_duration_seconds, renew_seconds):
            raise ValueError(trouble)
        self.epoch = 0
        """The number of the last acquisition: `spec.leaseTransitions`."""
        self.newest_epoch = 0
        """The newest epoch that was seen in the Lease, whoever's it is."""
        self.deadline = 0.0
        """Until when we may act, by the clock's monotonic seconds."""
        self.unanswered_ms = 0
        """When the API server last failed to answer, or said that it can't at the moment (unix ms)."""
        self._client = client
        self._identity = identity
        self._namespace = namespace
        self._name = name
        self._clock = clock or SystemClock()
        self._duration_seconds = lease_duration_seconds
        self._renew_seconds = renew_seconds
        self._retry_seconds = retry_seconds
        self._useful_seconds = lease_duration_seconds - renew_seconds  # an answer that takes longer is no use any more
        self._version = ""  # of the Lease that is ours; empty while none is
        self._renew_at = 0.0
        self._seen: _Observation | None = None  # by who stands by

    @property
    def held(self) -> bool:
        """Whether we may act: look before each POST."""
        return self._clock.monotonic() < self.deadline

    async def acquire(self) -> int:
        """Wait until the Lease is ours; return its epoch."""
        self._seen = None
        while True:
            try:
                async with asyncio.timeout(self._useful_seconds):
                    await self._look()
                await self._until_free()
                if self._patience_seconds() <= 0:
                    async with asyncio.timeout(self._useful_seconds):
                        await self._take()
                    log.info("%s holds the lease, epoch %s", self._identity, self.epoch)
                    return self.epoch
            except (Conflict, AlreadyExists):
                log.debug("Somebody was quicker to take the lease")
                continue
            except (ApiError, TimeoutError) as error:
                log.warning("The lease can't be taken at the moment: %s", error)
                self._mind_silence(error)
            await self._clock.sleep(self._retry_seconds)

    async def hold(self) -> None:
        """Renew the Lease; return when it is lost, or nothing was heard of it for long."""
        while True:
            await self._clock.sleep(max(0.0, self._renew_at - self._clock.monotonic()))
            try:
                async with asyncio.timeout(self._useful_seconds):
                    lost = not await self._renew()
            except (ApiError, TimeoutError) as error:
                late_seconds = self._clock.monotonic() - self.deadline
                log.warning("The lease was not renewed, trying again: %s", error)
                self._mind_silence(error)
                lost = late_seconds > LATE_RENEWALS * self._duration_seconds
                self._renew_at = self._clock.monotonic() + self._retry_seconds
            if lost:
                self.deadline, self._version = 0.0, ""
                return

    async def release(self) -> None:
        """Leave the Lease to whoever comes first, so that nobody has to wait until it expires."""
        version, self.deadline, self._version = self._version, 0.0, ""
        if not version:
            return
        nobody = {"holderIdentity": "", "renewTime": self._stamp()}
        try:
            async with asyncio.timeout(self._useful_seconds):
                try:
                    await self._write(nobody, version)
                except Conflict:  # a renewal was under way
                    now = await self._read()
                    if self._is_ours(now):
                        await self._write(nobody, now.version)
        except (ApiError, TimeoutError) as error:
            log.warning("The lease was not released, the next holder has to wait: %s", error)

    async def _look(self) -> None:
        """Look at the Lease; the time since when it has been as it is begins anew with each version."""
        try:
            record = await self._read()
        except NotFound:
            self._seen = None
            return
        if self._seen is None or self._seen.record.version != record.version:
            self._see(record)

    async def _until_free(self) -> None:
        """Wait until the Lease is free, or can't be followed any more."""
        if self._patience_seconds() <= 0:
            return
        following = asyncio.create_task(self._follow())
        try:
            while not following.done() and (patience_seconds := self._patience_seconds()) > 0:
                sleeping = asyncio.create_task(self._clock.sleep(max(patience_seconds, TICK_SECONDS)))
                await asyncio.wait((following, sleeping), return_when=asyncio.FIRST_COMPLETED)
                sleeping.cancel()
            if following.done():
                following.result()
        finally:
            following.cancel()

    async def _follow(self) -> None:
        """Note each change of the Lease, until nobody holds it or its watch ends."""
        version = self._seen.record.version if self._seen else ""
        async with self._client.watch(
            LEASES, resource_version=version, namespace=self._namespace, field_selector=f"metadata.name={self._name}"
        ) as events:
            async for event in events:
                if event.type == "DELETED":
                    self._seen = None
                elif event.type != "BOOKMARK":
                    self._see(_Record.of(event.object))
                if self._patience_seconds() <= 0:
                    return

    def _see(self, record: _Record) -> None:
        self._seen, self.newest_epoch = _Observation(record, self._clock.monotonic()), record.transitions

    def _patience_seconds(self) -> float:
        """Return how long the Lease is not free yet, if it doesn't change."""
        if self._seen is None or self._seen.record.holder in {"", self._identity}:
            return 0
        promised_seconds = self._seen.record.duration_seconds or self._duration_seconds
        return self._seen.since + promised_seconds - self._clock.monotonic()

    async def _take(self) -> None:
        """Write ourselves into the Lease, unless it has changed since we saw it."""
        record = self._seen.record if self._seen else None
        sent_at = self._clock.monotonic()
        epoch = max(self.epoch, record.transitions if record else 0) + 1
        stamp = self._stamp()
        spec: dict[str, object] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._duration_seconds,
            "leaseTransitions": epoch,
            "acquireTime": stamp,
            "renewTime": stamp,
        }
        if record is None:
            lease = await self._client.create(
                LEASES, {"metadata": {"name": self._name}, "spec": spec}, namespace=self._namespace
            )
        else:
            lease = await self._write(spec, record.version)
        self.epoch = epoch
        self._extend(_Record.of(lease), sent_at)

    async def _renew(self) -> bool:
        """Renew the Lease; return False if it is no longer ours."""
        sent_at = self._clock.monotonic()
        try:
            now = _Record.of(await self._write({"renewTime": self._stamp()}))
        except NotFound:
            log.error("The lease was deleted")  # noqa: TRY400  # the sentence is all there is to say
            return False
        if not self._is_ours(now):
            log.error("The lease was taken by %r, epoch %s", now.holder, now.transitions)
            return False
        self._extend(now, sent_at)
        return True

    def _mind_silence(self, error: ApiError | TimeoutError) -> None:
        if isinstance(error, TimeoutError | Unreachable | ServerError | TooManyRequests):
            self.unanswered_ms = self._clock.now_ms()

    def _is_ours(self, now: _Record) -> bool:
        return (now.holder, now.transitions) == (self._identity, self.epoch)

    def _extend(self, now: _Record, sent_at: float) -> None:
        self._version, self.newest_epoch = now.version, now.transitions
        self._renew_at = sent_at + self._renew_seconds
        self.deadline = sent_at + self._useful_seconds

    async def _read(self) -> _Record:
        return _Record.of(await self._client.get(LEASES, self._name, namespace=self._namespace))

    async def _write(self, spec: Mapping[str, object], version: str | None = None) -> JsonObject:
        return await self._client.patch(
            LEASES, self._name, {"spec": spec}, namespace=self._namespace, resource_version=version
        )

    def _stamp(self) -> str:
        """Return now as the Lease wants it, for people who look at it."""
        now = dt.datetime.fromtimestamp(self._clock.now_ms() / 1000, dt.UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
