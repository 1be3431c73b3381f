"""The API calls behind a decision's commands. Every answer goes into the world before the next decision is made.

What makes them safe when two operators run at once, or one that is late: status writes carry the resourceVersion that
was read, deletes the uid, pods the epoch of our lease and the number of the run in their name. Before a POST the
lease is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ucloud_operator.api import format_time
from ucloud_operator.control import measures
from ucloud_operator.control.sources import UNDER_WAY_MS
from ucloud_operator.kube.errors import AlreadyExists, Conflict, Invalid, LeaseNotHeld, NotFound, Unreachable
from ucloud_operator.kube.resources import PODS, SERVICES, UCLOUDJOBS
from ucloud_operator.lifecycle import pods as templates
from ucloud_operator.lifecycle.decide import JOB_FINALIZER
from ucloud_operator.lifecycle.facts import open_run, reservation_of
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.stops import format_stop
from ucloud_operator.settings import FOREVER_MS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ucloud_operator.api import Application, ComputeProduct, JobRun, Model, UCloudJob, UCloudJobStatus, Wallet
    from ucloud_operator.control.parts import Parts
    from ucloud_operator.lifecycle.commands import Arm, DeletePods, Launch, ReleasePods, Warn

logger = logging.getLogger(__name__)

STATUS_SECONDS = UNDER_WAY_MS // 2000
"""How long a job's status may be on its way: half as long as whoever publishes its wallet allows for."""

IN_FLIGHT = 48
"""Pods of one job that are worked on at once: more doesn't make the API server faster."""


def merge_body(status: Model) -> Mapping[str, object]:
    """Return a status as the body of a merge patch: what it doesn't have is removed, and no null stands inside."""
    body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    absent = {alias for field in type(status).model_fields.values() if (alias := field.alias) and alias not in body}
    return body | dict.fromkeys(absent)


