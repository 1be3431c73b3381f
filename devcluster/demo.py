"""`python -m devcluster demo`: the story, on a real API server, with the operator as it is.

A Kubernetes of its own is started, in a directory of its own, so that neither `make cluster` nor a test nor a second
demo is disturbed. The operator runs with the rights of its service account and no others; the job is created by a user
who may run jobs and nothing else. Whatever happens, nothing is left running: the cluster's guard sees to that even if
this process is killed, and the operator counts as one of the cluster's processes.
"""

import asyncio
import json
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from devcluster import OPERATOR, Cluster, DevclusterError
from devcluster.encore import converse
from devcluster.processes import Process, orphans
from devcluster.programs import find_programs
from devcluster.story import USER, Check, Manifest, Scene, Story
from devcluster.view import screen
from devcluster.witness import Witness
from ucloud_operator.gateway.render import render_job
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.login import from_kubeconfig

_FAST_PACE = 10
_PATIENCE_SECONDS = 30
_LOG_LINES = 25


def play(*, fast: bool) -> None:
    """Play the story; raises DevclusterError if it went otherwise than it should."""
    console = Console(highlight=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell in the background has us ignore it
    logging.getLogger("ucloud_operator").addHandler(logging.NullHandler())  # what matters is raised
    story = Story(pace=_FAST_PACE if fast else 1)
    console.print(f"[bold]Running out of compute credits[/], {'at ten times the price' if fast else 'as it is told'}")
    find_programs()  # building them shows its own progress, and isn't the time that a start takes
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="ucloud-demo-")), nodes=1)
    began = time.monotonic()
    try:
        with _kubernetes(console, cluster), _operator(console, cluster, story) as operator:
            beginning, end = asyncio.run(_tell(console, cluster, story, operator))
            _report(console, story, beginning, end)
            _tell_again(console, cluster)
    finally:
        left = ", ".join(map(str, orphans(cluster.state)))
        _done(console, f"everything is over; left running: {left or 'nothing'}", began)


async def _tell(console: Console, cluster: Cluster, story: Story, operator: Process) -> tuple[Scene, Scene]:
    """Put up the stage, let the user create the job, and show what happens until nothing more does."""
    async with Client(lambda: from_kubeconfig(str(cluster.kubeconfig))) as client, Witness(client) as witness:
        with _said(console, "the stage is set: three wallets, a product and an application"):
            await asyncio.to_thread(_apply, cluster, story.stage())
            await witness.sees(story.is_set, within_seconds=_PATIENCE_SECONDS)
            beginning = witness.scene()
        if not story.is_set(beginning):
            return beginning, beginning
        await asyncio.to_thread(_apply, cluster, [story.job()], f"--as={USER}")
        deadline = time.monotonic() + story.run_seconds + _PATIENCE_SECONDS
        with screen(console, story.run_seconds) as shown:
            while not story.is_over(scene := witness.scene()) and time.monotonic() < deadline:
                shown.show(scene, time.time_ns() // 1_000_000)
                _insist(operator)
                await asyncio.sleep(shown.seconds_per_frame)
            shown.show(scene, time.time_ns() // 1_000_000)
        return beginning, await witness.look_closely()


def _report(console: Console, story: Story, beginning: Scene, end: Scene) -> None:
    """Print the job as UCloud's API shows it, and whether everything was as promised."""
    if end.job is not None:
        console.print_json(json.dumps(render_job(end.job)))
    _show(console, story.checks(beginning, end))


def _show(console: Console, checks: Sequence[Check]) -> None:
    for check in checks:
        mark = "[green]✓[/]" if check.holds else "[red]✗[/]"
        console.print(f"{mark} {check.claim}: {check.seen}", soft_wrap=True)
    if not all(check.holds for check in checks):
        raise DevclusterError("The story went otherwise than it should.")


def _tell_again(console: Console, cluster: Cluster) -> None:
    """Let the user do the same by HTTP, with new wallets."""
    console.rule("the same by HTTP, at ten times the price", align="left")
    if shutil.which("curl") is None:
        console.print("there is no curl on the PATH: left out")
        return
    story = Story(pace=_FAST_PACE, wallet="again")
    with _said(console, "the stage is set anew"):
        cluster.kubectl("delete", "ucloudjobs,wallets", "--all", "--all-namespaces", "--timeout=60s")
        asyncio.run(_set(cluster, story))
    _show(console, list(converse(console, cluster, story)))


async def _set(cluster: Cluster, story: Story) -> None:
    """Put up the stage, and wait until the wallet has come to the numbers that the story begins with."""
    async with (
        Client(lambda: from_kubeconfig(str(cluster.kubeconfig))) as client,
        Witness(client, story.wallet) as witness,
    ):
        await asyncio.to_thread(_apply, cluster, story.stage())
        await witness.sees(story.is_set, within_seconds=_PATIENCE_SECONDS)


@contextmanager
def _kubernetes(console: Console, cluster: Cluster) -> Iterator[None]:
    began = time.monotonic()
    with cluster.running_meanwhile():
        _done(console, "a throw-away Kubernetes is up", began)
        yield


@contextmanager
def _operator(console: Console, cluster: Cluster, story: Story) -> Iterator[Process]:
    """Run the operator; where what it is needed for fails, show the end of its log."""
    operator = Process(cluster.state, "operator")
    minimum = min(story.minimum_run_seconds, Story(_FAST_PACE).minimum_run_seconds)  # it is told again, faster
    options = ["--http-host=127.0.0.1", "--http-port=0", f"--minimum-run-seconds={minimum}"]
    kubeconfig = f"KUBECONFIG={cluster.kubeconfig_of(OPERATOR)}"
    operator.start(["env", kubeconfig, sys.executable, "-m", "ucloud_operator", "run", *options])
    try:
        yield operator
    except BaseException:
        console.rule("the end of the operator's log", align="left")
        console.print(operator.last_words(_LOG_LINES) or "(it is empty)", markup=False, soft_wrap=True)
        console.rule()
        raise
    finally:
        operator.stop()


def _insist(operator: Process) -> None:
    if not operator.runs():
        raise DevclusterError("The operator has ended.")


def _apply(cluster: Cluster, manifests: list[Manifest], *options: str) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": manifests}
    cluster.kubectl("apply", "--filename=-", *options, stdin=json.dumps(items))


@contextmanager
def _said(console: Console, what: str) -> Iterator[None]:
    """Say what has been done, when it has been."""
    began = time.monotonic()
    yield
    _done(console, what, began)


def _done(console: Console, what: str, began: float) -> None:
    console.print(f"[dim]{time.monotonic() - began:5.1f} s  {what}[/]")
