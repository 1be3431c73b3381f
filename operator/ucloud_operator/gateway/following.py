"""Follows a job: what it is, and then what changes, until it is over.

One follower is one watch at the API server, of one job, with the follower's own token: who may not watch the job is
told so by the API server, and a token that is no longer good ends it at the latest when the watch is opened anew, every
five minutes. A watch that breaks is opened again from where it was, so nothing is missed while the API server restarts.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ucloud_operator.api import UCloudJob
from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError
from ucloud_operator.gateway.render import project_of, render_job, render_status, render_update
from ucloud_operator.kube.backoff import Backoff
from ucloud_operator.kube.errors import Gone, MalformedAnswer, ServerError, TooManyRequests, Unreachable
from ucloud_operator.kube.objects import section, text
from ucloud_operator.kube.resources import UCLOUDJOBS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ucloud_operator.api import JobUpdate
    from ucloud_operator.gateway.cluster import Workspace
    from ucloud_operator.gateway.render import JsonObject

NOTHING: Final[JsonObject] = {"updates": (), "log": (), "newStatus": None, "initialJob": None}
"""UCloud's `JobsFollowMessage` that tells nothing. `log` stays empty: what containers print isn't read."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10
_PASSING: Final = (Unreachable, ServerError, TooManyRequests, MalformedAnswer)


async def follow(here: Workspace, job: UCloudJob) -> AsyncGenerator[JsonObject]:
    """Yield the job, then its news, until it is over.

    Raises:
        RefusalError: 404, if it is deleted before.
        ApiError: if the API server no longer lets the caller see it.
    """
    yield {**NOTHING, "initialJob": render_job(job, project=project_of(job))}
    if job.is_final:
        return
    async with aclosing(_versions(here, job)) as versions:
        async for version in versions:
            if told := news(job, version):
                yield told
            job = version
            if job.is_final:
                return


def news(before: UCloudJob, now: UCloudJob) -> JsonObject | None:
    """Return what a follower is told of a change: new updates, and the status if its state is another."""
    updates = _fresh(before.status.updates, now.status.updates)
    changed = before.status.state is not now.status.state
    if not updates and not changed:
        return None
    return {
        **NOTHING,
        "updates": [render_update(update) for update in updates],
        "newStatus": render_status(now.status) if changed else None,
    }


def _fresh(before: Sequence[JobUpdate], now: Sequence[JobUpdate]) -> Sequence[JobUpdate]:
    """Return the updates that came; older ones may have been dropped meanwhile."""
    if not before or before[-1] not in now:
        return now
    return now[len(now) - now[::-1].index(before[-1]) :]


async def _versions(here: Workspace, job: UCloudJob) -> AsyncGenerator[UCloudJob]:
    """Yield what the job becomes, each time that it is written."""
    name, uid = job.metadata.name, job.metadata.uid
    position = job.metadata.resource_version
    backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    while True:
        try:
            if not position:
                job = await here.job(name)
                _insist_on(uid, job)
                position = job.metadata.resource_version
                yield job
            async with here.client.watch(
                UCLOUDJOBS,
                resource_version=position,
                namespace=here.namespace,
                field_selector=f"metadata.name={name}",
            ) as events:
                async for event in events:
                    backoff.reset()
                    if event.type == "DELETED":
                        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
                    position = text(section(event.object, "metadata"), "resourceVersion")
                    if event.type != "BOOKMARK":
                        job = UCloudJob.model_validate(event.object)
                        _insist_on(uid, job)
                        yield job
        except Gone:
            position = ""  # too long ago: look at it anew
        except _PASSING:
            pass  # and again, from where it was
        await asyncio.sleep(backoff.next_seconds())


def _insist_on(uid: str, job: UCloudJob) -> None:
    """Refuse another job that took the name of one that is gone."""
    if job.metadata.uid != uid:
        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
