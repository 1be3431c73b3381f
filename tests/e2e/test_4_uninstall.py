"""The last of all: everything is deleted while jobs run, in the order that docs/operations.md gives."""

from __future__ import annotations

from tests.e2e.cast import HEEDS, IGNORES, PLENTY, PRICE, application, is_running, job, product, workspace
from tests.e2e.kind import ROOT, Kind

AT_ONCE = "--timeout=60s"


def test_everything_can_be_deleted_while_jobs_run(kind: Kind) -> None:
    kind.apply(product(PRICE), application("heeds", *HEEDS), application("ignores", *IGNORES))
    kind.apply(*workspace("last-1", PLENTY), job("last-1", "heeds", PRICE, replicas=2))
    kind.apply(*workspace("last-2", PLENTY), job("last-2", "ignores", PRICE))
    for name in ("last-1", "last-2"):
        kind.awaited(name, is_running)
    kind.kubectl("delete", "ucloudjobs", "--all", "--all-namespaces", AT_ONCE)
    kind.kubectl("delete", "wallets", "--all", "--all-namespaces", AT_ONCE)
    kind.kubectl("delete", "--kustomize", str(ROOT / "manifests"), AT_ONCE)
    kind.kubectl("delete", "--filename", str(ROOT / "crds"), AT_ONCE)
    kind.kubectl("delete", "namespaces", "last-1", "last-2", AT_ONCE)
    assert "ucloud" not in kind.kubectl("get", "crds,namespaces,clusterroles,clusterrolebindings", "--output=name")
    assert "ucloud" not in kind.kubectl("get", "validatingadmissionpolicies,mutatingadmissionpolicies", "--output=name")
