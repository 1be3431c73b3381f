"""Objects as people write them, and a folder of them applied."""

import json
import re
from collections.abc import Iterable, Mapping

from devcluster import Cluster, DevclusterError
from tests.cluster.support import Manifest
from ucloud_operator.api import (
    Application,
    ComputeProduct,
    LedgerCheckpoint,
    Resource,
    UCloudJob,
    Wallet,
    WalletStatement,
)
from ucloud_operator.api.job import MAX_NAME_LENGTH

FIRST_HALF = {"id": "first", "quota": 1000, "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-07-01T00:00:00Z"}
SECOND_HALF = {**FIRST_HALF, "id": "second", "startDate": "2026-07-01T00:00:00Z", "endDate": "2027-01-01T00:00:00Z"}
HERE = {"namespace": "faculty", "name": "compute"}
THERE = {"namespace": "department", "name": "compute"}
UNNAMED = "unnamed"
CATEGORY = {"name": "compute", "provider": "example", "accountingFrequency": "PERIODIC_MINUTE"}
COVERED = {
    "quota": 1000,
    "treeUsage": 600,
    "allocations": [{**FIRST_HALF, "used": 600, "phase": "Active"}],
}
"""A group as it was last applied."""


def manifest(kind: type[Resource], name: str, spec: Mapping[str, object]) -> Manifest:
    """An object as a person writes it; what is None in `spec` isn't written."""
    return {
        "apiVersion": f"{kind.GROUP}/{kind.VERSION}",
        "kind": kind.__name__,
        "metadata": {"name": name},
        "spec": {field: value for field, value in spec.items() if value is not None},
    }


def wallet(**spec: object) -> Manifest:
    granted = {"allocationGroups": [{"allocations": [FIRST_HALF]}]}
    owner = {"type": "user", "username": "alice"}
    return manifest(Wallet, UNNAMED, {"owner": owner, "paysFor": CATEGORY, **granted, **spec})


def group(*allocations: Manifest, parent: Manifest | None = None) -> Manifest:
    return {"allocations": allocations} if parent is None else {"parent": parent, "allocations": allocations}


def granted(*allocations: Manifest) -> Manifest:
    """A root wallet with these allocations."""
    return wallet(allocationGroups=[group(*allocations)])


def job(name: str = UNNAMED, **spec: object) -> Manifest:
    application = {"name": "web", "version": "1.0.0"}
    product = {"id": "small", "category": "compute", "provider": "example"}
    return manifest(UCloudJob, name, {"application": application, "product": product, **spec})


def product(**spec: object) -> Manifest:
    machine = {"category": {"name": "compute", "provider": "example"}, "price": 50_000, "cpu": 1, "memoryInGigs": 1}
    return manifest(ComputeProduct, UNNAMED, {**machine, **spec})


def application(**spec: object) -> Manifest:
    return manifest(Application, UNNAMED, {"name": "web", "version": "1.0.0", "image": "web:1", **spec})


def line(number: int, **fields: object) -> Manifest:
    """A line of a statement, as long as they usually are."""
    return {
        "uid": f"5f2c1f0e-8d3a-4b6e-9c7d-{number:012}",
        "job": f"job-{number}",
        "createdBy": "alice@example.org",
        "product": "example-compute",
        "replicas": 2,
        "startedAt": "2026-11-24T08:00:00.123Z",
        "endedAt": "2026-11-24T09:00:00.123Z",
        "usage": 100,
        "reason": "OutOfCredits",
        **fields,
    }


def statement(*lines: Manifest, **spec: object) -> Manifest:
    whose = {"namespace": "lab", "name": "compute", "category": "compute", "provider": "example"}
    total = 100 * len(lines)
    what = {"wallet": whose, "month": "2026-11", "part": 1, "total": total, "lines": lines}
    return manifest(WalletStatement, UNNAMED, {**what, **spec})


def checkpointed(number: int) -> Manifest:
    """What a wallet had."""
    return {
        "uid": f"5f2c1f0e-8d3a-4b6e-9c7d-{number:012}",
        "namespace": "lab",
        "name": f"compute-{number}",
        "openingUsage": 0,
        "excess": 0,
        "groups": [COVERED, {**COVERED, "parent": HERE}],
    }


def checkpoint(*wallets: Manifest) -> Manifest:
    return manifest(LedgerCheckpoint, UNNAMED, {"at": "2026-11-24T08:00:00.123Z", "wallets": wallets})


def name_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])  # type: ignore[index]  # JSON has no types


def named(name: str, manifest: Manifest) -> Manifest:
    """The same under a name made from the test's, unless it has one that matters."""
    if name_of(manifest) != UNNAMED:
        return manifest
    return {**manifest, "metadata": {"name": re.sub("[^a-z0-9]+", "-", name.lower())[:MAX_NAME_LENGTH].strip("-")}}


def apply_all(cluster: Cluster, namespace: str, manifests: Iterable[Manifest], *, dry: bool = False) -> dict[str, str]:
    """Apply manifests in one go, like a folder; returns what is said about each that is refused, by its name.

    They are written one after another, not as a List: kubectl checks the items of a List by itself, before the API
    server can say anything.
    """
    stream = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    arguments = ["apply", f"--namespace={namespace}", "--filename=-", *(["--dry-run=server"] if dry else [])]
    try:
        cluster.kubectl(*arguments, stdin=stream)
    except DevclusterError as refused:
        _, *said = re.split(r'[\w.]+ "([^"]+)" is invalid: ', str(refused))
        return dict(zip(said[::2], said[1::2], strict=True))
    return {}
