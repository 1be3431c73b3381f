"""Every job and wallet is stamped, and the stamps stay.

By the API server, or by the operator where the API server can't: that they stay is the same then.
"""

import pytest

from tests.cluster.people import Json, Person
from tests.cluster.policies.conftest import UCLOUD, a_job, a_wallet, stamped

SETTLED = "ucloud.dk/settled"
LEDGER = "ucloud.dk/ledger"
CREATOR = "metadata/annotations/ucloud.dk~created-by"


@pytest.fixture
def jobs(namespace: str) -> str:
    return f"{UCLOUD}/namespaces/{namespace}/ucloudjobs"


@pytest.fixture
def job(alice: Person, operator: Person, jobs: str) -> str:
    """The path of a job of Alice's."""
    made = alice.create(jobs, a_job("seed", annotations={"ucloud.dk/created-by": "alice"}))
    assert stamped(operator, f"{jobs}/seed", made)
    return f"{jobs}/seed"


@pytest.mark.usefixtures("_stamps")
def test_a_new_job_gets_finalizer_and_creator(alice: Person, jobs: str) -> None:
    answer = alice.create(jobs, a_job("seed"))
    assert answer["metadata/finalizers"] == [SETTLED]
    assert answer[CREATOR] == "alice"


@pytest.mark.usefixtures("_stamps")
def test_what_the_user_wrote_of_their_own_stays_and_a_made_up_creator_does_not(alice: Person, jobs: str) -> None:
    annotations = {"ucloud.dk/created-by": "bob", "note": "mine"}
    answer = alice.create(jobs, a_job("seed", annotations=annotations, finalizers=["example.org/mine"]))
    assert answer["metadata/finalizers"] == ["example.org/mine", SETTLED]
    assert answer["metadata/annotations/note"] == "mine"
    assert answer[CREATOR] == "alice"


@pytest.mark.usefixtures("_stamps")
@pytest.mark.parametrize("metadata", [{"finalizers": [], "annotations": {}}, {"finalizers": [SETTLED]}])
def test_a_job_is_stamped_once_whatever_it_brings(alice: Person, jobs: str, metadata: dict[str, object]) -> None:
    answer = alice.create(jobs, a_job("seed", **metadata))
    assert answer["metadata/finalizers"] == [SETTLED]
    assert answer[CREATOR] == "alice"


def test_a_mistyped_field_is_told_by_the_schemas_own_sentence(alice: Person, jobs: str) -> None:
    job = a_job("seed")
    answer = alice.create(jobs, {**job, "spec": {"replicas": "two"}})
    assert answer.status == 422
    assert "spec.replicas" in answer.message


@pytest.mark.usefixtures("_stamps")
def test_a_generated_name_is_stamped_too(alice: Person, jobs: str) -> None:
    body: Json = {**a_job(""), "metadata": {"generateName": "seed-"}}
    assert alice.create(jobs, body)["metadata/finalizers"] == [SETTLED]


@pytest.mark.usefixtures("_stamps")
def test_a_new_wallet_gets_its_finalizer(alice: Person, namespace: str) -> None:
    wallet = alice.create(f"{UCLOUD}/namespaces/{namespace}/wallets", a_wallet())
    assert wallet["metadata/finalizers"] == [LEDGER]


@pytest.mark.parametrize("finalizers", [None, [], ["example.org/mine"]], ids=["gone", "empty", "replaced"])
def test_nobody_drops_a_jobs_finalizer(alice: Person, admin: Person, job: str, finalizers: list[str] | None) -> None:
    for person in (alice, admin):
        answer = person.patch(job, {"metadata": {"finalizers": finalizers}})
        assert answer.status == 403
        assert f"the finalizer {SETTLED} stays until the operator has settled" in answer.message


def test_nobody_drops_a_wallets_finalizer(alice: Person, admin: Person, operator: Person, namespace: str) -> None:
    wallets = f"{UCLOUD}/namespaces/{namespace}/wallets"
    assert stamped(operator, f"{wallets}/lab", alice.create(wallets, a_wallet()))
    for person in (alice, admin):
        answer = person.patch(f"{wallets}/lab", {"metadata": {"finalizers": None}})
        assert f"the finalizer {LEDGER} stays" in answer.message


def test_a_manifest_applied_again_with_finalizers_of_its_own_is_told_how_to_write_them(alice: Person, job: str) -> None:
    kept = alice.patch(job, {"metadata": {"finalizers": [SETTLED, "example.org/mine"]}})
    assert kept.allowed
    refused = alice.patch(job, {"metadata": {"finalizers": ["example.org/mine"]}})
    assert f"list {SETTLED} there" in refused.message


def test_a_manifest_applied_on_the_server_drops_nothing(alice: Person, job: str) -> None:
    manifest = a_job("seed", finalizers=["example.org/mine"])
    for _ in range(2):
        answer = alice.patch(f"{job}?fieldManager=ci&force=true", manifest, kind="apply-patch+yaml")
        assert answer.allowed, answer.message
        assert SETTLED in str(answer["metadata/finalizers"])
        assert answer[CREATOR] == "alice"


@pytest.mark.parametrize("creator", ["bob", "", None])
def test_nobody_changes_the_creator(alice: Person, admin: Person, job: str, creator: str | None) -> None:
    for person in (alice, admin):
        answer = person.patch(job, {"metadata": {"annotations": {"ucloud.dk/created-by": creator}}})
        assert answer.status == 403
        assert "says who created this object and can't be changed" in answer.message


@pytest.mark.parametrize("field", ["parameters", "resources"])
def test_nobody_changes_what_a_job_was_asked_to_do(alice: Person, jobs: str, field: str) -> None:
    def asked(key: str) -> object:
        return {key: 1} if field == "parameters" else [{key: 1}]

    spec = a_job("seed")["spec"]
    assert isinstance(spec, dict)
    assert alice.create(jobs, {**a_job("seed"), "spec": {**spec, field: asked("a")}})
    assert alice.patch(f"{jobs}/seed", {"spec": {field: asked("a")}, "metadata": {"labels": {"team": "physics"}}})
    renamed = {"b": 1, "a": None} if field == "parameters" else asked("b")
    for changed in (renamed, None):
        answer = alice.patch(f"{jobs}/seed", {"spec": {field: changed}})
        assert not answer
        assert "create another job instead" in answer.message


def test_a_stamped_job_can_be_edited_and_deleted(alice: Person, job: str) -> None:
    assert alice.patch(job, {"metadata": {"labels": {"team": "physics"}}, "spec": {"terminate": True}}).allowed
    assert alice.delete(job).allowed
    assert alice.get(job)["metadata/deletionTimestamp"]


def test_the_operator_takes_the_finalizer_off_and_the_job_is_gone(alice: Person, operator: Person, job: str) -> None:
    alice.delete(job)
    assert not alice.patch(job, {"metadata": {"finalizers": None}}).allowed
    assert operator.patch(job, {"metadata": {"finalizers": None}}).allowed
    assert alice.get(job).status == 404
