"""What the gateway can take, on a real API server beside it: requests, and people who follow jobs.

The same question is put to the API server directly, so that its own share shows: the gateway can't be quicker.
Everything shares this machine's cores: etcd, the API server, the gateway, and those who ask.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

import aiohttp
import click

from devcluster import ALICE, Cluster
from devcluster.gateway import running_gateway
from devcluster.users import token
from tests.cluster.storytelling.lab import LAB, Setting, lab, specification
from tests.cluster.support import eventually
from ucloud_operator.api import format_time
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.login import from_kubeconfig
from ucloud_operator.kube.resources import UCLOUDJOBS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from devcluster.processes import Process


WALLETS: Final = "/api/accounting/v2/browseWallets?includeChildren=false"
DIRECTLY: Final = f"/apis/ucloud.dk/v1alpha1/namespaces/{LAB}/wallets?limit=500"
CALLERS: Final = 16
BUSY_SECONDS: Final = 10
STEADY_PER_SECOND: Final = 50
STEADY_SECONDS: Final = 20
FOLLOWERS: Final = 1000
AT_ONCE: Final = 50
QUIET_SECONDS: Final = 5
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
MIB: Final = 2**20


@dataclass(frozen=True)
class Side:
    """Where a question is put: to the gateway, or to the API server itself."""

    name: str
    session: aiohttp.ClientSession
    address: str

    async def ask(self) -> None:
        """Ask once; anything but an answer fails the measurement."""
        async with self.session.get(self.address) as response:
            content = await response.read()
            if response.status != 200:  # noqa: PLR2004  # OK
                raise click.ClickException(f"{self.name}: {response.status} {content!r}")


@dataclass
class Meter:
    """How much of a core two processes took meanwhile."""

    gateway: Process
    api_server: Process
    _began: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._began = [time.monotonic(), cpu_seconds(self.gateway), cpu_seconds(self.api_server)]

    def cores(self) -> str:
        """Say what each took."""
        passed, gateway, api_server = self._began
        seconds = time.monotonic() - passed
        shares = (
            (cpu_seconds(self.gateway) - gateway) / seconds,
            (cpu_seconds(self.api_server) - api_server) / seconds,
        )
        return f"{shares[0]:>8.2f} {shares[1]:>11.2f}"


def cpu_seconds(process: Process) -> float:
    """Return how long a process has computed so far."""
    _, _, rest = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")
    user, system = rest.split()[11:13]
    return (int(user) + int(system)) / TICKS_PER_SECOND


def resident_mib(process: Process) -> float:
    """Return how much memory a process has."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


HEADING: Final = (
    f"{'':<48} {'per second':>10} {'p50 ms':>7} {'p99 ms':>7} {'gateway':>8} {'API server':>11}\n"
    f"{'':<48} {'':>10} {'':>7} {'':>7} {'cores':>8} {'cores':>11}"
)


def row(what: str, per_second: float, latencies_ms: Sequence[float], cores: str) -> str:
    """Return a line of the table."""
    p99 = quantiles(latencies_ms, n=100, method="inclusive")[98]
    return f"{what:<48} {per_second:>10.0f} {median(latencies_ms):>7.1f} {p99:>7.1f} {cores}"


async def at_full_speed(side: Side, meter: Meter) -> str:
    """Ask again as soon as there is an answer, from several places at once."""
    latencies_ms: list[float] = []
    meter.start()
    until = time.monotonic() + BUSY_SECONDS

    async def caller() -> None:
        while (asked := time.monotonic()) < until:
            await side.ask()
            latencies_ms.append(1000 * (time.monotonic() - asked))

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    cores = meter.cores()
    return row(f"{side.name}, {CALLERS} callers", len(latencies_ms) / BUSY_SECONDS, latencies_ms, cores)


async def steadily(side: Side, meter: Meter) -> str:
    """Ask at a rate, whether or not there have been answers; what a question waits to be put counts."""
    latencies_ms: list[float] = []
    meter.start()
    began = time.monotonic()

    async def caller(due: float) -> None:
        await asyncio.sleep(max(0, due - time.monotonic()))
        await side.ask()
        latencies_ms.append(1000 * (time.monotonic() - due))

    count = STEADY_PER_SECOND * STEADY_SECONDS
    await asyncio.gather(*(caller(began + number / STEADY_PER_SECOND) for number in range(count)))
    return row(f"{side.name}, steadily", STEADY_PER_SECOND, latencies_ms, meter.cores())


# Followers


