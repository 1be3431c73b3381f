"""The command line of each component, in the order in which they start.

A command names everything that the component depends on (the API server's names etcd's port, the others' the API
server's address), so a component has to be started anew exactly where its command has changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devcluster.ports import LOOPBACK
from devcluster.programs import Programs
from devcluster.users import CONTROLLER_MANAGER, KUBELETS, SCHEDULER, User, kubeconfig, token_file

KUBE_API_QPS = 500


@dataclass(frozen=True)
class Ports:
    """Where the components listen; the others need no port. 0: not chosen yet."""

    etcd: int = 0
    etcd_peers: int = 0
    api_server: int = 0


def server_url(ports: Ports) -> str:
    """The API server's address."""
    return f"https://{LOOPBACK}:{ports.api_server}"


def certificate(state: Path) -> Path:
    """The API server's own certificate, with the authority that signed it: what clients verify it by."""
    return state / "certificates" / "apiserver.crt"


def _signing_key(state: Path) -> Path:
    """What signs service account tokens: the key that the API server makes for its own certificate."""
    return state / "certificates" / "apiserver.key"


def etcd(programs: Programs, state: Path, ports: Ports) -> list[str]:
    """Storage. It may lose its last second when the machine crashes: it is thrown away anyway."""
    clients, peers = f"http://{LOOPBACK}:{ports.etcd}", f"http://{LOOPBACK}:{ports.etcd_peers}"
    return [
        str(programs.etcd),
        f"--data-dir={state / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
        "--quota-backend-bytes=8589934592",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=5m",
        "--log-level=warn",
    ]


def api_server(programs: Programs, state: Path, ports: Ports) -> list[str]:
    """The API server: defaults, but for what keeps it on this machine."""
    return [
        str(programs.api_server),
        f"--etcd-servers=http://{LOOPBACK}:{ports.etcd}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={ports.api_server}",
        f"--cert-dir={certificate(state).parent}",
        "--endpoint-reconciler-type=none",  # a loopback address can't be an endpoint
        "--authorization-mode=RBAC",
        f"--token-auth-file={token_file(state)}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={_signing_key(state)}",
        f"--service-account-signing-key-file={_signing_key(state)}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--profiling=false",
    ]


def clients(programs: Programs, state: Path, ports: Ports, stages: Path) -> Iterator[tuple[str, list[str]]]:
    """Everything that works through the API server, each with an identity and the rights that it has elsewhere."""

    def login(user: User) -> list[str]:
        """`--master` repeats what the kubeconfig says: see above."""
        return [f"--kubeconfig={kubeconfig(state, user)}", f"--master={server_url(ports)}"]

    quick = [f"--kube-api-qps={KUBE_API_QPS}", f"--kube-api-burst={2 * KUBE_API_QPS}"]
    alone = ["--leader-elect=false", "--secure-port=0"]
    yield (
        "controller-manager",
        [
            str(programs.controller_manager),
            *login(CONTROLLER_MANAGER),
            *quick,
            *alone,
            "--use-service-account-credentials",  # policies know the garbage collector by its name
            f"--service-account-private-key-file={_signing_key(state)}",
            f"--root-ca-file={certificate(state)}",
        ],
    )
    yield "scheduler", [str(programs.scheduler), *login(SCHEDULER), *quick, *alone]
    yield (
        "kwok",  # sets itself no limit of requests
        [
            str(programs.kwok),
            *login(KUBELETS),
            f"--config={stages}",
            "--manage-nodes-with-label-selector=type=kwok",
            "--node-lease-duration-seconds=40",
            f"--node-ip={LOOPBACK}",
            "--cidr=10.244.0.0/16",
        ],
    )
