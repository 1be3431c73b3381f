"""Pods whose job is gone: they are deleted and let go.

A job goes when none of its pods is left, as far as anyone knows. But a POST whose answer was lost may have been
carried out all the same, and become known only after the job has gone. Nobody can be billed for such a pod any more.
The garbage collector deletes it, as its owner is gone; our finalizer would keep it, and its namespace, for ever.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ucloud_operator.control.calls import Calls
from ucloud_operator.kube.errors import NotFound
from ucloud_operator.kube.resources import UCLOUDJOBS
from ucloud_operator.lifecycle.commands import DeletePods, ReleasePods
from ucloud_operator.lifecycle.pods import JOB_ID

if TYPE_CHECKING:
    from ucloud_operator.control.parts import Parts
    from ucloud_operator.lifecycle.kubelet import Pod

logger = logging.getLogger(__name__)


class Orphans:
    """The worker of the keys of kind ORPHAN."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts that it joins."""
        self._world, self._client = parts.world, parts.client
        self._calls = Calls(parts)

    async def reconcile(self, pod_key: str) -> None:
        """Let one pod go, if its job is gone indeed."""
        pod = self._world.orphan(pod_key)
        if pod is None or await self._has_job(pod):
            return
        if not pod.is_being_deleted:
            logger.warning("%s is deleted: its job is gone", pod_key)
            await self._calls.delete_pods(DeletePods((pod,), pod.spec.termination_grace_period_seconds))
        pod = self._world.orphan(pod_key)
        if pod is not None:
            await self._calls.release_pods(ReleasePods((pod,)))

    async def _has_job(self, pod: Pod) -> bool:
        """Ask the API server; what is known of jobs may be behind what is known of pods."""
        name = pod.metadata.labels.get(JOB_ID, "")
        try:
            answer = await self._client.get(UCLOUDJOBS, name, namespace=pod.metadata.namespace)
        except NotFound:
            return False
        self._world.jobs.apply(answer)
        return self._world.jobs.find(pod.job_uid) is not None
