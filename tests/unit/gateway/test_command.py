"""The command that starts the gateway."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ucloud_operator.__main__ import main


def test_where_nothing_says_where_the_api_server_is_it_says_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("ucloud_operator.logs.configure", lambda *_, **__: None)  # it would be everybody's
    monkeypatch.setattr("ucloud_operator.__main__.allow_depth", lambda: None)  # as above
    done = CliRunner().invoke(main, ["gateway"])
    assert done.exit_code == 1
    assert "No way to an API server" in done.output
