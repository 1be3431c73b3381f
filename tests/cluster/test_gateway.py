"""The gateway: a real process in front of a real API server, with an operator that does the rest."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import ADMIN, ALICE, BOB, EXAMPLE, User
from devcluster.conversation import answer_to, as_printed, exchanges
from devcluster.story import Story
from devcluster.users import token
from tests.cluster.people import Person
from tests.cluster.storytelling.gateway import gateway, nobody
from tests.cluster.storytelling.lab import (
    LAB,
    Setting,
    assert_no_token_in,
    bound,
    job,
    namespace,
    product_reference,
    running_lab,
    small_workspace,
    specification,
    wallet,
)
from tests.cluster.support import eventually

PACE = 10


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with running_lab(tmp_path_factory.mktemp("gateway"), *Story(PACE).stage()) as setting:
        yield setting


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on the PATH")
def test_the_commands_of_the_documentation_get_the_answers_of_the_documentation(
    setting: Setting, tmp_path: Path
) -> None:
    (browse, wallets), (create, created), (retrieve, ended) = exchanges()
    if not setting.cluster.stamps:
        ended["owner"] = {"createdBy": "unknown", "project": "user"}
    kubeconfig = nobody(setting.cluster.kubeconfig, tmp_path / "kubeconfig")

    with gateway(kubeconfig, tmp_path / "gateway.log", "--minimum-run-seconds=5") as port:
        access = {"host": f"http://127.0.0.1:{port}", "accessToken": token(setting.cluster.state, EXAMPLE)}

        def run(command: str) -> dict[str, object]:
            answer: dict[str, object] = answer_to(command, access)
            return answer

        assert as_printed(run(browse)) == as_printed(wallets)

        answer = run(create)
        assert as_printed(answer) == as_printed(created)
        ((job_id,),) = (each.values() for each in answer["responses"])  # type: ignore[attr-defined]
        retrieve = retrieve.replace("id=62348", f"id={job_id}")
        assert retrieve.endswith(f'id={job_id}"')

        def is_over() -> dict[str, object]:
            job = run(retrieve)
            return job if job["status"]["state"] == "SUCCESS" else {}  # type: ignore[index]

        job = eventually(is_over, within_seconds=60, every_seconds=0.5)
        assert as_printed(job) == as_printed(ended)
        assert job["id"] == job_id

        locked = run(create)
        assert (locked["statusCode"], locked["errorCode"]) == (402, "NOT_ENOUGH_COMPUTE_CREDITS"), locked

    updates: list[dict[str, int]] = job["updates"]  # type: ignore[assignment]
    queued_ms, running_ms, ended_ms = (each["timestamp"] for each in updates)
    assert queued_ms <= running_ms
    assert abs(ended_ms - running_ms - 1000 * Story(PACE).run_seconds) <= 1000
    assert abs(time.time() * 1000 - ended_ms) < 60_000
    assert_no_token_in(tmp_path / "gateway.log", setting.cluster)


# Money


def test_a_workspace_of_ones_own_needs_no_name(setting: Setting) -> None:
    path = "/api/accounting/v2/browseWallets"
    own = setting.caller(EXAMPLE).get(path)
    assert [each["owner"] for each in own.items] == [{"type": "user", "username": "user"}]
    assert setting.caller(EXAMPLE, "user").get(path).items == own.items


def test_who_has_no_credits_is_told_at_once(setting: Setting) -> None:
    for category, why in (
        ("dry", "Needs 50000 per minute; this wallet can still use 0 (to start, it takes credits for 5 s)"),
        ("unpaid", "You do not have any valid allocations for 'unpaid'"),
    ):
        reply = setting.alice.post("/api/jobs", specification(product=product_reference(category)))
        assert (reply.status, reply.why) == (402, why)
        assert reply.body["errorCode"] == "NOT_ENOUGH_COMPUTE_CREDITS"


def test_who_may_see_all_wallets_may_see_what_was_granted_on(setting: Setting) -> None:
    path = "/api/accounting/v2/browseWallets?includeChildren=true"
    assert setting.alice.get(path).status == 403
    admin = setting.caller(ADMIN, "root")

    (wallet,) = admin.get(path).items
    children: list[dict[str, dict[str, object]]] = wallet["children"]  # type: ignore[assignment]
    assert [(each["child"]["pi"], each["group"]["usage"]) for each in children] == [
        ("sibling", 500_000_000),
        ("user", wallet_usage(setting)),
    ]
    (wallet,) = admin.get(f"{path}&childrenQuery=SIB").items
    assert [each["child"]["projectTitle"] for each in wallet["children"]] == ["sibling"]  # type: ignore[attr-defined]
    (wallet,) = admin.get(path.replace("true", "false")).items
    assert wallet["children"] is None


def wallet_usage(setting: Setting) -> object:
    (wallet,) = setting.caller(EXAMPLE).get("/api/accounting/v2/browseWallets").items
    return wallet["totalUsage"]


def test_wallets_come_in_pages(setting: Setting) -> None:
    path = "/api/accounting/v2/browseWallets?itemsPerPage=1"
    first = setting.alice.get(path)
    second = setting.alice.get(f"{path}&next={first.body['next']}")
    names = [each["paysFor"]["name"] for reply in (first, second) for each in reply.items]  # type: ignore[index]
    assert names == ["dry", "plenty"]
    assert (first.body["itemsPerPage"], second.body["next"]) == (1, None)
    assert setting.alice.get(f"{path}&itemsToSkip=1").items == second.items
    assert setting.alice.get(f"{path}&filterType=STORAGE").items == []


# Jobs


def test_jobs_are_created_in_bulk_in_their_order_and_come_in_pages(setting: Setting) -> None:
    names = [f"bulk-{number}" for number in range(20)]
    reply = setting.alice.post("/api/jobs", *(specification(name=name, parameters={"a": 1}) for name in names))
    assert reply.status == 200
    ids = [str(each["id"]) for each in reply.items]
    stored = {str(each["metadata"]["name"]): each["spec"].get("name") for each in setting.jobs()}
    assert [stored[each] for each in ids] == names

    creator = "alice" if setting.cluster.stamps else "unknown"
    path = f"/api/jobs/browse?itemsPerPage=8&filterCreatedBy={creator}&filterIds={','.join(ids)}"
    seen: list[dict[str, object]] = []
    following: object = ""
    while following is not None:
        part = setting.alice.get(f"{path}&next={following}")
        assert len(part.items) <= 8
        seen += part.items
        following = part.body["next"]
    assert sorted(str(each["id"]) for each in seen) == sorted(ids)
    assert [each["createdAt"] for each in seen] == sorted((each["createdAt"] for each in seen), reverse=True)  # type: ignore[type-var]
    assert {str(each["owner"]) for each in seen} == {str({"createdBy": creator, "project": LAB})}
    assert all(each["updates"] == [] for each in seen)
    assert {each["specification"]["parameters"] for each in seen} == {None}  # type: ignore[index]

    (whole,) = setting.alice.get(
        f"/api/jobs/browse?filterIds={ids[0]}&includeUpdates=true&includeParameters=true"
    ).items
    assert whole["specification"]["parameters"] == {"a": 1}  # type: ignore[index]
    assert eventually(lambda: setting.alice.get(f"/api/jobs/retrieve?id={ids[0]}").body["updates"])
    assert setting.alice.get(f"{path}&filterState=FAILURE").items == []
    assert setting.alice.get(f"/api/jobs/retrieve?id={ids[0]}&filterProvider=other").status == 404

    assert setting.alice.post("/api/jobs/terminate", *reply.items).items == [{}] * 20
    are_in(setting, ids, "SUCCESS")


def are_in(setting: Setting, ids: list[str], state: str) -> None:
    """Wait until these jobs are all in a state."""

    def seen() -> bool:
        listed = setting.alice.get(f"/api/jobs/browse?itemsPerPage=1000&filterIds={','.join(ids)}").items
        states: dict[object, object] = {each["id"]: each["status"]["state"] for each in listed}  # type: ignore[index]
        assert states == dict.fromkeys(ids, state)
        return True

    eventually(seen, within_seconds=60)


def test_if_one_job_of_a_bulk_cannot_be_none_is_created(setting: Setting) -> None:
    before = len(setting.jobs())
    reply = setting.alice.post("/api/jobs", specification(), specification(replicas=0), specification())
    assert (reply.status, reply.why) == (400, "Items.1: You must request at least 1 node")
    assert len(setting.jobs()) == before


def test_what_was_created_of_a_bulk_that_fails_is_taken_back(setting: Setting) -> None:
    """A quota counts what is there, and not what a dry run would have created."""
    set_up_for_two_jobs(setting, "small", ALICE, "ucloud-user")

    reply = setting.caller(ALICE, "small").post("/api/jobs", *[specification()] * 3)
    assert reply.status == 403
    assert "exceeded quota: two-jobs" in reply.why
    assert "created all the same" not in reply.why
    eventually(lambda: setting.jobs("small") == [], within_seconds=60)


def test_what_was_created_and_cannot_be_taken_back_is_named(setting: Setting) -> None:
    set_up_for_two_jobs(setting, "smaller", BOB, "creates-only")
    bob = setting.caller(BOB, "smaller")

    reply = bob.post("/api/jobs", *[specification()] * 3)
    assert reply.status == 403
    _, _, told = reply.why.partition("; these jobs were created all the same: ")
    there = [str(each["metadata"]["name"]) for each in setting.jobs("smaller")]
    assert sorted(told.split(", ")) == sorted(there)
    assert len(there) == 2

    reply = bob.post("/api/jobs", *[specification()] * 2)  # now a dry run is refused as well
    assert reply.status == 403
    assert reply.why.startswith("Items.0: ")
    assert len(setting.jobs("smaller")) == 2


def set_up_for_two_jobs(setting: Setting, namespace: str, user: User, role: str) -> None:
    """Put up a workspace with a quota, and wait until that counts: first as if it were used up, then as it is.

    Its status is written here, as the controller that does so looks for new kinds only now and then.
    """
    setting.apply(*small_workspace(namespace, user, role))
    admin = Person(setting.cluster.kubeconfig)
    quota = f"/api/v1/namespaces/{namespace}/resourcequotas/two-jobs/status"
    jobs = f"/apis/ucloud.dk/v1alpha1/namespaces/{namespace}/ucloudjobs?dryRun=All"

    def is_full(used: str) -> bool:
        counts = {name: {"count/ucloudjobs.ucloud.dk": count} for name, count in (("hard", "2"), ("used", used))}
        assert admin.patch(quota, {"status": counts})
        return "exceeded quota" in admin.create(jobs, job("probe", specification(), namespace)).message

    eventually(lambda: is_full("2"))
    eventually(lambda: not is_full("0"))


def test_a_job_is_suspended_goes_on_gets_more_time_and_is_ended(setting: Setting) -> None:
    (created,) = setting.alice.post("/api/jobs", specification(timeAllocation={"hours": 1, "minutes": 50})).items
    job_id = str(created["id"])

    are_in(setting, [job_id], "RUNNING")
    assert setting.alice.post("/api/jobs/suspend", created).items == [{}]
    are_in(setting, [job_id], "SUSPENDED")
    assert setting.alice.post("/api/jobs/unsuspend", created).items == [{}]
    are_in(setting, [job_id], "RUNNING")

    more = {"jobId": job_id, "requestedTime": {"hours": 0, "minutes": 20, "seconds": 5}}
    assert setting.alice.post("/api/jobs/extend", more).items == [{}]
    job = setting.alice.get(f"/api/jobs/retrieve?id={job_id}").body
    assert job["specification"]["timeAllocation"] == {"hours": 2, "minutes": 10, "seconds": 5}  # type: ignore[index]
    reply = setting.alice.post("/api/jobs/extend", {**more, "requestedTime": {"hours": 0, "minutes": 0, "seconds": 0}})
    assert (reply.status, reply.why) == (400, "The requested time is too short")

    assert setting.alice.post("/api/jobs/terminate", created).items == [{}]
    are_in(setting, [job_id], "SUCCESS")
    updates: list[dict[str, object]] = setting.alice.get(f"/api/jobs/retrieve?id={job_id}").body["updates"]  # type: ignore[assignment]
    assert updates[-1]["status"] == "Your job has been cancelled!"


def test_a_job_that_nobody_can_pay_is_not_unsuspended_unless_it_would_wait(setting: Setting) -> None:
    """On a wallet that ends what it can't pay the job would end for good; on one that suspends, it waits."""
    asleep = job("asleep", specification(product=product_reference("dry"), suspend=True))
    patient = wallet("patient", "dry", 0)
    patient["spec"] = {**patient["spec"], "onExhaustion": "Suspend"}  # type: ignore[dict-item]
    asleep_there = job("asleep", specification(product=product_reference("dry"), suspend=True), "patient")
    setting.apply(namespace("patient"), patient, bound("patient", ALICE, "ucloud-user"), asleep, asleep_there)
    there = setting.caller(ALICE, "patient")
    eventually(lambda: setting.is_applied(patient), within_seconds=60)

    reply = setting.alice.post("/api/jobs/unsuspend", {"id": "asleep"})
    assert (reply.status, reply.why) == (402, "You do not have any resources to run the machine.")
    assert reply.body["errorCode"] == "NOT_ENOUGH_COMPUTE_CREDITS"
    assert {each["metadata"]["name"]: each["spec"]["suspend"] for each in setting.jobs()}["asleep"] is True

    assert there.post("/api/jobs/unsuspend", {"id": "asleep"}).items == [{}]
    assert [each["spec"]["suspend"] for each in setting.jobs("patient")] == [False]
    for caller in (setting.alice, there):
        assert caller.post("/api/jobs/terminate", {"id": "asleep"}).status == 200


