"""The command line: `python -m devcluster up`, `down`, `status`, `kubectl`, `demo`."""

import os
import shlex
import sys
from pathlib import Path

import click

from devcluster import Cluster, DevclusterError

_CHECKOUT = Path(__file__).parent.parent


class _Commands(click.Group):
    """A group whose commands print what a person can mend as one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except DevclusterError as problem:
            raise click.ClickException(str(problem)) from problem


_state = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=_CHECKOUT / ".devcluster",
    show_default="the checkout's .devcluster",
    help="Where the cluster keeps its files; another directory is another cluster.",
)


@click.group(cls=_Commands)
def main() -> None:
    """Run a throw-away Kubernetes on this machine."""


@main.command()
@_state
@click.option("--nodes", default=2, show_default=True, help="How many nodes KWOK plays.")
@click.option("--bare", is_flag=True, help="Without our kinds, policies and roles.")
def up(state: Path, nodes: int, *, bare: bool) -> None:
    """Start it, or mend it; the last line printed is the one to evaluate in a shell."""
    cluster = Cluster(state, nodes=nodes)
    cluster.start(bare=bare)
    print(f"# kubectl: {cluster.programs.kubectl}")
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")


@main.command()
@_state
def down(state: Path) -> None:
    """Stop it and leave nothing behind."""
    Cluster(state).stop()


@main.command()
@_state
def status(state: Path) -> None:
    """Say which components run; fails unless all do."""
    running = Cluster(state).running()
    for name, runs in running.items():
        print(f"{name}: {'running' if runs else 'not running'}")
    sys.exit(0 if all(running.values()) else 1)


@main.command(context_settings={"ignore_unknown_options": True})
@_state
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(state: Path, arguments: tuple[str, ...]) -> None:
    """Run the kubectl that was built, as the admin."""
    cluster = Cluster(state)
    program = str(cluster.programs.kubectl)
    os.execve(program, [program, *arguments], os.environ | {"KUBECONFIG": str(cluster.kubeconfig)})  # noqa: S606  # that is all it does


@main.command()
@click.option("--fast", is_flag=True, help="At ten times the price: twelve seconds instead of two minutes.")
def demo(*, fast: bool) -> None:
    """Play the story of a wallet that runs dry, on a cluster of its own."""
    from devcluster.demo import play  # noqa: PLC0415  # the other commands need neither the operator nor rich

    play(fast=fast)


@main.command(hidden=True)
@_state
def guard(state: Path) -> None:
    """Wait until whoever started this has ended, then stop the cluster."""
    sys.stdin.read()
    Cluster(state).stop()


if __name__ == "__main__":
    main()
