"""The way between a client and the in-memory API: it takes time, and it fails as real ones do, by a seed.

The client on top is the operator's own (`kube/client.py`), with its repetitions, pages and parsing; only what is below
it is replaced. A request that fails may have been carried out or not, and only the simulation knows. A watch may break,
or fall silent. Other people may change an object between the moment it was read and the moment it is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import json
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import Process, VirtualClock, is_over, outside
from tests.simulation.refusals import Refusal, broken, overloaded
from tests.simulation.server import answer
from tests.simulation.watches import Watch
from ucloud_operator.kube.backoff import Backoff
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.errors import ApiError, Unreachable, answered_error
from ucloud_operator.kube.transport import (
    CONNECT_SECONDS,
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    Call,
    Request,
    Transport,
    pause_before_repeating,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.simulation.api import Api

WRITES = frozenset({"create", "patch", "delete"})


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


class Way:
    """What else happens on the way, to which request or event is for a test to say (`faults/`); here nothing does."""

    async def passes(self, point: str, request: Request, process: Process | None) -> None:
        """Be where a request is about to arrive ("sent"), its answer leaves ("done"), or has come ("received")."""

    def version_for(self, request: Request, process: Process | None) -> int | None:  # noqa: ARG002  # others look
        """Return the version of the past that a read shows; None: the present."""
        return None

    def told(
        self,
        request: Request,  # noqa: ARG002  # others look
        line: bytes,
        process: Process | None,  # noqa: ARG002  # the same
    ) -> list[tuple[float, bytes]]:
        """Return what comes of a watch's line: which lines, and how many seconds after those that it came before."""
        return [(0, line)]


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
        ways: Sequence[Way] = (),
    ) -> None:
        self.faults = faults
        self._ways = ways
        self._injected = Counter() if injected is None else injected
        self._api = api
        self._user = user
        self._process = process
        self._random = random.Random(seed)  # noqa: S311  # bad luck, not secrets
        self._attempts = attempts
        self._on_call = on_call
        self._on_step = on_step
        self._clock = VirtualClock()
        self._order = itertools.count()
        self._late: set[asyncio.Task[None]] = set()

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
        if self._api.is_away:
            raise await self._refused_connection(request)
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
            await self._sent(request)
            if self._api.is_away:
                raise await self._refused_connection(request)
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

    async def _sent(self, request: Request) -> None:
        """Bring a request to the API; a write that is given up on the way arrives later all the same."""
        try:
            await self._travel(request, "sent")
        except asyncio.CancelledError:
            if request.verb in WRITES and not is_over() and (self._process is None or self._process.runs):
                late = outside(lambda: asyncio.get_running_loop().create_task(self._arrive_late(request)))
                self._late.add(late)
                late.add_done_callback(self._late.discard)
            raise

    async def _arrive_late(self, request: Request) -> None:
        with contextlib.suppress(ApiError, Refusal):
            await self._travel(request, "sent")
            if not self._api.is_away:
                self._carried_out(request)

    def _carried_out(self, request: Request) -> bytes:
        """Do it, or not, or do it and say nothing."""
        faults, writes = self.faults, request.verb in WRITES
        if self._happens(faults.refused, "request refused"):
            raise overloaded()
        if self._happens(faults.failed, "request failed"):
            raise broken()
        if self._happens(faults.lost_request, "request lost"):
            raise self._silence(request)
        if request.verb == "patch" and self._happens(faults.meddled, "object changed before a write"):
            self._meddle(request)
        content = outside(lambda: answer(self._seen_by(request), request, self._user))
        if writes and self._happens(faults.lost_answer, "answer lost"):
            raise self._random.choice((broken(), self._silence(request)))
        return content

    def _seen_by(self, request: Request) -> Api:
        """Return the API as a request finds it: as it is, or, where it only reads, as it was."""
        if request.verb in {"get", "list"}:
            for way in self._ways:
                version = way.version_for(request, self._process)
                if version is not None:
                    return self._api.as_of(version)
        return self._api

    async def _refused_connection(self, request: Request) -> Unreachable:
        """Return what it is to reach nobody, after the time that it takes to find out."""
        if self._api.is_silent:
            await asyncio.sleep(CONNECT_SECONDS)
        self._still_alive()
        return Unreachable(request.verb, request.target, "no answer: connection refused", ambiguous=False)

    def _meddle(self, request: Request) -> None:
        """Change something about the object that nobody cares about."""
        name = request.name or ""
        metadata = {"annotations": {"example.com/seen": str(self._random.getrandbits(32))}}
        try:
            outside(lambda: self._api.patch(request.resource, request.namespace or "", name, {"metadata": metadata}))
        except Refusal:
            return

    async def _lines(self, request: Request, watch: Watch, idle_seconds: float) -> AsyncIterator[bytes]:
        """Bring a watch's lines, each some time after it was written, until the watch ends or breaks.

        They come in order, but for what is late by itself.
        """
        breaks_at, silent = self._breaks_at(), self._happens(self.faults.silent)
        late: list[tuple[float, int, bytes]] = []
        while True:
            due_at = late[0][0] if late else float("inf")
            written_at, line = await watch.next(until=min(breaks_at, due_at))
            arrives_at = written_at + self._random.randint(*self.faults.event_latency_ms) / 1000
            await asyncio.sleep(max(0, arrives_at - self._clock.monotonic()))
            await self._thawed()
            self._still_alive()
            if watch.is_lost or self._clock.monotonic() >= breaks_at:
                if not watch.is_lost:
                    self._injected["watch silent" if silent else "watch broken"] += 1
                if silent or self._api.is_silent:
                    await asyncio.sleep(idle_seconds)
                raise Unreachable(request.verb, request.target, "the connection was lost", ambiguous=True)
            over = line is None and watch.is_over
            for each in self._due(request, line, late, everything=over):
                yield each
            if over:
                return

    def _due(
        self, request: Request, line: bytes | None, late: list[tuple[float, int, bytes]], *, everything: bool
    ) -> list[bytes]:
        """Return the lines to bring now: those that were late until now, and what comes of this one."""
        now, lines = self._clock.monotonic(), [] if line is None else [(0.0, line)]
        for way in self._ways:
            lines = [
                (seconds + more, told)
                for seconds, each in lines
                for more, told in way.told(request, each, self._process)
            ]
        due: list[bytes] = []
        while late and (everything or late[0][0] <= now):
            due.append(heapq.heappop(late)[2])
        for seconds, told in lines:
            if seconds <= 0:
                due.append(told)
            else:
                heapq.heappush(late, (now + seconds, next(self._order), told))
        return due

    def _breaks_at(self) -> float:
        mean_seconds = self.faults.watch_seconds
        return self._clock.monotonic() + self._random.expovariate(1 / mean_seconds) if mean_seconds else float("inf")

    async def _travel(self, request: Request, step: str) -> None:
        self._still_alive()
        if step == "done":
            await self._pass(step, request)
        await asyncio.sleep(self._random.randint(*self.faults.latency_ms) / 1000)
        if step == "done" and self._api.is_away:
            raise self._silence(request)
        await self._pass("sent" if step == "sent" else "received", request)

    async def _pass(self, point: str, request: Request) -> None:
        """Be at one of the three points of a request's way, where a process may freeze or die."""
        if point != "received":
            self._on_step(point, request)
        self._still_alive()
        for way in self._ways:
            await way.passes(point, request, self._process)
        await self._thawed()
        self._still_alive()

    async def _thawed(self) -> None:
        """Let nothing out of a process that is frozen, nor anything in, until it goes on."""
        if self._process is not None:
            await self._process.thawed()

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
