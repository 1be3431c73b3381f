"""The operator as a process: started, scraped, killed, and its log kept."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from devcluster import OPERATOR, Cluster, User
from devcluster.ports import free_port

START_SECONDS = 30
END_SECONDS = 10
TAIL_LINES = 200


@dataclass(frozen=True)
class Scrape:
    """What /metrics said: a number by its name and labels."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all samples of that name which have these labels."""
        wanted = labels.items()
        return sum(value for (known, has), value in self.samples.items() if known == name and wanted <= set(has))

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The samples of that name, summed up by some of their labels."""
        sums: dict[tuple[str, ...], float] = {}
        for (known, has), value in self.samples.items():
            if known == name:
                key = tuple(dict(has).get(label, "") for label in labels)
                sums[key] = sums.get(key, 0) + value
        return sums


class OperatorProcess:
    """One replica of the operator, logged in by its service account's kubeconfig, or somebody else's."""

    def __init__(
        self, cluster: Cluster, log: Path, *options: str, identity: str = "teller", user: User = OPERATOR
    ) -> None:
        self.log = log
        self.identity = identity
        self._cluster = cluster
        self._options = options
        self._user = user
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it; it answers soon."""
        self._port = free_port()
        environment = {**os.environ, "KUBECONFIG": str(self._cluster.kubeconfig_of(self._user))}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ucloud_operator", "run", f"--identity={self.identity}"),
                *("--log-format=json", "--http-host=127.0.0.1", f"--http-port={self._port}"),
                *self._options,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the tests, which then end it
            )

    async def leads(self) -> None:
        """Wait until it leads."""
        await self._is(leading=True)

    async def stands_by(self) -> None:
        """Wait until it answers, and expect that it doesn't lead."""
        await self._is(leading=False)

    async def is_well(self) -> None:
        """Wait until /healthz says so."""

        async def answer() -> str:
            status, text = await self.ask("/healthz")
            return "" if status == HTTPStatus.OK else text

        await self._until(answer)

    async def is_unwell(self, why: str) -> None:
        """Wait until /healthz says that it is, and why."""

        async def answer() -> str:
            status, text = await self.ask("/healthz")
            return "" if status == HTTPStatus.SERVICE_UNAVAILABLE and why in text else f"{status} {text}"

        await self._until(answer)

    async def _is(self, *, leading: bool) -> None:
        async def answer() -> str:
            return "" if (await self.scrape()).total("ucloud_leading") == leading else f"leading isn't {leading}"

        await self._until(answer)

    async def _until(self, trouble: Callable[[], Awaitable[str]]) -> None:
        """Wait until there is no trouble."""
        deadline, why = time.monotonic() + START_SECONDS, "it doesn't answer"
        while time.monotonic() < deadline:
            assert self.runs, f"the operator has ended:\n{self.said()}"
            with contextlib.suppress(OSError):
                why = await trouble()
                if not why:
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{why} after {START_SECONDS} s:\n{self.said()}")

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """`kill -9`."""
        if self.runs:
            os.kill(self.pid, signal.SIGKILL)
            await self._end()

    async def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if not self.runs:
            return
        os.kill(self.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._end(), END_SECONDS)
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"the operator doesn't end within {END_SECONDS} s of SIGTERM") from None

    async def ask(self, path: str) -> tuple[int, str]:
        """GET a path; the answer's status and text."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session,
            session.get(f"http://127.0.0.1:{self._port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def scrape(self) -> Scrape:
        """Read /metrics."""
        _, text = await self.ask("/metrics")
        return Scrape(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )

    def said(self, *about: str) -> str:
        """The last lines of its log that have one of these words in them, or all."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        word = re.compile("|".join(re.escape(each) for each in about))
        return "\n".join([line for line in lines if word.search(line)][-TAIL_LINES:])

    async def _end(self) -> None:
        assert self._process is not None
        await self._process.wait()


def as_options(settings: Mapping[str, int]) -> Iterable[str]:
    """Settings, named as in `Settings`, as they are written on the command line."""
    return (f"--{name.replace('_', '-')}={value}" for name, value in settings.items())


@asynccontextmanager
async def operator(
    cluster: Cluster, log: Path, settings: Mapping[str, int], *, identity: str = "teller"
) -> AsyncIterator[OperatorProcess]:
    """One replica, which leads when the block begins and has ended when it is over."""
    process = OperatorProcess(cluster, log, *as_options(settings), identity=identity)
    await process.start()
    try:
        await process.leads()
        yield process
    finally:
        await process.stop()
