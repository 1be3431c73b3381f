"""What simulated stories of promises look at: statements, warnings, and what pods were told; and months that end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation import loop
from tests.simulation.simulation import HOME, NAMESPACE, Simulation
from tests.simulation.stories import application, product
from ucloud_operator.api import JobState
from ucloud_operator.api.common import parse_time
from ucloud_operator.api.statement import WalletStatement
from ucloud_operator.kube.resources import EVENTS, UCLOUDJOBS, WALLETS, WALLETSTATEMENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.simulation.objects import Json
    from ucloud_operator.api import UCloudJob, Wallet
    from ucloud_operator.api.statement import StatementLine
    from ucloud_operator.settings import Settings

MINUTE, HOUR = 60, 3600
"""In seconds."""
EXHAUSTS_AT = "ucloud.dk/exhausts-at"


async def prepared(settings: Settings | None = None, **behaviour: str) -> Simulation:
    """A cluster with the seed's product and application, and an operator that leads."""
    simulation = Simulation(settings=settings)
    simulation.apply(product(), application(**behaviour))
    replica = simulation.start_operator()
    await simulation.until(lambda: replica.operator.leading)
    return simulation


async def runs(simulation: Simulation) -> None:
    """The job `a` runs."""
    await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)


async def killed(simulation: Simulation) -> None:
    """The operator is gone from one moment to the next."""
    replica = simulation.replicas[-1]
    replica.process.kill()
    await replica.process.gone()


async def restarted(simulation: Simulation) -> None:
    """Another operator leads."""
    replica = simulation.start_operator()
    await simulation.until(lambda: replica.operator.leading)


@asynccontextmanager
async def killed_at(simulation: Simulation, step: int, *, away_seconds: float = 0) -> AsyncIterator[None]:
    """The first operator is killed at that step of its own; another one is started so long after it has gone."""
    dead = asyncio.Event()

    def kill(number: int) -> None:
        if number == step:
            simulation.replicas[0].process.kill()
            dead.set()

    simulation.on_step = kill
    replacing = asyncio.create_task(replaced(simulation, dead, away_seconds))
    yield
    await replacing


async def replaced(simulation: Simulation, dead: asyncio.Event, away_seconds: float) -> None:
    """Start another operator some time after the first was killed."""
    await dead.wait()
    await simulation.replicas[0].process.gone()
    await asyncio.sleep(away_seconds)
    simulation.start_operator()


@contextmanager
def beginning_at(time: str) -> Iterator[None]:
    """Every simulation in this block begins at that time instead of the usual one."""
    usual, loop.BEGINNING_MS = loop.BEGINNING_MS, parse_time(time)
    try:
        yield
    finally:
        loop.BEGINNING_MS = usual


# Statements


def statements(simulation: Simulation, namespace: str = NAMESPACE) -> list[WalletStatement]:
    """The statements of a workspace's wallets, oldest first."""
    found = map(WalletStatement.model_validate, simulation.api.list(WALLETSTATEMENTS, HOME))
    own = (each for each in found if each.spec.wallet.namespace == namespace)
    return sorted(own, key=lambda each: (each.spec.month, each.spec.part))


def lines(simulation: Simulation) -> dict[str, StatementLine]:
    """Their lines, by the job's name; no job has two."""
    found = [line for statement in statements(simulation) for line in statement.spec.lines]
    assert len({line.uid for line in found}) == len(found), f"a job was settled twice: {found}"
    return {line.job: line for line in found}


def delete_job(simulation: Simulation, name: str) -> None:
    """`kubectl delete ucloudjob`."""
    simulation.delete(UCLOUDJOBS, name)


def check_statements(simulation: Simulation) -> None:
    """Every job that is gone has its line, the lines add up, and the wallet says the same."""
    written, wallet = lines(simulation), simulation.wallet()
    gone = [job for job in simulation.audit.jobs.values() if not simulation.exists(UCLOUDJOBS, job.metadata.name)]
    assert {line.uid: line.usage for line in written.values()} == {
        job.metadata.uid: job.status.usage for job in gone if job.status.usage
    }
    for statement in statements(simulation):
        assert statement.spec.total == sum(line.usage for line in statement.spec.lines)
    assert wallet.status.settled_usage == sum(line.usage for line in written.values())


# Warnings


@dataclass(frozen=True)
class Warned:
    """A warning that was told by an Event."""

    about: str
    reason: str
    at_ms: int


class Listener:
    """Notes every warning at the moment at which it is told."""

    def __init__(self, simulation: Simulation) -> None:
        self.warnings: list[Warned] = []
        self._simulation = simulation
        simulation.api.storage.listen(self._heard)

    def about(self, kind: str) -> list[str]:
        """The reasons of those about jobs, or wallets."""
        return [warned.reason for warned in self.warnings if warned.about == kind]

    def _heard(self, write: Any) -> None:
        if write.resource == EVENTS and write.before is None and write.after["reason"].startswith("Within"):
            kind = write.after["involvedObject"]["kind"]
            self.warnings.append(Warned(kind, write.after["reason"], self._simulation.api.now_ms()))


def ends_soon(thing: UCloudJob | Wallet) -> str | None:
    """The reason of the condition EndsSoon."""
    return next((each.reason for each in thing.status.conditions if each.type == "EndsSoon"), None)


def told_end_ms(simulation: Simulation) -> int | None:
    """The end that the only pod there is can read of."""
    (pod,) = simulation.pods()
    said = pod["metadata"]["annotations"].get(EXHAUSTS_AT)
    return parse_time(said) if said else None


# Grants


def top_up(simulation: Simulation, quota: int, name: str) -> None:
    """Grant more, as an allocation beside those there are."""
    group: Json = simulation.api.get(WALLETS, NAMESPACE, "example-compute")["spec"]["allocationGroups"][0]
    more = {**group["allocations"][0], "id": name, "quota": quota}
    simulation.edit(
        WALLETS, "example-compute", {"allocationGroups": [{**group, "allocations": [*group["allocations"], more]}]}
    )


def used_of(simulation: Simulation) -> dict[str, int]:
    """How much was used of each allocation, by id."""
    return {each.id: each.used for group in simulation.wallet().status.groups for each in group.allocations}
