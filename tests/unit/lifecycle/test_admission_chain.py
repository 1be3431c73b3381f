import json
from dataclasses import replace

import pytest

from tests.unit.lifecycle.stories import application, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.admission import CHAIN, AdmissionView, Objection, admit
from ucloud_operator.lifecycle.sentences import Reason

FINE = AdmissionView(
    job=job(),
    product=product(),
    application=application(),
    wallet=wallet(),
    wallet_locked=False,
    max_usable=100_000,
    runway_ms=120_000,
    minimum_run_ms=60_000,
    waited_ms=10_000,
    reference_wait_ms=60_000,
)

LOCKED = replace(FINE, wallet_locked=True, max_usable=0, runway_ms=0)


def test_a_job_that_is_paid_for_starts() -> None:
    assert admit(FINE) is None
    assert all(policy(FINE) is None for policy in CHAIN)


def test_credits_that_never_end_last_long_enough() -> None:
    assert admit(replace(FINE, runway_ms=None)) is None


def test_only_what_is_set_aside_is_refused_where_credits_come_on_several_paths() -> None:
    assert admit(replace(FINE, several_parents=True)) is None


def test_a_time_allocation_alone_sets_nothing_aside() -> None:
    assert admit(replace(FINE, job=job(timeAllocation={"hours": 2}))) is None


INSTEAD = {
    Reason.ProductNotFound: "`kubectl get computeproducts` lists those there are",
    Reason.ApplicationNotFound: "`kubectl get applications.ucloud.dk` lists those there are",
    Reason.NoWallet: "`kubectl get wallets` lists those there are",
    Reason.ParentNotFound: "`kubectl describe wallet` says more",
    Reason.WalletBlocked: "`kubectl describe wallet` says more",
}


class TestReferences:
    @pytest.mark.parametrize(
        ("view", "reason", "what"),
        [
            (
                replace(FINE, product=None),
                Reason.ProductNotFound,
                "product 'example-compute' in category 'example-compute' of provider 'example'",
            ),
            (
                replace(FINE, product=product(category={"name": "other", "provider": "example"})),
                Reason.ProductNotFound,
                "product 'example-compute' in category 'example-compute' of provider 'example'",
            ),
            (
                replace(FINE, application=None),
                Reason.ApplicationNotFound,
                "application 'acme-web-application' in version '1.0.0'",
            ),
            (
                replace(FINE, wallet=None),
                Reason.NoWallet,
                "a wallet in this namespace that pays for category 'example-compute' of provider 'example'",
            ),
            (
                replace(LOCKED, wallet_blocked="ParentNotFound: there is no wallet root/main"),
                Reason.ParentNotFound,
                "wallet 'compute' to become usable (there is no wallet root/main)",
            ),
            (
                replace(LOCKED, wallet_blocked="Circle: a/x pays b/y pays a/x"),
                Reason.WalletBlocked,
                "wallet 'compute' to become usable (a/x pays b/y pays a/x)",
            ),
            (
                replace(LOCKED, wallet_blocked="Circle"),
                Reason.WalletBlocked,
                "wallet 'compute' to become usable (Circle)",
            ),
        ],
    )
    def test_what_is_missing_is_waited_for_and_then_given_up(
        self, view: AdmissionView, reason: Reason, what: str
    ) -> None:
        assert admit(view) == Objection(reason, f"Waiting for {what}.", None, 50_000)
        late = admit(replace(view, waited_ms=60_000))
        assert late is not None
        assert (late.reason, late.state, late.again_in_ms) == (reason, JobState.FAILURE, None)
        assert late.message == f"Waited 60 s for {what}, in vain: {INSTEAD[reason]}."

    def test_it_is_waited_for_to_the_last_millisecond(self) -> None:
        assert admit(replace(FINE, wallet=None, waited_ms=59_999)) == Objection(
            Reason.NoWallet, f"Waiting for {sentences.wallet('example-compute', 'example')}.", None, 1
        )

    def test_a_wallet_that_is_going_is_not_waited_for(self) -> None:
        objection = admit(replace(LOCKED, wallet_blocked="WalletDeleted: it is being deleted"))
        assert objection is not None
        assert (objection.reason, objection.state) == (Reason.WalletDeleted, JobState.FAILURE)
        assert objection.message == "Your job has been terminated (Its wallet was deleted)"

    def test_what_is_free_waits_for_its_wallet_all_the_same(self) -> None:
        objection = admit(replace(FINE, wallet=None, product=product(price=0)))
        assert objection is not None
        assert objection.reason is Reason.NoWallet


