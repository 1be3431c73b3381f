"""Chaos: many jobs, round after round of faults, and at the end every number as the containers' stamps say."""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from devcluster import Cluster
from tests.chaos.families import EXITS, Family, families_of, open_family, persistently
from tests.chaos.faults import Faults
from tests.chaos.oracle import costs
from tests.chaos.witness import Witness, witnessing
from tests.cluster.storytelling.cast import Job, Stage, Story, new_name
from tests.cluster.storytelling.process import OperatorProcess, as_options
from tests.cluster.storytelling.promises import lines_of
from tests.cluster.storytelling.view import watching

SETTINGS = {"minimum_run_seconds": 1}
LAST_SECONDS = 240
"""Controllers and kubelets follow an API server again up to half a minute after it was away."""
MOST_UNSEEN = 0.1


@dataclass(frozen=True)
class Chaos:
    """How much of it there is to be."""

    rounds: int
    jobs: int
    seed: int
    pause_seconds: tuple[float, float] = (2.0, 8.0)


async def play(cluster: Cluster, folder: Path, chaos: Chaos) -> None:
    """Play all rounds with two replicas, and expect the end."""
    replicas = [
        OperatorProcess(cluster, folder / f"{name}.log", *as_options(SETTINGS), identity=name)
        for name in ("one", "two")
    ]
    async with watching(cluster) as (view, client), witnessing(client) as witness:
        try:
            for replica in replicas:
                await replica.start()
            story = Story(Stage(cluster, view, client, replicas[0]), new_name("chaos"))
            await story.begin()
            for seconds in EXITS:
                await story.application(f"exits-{seconds}", exit_after=f"{seconds}s")
            families = await rounds_of(story, Faults(cluster, replicas, chaos.seed), chaos)
            await until_all_is_over(families, witness)
            unseen = sum([await expect_the_numbers(family, witness) for family in families])
            say(f"every number is as the containers' stamps say; of {unseen} jobs nobody saw the end")
            assert unseen <= MOST_UNSEEN * chaos.jobs
            assert not witness.twice(), f"launched twice: {witness.twice()}"
            assert not [pod for pod in view.pods.values() if pod.metadata.finalizers], "pods are held"
            for replica in replicas:
                assert replica.runs, f"{replica.identity} ended by itself"
        finally:
            for replica in replicas:
                await replica.stop()


async def rounds_of(story: Story, faults: Faults, chaos: Chaos) -> list[Family]:
    """Play the rounds; new families come all the time."""
    chance = random.Random(chaos.seed + 1)  # noqa: S311  # bad luck, not secrets
    planned = families_of(chaos.jobs, chance)
    families: list[Family] = []
    began = time.monotonic()
    for number in range(chaos.rounds):
        due = -(-len(planned) * (number + 1) // chaos.rounds)
        new = range(len(families), due)
        families += [await open_family(story, f"f{index}", planned[index], chance) for index in new]
        await asyncio.sleep(chance.uniform(*chaos.pause_seconds))
        said = await faults.happen(families)
        say(f"round {number + 1}/{chaos.rounds} at {time.monotonic() - began:.0f} s: {said}; {progress(families)}")
    return families


def progress(families: Sequence[Family]) -> str:
    states = [
        part.job.now.status.state.value if part.job.now.status.state else "new"
        for family in families
        for part in family.parts
        if part.job.uid in part.job.stage.view.last_seen
    ]
    return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))


async def until_all_is_over(families: Sequence[Family], witness: Witness) -> None:
    """End what would run for ever, and wait for the rest."""
    for family in families:
        for part in family.parts:
            if part.endless and not family.is_poor and part.job.exists and not part.job.now.is_final:
                await persistently(partial(part.job.patch, terminate=True))
    for family in families:
        for part in family.parts:
            await until_over(part.job)
    view = families[0].spaces[0].stage.view
    await view.until(lambda: not witness.running(), lambda: f"still running: {witness.running()}", LAST_SECONDS)


async def until_over(job: Job) -> None:
    """Wait until a job has ended, or has even gone: somebody whose watch was broken may not have seen its end."""
    view = job.stage.view
    await view.until(
        lambda: job.uid in view.last_seen and (job.now.is_final or not job.exists),
        lambda: f"{job}: {view.last_seen.get(job.uid)!r}",
        LAST_SECONDS,
    )


async def expect_the_numbers(family: Family, witness: Witness) -> int:
    """Every job has cost what the containers' stamps say, once; the wallets say the sum; no credit too many.

    Return how many jobs' ends nobody saw: their word is taken.
    """
    expected = dict(costs(family.budget, family.runs(witness)))
    settled = {uid: line.usage for space in family.spaces for uid, line in (await lines_of(space.account)).items()}
    unseen = 0
    for part in family.parts:
        uid, status = part.job.uid, part.job.now.status
        usage = settled.get(uid, status.usage if part.job.now.is_final else 0)
        if not family.is_poor and not witness.saw(uid):
            expected[uid], unseen = usage, unseen + 1
        story = f"{part.job.namespace}/{part.job.name}: {usage}, not {expected.get(uid, 0)}; {part}, {status!r}"
        assert usage == expected.get(uid, 0), f"{story}, {witness.of_job(uid)}"
    total = sum(expected.values())
    assert total <= family.budget
    await family.spaces[0].account.uses(total, LAST_SECONDS)
    for space in family.spaces:
        own = {part.job.uid for part in family.parts if part.job.namespace == space.namespace}
        charged = sum(expected.get(uid, 0) for uid in own)
        assert space.account.now.status.local_usage == charged, f"{space.account.now!r} instead of {charged}"
    return unseen


def say(line: str) -> None:
    print(f"{time.strftime('%X')} {line}", file=sys.stderr, flush=True)
