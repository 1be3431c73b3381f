"""Follows a job: what it is, and then what changes, until it is over.

One follower is one watch at the API server, of one job, with the follower's own token: who may not watch the job is
told so by the API server, and a token that is no longer good ends it at the latest when the watch is opened anew, every
five minutes. A watch that breaks is opened again from where it was, so nothing is missed while the API server restarts.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

from ucloud_operator.api import UCloudJob
from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError
from ucloud_operator.gateway.render import project_of, render_job, render_status, render_update
from ucloud_operator.kube.backoff import Backoff
from ucloud_operator.kube.errors import Gone, MalformedAnswer, ServerError, TooManyRequests, Unreachable
from ucloud_operator.kube.objects import section, text
from ucloud_operator.kube.resources import UCLOUDJOBS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ucloud_operator.api import JobState, JobUpdate
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
    seen, changes = Seen.of(job), _versions(here, job.metadata.name, job.metadata.uid, job.metadata.resource_version)
    del job  # as below: thousands may follow, each for hours, so nobody keeps what was told
    async with aclosing(changes) as versions:
        async for version in versions:
            if told := news(seen, version):
                yield told
            if version.is_final:
                return
            seen = Seen.of(version)
            del version


@dataclass(frozen=True, slots=True)
class Seen:
    """What a follower knows of a job, as far as it takes to tell what is new."""

    state: JobState | None
    update: JobUpdate | None
    """The last one."""

    @classmethod
    def of(cls, job: UCloudJob) -> Self:
        """Return what somebody knows who has been told all."""
        return cls(job.status.state, job.status.updates[-1] if job.status.updates else None)


def news(seen: Seen, job: UCloudJob) -> JsonObject | None:
    """Return what a follower is told of a change: new updates, and the status if its state is another."""
    updates = _fresh(seen.update, job.status.updates)
    changed = seen.state is not job.status.state
    if not updates and not changed:
        return None
    return {
        **NOTHING,
        "updates": [render_update(update) for update in updates],
        "newStatus": render_status(job.status) if changed else None,
    }


def _fresh(last: JobUpdate | None, updates: Sequence[JobUpdate]) -> Sequence[JobUpdate]:
    """Return the updates that came after one; those before it, and itself, may have been dropped meanwhile."""
    if last is None or last not in updates:
        return updates
    return updates[len(updates) - updates[::-1].index(last) :]


async def _versions(here: Workspace, name: str, uid: str, position: str) -> AsyncGenerator[UCloudJob]:
    """Yield what a job becomes from one version on, each time that it is written."""
    backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    while True:
        try:
            if not position:
                job = _same(uid, await here.job(name))
                position = job.metadata.resource_version
                yield job
                del job
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
                        yield _same(uid, UCloudJob.model_validate(event.object))
                    del event
        except Gone:
            position = ""  # too long ago: look at it anew
        except _PASSING:
            pass  # and again, from where it was
        await asyncio.sleep(backoff.next_seconds())


def _same(uid: str, job: UCloudJob) -> UCloudJob:
    """Return the job, unless it is another one that took the name of one that is gone."""
    if job.metadata.uid != uid:
        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return job
