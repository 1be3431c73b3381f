"""Generated objects. Whatever the API server takes can be read."""

from __future__ import annotations

import random

import pytest

from tests.simulation.api import Api
from tests.simulation.fuzz.objects import KINDS, Objects
from tests.simulation.refusals import Refusal
from tests.simulation.schemas import model_of
from ucloud_operator.kube.clock import SystemClock
from ucloud_operator.kube.resources import NAMESPACES, Resource

HOME = "here"


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
        with pytest.raises(Refusal, match="is invalid: "):
            api.create(resource, HOME if resource.namespaced else "", objects.invalid(resource, f"invalid-{seed}")[0])
    for thing in api.list(resource):
        model_of(resource).model_validate(thing)
