"""Which jobs a caller asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ucloud_operator.gateway.render import creator_of

if TYPE_CHECKING:
    from ucloud_operator.api import UCloudJob
    from ucloud_operator.gateway.asked import JobFlags


def is_asked_for(job: UCloudJob, flags: JobFlags) -> bool:
    """Whether no filter leaves the job out. Instants are unix milliseconds; both ends count."""
    product, created_ms = job.spec.product, job.metadata.creation_timestamp
    state = job.status.state.value if job.status.state else "IN_QUEUE"
    wanted = (
        (flags.filter_application, job.spec.application.name),
        (flags.filter_created_by, creator_of(job)),
        (flags.filter_product_category, product.category),
        (flags.filter_product_id, product.id),
        (flags.filter_provider, product.provider),
        (flags.filter_state, state),
    )
    hidden = (
        (flags.hide_product_category, product.category),
        (flags.hide_product_id, product.id),
        (flags.hide_provider, product.provider),
    )
    return (
        all(value is None or value == actual for value, actual in wanted)
        and not any(value == actual for value, actual in hidden)
        and all(
            ids is None or job.metadata.name in ids.split(",") for ids in (flags.filter_ids, flags.filter_provider_ids)
        )
        and (flags.filter_created_after is None or created_ms >= flags.filter_created_after)
        and (flags.filter_created_before is None or created_ms <= flags.filter_created_before)
    )
