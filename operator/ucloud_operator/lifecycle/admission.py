"""Whether a job may start: a chain of named policies, each of which has at most one objection.

The first refusal counts. A policy sees everything that is known and nothing else: no clock, no cluster. So the same
chain decides for the operator, again and again until the job starts, and answers an HTTP request once and at once.

A refusal is one of two kinds. *For good*: the job gets a state, ``FAILURE`` or, where its wallet suspends what it
can't pay, ``SUSPENDED``. *For now*: something it refers to is missing, and people apply a folder of manifests in any
order, so it waits a little before that is for good. Money is never waited for: a locked wallet is the first thing that
is looked at, because it refuses whatever else may still arrive. What isn't known counts as locked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from ucloud_operator.api import Application, ComputeProduct, JobState, UCloudJob, Wallet
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.facts import reservation_of
from ucloud_operator.lifecycle.parameters import trouble_with
from ucloud_operator.lifecycle.sentences import Reason

_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionView:
    """Everything that a decision on admission may depend on."""

    job: UCloudJob
    product: ComputeProduct | None
    application: Application | None
    wallet: Wallet | None
    wallet_locked: bool = True
    wallet_blocked: str = ""
    """Why the wallet can't be used, whatever its numbers: the ledger's ``Word: sentence``; else empty."""
    max_usable: int = 0
    runway_ms: int | None = 0
    """How long the credits would last with this job beside all others; None: for ever."""
    reservable: int | None = None
    """Where its whole cost has to be set aside: how much can be, of credits that last until it ends."""
    several_parents: bool = False
    """Whether the wallet's credits come on several paths, or those of one that it is connected to."""
    longest_reservable_ms: Callable[[], int] = lambda: 0
    """For how long a job like this could have its whole cost set aside; asked where that is too short."""
    minimum_run_ms: int
    waited_ms: int
    """Since the job's creation."""
    reference_wait_ms: int
    """How long something that doesn't exist is waited for."""

    @property
    def is_free(self) -> bool:
        """Whether the job costs nothing, so that no lack of credits can stop it."""
        free_price = self.product is not None and self.product.spec.price == 0
        return free_price or (self.wallet is not None and self.wallet.spec.pays_for.free_to_use)

    @property
    def rate_per_minute(self) -> int | None:
        """What the job would cost; None while that isn't known. For people: rounded down."""
        if self.product is None or self.wallet is None:
            return None
        period_ms = self.wallet.spec.pays_for.accounting_frequency.period_ms
        return self.product.spec.price * self.job.spec.replicas * _MINUTE_MS // period_ms


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a job doesn't start now."""

    reason: Reason
    message: str
    state: JobState | None
    """What the job becomes; None: it goes on waiting."""
    again_in_ms: int | None = None
    """Where it waits: how long until it is given up."""


Policy: TypeAlias = Callable[[AdmissionView], Objection | None]


def parameters_can_be_passed_on(view: AdmissionView) -> Objection | None:
    """The application can be given what it is asked to do; jobs can't be changed, so nothing is waited for."""
    trouble = trouble_with(view.job.spec.parameters or {})
    return Objection(Reason.InvalidParameters, trouble, JobState.FAILURE) if trouble else None


def wallet_has_credits(view: AdmissionView) -> Objection | None:
    """A locked wallet starts nothing that costs something."""
    if view.wallet is None or view.wallet_blocked or view.is_free or not view.wallet_locked:
        return None
    rate = view.rate_per_minute
    if rate is None:
        return _not_paid(view, sentences.nothing_left(view.wallet.metadata.name))
    return _not_paid(view, sentences.not_enough_credits(rate, 0, 0, view.minimum_run_ms))


def product_exists(view: AdmissionView) -> Objection | None:
    """The product is there, in the category that the job names: that is whose wallet pays."""
    wanted = view.job.spec.product
    if view.product is not None:
        category = view.product.spec.category
        if (category.name, category.provider) == (wanted.category, wanted.provider):
            return None
    what = sentences.product(wanted.id, wanted.category, wanted.provider)
    return _missing(view, Reason.ProductNotFound, what, sentences.LIST_PRODUCTS)


