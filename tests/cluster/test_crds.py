"""The CRDs before the real judge: what an API server accepts, what it refuses, and in which words."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from devcluster import OPERATOR, Cluster, DevclusterError
from tests.cluster.support import Manifest, eventually
from ucloud_operator.api import Application, ComputeProduct, Resource, UCloudJob, Wallet
from ucloud_operator.api.job import MAX_NAME_LENGTH

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"

FIRST_HALF = {"id": "first", "quota": 1000, "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-07-01T00:00:00Z"}
SECOND_HALF = {**FIRST_HALF, "id": "second", "startDate": "2026-07-01T00:00:00Z", "endDate": "2027-01-01T00:00:00Z"}
HERE = {"namespace": "faculty", "name": "compute"}
THERE = {"namespace": "department", "name": "compute"}
UNNAMED = "unnamed"
CATEGORY = {"name": "compute", "provider": "example", "accountingFrequency": "PERIODIC_MINUTE"}


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


# Each line: what is written, where the API server says the mistake is, and what it says about it.
NEW_OBJECTS = {
    "a negative quota": (
        granted({**FIRST_HALF, "quota": -1}),
        "spec.allocationGroups[0].allocations[0].quota: Invalid value: -1",
        "should be greater than or equal to 0",
    ),
    "half a unit": (
        granted({**FIRST_HALF, "quota": 0.5}),
        "spec.allocationGroups[0].allocations[0].quota",
        "must be of type int64",
    ),
    "a quota that is a little too large": (
        granted({**FIRST_HALF, "quota": 9 * 10**18 + 1}),
        "spec.allocationGroups[0].allocations[0].quota: Invalid value: 9000000000000000001",
        "should be less than or equal to 9000000000000000000",
    ),
    "a quota that no 64 bits hold": (
        granted({**FIRST_HALF, "quota": 10**20}),
        "spec.allocationGroups[0].allocations[0].quota",
        "should be less than or equal to 9e+18",
    ),
    "negative opening usage": (
        wallet(openingUsage=-5),
        "spec.openingUsage: Invalid value: -5",
        "should be greater than or equal to 0",
    ),
    "an allocation that ends before it starts": (
        granted({**FIRST_HALF, "endDate": "2025-12-31T23:59:59Z"}),
        "spec.allocationGroups[0].allocations[0].endDate",
        "endDate must be later than startDate, which is 2026-01-01T00:00:00Z",
    ),
    "an allocation that ends as it starts, in another zone": (
        granted({**FIRST_HALF, "endDate": "2026-01-01T01:00:00+01:00"}),
        "spec.allocationGroups[0].allocations[0].endDate",
        "endDate must be later than startDate, which is 2026-01-01T00:00:00Z",
    ),
    "a time in lower case": (
        granted({**FIRST_HALF, "startDate": "2026-01-01t00:00:00z"}),
        'spec.allocationGroups[0].allocations[0].startDate: Invalid value: "2026-01-01t00:00:00z"',
        "with T and Z in upper case, such as 2026-11-24T08:00:00Z",
    ),
    "a day without a time": (
        granted({**FIRST_HALF, "endDate": "2026-12-31"}),
        'spec.allocationGroups[0].allocations[0].endDate: Invalid value: "2026-12-31"',
        "write an RFC 3339 time with a zone",
    ),
    "a day that does not exist": (
        granted({**FIRST_HALF, "endDate": "2026-02-30T00:00:00Z"}),
        "spec.allocationGroups[0].allocations[0]",
        "endDate must be later than startDate",
    ),
    "two allocations with one id": (
        granted(FIRST_HALF, {**SECOND_HALF, "id": "first"}),
        "spec.allocationGroups[0].allocations[1]",
        'Duplicate value: {"id":"first"}',
    ),
    "two groups for one parent": (
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE), group(SECOND_HALF, parent=HERE)]),
        "spec.allocationGroups",
        "two groups have the same parent (or none): put their allocations into one group",
    ),
    "two groups without a parent": (
        wallet(allocationGroups=[group(FIRST_HALF), group(SECOND_HALF)]),
        "spec.allocationGroups",
        "two groups have the same parent (or none): put their allocations into one group",
    ),
    "more than 64 allocations": (
        granted(*({**FIRST_HALF, "id": f"a-{number}"} for number in range(65))),
        "spec.allocationGroups[0].allocations",
        "must have at most 64 items",
    ),
    "more than 32 groups": (
        wallet(
            allocationGroups=[group(parent={"namespace": f"n-{number}", "name": "compute"}) for number in range(33)]
        ),
        "spec.allocationGroups",
        "must have at most 32 items",
    ),
    "a frequency that does not exist": (
        wallet(paysFor={**CATEGORY, "accountingFrequency": "PERIODIC_WEEK"}),
        "spec.paysFor.accountingFrequency",
        'Unsupported value: "PERIODIC_WEEK": supported values: "PERIODIC_MINUTE", "PERIODIC_HOUR", "PERIODIC_DAY"',
    ),
    "a frequency for storage": (
        wallet(paysFor={**CATEGORY, "accountingFrequency": "ONCE"}),
        "spec.paysFor.accountingFrequency",
        'Unsupported value: "ONCE"',
    ),
    "an owner without a name": (
        wallet(owner={"type": "project", "username": "alice"}),
        "spec.owner",
        "one of type project needs a projectId",
    ),
    "no replicas": (
        job(replicas=0),
        "spec.replicas: Invalid value: 0",
        "should be greater than or equal to 1",
    ),
    "more than 1,000 replicas": (
        job(replicas=1001),
        "spec.replicas: Invalid value: 1001",
        "should be less than or equal to 1000",
    ),
    "a time allocation of nothing": (
        job(timeAllocation={}),
        "spec.timeAllocation",
        "a timeAllocation must be longer than zero, such as {hours: 1}; leave it out for a job without a limit",
    ),
    "a time allocation of less than nothing": (
        job(timeAllocation={"hours": 1, "minutes": -90}),
        "spec.timeAllocation.minutes: Invalid value: -90",
        "should be greater than or equal to 0",
    ),
    "a time allocation of half an hour": (
        job(timeAllocation={"hours": 0.5}),
        "spec.timeAllocation.hours",
        "must be of type int64",
    ),
    "a grace period of an hour": (
        job(terminationGracePeriodSeconds=3600),
        "spec.terminationGracePeriodSeconds: Invalid value: 3600",
        "should be less than or equal to 300",
    ),
    "a job's name with a dot": (job("my.job"), "a job's name must have at most 45 characters", "such as my-job-1"),
    "a job's name of 46 characters": (
        job("j" * 46),
        "a job's name must have at most 45 characters",
        "because its pods are named after it",
    ),
    "a job without a product": (
        job(product=None),
        "spec.product",
        "Required value",
    ),
    "a negative price": (
        product(price=-1),
        "spec.price: Invalid value: -1",
        "should be greater than or equal to 0",
    ),
    "no cores": (product(cpu=0), "spec.cpu: Invalid value: 0", "should be greater than or equal to 1"),
    "less than no thousandth of a core": (
        product(cpu=None, cpuMillis=-500),
        "spec.cpuMillis: Invalid value: -500",
        "should be greater than or equal to 1",
    ),
    "half a core": (product(cpu=0.5), "spec.cpu", "must be of type int64"),
    "nothing about cores": (
        product(cpu=None),
        "spec",
        "write either cpu (whole cores, such as 4) or cpuMillis (thousandths of a core, such as 500)",
    ),
    "no memory": (
        product(memoryInGigs=0),
        "spec.memoryInGigs: Invalid value: 0",
        "should be greater than or equal to 1",
    ),
    "a toleration of nothing": (
        product(tolerations=[{"value": "x"}]),
        "spec.tolerations[0]",
        "a toleration without a key needs the operator Exists",
    ),
    "an application that runs as root": (
        application(runAsUser=0),
        "spec.runAsUser: Invalid value: 0",
        "should be greater than or equal to 1",
    ),
}

ANOTHER_JOB = "create another job instead"

# Each line: what there is, what somebody makes of it, where the mistake is, and what is said about it.
CHANGES = {
    "what a wallet pays for": (
        wallet(),
        wallet(paysFor={**CATEGORY, "name": "storage"}),
        "spec.paysFor",
        "paysFor can't be changed: for another category, or other terms, create another wallet",
    ),
    "the frequency": (
        wallet(),
        wallet(paysFor={**CATEGORY, "accountingFrequency": "PERIODIC_DAY"}),
        "spec.paysFor",
        "paysFor can't be changed",
    ),
    "a group's parent": (
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE)]),
        wallet(allocationGroups=[group(FIRST_HALF, parent=THERE)]),
        "spec.allocationGroups",
        "a group's parent can't be changed",
    ),
    "a group's parent's namespace alone, while allocations change too": (
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE), group(SECOND_HALF)]),
        wallet(
            allocationGroups=[group(SECOND_HALF), group(SECOND_HALF, FIRST_HALF, parent={**HERE, "namespace": "x"})]
        ),
        "spec.allocationGroups",
        "a group's parent can't be changed",
    ),
    "a child into a root": (
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE)]),
        granted(FIRST_HALF),
        "spec.allocationGroups",
        "add a group with new allocations (and new ids) for the other parent",
    ),
    "a root into a child": (
        granted(FIRST_HALF),
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE)]),
        "spec.allocationGroups",
        "a group's parent can't be changed",
    ),
    "less opening usage": (
        wallet(openingUsage=5),
        wallet(openingUsage=4),
        "spec.openingUsage",
        "openingUsage may only grow: write what it was, or more",
    ),
    "no more opening usage": (wallet(openingUsage=5), wallet(), "spec.openingUsage", "openingUsage may only grow"),
    "another application": (
        job(),
        job(application={"name": "web", "version": "2.0.0"}),
        "spec.application",
        f"application can't be changed: {ANOTHER_JOB}",
    ),
    "another product": (
        job(),
        job(product={"id": "large", "category": "compute", "provider": "example"}),
        "spec.product",
        f"product can't be changed: {ANOTHER_JOB}",
    ),
    "more replicas": (job(), job(replicas=2), "spec.replicas", f"replicas can't be changed: {ANOTHER_JOB}"),
    "another parameter": (
        job(parameters={"depth": {"type": "integer", "value": 1}}),
        job(parameters={"depth": {"type": "integer", "value": 2}}),
        "spec.parameters",
        f"parameters can't be changed, added or removed: {ANOTHER_JOB}",
    ),
    "first parameters": (job(), job(parameters={"depth": 1}), "spec.parameters", "parameters can't be changed"),
    "another folder": (
        job(resources=[{"type": "file", "path": "/1"}]),
        job(resources=[{"type": "file", "path": "/2"}]),
        "spec.resources",
        "resources can't be changed",
    ),
    "no folder any more": (job(resources=[{"path": "/1"}]), job(), "spec.resources", "resources can't be changed"),
    "another file": (job(openedFile="/1"), job(openedFile="/2"), "spec.openedFile", "openedFile can't be changed"),
    "a restart": (job(), job(restartOnExit=True), "spec.restartOnExit", "restartOnExit can't be changed"),
    "SSH": (job(sshEnabled=False), job(sshEnabled=True), "spec.sshEnabled", "sshEnabled can't be changed"),
    "duplicates": (
        job(),
        job(allowDuplicateJob=True),
        "spec.allowDuplicateJob",
        f"allowDuplicateJob can't be changed: {ANOTHER_JOB}",
    ),
    "a longer grace": (
        job(),
        job(terminationGracePeriodSeconds=30),
        "spec.terminationGracePeriodSeconds",
        f"terminationGracePeriodSeconds can't be changed: {ANOTHER_JOB}",
    ),
    "a time allocation where there was none": (
        job(),
        job(timeAllocation={"hours": 1}),
        "spec.timeAllocation",
        f"a timeAllocation can only be raised, not added to a job or removed from it: {ANOTHER_JOB}",
    ),
    "no time allocation any more": (
        job(timeAllocation={"hours": 1}),
        job(),
        "spec.timeAllocation",
        "a timeAllocation can only be raised, not added to a job or removed from it",
    ),
    "a shorter time allocation": (
        job(timeAllocation={"hours": 1}),
        job(timeAllocation={"minutes": 59, "seconds": 59}),
        "spec.timeAllocation",
        "a timeAllocation can only be raised: write what it was, or more",
    ),
    "an end that is taken back": (
        job(terminate=True),
        job(terminate=False),
        "spec.terminate",
        "terminate can't be taken back: to run it again, create another job",
    ),
}

GOOD_CHANGES = {
    "a top-up": (granted(FIRST_HALF), granted({**FIRST_HALF, "quota": 2000}, SECOND_HALF)),
    "a cut": (granted(FIRST_HALF, SECOND_HALF), granted({**FIRST_HALF, "quota": 0})),
    "a second parent": (
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE)]),
        wallet(allocationGroups=[group(FIRST_HALF, parent=THERE), group(FIRST_HALF, parent=HERE)]),
    ),
    "one parent less": (
        wallet(allocationGroups=[group(FIRST_HALF), group(FIRST_HALF, parent=HERE)]),
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE)]),
    ),
    "another parent with new allocations": (
        wallet(allocationGroups=[group(FIRST_HALF, parent=HERE)]),
        wallet(allocationGroups=[group(SECOND_HALF, parent=THERE)]),
    ),
    "no group any more": (granted(FIRST_HALF), wallet(allocationGroups=[])),
    "more opening usage": (wallet(openingUsage=5), wallet(openingUsage=6)),
    "another owner, and another way to end": (
        wallet(),
        wallet(owner={"type": "project", "projectId": "physics"}, onExhaustion="Suspend"),
    ),
    "what may change of a job": (
        job(timeAllocation={"hours": 1}, parameters={"a": 1}, resources=[{"path": "/1"}]),
        job(
            timeAllocation={"hours": 1, "seconds": 1},
            parameters={"a": 1},
            resources=[{"path": "/1"}],
            name="A title",
            labels={"course": "physics-1"},
            suspend=True,
            terminate=True,
        ),
    ),
    "a job that goes on": (job(suspend=True), job(suspend=False)),
}


@pytest.fixture(scope="module")
def ready(cluster: Cluster) -> None:
    """The API server takes some seconds to know new CRDs everywhere, and the policies that stamp new objects."""

    def stamped(written: Manifest) -> bool:
        try:
            said = cluster.kubectl("create", "--dry-run=server", "--filename=-", "-o=json", stdin=json.dumps(written))
        except DevclusterError as refused:
            raise AssertionError(str(refused)) from refused
        return "finalizers" in json.loads(said)["metadata"]

    for written in (job(), wallet()):
        eventually(partial(stamped, written), within_seconds=60, every_seconds=0.5)


@pytest.fixture(scope="module")
def workspace(cluster: Cluster, ready: None) -> Iterator[str]:  # noqa: ARG001  # in this order
    """One namespace for everything here that needs to be stored. What is in it must go without an operator's help."""
    namespace = "crds"
    cluster.kubectl("create", "namespace", namespace)
    yield namespace
    left = cluster.kubectl("get", f"--namespace={namespace}", "wal,uj", "--output=json")
    no_finalizers = json.dumps({"metadata": {"finalizers": None}})
    cluster.kubectl("patch", "--filename=-", "--type=merge", f"--patch={no_finalizers}", stdin=left, user=OPERATOR)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def said_of_new(cluster: Cluster, ready: None) -> dict[str, str]:  # noqa: ARG001  # in this order
    manifests = (named(name, written) for name, (written, _, _) in NEW_OBJECTS.items())
    return apply_all(cluster, "default", manifests, dry=True)


