"""How long the operator takes to work out a component of wallets, on one core: what a change costs it, and a look.

The objects are as the API server gives them. Nothing is promised here; the sizes show how it grows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from bench.ledger import HEADING, measure
from ucloud_operator.api import format_time
from ucloud_operator.control.books import Books
from ucloud_operator.control.publication import Around, publish
from ucloud_operator.control.world import World
from ucloud_operator.ledger.state import Run
from ucloud_operator.lifecycle.statement import account_of
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.ledger import Measurement
    from ucloud_operator.kube.objects import JsonObject

T0_MS: Final = 1_795_000_000_000
MINUTE_MS: Final = 60_000
SIZES: Final = ((20, 100), (100, 1000), (1000, 10_000))
TEAMS_PER_DEPARTMENT: Final = 30
PRICE: Final = 1000


# What there is


def metadata(name: str, namespace: str) -> JsonObject:
    """Return what every object has."""
    created = format_time(T0_MS - MINUTE_MS)
    return {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{namespace}-{name}",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": created,
    }


def wallet(name: str, parent: str | None, quota: int) -> JsonObject:
    """Return a wallet as of T0 that has used nothing yet."""
    window = {"startDate": format_time(0), "endDate": format_time(2 * T0_MS)}
    granted = {"id": "all", "quota": quota, **window}
    above = {} if parent is None else {"parent": {"namespace": parent, "name": "w"}}
    applied = above | {"treeUsage": 0, "allocations": [granted | {"used": 0, "phase": "Active"}]}
    pays_for = {
        "name": "cpu",
        "provider": "us",
        "productType": "COMPUTE",
        "accountingFrequency": "PERIODIC_MINUTE",
    }
    return {
        "metadata": metadata("w", name),
        "spec": {
            "owner": {"type": "user", "username": "u"},
            "paysFor": pays_for,
            "allocationGroups": [above | {"allocations": [granted]}],
        },
        "status": {"groups": [applied], "meteredAt": format_time(T0_MS), "observedGeneration": 1},
    }


def job(name: str, namespace: str, started_ms: int) -> JsonObject:
    """Return a job that runs."""
    run = {"number": 1, "startedAt": format_time(started_ms), "price": PRICE, "replicas": 1, "periodMs": MINUTE_MS}
    began = {"type": "Running", "status": "True", "reason": "Started", "lastTransitionTime": run["startedAt"]}
    return {
        "metadata": metadata(name, namespace),
        "spec": {
            "application": {"name": "app", "version": "1"},
            "product": {"id": "p", "category": "cpu", "provider": "us"},
        },
        "status": {
            "state": "RUNNING",
            "runs": [run],
            "wallet": {"name": "w", "uid": f"uid-{namespace}-w"},
            "conditions": [began],
        },
    }


@dataclass(frozen=True, slots=True)
class University:
    """A root, departments below it, and teams below those, with jobs that run."""

    world: World
    books: Books
    team: str
    uid: str

    @classmethod
    def of(cls, wallets: int, jobs: int) -> University:
        """Found one with so many."""
        world, chance = World(lambda _: None), random.Random(7)  # noqa: S311  # the same one every time
        departments = [f"department-{number}" for number in range(max(1, wallets // TEAMS_PER_DEPARTMENT))]
        teams = [f"team-{number}" for number in range(wallets - 1 - len(departments))]
        world.wallets.apply(wallet("root", None, 10**13))
        for name in departments:
            world.wallets.apply(wallet(name, "root", 10**12))
        for name in teams:
            world.wallets.apply(wallet(name, chance.choice(departments), chance.randint(10**6, 10**9)))
        for number in range(jobs):
            team = chance.choice(teams)
            world.jobs.apply(job(f"job-{number}", team, T0_MS - chance.randint(1, MINUTE_MS)))
        first = next(iter(world.jobs.values()))
        return cls(world, Books(world, Settings()), f"{first.metadata.namespace}/w", first.metadata.uid)

    def changes(self, later_ms: int) -> None:
        """Plan after a job has changed."""
        found = self.world.jobs.find(self.uid)
        assert found is not None  # noqa: S101  # it was made above
        raw = found.model_dump(mode="json", by_alias=True, exclude_none=True)
        raw["metadata"]["resourceVersion"] = str(int(raw["metadata"]["resourceVersion"]) + 1)
        self.world.jobs.apply(raw)
        self.looks(later_ms)

    def looks(self, later_ms: int) -> None:
        """Plan when nothing has changed but the time."""
        self.books.planner.plan(self.books.sources.component(self.team), T0_MS + later_ms)

    def publishes(self, later_ms: int) -> None:
        """Work out a wallet's next status."""
        plan = self.books.planner.plan(self.books.sources.component(self.team), T0_MS + later_ms)
        found = self.world.wallet(self.team)
        assert found is not None  # noqa: S101  # as above
        around = Around(self.books.sources.applied(found), "", self.world.settled(account_of(found)))
        publish(found, plan, around, Settings())

    def asks(self, later_ms: int) -> None:
        """Say how long a new job could run."""
        found = self.world.jobs.find(self.uid)
        assert found is not None  # noqa: S101  # as above
        new = found.model_copy(update={"metadata": found.metadata.model_copy(update={"uid": "new"})})
        run = Run(T0_MS + later_ms, None, PRICE, 1, MINUTE_MS)
        self.books.outlook(self.team, new, run, T0_MS + later_ms)


# What is measured


def measurements(wallets: int, jobs: int) -> Iterator[Measurement]:
    """Measure a university of a size."""
    university = University.of(wallets, jobs)
    clock = iter(range(1000, 10**9, 1000))
    acts: dict[str, Callable[[int], None]] = {
        "a job changes: plan anew": university.changes,
        "a second passes": university.looks,
        "the same, and a wallet is published": university.publishes,
        "the same, and a job asks to start": university.asks,
    }
    for what, act in acts.items():
        yield measure(f"{wallets:,} wallets, {jobs:,} jobs: {what}", None, partial(_soon, act, clock))


def _soon(act: Callable[[int], None], clock: Iterator[int]) -> Callable[[], None]:
    return partial(act, next(clock))


def main() -> None:
    """Print a table."""
    click.echo(HEADING)
    for size in SIZES:
        for measurement in measurements(*size):
            click.echo(str(measurement))


if __name__ == "__main__":
    main()
