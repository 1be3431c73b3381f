"""Whoever may edit pods doesn't thereby own the meter."""

import json
from functools import partial

import pytest

from tests.cluster.people import Json, Person
from tests.cluster.policies.conftest import LEASE, UCLOUD, a_job, a_plain_pod, a_pod, stamped
from tests.cluster.support import eventually

REPLICASET_CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
GARBAGE_COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
PRIVILEGED = "system:masters"


@pytest.fixture
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


@pytest.fixture
def plain_pod(alice: Person, pods: str) -> str:
    """The path of a pod that is none of our business."""
    assert alice.create(pods, a_plain_pod("plain"))
    return f"{pods}/plain"


class TestCreate:
    @pytest.mark.parametrize("label", ["ucloud.dk/job-uid", "ucloud.dk/jobId"])
    def test_only_the_operator_creates_a_jobs_pods(
        self, alice: Person, admin: Person, pods: str, epoch: int, label: str
    ) -> None:
        body = a_pod(epoch=epoch, labels={label: "seed"})
        for person in (alice, admin, admin.named(REPLICASET_CONTROLLER, PRIVILEGED)):
            answer = person.create(pods, body)
            assert answer.status == 403
            assert "create a UCloudJob" in answer.message

    def test_the_operator_creates_them(self, admin: Person, pod: str) -> None:
        assert admin.get(pod)["metadata/annotations/ucloud.dk~price"] == "50000"

    def test_pods_without_our_labels_are_left_alone(self, alice: Person, plain_pod: str) -> None:
        assert alice.patch(plain_pod, {"metadata": {"labels": {"team": "chemistry"}}}).allowed
        assert alice.delete(plain_pod, gracePeriodSeconds=100).allowed


class TestEpoch:
    @pytest.mark.parametrize("behind", [1, -1], ids=["earlier", "later"])
    def test_a_pod_of_another_epoch_is_refused(self, operator: Person, pods: str, epoch: int, behind: int) -> None:
        answer = operator.create(pods, a_pod(epoch=epoch - behind))
        assert answer.status == 403
        assert f"made in epoch {epoch - behind}, the lease ucloud-operator is in epoch {epoch}" in answer.message

    def test_a_pod_without_an_epoch_is_refused(self, operator: Person, pods: str, epoch: int) -> None:
        answer = operator.create(pods, a_pod(epoch=epoch, annotations={}))
        assert "made in epoch none" in answer.message

    def test_when_the_lease_changes_hands_the_old_leader_is_refused(
        self, admin: Person, operator: Person, pods: str, epoch: int
    ) -> None:
        path = f"{pods}?dryRun=All"
        body = a_pod(epoch=epoch)
        assert operator.create(path, body)
        admin.patch(LEASE, {"spec": {"leaseTransitions": epoch + 1}})
        sentence = eventually(lambda: operator.create(path, body).message, within_seconds=2)
        assert "another operator leads now" in sentence

    def test_without_a_lease_jobs_pods_are_refused_and_all_others_admitted(
        self, admin: Person, operator: Person, pods: str, epoch: int
    ) -> None:
        path = f"{pods}?dryRun=All"
        body = a_pod(epoch=epoch)
        assert operator.create(path, body)
        admin.delete(LEASE)
        sentence = eventually(lambda: operator.create(path, body).message)
        assert "no params found" in sentence
        assert admin.create(path, a_plain_pod("plain"))


PRICE = {"metadata": {"annotations": {"ucloud.dk/price": "0"}}}
CHEATS: dict[str, tuple[Json, str]] = {
    "pays less": (PRICE, "only the operator changes annotations"),
    "pays nothing": ({"metadata": {"annotations": None}}, "only the operator changes annotations"),
    "claims a stop": ({"metadata": {"annotations": {"ucloud.dk/stop": "x"}}}, "only the operator changes annotations"),
    "leaves the watch": ({"metadata": {"labels": {"ucloud.dk/job-uid": None}}}, "only the operator changes labels"),
    "drops all labels": ({"metadata": {"labels": None}}, "only the operator changes labels"),
    "joins another job": ({"metadata": {"labels": {"ucloud.dk/job-uid": "b"}}}, "only the operator changes labels"),
    "vanishes": ({"metadata": {"finalizers": None}}, "the finalizer ucloud.dk/metered stays"),
}
SPEC_CHEATS: dict[str, tuple[Json, str]] = {
    "loses its owner": ({"metadata": {"ownerReferences": None}}, "metadata.ownerReferences"),
    "sets a deadline": ({"spec": {"activeDeadlineSeconds": 100000}}, "spec.activeDeadlineSeconds"),
}


