"""Random stories with every accident in them. `SIMULATION_SEEDS=1000` tells more of them."""

from __future__ import annotations

import os

import pytest

from tests.simulation.accidents import Accidents
from tests.simulation.loop import play

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "8"))
FIRST = int(os.environ.get("SIMULATION_FIRST_SEED", "0"))


@pytest.mark.parametrize("two_operators", [False, True], ids=["one operator", "several operators"])
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_whatever_happens_the_bills_are_right(seed: int, two_operators: bool) -> None:  # noqa: FBT001  # a parameter
    async def story() -> None:
        accidents = Accidents(seed, two_operators=two_operators)
        try:
            await accidents.play()
        except BaseException:
            print("\n".join(accidents.log))
            print(accidents.simulation.summary())
            raise

    play(story())
