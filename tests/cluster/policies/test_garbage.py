"""What hangs on a job goes with it, or stays where that is asked for: the policies let the garbage collector do both.

The garbage collector looks for new kinds twice a minute: on a fresh cluster, jobs become its business that late.
"""

from functools import partial

import pytest

from tests.cluster.people import Person
from tests.cluster.policies.conftest import UCLOUD
from tests.cluster.support import eventually

KIND_LEARNED_SECONDS = 60


@pytest.fixture
def job(pod: str, namespace: str) -> str:
    """The path of the job that has a pod."""
    assert pod
    return f"{UCLOUD}/namespaces/{namespace}/ucloudjobs/seed"


@pytest.fixture
def service(operator: Person, namespace: str, job: str) -> str:
    """The path of the job's service, as the operator makes it where there are several replicas."""
    owner = {"apiVersion": "ucloud.dk/v1alpha1", "kind": "UCloudJob", "name": "seed"}
    services = f"/api/v1/namespaces/{namespace}/services"
    body = {
        "metadata": {
            "name": "j-seed",
            "ownerReferences": [{**owner, "uid": operator.get(job)["metadata/uid"], "controller": True}],
        },
        "spec": {"clusterIP": "None", "selector": {"ucloud.dk/jobId": "seed"}},
    }
    answer = operator.create(services, body)
    assert answer, answer.message
    return f"{services}/j-seed"


def test_what_belongs_to_a_job_goes_when_the_job_has_gone(
    admin: Person, operator: Person, job: str, pod: str, service: str
) -> None:
    assert admin.delete(job)
    assert admin.get(pod)["metadata/deletionTimestamp"] is None
    let_go(operator, job)

    eventually(lambda: admin.get(pod)["metadata/deletionTimestamp"], within_seconds=KIND_LEARNED_SECONDS)
    eventually(partial(is_gone, admin, service))
    let_go(operator, pod)
    eventually(partial(is_gone, admin, pod))


def test_a_job_can_be_deleted_without_what_belongs_to_it(
    admin: Person, operator: Person, job: str, pod: str, service: str
) -> None:
    assert admin.delete(job, propagationPolicy="Orphan")

    eventually(
        lambda: admin.get(job)["metadata/finalizers"] == ["ucloud.dk/settled"], within_seconds=KIND_LEARNED_SECONDS
    )
    let_go(operator, job)
    assert is_gone(admin, job)
    for orphan in (pod, service):
        found = admin.get(orphan)
        assert (found["metadata/ownerReferences"], found["metadata/deletionTimestamp"]) == (None, None)
    assert admin.delete(service)


def let_go(operator: Person, path: str) -> None:
    """Take the finalizers away, as the operator does when it has written down what it needs."""
    answer = operator.patch(path, {"metadata": {"finalizers": None}})
    assert answer, answer.message


def is_gone(person: Person, path: str) -> bool:
    return person.get(path).status == 404
