"""Which of several operators acts: the holder of a Lease, as in every other Kubernetes controller.

Nobody compares clocks. A standby watches whether the Lease's resourceVersion changes; when it has not for as long as
the holder promised (`leaseDurationSeconds`), by the standby's own monotonic clock, the Lease is free. The holder
counts from before it *sent* its last successful renewal, which is earlier than anybody can have seen it, and stops
acting a renewal's length before the others may start (`deadline`). All writes carry the resourceVersion, so of two who
grab at once one wins.

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
from ucloud_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from ucloud_operator.kube.objects import JsonObject, number, section, text
from ucloud_operator.kube.resources import LEASES

if TYPE_CHECKING:
    from ucloud_operator.kube.client import Client

log = logging.getLogger(__name__)


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
        lease_duration_seconds: int = 15,
        renew_seconds: float = 5,
        retry_seconds: float = 1,
    ) -> None:
        if not identity:
            raise ValueError("an empty identity in a Lease means that nobody holds it")
        if not retry_seconds <= renew_seconds < lease_duration_seconds / 2:
            raise ValueError(
                f"a lease of {lease_duration_seconds} s can't be held by renewing it every {renew_seconds} s "
                f"(retrying after {retry_seconds} s): renew it at least twice in that time"
            )
        self.epoch = 0
        """The number of the last acquisition: `spec.leaseTransitions`."""
        self.newest_epoch = 0
        """The newest epoch that was seen in the Lease, whoever's it is."""
        self.deadline = 0.0
        """Until when we may act, by the clock's monotonic seconds."""
        self._client = client
        self._identity = identity
        self._namespace = namespace
        self._name = name
        self._clock = clock or SystemClock()
        self._duration_seconds = lease_duration_seconds
        self._renew_seconds = renew_seconds
        self._retry_seconds = retry_seconds
        self._version = ""

    @property
    def held(self) -> bool:
        """Whether we may act: look before each POST."""
        return self._clock.monotonic() < self.deadline

    async def acquire(self) -> int:
        """Wait until the Lease is ours; return its epoch."""
        seen: _Observation | None = None
        while True:
            try:
                async with asyncio.timeout(self._renew_seconds):
                    seen = await self._observe(seen)
                    if self._free(seen):
                        await self._take(seen.record if seen else None)
                        log.info("%s holds the lease, epoch %s", self._identity, self.epoch)
                        return self.epoch
            except (Conflict, AlreadyExists):
                log.debug("Somebody was quicker to take the lease")
            except (ApiError, TimeoutError) as error:
                log.warning("The lease can't be taken at the moment: %s", error)
            await self._clock.sleep(self._retry_seconds)

    async def hold(self) -> None:
        """Renew the Lease; return when it is lost."""
        pause_seconds = self._renew_seconds
        while True:
            await self._clock.sleep(min(pause_seconds, max(0.0, self.deadline - self._clock.monotonic())))
            if not self.held:
                log.error("The lease could not be renewed in time and is given up")
                return
            try:
                async with asyncio.timeout(self._renew_seconds):
                    lost = not await self._renew()
            except (ApiError, TimeoutError) as error:
                log.warning("The lease was not renewed, trying again: %s", error)
                pause_seconds = self._retry_seconds
                continue
            if lost:
                self.deadline = 0.0
                return
            pause_seconds = self._renew_seconds

    async def release(self) -> None:
        """Leave the Lease to whoever comes first, so that nobody has to wait until it expires."""
        if not self.held:
            return
        self.deadline = 0.0
        try:
            async with asyncio.timeout(self._renew_seconds):
                await self._write({"holderIdentity": "", "renewTime": self._stamp()}, self._version)
        except (ApiError, TimeoutError) as error:
            log.warning("The lease was not released, the next holder has to wait: %s", error)

    async def _observe(self, seen: _Observation | None) -> _Observation | None:
        """Look at the Lease; the time since when it has been as it is begins anew with each version."""
        try:
            lease = await self._client.get(LEASES, self._name, namespace=self._namespace)
        except NotFound:
            return None
        record = _Record.of(lease)
        self.newest_epoch = record.transitions
        if seen is not None and seen.record.version == record.version:
            return seen
        return _Observation(record, self._clock.monotonic())

    def _free(self, seen: _Observation | None) -> bool:
        if seen is None or seen.record.holder in {"", self._identity}:
            return True
        promised_seconds = seen.record.duration_seconds or self._duration_seconds
        return self._clock.monotonic() - seen.since >= promised_seconds

    async def _take(self, record: _Record | None) -> None:
        """Write ourselves into the Lease, unless it has changed since the record was read."""
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
        self._extend(lease, sent_at)

    async def _renew(self) -> bool:
        """Renew the Lease; return False if it is no longer ours."""
        sent_at = self._clock.monotonic()
        try:
            lease = await self._write({"renewTime": self._stamp()}, self._version)
        except NotFound:
            log.error("The lease was deleted")  # noqa: TRY400  # the sentence is all there is to say
            return False
        except Conflict:
            # Ours all the same, if only its labels were edited, or if a renewal was carried out without an answer.
            now = _Record.of(await self._client.get(LEASES, self._name, namespace=self._namespace))
            if (now.holder, now.transitions) != (self._identity, self.epoch):
                log.error("The lease was taken by %r, epoch %s", now.holder, now.transitions)  # noqa: TRY400
                return False
            lease = await self._write({"renewTime": self._stamp()}, now.version)
        self._extend(lease, sent_at)
        return True

    def _extend(self, lease: JsonObject, sent_at: float) -> None:
        record = _Record.of(lease)
        self._version, self.newest_epoch = record.version, record.transitions
        self.deadline = sent_at + self._duration_seconds - self._renew_seconds

    async def _write(self, spec: dict[str, object], version: str) -> JsonObject:
        return await self._client.patch(
            LEASES, self._name, {"spec": spec}, namespace=self._namespace, resource_version=version
        )

    def _stamp(self) -> str:
        """Return now as the Lease wants it, for people who look at it."""
        now = dt.datetime.fromtimestamp(self._clock.now_ms() / 1000, dt.UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
