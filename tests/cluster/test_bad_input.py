"""What a real API server makes of generated objects: the same as the in-memory one, and it says where the mistake is.

The in-memory server's own copy of the CRDs' rules is held to the real one here. It is weaker where nothing generated
goes: other people's kinds, numbers such as 1.0 for 1, policies but for those of `admission.py`, and CEL's budget.
"""

import asyncio
import itertools
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devcluster import ADMIN, OPERATOR, Cluster
from tests.cluster.people import Answer, Person
from tests.cluster.policies.conftest import UCLOUD
from tests.cluster.storytelling.process import operator
from tests.simulation.api import Api
from tests.simulation.fuzz.objects import KINDS, WRITTEN_BY_PEOPLE, Objects
from tests.simulation.objects import Json
from tests.simulation.refusals import Refusal
from tests.simulation.stories import PRICE, application, job, product, wallet
from ucloud_operator.gateway.render import CREATOR
from ucloud_operator.kube.clock import SystemClock
from ucloud_operator.kube.resources import NAMESPACES, Resource

OBJECTS = int(os.environ.get("BAD_INPUT_OBJECTS", "100"))
"""Of each kind, valid and invalid ones each; 600 altogether."""
EDITED = 20
"""Of each kind."""

ORDINARY_SECONDS = 12
SPOILED_SECONDS = 25
KEPT = 2
"""What the ordinary job needs of what was made."""

_numbers = itertools.count(1)


class Both:
    """A real API server and one in memory, asked the same."""

    def __init__(self, real: Person, namespace: str, *, stamps: bool) -> None:
        self.real, self.namespace, self.stamps = real, namespace, stamps
        self.in_memory = Api(SystemClock())
        self.in_memory.create(NAMESPACES, "", {"metadata": {"name": namespace}})
        self.made: list[str] = []

    def create(self, resource: Resource, thing: Json, *, dry: bool) -> Answer:
        """Create an object; expect that both say the same about it."""
        if not self.stamps:
            thing = honest(thing)
        answer = self.real.create(self.path(resource) + ("?dryRun=All" if dry else ""), thing)
        self._same(answer, thing, lambda: self.in_memory.create(resource, self._home(resource), thing))
        if answer and not dry:
            self.made.append(f"{self.path(resource)}/{thing['metadata']['name']}")
        return answer

    def patch(self, resource: Resource, name: str, body: Json) -> Answer:
        """Try a change without making it; expect that both say the same about it."""
        before = self.in_memory.get(resource, self._home(resource), name)
        answer = self.real.patch(f"{self.path(resource)}/{name}?dryRun=All", body)
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

    def path(self, resource: Resource) -> str:
        return f"{UCLOUD}/{f'namespaces/{self.namespace}/' if resource.namespaced else ''}{resource.plural}"


def honest(thing: Json) -> Json:
    """The same, but it names who creates it: an API server that can't put that right refuses anything else."""
    metadata = thing["metadata"]
    annotations = metadata.get("annotations")
    if not annotations or CREATOR not in annotations:
        return thing
    return {**thing, "metadata": {**metadata, "annotations": {**annotations, CREATOR: ADMIN.username}}}


@pytest.fixture
def both(cluster: Cluster, namespace: str) -> Iterator[Both]:
    both = Both(Person(cluster.kubeconfig), namespace, stamps=cluster.stamps)
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


def test_an_ordinary_job_runs_beside_it_all(both: Both, cluster: Cluster, tmp_path: Path) -> None:
    asyncio.run(_run_beside_it_all(both, cluster, tmp_path / "operator.log"))


async def _run_beside_it_all(both: Both, cluster: Cluster, log: Path) -> None:
    quiet = f"{both.namespace}-quiet"
    people = both.real
    assert people.create("/api/v1/namespaces", {"metadata": {"name": quiet}})
    home = f"{UCLOUD}/namespaces/{quiet}"
    assert people.create(f"{UCLOUD}/computeproducts", product(quiet, category=quiet))
    assert people.create(f"{UCLOUD}/applications", application(quiet))
    both.made += [f"{UCLOUD}/computeproducts/{quiet}", f"{UCLOUD}/applications/{quiet}-1-0-0"]
    assert people.create(f"{home}/wallets", wallet("purse", quota=10**9, category=quiet))
    async with operator(cluster, log, {"minimum_run_seconds": 1}) as process:
        asked = job("ordinary", application=quiet, product=quiet, category=quiet, minutes=None)
        asked["spec"]["timeAllocation"] = {"seconds": ORDINARY_SECONDS}
        assert people.create(f"{home}/ucloudjobs", asked)
        until = asyncio.get_running_loop().time() + SPOILED_SECONDS
        for seed in itertools.count():
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.to_thread(_spoil, both, seed)
        job_status = people.get(f"{home}/ucloudjobs/ordinary")
        assert (job_status["status/reason"], job_status["status/usage"]) == ("Expired", PRICE * ORDINARY_SECONDS // 60)
        assert process.runs
        assert process.said('"exception"', "Traceback") == ""
        for path in (f"{home}/ucloudjobs/ordinary", f"{home}/wallets/purse", f"/api/v1/namespaces/{quiet}"):
            people.delete(path)


def _spoil(both: Both, seed: int) -> None:
    """Create something, change it, and delete it or something older."""
    objects = Objects(random.Random(seed), [both.namespace], [f"{both.namespace}/a"])  # noqa: S311  # examples
    resource = objects.chance.choice(WRITTEN_BY_PEOPLE)
    name = f"{'job' if resource.kind == 'UCloudJob' else objects.chance.choice('abc')}-{seed}"
    thing = objects.valid(resource, name)
    path = both.path(resource)
    if both.real.create(path, thing):
        both.made.append(f"{path}/{name}")
        both.real.patch(f"{path}/{name}", objects.edited(resource, thing))
    if len(both.made) > KEPT and objects.chance.random() < 0.5:
        both.real.delete(objects.chance.choice(both.made[KEPT:]))