class Crowd:
    """Everybody who follows a job, and when each was told what."""

    def __init__(self, session: aiohttp.ClientSession, address: str, count: int) -> None:
        self.told_at: dict[str, float] = {}
        self.all_begun, self.all_told = asyncio.Event(), asyncio.Event()
        self._session, self._address, self._count, self._begun = session, address, count, 0

    async def follow(self, job_id: str) -> None:
        """Read what is said of a job."""
        async with self._session.get(f"{self._address}/api/jobs/follow?id={job_id}") as response:
            async for line in response.content:
                if b'"initialJob":{' in line:
                    self._begun += 1
                    if self._begun == self._count:
                        self.all_begun.set()
                elif b'"RUNNING"' in line:
                    self.told_at[job_id] = time.monotonic()
                    if len(self.told_at) == self._count:
                        self.all_told.set()


async def followers(setting: Setting, address: str, meter: Meter, count: int) -> None:
    """Let many follow a job each, and tell them news; print what that takes."""
    ids: list[str] = []
    for start in range(0, count, AT_ONCE):
        reply = await asyncio.to_thread(
            setting.alice.post, "/api/jobs", *[specification()] * min(AT_ONCE, count - start)
        )
        ids += [str(each["id"]) for each in reply.items]
    before = resident_mib(meter.gateway)
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, headers=headers(setting), timeout=aiohttp.ClientTimeout(None))
        )
        admin = await stack.enter_async_context(Client(lambda: from_kubeconfig(str(setting.cluster.kubeconfig))))
        crowd = Crowd(session, address, count)
        streams = [asyncio.create_task(crowd.follow(job_id)) for job_id in ids]
        try:
            await crowd.all_begun.wait()
            await asyncio.sleep(QUIET_SECONDS)
            click.echo(f"\n{count} followers: {resident_mib(meter.gateway):.0f} MiB (before: {before:.0f} MiB)")
            meter.start()
            await asyncio.sleep(QUIET_SECONDS)
            click.echo(f"  while nothing happens, cores of gateway and API server: {meter.cores()}")
            late_ms = await tell(admin, crowd, ids)
            p99 = quantiles(late_ms, n=100, method="inclusive")[98]
            click.echo(f"  from a write's answer to the follower, in ms: p50 {median(late_ms):.0f}, p99 {p99:.0f}")
            click.echo(f"  after the news: {resident_mib(meter.gateway):.0f} MiB")
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)


async def tell(admin: Client, crowd: Crowd, ids: Sequence[str]) -> Sequence[float]:
    """Write news into each job; return how long each follower waited for them."""
    written_at: dict[str, float] = {}
    for job_id in ids:
        job = await admin.get(UCLOUDJOBS, job_id, namespace=LAB)
        update = {
            "state": "RUNNING",
            "status": "Your job is now running!",
            "timestamp": format_time(time.time_ns() // 10**6),
        }
        version = str(job["metadata"]["resourceVersion"])  # type: ignore[index]
        status = {"state": "RUNNING", "updates": [update]}
        await admin.patch_status(UCLOUDJOBS, job_id, status, resource_version=version, namespace=LAB)
        written_at[job_id] = time.monotonic()
    await crowd.all_told.wait()
    return [max(0, 1000 * (crowd.told_at[job_id] - written_at[job_id])) for job_id in ids]


# All of it


def headers(setting: Setting) -> dict[str, str]:
    """Return what a user of the lab shows."""
    return {"Authorization": f"Bearer {token(setting.cluster.state, ALICE)}", "Project": LAB}


@contextmanager
def running() -> Iterator[tuple[Setting, Meter]]:
    """Run a Kubernetes and a gateway, with the lab in it and nobody who runs its jobs."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Cluster(Path(folder) / "cluster", nodes=1).running_meanwhile() as cluster,
        running_gateway(cluster) as gateway,
    ):
        setting = Setting(cluster, gateway.port)
        setting.apply(*lab())
        eventually(lambda: setting.alice.get(WALLETS).status == 200)  # noqa: PLR2004  # OK: her rights are known
        yield setting, Meter(gateway.process, cluster.process("api-server"))


async def measure(setting: Setting, meter: Meter, count: int) -> None:
    """Print all figures."""
    credentials = from_kubeconfig(str(setting.cluster.kubeconfig))
    address = f"http://127.0.0.1:{setting.port}"
    async with (
        aiohttp.ClientSession(headers=headers(setting)) as session,
        aiohttp.ClientSession(
            headers=headers(setting), connector=aiohttp.TCPConnector(ssl=credentials.ssl_context())
        ) as secure,
    ):
        sides = (
            Side("browseWallets", session, address + WALLETS),
            Side("the same wallets from the API server", secure, credentials.server + DIRECTLY),
        )
        for side in sides:
            await side.ask()
        click.echo(HEADING)
        for way in (at_full_speed, steadily):
            for side in sides:
                click.echo(await way(side, meter))
    await followers(setting, address, meter, count)


@click.command()
@click.option("--followers", "count", type=click.IntRange(min=2), default=FOLLOWERS, show_default=True)
def main(count: int) -> None:
    """Measure the gateway beside a real API server, on this machine."""
    with running() as (setting, meter):
        asyncio.run(measure(setting, meter, count))


if __name__ == "__main__":
    main()
