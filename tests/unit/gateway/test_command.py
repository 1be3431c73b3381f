"""The command that starts the gateway."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ucloud_operator.__main__ import main
from ucloud_operator.gateway import app
from ucloud_operator.kube.login import Credentials


def test_where_nothing_says_where_the_api_server_is_it_says_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("ucloud_operator.logs.configure", lambda *_, **__: None)  # it would be everybody's
    done = CliRunner().invoke(main, ["gateway"])
    assert done.exit_code == 1
    assert "No way to an API server" in done.output


def test_of_its_own_login_it_takes_where_the_api_server_is_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    address = Credentials(server="https://api", ca_path="ca.crt", proxy_url="http://proxy", tls_server_name="api")
    ours = replace(address, token="ours", token_path="t", certificate_path="c", private_key_path="k", acting_as="admin")  # noqa: S106  # made up
    monkeypatch.setattr(app, "login", lambda: ours)
    assert app.nobody() == address
