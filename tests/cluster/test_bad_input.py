"""What a real API server makes of generated objects: the same as the in-memory one, and it says where the mistake is.

The in-memory server's own copy of the CRDs' rules is held to the real one here. It is weaker where nothing generated
goes: other people's kinds, numbers such as 1.0 for 1, policies but for those of `admission.py`, and CEL's budget.
"""

import itertools
import os
import random
from collections.abc import Callable, Iterator

import pytest

from devcluster import OPERATOR, Cluster
from tests.cluster.people import Answer, Person
from tests.cluster.policies.conftest import UCLOUD
from tests.simulation.api import Api
from tests.simulation.fuzz.objects import KINDS, WRITTEN_BY_PEOPLE, Objects
from tests.simulation.objects import Json
from tests.simulation.refusals import Refusal
from ucloud_operator.kube.clock import SystemClock
from ucloud_operator.kube.resources import NAMESPACES, Resource

OBJECTS = int(os.environ.get("BAD_INPUT_OBJECTS", "100"))
"""Of each kind, valid and invalid ones each; 600 altogether."""
EDITED = 20
"""Of each kind."""

_numbers = itertools.count(1)


class Both:
    """A real API server and one in memory, asked the same."""

    def __init__(self, real: Person, namespace: str) -> None:
        self.real, self.namespace = real, namespace
        self.in_memory = Api(SystemClock())
        self.in_memory.create(NAMESPACES, "", {"metadata": {"name": namespace}})
        self.made: list[str] = []

    def create(self, resource: Resource, thing: Json, *, dry: bool) -> Answer:
        """Create an object; expect that both say the same about it."""
        answer = self.real.create(self._path(resource) + ("?dryRun=All" if dry else ""), thing)
        self._same(answer, thing, lambda: self.in_memory.create(resource, self._home(resource), thing))
        if answer and not dry:
            self.made.append(f"{self._path(resource)}/{thing['metadata']['name']}")
        return answer

    def patch(self, resource: Resource, name: str, body: Json) -> Answer:
        """Try a change without making it; expect that both say the same about it."""
        before = self.in_memory.get(resource, self._home(resource), name)
        answer = self.real.patch(f"{self._path(resource)}/{name}?dryRun=All", body)
        self._same(answer, body, lambda: self.in_memory.patch(resource, self._home(resource), name, body))
        self.in_memory.storage.put(resource, before)
        return answer

    @staticmethod
    def _same(answer: Answer, asked: Json, in_memory: Callable[[], object]) -> None:
        try:
            in_memory()
        except Refusal as refusal:
            said, code, reason = str(refusal), refusal.code, refusal.status["reason"]
        else:
            said, code, reason = "yes", 0, None
        verdict = (0 if answer else answer.status, answer.body.get("reason"))
        assert verdict == (code, reason), f"{asked}\nreal: {answer.status} {answer.message}\nin memory: {said}"

    def _home(self, resource: Resource) -> str:
        return self.namespace if resource.namespaced else ""

    def _path(self, resource: Resource) -> str:
        return f"{UCLOUD}/{f'namespaces/{self.namespace}/' if resource.namespaced else ''}{resource.plural}"


@pytest.fixture
def both(cluster: Cluster, namespace: str) -> Iterator[Both]:
    both = Both(Person(cluster.kubeconfig), namespace)
    yield both
    operator = Person(cluster.kubeconfig_of(OPERATOR))
    for path in both.made:
        operator.patch(path, {"metadata": {"finalizers": None}})
        both.real.delete(path)


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_what_is_valid_is_taken_and_what_is_not_is_refused_with_the_place(both: Both, resource: Resource) -> None:
    for seed in range(OBJECTS // 2):
        objects = Objects(random.Random(seed), [both.namespace, "elsewhere"])  # noqa: S311  # examples
        taken = both.create(resource, objects.valid(resource, f"valid-{seed}"), dry=True)
        assert taken, taken.message
        thing, place = objects.invalid(resource, f"invalid-{seed}")
        refused = both.create(resource, thing, dry=True)
        assert refused.status == 422
        assert place in refused.message, (place, refused.message)


@pytest.mark.parametrize("resource", WRITTEN_BY_PEOPLE, ids=str)
def test_the_same_edits_are_refused(both: Both, resource: Resource) -> None:
    answers = []
    for seed in range(EDITED):
        objects = Objects(random.Random(seed), [both.namespace, "elsewhere"])  # noqa: S311  # as above
        thing = objects.valid(resource, f"edited-{next(_numbers)}-{seed}")
        assert both.create(resource, thing, dry=False)
        answers += [both.patch(resource, thing["metadata"]["name"], objects.edited(resource, thing)) for _ in range(4)]
    assert {bool(answer) for answer in answers} == {True, False}
