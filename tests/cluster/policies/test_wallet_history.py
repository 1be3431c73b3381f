"""An edit of a wallet changes what will be, not what has been."""

import pytest

from tests.cluster.people import Answer, Json, Person
from tests.cluster.policies.conftest import UCLOUD, a_wallet

ENDED = {"id": "spring", "quota": 500, "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-07-01T00:00:00Z"}
BEGUN = {"id": "autumn", "quota": 700, "startDate": "2026-07-01T00:00:00Z", "endDate": "2027-01-01T00:00:00Z"}
COMING = {"id": "next", "quota": 900, "startDate": "2027-01-01T00:00:00Z", "endDate": "2028-01-01T00:00:00Z"}
APPLIED = (
    {**ENDED, "used": 500, "phase": "Retired"},
    {**BEGUN, "used": 300, "phase": "Active"},
    {**COMING, "used": 0, "phase": "Pending"},
)
MOST_GROUPS, MOST_ALLOCATIONS = 32, 64


@pytest.fixture(scope="module")
def parent(namespace: str) -> Json:
    """A wallet that Alice may give credits from. It needn't be there."""
    return {"namespace": namespace, "name": "faculty"}


@pytest.fixture
def wallet(alice: Person, operator: Person, namespace: str, parent: Json) -> str:
    """The path of a wallet with one allocation that has ended, one that has begun, and one that hasn't."""
    wallets = f"{UCLOUD}/namespaces/{namespace}/wallets"
    answer = alice.create(wallets, a_wallet({"parent": parent, "allocations": [ENDED, BEGUN, COMING]}))
    assert answer, answer.message
    apply_allocations(operator, f"{wallets}/lab", {"parent": parent, "allocations": APPLIED})
    return f"{wallets}/lab"


ENDED_CHANGES = {
    "cut": {**ENDED, "quota": 499},
    "raised": {**ENDED, "quota": 501},
    "prolonged": {**ENDED, "endDate": "2027-07-01T00:00:00Z"},
    "begun earlier": {**ENDED, "startDate": "2025-12-31T00:00:00Z"},
    "credited to somebody else": {**ENDED, "grantedBy": "mallory"},
}


@pytest.mark.parametrize("change", ENDED_CHANGES)
def test_what_has_ended_stays_as_it_was(alice: Person, admin: Person, wallet: str, parent: Json, change: str) -> None:
    for person in (alice, admin):
        answer = edit(person, wallet, parent, ENDED_CHANGES[change], BEGUN, COMING)
        assert answer.status == 403
        assert "the allocation spring has ended and can't be changed: leave it as it was, or out, and" in answer.message
        assert "write new credits as an allocation with another id" in answer.message


def test_what_has_ended_may_be_left_out_and_does_not_come_back_as_something_else(
    alice: Person, wallet: str, parent: Json
) -> None:
    assert edit(alice, wallet, parent, BEGUN, COMING)
    answer = edit(alice, wallet, parent, {**COMING, "id": "spring"}, BEGUN, COMING)
    assert "the allocation spring has ended" in answer.message
    answer = edit(alice, wallet, parent, {**COMING, "id": "spring-again"}, BEGUN, COMING)
    assert answer, answer.message


@pytest.mark.parametrize("start", ["2026-01-01T00:00:00Z", "2026-07-01T00:00:00.001Z", "2026-12-01T00:00:00Z"])
def test_a_start_that_has_passed_stays_where_it_was(
    alice: Person, admin: Person, wallet: str, parent: Json, start: str
) -> None:
    for person in (alice, admin):
        answer = edit(person, wallet, parent, ENDED, {**BEGUN, "startDate": start}, COMING)
        assert answer.status == 403
        assert "the allocation autumn began at 2026-07-01T00:00:00Z, and a start that is in the past" in answer.message


GOOD_CHANGES = {
    "a raise": (ENDED, {**BEGUN, "quota": 701}, COMING),
    "a cut to less than was used": (ENDED, {**BEGUN, "quota": 1}, COMING),
    "a later end": (ENDED, {**BEGUN, "endDate": "2029-01-01T00:00:00Z"}, COMING),
    "an end today": (ENDED, {**BEGUN, "endDate": "2026-11-24T00:00:00Z"}, COMING),
    "the same start in another zone": (ENDED, {**BEGUN, "startDate": "2026-07-01T02:00:00+02:00"}, COMING),
    "an early end by leaving it out": (ENDED, COMING),
    "all of what hasn't begun": (
        ENDED,
        BEGUN,
        {**COMING, "quota": 1, "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z"},
    ),
    "a top-up": (ENDED, BEGUN, COMING, {**BEGUN, "id": "top-up", "grantedBy": "alice"}),
    "another order": (COMING, BEGUN, ENDED),
    "nothing": (ENDED, BEGUN, COMING),
}


