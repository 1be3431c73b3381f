"""A job in a story: what is done to it, and what is waited for."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.storytelling.stage import Stage
from tests.cluster.storytelling.view import PATIENCE_SECONDS, Pod
from ucloud_operator.api import JobState, UCloudJob
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS

SUCCESS, FAILURE, EXPIRED = JobState.SUCCESS, JobState.FAILURE, JobState.EXPIRED
IN_QUEUE, RUNNING, SUSPENDED = JobState.IN_QUEUE, JobState.RUNNING, JobState.SUSPENDED


@dataclass(frozen=True)
class Job:
    """A job; one that is re-created under the same name is another one."""

    stage: Stage
    namespace: str
    name: str
    uid: str

    @property
    def now(self) -> UCloudJob:
        """The job as it is, or was when it went."""
        return self.stage.view.last_seen[self.uid]

    @property
    def exists(self) -> bool:
        return self.stage.view.jobs.find(self.uid) is not None

    @property
    def pods(self) -> list[Pod]:
        return self.stage.view.pods_of(self.uid)

    @property
    def usage(self) -> int:
        return self.now.status.usage

    @property
    def updates(self) -> list[tuple[JobState | None, str | None]]:
        """What it says that happened, without the times."""
        return [(update.state, update.status) for update in self.now.status.updates]

    @property
    def lengths_ms(self) -> list[int]:
        """How long each of its ended runs lasted."""
        return [run.ended_at - run.started_at for run in self.now.status.runs if run.ended_at is not None]

    @property
    def started_ms(self) -> int:
        return self.now.status.runs[-1].started_at

    @property
    def ended_ms(self) -> int:
        ended = self.now.status.runs[-1].ended_at
        assert ended is not None, f"{self.name} still runs"
        return ended

    async def until(self, holds: Callable[[UCloudJob], bool], within_seconds: float = PATIENCE_SECONDS) -> UCloudJob:
        """Wait until this holds, and return the job."""
        view = self.stage.view
        await view.until(
            lambda: self.uid in view.last_seen and holds(self.now), lambda: self._description, within_seconds
        )
        return self.now

    async def runs(self, within_seconds: float = PATIENCE_SECONDS) -> UCloudJob:
        return await self._comes_to(RUNNING, within_seconds)

    async def waits(self) -> UCloudJob:
        return await self._comes_to(IN_QUEUE, PATIENCE_SECONDS)

    async def ends(
        self, state: JobState, reason: str, message: str | None = None, *, within_seconds: float = PATIENCE_SECONDS
    ) -> UCloudJob:
        """Wait until it has ended, and expect this end."""
        job = await self.until(lambda job: job.is_final, within_seconds)
        assert (job.status.state, job.status.reason) == (state, reason), self._description
        if message is not None:
            assert _as_if_prompt(job.status.message) == message
        assert job.status.updates[-1].state == state
        assert job.status.updates[-1].status == job.status.message
        return job

    async def says(self, reason: str) -> UCloudJob:
        """Wait until it gives this reason for its state."""
        return await self.until(lambda job: job.status.reason == reason)

    async def is_suspended(self, reason: str) -> UCloudJob:
        """Wait until it is suspended, for this reason."""
        job = await self._comes_to(SUSPENDED, PATIENCE_SECONDS)
        assert job.status.reason == reason, self._description
        return job

    async def has_no_pods(self, within_seconds: float = PATIENCE_SECONDS) -> None:
        await self.stage.view.until(lambda: not self.pods, lambda: f"pods {self.pods}", within_seconds)

    async def has_stopped(self) -> None:
        """Wait until none of its pods runs or is held. (The ended ones stay for those who read their logs.)"""
        await self.stage.view.until(
            lambda: all(
                pod.status.phase in {"Succeeded", "Failed"} and not pod.metadata.finalizers for pod in self.pods
            ),
            lambda: f"pods {self.pods}",
            PATIENCE_SECONDS,
        )

    async def has_pods(self, count: int = 1) -> list[Pod]:
        """Wait until it has so many pods, all of them known to their kubelets, and return them."""
        await self.stage.view.until(
            lambda: len(self.pods) == count and all(pod.status.start_time for pod in self.pods),
            lambda: f"pods {self.pods}",
            PATIENCE_SECONDS,
        )
        return self.pods

    async def is_gone(self, within_seconds: float = PATIENCE_SECONDS) -> None:
        view = self.stage.view
        await view.until(
            lambda: self.uid in view.last_seen and not self.exists, lambda: self._description, within_seconds
        )

    async def patch(self, **spec: object) -> None:
        """Change the spec, as `kubectl patch` does."""
        answer = await self.stage.client.patch(UCLOUDJOBS, self.name, {"spec": spec}, namespace=self.namespace)
        self.stage.view.jobs.apply(answer)

    async def delete(self, cascade: str = "background") -> None:
        """`kubectl delete ucloudjob`."""
        await self.stage.kubectl(
            "delete", "ucloudjob", self.name, f"--namespace={self.namespace}", f"--cascade={cascade}", "--wait=false"
        )

    async def delete_pod(self, pod: Pod, grace_seconds: int | None = None) -> None:
        """Somebody deletes one of its pods by hand."""
        await self.stage.client.delete(
            PODS, pod.name, uid=pod.metadata.uid, namespace=self.namespace, grace_period_seconds=grace_seconds
        )

    async def evict_pod(self, pod: Pod) -> None:
        """What `kubectl drain` does to its pod."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod.name}/eviction"
        await self.stage.kubectl("create", f"--raw={path}", "--filename=-", stdin=json.dumps(eviction))

    async def tell(self, pod: Pod, **settings: str) -> None:
        """Tell the kubelet of one pod how its container fares, for example `exit_after="1s"`."""
        annotations = {f"devcluster.ucloud.dk/{name.replace('_', '-')}": value for name, value in settings.items()}
        body = {"metadata": {"annotations": annotations}}
        await self.stage.client.patch(PODS, pod.name, body, namespace=self.namespace)

    async def _comes_to(self, state: JobState, within_seconds: float) -> UCloudJob:
        job = await self.until(lambda job: job.status.state is state or job.is_final, within_seconds)
        assert job.status.state is state, self._description
        return job

    @property
    def _description(self) -> str:
        if self.uid not in self.stage.view.last_seen:
            return f"job {self.name} was never seen"
        phases = {pod.name: pod.status.phase for pod in self.pods}
        return f"job {self.name}, pods {phases}: {self.now.status!r}"


def _as_if_prompt(sentence: str | None) -> str:
    """The same, but a busy machine gives up a second late."""
    return re.sub(r"^Waited \d+ s ", "Waited 3 s ", sentence or "")