class TestParameters:
    def test_too_many_are_refused_whatever_else_is_missing(self) -> None:
        deep = json.loads('{"in":' * 65 + "1" + "}" * 65)
        refused = admit(replace(FINE, job=job(parameters=deep), wallet=None))
        assert refused is not None
        assert (refused.reason, refused.state) == (Reason.InvalidParameters, JobState.FAILURE)
        assert "nested more than 64 levels deep: create another job" in refused.message

    def test_usual_ones_are_not(self) -> None:
        assert admit(replace(FINE, job=job(parameters={"depth": {"type": "integer", "value": 3}}))) is None


class TestCredits:
    def test_a_locked_wallet_refuses_at_once_whatever_may_still_arrive(self) -> None:
        assert admit(replace(LOCKED, application=None)) == Objection(
            Reason.NotEnoughCredits,
            "needs 50000 per minute; this wallet can still use 0 (to start, it takes credits for 60 s)",
            JobState.FAILURE,
        )
        assert admit(replace(LOCKED, product=None)) == Objection(
            Reason.NotEnoughCredits, "This workspace has reached the quota of wallet 'compute'.", JobState.FAILURE
        )

    def test_too_little_for_a_start_is_refused_with_the_numbers(self) -> None:
        assert admit(replace(FINE, max_usable=12_000, runway_ms=14_400)) == Objection(
            Reason.NotEnoughCredits,
            "needs 50000 per minute; this wallet can still use 12000, which lasts 14 s"
            " (to start, it takes credits for 60 s)",
            JobState.FAILURE,
        )

    def test_exactly_enough_is_enough(self) -> None:
        assert admit(replace(FINE, runway_ms=60_000)) is None
        assert admit(replace(FINE, runway_ms=59_999)) is not None

    @pytest.mark.parametrize("view", [LOCKED, replace(FINE, runway_ms=14_400)])
    def test_a_wallet_may_suspend_instead(self, view: AdmissionView) -> None:
        objection = admit(replace(view, wallet=wallet(on_exhaustion="Suspend")))
        assert objection is not None
        assert objection.state is JobState.SUSPENDED

    @pytest.mark.parametrize(
        "free", [replace(LOCKED, product=product(price=0)), replace(LOCKED, wallet=wallet(free=True))]
    )
    def test_what_is_free_needs_no_credits(self, free: AdmissionView) -> None:
        assert admit(free) is None

    def test_a_rate_is_said_per_minute_whatever_the_period(self) -> None:
        view = replace(FINE, wallet=wallet(frequency="PERIODIC_HOUR"), job=job(replicas=3))
        assert view.rate_per_minute == 2_500

    def test_what_is_not_known_is_locked(self) -> None:
        unknown = AdmissionView(
            job=job(),
            product=product(),
            application=application(),
            wallet=wallet(),
            minimum_run_ms=0,
            waited_ms=0,
            reference_wait_ms=0,
        )
        objection = admit(unknown)
        assert objection is not None
        assert objection.reason is Reason.NotEnoughCredits
        unlocked = admit(replace(unknown, wallet_locked=False, minimum_run_ms=1))
        assert unlocked is not None
        assert "this wallet can still use 0 (" in unlocked.message


class TestReservations:
    """A job that must be certain to finish: two hours at 50000 a minute."""

    SURE = job(funding="Reserve", timeAllocation={"hours": 2})

    def test_it_starts_where_its_whole_cost_can_be_set_aside(self) -> None:
        assert admit(replace(FINE, job=self.SURE, reservable=6_000_000, runway_ms=0)) is None

    def test_its_refusal_says_what_could_be(self) -> None:
        refused = admit(replace(FINE, job=self.SURE, reservable=5_999_999, longest_reservable_ms=lambda: 119 * 60_000))
        assert refused is not None
        assert (refused.reason, refused.state) == (Reason.NotEnoughCredits, JobState.FAILURE)
        assert "needs 6000000 set aside for 2 h" in refused.message
        assert "5999999 can be used; at the most 119 min can be" in refused.message

    def test_it_is_refused_where_credits_come_on_several_paths(self) -> None:
        refused = admit(replace(FINE, job=self.SURE, reservable=10**9, several_parents=True))
        assert refused is not None
        assert (refused.reason, refused.state) == (Reason.ReserveNotPossible, JobState.FAILURE)
        assert "leave funding out" in refused.message

    def test_or_that_nothing_could(self) -> None:
        refused = admit(replace(FINE, job=self.SURE, reservable=0))
        assert refused is not None
        assert refused.message.endswith("0 can be used")
