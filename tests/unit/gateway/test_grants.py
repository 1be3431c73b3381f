"""Credits that a wallet gets."""

import pytest
from pydantic import JsonValue, ValidationError

from ucloud_operator.api import Wallet, WalletReference
from ucloud_operator.gateway.grants import Grant, RootAllocation, SubAllocation, granted

CATEGORY: JsonValue = {"name": "cpu", "provider": "us"}
ASKED: dict[str, JsonValue] = {"category": CATEGORY, "quota": 10, "start": 1_767_225_600_000, "end": 1_798_761_600_500}
PARENT = WalletReference(namespace="faculty", name="cpu")

ROOT: dict[str, object] = {"allocations": [{"id": "1", "quota": 5, "startDate": "2026-01-01T01:00:00+01:00"}]}
"""Its instant is written as no program of ours would."""
FROM_FACULTY: dict[str, object] = {"parent": {"namespace": "faculty", "name": "cpu"}, "allocations": []}


def grant(allocation_id: str = "2", parent: WalletReference | None = None, **changes: JsonValue) -> Grant:
    wallet = Wallet.model_validate(
        {
            "metadata": {"name": "cpu", "namespace": "lab"},
            "spec": {
                "owner": {"type": "project", "projectId": "lab"},
                "paysFor": {"name": "cpu", "provider": "us", "accountingFrequency": "PERIODIC_HOUR"},
            },
        }
    )
    asked = RootAllocation.model_validate({**ASKED, **changes})
    return Grant(wallet, parent, allocation_id, asked, by="bob", at_ms=0)


def written(spec: dict[str, object], *grants: Grant) -> list[object]:
    changed = granted(spec, grants).get("allocationGroups", [])
    assert isinstance(changed, list)
    return changed


def test_what_is_there_stays_to_the_letter_and_the_rest_is_written() -> None:
    (root, other) = written({"allocationGroups": [ROOT, FROM_FACULTY]}, grant(grantedIn=7))
    assert other == FROM_FACULTY
    assert root == {
        "allocations": [
            *ROOT["allocations"],  # type: ignore[misc]  # a list
            {
                "id": "2",
                "quota": 10,
                "startDate": "2026-01-01T00:00:00.000Z",
                "endDate": "2027-01-01T00:00:00.500Z",
                "grantedIn": "7",
                "grantedBy": "bob",
                "grantedAt": "1970-01-01T00:00:00.000Z",
            },
        ]
    }


def test_each_parent_has_its_group_and_a_new_one_gets_one() -> None:
    groups = written({"allocationGroups": [ROOT]}, grant("2", PARENT), grant("3", PARENT))
    assert [each.get("parent") for each in groups] == [None, {"namespace": "faculty", "name": "cpu"}]  # type: ignore[attr-defined]
    assert [each["id"] for each in groups[1]["allocations"]] == ["2", "3"]  # type: ignore[index]
    assert groups[0] == ROOT
    (only,) = written({}, grant())
    assert "parent" not in only  # type: ignore[operator]


def test_what_was_granted_already_is_not_granted_again() -> None:
    once = granted({"allocationGroups": [ROOT]}, [grant()])
    assert granted(once, [grant()]) == {}
    assert granted(once, [grant(), grant("3")]) != {}


@pytest.mark.parametrize(
    "changes",
    [{"quota": 0}, {"quota": 9 * 10**18 + 1}, {"end": ASKED["start"]}, {"start": -1}, {"end": 253_402_300_800_000}],
)
def test_what_no_wallet_could_hold_is_refused(changes: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        RootAllocation.model_validate({**ASKED, **changes})


@pytest.mark.parametrize(
    ("owner", "receiver"),
    [
        ({"type": "user", "username": "ann"}, "ann"),
        ({"type": "project", "projectId": "lab"}, "lab"),
        ({"type": "user"}, ""),
    ],
)
def test_the_owner_is_the_workspace_that_receives(owner: dict[str, JsonValue], receiver: str) -> None:
    assert SubAllocation.model_validate({**ASKED, "owner": owner}).receiver == receiver
