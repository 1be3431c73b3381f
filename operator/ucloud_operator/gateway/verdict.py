"""What can be said about a job before it is created: the operator's own admission chain, asked once.

The operator knows more: what other jobs spend at this moment, what was topped up a second ago. So only what it would
certainly refuse is refused here. A job that its wallet would keep waiting for credits is created, and waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ucloud_operator.api import CategoryReference, JobState
from ucloud_operator.gateway.errors import NO_CREDITS, RefusalError
from ucloud_operator.gateway.wallets import paying_for
from ucloud_operator.lifecycle import sentences
from ucloud_operator.lifecycle.admission import AdmissionView, Objection, admit
from ucloud_operator.lifecycle.sentences import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ucloud_operator.api import Application, ComputeProduct, UCloudJob, Wallet

_PATIENCE_MS: Final = 1
"""Who asks by HTTP waits for nothing that doesn't exist yet."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is for jobs of a workspace, as the caller sees it."""

    products: Sequence[ComputeProduct]
    applications: Sequence[Application]
    wallets: Sequence[Wallet]

    def product_for(self, job: UCloudJob) -> ComputeProduct | None:
        """Return the product that the job names."""
        wanted = (job.spec.product.id, job.spec.product.category, job.spec.product.provider)
        return next(
            (p for p in self.products if (p.id, p.spec.category.name, p.spec.category.provider) == wanted), None
        )

    def application_for(self, job: UCloudJob) -> Application | None:
        """Return the application that the job names."""
        wanted = (job.spec.application.name, job.spec.application.version)
        return next((a for a in self.applications if (a.spec.name, a.spec.version) == wanted), None)

    def wallet_for(self, job: UCloudJob) -> Wallet | None:
        """Return the wallet that would pay for a job."""
        return self.wallet_of(CategoryReference(name=job.spec.product.category, provider=job.spec.product.provider))

    def wallet_of(self, category: CategoryReference) -> Wallet | None:
        """Return the wallet that pays for a category."""
        return paying_for(category, self.wallets)


def refusal(job: UCloudJob, around: Surroundings, minimum_run_ms: int) -> RefusalError | None:
    """Return why the job would be refused, as UCloud says it, or None if it may be created."""
    product, wallet = around.product_for(job), around.wallet_for(job)
    is_applied = wallet is not None and wallet.status.observed_generation == wallet.metadata.generation
    objection = admit(
        AdmissionView(
            job=job,
            product=product,
            application=around.application_for(job),
            wallet=wallet,
            wallet_locked=is_applied and wallet is not None and wallet.status.locked,
            wallet_blocked=wallet.status.blocked if is_applied and wallet is not None else "",
            max_usable=wallet.status.max_usable if wallet is not None else 0,
            runway_ms=_longest_ms(job, product, wallet) if is_applied else None,
            minimum_run_ms=minimum_run_ms,
            waited_ms=_PATIENCE_MS,
            reference_wait_ms=_PATIENCE_MS,
        )
    )
    return _as_ucloud_says(objection, job) if objection is not None and objection.state is JobState.FAILURE else None


def _longest_ms(job: UCloudJob, product: ComputeProduct | None, wallet: Wallet | None) -> int | None:
    """Say how long the credits would last if nobody else used any; None: for ever."""
    if product is None or wallet is None:
        return None
    per_period = product.spec.price * job.spec.replicas
    period_ms = wallet.spec.pays_for.accounting_frequency.period_ms
    return wallet.status.max_usable * period_ms // per_period if per_period else None


def _as_ucloud_says(objection: Objection, job: UCloudJob) -> RefusalError:
    wanted = job.spec.product
    match objection.reason:
        case Reason.ApplicationNotFound:
            what = sentences.application(job.spec.application.name, job.spec.application.version)
            return RefusalError(HTTPStatus.BAD_REQUEST, f"Unknown application requested: {what}")
        case Reason.ProductNotFound:
            what = sentences.product(wanted.id, wanted.category, wanted.provider)
            return RefusalError(HTTPStatus.BAD_REQUEST, f"Bad machine type requested: {what}")
        case Reason.NoWallet:
            why = f"You do not have any valid allocations for '{wanted.category}'"
            return RefusalError(HTTPStatus.PAYMENT_REQUIRED, why, NO_CREDITS)
        case Reason.InvalidParameters:
            return RefusalError(HTTPStatus.BAD_REQUEST, objection.message)
        case _:
            return RefusalError(HTTPStatus.PAYMENT_REQUIRED, objection.message, NO_CREDITS)
