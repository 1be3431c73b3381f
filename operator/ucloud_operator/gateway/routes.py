"""UCloud's calls, a function each. Paths and names are UCloud's; so is that nearly everything is a GET or a POST."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import ValidationError

from ucloud_operator.api import SimpleDuration, UCloudJob, Wallet
from ucloud_operator.gateway import selection, verdict
from ucloud_operator.gateway.asked import (
    MAX_BODY_BYTES,
    Extension,
    FindById,
    JobQuery,
    JobSpecification,
    JobsQuery,
    WalletsQuery,
    read_bulk,
    sentence,
)
from ucloud_operator.gateway.cluster import Change, Workspace, unless_refused, workspace_of
from ucloud_operator.gateway.errors import BAD_TOKEN, FORBIDDEN, NOT_FOUND, RefusalError, bad_request
from ucloud_operator.gateway.pages import page
from ucloud_operator.gateway.render import project_of, render_job
from ucloud_operator.gateway.wallets import children_of, render_wallet
from ucloud_operator.kube.client import Client

Answer: TypeAlias = Mapping[str, object]

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What RFC 6750 lets a bearer token be."""


@dataclass(frozen=True)
class Services:
    """What the calls share: connections that show nothing of their own, and what an administrator chose."""

    client: Client
    minimum_run_ms: int
    root: str


router = APIRouter()


def services(request: Request) -> Services:
    """Return what the application was made with."""
    shared: Services = request.app.state.services
    return shared


Shared = Annotated[Services, Depends(services)]


def token(authorization: Annotated[str, Header()] = "") -> str:
    """Return the caller's token; it goes to the API server and nowhere else."""
    scheme, _, shown = authorization.partition(" ")
    if scheme.lower() != "bearer" or not shown:
        raise RefusalError(HTTPStatus.FORBIDDEN, FORBIDDEN)
    if not TOKEN.fullmatch(shown.strip()):
        raise RefusalError(HTTPStatus.FORBIDDEN, BAD_TOKEN)
    return shown.strip()


async def workspace(
    shared: Shared, shown: Annotated[str, Depends(token)], project: Annotated[str, Header()] = ""
) -> Workspace:
    """Return the workspace that the request is about, with the caller's rights in it."""
    client = shared.client.on_behalf_of(shown)
    return Workspace(client, await workspace_of(client, project.strip()))


Here = Annotated[Workspace, Depends(workspace)]


async def body(request: Request, _: Annotated[str, Depends(token)]) -> bytes:
    """Return the body, whatever its Content-Type says; RefusalError (413) if it is longer than a MiB."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise RefusalError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request can't be longer than {MAX_BODY_BYTES} bytes"
            )
    return bytes(content)


Body = Annotated[bytes, Depends(body)]


@router.get("/api/accounting/v2/browseWallets")
async def browse_wallets(asked: Annotated[WalletsQuery, Query()], here: Here, shared: Shared) -> Answer:
    """List the workspace's wallets."""
    found = [w for w in await here.wallets() if asked.filter_type in {None, w.spec.pays_for.product_type}]
    others = await here.all_wallets() if asked.include_children else None

    def render(wallet: Wallet) -> Answer:
        children = None if others is None else children_of(wallet, others, asked.children_query)
        return render_wallet(wallet, children=children, root=shared.root)

    return page(found, asked, place=lambda wallet: wallet.metadata.name, render=render)


@router.post("/api/jobs")
async def create(content: Body, here: Here, shared: Shared) -> Answer:
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
async def retrieve(asked: Annotated[JobQuery, Query()], here: Here) -> Answer:
    """Show a job, whole whatever the flags say, as UCloud does; only filters count."""
    job = await here.job(asked.id)
    if not selection.is_asked_for(job, asked):
        raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return render_job(job, project=project_of(job))


@router.get("/api/jobs/browse")
async def browse(asked: Annotated[JobsQuery, Query()], here: Here) -> Answer:
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
async def terminate(content: Body, here: Here) -> Answer:
    """End jobs; their last update follows within a second or so."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"terminate": True})


@router.post("/api/jobs/suspend")
async def suspend(content: Body, here: Here) -> Answer:
    """Stop jobs' pods and their spending until they are unsuspended."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"suspend": True})


@router.post("/api/jobs/unsuspend")
async def unsuspend(content: Body, here: Here) -> Answer:
    """Let suspended jobs run again."""
    return await _change(here, read_bulk(FindById, content), lambda _: {"suspend": False})


async def _change(here: Workspace, items: Sequence[FindById], change: Change) -> Answer:
    await here.change([(item.id, change) for item in items])
    return {"responses": [{} for _ in items]}


@router.post("/api/jobs/extend")
async def extend(content: Body, here: Here) -> Answer:
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