class Calls:
    """Carries commands out."""

    def __init__(self, parts: Parts) -> None:
        """Take the world to keep, the client to call and the lease to look at."""
        self._world, self._client = parts.world, parts.client
        self._lease, self._clock = parts.lease, parts.clock

    async def adopt(self, job: UCloudJob) -> None:
        """Put our finalizer on a job."""
        await self._set_job_finalizers(job, (*job.metadata.finalizers, JOB_FINALIZER))

    async def delete_job(self, job: UCloudJob) -> None:
        """Delete a job; its usage is settled before our finalizer goes."""
        try:
            answer = await self._client.delete(
                UCLOUDJOBS, job.metadata.name, uid=job.metadata.uid, namespace=job.metadata.namespace
            )
        except (NotFound, Conflict):
            return
        if answer is not None:
            self._world.jobs.apply(answer)

    async def release_job(self, job: UCloudJob) -> None:
        """Take our finalizer off a job."""
        await self._set_job_finalizers(job, tuple(f for f in job.metadata.finalizers if f != JOB_FINALIZER))

    async def write_status(self, job: UCloudJob, status: UCloudJobStatus) -> None:
        """Write a job's status, unless the job has changed since it was read.

        One that isn't answered in time is given up, and decided again with a new stamp. Should the first still arrive
        after the second, it is refused for its old version.
        """
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                answer = await self._client.patch_status(
                    UCLOUDJOBS,
                    job.metadata.name,
                    merge_body(status),
                    resource_version=job.metadata.resource_version,
                    namespace=job.metadata.namespace,
                )
        except TimeoutError:
            silence = f"no answer within {STATUS_SECONDS} s"
            raise Unreachable("patch", f"ucloudjobs/status {job.key}", silence, ambiguous=True) from None
        self._world.jobs.apply(answer)

    async def refresh(self, job: UCloudJob) -> None:
        """Read a job and its pods again, after somebody else has changed one of them."""
        try:
            self._world.jobs.apply(
                await self._client.get(UCLOUDJOBS, job.metadata.name, namespace=job.metadata.namespace)
            )
        except NotFound:
            return
        await self._each(self._world.pods_of(job), self._refresh_pod)

    async def refresh_pods(self, job: UCloudJob) -> None:
        """Read all pods of a job again, as of one moment."""
        selector = f"{templates.JOB_UID}={job.metadata.uid}"
        for pod in await self._client.list(PODS, namespace=job.metadata.namespace, label_selector=selector):
            self._world.pods.apply(pod)

    async def launch(
        self, job: UCloudJob, command: Launch, product: ComputeProduct, application: Application, wallet: Wallet
    ) -> None:
        """Create a run's pods, and before them the Service by which they find each other."""
        launch = templates.Launch(
            job=job,
            product=product,
            application=application,
            wallet=wallet.metadata.name,
            run=command.run,
            price=product.spec.price,
            period_ms=wallet.spec.pays_for.accounting_frequency.period_ms,
            epoch=self._lease.epoch,
            reserved=reservation_of(job, product.spec.price, wallet.spec.pays_for.accounting_frequency.period_ms),
        )
        if job.spec.replicas > 1:
            await self._create_service(job)
        limit = asyncio.Semaphore(IN_FLIGHT)

        async def create(rank: int) -> None:
            async with limit:
                await self._create_pod(job, launch, rank)

        results = await asyncio.gather(*(create(rank) for rank in command.ranks), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def arm(self, job: UCloudJob, command: Arm) -> None:
        """Write a stop on pods, with the instant from which on their kubelet stops them without us."""
        run = open_run(job.status)

        async def arm_pod(pod: Pod) -> None:
            body: dict[str, object] = {"metadata": {"annotations": {templates.STOP: format_stop(command.stop)}}}
            deadline_seconds = _deadline_seconds(pod, command.deadline_ms, run)
            if deadline_seconds is not None:
                body["spec"] = {"activeDeadlineSeconds": deadline_seconds}
            try:
                answer = await self._client.patch(PODS, pod.metadata.name, body, namespace=pod.metadata.namespace)
            except NotFound:
                self._remove(pod)
                return
            self._world.pods.apply(answer)

        await self._each(command.pods, arm_pod)

    async def warn(self, command: Warn) -> None:
        """Let pods read when they will end; the kubelet brings it to their file within about a second."""
        shown = format_time(command.end_ms) if command.end_ms is not None else None

        async def annotate(pod: Pod) -> None:
            body = {"metadata": {"annotations": {templates.EXHAUSTS_AT: shown}}}
            try:
                answer = await self._client.patch(PODS, pod.metadata.name, body, namespace=pod.metadata.namespace)
            except NotFound:
                self._remove(pod)
                return
            self._world.pods.apply(answer)

        await self._each(command.pods, annotate)

    async def delete_pods(self, command: DeletePods) -> None:
        """Delete pods, each only if it is still the one that was meant."""

        async def delete(pod: Pod) -> None:
            try:
                answer = await self._client.delete(
                    PODS,
                    pod.metadata.name,
                    uid=pod.metadata.uid,
                    namespace=pod.metadata.namespace,
                    grace_period_seconds=command.grace_seconds,
                )
            except (NotFound, Conflict):
                await self._refresh_pod(pod)
                return
            measures.was_told_to_stop(command.stop, self._clock.now_ms())
            if answer is not None:
                self._world.pods.apply(answer)
            else:
                self._remove(pod)

        await self._each(command.pods, delete)

    async def release_pods(self, command: ReleasePods) -> None:
        """Take our finalizer off pods whose end is written down."""

        async def release(pod: Pod) -> None:
            try:  # the kubelet still writes to it at this moment: what needs the newest version would not get through
                answer = await self._client.remove_finalizer(
                    PODS,
                    pod.metadata.name,
                    templates.FINALIZER,
                    uid=pod.metadata.uid,
                    namespace=pod.metadata.namespace,
                )
            except (NotFound, Conflict, Invalid):
                await self._refresh_pod(pod)
                return
            measures.has_stopped(pod, self._clock.now_ms())
            released = Pod.model_validate(answer)
            if released.is_stopped and not released.metadata.finalizers:
                self._world.pods.remove(answer)  # the same as with jobs below
            else:
                self._world.pods.apply(answer)

        await self._each(command.pods, release)

    async def _create_service(self, job: UCloudJob) -> None:
        self.check_lease("create", SERVICES)
        try:
            await self._client.create(SERVICES, templates.build_service(job), namespace=job.metadata.namespace)
        except AlreadyExists:
            logger.debug("%s: its Service is there already", job.key)

    async def _create_pod(self, job: UCloudJob, launch: templates.Launch, rank: int) -> None:
        """Create one pod, or learn which one of ours has its name: its own from before, or an earlier job's."""
        self.check_lease("create", PODS)
        try:
            answer = await self._client.create(
                PODS, templates.build_pod(launch, rank), namespace=job.metadata.namespace
            )
        except AlreadyExists as taken:
            name = templates.pod_name(job.metadata.name, rank, launch.run)
            try:
                answer = await self._client.get(PODS, name, namespace=job.metadata.namespace)
            except NotFound:
                raise taken from None  # it has gone since: the name is free when we try again
            if not Pod.model_validate(answer).job_uid or self._world.pods.apply(answer) is None:
                raise  # nobody will tell us when it goes, or has told us already
        else:
            self._world.pods.apply(answer)

    def check_lease(self, verb: str, target: object) -> None:
        """Raise `LeaseNotHeld` unless we may act."""
        if not self._lease.held:
            raise LeaseNotHeld(verb, str(target), "not done, as the lease isn't held at the moment")

    async def _refresh_pod(self, pod: Pod) -> None:
        try:
            answer = await self._client.get(PODS, pod.metadata.name, namespace=pod.metadata.namespace)
        except NotFound:
            self._remove(pod)
            return
        self._world.pods.apply(answer)

    def _remove(self, pod: Pod) -> None:
        self._world.pods.remove(pod.model_dump(mode="json", by_alias=True))

    async def _set_job_finalizers(self, job: UCloudJob, finalizers: tuple[str, ...]) -> None:
        try:
            answer = await self._client.patch(
                UCLOUDJOBS,
                job.metadata.name,
                {"metadata": {"finalizers": finalizers}},
                namespace=job.metadata.namespace,
                resource_version=job.metadata.resource_version,
            )
        except NotFound:
            return
        if job.is_being_deleted and not finalizers:
            self._world.jobs.remove(answer)  # the answer is the last that is seen of it, and its version the old one
        else:
            self._world.jobs.apply(answer)

    @staticmethod
    async def _each(pods: tuple[Pod, ...], do: Callable[[Pod], Awaitable[None]]) -> None:
        """Do something to every pod, many at a time; the first failure is raised when all have been tried."""
        limit = asyncio.Semaphore(IN_FLIGHT)

        async def one(pod: Pod) -> None:
            async with limit:
                await do(pod)

        results = await asyncio.gather(*(one(pod) for pod in pods), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


def _deadline_seconds(pod: Pod, deadline_ms: int, run: JobRun | None) -> int | None:
    """Return the pod's deadline in seconds since its start; None where there is none to set: it can only be lowered.

    The pod's start is stamped by its node. By how much that clock is provably wrong the deadline moves as well.
    """
    if pod.status.start_time is None or deadline_ms >= FOREVER_MS:
        return None
    ahead_ms = pod.skew_ms(run.started_at) if run is not None else 0
    seconds = max(1, -(-(deadline_ms + ahead_ms - pod.status.start_time) // 1000))
    present = pod.spec.active_deadline_seconds
    return None if present is not None and present <= seconds else seconds
