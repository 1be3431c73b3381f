"""`make chaos ROUNDS=50 JOBS=100 SEED=7`: on a cluster of its own."""

import argparse
import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from devcluster import Cluster
from tests.chaos.play import Chaos, play, say


def main() -> None:
    """Play chaos with the arguments that were given."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=time.time_ns() // 10**6 % 10**6)
    parser.add_argument("--logs", type=Path, help="where the operators' logs are kept")
    asked = parser.parse_args()
    chaos = Chaos(asked.rounds, asked.jobs, asked.seed)
    say(f"{chaos.rounds} rounds, {chaos.jobs} jobs, seed {chaos.seed}")
    began = time.monotonic()
    with TemporaryDirectory() as folder, Cluster(Path(folder) / "cluster").running_meanwhile() as cluster:
        logs = asked.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        asyncio.run(play(cluster, logs, chaos))
    say(f"nothing is left running, after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
