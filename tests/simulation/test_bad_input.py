"""Generated objects: what is taken can be read, and does no harm to others. `BAD_INPUT_SEEDS=100` tells more."""

from __future__ import annotations

import logging
import os
import random
import re

import pytest

from tests.simulation.api import Api
from tests.simulation.fuzz.objects import KINDS, Objects
from tests.simulation.fuzz.story import BadInput
from tests.simulation.loop import play
from tests.simulation.refusals import Refusal
from tests.simulation.schemas import model_of
from ucloud_operator.kube.clock import SystemClock
from ucloud_operator.kube.resources import NAMESPACES, Resource

SEEDS = int(os.environ.get("BAD_INPUT_SEEDS", "4"))
FIRST = int(os.environ.get("BAD_INPUT_FIRST_SEED", "0"))
HOME = "here"
EXPECTED = "its pod is refused"
"""What the operator says in its log, as an error without a traceback, about a pod that can't be."""


@pytest.fixture
def api() -> Api:
    api = Api(SystemClock())
    api.create(NAMESPACES, "", {"metadata": {"name": HOME}})
    return api


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_what_is_taken_can_be_read(api: Api, resource: Resource) -> None:
    for seed in range(100):
        objects = Objects(random.Random(seed), [HOME])  # noqa: S311  # examples
        api.create(resource, HOME if resource.namespaced else "", objects.valid(resource, f"valid-{seed}"))
        thing, place = objects.invalid(resource, f"invalid-{seed}")
        with pytest.raises(Refusal, match=re.escape(place)):
            api.create(resource, HOME if resource.namespaced else "", thing)
    for thing in api.list(resource):
        model_of(resource).model_validate(thing)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_whoever_writes_anything_harms_nobody_else(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def story() -> None:
        bad = BadInput(seed)
        try:
            await bad.play()
        except BaseException:
            print("\n".join(bad.log))
            print(bad.simulation.summary())
            raise

    play(story())
    assert [said.getMessage() for said in caplog.records if said.exc_info or EXPECTED not in said.getMessage()] == []
