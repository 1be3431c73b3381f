"""How promptly real containers stop, and what the operator takes, on a kind cluster of its own.

Every job has a wallet of its own, with credits for some seconds, so each ends at an instant of its own while others
start and end beside it; at last some share one wallet and end at the same instant. What is measured goes from the
instant at which the credits end, as the job says it to the millisecond, to the container's end, as the node's container
runtime says it (`tests/e2e/ends.py`). Bare pods that are deleted by hand stand beside it: nobody can be faster.

It needs docker, kind and kubectl; KIND_NODE_IMAGE and KIND_CONFIG choose the node, as for `make e2e`.
"""

from __future__ import annotations

import re
import subprocess
import time
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from tests.e2e.cast import HEEDS, IGNORES, PRICE, application, job, product, workspace
from tests.e2e.ends import listening
from tests.e2e.installation import begin_samples, image_mb, install, kind_cluster
from tests.e2e.kind import APPLICATION_IMAGE, DEPLOYMENT, OPERATOR_IMAGE, SYSTEM, eventually
from ucloud_operator.api import UCloudJob

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.e2e.ends import Ends
    from tests.e2e.kind import Kind

AT_A_TIME: Final = 10
"""Each asks for 1 GiB of memory and a twentieth of a core: with less its own end would be slowed down."""
CPU_MILLIS: Final = 50
SECOND_COSTS: Final = PRICE // 60
LASTS_SECONDS: Final = 8
FINISHED: Final = 1_000
QUIET_SECONDS: Final = 30
WATCHED_SECONDS: Final = 120

HEEDING, IGNORING = "heeds", "ignores"
COMMANDS: Final = {HEEDING: HEEDS, IGNORING: IGNORES}
BOUND_MS: Final = {HEEDING: 1000, IGNORING: 3000}
HEADING: Final = (
    f"{'milliseconds until the container has ended':<52} {'count':>6} {'p50':>6} {'p99':>6} {'max':>6}  promised"
)

_numbers = count(1)


def row(what: str, late_ms: Sequence[float], bound_ms: int | None = None) -> str:
    """Return a line of the table."""
    p99 = quantiles(late_ms, n=100, method="inclusive")[98]
    figures = f"{len(late_ms):>6} {median(late_ms):>6.0f} {p99:>6.0f} {max(late_ms):>6.0f}"
    return f"{what:<52} {figures}  {f'p99 ≤ {bound_ms}' if bound_ms else ''}"


# Jobs whose credits end


def all_jobs(kind: Kind) -> dict[tuple[str, str], UCloudJob]:
    """Return every job by its namespace and name."""
    found = [UCloudJob.model_validate(item) for item in kind.items("ucloudjobs", "--all-namespaces")]
    return {(str(each.metadata.namespace), each.metadata.name): each for each in found}


