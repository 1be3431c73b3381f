"""Random stories with every accident in them; `make simulate` tells more of them."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.simulation.accidents import DAYS, MINUTES
from tests.simulation.histories import told

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "300"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_the_bills_are_right(seed: int) -> None:
    told(seed, MINUTES)


def test_whatever_happens_in_hours_the_bills_are_right() -> None:
    assert told(0, replace(DAYS, minutes=360)).job_hours > 50
