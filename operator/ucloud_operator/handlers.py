"""The process: Kopf runs it, and tells us of our own kinds; everything else is `control`'s.

Kopf is asked for as little as it does best: the process with its signals, the login, and a raw watch of the four
kinds. Its handlers are raw `on.event` ones that put the object into a store and return; they can't fail, so they need
no retries, no annotations on anybody's objects and no finalizers of Kopf's. Nothing of ours depends on an event that
Kopf might lose: everything is listed in full when we begin to lead and every ten minutes.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import kopf
from kopf._core.engines.peering import Identity

from ucloud_operator import metrics
from ucloud_operator.api import GROUP, VERSION
from ucloud_operator.control import measures
from ucloud_operator.control.operator import Operator
from ucloud_operator.kube.client import Call, Client
from ucloud_operator.kube.clock import SystemClock
from ucloud_operator.kube.login import login
from ucloud_operator.web import serve

if TYPE_CHECKING:
    from ucloud_operator.kube.login import Credentials
    from ucloud_operator.settings import Settings

logger = logging.getLogger(__name__)

KOPF_PAUSE_SECONDS = 2
KOPF_IDENTITY = Identity("ucloud-operator")
"""For a peering that we don't use; Kopf would look for the name of the user, and a container's has none."""
PLURALS = ("wallets", "ucloudjobs", "computeproducts", "applications")


class NothingStored(kopf.DiffBaseStorage):
    """Kopf's memory of what it last saw of an object, for handlers that we don't have."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:  # noqa: ARG002, D102  # Kopf's
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> None:  # noqa: ARG002, D102  # Kopf's
        return None

    def store(self, **_: object) -> None:  # noqa: D102  # Kopf's
        return


def count(call: Call) -> None:
    """Count a call to the API server."""
    metrics.REQUESTS.labels(call.verb, call.target, str(call.status)).inc()
    if call.verb != "watch":
        metrics.REQUEST_SECONDS.labels(call.verb, call.target).observe(call.seconds)


def build(operator: Operator) -> kopf.OperatorRegistry:
    """Return the handlers of a Kopf operator that feeds ours."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry, id="settings")
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.persistence.diffbase_storage = NothingStored()
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.scanning.disabled = True
        settings.watching.server_timeout = 300
        settings.networking.error_backoffs = Endless()
        settings.queueing.idle_timeout = 0.5  # a worker that waits longer for one object's next event delays the exit

    @kopf.on.login(registry=registry, id="login")
    async def show_who_we_are(**_: Any) -> kopf.ConnectionInfo:
        return as_kopf_wants_it(await asyncio.to_thread(login))

    for plural in PLURALS:

        @kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)
        async def changed(type: str | None, body: kopf.Body, plural: str = plural, **_: Any) -> None:  # noqa: A002  # Kopf's
            operator.feed(plural, type, dict(body))

    return registry


def as_kopf_wants_it(credentials: Credentials) -> kopf.ConnectionInfo:
    """Return what our own client logs in with, for Kopf's; its own ways need the package kubernetes, even in a pod."""
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_path=credentials.ca_path,
        insecure=credentials.insecure,
        scheme=credentials.scheme,
        token=credentials.token,
        certificate_path=credentials.certificate_path,
        private_key_path=credentials.private_key_path,
        proxy_url=credentials.proxy_url,
    )


class Endless:
    """Pauses between attempts to reach the API server, without end: an operator that gives up stops nobody's job."""

    def __iter__(self) -> itertools.chain[float]:
        """Start again from short pauses."""
        return itertools.chain((0.1, 0.5, 1, 2, 5), itertools.repeat(10))


async def run(settings: Settings) -> None:
    """Run one replica until it is told to stop."""
    settings = settings.model_copy(update={"identity": settings.identity or default_identity()})
    clock = SystemClock()
    measures.begin()
    async with Client(on_call=count, clock=clock) as client:
        operator = Operator(client, settings, clock)
        web = await serve(operator, settings)
        told = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                ours = group.create_task(operator.run())
                kopfs = group.create_task(run_kopf(operator, told))
                await told.wait()
                ours.cancel()  # gives the lease up at once: somebody else can lead while Kopf ends
                await kopfs
        finally:
            await web.cleanup()


async def run_kopf(operator: Operator, told: asyncio.Event) -> None:
    """Run Kopf until we are told to stop. It gives up at a 403 or at an error in a watch; we don't."""
    while not told.is_set():
        ready = asyncio.Event()
        obedience = asyncio.create_task(obey(ready, told))
        try:
            await kopf.operator(
                registry=build(operator),
                identity=KOPF_IDENTITY,
                clusterwide=True,
                standalone=True,
                ready_flag=ready,
                stop_flag=told,
            )
        except Exception:
            logger.exception("Kopf has stopped; starting it again in %d s", KOPF_PAUSE_SECONDS)
            await asyncio.sleep(KOPF_PAUSE_SECONDS)
        else:
            told.set()
        finally:
            obedience.cancel()


async def obey(ready: asyncio.Event, told: asyncio.Event) -> None:
    """Take over the signals from Kopf, which takes one only and waits for our tasks to end before it does."""
    await ready.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)


def default_identity() -> str:
    """Return a name that no other replica has, and that this one has again after a restart in place."""
    return f"{socket.gethostname()}-{os.getpid()}"  # in a container the pod's name, and always process 1