@pytest.fixture(scope="module")
def said_of_changed(cluster: Cluster, workspace: str) -> dict[str, str]:
    """What is said about all changes, those that should be refused and those that shouldn't."""
    changes = {**{name: change[:2] for name, change in CHANGES.items()}, **GOOD_CHANGES}
    assert apply_all(cluster, workspace, (named(name, before) for name, (before, _) in changes.items())) == {}
    return apply_all(cluster, workspace, (named(name, after) for name, (_, after) in changes.items()))


@pytest.mark.parametrize("name", NEW_OBJECTS)
def test_refuses(said_of_new: dict[str, str], name: str) -> None:
    written, where, sentence = NEW_OBJECTS[name]
    said = said_of_new[name_of(named(name, written))]
    assert where in said
    assert sentence in said


@pytest.mark.parametrize("name", CHANGES)
def test_refuses_to_change(said_of_changed: dict[str, str], name: str) -> None:
    before, _, where, sentence = CHANGES[name]
    said = said_of_changed[name_of(named(name, before))]
    assert where in said
    assert sentence in said


@pytest.mark.parametrize("name", GOOD_CHANGES)
def test_allows_to_change(said_of_changed: dict[str, str], name: str) -> None:
    before, _ = GOOD_CHANGES[name]
    assert said_of_changed.get(name_of(named(name, before))) is None


