"""Watches that tell of a write before its answer is there."""

from __future__ import annotations

import pytest

from tests.simulation import kopf_feed
from tests.simulation.loop import play
from tests.simulation.network import Faults
from tests.simulation.promises import top_up
from tests.simulation.simulation import Simulation
from tests.simulation.stories import PRICE, application, job, product, wallet
from ucloud_operator.api import JobState

SLOW_ANSWERS = Faults(latency_ms=(30, 60), event_latency_ms=(1, 3))


def test_an_edit_that_is_heard_of_before_it_is_answered_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopf_feed, "BATCH_SECONDS", 0)

    async def story() -> None:
        simulation = Simulation(faults=SLOW_ANSWERS)
        simulation.start_operator()
        await simulation.pass_seconds(5)
        simulation.apply(wallet(quota=100_000))
        await simulation.pass_seconds(5)
        assert [group.quota for group in simulation.wallet().status.groups] == [100_000]

    play(story())


@pytest.mark.parametrize("seed", range(10))
def test_a_resumption_that_is_heard_of_before_it_is_answered_counts_all_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that go on together don't hear of each other: one whose write was told of was nowhere until its answer."""
    monkeypatch.setattr(kopf_feed, "BATCH_SECONDS", 0)
    names = [f"job-{number}" for number in range(8)]

    async def story() -> None:
        simulation = Simulation(seed, faults=SLOW_ANSWERS)
        simulation.start_operator()
        simulation.apply(product(), application(), wallet(quota=2 * len(names) * PRICE, suspends=True))
        for name in names:
            simulation.apply(job(name))
        await simulation.until(lambda: all(each.status.state is JobState.SUSPENDED for each in simulation.jobs()))
        top_up(simulation, 5 * PRICE // 2, "for two")
        await simulation.pass_seconds(30)
        assert sorted(len(simulation.job(name).status.runs) for name in names) == [1] * 6 + [2] * 2

    play(story())
