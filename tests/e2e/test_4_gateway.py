"""The gateway as its page has it installed, with a real token through a real Service. The last test deletes it."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from devcluster.conversation import answer_to, as_printed, exchanges
from tests.e2e.installation import SAMPLES
from tests.e2e.kind import DEPLOYMENT, SYSTEM, Kind, eventually
from tests.e2e.pages import commands, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOME = "gateway-user"
ACCOUNT = f"system:serviceaccount:{HOME}:caller"
USED = 499_900_000
"""Of 500,000,000, so that a wallet without a parent has what is left to the documentation's."""

ASKS_ON = """
import http.client, select, sys
(host, workspace), token, answers = sys.argv[1:], sys.stdin.readline().strip(), 0
shown = {"Authorization": "Bearer " + token, "Project": workspace}
kept = http.client.HTTPConnection(host, timeout=30)
while not select.select([0], [], [], 0)[0]:
    for connection in (kept, http.client.HTTPConnection(host, timeout=30)):
        connection.request("GET", "/api/jobs/browse", headers=shown)
        response = connection.getresponse()
        assert (response.status, b"items" in response.read()) == (200, True), response.status
        answers += 1
print(answers)
"""
"""Calls the gateway again and again, over one connection and over new ones, until its input ends."""


@pytest.fixture(scope="module", autouse=True)
def _installed(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("checkout")
    for line in commands("gateway.md", "On a cluster"):
        run(kind, line, folder)


@pytest.fixture(scope="module")
def token(kind: Kind) -> str:
    """Return the token of a service account that may run jobs in a workspace of its own."""
    kind.kubectl("apply", *(f"--filename={SAMPLES / name}" for name in ("2-product.yaml", "3-application.yaml")))
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    kind.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME, "labels": restricted}}, _wallet())
    in_it = f"--namespace={HOME}"
    kind.kubectl("create", "serviceaccount", "caller", in_it)
    kind.kubectl(
        "create", "rolebinding", "caller", in_it, "--clusterrole=ucloud-user", f"--serviceaccount={HOME}:caller"
    )
    kind.kubectl("wait", "wallet/example-compute", in_it, "--for=condition=Ready", "--timeout=30s")
    return kind.kubectl("create", "token", "caller", in_it).strip()


def _wallet() -> dict[str, object]:
    allocation = {
        "id": "1",
        "quota": 500_000_000,
        "startDate": "2026-01-01T00:00:00Z",
        "endDate": "2036-01-01T00:00:00Z",
    }
    return {
        "apiVersion": "ucloud.dk/v1alpha1",
        "kind": "Wallet",
        "metadata": {"name": "example-compute", "namespace": HOME},
        "spec": {
            "owner": {"type": "user", "username": "user"},
            "paysFor": {
                "name": "example-compute",
                "provider": "example",
                "productType": "COMPUTE",
                "accountingUnit": {"name": "DKK", "namePlural": "DKK", "floatingPoint": True},
                "accountingFrequency": "PERIODIC_MINUTE",
            },
            "allocationGroups": [{"allocations": [allocation]}],
            "openingUsage": USED,
        },
    }


@contextmanager
def forwarded(kind: Kind) -> Iterator[str]:
    """Lend an address at which the Service answers."""
    command = kind.command("port-forward", f"--namespace={SYSTEM}", "service/ucloud-gateway", ":80")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://{process.stdout.readline().split()[2]}"  # Forwarding from 127.0.0.1:… -> 8080
        finally:
            process.terminate()


def pods(kind: Kind) -> set[str]:
    labelled = "--selector=app.kubernetes.io/name=ucloud-gateway"
    return set(kind.kubectl("get", "pods", f"--namespace={SYSTEM}", labelled, "--output=name").split())


def test_the_commands_of_ucloud_are_answered_through_the_service(kind: Kind, token: str, tmp_path: Path) -> None:
    said: list[tuple[str, Any]] = [*exchanges()]
    (browse, wallets), (create, created), (retrieve, expected) = said
    (wallet,) = wallets["items"]
    wallet |= {"totalUsage": USED, "localUsage": USED}
    wallet["allocationGroups"][0]["group"]["usage"] = USED
    (tmp_path / ".curlrc").write_text(f'header = "Project: {HOME}"\nsilent\nfail-with-body\n')

    with forwarded(kind) as host:
        access = {"host": host, "accessToken": token, "CURL_HOME": str(tmp_path)}
        answer = partial(answer_to, access=access)
        assert as_printed(answer(browse)) == as_printed(wallets)

        answered = answer(create)
        assert as_printed(answered) == as_printed(created)
        job_id = answered["responses"][0]["id"]
        retrieve = retrieve.replace("id=62348", f"id={job_id}")
        job = eventually(lambda: job if (job := answer(retrieve))["status"]["state"] == "RUNNING" else None)

    expected["owner"] = {"createdBy": ACCOUNT, "project": HOME}
    expected["updates"] = expected["updates"][:2]
    expected["status"] |= {"state": "RUNNING"}
    assert as_printed(job) == as_printed(expected)
    kind.kubectl("delete", "ucloudjob", job_id, f"--namespace={HOME}", "--timeout=60s")


def test_a_replica_has_no_credential_and_tells_prometheus_what_passes(kind: Kind) -> None:
    pod = min(pods(kind))
    found = kind.kubectl("exec", f"--namespace={SYSTEM}", pod, "--", "find", "-L", "/var/run/secrets", "-type", "f")
    assert {path.rpartition("/")[2] for path in found.split()} == {"ca.crt"}
    (manifest,) = kind.items("pods", f"--namespace={SYSTEM}", f"--field-selector=metadata.name={pod[4:]}")
    assert [sorted(volume) for volume in manifest["spec"]["volumes"]] == [["configMap", "name"], ["emptyDir", "name"]]
    scraped = kind.kubectl("get", "--raw", f"/api/v1/namespaces/{SYSTEM}/pods/{pod[4:]}:8081/proxy/metrics")
    assert "ucloud_gateway_requests_in_flight 0.0\n" in scraped


def test_replicas_that_are_replaced_lose_no_request(kind: Kind, token: str) -> None:
    before = pods(kind)
    address = kind.kubectl(
        "get", "service", "ucloud-gateway", f"--namespace={SYSTEM}", "--output=jsonpath={.spec.clusterIP}"
    )
    asking = kind.command("exec", "--stdin", f"--namespace={SYSTEM}", DEPLOYMENT, "--", "python", "-c", ASKS_ON)
    with subprocess.Popen(
        [*asking, address, HOME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        process.stdin.write(f"{token}\n")
        process.stdin.flush()
        kind.kubectl("rollout", "restart", f"--namespace={SYSTEM}", "deployment/ucloud-gateway")
        kind.kubectl("rollout", "status", f"--namespace={SYSTEM}", "deployment/ucloud-gateway", "--timeout=120s")
        eventually(lambda: not pods(kind) & before)
        answers, trouble = process.communicate()
    assert process.returncode == 0, trouble
    print(f"{answers.strip()} requests while both replicas were replaced")
    assert int(answers) > 100
