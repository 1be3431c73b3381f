"""Who calls the gateway without a right to, and what makes no sense: it is refused, and nothing is done by halves."""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import pytest

from devcluster import ALICE, BOB, EXAMPLE, Cluster
from devcluster.components import _signing_key
from devcluster.ports import free_port
from tests.cluster.storytelling.gateway import Caller, Reply, gateway, nobody
from tests.cluster.storytelling.lab import (
    LAB,
    Setting,
    assert_no_token_in,
    bound,
    namespace,
    specification,
    unattended_lab,
)
from tests.cluster.support import eventually


@pytest.fixture(scope="module")
def setting(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """Without an operator: nothing here gets so far."""
    more = (namespace(EXAMPLE.username), bound(EXAMPLE.username, EXAMPLE, "ucloud-user"))
    with unattended_lab(cluster, tmp_path_factory.mktemp("gateway"), *more) as setting:
        yield setting


# Who may


@pytest.mark.parametrize("shown", [None, "Bearer", "Bearer ", "Basic YWxpY2U6", "alice"])
def test_without_a_token_nobody_gets_anything(setting: Setting, shown: str | None) -> None:
    """Although this gateway was started with an admin's kubeconfig."""
    sent = {} if shown is None else {"Authorization": shown}
    for method, path in CALLS:
        reply = Caller(setting.port, None, LAB).ask(method, path, b"{}" if method == "POST" else None, **sent)
        assert (reply.status, reply.why) == (403, "Forbidden"), path


@pytest.mark.parametrize("wrong", ["0" * 32, "a b", "tök", "x" * 5000])
def test_a_token_that_the_api_server_does_not_know_is_refused(setting: Setting, wrong: str) -> None:
    for project in (None, LAB):
        reply = Caller(setting.port, None, project).ask(
            "GET", "/api/jobs/browse", Authorization=f"Bearer {wrong}".encode().decode("latin-1")
        )
        assert (reply.status, reply.why) == (403, "Bad token supplied, or it has expired")


def test_a_token_is_worth_what_it_is_worth_at_that_moment(setting: Setting) -> None:
    setting.cluster.kubectl("create", "serviceaccount", "robot", f"--namespace={LAB}")
    robot = Caller(setting.port, setting.cluster.kubectl("create", "token", "robot", f"--namespace={LAB}").strip())

    reply = robot.get("/api/jobs/browse")
    assert reply.status == 400
    assert reply.why.startswith("'system:serviceaccount:lab:robot' can't be the name of a workspace")
    assert replace(robot, project=LAB).get("/api/jobs/browse").status == 403
    binding = ("rolebinding", "robot", f"--namespace={LAB}")
    setting.cluster.kubectl("create", *binding, "--clusterrole=ucloud-user", f"--serviceaccount={LAB}:robot")
    eventually(lambda: replace(robot, project=LAB).get("/api/jobs/browse").status == 200)

    setting.cluster.kubectl("delete", *binding)
    eventually(lambda: "cannot list" in why_not(replace(robot, project=LAB)))
    setting.cluster.kubectl("delete", "serviceaccount", "robot", f"--namespace={LAB}")
    eventually(lambda: "has expired" in why_not(robot), within_seconds=40)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on the PATH")
def test_a_token_that_has_expired_is_refused_by_the_api_server(setting: Setting) -> None:
    """Signed with the API server's own key; the same is accepted while its time isn't over."""
    setting.cluster.kubectl("create", "serviceaccount", "clockwork", f"--namespace={LAB}")
    account = ("get", "serviceaccount", "clockwork", f"--namespace={LAB}", "--output=json")
    uid = json.loads(setting.cluster.kubectl(*account))["metadata"]["uid"]
    now = int(time.time())

    def reply_until(end: int) -> Reply:
        shown = signed(setting.cluster, uid, began=now - 7200, ends=end)
        return Caller(setting.port, shown, LAB).get("/api/jobs/browse")

    assert reply_until(now + 3600).why.startswith('Ucloudjobs.ucloud.dk is forbidden: User "system:serviceaccount:lab:')
    expired = reply_until(now - 3600)
    assert (expired.status, expired.why) == (403, "Bad token supplied, or it has expired")


def signed(cluster: Cluster, uid: str, *, began: int, ends: int) -> str:
    """A service account's token, made by hand."""
    issuer = "https://kubernetes.default.svc.cluster.local"
    claims = {
        "iss": issuer,
        "aud": [issuer],
        "sub": f"system:serviceaccount:{LAB}:clockwork",
        "iat": began,
        "nbf": began,
        "exp": ends,
        "kubernetes.io": {"namespace": LAB, "serviceaccount": {"name": "clockwork", "uid": uid}},
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    content = ".".join(in_base64(json.dumps(each).encode()) for each in parts)
    command = ["openssl", "dgst", "-sha256", "-sign", str(_signing_key(cluster.state))]
    signature = subprocess.run(command, input=content.encode(), stdout=subprocess.PIPE, check=True).stdout
    return f"{content}.{in_base64(signature)}"


def in_base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def why_not(caller: Caller) -> str:
    reply = caller.get("/api/jobs/browse")
    return "" if reply.status == 200 else reply.why


CALLS = (
    ("GET", "/api/accounting/v2/browseWallets"),
    ("GET", "/api/accounting/v2/browseForecasts"),
    *(("POST", f"/api/accounting/v2/{what}Allocate") for what in ("root", "sub")),
    ("GET", "/api/jobs/browse"),
    ("GET", "/api/jobs/browseCosts"),
    ("GET", "/api/jobs/retrieve?id=1"),
    ("POST", "/api/jobs"),
    ("GET", "/api/jobs/retrieveProducts"),
    ("GET", "/api/products/v2/browse"),
    ("GET", "/api/products/v2/retrieve?filterName=plenty&filterCategory=plenty&filterProvider=lab"),
    *(
        ("POST", f"/api/jobs/{what}")
        for what in ("search", "terminate", "suspend", "unsuspend", "extend", "rename", "updateLabels")
    ),
)


def test_a_foreign_workspace_stays_foreign(setting: Setting) -> None:
    (created,) = setting.alice.post("/api/jobs", specification()).items
    before = setting.jobs()
    category = {"name": "plenty", "provider": "lab"}
    allocation = {"category": category, "quota": 1, "start": 1, "end": 2, "owner": {"type": "user", "username": "bob"}}
    bodies = {
        "/api/accounting/v2/rootAllocate": allocation,
        "/api/accounting/v2/subAllocate": allocation,
        "/api/jobs": specification(),
        "/api/jobs/extend": {"jobId": created["id"], "requestedTime": {"hours": 1}},
        "/api/jobs/rename": {**created, "newTitle": "mine"},
        "/api/jobs/updateLabels": {**created, "labels": {"mine": "yes"}},
    }

    for bob in (setting.caller(BOB, LAB), setting.caller(BOB, "no-such-workspace")):
        for method, path in CALLS:
            path_of_job = path.replace("id=1", f"id={created['id']}")
            reply = (
                bob.get(path_of_job)
                if method == "GET"
                else bob.post(path_of_job, bodies.get(path, {"id": created["id"]}))
            )
            assert reply.status == 403, path
            assert 'User "bob" cannot' in reply.why

    after = setting.jobs()
    assert [each["spec"] for each in after] == [each["spec"] for each in before]
    assert setting.alice.post("/api/jobs/terminate", created).status == 200


def test_who_names_no_workspace_is_in_the_one_of_the_same_name(setting: Setting) -> None:
    assert setting.caller(EXAMPLE).get("/api/jobs/browse").items == []
    assert setting.caller(EXAMPLE, "user").get("/api/jobs/browse").items == []
    for nobodys in (setting.caller(BOB), setting.caller(EXAMPLE, LAB)):  # he has none; it is hers
        assert nobodys.get("/api/jobs/browse").status == 403


@pytest.mark.parametrize("name", ["Lab", "lab/../root", "a" * 64, "-", "lab,root", "system:masters"])
def test_what_cannot_be_a_workspace_is_not_looked_for(setting: Setting, name: str) -> None:
    reply = setting.caller(ALICE, name).get("/api/jobs/browse")
    assert reply.status == 400
    assert reply.why.startswith("The header Project must be the name of a workspace")


# Requests that make no sense


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (specification(replicas=0), "You must request at least 1 node"),
        (specification(replicas=-1), "You must request at least 1 node"),
        (specification(replicas=1001), "You can't request more than 1000 nodes"),
        (specification(replicas="1"), "Invalid request supplied: items.0.replicas: Input should be a valid integer"),
        (specification(replicas=1.5), "Invalid request supplied: items.0.replicas: Input should be a valid integer"),
        (specification(replicas=None), "Invalid request supplied: items.0.replicas: Input should be a valid integer"),
        (specification(application=...), "Invalid request supplied: items.0.application: Field required"),
        (specification(product="x"), "Invalid request supplied: items.0.product: Input should be an object"),
        (specification(parameters=[]), "Invalid request supplied: items.0.parameters: Input should be an object"),
        (specification(timeAllocation={"hours": 0}), "Time allocated for job is too short"),
        (specification(timeAllocation={"hours": -1}), "Invalid request supplied: items.0.timeAllocation.hours: "),
        (specification(name="x" * 254), "Spec.name: String should have at most 253 characters"),
        (
            specification(application={"name": "nothing", "version": "1"}),
            "Unknown application requested: application 'nothing' in version '1'",
        ),
        (
            specification(product={"id": "nothing", "category": "plenty", "provider": "lab"}),
            "Bad machine type requested: product 'nothing' in category 'plenty' of provider 'lab'",
        ),
        (specification(parameters={"x": "y" * 200_000}), "Its parameters are 200008 bytes long as JSON"),
        ("x", "Invalid request supplied: items.0: Input should be an object"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_with_a_sentence(setting: Setting, item: object, why: str) -> None:
    before = len(setting.jobs())
    reply = setting.alice.post("/api/jobs", item)
    assert reply.status == 400
    assert reply.why.startswith(why)
    assert reply.body["errorCode"] == ""
    assert len(setting.jobs()) == before


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Invalid request supplied: Invalid JSON"),
        (b"{", "Invalid request supplied: Invalid JSON"),
        (b"\xff\xfe", "Invalid request supplied: Invalid JSON"),
        (b'{"items": [{"id": "1", "x": NaN}]}', "Invalid request supplied: Invalid JSON"),
        (b'{"items": ' + b"[" * 100_000, "Invalid request supplied: Invalid JSON"),
        (b'{"items": [{"id": "\xe6"}]}', "Invalid request supplied: Invalid JSON"),
        (b'{"items": [{"id": "\\ud800"}]}', "Invalid request supplied: Invalid JSON"),
        (b'\xef\xbb\xbf{"items": [{"id": "1"}]}', "Invalid request supplied: Invalid JSON"),
        ('{"items": [{"id": "1"}]}'.encode("utf-16"), "Invalid request supplied: Invalid JSON"),
        (b'{"items": [{"id": "1", "x": ' + b"[" * 500 + b"]" * 500 + b"}]}", "Invalid request supplied: Invalid JSON"),
        (b'{"items": [{"id": "1", "x": 1' + b"0" * 5000 + b"}]}", "Invalid request supplied: Invalid JSON"),
        (b'{"items": [{"id": "1", "x": 1' + b"0" * 400 + b"}]}", "Invalid request supplied: it has a number that"),
        (b'{"items": [{"id": "1", "x": 1e400}]}', "Invalid request supplied: it has a number that is too large"),
        (b"[]", "Invalid request supplied: Input should be an object"),
        (b"null", "Invalid request supplied: Input should be an object"),
        (b"{}", "Invalid request supplied: items: Field required"),
        (b'{"items": null}', "Invalid request supplied: items: Input should be a valid"),
        (b'{"items": []}', "Request must not be empty"),
        (json.dumps({"items": [{"id": "1"}] * 1001}).encode(), "Request cannot exceed 1000 items"),
    ],
    ids=count(),
)
def test_a_body_that_makes_no_sense_is_refused_with_a_sentence(setting: Setting, content: bytes, why: str) -> None:
    for path in ("/api/jobs/terminate", "/api/jobs/suspend", "/api/jobs/unsuspend"):
        reply = setting.alice.ask("POST", path, content)
        assert reply.status == 400
        assert reply.why.startswith(why)


def test_a_thousand_and_one_jobs_are_too_many(setting: Setting) -> None:
    before = len(setting.jobs())
    reply = setting.alice.post("/api/jobs", *[specification()] * 1001)
    assert (reply.status, reply.why) == (400, "Request cannot exceed 1000 items")
    assert len(setting.jobs()) == before


def test_a_body_of_more_than_a_mebibyte_is_not_read(setting: Setting) -> None:
    body = json.dumps({"items": [specification(parameters={"x": "y" * 2**20})]}).encode()
    reply = setting.alice.ask("POST", "/api/jobs", body)
    assert (reply.status, reply.why) == (413, "A request can't be longer than 1048576 bytes")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/"),
        ("GET", "/api"),
        ("POST", "/docs"),
        ("GET", "/docs/"),
        ("GET", "/api/jobs/browse/"),
        ("GET", "/api/jobs/retrieve/../browse"),
        ("GET", "/api/jobs"),
        ("GET", "//api/jobs/browse"),
        ("GET", "/api//jobs/browse"),
        ("GET", "/api/jobs/./browse"),
        ("GET", "/api/%2e%2e/api/jobs/browse"),
        ("GET", "/api/jobs/browse%00"),
        ("GET", "/api/jobs/browse;x=y"),
        ("GET", "/API/jobs/browse"),
        ("GET", "http://127.0.0.1/api/jobs/browse"),
        ("OPTIONS", "/api/jobs"),
        ("OPTIONS", "*"),
        ("TRACE", "/api/jobs/browse"),
        ("PROPFIND", "/api/jobs/browse"),
        ("DELETE", "/api/jobs"),
        ("PUT", "/api/jobs/terminate"),
        ("POST", "/api/accounting/v2/browseWallets"),
        ("POST", "/api/accounting/v2/reportUsage"),
    ],
)
def test_what_is_not_there_is_not_found(setting: Setting, method: str, path: str) -> None:
    reply = setting.alice.ask(method, path)
    assert (reply.status, reply.why) == (404, "Not found")


