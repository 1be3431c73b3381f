"""Calls of our own, beside UCloud's: what a page for people needs, and UCloud's answers have no place for."""

import asyncio
import time
from typing import Annotated, Final

from fastapi import APIRouter, Query

from ucloud_operator.gateway.asked import PageQuery
from ucloud_operator.gateway.calls.caller import Here
from ucloud_operator.gateway.cluster import username_of
from ucloud_operator.gateway.openapi import described
from ucloud_operator.gateway.outlook import (
    Forecast,
    JobCost,
    ListedApplication,
    ShownWorkspace,
    render_application,
    render_cost,
    render_forecast,
)
from ucloud_operator.gateway.pages import page
from ucloud_operator.gateway.render import JsonObject
from ucloud_operator.gateway.selection import place_of
from ucloud_operator.gateway.told import Page
from ucloud_operator.kube.resources import UCLOUDJOBS, WALLETS

router = APIRouter()

RIGHTS: Final = {
    "createJobs": ("create", UCLOUDJOBS),
    "changeJobs": ("patch", UCLOUDJOBS),
    "changeWallets": ("patch", WALLETS),
    "mint": ("mint", WALLETS),
    "fund": ("fund", WALLETS),
}


@router.get("/api/workspace", **described("workspace.retrieve", ShownWorkspace))
async def workspace(here: Here) -> JsonObject:
    """Say who calls, which workspace that is about, and what may be done there."""
    username, allowed = await asyncio.gather(
        username_of(here.client), asyncio.gather(*(here.may(verb, resource) for verb, resource in RIGHTS.values()))
    )
    return {"username": username, "workspace": here.namespace, "may": dict(zip(RIGHTS, allowed, strict=True))}


@router.get("/api/accounting/v2/browseForecasts", **described("accounting.v2.browseForecasts", Page[Forecast]))
async def browse_forecasts(asked: Annotated[PageQuery, Query()], here: Here) -> JsonObject:
    """List what is to become of the workspace's wallets, in the order of `browseWallets`."""
    return page(await here.wallets(), asked, place=lambda wallet: wallet.metadata.name, render=render_forecast)


@router.get("/api/jobs/browseCosts", **described("jobs.browseCosts", Page[JobCost]))
async def browse_costs(asked: Annotated[PageQuery, Query()], here: Here) -> JsonObject:
    """List what the workspace's jobs have used by now, in the order of `jobs/browse`."""
    jobs, now_ms = await here.jobs(), time.time_ns() // 1_000_000
    return page(jobs, asked, place=place_of, render=lambda job: render_cost(job, now_ms), newest_first=True)


@router.get("/api/applications/browse", **described("applications.browse", Page[ListedApplication]))
async def browse_applications(asked: Annotated[PageQuery, Query()], here: Here) -> JsonObject:
    """List what there is to run, by name and version."""
    return page(
        await here.applications(),
        asked,
        place=lambda application: f"{application.spec.name}\n{application.spec.version}\n{application.metadata.name}",
        render=render_application,
    )
