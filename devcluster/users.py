"""Who can log in, and how: a static token file for the API server, and a kubeconfig per user."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

OPERATOR_NAMESPACE = "ucloud-system"
OPERATOR_ACCOUNT = "ucloud-operator"


@dataclass(frozen=True)
class User:
    """Somebody the API server knows; `name` is also that of the kubeconfig."""

    name: str
    username: str
    groups: tuple[str, ...]


ADMIN = User("admin", "admin", ("system:masters",))
ALICE = User("alice", "alice", ("researchers",))
BOB = User("bob", "bob", ("researchers",))
EXAMPLE = User("user", "user", ("researchers",))
"""The one of UCloud's documentation, whose workspace `manifests/samples` puts up."""

OPERATOR = User(
    "operator",
    f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}",
    ("system:serviceaccounts", f"system:serviceaccounts:{OPERATOR_NAMESPACE}"),
)
"""The operator's service account, without the detour over a token that runs out."""

CONTROLLER_MANAGER = User("controller-manager", "system:kube-controller-manager", ())
SCHEDULER = User("scheduler", "system:kube-scheduler", ())
KUBELETS = User("kubelets", "system:node:kwok", ("system:nodes",))
"""KWOK plays all nodes, so unlike a kubelet it may write to every node's pods: `kwok/role.yaml` says what it may do."""

USERS = (ADMIN, ALICE, BOB, EXAMPLE, OPERATOR, CONTROLLER_MANAGER, SCHEDULER, KUBELETS)


def token_file(state: Path) -> Path:
    """The API server's list of tokens; written once for these users, so that tokens survive a repair."""
    path = state / f"tokens-{hashlib.sha256(repr(USERS).encode()).hexdigest()[:12]}.csv"
    if not path.exists():
        _write_private(path, "".join(f"{_new_line(user)}\n" for user in USERS))
    return path


def token(state: Path, user: User) -> str:
    """The secret that a user logs in with."""
    for line in token_file(state).read_text().splitlines():
        secret, username, _ = line.split(",", 2)
        if username == user.username:
            return secret
    raise KeyError(user.name)


def write_kubeconfigs(state: Path, server: str, authority: Path) -> None:
    """Write `kubeconfig` for the admin and `kubeconfig-<user>` for each."""
    for user in USERS:
        _write_private(kubeconfig(state, user), _kubeconfig_text(state, user, server, authority))


def kubeconfig(state: Path, user: User) -> Path:
    """Where a user's kubeconfig is."""
    return state / ("kubeconfig" if user == ADMIN else f"kubeconfig-{user.name}")


def _new_line(user: User) -> str:
    groups = ",".join(user.groups)
    return f'{secrets.token_hex(16)},{user.username},{user.name},"{groups}"'


def _kubeconfig_text(state: Path, user: User, server: str, authority: Path) -> str:
    name = "devcluster"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": user.name, "user": {"token": token(state, user)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user.name, "namespace": "default"}}],
        "current-context": name,
    }
    return json.dumps(content, indent=2) + "\n"  # JSON is YAML


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
