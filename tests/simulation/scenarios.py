"""Short stories whose end is the same whatever happens on the way, for faults to be tried on.

Each returns what must be so at its end. Numbers that depend on when something was noticed (the usage of a job that is
deleted while it runs) aren't in it: `check_bills` holds those against what really ran. What people do depends on what
is so, never on the time alone; and nobody does anything while the API server is away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.simulation.bills import check_bills
from tests.simulation.bounds import check_bounds
from tests.simulation.promises import top_up
from tests.simulation.stories import CATEGORY, allocation, application, group, job, product, wallet
from ucloud_operator.api import JobState, Wallet
from ucloud_operator.api.statement import StatementLine, WalletStatement
from ucloud_operator.kube.resources import LEASES, PODS, UCLOUDJOBS, WALLETS, WALLETSTATEMENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.simulation.simulation import Simulation
    from tests.simulation.storage import Write
    from ucloud_operator.kube.resources import Resource

Ending: TypeAlias = dict[str, Any]
"""What must be so at the end of a story, by what it is called."""

PATIENCE_SECONDS = 6000
SETTLING_SECONDS = 75
"""After the end of a story: until everything about it was published."""
QUIET_SECONDS = 60
CALLS_WHEN_QUIET = 100
"""Of all operators together, in that time: renewals, looks at the Lease, watches and lists."""


@dataclass(frozen=True)
class Scenario:
    """A story, and how many operators there are at its beginning."""

    name: str
    play: Callable[[Simulation], Awaitable[None]]
    operators: int = 1
    exact: bool = True
    """Whether what is used in the end doesn't depend on when somebody noticed something."""

    async def told(
        self, simulation: Simulation, *, late_seconds: float = 0, exact: bool = True, clocks_ms: int = 0
    ) -> Ending:
        """Play it to its end and check all that can be checked; a fault may have made news late by so much."""
        for _ in range(self.operators):
            simulation.start_operator()
        await self.play(simulation)
        await _settled(simulation)
        check_bills(simulation, exact=exact, clocks_ms=clocks_ms)
        check_bounds(simulation, late_seconds=late_seconds)
        simulation.audit.check_books()
        await _be_quiet(simulation)
        simulation.check()
        return _ending(simulation, exact=self.exact)


async def _settled(simulation: Simulation) -> None:
    """Wait until somebody led and was reachable for long enough to have published everything."""
    since, loop = 0.0, asyncio.get_running_loop()

    def met() -> bool:
        nonlocal since
        if simulation.api.is_away or not simulation.is_led:
            since = loop.time()
        return loop.time() >= since + SETTLING_SECONDS

    since = loop.time()
    await until(simulation, met)


def _ending(simulation: Simulation, *, exact: bool) -> Ending:
    wallets = [Wallet.model_validate(thing) for thing in simulation.api.storage.every(WALLETS)]
    present = {job.metadata.uid for job in simulation.jobs()}
    ending: Ending = {
        "jobs": {job.key: (str(job.status.state), job.status.reason) for job in simulation.jobs()},
        "told": {job.key: [str(each.state) for each in job.status.updates if each.state] for job in simulation.jobs()},
        "runs": {job.key: len(job.status.runs) for job in simulation.jobs()},
        "lines": [line.job for line in _lines(simulation) if line.uid not in present],
        "locked": {wallet.key: wallet.status.locked for wallet in wallets},
        "pods": len(simulation.api.list(PODS)),
    }
    if exact:
        ending["usage"] = sum(job.status.usage for job in simulation.jobs())
        ending["left"] = {wallet.key: (wallet.status.total_usage, wallet.status.max_usable) for wallet in wallets[:1]}
    return ending


def _lines(simulation: Simulation) -> list[StatementLine]:
    statements = map(WalletStatement.model_validate, simulation.api.list(WALLETSTATEMENTS))
    return [line for statement in statements for line in statement.spec.lines]


async def _be_quiet(simulation: Simulation) -> None:
    """Nothing happens any more, so nothing is written, and little is asked."""
    written: list[Write] = []
    stop_listening = simulation.api.storage.listen(written.append)
    asked = sum(len(replica.calls) for replica in simulation.replicas)
    await simulation.pass_seconds(QUIET_SECONDS)
    stop_listening()
    storm = [write.last["metadata"]["name"] for write in written if write.resource != LEASES]
    assert not storm, f"written although nothing happens: {storm}"
    calls = sum(len(replica.calls) for replica in simulation.replicas) - asked
    assert calls <= CALLS_WHEN_QUIET, f"{calls} calls although nothing happens"


# What people do and see


async def act(simulation: Simulation, do: Callable[[], object]) -> None:
    """Do something as soon as the API server is there."""
    await simulation.api.back.wait()
    do()