def test_head_is_not_among_them(setting: Setting) -> None:
    connection = HTTPConnection("127.0.0.1", setting.port, timeout=120)
    connection.request("HEAD", "/api/jobs/browse", headers={"Authorization": f"Bearer {setting.alice.token}"})
    response = connection.getresponse()
    assert (response.status, response.read()) == (404, b"")
    connection.close()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("itemsToSkip=-1", "Invalid offset"),
        ("itemsPerPage=1" + "0" * 5000, "Query.itemsPerPage: "),
        ("itemsPerPage=many", "Query.itemsPerPage: Input should be a valid integer"),
        ("consistency=SOMETIMES", "Query.consistency: Input should be 'PREFER' or 'REQUIRE'"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_with_a_sentence(setting: Setting, query: str, why: str) -> None:
    for path in ("/api/jobs/browse", "/api/accounting/v2/browseWallets"):
        reply = setting.alice.get(f"{path}?{query}")
        assert reply.status == 400
        assert reply.why.startswith(why)


@pytest.mark.parametrize("job_id", ["1", "nothing", "No", "../wallets", "%2e%2e", "a" * 500])
def test_a_job_that_is_not_there_is_not_found(setting: Setting, job_id: str) -> None:
    reply = setting.alice.get(f"/api/jobs/retrieve?id={job_id}")
    assert (reply.status, reply.why) == (404, "Not found")
    for call in ("terminate", "suspend", "unsuspend"):
        assert setting.alice.post(f"/api/jobs/{call}", {"id": job_id}).status == 404


def test_retrieve_wants_an_id(setting: Setting) -> None:
    for query in ("", "?id="):
        assert setting.alice.get(f"/api/jobs/retrieve{query}").why == "Query.id: Field required"


# Nobody behind it


def test_without_an_api_server_it_says_that_and_lives_on(setting: Setting, tmp_path: Path) -> None:
    config = nobody(setting.cluster.kubeconfig, tmp_path / "kubeconfig")
    config.write_text(re.sub(r"https://127.0.0.1:[0-9]+", f"https://127.0.0.1:{free_port()}", config.read_text()))
    log = tmp_path / "gateway.log"
    with gateway(config, log) as port:
        reply = replace(setting.alice, port=port).post("/api/jobs", specification())
        assert (reply.status, reply.why) == (502, "The Kubernetes API server gives no usable answer; try again later")
    assert "POST /api/jobs: " in log.read_text()
    assert_no_token_in(log, setting.cluster)
