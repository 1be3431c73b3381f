"""A little chaos: three rounds of it, on a cluster of its own. `make chaos` plays as many as are asked for."""

import asyncio
import os
import time
from pathlib import Path

from devcluster import Cluster
from tests.chaos.play import Chaos, play

SEED = int(os.environ.get("CHAOS_SEED", time.time_ns() // 10**6 % 10**6))


def test_after_three_rounds_of_chaos_every_number_is_right(restless: Cluster, tmp_path: Path) -> None:
    asyncio.run(play(restless, tmp_path, Chaos(rounds=3, jobs=20, seed=SEED)))
