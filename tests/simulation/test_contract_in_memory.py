"""The contract's stories on the API in memory; tests/cluster/test_contract.py plays them on a real one."""

from __future__ import annotations

import pytest

from tests.simulation.contract.in_memory import played_in_memory
from tests.simulation.contract.stage import STORIES, Story


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_in_memory(story: Story) -> None:
    played_in_memory(story)
