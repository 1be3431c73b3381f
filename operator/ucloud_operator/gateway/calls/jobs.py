"""Calls about jobs."""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ValidationError

from ucloud_operator.api import SimpleDuration, UCloudJob
from ucloud_operator.gateway import selection, verdict
from ucloud_operator.gateway.asked import (
    Extension,
    FindById,
    JobQuery,
    JobSpecification,
    JobsQuery,
    read_bulk,
    sentence,
)
from ucloud_operator.gateway.calls.caller import Body, Here, Services, Shared
from ucloud_operator.gateway.cluster import Change, Workspace, unless_refused
from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError, bad_request
from ucloud_operator.gateway.pages import page
from ucloud_operator.gateway.render import JsonObject, project_of, render_job

router = APIRouter()


@router.post("/api/jobs")
async def create(content: Body, here: Here, shared: Shared) -> JsonObject:
    """Create jobs: all of them or none."""
    items = read_bulk(JobSpecification, content)
    around = await here.surroundings()
    unless_refused([_objection(item, here.namespace, around, shared) for item in items])
    names = await here.create([item.as_spec() for item in items])
    return {"responses": [{"id": name} for name in names]}


def _objection(
    item: JobSpecification, namespace: str, around: verdict.Surroundings, shared: Services
) -> RefusalError | None:
    if trouble := item.trouble():
        return bad_request(trouble)
    try:
        job = UCloudJob.model_validate({"metadata": {"name": "new", "namespace": namespace}, "spec": item.as_spec()})
    except ValidationError as error:
        return bad_request(sentence(error.errors(include_url=False)[0]))
    return verdict.refusal(job, around, shared.minimum_run_ms)


@router.get("/api/jobs/retrieve")
async def retrieve(asked: Annotated[JobQuery, Query()], here: Here) -> JsonObject:
    """Show a job, whole whatever the flags say, as UCloud does; only filters count."""
    job = await here.job(asked.id)
    if not selection.is_asked_for(job, asked):
        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return render_job(job, project=project_of(job))


@router.get("/api/jobs/browse")
async def browse(asked: Annotated[JobsQuery, Query()], here: Here) -> JsonObject:
    """List the workspace's jobs, newest first."""
    found = [job for job in await here.jobs() if selection.is_asked_for(job, asked)]
    return page(
        found,
        asked,
        place=lambda job: f"{job.metadata.creation_timestamp:015d}-{job.metadata.name}",
        render=lambda job: render_job(
            job, project=project_of(job), updates=asked.include_updates, parameters=asked.include_parameters
        ),
        newest_first=True,
    )


@router.post("/api/jobs/terminate")
async def terminate(content: Body, here: Here) -> JsonObject:
    """End jobs; their last update follows within a second or so."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"terminate": True})


@router.post("/api/jobs/suspend")
async def suspend(content: Body, here: Here) -> JsonObject:
    """Stop jobs' pods and their spending until they are unsuspended."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"suspend": True})


@router.post("/api/jobs/unsuspend")
async def unsuspend(content: Body, here: Here) -> JsonObject:
    """Let suspended jobs run again."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"suspend": False})


async def _change(here: Workspace, items: Sequence[FindById], change: Change) -> JsonObject:
    await here.change([(item.id, change) for item in items])
    return {"responses": [{} for _ in items]}


@router.post("/api/jobs/extend")
async def extend(content: Body, here: Here) -> JsonObject:
    """Give jobs more time; one without a time allocation has no end, and stays so."""
    items = read_bulk(Extension, content)
    unless_refused([_no_time(item) for item in items])
    await here.change([(item.job_id, partial(_extended, item.requested_time)) for item in items])
    return {"responses": [{} for _ in items]}


def _no_time(item: Extension) -> RefusalError | None:
    return bad_request("The requested time is too short") if item.requested_time.duration_ms == 0 else None


def _extended(more: SimpleDuration, job: UCloudJob) -> Mapping[str, object]:
    now = job.spec.time_allocation
    if now is None:
        return {}
    minutes, seconds = divmod((now.duration_ms + more.duration_ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return {"timeAllocation": {"hours": hours, "minutes": minutes, "seconds": seconds}}