class TestUpdate:
    @pytest.mark.parametrize("cheat", [*CHEATS, *SPEC_CHEATS])
    def test_nobody_changes_what_the_bill_is_made_of(self, alice: Person, admin: Person, pod: str, cheat: str) -> None:
        body, sentence = {**CHEATS, **SPEC_CHEATS}[cheat]
        for person in (alice, admin):
            answer = person.patch(pod, body)
            assert answer.status == 403
            assert sentence in answer.message

    @pytest.mark.parametrize("cheat", CHEATS)
    def test_nor_by_the_way_of_its_status(self, admin: Person, pod: str, cheat: str) -> None:
        body, sentence = CHEATS[cheat]
        answer = admin.patch(f"{pod}/status", body)
        assert answer.status == 403
        assert sentence in answer.message

    def test_nobody_takes_an_armed_deadline_for_their_own(self, operator: Person, admin: Person, pod: str) -> None:
        assert operator.patch(pod, {"spec": {"activeDeadlineSeconds": 100}}).allowed
        assert "spec.activeDeadlineSeconds" in admin.patch(pod, {"spec": {"activeDeadlineSeconds": 1}}).message

    def test_the_operator_arms_warns_and_lets_go(self, operator: Person, pod: str) -> None:
        arming = {
            "metadata": {"annotations": {"ucloud.dk/stop": "OutOfCredits@2026-01-01T00:00:00.000Z"}},
            "spec": {"activeDeadlineSeconds": 100},
        }
        assert operator.patch(pod, arming).allowed
        assert operator.patch(pod, {"metadata": {"annotations": {"ucloud.dk/exhausts-at": "soon"}}}).allowed
        assert operator.delete(pod, gracePeriodSeconds=1).allowed
        assert operator.patch(pod, {"metadata": {"finalizers": None}}).allowed

    @pytest.mark.parametrize(
        "metadata",
        [
            {"labels": {"team": "chemistry", "topology.kubernetes.io/zone": "a"}},
            {"annotations": {"note": None, "cni.example.org/address": "10.0.0.1"}},
            {"finalizers": ["ucloud.dk/metered", "example.org/mine"]},
        ],
        ids=["labels", "annotations", "finalizers"],
    )
    def test_everyone_may_change_what_is_not_ours(self, alice: Person, pod: str, metadata: Json) -> None:
        answer = alice.patch(pod, {"metadata": metadata})
        assert answer.allowed, answer.message

    def test_status_is_reported_as_ever(self, admin: Person, pod: str) -> None:
        eventually(lambda: admin.get(pod)["status/phase"] == "Running")
        assert admin.get(pod)["status/containerStatuses"]
        reported = admin.patch(f"{pod}/status", {"status": {"phase": "Failed", "reason": "Evicted"}})
        assert reported.allowed, reported.message

    @pytest.mark.parametrize("label", ["ucloud.dk/job-uid", "ucloud.dk/jobId", "ucloud.dk/rank"])
    def test_no_other_pod_is_labelled_into_a_job(self, alice: Person, plain_pod: str, label: str) -> None:
        labels = {"ucloud.dk/jobId": "seed", label: "0"}
        answer = alice.patch(plain_pod, {"metadata": {"labels": labels}})
        assert "only the operator changes labels" in answer.message

    @pytest.mark.parametrize("owner", [GARBAGE_COLLECTOR, "system:kube-controller-manager"])
    def test_the_garbage_collector_orphans_a_pod_and_does_nothing_else(
        self, admin: Person, pod: str, owner: str
    ) -> None:
        collector = admin.named(owner, PRIVILEGED)
        stolen = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}
        assert not collector.patch(pod, {"metadata": {"ownerReferences": [stolen]}}).allowed
        assert not collector.patch(pod, PRICE).allowed
        assert collector.patch(pod, {"metadata": {"ownerReferences": None}}).allowed

    def test_a_pod_is_not_padded_until_its_status_has_no_room(self, alice: Person, admin: Person, pod: str) -> None:
        padding = {f"pad-{number}": "x" * 60 for number in range(70)}
        tolerations = [{"key": key, "operator": "Exists"} for key in padding]
        paddings: list[Json] = [
            {"metadata": {"labels": padding}},
            {"metadata": {"annotations": {f"pad-{number}": "" for number in range(2000)}}},
            {"metadata": {"finalizers": ["ucloud.dk/metered", *(f"example.org/{key}" for key in padding)]}},
            {"spec": {"tolerations": tolerations}},
        ]
        for body in paddings:
            assert alice.patch(pod, body).status == 403, json.dumps(body)[:100]
        assert admin.patch(f"{pod}/status", {"status": {"phase": "Running"}})

    def test_a_pod_padded_to_the_limit_still_gets_its_status(self, alice: Person, admin: Person, pod: str) -> None:
        """Its labels, annotations and field managers are as many as there may be: a new one reports all the same."""
        mine = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"team": "chemistry"}}}
        for number in range(8):
            assert alice.patch(f"{pod}?fieldManager=m{number}&force=true", mine, kind="apply-patch+yaml")
        assert alice.patch(f"{pod}?fieldManager=one-more", mine, kind="apply-patch+yaml").status == 403
        for field in ("labels", "annotations"):
            present = alice.get(pod)[f"metadata/{field}"]
            assert isinstance(present, dict)
            padding = {f"pad-{number}": "" for number in range(64 - len(present))}
            assert alice.patch(pod, {"metadata": {field: padding}})
            assert alice.patch(pod, {"metadata": {field: {"pad": ""}}}).status == 403
        reported = admin.patch(f"{pod}/status?fieldManager=kubelet", {"status": {"phase": "Running"}})
        assert reported, reported.message


