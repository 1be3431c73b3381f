"""Wallets as UCloud's HTTP API shows them; the example is the one of UCloud's own documentation."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml
from pydantic import JsonValue

from devcluster.conversation import as_printed, exchanges
from ucloud_operator.api import Wallet
from ucloud_operator.gateway.wallets import children_of, render_wallet

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples" / "4-wallets.yaml"
START, END = "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z"
START_MS, END_MS = 1767225600000, 2082758400000


def samples() -> Iterator[dict[str, JsonValue]]:
    yield from yaml.safe_load_all(SAMPLES.read_text())


def applied(raw: dict[str, JsonValue], **numbers: JsonValue) -> Wallet:
    """A sample with the status that the operator gives it."""
    groups = json.loads(json.dumps(raw["spec"]))["allocationGroups"]
    for group in groups:
        for allocation in group["allocations"]:
            allocation |= {"used": numbers["localUsage"], "phase": "Active"}
        group |= {"treeUsage": numbers["localUsage"], "quota": numbers["quota"]}
    return Wallet.model_validate(raw | {"status": {"meteredAt": START, "groups": groups, **numbers}})


def wallet(
    allocation: Mapping[str, JsonValue] | None = None,
    *,
    parent: Mapping[str, JsonValue] | None = None,
    owner: JsonValue = None,
    status: JsonValue = None,
) -> Wallet:
    written = {"id": "grant", "quota": 5, "startDate": START, "endDate": END, **(allocation or {})}
    group: dict[str, JsonValue] = {"allocations": [written]}
    if parent is not None:
        group["parent"] = dict(parent)
    return Wallet.model_validate(
        {
            "metadata": {"name": "cpu", "namespace": "lab"},
            "spec": {
                "owner": owner or {"type": "project", "projectId": "lab-id"},
                "paysFor": {"name": "cpu", "provider": "us", "accountingFrequency": "PERIODIC_HOUR"},
                "allocationGroups": [group],
            },
            "status": status or {},
        }
    )


def allocation_of(rendered: Mapping[str, object]) -> dict[str, object]:
    (group,) = rendered["allocationGroups"]  # type: ignore[misc]  # a list
    (allocation,) = group["group"]["allocations"]  # type: ignore[has-type]
    assert isinstance(allocation, dict)
    return allocation


def parent_of(rendered: Mapping[str, object]) -> object:
    (group,) = rendered["allocationGroups"]  # type: ignore[misc]  # a list
    return group["parent"]  # type: ignore[has-type]


def test_the_documented_example_is_rendered_to_the_letter_but_for_instants_and_ids() -> None:
    numbers = {"quota": 500_000_000, "localUsage": 499_000_000, "totalUsage": 499_000_000, "maxUsable": 100_000}
    (_, _, raw) = samples()
    _, documented = exchanges()[0]

    rendered = render_wallet(applied(raw, **numbers))

    assert as_printed({"itemsPerPage": 50, "items": [rendered], "next": None}) == as_printed(documented)


def test_a_wallet_that_nobody_has_looked_at_yet_shows_what_is_written() -> None:
    rendered = render_wallet(wallet())

    assert allocation_of(rendered) == {
        "id": allocation_of(rendered)["id"],
        "startDate": START_MS,
        "endDate": END_MS,
        "quota": 5,
        "grantedIn": None,
        "retiredUsage": None,
    }
    assert (rendered["quota"], rendered["maxUsable"], rendered["lastSignificantUpdateAt"]) == (0, 0, 0)
    assert rendered["owner"] == {"type": "project", "projectId": "lab-id"}


def test_an_allocation_that_is_over_shows_what_was_used_of_it() -> None:
    group = {"allocations": [{"id": "old", "quota": 5, "startDate": START, "endDate": END, "used": 3}]}
    for phase, shown in (("Active", None), ("Retired", 3)):
        group["allocations"][0]["phase"] = phase
        status: JsonValue = json.loads(json.dumps({"meteredAt": START, "groups": [group]}))
        assert allocation_of(render_wallet(wallet(status=status)))["retiredUsage"] == shown


def test_ids_are_the_same_numbers_whenever_they_are_asked_for_and_fit_into_a_double() -> None:
    one, same, other = (allocation_of(render_wallet(wallet({"id": each}))) for each in ("a", "a", "b"))
    assert one == same
    assert one["id"] != other["id"]
    assert isinstance(one["id"], int)
    assert 0 < one["id"] < 2**53


def test_a_number_for_an_id_stays_the_number_that_it_is() -> None:
    assert allocation_of(render_wallet(wallet({"id": "12541154", "grantedIn": "77"}))) == {
        "id": 12541154,
        "startDate": START_MS,
        "endDate": END_MS,
        "quota": 5,
        "grantedIn": 77,
        "retiredUsage": None,
    }
    for unusual in ("007", "0", str(2**53), "9" * 60, "²", "٣"):
        shown = allocation_of(render_wallet(wallet({"id": unusual, "grantedIn": unusual})))
        assert shown["id"] != int(unusual) if unusual != "²" else shown["id"]
        assert shown["grantedIn"] is None


def test_a_parent_is_a_workspace_unless_it_is_the_root() -> None:
    faculty = {"namespace": "faculty", "name": "cpu"}
    assert parent_of(render_wallet(wallet(parent=faculty))) == {
        "projectId": "faculty",
        "projectTitle": "faculty",
        "pi": "",
    }
    from_nowhere = {"projectId": None, "projectTitle": "Root", "pi": "lab-id"}
    assert parent_of(render_wallet(wallet())) == from_nowhere
    assert parent_of(render_wallet(wallet(parent=faculty), root="faculty")) == from_nowhere


def test_children_are_what_was_granted_to_others_with_what_they_used() -> None:
    root, sibling, user = samples()
    numbers = {"quota": 7, "localUsage": 5}
    root_wallet, *others = (applied(each, **numbers) for each in (root, sibling, user))
    project = wallet(parent={"namespace": "root", "name": "example-compute"})  # for another category

    children = children_of(root_wallet, [root_wallet, *others, project])
    rendered = render_wallet(root_wallet, children=children)["children"]

    assert [each["child"] for each in rendered] == [  # type: ignore[attr-defined]
        {"projectId": None, "projectTitle": name, "pi": name} for name in ("sibling", "user")
    ]
    assert [each["group"]["usage"] for each in rendered] == [5, 5]  # type: ignore[attr-defined]
    assert [each.wallet.key for each in children_of(root_wallet, others, "SIB")] == ["sibling/example-compute"]
    assert render_wallet(root_wallet, children=[])["children"] == []


def test_a_project_among_the_children_is_known_by_its_workspace() -> None:
    child = wallet(parent={"namespace": "faculty", "name": "cpu"})
    faculty = child.model_copy(update={"metadata": child.metadata.model_copy(update={"namespace": "faculty"})})
    (shown,) = render_wallet(faculty, children=children_of(faculty, [child]))["children"]  # type: ignore[misc]
    assert shown["child"] == {"projectId": "lab", "projectTitle": "lab", "pi": ""}  # type: ignore[has-type]


def test_the_last_significant_update_is_the_last_change_of_what_lasts() -> None:
    def condition(kind: str, at: str) -> JsonValue:
        return {"type": kind, "status": "True", "reason": "Because", "lastTransitionTime": at}

    conditions = [condition("Locked", START), condition("EndsSoon", END)]
    assert render_wallet(wallet(status={"conditions": conditions}))["lastSignificantUpdateAt"] == START_MS