def test_a_job_without_an_end_is_not_given_one(setting: Setting) -> None:
    (created,) = setting.alice.post("/api/jobs", specification()).items
    more = {"jobId": created["id"], "requestedTime": {"hours": 1, "minutes": 0, "seconds": 0}}
    assert setting.alice.post("/api/jobs/extend", more).items == [{}]
    job = setting.alice.get(f"/api/jobs/retrieve?id={created['id']}").body
    assert job["specification"]["timeAllocation"] is None  # type: ignore[index]
    assert setting.alice.post("/api/jobs/terminate", created).status == 200


def test_what_was_changed_of_a_bulk_that_fails_is_named(setting: Setting) -> None:
    hour = {"timeAllocation": {"hours": 1}}
    setting.apply(job("certain", specification(**hour, funding="Reserve")))
    (created,) = setting.alice.post("/api/jobs", specification(**hour)).items

    more = [{"jobId": each, "requestedTime": {"hours": 1}} for each in ("certain", created["id"])]
    reply = setting.alice.post("/api/jobs/extend", *more)

    assert reply.status == 400
    assert reply.why.startswith('Items.0: UCloudJob.ucloud.dk "certain" is invalid: spec.timeAllocation: ')
    assert reply.why.endswith(f"; these jobs were changed all the same: {created['id']}")
    specs = {str(each["metadata"]["name"]): each["spec"].get("timeAllocation") for each in setting.jobs()}
    hours = {name: time["hours"] for name, time in specs.items() if isinstance(time, dict)}
    assert (hours["certain"], hours[str(created["id"])]) == (1, 2)
    assert setting.alice.post("/api/jobs/terminate", created, {"id": "certain"}).status == 200


