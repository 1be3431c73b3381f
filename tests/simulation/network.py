"""The way between a client and the in-memory API: it takes time, and it fails as real ones do, by a seed.

The client on top is the operator's own (`kube/client.py`), with its repetitions, pages and parsing; only what is below
it is replaced. A request that fails may have been carried out or not, and only the simulation knows. A watch may break,
or fall silent. Other people may change an object between the moment it was read and the moment it is written.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import Process, VirtualClock, outside
from tests.simulation.refusals import Refusal
from tests.simulation.server import answer
from tests.simulation.watches import Watch
from ucloud_operator.kube.backoff import Backoff
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.errors import ApiError, Unreachable, answered_error
from ucloud_operator.kube.transport import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    Call,
    Request,
    Transport,
    pause_before_repeating,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.simulation.api import Api

_WRITES = frozenset({"create", "patch", "delete"})
_OVERLOADED = Refusal(429, "TooManyRequests", "too many requests, please try again later")
_BROKEN = Refusal(500, "InternalError", "etcdserver: leader changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How bad the way is: probabilities per request (writes only, where it says so), and times."""

    latency_ms: tuple[int, int] = (1, 4)
    """There, and the same back."""
    event_latency_ms: tuple[int, int] = (5, 30)
    """From a write to those who watch."""
    refused: float = 0
    """429."""
    failed: float = 0
    """500, before anything was done."""
    lost_request: float = 0
    """No answer, nothing done."""
    lost_answer: float = 0
    """No answer, or 500, but done."""
    meddled: float = 0
    """Somebody else changes the object just before our patch arrives, so its version is another one."""
    watch_seconds: float | None = None
    """How long a watch lives on average before it breaks."""
    silent: float = 0
    """Of the watches that break: how many do so without a word."""

    def scaled(self, factor: float) -> Faults:
        """Return the same with other probabilities."""
        names = ("refused", "failed", "lost_request", "lost_answer", "meddled")
        return replace(self, **{name: getattr(self, name) * factor for name in names})


FINE = Faults()
ROUGH = Faults(
    latency_ms=(1, 60),
    event_latency_ms=(5, 400),
    refused=0.03,
    failed=0.03,
    lost_request=0.03,
    lost_answer=0.04,
    meddled=0.05,
    watch_seconds=20,
    silent=0.2,
)


class Network(Transport):
    """Carries a client's requests to the API; `on_step` is told when a request leaves and when its answer arrives."""

    def __init__(
        self,
        api: Api,
        *,
        user: str,
        process: Process | None = None,
        faults: Faults = FINE,
        seed: int = 0,
        attempts: int = 4,
        on_call: Callable[[Call], None] = lambda _: None,
        on_step: Callable[[str, Request], None] = lambda _step, _request: None,
        injected: Counter[str] | None = None,
    ) -> None:
        self.faults = faults
        self._injected = Counter() if injected is None else injected
        self._api = api
        self._user = user
        self._process = process
        self._random = random.Random(seed)  # noqa: S311  # bad luck, not secrets
        self._attempts = attempts
        self._on_call = on_call
        self._on_step = on_step
        self._clock = VirtualClock()

    async def close(self) -> None:
        """Do nothing."""

    async def send(self, request: Request) -> bytes:
        """Carry a request to the API and the answer back; repeat it where the real transport does."""
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._exchanged(request)
            except ApiError as error:
                pause_seconds = pause_before_repeating(request, error, backoff)
                if pause_seconds is None or attempt == self._attempts:
                    raise
                await asyncio.sleep(pause_seconds)
        raise AssertionError

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch."""
        began = self._clock.monotonic()
        await self._travel(request, "sent")
        watch = Watch(self._api, request)
        await self._travel(request, "done")
        self._on_call(Call(request.verb, request.resource, request.subresource, 200, self._clock.monotonic() - began))
        try:
            yield self._lines(request, watch, idle_seconds)
        finally:
            watch.close()

    async def _exchanged(self, request: Request) -> bytes:
        began, status = self._clock.monotonic(), 0
        try:
            await self._travel(request, "sent")
            content = self._carried_out(request)
            status = 200
        except Refusal as refusal:
            status = refusal.code
            await self._travel(request, "done")
            content = json.dumps(refusal.status).encode()
            raise answered_error(request.verb, request.target, status=status, content=content) from refusal
        else:
            await self._travel(request, "done")
            return content
        finally:
            self._on_call(
                Call(request.verb, request.resource, request.subresource, status, self._clock.monotonic() - began)
            )

    def _carried_out(self, request: Request) -> bytes:
        """Do it, or not, or do it and say nothing."""
        faults, writes = self.faults, request.verb in _WRITES
        if self._happens(faults.refused, "request refused"):
            raise _OVERLOADED
        if self._happens(faults.failed, "request failed"):
            raise _BROKEN
        if self._happens(faults.lost_request, "request lost"):
            raise self._silence(request)
        if request.verb == "patch" and self._happens(faults.meddled, "object changed before a write"):
            self._meddle(request)
        content = outside(lambda: answer(self._api, request, self._user))
        if writes and self._happens(faults.lost_answer, "answer lost"):
            raise self._random.choice((_BROKEN, self._silence(request)))
        return content

    def _meddle(self, request: Request) -> None:
        """Change something about the object that nobody cares about."""
        name = request.name or ""
        metadata = {"annotations": {"example.com/seen": str(self._random.getrandbits(32))}}
        try:
            outside(lambda: self._api.patch(request.resource, request.namespace or "", name, {"metadata": metadata}))
        except Refusal:
            return

    async def _lines(self, request: Request, watch: Watch, idle_seconds: float) -> AsyncIterator[bytes]:
        """Bring a watch's lines, each some time after it was written, in order, until the watch ends or breaks."""
        breaks_at, silent = self._breaks_at(), self._happens(self.faults.silent)
        while True:
            written_at, line = await watch.next(until=breaks_at)
            arrives_at = written_at + self._random.randint(*self.faults.event_latency_ms) / 1000
            await asyncio.sleep(max(0, arrives_at - self._clock.monotonic()))
            self._still_alive()
            if self._clock.monotonic() >= breaks_at:
                self._injected["watch silent" if silent else "watch broken"] += 1
                if silent:
                    await asyncio.sleep(idle_seconds)
                raise Unreachable(request.verb, request.target, "the connection was lost", ambiguous=True)
            if line is None:
                return
            yield line

    def _breaks_at(self) -> float:
        mean_seconds = self.faults.watch_seconds
        return self._clock.monotonic() + self._random.expovariate(1 / mean_seconds) if mean_seconds else float("inf")

    async def _travel(self, request: Request, step: str) -> None:
        self._still_alive()
        if step == "done":
            self._on_step(step, request)
            self._still_alive()
        await asyncio.sleep(self._random.randint(*self.faults.latency_ms) / 1000)
        if step == "sent":
            self._on_step(step, request)
        self._still_alive()

    def _still_alive(self) -> None:
        """Let nothing out of a process that was killed, nor anything in."""
        if self._process is not None and not self._process.alive:
            raise asyncio.CancelledError

    def _happens(self, probability: float, what: str = "") -> bool:
        happens = probability > 0 and self._random.random() < probability
        if happens and what:
            self._injected[what] += 1
        return happens

    @staticmethod
    def _silence(request: Request) -> Any:
        return Unreachable(request.verb, request.target, "no answer: the connection was lost", ambiguous=True)


class SimulatedClient(Client):
    """The operator's client, on a simulated network."""

    def __init__(self, network: Network) -> None:
        self._transport = network
