"""Calls about jobs."""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ValidationError

from ucloud_operator.api import SimpleDuration, UCloudJob
from ucloud_operator.gateway import selection, verdict
from ucloud_operator.gateway.asked import (
    Bulk,
    Extension,
    FindById,
    JobFlags,
    JobQuery,
    JobSearch,
    JobSpecification,
    JobsQuery,
    Labelling,
    Renaming,
    read,
    read_bulk,
    sentence,
)
from ucloud_operator.gateway.calls.caller import Body, Here, Services, Shared
from ucloud_operator.gateway.catalogue import place_of_product, render_support, resolve
from ucloud_operator.gateway.cluster import Change, Workspace, unless_refused
from ucloud_operator.gateway.errors import NO_CREDITS, NO_RESOURCES, NOT_FOUND, RefusalError, bad_request
from ucloud_operator.gateway.openapi import described
from ucloud_operator.gateway.pages import page, page_of
from ucloud_operator.gateway.render import JsonObject, project_of, render_job
from ucloud_operator.gateway.told import Created, Job, Nothing, Page, Responses, SupportByProvider

router = APIRouter()


def _changes(
    name: str, takes: type[BaseModel], *also: HTTPStatus, gives: type[BaseModel] = Responses[Nothing]
) -> dict[str, Any]:
    return described(name, gives, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, *also, takes=takes)


@router.post(
    "/api/jobs",
    **described(
        "jobs.create",
        Responses[Created],
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.CONFLICT,
        takes=Bulk[JobSpecification],
    ),
)
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


@router.get("/api/jobs/retrieve", **described("jobs.retrieve", Job, HTTPStatus.NOT_FOUND))
async def retrieve(asked: Annotated[JobQuery, Query()], here: Here) -> JsonObject:
    """Show a job, with its updates and parameters whatever the flags say, as UCloud does."""
    job = await here.job(asked.id)
    if not selection.is_asked_for(job, asked):
        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    around = await _referred_to(here, asked)
    return render_job(job, project=project_of(job), resolved=resolve(job, asked, around))


@router.get("/api/jobs/browse", **described("jobs.browse", Page[Job]))
async def browse(asked: Annotated[JobsQuery, Query()], here: Here) -> JsonObject:
    """List the workspace's jobs, newest first."""
    return await _list(asked, await here.jobs(), here)


@router.post("/api/jobs/search", **described("jobs.search", Page[Job], takes=JobSearch))
async def search(content: Body, here: Here) -> JsonObject:
    """List the workspace's jobs that have a text in their id, name or application's name."""
    asked = read(JobSearch, content)
    return await _list(asked, [j for j in await here.jobs() if selection.has_in_its_name(j, asked.query)], here)


async def _list(asked: JobsQuery, jobs: Sequence[UCloudJob], here: Workspace) -> JsonObject:
    found = [job for job in jobs if selection.is_asked_for(job, asked)]
    around = await _referred_to(here, asked)

    def render(job: UCloudJob) -> JsonObject:
        return render_job(
            job,
            project=project_of(job),
            updates=asked.include_updates,
            parameters=asked.include_parameters,
            resolved=resolve(job, asked, around),
        )

    if asked.sort_by:
        return page_of(selection.in_order(found, asked), asked, render=render)
    return page(found, asked, place=selection.place_of, render=render, newest_first=True)


async def _referred_to(here: Workspace, flags: JobFlags) -> verdict.Surroundings:
    """Return what jobs may refer to, if that was asked for."""
    if flags.include_application or flags.include_product or flags.include_support:
        return await here.surroundings()
    return verdict.Surroundings((), (), ())


@router.post("/api/jobs/terminate", **_changes("jobs.terminate", Bulk[FindById]))
async def terminate(content: Body, here: Here) -> JsonObject:
    """End jobs; their last update follows within a second or so."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"terminate": True})


@router.post("/api/jobs/suspend", **_changes("jobs.suspend", Bulk[FindById]))
async def suspend(content: Body, here: Here) -> JsonObject:
    """Stop jobs' pods and their spending until they are unsuspended."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"suspend": True})


@router.post("/api/jobs/unsuspend", **_changes("jobs.unsuspend", Bulk[FindById], HTTPStatus.PAYMENT_REQUIRED))
async def unsuspend(content: Body, here: Here, shared: Shared) -> JsonObject:
    """Let suspended jobs run again; refused where that would end them, as nobody can pay."""
    items = read_bulk(FindById, content)
    return await _change(here, items, partial(_unsuspended, await here.surroundings(), shared))


def _unsuspended(around: verdict.Surroundings, shared: Services, job: UCloudJob) -> Mapping[str, object]:
    refused = verdict.refusal(job, around, shared.minimum_run_ms) if job.spec.suspend and not job.is_final else None
    if refused is not None and refused.status is HTTPStatus.PAYMENT_REQUIRED:
        raise RefusalError(HTTPStatus.PAYMENT_REQUIRED, NO_RESOURCES, NO_CREDITS)
    return {"suspend": False}


async def _change(here: Workspace, items: Sequence[FindById], change: Change) -> JsonObject:
    await here.change([(item.id, change) for item in items])
    return {"responses": [{} for _ in items]}


@router.post("/api/jobs/rename", **_changes("jobs.rename", Bulk[Renaming], gives=Nothing))
async def rename(content: Body, here: Here) -> JsonObject:
    """Give jobs another name; an empty one takes it away."""
    items = read_bulk(Renaming, content)
    await here.change([(item.id, partial(_renamed, item.new_title)) for item in items])
    return {}


def _renamed(title: str, _: UCloudJob) -> Mapping[str, object]:
    return {"name": title or None}


@router.post("/api/jobs/updateLabels", **_changes("jobs.updateLabels", Bulk[Labelling], gives=Nothing))
async def update_labels(content: Body, here: Here) -> JsonObject:
    """Give jobs these labels, and take all others away."""
    items = read_bulk(Labelling, content)
    await here.change([(item.id, partial(_labelled, item.labels)) for item in items])
    return {}


def _labelled(labels: Mapping[str, str], job: UCloudJob) -> Mapping[str, object]:
    return {"labels": {**dict.fromkeys(job.spec.labels), **labels}}


@router.get("/api/jobs/retrieveProducts", **described("jobs.retrieveProducts", SupportByProvider))
async def retrieve_products(here: Here) -> JsonObject:
    """Show the products that jobs can run on, by provider, and what can be done there."""
    around = await here.surroundings()
    by_provider: dict[str, list[JsonObject]] = {}
    for product in sorted(around.products, key=place_of_product):
        shown = render_support(product, around.wallet_of(product.spec.category))
        by_provider.setdefault(product.spec.category.provider, []).append(shown)
    return {"productsByProvider": by_provider}


@router.post("/api/jobs/extend", **_changes("jobs.extend", Bulk[Extension]))
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
