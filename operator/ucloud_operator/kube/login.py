"""Who we are to the API server, and where it is.

In a cluster that is the service account's mounted files: read here directly, because loading the `kubernetes` package
costs 40 MB and half a second. Anywhere else a kubeconfig says it, and that package reads it: contexts, inline and
linked certificates, exec plugins. Both are plain blocking functions (a plugin may open a browser): call them in a
thread. Who has no rights of its own asks for the `address` alone, and in a pod needs no token for that.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class LoginError(Exception):
    """Nothing here says how to reach an API server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where the API server is and what we show it. Never printed: `repr` leaves the secrets out."""

    server: str
    ca_path: str | None = None
    insecure: bool = False
    scheme: str = "Bearer"
    token: str | None = field(default=None, repr=False)
    token_path: str | None = None
    """Where the token comes from, if it is a file: the kubelet replaces its content before it expires."""
    certificate_path: str | None = None
    private_key_path: str | None = None
    proxy_url: str | None = None
    tls_server_name: str | None = None
    acting_as: str | None = None
    """Whom to be for the API server, which lets those impersonate others that may."""

    def ssl_context(self) -> ssl.SSLContext:
        """Return what a TLS connection with these credentials needs (reads the files)."""
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
            if self.certificate_path:
                context.load_cert_chain(self.certificate_path, self.private_key_path)
        except OSError as error:  # what ssl raises is one, too
            paths = ", ".join(path for path in (self.ca_path, self.certificate_path, self.private_key_path) if path)
            raise LoginError(f"The certificates for {self.server} can't be used ({paths}): {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


Login: TypeAlias = Callable[[], Credentials]


def login() -> Credentials:
    """Take KUBECONFIG if it is set, else the service account if we run in a pod, else the user's own kubeconfig."""
    if _in_a_pod():
        return from_service_account(SERVICE_ACCOUNT)
    return from_kubeconfig(os.environ.get("KUBECONFIG") or None)


def address() -> Credentials:
    """Return where the API server is, found as `login` finds it, and nothing that it would know us by."""
    if _in_a_pod():
        return _in_cluster(SERVICE_ACCOUNT)
    return replace(
        from_kubeconfig(os.environ.get("KUBECONFIG") or None),
        token=None,
        token_path=None,
        certificate_path=None,
        private_key_path=None,
        acting_as=None,
    )


def _in_a_pod() -> bool:
    return not os.environ.get("KUBECONFIG") and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def _in_cluster(folder: Path) -> Credentials:
    """Return the address that every pod is told by its environment."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if ":" in host:
        host = f"[{host}]"
    ca_path = folder / "ca.crt"
    if not ca_path.exists():
        raise LoginError(f"This pod can't know the API server by its certificate: there is no {ca_path}.")
    return Credentials(server=f"https://{host}:{port}", ca_path=str(ca_path))


def from_service_account(folder: Path) -> Credentials:
    """Read what the kubelet mounted for our service account."""
    token_path = folder / "token"
    try:
        token = token_path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise LoginError(
            f"This pod has no service account token: {error}. Is automountServiceAccountToken off?"
        ) from error
    return replace(_in_cluster(folder), token=token, token_path=str(token_path))


def from_kubeconfig(path: str | None = None) -> Credentials:
    """Read a kubeconfig's current context, by default the user's own; run its exec plugin if it names one."""
    try:  # not in a pod, where it is not needed, for what it costs; our image doesn't even have it
        import kubernetes.client  # noqa: PLC0415
        import kubernetes.config  # noqa: PLC0415
    except ImportError as error:
        raise LoginError(
            f"A kubeconfig is read by the Python package kubernetes, which isn't here ({error}): "
            "pip install kubernetes, or run this in a pod, where no kubeconfig is needed."
        ) from error

    config = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=path,
            client_configuration=config,
            persist_config=False,
        )
    except (kubernetes.config.ConfigException, OSError) as error:
        said = str(error).rstrip(".")
        raise LoginError(f"No way to an API server: {said}. Set KUBECONFIG to the path of a kubeconfig.") from error
    # A token, and a user name with its password too, arrive here as the whole header.
    scheme, _, token = (config.get_api_key_with_prefix("BearerToken") or "").partition(" ")
    return Credentials(
        server=config.host.rstrip("/"),
        ca_path=config.ssl_ca_cert,
        insecure=not config.verify_ssl,
        scheme=scheme or "Bearer",
        token=token.strip() or None,
        certificate_path=config.cert_file,
        private_key_path=config.key_file,
        proxy_url=config.proxy,
        tls_server_name=config.tls_server_name,
    )