def test_if_one_job_of_a_bulk_is_not_there_none_is_changed(setting: Setting) -> None:
    (created,) = setting.alice.post("/api/jobs", specification()).items
    reply = setting.alice.post("/api/jobs/terminate", created, {"id": "nothing"})
    assert (reply.status, reply.why) == (404, "Items.1: Not found")
    (job,) = (each for each in setting.jobs() if each["metadata"]["name"] == created["id"])
    assert job["spec"]["terminate"] is False
    assert setting.alice.post("/api/jobs/terminate", created).status == 200


def test_what_is_not_ucloud_s_in_a_job_is_not_passed_on(setting: Setting) -> None:
    sly = {"suspend": True, "terminate": True, "funding": "Reserve", "terminationGracePeriodSeconds": 300, "x": 1}
    (created,) = setting.alice.post("/api/jobs", specification(**sly, labels={"course": "physics-1"})).items
    (job,) = (each for each in setting.jobs() if each["metadata"]["name"] == created["id"])
    assert job["spec"] == {
        "application": {"name": "steady", "version": "1"},
        "product": product_reference("plenty"),
        "replicas": 1,
        "allowDuplicateJob": False,
        "labels": {"course": "physics-1"},
        "funding": "Stream",
        "suspend": False,
        "terminate": False,
        "terminationGracePeriodSeconds": 1,
    }
    assert setting.alice.post("/api/jobs/terminate", created).status == 200