@pytest.mark.usefixtures("ready")
def test_accepts_the_largest_and_the_longest(cluster: Cluster) -> None:
    longest = {"startDate": "2026-01-01T00:00:00.000000000-12:00", "endDate": "2026-12-31T23:59:59.999999999+14:00"}
    allocations = [{"id": f"{number:063}", "quota": 9 * 10**18, **longest} for number in range(64)]
    groups = [group(*allocations, parent={"namespace": f"{n:063}", "name": f"{n:0253}"}) for n in range(32)]
    for large in (
        wallet(allocationGroups=groups, openingUsage=9 * 10**18),
        job("j" * 45, replicas=1000, timeAllocation={"hours": 1_000_000}, terminationGracePeriodSeconds=300),
    ):
        cluster.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(large))


@pytest.mark.usefixtures("ready")
def test_compares_times_of_different_zones(cluster: Cluster) -> None:
    later = {"startDate": "2026-01-01T00:00:00.123+02:00", "endDate": "2025-12-31T22:00:01Z"}
    assert apply_all(cluster, "default", [granted({**FIRST_HALF, **later})], dry=True) == {}


@pytest.mark.parametrize(
    ("kind", "written"),
    [(Wallet, wallet()), (UCloudJob, job(timeAllocation={"minutes": 5}, parameters={"any": {"thing": [1, "two"]}}))],
    ids=["wallet", "job"],
)
def test_what_is_stored_is_what_the_models_read(
    cluster: Cluster, workspace: str, kind: type[Resource], written: Manifest
) -> None:
    """The API server's defaults and the models' are the same, and nothing that was written is lost."""
    given = named(f"stored {kind.PLURAL}", written)
    assert apply_all(cluster, workspace, [given]) == {}
    stored = json.loads(
        cluster.kubectl("get", f"--namespace={workspace}", kind.PLURAL, name_of(given), "--output=json")
    )
    as_written = kind.model_validate(written).model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    as_stored = kind.model_validate(stored).model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    assert as_stored == as_written
    assert stored["spec"].keys() == as_written.keys()