class TestDelete:
    def test_nobody_asks_for_a_longer_grace_than_the_jobs(
        self, alice: Person, admin: Person, operator: Person, pod: str
    ) -> None:
        for person in (alice, admin, operator):
            answer = person.delete(pod, gracePeriodSeconds=3)
            assert answer.status == 403
            assert "this pod's grace period is 2 s" in answer.message
            assert "3 s is longer" in answer.message

    @pytest.mark.parametrize("grace_seconds", [0, 1, 2, None])
    def test_the_jobs_own_or_less_is_fine(self, alice: Person, pod: str, grace_seconds: int | None) -> None:
        answer = alice.delete(pod) if grace_seconds is None else alice.delete(pod, gracePeriodSeconds=grace_seconds)
        assert answer.allowed, answer.message
        assert alice.get(pod)["metadata/deletionTimestamp"]

    def test_nor_for_a_collection(self, alice: Person, pod: str, pods: str) -> None:
        assert "2 s" in alice.delete(pods, gracePeriodSeconds=60).message
        assert alice.get(pod)["metadata/deletionTimestamp"] is None
        assert alice.delete(pods).allowed
        assert alice.get(pod)["metadata/deletionTimestamp"]

    def test_nor_through_an_eviction(self, alice: Person, admin: Person, pod: str) -> None:
        for person in (alice, admin):
            answer = person.create(f"{pod}/eviction", an_eviction(gracePeriodSeconds=2))
            assert answer.status == 403
            assert "evicted with its own grace period" in answer.message

    @pytest.mark.parametrize("options", [{}, {"gracePeriodSeconds": 1}], ids=["its own grace", "one second"])
    def test_an_eviction_that_asks_for_no_more_is_fine(self, alice: Person, pod: str, options: Json) -> None:
        answer = alice.create(f"{pod}/eviction", an_eviction(**options))
        assert answer.allowed, answer.message
        assert alice.get(pod)["metadata/deletionTimestamp"]

    def test_other_pods_are_evicted_as_ever(self, alice: Person, plain_pod: str) -> None:
        eviction = {**an_eviction(gracePeriodSeconds=60), "metadata": {"name": "plain"}}
        assert alice.create(f"{plain_pod}/eviction", eviction).allowed


def test_a_binding_brings_none_of_our_labels(admin: Person, namespace: str, pods: str) -> None:
    unscheduled = a_plain_pod("waiting")
    unscheduled["spec"] = {**a_dict(unscheduled["spec"]), "schedulerName": "nobody"}
    assert admin.create(pods, unscheduled)
    for metadata in ({"labels": {"ucloud.dk/job-uid": "x"}}, {"annotations": {"ucloud.dk/price": "0"}}):
        for path in (f"{pods}/waiting/binding", f"/api/v1/namespaces/{namespace}/bindings"):
            assert "a binding brings no labels" in admin.create(path, a_binding(metadata)).message
    assert admin.create(f"{pods}/waiting/binding", a_binding({"labels": {"example.org/mine": "x"}})).allowed


def test_a_namespace_goes_when_the_operator_lets_go(admin: Person, operator: Person, epoch: int) -> None:
    namespace = "leaving"
    home = f"/api/v1/namespaces/{namespace}"
    job = f"{UCLOUD}/namespaces/{namespace}/ucloudjobs/seed"
    pod = f"{home}/pods/j-seed-job-0"
    assert admin.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    assert stamped(operator, job, admin.create(job.removesuffix("/seed"), a_job("seed")))
    eventually(partial(operator.create, f"{home}/pods", a_pod(epoch=epoch)))
    assert admin.delete(home)
    for path in (pod, job):
        eventually(partial(is_going, admin, path))
        assert operator.patch(path, {"metadata": {"finalizers": None}})
        eventually(partial(is_gone, admin, path))


def test_a_job_deleted_in_the_foreground_takes_its_pods_along(admin: Person, namespace: str, pod: str) -> None:
    job = f"{UCLOUD}/namespaces/{namespace}/ucloudjobs/seed"
    assert admin.delete(job, propagationPolicy="Foreground").allowed
    eventually(partial(is_going, admin, pod))


def is_going(person: Person, path: str) -> bool:
    return person.get(path)["metadata/deletionTimestamp"] is not None


def is_gone(person: Person, path: str) -> bool:
    return person.get(path).status == 404


def an_eviction(**options: object) -> dict[str, object]:
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "j-seed-job-0"},
        **({"deleteOptions": options} if options else {}),
    }


def a_binding(metadata: Json) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "waiting", **metadata},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
    }


def a_dict(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
