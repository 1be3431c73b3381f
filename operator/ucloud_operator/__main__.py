"""The command `ucloud-operator`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from ucloud_operator.kube.objects import allow_depth
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "UCLOUD"})
def main() -> None:
    """Credit limits for compute jobs on Kubernetes."""
    allow_depth()


def _options(command: click.Command) -> click.Command:
    """Give the command an option for every setting."""
    for name, field in reversed(Settings.model_fields.items()):
        command.params.insert(
            0,
            click.Option(
                [f"--{name.replace('_', '-')}"],
                type=field.annotation,
                default=field.default,
                show_default=True,
                show_envvar=True,
                help=field.description,
            ),
        )
    return command


@main.command()
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--verbose", is_flag=True, help="say more")
def run(log_format: str, *, verbose: bool, **settings: str | int) -> None:
    """Run the operator, against KUBECONFIG or in the cluster that it is deployed in."""
    from ucloud_operator import handlers, logs  # noqa: PLC0415  # the other commands start in a fraction of its time

    try:
        chosen = Settings.model_validate(settings)
    except ValidationError as error:
        raise click.UsageError("; ".join(map(_sentence, error.errors()))) from error
    logs.configure(log_format, verbose=verbose)
    asyncio.run(handlers.run(chosen))


_options(run)


def _sentence(error: ErrorDetails) -> str:
    """Say what is wrong with a setting."""
    return " ".join((*map(str, error["loc"]), error["msg"].removeprefix("Value error, ")))


@main.command()
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default="crds", show_default=True)
def crds(output: Path) -> None:
    """Write the custom resource definitions."""
    from ucloud_operator.api.schema import write_crds  # noqa: PLC0415  # as above

    for path in write_crds(output):
        click.echo(path)


@main.command()
@click.option(
    "--namespace", default="ucloud-system", show_default=True, help="where the operator was, and its Lease is"
)
@click.option("--all", "everything", is_flag=True, help="also what nobody deletes: before the kinds are deleted")
def release(namespace: str, *, everything: bool) -> None:
    """Let go of what an operator that is gone for good holds: pods, jobs and wallets that are being deleted.

    What they had used and isn't in a statement is lost. Refused while one leads. Exits with 1 if anything stays.
    """
    from ucloud_operator import release as releasing  # noqa: PLC0415  # as above
    from ucloud_operator.kube.errors import ApiError  # noqa: PLC0415  # as above
    from ucloud_operator.kube.login import LoginError  # noqa: PLC0415  # as above

    async def let_go() -> bool:
        stays = False
        async for each, trouble in releasing.release(namespace, everything=everything):
            click.echo(f"{each} stays: {trouble}" if trouble else f"{each} released")
            stays |= bool(trouble)
        return stays

    try:
        stays = asyncio.run(let_go())
    except (ApiError, LoginError, releasing.StillLedError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(int(stays))


@main.command()
@click.option("--http-host", default="127.0.0.1", show_default=True, help="the address that it listens on, without TLS")
@click.option("--http-port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="the port of /metrics, which is for Prometheus and not for callers; 0: none",
)
@click.option(
    "--leave-seconds",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="how long it still answers when it is told to end, so that load balancers can turn away from it",
)
@click.option(
    "--minimum-run-seconds",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="as the operator's: a job for which the credits don't last so long is refused at once",
)
@click.option(
    "--root-namespace", default="root", show_default=True, help="the workspace that UCloud's clients are shown as Root"
)
@click.option(
    "--client-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=30,
    show_default=True,
    help="how long a client may take to send a request, and to take an answer",
)
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="how many there may be at once; more are refused",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--verbose", is_flag=True, help="say more")
def gateway(  # noqa: PLR0913  # its options
    *,
    http_host: str,
    http_port: int,
    metrics_port: int,
    leave_seconds: int,
    minimum_run_seconds: int,
    root_namespace: str,
    client_seconds: float,
    connections: int,
    log_format: str,
    verbose: bool,
) -> None:
    """Answer UCloud's HTTP calls, each with the rights of its caller; it has none of its own."""
    from ucloud_operator import logs  # noqa: PLC0415  # as above
    from ucloud_operator.kube.login import LoginError  # noqa: PLC0415  # as above

    try:
        import uvloop  # noqa: PLC0415  # an extra

        from ucloud_operator.gateway import app  # noqa: PLC0415  # the same
        from ucloud_operator.gateway.connection import Limits  # noqa: PLC0415  # the same
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}: pip install 'ucloud-operator[gateway]'") from error
    logs.configure(log_format, verbose=verbose)
    serving = app.Serving(
        host=http_host,
        port=http_port,
        metrics_port=metrics_port,
        leave_seconds=leave_seconds,
        limits=Limits(client_seconds, connections),
        logs_requests=verbose or log_format == "json",
    )
    try:
        uvloop.run(app.run(serving, minimum_run_seconds=minimum_run_seconds, root=root_namespace))
    except LoginError as error:
        raise click.ClickException(str(error)) from error


@main.group()
def ledger() -> None:
    """Look into the ledger: what would be, and whether what is adds up."""


@ledger.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def replay(file: str) -> None:
    """Play a scenario and print, per step, a JSON object with the state of every wallet; - reads standard input."""
    from ucloud_operator.ledger.replay import replay as play  # noqa: PLC0415  # as above

    try:
        with click.open_file(file, encoding="utf-8") as opened:
            scenario = json.load(opened)
        for line in play(scenario):
            click.echo(json.dumps(line))
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from error


@ledger.command()
@click.option("--json", "as_json", is_flag=True, help="print a JSON object per wallet")
@click.option(
    "--patience",
    default=15,
    show_default=True,
    help="how many seconds a difference must last: what a wallet says is a few seconds behind",
)
def audit(*, as_json: bool, patience: int) -> None:
    """Work out every wallet anew from its jobs and statements, and say what differs; exits with 1 if anything does."""
    from ucloud_operator import audit as auditing  # noqa: PLC0415  # as above
    from ucloud_operator.kube.client import Client  # noqa: PLC0415  # as above
    from ucloud_operator.kube.errors import ApiError  # noqa: PLC0415  # as above
    from ucloud_operator.kube.login import LoginError  # noqa: PLC0415  # as above

    async def look() -> tuple[auditing.Finding, ...]:
        async with Client() as client:
            return await auditing.audit(client, patience)

    try:
        findings = asyncio.run(look())
    except (ApiError, LoginError) as error:
        raise click.ClickException(str(error)) from error
    for finding in findings:
        click.echo(json.dumps(finding.as_json()) if as_json else str(finding))
    sys.exit(0 if all(finding.is_fine for finding in findings) else 1)


if __name__ == "__main__":
    sys.exit(main())
