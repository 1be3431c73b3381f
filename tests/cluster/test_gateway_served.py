"""How the gateway is served: what it tells Prometheus and its log, and how it ends."""

import asyncio
import json
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from devcluster import ALICE, Cluster
from devcluster.ports import free_port
from devcluster.users import token
from tests.cluster.storytelling.gateway import Caller, begun, gateway
from tests.cluster.storytelling.lab import assert_no_token_in, bound, job, namespace, specification
from tests.cluster.support import apply, eventually
from tests.cluster.test_monitoring import labels_by_series
from tests.monitoring.conftest import run_promtool
from tests.monitoring.queries import ADDED_BY_PROMETHEUS, GATEWAY_QUERIES, grouped, named

LAB = "served"
FOLLOW = "/api/jobs/follow"
WALLETS = "/api/accounting/v2/browseWallets"
HEALTH = "/healthz"


@pytest.fixture(scope="module")
def lab(cluster: Cluster) -> Iterator[Cluster]:
    apply(cluster, LAB, namespace(LAB), bound(LAB, ALICE, "ucloud-user"))
    yield cluster
    cluster.kubectl("delete", "ucloudjobs", "--all", f"--namespace={LAB}", "--wait=false")


def scrape(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
        told: str = response.read().decode()
        return told


def test_a_gateway_that_is_full_is_not_ready_and_lives(lab: Cluster, tmp_path: Path) -> None:
    """Whoever takes up all connections mustn't have it restarted as well."""
    metrics_port, log = free_port(), tmp_path / "gateway.log"
    with (
        gateway(lab.kubeconfig, log, f"--metrics-port={metrics_port}", "--connections=1") as port,
        socket.create_connection(("127.0.0.1", port)),
    ):
        eventually(lambda: Caller(port, None).get(HEALTH).status == 503)
        assert scrape(metrics_port, HEALTH) == "ok"


def test_a_scrape_has_what_is_asked_for_and_does_not_grow_with_what_callers_choose(
    lab: Cluster, tmp_path: Path
) -> None:
    metrics_port, log = free_port(), tmp_path / "gateway.log"
    with gateway(lab.kubeconfig, log, f"--metrics-port={metrics_port}") as port:
        alice = Caller(port, token(lab.state, ALICE), LAB)
        assert alice.get(WALLETS).status == 200
        assert alice.get("/metrics").status == 404

        def call(number: int) -> None:
            assert alice.get(f"/api/jobs/retrieve?id=job-{number}").status == 404
            assert alice.get(f"/{number}").status == 404
            assert alice.ask(f"BREW{number}", "/").status == 404
            assert Caller(port, alice.token, f"workspace-{number}").get(WALLETS).status == 403

        call(0)
        before = scrape(metrics_port)
        for number in range(1, 5):
            call(number)
        after = scrape(metrics_port)

    checked = run_promtool("check", "metrics", stdin=after)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    known = labels_by_series(after)
    for query in GATEWAY_QUERIES:
        for name, selected in named(query):
            assert name in known, query
            assert selected <= known[name] | ADDED_BY_PROMETHEUS, query
        assert grouped(query) <= {label for name, _ in named(query) for label in known[name]} | ADDED_BY_PROMETHEUS
    assert not [name for name in known if name.startswith("ucloud_") and not name.startswith("ucloud_gateway_")]
    assert series(after) == series(before)
    print(f"{len(series(after))} series")
    for chosen in (token(lab.state, ALICE), LAB, "workspace-1", "job-1", "BREW"):
        assert chosen not in after
    assert 'ucloud_gateway_api_requests_total{resource="wallets",status="200",verb="list"} 1.0' in after.splitlines()
    assert_no_token_in(log, lab)
    lines = [line for line in log.read_text().splitlines() if f"GET {WALLETS}: " in line]
    assert len(lines) == 6
    assert f"GET {WALLETS}: 200 after " in lines[0]


def series(scraped: str) -> set[str]:
    return {line.rpartition(" ")[0] for line in scraped.splitlines() if not line.startswith("#")}


def test_a_log_in_json_has_a_line_per_request_and_none_for_probes(lab: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    with begun(lab.kubeconfig, log, "--log-format=json", verbose=False) as (_, port):
        assert Caller(port, token(lab.state, ALICE), LAB).get(f"{WALLETS}?next=secret").status == 200
        (line,) = eventually(
            lambda: [said for said in map(json.loads, log.read_text().splitlines()) if "GET" in said["message"]]
        )
    assert line["message"].startswith(f"GET {WALLETS}: 200 after ")
    assert line["level"] == "info"


def test_at_rest_a_log_for_people_has_no_line_per_request(lab: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    with begun(lab.kubeconfig, log, verbose=False) as (process, port):
        assert Caller(port, token(lab.state, ALICE), LAB).get(WALLETS).status == 200
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert "GET" not in log.read_text()


async def test_followers_are_told_of_as_long_as_they_follow_and_are_let_go_at_the_end(
    lab: Cluster, tmp_path: Path
) -> None:
    apply(lab, LAB, job("followed", specification(), LAB))
    metrics_port, log = free_port(), tmp_path / "gateway.log"
    shown = {"Authorization": f"Bearer {token(lab.state, ALICE)}", "Project": LAB}
    options = (f"--metrics-port={metrics_port}", "--leave-seconds=1")
    with begun(lab.kubeconfig, log, *options) as (process, port):
        address = f"http://127.0.0.1:{port}/api/jobs"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{address}/follow?id=followed", headers=shown) as stream:
                async with session.ws_connect(address):
                    assert (await stream.content.readline()).startswith(b"data: ")
                    assert await asyncio.to_thread(followers, metrics_port) == {"events": 1, "websocket": 1}
                    assert f"{FOLLOW}: " not in log.read_text()
                await asyncio.to_thread(
                    eventually, lambda: followers(metrics_port) == {"events": 1, "websocket": 0}, within_seconds=60
                )
            await asyncio.to_thread(
                eventually, lambda: followers(metrics_port) == {"events": 0, "websocket": 0}, within_seconds=60
            )
            assert f"GET {FOLLOW}: 200 after " in log.read_text()
            assert "WEBSOCKET /api/jobs: 101 after " in log.read_text()

            async with session.get(f"{address}/follow?id=followed", headers=shown) as stream:
                process.send_signal(signal.SIGTERM)
                with suppress(aiohttp.ClientError):  # cut off: a stream without an end
                    await asyncio.wait_for(stream.read(), 60)
        assert await asyncio.to_thread(process.wait, 60) in {0, -signal.SIGTERM}
    assert_no_token_in(log, lab)


def followers(port: int) -> dict[str, float]:
    families = text_string_to_metric_families(scrape(port))
    samples = (sample for family in families for sample in family.samples)
    return {it.labels["protocol"]: it.value for it in samples if it.name == "ucloud_gateway_followers"}


async def test_nothing_that_a_websocket_carries_is_in_the_log(lab: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    with begun(lab.kubeconfig, log) as (_, port):
        address = f"http://127.0.0.1:{port}/api/jobs?secret=in-the-query"
        shown = {"Authorization": "Bearer in-the-header"}
        asked = {"call": "jobs.follow", "streamId": "0", "payload": {"id": "1"}, "bearer": "in-the-frame"}
        async with aiohttp.ClientSession() as session, session.ws_connect(address, headers=shown) as socket:
            await socket.send_json(asked)
            assert (await socket.receive_json(timeout=60))["status"] == 403
        await asyncio.to_thread(eventually, lambda: "WEBSOCKET /api/jobs: 101" in log.read_text(), within_seconds=60)
    for secret in ("in-the-query", "in-the-header", "in-the-frame"):
        assert secret not in log.read_text()


def test_who_takes_leave_answers_still_but_on_no_old_connection(lab: Cluster, tmp_path: Path) -> None:
    shown = {"Authorization": f"Bearer {token(lab.state, ALICE)}", "Project": LAB}

    def ask(connection: HTTPConnection) -> str | None:
        connection.request("GET", WALLETS, headers=shown)
        response = connection.getresponse()
        assert (response.status, "items" in json.loads(response.read())) == (200, True)
        return response.getheader("Connection")

    with begun(lab.kubeconfig, tmp_path / "gateway.log", "--leave-seconds=600") as (process, port):
        connections = [HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(3)]
        assert [ask(connection) for connection in connections] == [None, None, None]
        process.send_signal(signal.SIGTERM)
        assert eventually(lambda: ask(HTTPConnection("127.0.0.1", port, timeout=60)) == "close")
        assert [ask(connection) for connection in connections] == ["close", "close", "close"]
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)  # again: at once
        assert process.wait(60) in {0, -signal.SIGTERM}


def test_leave_ends_by_itself(lab: Cluster, tmp_path: Path) -> None:
    with begun(lab.kubeconfig, tmp_path / "gateway.log", "--leave-seconds=1") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in {0, -signal.SIGTERM}
