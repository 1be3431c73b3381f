"""What an API server says to whoever writes a new object wrongly."""

import json
import re

import pytest

from devcluster import Cluster, DevclusterError
from tests.cluster.crds.manifests import (
    CATEGORY,
    FIRST_HALF,
    HERE,
    SECOND_HALF,
    application,
    apply_all,
    checkpoint,
    checkpointed,
    granted,
    group,
    job,
    line,
    name_of,
    named,
    product,
    statement,
    wallet,
)

NO_FRACTION = "must be of type int"
"""Of type int64, says the API server of Kubernetes 1.37; of type integer, that of 1.35."""

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
        NO_FRACTION,
    ),
    "a quota in words": (
        granted({**FIRST_HALF, "quota": "many"}),
        "spec.allocationGroups[0].allocations[0].quota",
        "must be of type integer",
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
        "write an RFC 3339 time that exists, with a zone",
    ),
    "a day that does not exist": (
        granted({**FIRST_HALF, "endDate": "2026-02-30T00:00:00Z"}),
        "spec.allocationGroups[0].allocations[0].endDate",
        "write an RFC 3339 time that exists",
    ),
    "a leap second": (
        granted({**FIRST_HALF, "endDate": "2026-12-31T23:59:60Z"}),
        "spec.allocationGroups[0].allocations[0].endDate",
        "write an RFC 3339 time that exists",
    ),
    "a zone that is a day ahead": (
        granted({**FIRST_HALF, "startDate": "2026-01-01T00:00:00+24:00"}),
        "spec.allocationGroups[0].allocations[0].startDate",
        "write an RFC 3339 time that exists",
    ),
    "the year 0": (
        granted({**FIRST_HALF, "startDate": "0000-12-31T23:59:59-01:00"}),
        "spec.allocationGroups[0].allocations[0].startDate",
        "write an RFC 3339 time that exists",
    ),
    "a grant on a day that does not exist": (
        granted({**FIRST_HALF, "grantedAt": "2025-13-24T08:00:00Z"}),
        "spec.allocationGroups[0].allocations[0].grantedAt",
        "write an RFC 3339 time that exists",
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
    "a grant on a day without a time": (
        granted({**FIRST_HALF, "grantedAt": "2025-12-24"}),
        "spec.allocationGroups[0].allocations[0].grantedAt",
        "write an RFC 3339 time that exists, with a zone",
    ),
    "a warning at the very end": (
        wallet(warnMinutes=[15, 0]),
        "spec.warnMinutes[1]: Invalid value: 0",
        "should be greater than or equal to 1",
    ),
    "a warning more than a week before": (
        wallet(warnMinutes=[10_081]),
        "spec.warnMinutes[0]: Invalid value: 10081",
        "should be less than or equal to 10080",
    ),
    "the same warning twice": (wallet(warnMinutes=[5, 15, 5]), "spec.warnMinutes[2]", "Duplicate value: 5"),
    "nine warnings": (wallet(warnMinutes=[*range(1, 10)]), "spec.warnMinutes", "must have at most 8 items"),
    "a reservation for a time that isn't said": (
        job(funding="Reserve"),
        "spec.funding",
        "write a timeAllocation, such as {hours: 1}, or leave funding out",
    ),
    "a funding that does not exist": (
        job(funding="Gift"),
        "spec.funding",
        'Unsupported value: "Gift": supported values: "Stream", "Reserve"',
    ),
    "less than no time to live": (
        job(ttlSecondsAfterFinished=-1),
        "spec.ttlSecondsAfterFinished: Invalid value: -1",
        "should be greater than or equal to 0",
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
        NO_FRACTION,
    ),
    "a time allocation in words": (
        job(timeAllocation={"hours": "one"}),
        "spec.timeAllocation.hours",
        "must be of type integer",
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
    "half a core": (product(cpu=0.5), "spec.cpu", NO_FRACTION),
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
    "a thirteenth month": (
        statement(month="2026-13"),
        'spec.month: Invalid value: "2026-13"',
        "write the month as year and month, such as 2026-11",
    ),
    "a part before the first": (statement(part=0), "spec.part", "should be greater than or equal to 1"),
    "two lines for one job": (statement(line(1), line(1)), "spec.lines[1]", "Duplicate value"),
    "more than 2,000 lines": (
        statement(*(line(number) for number in range(2001))),
        "spec.lines",
        "must have at most 2000 items",
    ),
    "one wallet twice in a checkpoint": (
        checkpoint(checkpointed(1), checkpointed(1)),
        "spec.wallets[1]",
        "Duplicate value",
    ),
}


@pytest.fixture(scope="module")
def said_of_new(cluster: Cluster) -> dict[str, str]:
    manifests = (named(name, written) for name, (written, _, _) in NEW_OBJECTS.items())
    return apply_all(cluster, "default", manifests, dry=True)


@pytest.mark.parametrize("name", NEW_OBJECTS)
def test_refuses(said_of_new: dict[str, str], name: str) -> None:
    written, where, sentence = NEW_OBJECTS[name]
    said = said_of_new[name_of(named(name, written))]
    assert where in said
    assert sentence in said


def test_accepts_the_largest_and_the_longest(cluster: Cluster) -> None:
    longest = {"startDate": "2026-01-01T00:00:00.000000000-12:00", "endDate": "2026-12-31T23:59:59.999999999+14:00"}
    allocations = [{"id": f"{number:063}", "quota": 9 * 10**18, **longest} for number in range(64)]
    groups = [group(*allocations, parent={"namespace": f"{n:063}", "name": f"{n:0253}"}) for n in range(32)]
    for large in (
        wallet(allocationGroups=groups, openingUsage=9 * 10**18),
        job("j" * 45, replicas=1000, timeAllocation={"hours": 1_000_000}, terminationGracePeriodSeconds=300),
        statement(*(line(number) for number in range(2000))),
        checkpoint(*(checkpointed(number) for number in range(1000))),
    ):
        cluster.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(large))


def test_compares_times_of_different_zones(cluster: Cluster) -> None:
    later = {"startDate": "2026-01-01T00:00:00.123+02:00", "endDate": "2025-12-31T22:00:01Z"}
    assert apply_all(cluster, "default", [granted({**FIRST_HALF, **later})], dry=True) == {}


def test_names_the_field_that_does_not_exist(cluster: Cluster) -> None:
    with pytest.raises(DevclusterError, match=re.escape('unknown field "spec.replica"')):
        cluster.kubectl("apply", "--dry-run=server", "--filename=-", stdin=json.dumps(job(replica=3)))
