"""Who runs what in a round of chaos: workspaces that spend one sum together, and their jobs.

There are two sorts. In a **poor** family all jobs run until the family's credits end. In a **rich** one they end by
themselves, by their time allocation, or because somebody deletes a pod of theirs.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from tests.chaos.oracle import Run
from tests.chaos.witness import Witness
from tests.cluster.storytelling.cast import PLENTY, Job, Story, Workspace
from ucloud_operator.kube.errors import AlreadyExists, ApiError

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60
STAMP_MS: Final = 1000
POOR: Final = 0.6
EXITS: Final = (3, 8, 15, 30)
"""After how many seconds applications exit that do."""


@dataclass(frozen=True)
class Part:
    """A job and what it was made to do."""

    job: Job
    replicas: int
    limit_ms: int | None = None
    """Its time allocation."""
    endless: bool = False
    """Nothing but its family's credits, somebody's deletion or its user ends it."""


@dataclass
class Family:
    """Workspaces that spend what the first one's wallet has."""

    budget: int
    spaces: list[Workspace] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    @property
    def is_poor(self) -> bool:
        return self.budget < PLENTY

    def runs(self, witness: Witness) -> Sequence[Run]:
        """When its jobs ran, as the witness says."""
        found = (witness.run(each.job.uid, each.replicas, by_credits=self.is_poor) for each in self.parts)
        return [_limited(run, part) for run, part in zip(found, self.parts, strict=True) if run is not None]


def _limited(run: Run, part: Part) -> Run:
    """A time allocation ends at its instant, if the container may have lived that long: stamps are cut off."""
    if part.limit_ms is None or run.ended_ms is None or run.ended_ms + STAMP_MS < run.started_ms + part.limit_ms:
        return run
    return Run(run.job, run.replicas, run.started_ms, run.started_ms + part.limit_ms)


@dataclass(frozen=True)
class Planned:
    """A family that is to be."""

    poor: bool
    jobs: Sequence[Mapping[str, Any]]
    """What their specs say, the application by its name."""


def families_of(jobs: int, chance: random.Random) -> Sequence[Planned]:
    """Families with so many jobs in all."""
    planned: list[Planned] = []
    left = jobs
    while left:
        size, poor = min(left, chance.randint(1, 4)), chance.random() < POOR
        planned.append(Planned(poor, [_endless(chance) if poor else _any(chance) for _ in range(size)]))
        left -= size
    return planned


def _endless(chance: random.Random) -> Mapping[str, Any]:
    return {"application": "steady", "replicas": chance.choice((1, 1, 1, 2))}


def _any(chance: random.Random) -> Mapping[str, Any]:
    kept = {} if chance.random() < 0.5 else {"ttlSecondsAfterFinished": 5}
    match chance.choice(("endless", "exits", "expires")):
        case "exits":
            return {**_endless(chance), **kept, "application": f"exits-{chance.choice(EXITS)}"}
        case "expires":
            return {**_endless(chance), **kept, "timeAllocation": {"seconds": chance.randint(2, 40)}}
        case _:
            return {**_endless(chance), **kept}


async def persistently(do: Callable[[], Awaitable[T]]) -> T | None:
    """Do something although the API server goes away now and then; None if it had been done."""
    for _ in range(PATIENCE_SECONDS):
        try:
            return await do()
        except AlreadyExists:
            return None
        except ApiError:
            await asyncio.sleep(1)
    return await do()


async def open_family(story: Story, name: str, planned: Planned, chance: random.Random) -> Family:
    """Create a family's workspaces, wallets and jobs."""
    rate = sum(each["replicas"] for each in planned.jobs)
    family = Family(chance.randint(4000, 40_000) * rate if planned.poor else PLENTY)
    names = [name, f"{name}-a", f"{name}-b"] if chance.random() < 0.5 else [name]
    for each in names:
        family.spaces.append(await _open_workspace(story, each, family))  # the first is the others' parent
    for number, what in enumerate(planned.jobs):
        space = family.spaces[number % len(names)]
        family.parts.append(await _begin(space, f"job-{number}", what))
    return family


async def _open_workspace(story: Story, name: str, family: Family) -> Workspace:
    space = Workspace(story, f"{story.name}-{name}")
    await persistently(lambda: story.empty_workspace(name))
    if family.spaces:
        await persistently(lambda: space.apply_account(PLENTY, under=family.spaces[0]))
    else:
        await persistently(lambda: space.apply_account(family.budget))
    return space


async def _begin(space: Workspace, name: str, what: Mapping[str, Any]) -> Part:
    spec = {key: value for key, value in what.items() if key != "application"}
    application = space.story.application_reference(what["application"])
    job = await persistently(lambda: space.job(name, application=application, **spec))
    if job is None:
        job = await _found(space, name)
    seconds = what.get("timeAllocation", {}).get("seconds")
    endless = what["application"] == "steady" and seconds is None
    return Part(job, what["replicas"], None if seconds is None else 1000 * seconds, endless)


async def _found(space: Workspace, name: str) -> Job:
    """A job whose creation was carried out without an answer."""
    view = space.stage.view
    job = await view.until(lambda: view.jobs.get(space.namespace, name), lambda: f"no job {name}", PATIENCE_SECONDS)
    assert job is not None
    return Job(space.stage, space.namespace, name, job.metadata.uid)
