"""Faults that a test chooses, each at a moment of its own: where chance (`network.Faults`) would rarely come.

In the manner of Sieve: a scenario (`scenarios.py`) is played once undisturbed, and every write, event and moment in it
is noted; then it is played again for each of them with one fault there. What comes of it has to be the same.

Where that is too much for every day, a part is tried; `SIMULATION_COMPLETE=1` tries all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

COMPLETE = bool(os.environ.get("SIMULATION_COMPLETE"))


def sampled(cases: Sequence[T], every: int) -> Sequence[T]:
    """Return all cases, or for every day one in so many."""
    return cases if COMPLETE else cases[::every]
