"""Grants that begin and end while jobs run: over hours, at every moment of a young job's life, with nobody there."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from tests.simulation.bills import check_bills
from tests.simulation.loop import play
from tests.simulation.promises import HOUR, MINUTE, killed, prepared, restarted, used_of
from tests.simulation.stories import allocation, group, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.api.common import format_time, parse_time
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

PLENTY = 10**12
PRICE = 60_000
"""A unit per millisecond, so that amounts can be read as times."""


def meeting(seam_ms: int, after: int = PLENTY) -> list[dict[str, object]]:
    """Two grants, of which the second begins when the first ends."""
    seam = format_time(seam_ms)
    return [group(allocation(PLENTY, ends=seam), allocation(after, id="2", starts=seam))]


async def running() -> Simulation:
    """A job that has just begun, with credits for a long time."""
    simulation = await prepared()
    simulation.apply(product(price=PRICE), wallet(quota=PLENTY))
    await simulation.pass_seconds(1)
    simulation.apply(job())
    await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
    return simulation


@pytest.mark.parametrize("seconds", [0.5, 0.7, 1.5, 2.001, 4, 7.999, 8, 8.5, 12, 61, 600])
def test_a_seam_is_exact_however_young_the_job_is(seconds: float) -> None:
    async def story() -> None:
        simulation = await running()
        began_ms = simulation.job().status.runs[0].started_at
        seam_ms = simulation.clock.now_ms() + int(seconds * 1000)
        simulation.edit(WALLETS, "example-compute", {"allocationGroups": meeting(seam_ms)})
        await simulation.pass_seconds(seconds + 3)
        simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
        await simulation.until(lambda: simulation.job().is_final)
        await simulation.pass_seconds(2 * MINUTE)
        (run,) = simulation.job().status.runs
        assert run.ended_at is not None
        assert simulation.job().status.usage == run.ended_at - began_ms
        assert used_of(simulation) == {"1": max(0, seam_ms - began_ms), "2": run.ended_at - max(seam_ms, began_ms)}
        check_bills(simulation)

    play(story())


@pytest.mark.parametrize("seconds", [0.7, 2.001, 4, 7.999, 8.5, 12, 61])
def test_an_end_is_exact_however_young_the_job_is(seconds: float) -> None:
    async def story() -> None:
        simulation = await running()
        began_ms = simulation.job().status.runs[0].started_at
        end_ms = simulation.clock.now_ms() + int(seconds * 1000)
        ending = [group(allocation(PLENTY, ends=format_time(end_ms)))]
        simulation.edit(WALLETS, "example-compute", {"allocationGroups": ending})
        await simulation.until(lambda: simulation.job().is_final)
        await simulation.pass_seconds(2 * MINUTE)
        assert simulation.job().status.runs[0].ended_at == end_ms
        assert simulation.job().status.usage == end_ms - began_ms
        assert used_of(simulation) == {"1": end_ms - began_ms}
        check_bills(simulation)

    play(story())


@pytest.mark.parametrize("seconds", [0.7, 2.001, 4, 7.999, 8.5, 12, 61])
def test_a_cut_takes_nothing_back_however_young_the_job_is(seconds: float) -> None:
    async def story() -> None:
        simulation = await running()
        simulation.audit.overdrafts_allowed = True
        await simulation.pass_seconds(seconds)
        cut_ms = simulation.clock.now_ms()
        began_ms = simulation.job().status.runs[0].started_at
        simulation.edit(WALLETS, "example-compute", {"allocationGroups": [group(allocation(0))]})
        await simulation.until(lambda: simulation.job().is_final)
        assert simulation.job().status.reason == "OutOfCredits"
        await simulation.pass_seconds(2 * MINUTE)
        (run,) = simulation.job().status.runs
        assert run.ended_at is not None
        assert cut_ms <= run.ended_at <= cut_ms + 1000
        assert simulation.job().status.usage == run.ended_at - began_ms
        assert simulation.wallet().status.local_usage == simulation.job().status.usage
        check_bills(simulation)

    play(story())


def test_a_job_lives_through_half_a_dozen_grants_that_meet() -> None:
    async def story() -> None:
        simulation = await prepared()
        first_ms = simulation.clock.now_ms() + 10 * MINUTE * 1000
        edges = [first_ms + number * HOUR * 1000 + 7 for number in range(6)]
        grants = [allocation(PLENTY, id="0", ends=format_time(edges[0]))]
        grants += [
            allocation(PLENTY, id=str(number), starts=format_time(edges[number - 1]), ends=format_time(edges[number]))
            for number in range(1, 6)
        ]
        simulation.apply(wallet(quota=10 * PLENTY), namespace="root")
        simulation.apply(product(price=PRICE), wallet(groups=[group(*grants, parent="root/example-compute")]))
        await simulation.pass_seconds(1)
        simulation.apply(job(minutes=5 * 60))
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        await simulation.pass_seconds(5 * HOUR - MINUTE)
        await simulation.until(lambda: simulation.job().is_final)
        ended = simulation.job().status
        assert (ended.state, len(ended.runs), ended.usage) == (JobState.EXPIRED, 1, 5 * HOUR * 1000)
        await simulation.pass_seconds(2 * MINUTE)
        began_ms, ended_ms = ended.runs[0].started_at, ended.runs[0].ended_at
        assert ended_ms is not None
        instants = [began_ms, *(edge for edge in edges if edge < ended_ms), ended_ms]
        used = used_of(simulation)
        assert [used[str(number)] for number in range(len(instants) - 1)] == [
            after - before for before, after in itertools.pairwise(instants)
        ]
        assert simulation.wallet(namespace="root").status.total_usage == ended.usage
        check_bills(simulation)

    play(story())


@pytest.mark.parametrize("away_seconds", [3, 40, 400])
def test_a_grant_that_ends_while_nobody_is_there_stops_its_job_at_its_end(away_seconds: float) -> None:
    """Within the last seconds the kubelet was told; before that, what ran on is the provider's loss."""

    async def story() -> None:
        simulation = await running()
        end_ms = simulation.clock.now_ms() + 100_123
        ending = [group(allocation(PLENTY, ends=format_time(end_ms)))]
        simulation.edit(WALLETS, "example-compute", {"allocationGroups": ending})
        await simulation.pass_seconds(98)
        await killed(simulation)
        await asyncio.sleep(away_seconds)
        await restarted(simulation)
        await simulation.until(lambda: simulation.job().is_final)
        assert simulation.job().status.reason == "OutOfCredits"
        assert simulation.job().status.runs[0].ended_at == end_ms
        await simulation.pass_seconds(2 * MINUTE)
        check_bills(simulation)

    play(story())


def test_what_begins_tonight_unlocks_at_midnight() -> None:
    async def story() -> None:
        simulation = await prepared()
        midnight = "2025-11-25T00:00:00Z"
        simulation.apply(wallet(groups=[group(allocation(500_000, starts=midnight))], suspends=True), job())
        midnight_ms = parse_time(midnight)
        await simulation.pass_seconds((midnight_ms - simulation.clock.now_ms()) / 1000 - 1)
        assert simulation.job().status.state is JobState.SUSPENDED
        await simulation.until(lambda: simulation.job().status.runs)
        assert 0 <= simulation.job().status.runs[0].started_at - midnight_ms <= 5000
        await simulation.until(lambda: simulation.job().status.reason == "OutOfCredits", within_seconds=15 * MINUTE)
        assert simulation.job().status.usage == 500_000

    play(story())