def application_exists(view: AdmissionView) -> Objection | None:
    """The application is there in that version."""
    if view.application is not None:
        return None
    wanted = view.job.spec.application
    what = sentences.application(wanted.name, wanted.version)
    return _missing(view, Reason.ApplicationNotFound, what, sentences.LIST_APPLICATIONS)


def wallet_exists(view: AdmissionView) -> Objection | None:
    """Somebody pays."""
    if view.wallet is not None:
        return None
    wanted = view.job.spec.product
    what = sentences.wallet(wanted.category, wanted.provider)
    return _missing(view, Reason.NoWallet, what, sentences.LIST_WALLETS)


def wallet_is_usable(view: AdmissionView) -> Objection | None:
    """The wallet isn't going away, and its parents are there and lead to a root."""
    if view.wallet is None or not view.wallet_blocked:
        return None
    word, _, sentence = view.wallet_blocked.partition(": ")
    reason = Reason(word) if word in _BLOCKED else Reason.WalletBlocked
    what = sentences.wallet_usable(view.wallet.metadata.name, sentence or word)
    if reason is Reason.WalletDeleted:
        return Objection(reason, sentences.WALLET_DELETED, JobState.FAILURE)
    return _missing(view, reason, what, sentences.DESCRIBE_WALLET)


_BLOCKED: Final = frozenset({Reason.WalletDeleted, Reason.ParentNotFound})


def credits_can_be_set_aside(view: AdmissionView) -> Objection | None:
    """Nothing is set aside yet where credits come on several paths."""
    if view.reservable is None or view.wallet is None or not view.several_parents:
        return None
    sentence = sentences.reserve_not_possible(view.wallet.metadata.name)
    return Objection(Reason.ReserveNotPossible, sentence, JobState.FAILURE)


def cost_can_be_set_aside(view: AdmissionView) -> Objection | None:
    """A job that must be certain to finish starts only if its whole cost can be set aside."""
    allocation = view.job.spec.time_allocation
    if view.reservable is None or view.product is None or view.wallet is None or allocation is None:
        return None
    period_ms = view.wallet.spec.pays_for.accounting_frequency.period_ms
    cost = reservation_of(view.job, view.product.spec.price, period_ms)
    if cost <= view.reservable:
        return None
    longest_ms = view.longest_reservable_ms()
    sentence = sentences.not_enough_to_reserve(cost, allocation.duration_ms, view.reservable, longest_ms)
    return _not_paid(view, sentence)


def credits_last(view: AdmissionView) -> Objection | None:
    """The credits last long enough for a start to make sense."""
    if view.is_free or view.reservable is not None or view.runway_ms is None or view.runway_ms >= view.minimum_run_ms:
        return None
    assert view.rate_per_minute is not None, "the policies before this one found the product and the wallet"
    sentence = sentences.not_enough_credits(view.rate_per_minute, view.max_usable, view.runway_ms, view.minimum_run_ms)
    return _not_paid(view, sentence)


CHAIN: Final[tuple[Policy, ...]] = (
    parameters_can_be_passed_on,
    wallet_has_credits,
    product_exists,
    application_exists,
    wallet_exists,
    wallet_is_usable,
    credits_can_be_set_aside,
    cost_can_be_set_aside,
    credits_last,
)


def admit(view: AdmissionView) -> Objection | None:
    """Return the first refusal to start the job now, or None if it may start."""
    return next((refusal for policy in CHAIN if (refusal := policy(view)) is not None), None)


def _missing(view: AdmissionView, reason: Reason, what: str, instead: str) -> Objection:
    left_ms = view.reference_wait_ms - view.waited_ms
    if left_ms > 0:
        return Objection(reason, sentences.waiting_for(what), None, left_ms)
    return Objection(reason, sentences.gave_up_waiting(what, view.waited_ms, instead), JobState.FAILURE)


def _not_paid(view: AdmissionView, sentence: str) -> Objection:
    suspends = view.wallet is not None and view.wallet.spec.on_exhaustion == "Suspend"
    return Objection(Reason.NotEnoughCredits, sentence, JobState.SUSPENDED if suspends else JobState.FAILURE)