def containers(kind: Kind, namespaces: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the containers that run for the jobs of these namespaces."""
    wanted = set(namespaces)
    return {
        (pod["metadata"]["namespace"], pod["metadata"]["labels"]["ucloud.dk/jobId"]): status["containerID"].partition(
            "://"
        )[2]
        for pod in kind.items("pods", "--all-namespaces", "--selector=ucloud.dk/jobId")
        if pod["metadata"]["namespace"] in wanted
        for status in pod["status"].get("containerStatuses", [])
        if status.get("containerID")
    }


def watch_them_end(kind: Kind, ends: Ends, namespaces: Sequence[str], jobs: int) -> dict[tuple[str, str], float]:
    """Return by how many milliseconds each job's container outlived its credits."""
    known: dict[tuple[str, str], str] = {}

    def over() -> dict[tuple[str, str], UCloudJob] | None:
        if len(known) < jobs:
            known.update(containers(kind, namespaces))
        found = {key: each for key, each in all_jobs(kind).items() if key[0] in namespaces}
        return found if all(each.is_final for each in found.values()) else None

    ended = eventually(over, within_seconds=180)
    assert {each.status.reason for each in ended.values()} == {"OutOfCredits"}
    assert ended.keys() == known.keys()
    return {key: ends.wait(known[key], 10) - each.status.updates[-1].timestamp for key, each in ended.items()}


def stop_each_by_itself(kind: Kind, ends: Ends, jobs: int) -> dict[str, list[float]]:
    """Let so many jobs of either kind run out of credits, each alone, some at a time."""
    late_ms: dict[str, list[float]] = {HEEDING: [], IGNORING: []}
    kinds = [app for _ in range(jobs) for app in COMMANDS]
    for first in range(0, len(kinds), AT_A_TIME):
        batch = {f"alone-{next(_numbers)}": app for app in kinds[first : first + AT_A_TIME]}
        wallets = [workspace(name, LASTS_SECONDS * SECOND_COSTS) for name in batch]
        kind.apply(*(each for both in wallets for each in both))
        kind.apply(*(job(name, app, PRICE) for name, app in batch.items()))
        for (name, _), late in watch_them_end(kind, ends, list(batch), len(batch)).items():
            late_ms[batch[name]].append(late)
        click.echo(f"  {first + len(batch)} of {len(kinds)} jobs")
    return late_ms


def stop_all_at_once(kind: Kind, ends: Ends, app: str) -> list[float]:
    """Let jobs of one wallet run out of credits at the same instant."""
    name = f"together-{next(_numbers)}"
    kind.apply(*workspace(name, AT_A_TIME * 2 * LASTS_SECONDS * SECOND_COSTS))
    kind.apply(*(job(name, app, PRICE, name=str(number)) for number in range(AT_A_TIME)))
    return list(watch_them_end(kind, ends, [name], AT_A_TIME).values())


# Bare pods, deleted by hand


def bare_pod(name: str, command: Sequence[str]) -> dict[str, object]:
    """Return a pod like a job's, but nobody's."""
    container = {"name": "main", "image": APPLICATION_IMAGE, "command": command}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def delete_by_hand(kind: Kind, ends: Ends, app: str) -> list[float]:
    """Delete pods one after the other, and return how long each of their containers lived on."""
    names = [f"bare-{next(_numbers)}" for _ in range(AT_A_TIME)]
    kind.apply(*(bare_pod(name, COMMANDS[app]) for name in names))
    kind.kubectl("wait", *(f"pod/{name}" for name in names), "--for=condition=Ready", "--timeout=120s")
    identifier = "--output=jsonpath={.status.containerStatuses[0].containerID}"
    known = {name: kind.kubectl("get", "pod", name, identifier).partition("://")[2] for name in names}
    lived_ms = []
    with kind.proxy() as delete:
        for name, container in known.items():
            asked_ms = time.time() * 1000
            delete(f"/api/v1/namespaces/default/pods/{name}")
            lived_ms.append(ends.wait(container, 30) - asked_ms)
    return lived_ms


# What the operator takes


def finish_many_jobs(kind: Kind) -> None:
    """Let jobs end for want of credits: nothing of them runs, everything of them is kept."""
    kind.apply(*workspace("finished", 1))
    kind.apply(*(job("finished", HEEDING, PRICE, name=str(number)) for number in range(FINISHED)))

    def over() -> bool:
        found = [each for (namespace, _), each in all_jobs(kind).items() if namespace == "finished"]
        return len(found) == FINISHED and all(each.is_final for each in found)

    eventually(over, within_seconds=300)


def cpu_seconds(kind: Kind, pod: str) -> float:
    """Return what a replica has used, by its own metrics."""
    path = f"/api/v1/namespaces/{SYSTEM}/pods/{pod}:8080/proxy/metrics"
    found = re.search(r"^process_cpu_seconds_total (\S+)$", kind.kubectl("get", "--raw", path), re.MULTILINE)
    assert found
    return float(found[1])


def memory_mib(kind: Kind, pod: str) -> float:
    """Return a pod's working set, which is what its limit is compared with."""
    container = subprocess.run(
        ["docker", "exec", kind.nodes[0], "crictl", "stats", f"--label=io.kubernetes.pod.name={pod}", "--output=json"],
        capture_output=True,
        check=True,
        text=True,
    )
    found = re.search(r'"workingSetBytes":\s*{\s*"value":\s*"(\d+)"', container.stdout)
    assert found, container.stdout
    return int(found[1]) / 2**20


def idle(kind: Kind) -> Iterable[str]:
    """Return what each replica takes while nothing happens."""
    finish_many_jobs(kind)
    time.sleep(QUIET_SECONDS)
    leader = kind.leader()
    pods = kind.kubectl("get", "pods", f"--namespace={SYSTEM}", "--output=jsonpath={.items[*].metadata.name}").split()
    before = {pod: cpu_seconds(kind, pod) for pod in pods}
    time.sleep(WATCHED_SECONDS)
    for pod in pods:
        share = (cpu_seconds(kind, pod) - before[pod]) / WATCHED_SECONDS
        role = "leader" if pod == leader else "standby"
        yield f"{role}: {memory_mib(kind, pod):.0f} MiB (at most 128), {share:.1%} of a core (at most 5 %)"


def quick_to_start(kind: Kind) -> None:
    """Let jobs start that have credits for less than a minute."""
    kind.roll_out("set", "env", f"--namespace={SYSTEM}", DEPLOYMENT, "UCLOUD_RUN_MINIMUM_RUN_SECONDS=5")


@click.command(help=__doc__)
@click.option("--jobs", default=100, show_default=True, help="How many jobs of either kind end by themselves.")
def main(jobs: int) -> None:
    """Measure it all, and print it."""
    began = time.monotonic()
    with TemporaryDirectory() as folder, kind_cluster(Path(folder) / "kubeconfig") as kind:
        click.echo(f"{OPERATOR_IMAGE} has {image_mb(OPERATOR_IMAGE):.0f} MB")
        install(kind)
        begin_samples(kind)
        click.echo(f"from before `kind create cluster` until the first job ran: {time.monotonic() - began:.0f} s")
        quick_to_start(kind)
        kind.apply(product(PRICE, CPU_MILLIS), *(application(app, *command) for app, command in COMMANDS.items()))
        with listening(kind) as ends:
            by_hand = {app: delete_by_hand(kind, ends, app) for app in COMMANDS}
            together = {app: stop_all_at_once(kind, ends, app) for app in COMMANDS}
            alone = stop_each_by_itself(kind, ends, jobs)
        click.echo(HEADING)
        for app, bound_ms in BOUND_MS.items():
            click.echo(row(f"{app} SIGTERM, credits of its own", alone[app], bound_ms))
            click.echo(row(f"{app} SIGTERM, {AT_A_TIME} at the same instant", together[app]))
            click.echo(row(f"{app} SIGTERM, a bare pod deleted by hand, one by one", by_hand[app]))
            ratio = median(alone[app]) / median(by_hand[app])
            click.echo(f"  where credits end it takes {ratio:.1f} times as long as by hand")
        click.echo(f"with {FINISHED} finished jobs, idle:")
        for line in idle(kind):
            click.echo(f"  {line}")


if __name__ == "__main__":
    main()
