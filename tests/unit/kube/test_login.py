from __future__ import annotations

# ruff: noqa: S105, S106  # the secrets are made up
import json
import ssl
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from ucloud_operator.kube import login as login_module
from ucloud_operator.kube.login import Credentials, LoginError, address, from_service_account, login

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))


def kubeconfig(folder: Path, user: dict[str, object], **cluster: object) -> str:
    path = folder / "kubeconfig"
    content = {
        "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(content))
    return str(path)


def service_account(folder: Path) -> Path:
    (folder / "token").write_text("mounted\n")
    (folder / "ca.crt").write_text("of the cluster\n")
    return folder


def test_a_kubeconfig_with_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, {"token": "t"}, **{"insecure-skip-tls-verify": True}))
    found = login()
    assert (found.server, found.scheme, found.token) == ("https://k8s.example:6443", "Bearer", "t")
    assert found.insecure
    assert found.ssl_context().verify_mode is ssl.CERT_NONE


def test_a_kubeconfig_with_a_user_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, {"username": "u", "password": "p"}))
    found = login()
    assert (found.scheme, found.token) == ("Basic", "dTpw")
    assert found.ssl_context().verify_mode is ssl.CERT_REQUIRED


def test_a_kubeconfig_with_a_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "fresh"}}
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    plugin.chmod(stat.S_IRWXU)
    user: dict[str, object] = {"exec": {"apiVersion": answer["apiVersion"], "command": str(plugin)}}
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, user))
    assert login().token == "fresh"


def test_certificates_proxy_and_name_are_taken_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ca.crt", "u.crt", "u.key"):
        (tmp_path / name).write_text("not a certificate")
    user: dict[str, object] = {"client-certificate": str(tmp_path / "u.crt"), "client-key": str(tmp_path / "u.key")}
    path = kubeconfig(
        tmp_path,
        user,
        **{
            "certificate-authority": str(tmp_path / "ca.crt"),
            "proxy-url": "http://proxy:3128",
            "tls-server-name": "kubernetes",
        },
    )
    monkeypatch.setenv("KUBECONFIG", path)
    found = login()
    assert found.ca_path == str(tmp_path / "ca.crt")
    assert (found.certificate_path, found.private_key_path) == (str(tmp_path / "u.crt"), str(tmp_path / "u.key"))
    assert (found.proxy_url, found.tls_server_name) == ("http://proxy:3128", "kubernetes")
    with pytest.raises(LoginError, match=r"ca\.crt"):
        found.ssl_context()


def test_in_a_pod_the_service_account_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    monkeypatch.setattr(login_module, "SERVICE_ACCOUNT", service_account(tmp_path))
    found = login()
    assert (found.server, found.token) == ("https://[fd00::1]:6443", "mounted")
    assert found.token_path == str(tmp_path / "token")


def test_a_kubeconfig_that_was_asked_for_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, {"token": "t"}))
    assert login().token == "t"


def test_a_pod_without_a_service_account_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="automountServiceAccountToken"):
        from_service_account(tmp_path)


def test_a_pod_that_shows_nothing_needs_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr(login_module, "SERVICE_ACCOUNT", tmp_path)
    with pytest.raises(LoginError, match=r"there is no .*ca\.crt"):
        address()
    service_account(tmp_path)
    assert address() == Credentials(server="https://10.0.0.1:443", ca_path=str(tmp_path / "ca.crt"))
    (tmp_path / "token").unlink()
    assert address() == Credentials(server="https://10.0.0.1:443", ca_path=str(tmp_path / "ca.crt"))


def test_of_a_kubeconfig_who_shows_nothing_takes_the_address_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("u.crt", "u.key"):
        (tmp_path / name).write_text("not a certificate")
    user: dict[str, object] = {
        "token": "t",
        "client-certificate": str(tmp_path / "u.crt"),
        "client-key": str(tmp_path / "u.key"),
    }
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, user, **{"proxy-url": "http://proxy:3128"}))
    assert login().token
    assert address() == Credentials(server="https://k8s.example:6443", proxy_url="http://proxy:3128")


def test_who_is_nowhere_is_told_what_to_set() -> None:
    with pytest.raises(LoginError, match="Set KUBECONFIG"):
        login()


def test_secrets_are_not_printed() -> None:
    assert "hush" not in repr(Credentials(server="https://k8s.example", token="hush"))


def test_an_image_without_the_package_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, {"token": "t"}))
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(LoginError, match="pip install kubernetes, or run this in a pod"):
        login()
