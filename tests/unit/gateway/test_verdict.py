"""What is refused before it is created: only what the operator would certainly refuse."""

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from ucloud_operator.api import Application, ComputeProduct, UCloudJob, Wallet
from ucloud_operator.gateway.errors import RefusalError
from ucloud_operator.gateway.verdict import Surroundings, refusal

CATEGORY: Mapping[str, JsonValue] = {"name": "cpu", "provider": "us"}
MINIMUM_MS = 60_000


def product(price: int = 60_000, category: JsonValue = None) -> ComputeProduct:
    spec = {"category": category or dict(CATEGORY), "price": price, "cpu": 1, "memoryInGigs": 1}
    return ComputeProduct.model_validate({"metadata": {"name": "small"}, "spec": spec})


def wallet(name: str = "cpu", created: str = "2026-01-01T00:00:00Z", **status: JsonValue) -> Wallet:
    """One whose spec is applied."""
    pays_for = {**CATEGORY, "accountingFrequency": "PERIODIC_MINUTE"}
    return Wallet.model_validate(
        {
            "metadata": {"name": name, "namespace": "lab", "generation": 3, "creationTimestamp": created},
            "spec": {"owner": {"type": "project", "projectId": "lab"}, "paysFor": pays_for},
            "status": {"observedGeneration": 3, "maxUsable": 10**9, **status},
        }
    )


APPLICATION = Application.model_validate(
    {"metadata": {"name": "app-1"}, "spec": {"name": "app", "version": "1", "image": "busybox"}}
)


def verdict(
    *wallets: Wallet, products: tuple[ComputeProduct, ...] | None = None, **spec: JsonValue
) -> RefusalError | None:
    asked: Mapping[str, JsonValue] = {
        "application": {"name": "app", "version": "1"},
        "product": {"id": "small", "category": "cpu", "provider": "us"},
        **spec,
    }
    job = UCloudJob.model_validate({"metadata": {"name": "new", "namespace": "lab"}, "spec": asked})
    around = Surroundings((product(),) if products is None else products, (APPLICATION,), wallets)
    return refusal(job, around, MINIMUM_MS)


def said(refused: RefusalError | None) -> tuple[int, str, str]:
    assert refused is not None
    return refused.status.value, refused.why, refused.code


def test_a_job_that_can_be_paid_is_created() -> None:
    assert verdict(wallet()) is None


@pytest.mark.parametrize("other", ["app-1", "App", "2"])
def test_an_application_is_one_that_there_is(other: str) -> None:
    refused = verdict(wallet(), application={"name": other, "version": "1"})
    assert said(refused) == (400, f"Unknown application requested: application '{other}' in version '1'", "")


def test_a_product_is_one_that_there_is_in_that_category() -> None:
    why = "Bad machine type requested: product 'small' in category 'cpu' of provider 'us'"
    assert said(verdict(wallet(), products=())) == (400, why, "")
    assert said(verdict(wallet(), products=(product(category={"name": "gpu", "provider": "us"}),))) == (400, why, "")


def test_somebody_has_to_pay() -> None:
    why = "You do not have any valid allocations for 'cpu'"
    assert said(verdict()) == (402, why, "NOT_ENOUGH_COMPUTE_CREDITS")


def test_a_locked_wallet_pays_nothing_whatever_is_asked_for_besides() -> None:
    why = "Needs 60000 per minute; this wallet can still use 0 (to start, it takes credits for 60 s)"
    locked = wallet(locked=True, maxUsable=0)
    assert said(verdict(locked)) == (402, why, "NOT_ENOUGH_COMPUTE_CREDITS")
    why = "This workspace has reached the quota of wallet 'cpu'."
    assert said(verdict(locked, products=())) == (402, why, "NOT_ENOUGH_COMPUTE_CREDITS")


def test_a_wallet_that_cannot_be_used_pays_nothing() -> None:
    blocked = wallet(locked=True, blocked="ParentNotFound: faculty/cpu doesn't exist")
    status, why, code = said(verdict(blocked))
    assert (status, code) == (402, "NOT_ENOUGH_COMPUTE_CREDITS")
    assert "wallet 'cpu' to become usable (faculty/cpu doesn't exist)" in why


@pytest.mark.parametrize(("usable", "replicas", "created"), [(59_999, 1, False), (60_000, 1, True), (60_000, 2, False)])
def test_credits_must_last_for_the_shortest_run(usable: int, replicas: int, *, created: bool) -> None:
    refused = verdict(wallet(maxUsable=usable), replicas=replicas)
    assert (refused is None) == created
    assert created or said(refused)[::2] == (402, "NOT_ENOUGH_COMPUTE_CREDITS")


def test_what_costs_nothing_needs_nothing() -> None:
    assert verdict(wallet(locked=True, maxUsable=0), products=(product(price=0),)) is None


def test_a_wallet_whose_last_edit_does_not_count_yet_is_not_judged() -> None:
    assert verdict(wallet(locked=True, maxUsable=0, observedGeneration=2)) is None
    assert verdict(wallet(blocked="WalletBlocked: a circle", observedGeneration=2)) is None


def test_a_job_that_would_wait_for_credits_is_created() -> None:
    waits = wallet(locked=True, maxUsable=0)
    waits = waits.model_copy(update={"spec": waits.spec.model_copy(update={"on_exhaustion": "Suspend"})})
    assert verdict(waits) is None


def test_of_two_wallets_the_older_pays() -> None:
    later = "2026-02-01T00:00:00Z"
    assert verdict(wallet("new", later, locked=True), wallet("old")) is None
    assert verdict(wallet("new", later), wallet("old", locked=True)) is not None


def test_parameters_that_no_application_can_be_given_are_refused() -> None:
    status, why, code = said(verdict(wallet(), parameters={"a": "x" * 200_000}))
    assert (status, code) == (400, "")
    assert why.startswith("Its parameters are 200008 bytes long")