async def edited(simulation: Simulation, resource: Resource, name: str, spec: object, **where: str) -> None:
    """Change something in an object's spec."""
    assert isinstance(spec, dict)
    await act(simulation, lambda: simulation.edit(resource, name, spec, **where))


async def until(simulation: Simulation, met: Callable[[], Any]) -> None:
    """Let time pass until something is so."""
    await simulation.until(met, within_seconds=PATIENCE_SECONDS, look_seconds=0.2)


async def ran(simulation: Simulation, containers: int, seconds: float) -> None:
    """Wait until so many containers have run together for so long, whoever knows of it."""
    await until(simulation, lambda: len(simulation.kubelets.running) >= containers)
    await simulation.pass_seconds(seconds)


# The stories


async def exhaustion(simulation: Simulation) -> None:
    """The seed's: a wallet runs dry after two minutes, and its job is terminated."""
    quota, used = 500_000_000, 499_900_000
    simulation.apply(product(), application(), wallet(quota=quota, used=used), job())
    await until(simulation, simulation.is_over)


async def siblings(simulation: Simulation) -> None:
    """Two wallets under one that runs dry: both jobs end, and what was granted is used to the last unit."""
    simulation.apply(product(), application(), wallet(quota=400_000), namespace="above")
    for team in ("left", "right"):
        simulation.apply(wallet(quota=10**9, parent=f"above/{CATEGORY}"), job(), namespace=team)
    await until(simulation, simulation.is_over)


async def suspension(simulation: Simulation) -> None:
    """Credits end, the job is suspended; a top-up, it goes on; they end again, and its user has enough."""
    simulation.apply(product(), application(), wallet(quota=100_000, suspends=True), job())
    await until(simulation, lambda: simulation.job().status.state is JobState.SUSPENDED)
    await simulation.pass_seconds(30)
    await act(simulation, lambda: top_up(simulation, 75_000, "more"))
    await until(simulation, lambda: len(simulation.job().status.runs) > 1)
    await until(simulation, lambda: simulation.job().status.state is JobState.SUSPENDED)
    await edited(simulation, UCLOUDJOBS, "a", {"terminate": True})
    await until(simulation, simulation.is_over)


async def replicas(simulation: Simulation) -> None:
    """Of three replicas one fails, and the job with it."""
    simulation.apply(product(), application(), wallet(quota=10**9), job(replicas=3))
    await ran(simulation, 3, 25)
    if len(simulation.kubelets.running) > 1:
        simulation.kubelets.end(sorted(simulation.kubelets.running)[1], code=3)
    await until(simulation, simulation.is_over)


async def deletion(simulation: Simulation) -> None:
    """A job is deleted while it runs, leaves a line, and another one takes its name."""
    simulation.apply(product(), application(), wallet(quota=10**9), job())
    await ran(simulation, 1, 20)
    await act(simulation, lambda: simulation.delete(UCLOUDJOBS, "a"))
    await until(simulation, lambda: not simulation.exists(UCLOUDJOBS, "a"))
    await act(simulation, lambda: simulation.apply(job()))
    await ran(simulation, 1, 10)
    await edited(simulation, UCLOUDJOBS, "a", {"terminate": True})
    await until(simulation, simulation.is_over)


async def extension(simulation: Simulation) -> None:
    """A job gets a second minute while it runs, and has expired at the end of that."""
    simulation.apply(product(), application(), wallet(quota=10**9), job(minutes=1))
    await ran(simulation, 1, 5)
    await edited(simulation, UCLOUDJOBS, "a", {"timeAllocation": {"minutes": 2}})
    await until(simulation, simulation.is_over)


async def edits(simulation: Simulation) -> None:
    """Under one running job its wallet is cut to nothing, under another one its wallet is deleted."""
    simulation.audit.overdrafts_allowed = True
    simulation.apply(product(), application(), wallet(quota=10**9), job())
    simulation.apply(wallet(quota=10**9), job(), namespace="chemistry")
    await ran(simulation, 2, 15)
    cut = {"allocationGroups": [group(allocation(0))]}
    await edited(simulation, WALLETS, CATEGORY, cut)
    await simulation.pass_seconds(3)
    await act(simulation, lambda: simulation.delete(WALLETS, CATEGORY, namespace="chemistry"))
    await until(simulation, simulation.is_over)
    await until(simulation, lambda: not simulation.exists(WALLETS, CATEGORY, namespace="chemistry"))


SCENARIOS = (
    Scenario("exhaustion", exhaustion),
    Scenario("siblings", siblings),
    Scenario("suspension", suspension),
    Scenario("replicas", replicas, exact=False),
    Scenario("deletion", deletion, exact=False),
    Scenario("extension", extension),
    Scenario("edits", edits, exact=False),
    Scenario("standby", exhaustion, operators=2),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
