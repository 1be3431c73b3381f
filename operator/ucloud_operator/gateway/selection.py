"""Which jobs a caller asked for, and in what order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ucloud_operator.gateway.render import creator_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
        and flags.filter_labels.items() <= job.spec.labels.items()
        and flags.filter_type != "VMS_ONLY"
        and (flags.filter_created_after is None or created_ms >= flags.filter_created_after)
        and (flags.filter_created_before is None or created_ms <= flags.filter_created_before)
    )


def has_in_its_name(job: UCloudJob, query: str) -> bool:
    """Whether the id, the name or the application's name has the query in it, whatever its case."""
    names = (job.metadata.name, job.spec.name or "", job.spec.application.name)
    return any(query.casefold() in name.casefold() for name in names)


def place_of(job: UCloudJob) -> str:
    """Return where a job stands in the order of creation: a text that no two jobs of a workspace share."""
    return f"{job.metadata.creation_timestamp:015d}-{job.metadata.name}"


def in_order(jobs: Iterable[UCloudJob], flags: JobFlags) -> Sequence[UCloudJob]:
    """Return jobs in the order of `sortBy`, those alike in the order of creation; who has no end has the most time."""

    def key(job: UCloudJob) -> tuple[float, str, str]:
        match flags.sort_by:
            case "timeLeft":
                end_ms = job.status.expires_at
                return (float("inf") if end_ms is None else end_ms, "", place_of(job))
            case "createdBy":
                return (0, creator_of(job), place_of(job))
            case _:
                return (0, "", place_of(job))

    return sorted(jobs, key=key, reverse=flags.sort_direction == "descending")
