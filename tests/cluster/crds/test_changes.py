"""What may become of an object that is there, and what an API server says to the rest."""

import json

import pytest

from devcluster import Cluster, DevclusterError
from tests.cluster.crds.manifests import (
    CATEGORY,
    COVERED,
    FIRST_HALF,
    HERE,
    SECOND_HALF,
    THERE,
    apply_all,
    granted,
    group,
    job,
    line,
    name_of,
    named,
    statement,
    wallet,
)

ANOTHER_JOB = "create another job instead"
ANOTHER_STATEMENT = "write another statement instead"
CLOSED = "a closed statement never changes: what comes later belongs into a later month's statement"

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
    "a longer reservation": (
        job(timeAllocation={"hours": 1}, funding="Reserve"),
        job(timeAllocation={"hours": 2}, funding="Reserve"),
        "spec.timeAllocation",
        "with funding: Reserve a timeAllocation can't be raised, as the cost was set aside for that long",
    ),
    "a reservation made later": (
        job(timeAllocation={"hours": 1}),
        job(timeAllocation={"hours": 1}, funding="Reserve"),
        "spec.funding",
        f"funding can't be changed: {ANOTHER_JOB}",
    ),
    "a reservation given up": (
        job(timeAllocation={"hours": 1}, funding="Reserve"),
        job(timeAllocation={"hours": 1}),
        "spec.funding",
        f"funding can't be changed: {ANOTHER_JOB}",
    ),
    "a line less": (
        statement(line(1), line(2)),
        statement(line(1), total=200),
        "spec.lines",
        "a statement's lines can't be removed: leave them as they are and add yours",
    ),
    "a smaller total": (
        statement(line(1)),
        statement(line(1), total=99),
        "spec.total: Invalid value: 99",
        "a statement's total may only grow: what was paid stays paid",
    ),
    "another month": (
        statement(),
        statement(month="2026-12"),
        "spec.month",
        f"month can't be changed: {ANOTHER_STATEMENT}",
    ),
    "another part": (statement(), statement(part=2), "spec.part", f"part can't be changed: {ANOTHER_STATEMENT}"),
    "another wallet": (
        statement(),
        statement(wallet={"namespace": "x", "name": "compute", "category": "compute", "provider": "example"}),
        "spec.wallet",
        f"wallet can't be changed: {ANOTHER_STATEMENT}",
    ),
    "a closed statement that is opened": (statement(closed=True), statement(), "spec", CLOSED),
    "a closed statement's next line": (statement(closed=True), statement(line(1), closed=True), "spec", CLOSED),
    "who created a closed statement's job": (
        statement(line(1, createdBy="alice"), closed=True),
        statement(line(1, createdBy="bob"), closed=True),
        "spec",
        CLOSED,
    ),
    "another of a closed statement's jobs": (
        statement(line(1), closed=True),
        statement(line(2), closed=True),
        "spec",
        CLOSED,
    ),
    "what a deleted wallet had, in a closed statement": (
        statement(closed=True, closing={"openingUsage": 1}),
        statement(closed=True, closing={"excess": 1}),
        "spec",
        CLOSED,
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
    "a job that goes by itself": (job(), job(ttlSecondsAfterFinished=0)),
    "a job that stays after all": (job(ttlSecondsAfterFinished=60), job()),
    "no warnings": (wallet(), wallet(warnMinutes=[])),
    "who granted it, and when": (
        granted(FIRST_HALF),
        granted({**FIRST_HALF, "grantedIn": "17", "grantedBy": "alice", "grantedAt": "2025-12-24T08:00:00Z"}),
    ),
    "a line more": (statement(line(1)), statement(line(2), line(1))),
    "a last line": (statement(line(1)), statement(line(1), line(2), closed=True)),
    "what a deleted wallet had": (statement(line(1)), statement(line(1), closing={"groups": [COVERED]})),
    "what it had when it was deleted again": (
        statement(line(1), closing={"groups": [COVERED]}),
        statement(line(1), closing={"openingUsage": 5, "excess": 1, "groups": [{**COVERED, "parent": HERE}]}),
    ),
    "a closed statement applied again": (statement(line(1), closed=True), statement(line(1), closed=True)),
}


@pytest.fixture(scope="module")
def said_of_changed(cluster: Cluster, workspace: str) -> dict[str, str]:
    """What is said about all changes, those that should be refused and those that shouldn't."""
    changes = {**{name: change[:2] for name, change in CHANGES.items()}, **GOOD_CHANGES}
    assert apply_all(cluster, workspace, (named(name, before) for name, (before, _) in changes.items())) == {}
    return apply_all(cluster, workspace, (named(name, after) for name, (_, after) in changes.items()))


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


def test_the_longest_statement_is_closed(cluster: Cluster, workspace: str) -> None:
    """Rules have a budget, and what exceeds it is refused for that alone."""
    longest = named("longest", statement(*(line(number) for number in range(1999))))
    cluster.kubectl("create", f"--namespace={workspace}", "--filename=-", stdin=json.dumps(longest))

    def patch(*changes: dict[str, object]) -> None:
        what = ["wstm", name_of(longest), "--type=json", f"--patch={json.dumps(changes)}"]
        cluster.kubectl("patch", f"--namespace={workspace}", *what)

    patch(
        {"op": "add", "path": "/spec/lines/-", "value": line(1999)},
        {"op": "replace", "path": "/spec/total", "value": 200_000},
    )
    patch({"op": "replace", "path": "/spec/closed", "value": True})
    with pytest.raises(DevclusterError, match="a closed statement never changes"):
        patch({"op": "replace", "path": "/spec/lines/1999/usage", "value": 101})
