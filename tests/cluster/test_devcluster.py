"""The throw-away Kubernetes itself: that it comes up, is mended, and goes without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster import ADMIN, ALICE, OPERATOR, Cluster, DevclusterError, User
from devcluster.ports import LOOPBACK
from devcluster.processes import orphans
from devcluster.users import USERS
from tests.cluster.support import eventually

CHECKOUT = Path(__file__).parent.parent.parent


def devcluster(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "devcluster", *arguments]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def pids(cluster: Cluster) -> dict[str, int | None]:
    return {name: cluster.process(name).pid for name in cluster.running()}


def works(cluster: Cluster) -> bool:
    return all(cluster.running().values()) and cluster.kubectl("get", "--raw=/readyz") == "ok"


def test_a_second_up_prints_the_same_line_and_restarts_nothing(spare: Cluster) -> None:
    before = pids(spare)

    output = finish(devcluster("up", "--bare", "--nodes=1", f"--state={spare.state}"))

    assert output.splitlines()[-1] == f"export KUBECONFIG={spare.kubeconfig}"
    assert pids(spare) == before
    assert finish(devcluster("status", f"--state={spare.state}")).count("running") == 5


@pytest.mark.parametrize("name", ["etcd", "api-server", "kwok"])
def test_a_killed_component_is_started_again(spare: Cluster, name: str) -> None:
    spare.kubectl("create", "configmap", f"before-{name}")
    before = pids(spare)
    killed = before[name]
    assert killed
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not spare.running()[name])
    status = devcluster("status", f"--state={spare.state}")
    assert f"{name}: not running" in status.communicate()[0]
    assert status.returncode == 1

    spare.start(bare=True)

    assert works(spare)
    assert {other: pid for other, pid in pids(spare).items() if other != name} == {
        other: pid for other, pid in before.items() if other != name
    }
    assert spare.kubectl("get", "configmap", f"before-{name}")


def test_another_program_on_its_port_makes_it_move(spare: Cluster) -> None:
    port = json.loads((spare.state / "ports.json").read_text())["api_server"]
    spare.process("api-server").stop()
    with socket.create_server((LOOPBACK, port)):
        spare.start(bare=True)

        assert works(spare)
        assert f":{port}" not in spare.kubeconfig.read_text()
        assert spare.kubectl("get", "nodes", "--output=name").split() == ["node/node-1"]


def test_a_number_that_another_process_has_now_is_nobody_of_ours(spare: Cluster, tmp_path: Path) -> None:
    stranger = Cluster(tmp_path / "stranger")
    stranger.state.mkdir()
    (stranger.state / "etcd.pid").write_text(f"{pids(spare)['etcd']}\n")

    assert not stranger.running()["etcd"]
    stranger.stop()

    assert works(spare)


def test_two_clusters_know_nothing_of_each_other(spare: Cluster, tmp_path: Path) -> None:
    other = Cluster(tmp_path / "other", nodes=1)
    with other.running_meanwhile(bare=True):
        other.kubectl("create", "namespace", "only-here")
        with pytest.raises(DevclusterError, match="not found"):
            spare.kubectl("get", "namespace", "only-here")
        assert not set(pids(spare).values()) & set(pids(other).values())

    assert works(spare)
    assert not other.state.exists()


def test_up_mends_what_a_killed_up_left_and_down_leaves_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = devcluster("up", "--bare", "--nodes=1", f"--state={state}")
    eventually((state / "api-server.pid").exists, every_seconds=0.01)
    first.kill()
    first.communicate()

    second = devcluster("up", "--bare", "--nodes=1", f"--state={state}")
    third = devcluster("up", "--bare", "--nodes=1", f"--state={state}")
    assert finish(second) == finish(third)
    assert works(Cluster(state))

    finish(devcluster("down", f"--state={state}"))
    assert not list(orphans(state))
    assert not state.exists()
    finish(devcluster("down", f"--state={state}"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process was started with")
def test_down_finds_its_processes_even_without_the_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    cluster = Cluster(state)
    state.mkdir()
    cluster.process("etcd").start(["sleep", "600"])
    assert cluster.process("etcd").pid in eventually(lambda: list(orphans(state)))
    state.rename(tmp_path / "gone")

    cluster.stop()

    assert not list(orphans(state))


def test_a_cluster_ends_with_its_owner_even_if_that_is_killed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    program = f"""
import time
from pathlib import Path
from devcluster import Cluster
with Cluster(Path({str(state)!r}), nodes=1).running_meanwhile(bare=True):
    print("up", flush=True)
    time.sleep(600)
"""
    owner = subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    assert owner.stdout.readline() == "up\n"

    owner.kill()
    owner.communicate()

    eventually(lambda: not state.exists() and not list(orphans(state)))


def test_users_are_who_they_should_be(cluster: Cluster) -> None:
    def who(user: User) -> dict[str, object]:
        review = json.loads(cluster.kubectl("auth", "whoami", "--output=json", user=user))
        found: dict[str, object] = review["status"]["userInfo"]
        return found

    assert who(ADMIN)["groups"] == ["system:masters", "system:authenticated"]
    assert who(ALICE) == {"username": "alice", "uid": "alice", "groups": ["researchers", "system:authenticated"]}
    assert who(OPERATOR)["username"] == "system:serviceaccount:ucloud-system:ucloud-operator"
    with pytest.raises(DevclusterError, match="cannot list"):
        cluster.kubectl("get", "nodes", user=ALICE)


@pytest.mark.parametrize("user", USERS[1:], ids=lambda user: user.name)
def test_only_the_admin_may_do_everything(cluster: Cluster, user: User) -> None:
    with pytest.raises(DevclusterError, match="cannot create"):
        cluster.kubectl("create", "namespace", "mine", "--dry-run=server", user=user)