@pytest.mark.parametrize("change", GOOD_CHANGES)
def test_what_is_to_come_may_change(alice: Person, wallet: str, parent: Json, change: str) -> None:
    answer = edit(alice, wallet, parent, *GOOD_CHANGES[change])
    assert answer, answer.message


def test_an_edit_that_was_never_applied_is_no_obstacle_to_the_next(
    alice: Person, operator: Person, wallet: str, parent: Json
) -> None:
    """The spec of what has ended or begun can differ from what was applied: it was edited too late to count."""
    late = {**COMING, "quota": 1000, "startDate": "2026-12-01T00:00:00Z"}
    assert edit(alice, wallet, parent, ENDED, BEGUN, late)
    begun_before = {**COMING, "used": 0, "phase": "Active"}
    apply_allocations(operator, wallet, {"parent": parent, "allocations": [*APPLIED[:2], begun_before]})
    answer = edit(alice, wallet, parent, ENDED, {**BEGUN, "quota": 800}, late)
    assert answer, answer.message
    answer = edit(alice, wallet, parent, ENDED, BEGUN, {**late, "quota": 2000})
    assert answer, answer.message
    answer = edit(alice, wallet, parent, ENDED, BEGUN, COMING)
    assert answer, answer.message


def test_the_same_id_from_another_parent_is_another_allocation(alice: Person, wallet: str, parent: Json) -> None:
    other = {"parent": {**parent, "name": "institute"}, "allocations": [{**COMING, "id": "spring"}]}
    groups = [{"parent": parent, "allocations": [ENDED, BEGUN, COMING]}, other]
    answer = alice.patch(wallet, {"spec": {"allocationGroups": groups}})
    assert answer, answer.message


def test_a_root_has_a_history_too(admin: Person, operator: Person, namespace: str) -> None:
    wallets = f"{UCLOUD}/namespaces/{namespace}/wallets"
    assert admin.create(wallets, a_wallet({"allocations": [ENDED]}))
    apply_allocations(operator, f"{wallets}/lab", {"allocations": APPLIED[:1]})
    groups = [{"allocations": [{**ENDED, "quota": 0}]}]
    answer = admin.patch(f"{wallets}/lab", {"spec": {"allocationGroups": groups}})
    assert "the allocation spring has ended" in answer.message


def test_what_is_not_about_credits_may_change(alice: Person, operator: Person, wallet: str) -> None:
    assert alice.patch(wallet, {"spec": {"onExhaustion": "Suspend", "warnMinutes": [30]}})
    assert alice.patch(wallet, {"metadata": {"labels": {"team": "physics"}}})
    assert operator.patch(wallet, {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(("phase", "sentence"), [("Retired", "has ended"), ("Active", "began at")])
def test_the_largest_wallet_changed_whole_is_judged(
    admin: Person, operator: Person, namespace: str, phase: str, sentence: str
) -> None:
    """Expressions have a budget, and what exceeds it is refused for that alone."""

    def groups(**changes: object) -> list[Json]:
        allocations = [{**BEGUN, "id": f"a-{number:061}", **changes} for number in range(MOST_ALLOCATIONS)]
        return [
            {"parent": {"namespace": namespace, "name": f"{number:0253}"}, "allocations": allocations}
            for number in range(MOST_GROUPS)
        ]

    wallets = f"{UCLOUD}/namespaces/{namespace}/wallets"
    assert admin.create(wallets, a_wallet(*groups()))
    apply_allocations(operator, f"{wallets}/lab", *groups(used=1, phase=phase))
    moved = groups(startDate="2026-08-01T00:00:00Z", quota=1)
    answer = admin.patch(f"{wallets}/lab", {"spec": {"allocationGroups": moved}})
    assert sentence in answer.message
    cut = admin.patch(f"{wallets}/lab", {"spec": {"allocationGroups": groups(quota=1)}})
    assert cut.allowed is (phase == "Active"), cut.message


def apply_allocations(operator: Person, wallet: str, *groups: Json) -> None:
    """Write down what was applied, as the operator does."""
    answer = operator.patch(f"{wallet}/status", {"status": {"groups": groups}})
    assert answer, answer.message


def edit(person: Person, wallet: str, parent: Json, *allocations: Json) -> Answer:
    """Set the allocations that the wallet has from its parent."""
    return person.patch(wallet, {"spec": {"allocationGroups": [{"parent": parent, "allocations": allocations}]}})
