"""Watches that tell of a write before its answer is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import kopf_feed
from tests.simulation.loop import play
from tests.simulation.network import Faults
from tests.simulation.simulation import Simulation
from tests.simulation.stories import wallet

if TYPE_CHECKING:
    import pytest

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
