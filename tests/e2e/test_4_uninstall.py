"""The last of all: everything is deleted while jobs run, by the commands that docs/uninstall.md gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.cast import HEEDS, IGNORES, PLENTY, PRICE, application, is_running, job, product, workspace
from tests.e2e.pages import commands, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.kind import Kind


def test_everything_can_be_deleted_while_jobs_run(kind: Kind, tmp_path: Path) -> None:
    kind.apply(product(PRICE), application("heeds", *HEEDS), application("ignores", *IGNORES))
    kind.apply(*workspace("last-1", PLENTY), job("last-1", "heeds", PRICE, replicas=2))
    kind.apply(*workspace("last-2", PLENTY), job("last-2", "ignores", PRICE))
    for name in ("last-1", "last-2"):
        kind.awaited(name, is_running)
    *deleting, of_the_kinds, of_the_policies = commands("uninstall.md", "Everything, in this order", but_for="helm")
    for line in deleting:
        run(kind, line, tmp_path)
    assert "last-1" in (tmp_path / "statements.yaml").read_text()
    assert run(kind, of_the_kinds, tmp_path) == run(kind, of_the_policies, tmp_path) == ""
    kind.kubectl("delete", "namespaces", "last-1", "last-2", "--timeout=60s")
