"""What is read: stored objects, lines of `kubectl get`, explanations."""

import json
from pathlib import Path

import pytest

from devcluster import Cluster
from tests.cluster.crds.manifests import (
    COVERED,
    FIRST_HALF,
    apply_all,
    checkpoint,
    checkpointed,
    granted,
    job,
    line,
    name_of,
    named,
    statement,
    wallet,
)
from tests.cluster.support import Manifest
from ucloud_operator.api import LedgerCheckpoint, Resource, UCloudJob, Wallet, WalletStatement

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (Wallet, wallet()),
        (Wallet, granted({**FIRST_HALF, "grantedBy": "alice", "grantedAt": "2025-12-24T08:00:00.000Z"})),
        (UCloudJob, job(timeAllocation={"minutes": 5}, parameters={"any": {"thing": [1, "two"]}})),
        (UCloudJob, job(timeAllocation={"minutes": 5}, funding="Reserve", ttlSecondsAfterFinished=0)),
        (WalletStatement, statement()),
        (WalletStatement, statement(line(1), line(2, startedAt=None), closed=True, closing={"groups": [COVERED]})),
        (LedgerCheckpoint, checkpoint(checkpointed(1), checkpointed(2))),
    ],
    ids=["wallet", "granted wallet", "job", "job with a reservation", "new statement", "statement", "checkpoint"],
)
def test_what_is_stored_is_what_the_models_read(
    cluster: Cluster, workspace: str, request: pytest.FixtureRequest, kind: type[Resource], written: Manifest
) -> None:
    """The API server's defaults and the models' are the same, and nothing that was written is lost."""
    given = named(f"stored {request.node.callspec.id}", written)
    assert apply_all(cluster, workspace, [given]) == {}
    stored = json.loads(
        cluster.kubectl("get", f"--namespace={workspace}", kind.PLURAL, name_of(given), "--output=json")
    )
    as_written = kind.model_validate(written).model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    as_stored = kind.model_validate(stored).model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    assert as_stored == as_written
    assert stored["spec"].keys() == as_written.keys()


def test_the_samples_are_accepted_in_one_go(cluster: Cluster) -> None:
    said = cluster.kubectl("apply", f"--filename={SAMPLES}", "--output=name").split()
    cluster.kubectl("delete", f"--filename={SAMPLES}", "--wait=false")
    assert said == [
        *(f"namespace/{name}" for name in ("root", "sibling", "user")),
        "computeproduct.ucloud.dk/example-compute",
        "application.ucloud.dk/acme-web-application-1.0.0",
        *["wallet.ucloud.dk/example-compute"] * 3,
        "ucloudjob.ucloud.dk/62348",
    ]


def columns(cluster: Cluster, namespace: str, *what: str) -> list[tuple[str, str]]:
    """Head and cell of every column of the one line that `kubectl get` prints."""
    head, line = cluster.kubectl("get", f"--namespace={namespace}", *what).splitlines()
    begins = [place for place in range(len(head)) if head[place] != " " and (place == 0 or head[place - 1] == " ")]
    ends = [*begins[1:], None]
    return [(head[a:b].strip(), line[a:b].strip()) for a, b in zip(begins, ends, strict=True)]


def write_status(cluster: Cluster, namespace: str, what: str, status: Manifest) -> None:
    patch = json.dumps({"status": status})
    cluster.kubectl(
        "patch", f"--namespace={namespace}", what, "--subresource=status", "--type=merge", f"--patch={patch}"
    )