@pytest.mark.usefixtures("ready")
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
    assert columns(cluster, workspace, "wal", "shown", "--output=wide")[-2:] == [
        ("PRODUCT-CATEGORY", "compute"),
        ("OWNER", "alice"),
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
    assert columns(cluster, workspace, "uj", "shown", "--output=wide")[-3:] == [
        ("REPLICAS", "2"),
        ("RATE", "0"),
        ("EXPIRES-AT", "2030-11-24T08:02:00.000Z"),
    ]


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("wallet", "Credits for one product category of one workspace (this namespace)."),
        ("wal.spec.allocationGroups.allocations.quota", "How many credits, in the category's smallest unit"),
        ("wal.status.maxUsable", "so it can be less than quota minus usage"),
        ("uj.spec.timeAllocation", "How long the job may run in all"),
        ("uj.status.updates.status", "What happened, as a sentence."),
        ("cprod.spec.price", "What one replica costs per accounting period"),
        ("capp.spec.image", "The container image"),
    ],
)
def test_explains(cluster: Cluster, what: str, sentence: str) -> None:
    said = " ".join(cluster.kubectl("explain", what, "--api-version=ucloud.dk/v1alpha1").split())
    assert sentence in said


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (job(replica=3), 'unknown field "spec.replica"'),
        (job(timeAllocation={"hours": "one"}), "spec.timeAllocation.hours"),
        (granted({**FIRST_HALF, "quota": "many"}), "quota"),
    ],
    ids=["a misspelt field", "an hour in words", "a quota in words"],
)
def test_names_the_field_that_cannot_be_read(cluster: Cluster, written: Manifest, sentence: str) -> None:
    """Such an object may not even come as far as the schema: kubectl or the policies can be the first to say no."""
    with pytest.raises(DevclusterError, match=re.escape(sentence)):
        cluster.kubectl("apply", "--dry-run=server", "--filename=-", stdin=json.dumps(written))