def test_a_wallets_line_says_how_long_it_lasts(cluster: Cluster, workspace: str) -> None:
    assert apply_all(cluster, workspace, [named("shown", wallet())]) == {}
    status = {
        "totalUsage": 499_000_000,
        "localUsage": 1,
        "quota": 500_000_000,
        "maxUsable": 100_000,
        "ratePerMinute": 50_000,
        "exhaustsAt": "2030-11-24T08:02:00.000Z",
        "locked": False,
        "reserved": 25_000,
    }
    write_status(cluster, workspace, "wal/shown", status)
    shown = columns(cluster, workspace, "wallets", "shown")
    assert [cell for cell in shown if cell[0] != "AGE"] == [
        ("NAME", "shown"),
        ("USAGE", "499000000"),
        ("QUOTA", "500000000"),
        ("USABLE", "100000"),
        ("RATE/MIN", "50000"),
        ("EXHAUSTS-AT", "2030-11-24T08:02:00.000Z"),
        ("LOCKED", "false"),
    ]
    assert columns(cluster, workspace, "wal", "shown", "--output=wide")[-3:] == [
        ("PRODUCT-CATEGORY", "compute"),
        ("OWNER", "alice"),
        ("RESERVED", "25000"),
    ]


def test_a_jobs_line_says_what_became_of_it(cluster: Cluster, workspace: str) -> None:
    assert apply_all(cluster, workspace, [job("shown", replicas=2)]) == {}
    status = {"state": "SUCCESS", "usage": 100_000, "reason": "OutOfCredits", "ratePerMinute": 0}
    write_status(cluster, workspace, "uj/shown", {**status, "expiresAt": "2030-11-24T08:02:00.000Z"})
    shown = columns(cluster, workspace, "ucloudjobs", "shown")
    assert [cell for cell in shown if cell[0] != "AGE"] == [
        ("NAME", "shown"),
        ("STATE", "SUCCESS"),
        ("PRODUCT", "small"),
        ("USAGE", "100000"),
        ("REASON", "OutOfCredits"),
    ]
    assert columns(cluster, workspace, "uj", "shown", "--output=wide")[-4:] == [
        ("REPLICAS", "2"),
        ("RATE", "0"),
        ("EXPIRES-AT", "2030-11-24T08:02:00.000Z"),
        ("FUNDING", "Stream"),
    ]


def test_a_statements_line_says_whose_it_is(cluster: Cluster, workspace: str) -> None:
    assert apply_all(cluster, workspace, [named("shown", statement(line(1)))]) == {}
    shown = columns(cluster, workspace, "wstm", "shown", "--output=wide")
    assert [cell for cell in shown if cell[0] != "AGE"] == [
        ("NAME", "shown"),
        ("NAMESPACE-OF", "lab"),
        ("WALLET", "compute"),
        ("MONTH", "2026-11"),
        ("TOTAL", "100"),
        ("CLOSED", "false"),
        ("PART", "1"),
        ("PRODUCT-CATEGORY", "compute"),
    ]


def test_a_checkpoints_line_says_of_when_it_is(cluster: Cluster, workspace: str) -> None:
    assert apply_all(cluster, workspace, [named("shown", checkpoint(checkpointed(1)))]) == {}
    assert ("AT", "2026-11-24T08:00:00.123Z") in columns(cluster, workspace, "lcp", "shown")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("wallet", "Credits for one product category of one workspace (this namespace)."),
        ("wal.spec.allocationGroups.allocations.quota", "How many credits, in the category's smallest unit"),
        ("wal.status.maxUsable", "so it can be less than quota minus usage"),
        ("uj.spec.timeAllocation", "How long the job may run in all"),
        ("uj.status.updates.status", "What happened, as a sentence."),
        ("uj.spec.funding", "so that it is certain to finish"),
        ("wal.spec.warnMinutes", "its people are warned, once each"),
        ("wstm.spec.lines.usage", "What it used, in the category's smallest unit."),
        ("lcp.spec.wallets.groups", "The allocation groups as last applied"),
        ("cprod.spec.price", "What one replica costs per accounting period"),
        ("capp.spec.image", "The container image"),
    ],
)
def test_explains(cluster: Cluster, what: str, sentence: str) -> None:
    said = " ".join(cluster.kubectl("explain", what, "--api-version=ucloud.dk/v1alpha1").split())
    assert sentence in said
