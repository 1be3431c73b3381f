"""One pod on its node, as a kubelet sees it.

What was seen on a real kubelet is what happens here. Stamps are cut off to the second. A pod that is deleted gets
SIGTERM, and SIGKILL when its grace has passed, but not before two seconds; a grace that has begun is not shortened by
anything. `activeDeadlineSeconds` is obeyed up to a second late. The end of a container is reported a moment after it
happened; then the kubelet deletes a pod that was to be deleted, and a finalizer keeps the object with the end in it.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final

from tests.simulation import podstatus
from tests.simulation.behaviour import Behaviour, behaviour_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.kubelet import Kubelets
    from tests.simulation.objects import Json

LEAST_GRACE_SECONDS: Final = 2
QUARANTINE_SECONDS: Final = 40
"""How long Kubernetes waits for a node that is gone to come back before it deletes its pods."""
POD_GC_SECONDS: Final = 20
"""How often it looks for such pods."""
MONITOR_GRACE_SECONDS: Final = 50
"""How long a node may be silent before it and the pods on it are called not ready."""
TOLERATION_SECONDS: Final = 300
"""How long pods stay on a node that is not ready."""

_TROUBLE: Final = {
    "image-pull": ("ErrImagePull", "manifest unknown"),
    "config": ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
}


class Loss(Enum):
    """How a node is lost."""

    GONE = "its object is deleted with it, as an autoscaler does"
    SILENT = "it is called not ready, and its pods are evicted; they are gone when its object is"
    UNNOTICED = "nobody says anything"


class PodLife:
    """One pod on its node."""

    def __init__(self, kubelets: Kubelets, pod: Json) -> None:
        self._kubelets = kubelets
        self._random = kubelets.random
        self._clock = kubelets.clocks[pod["spec"]["nodeName"]]
        self._pod: Json | None = pod
        self.pod = pod
        self._uid: str = pod["metadata"]["uid"]
        self._news = asyncio.Event()
        self._loss: Loss | None = None
        self._said: Json = {}
        self.node_removed = asyncio.Event()
        self._ending: tuple[str, int] | None = None
        self._accepted_ms = 0
        self._deadline_late = self._random.uniform(0.1, 1.0)
        self.node: str = pod["spec"]["nodeName"]

    def see(self, pod: Json | None) -> None:
        """Learn of a change, a moment after it was made."""
        delay_seconds = self._random.uniform(0.01, 0.1)
        asyncio.get_running_loop().call_later(delay_seconds, self._take, pod)

    @property
    def _lost(self) -> bool:
        """Whether its node is."""
        return self._loss is not None

    def lose(self, loss: Loss) -> None:
        """Be gone, with the node; what becomes of the pod depends on how."""
        self._loss = loss
        if self._uid not in self._kubelets.end_told_ms:
            self._kubelets.lost.add(self._uid)
        self._end_container()
        self._news.set()

    def come_back(self) -> None:
        """Say again what was said last: somebody may have said something else, as the node was out of reach."""
        if self._said and not self._lost:
            self._report(self._said)

    def end(self, fail: str, code: int) -> None:
        """End the container as it would end by itself: in a way to fail, or with an exit code."""
        self._ending = fail, code
        self._news.set()

    def _take(self, pod: Json | None) -> None:
        if not self._kubelets.reaches(self.node):
            self._kubelets.spawn(self._take_later(pod))
            return
        if pod is not None and self._pod is not None:
            old, new = (int(each["metadata"]["resourceVersion"]) for each in (self._pod, pod))
            if new <= old:
                return
        if self._pod is not None:
            self._pod = pod
            self._news.set()
        if pod is not None and "activeDeadlineSeconds" in pod["spec"]:
            self._kubelets.told_ms.setdefault(self._uid, self._kubelets.api.now_ms())

    async def _take_later(self, pod: Json | None) -> None:
        await self._kubelets.reached(self.node)
        self._take(pod)

    async def run(self) -> None:
        """Live from the node to the end."""
        told = behaviour_of(self.pod)
        await asyncio.sleep(self._random.uniform(0.01, 0.1))
        self._accepted_ms = self._clock.now_ms()
        if await self._start(told):
            await self._run(told)
        if self._lost:
            await self._be_lost()
        elif self._pod is not None:
            await self._be_removed()

    async def _start(self, told: Behaviour) -> bool:
        """Start the container; return whether it did, and nobody wanted it to stop before."""
        self._report(podstatus.waiting(self.pod, self._accepted_ms, "ContainerCreating"))
        if told.fail in _TROUBLE:
            await asyncio.sleep(0.3)
            reason, message = _TROUBLE[told.fail]
            self._report(podstatus.waiting(self.pod, self._accepted_ms, reason, message))
            if told.fail == "image-pull" and not await self._asked(2):
                self._report(podstatus.waiting(self.pod, self._accepted_ms, "ImagePullBackOff", "Back-off pulling"))
            await self._asked(None)
        elif not await self._asked(told.start_after):
            return True
        if not self._lost and self._pod is not None:
            self._report(podstatus.never_started(self.pod, self._past_deadline()))
        return False

    async def _run(self, told: Behaviour) -> None:
        """Run the container to its end, by itself or because it was asked to."""
        kubelets = self._kubelets
        started_ms = self._clock.now_ms()
        kubelets.running[self._uid] = self.node
        kubelets.started_ms[self._uid] = kubelets.api.now_ms()
        await self._say(podstatus.running(self.pod, self._accepted_ms, started_ms))
        spent_seconds = (self._clock.now_ms() - started_ms) / 1000
        left = None if told.exit_after is None else max(0, told.exit_after - spent_seconds)
        asked = await self._asked(left)
        if self._lost:
            return
        code, fail, late = told.exit_code, "" if asked else told.fail, self._past_deadline()
        if self._ending is not None:
            (fail, code), asked = self._ending, False
        elif asked:
            code = await self._be_stopped(told)
        elif told.fail == "node-lost":
            self.lose(Loss.GONE)
            return
        self._end_container()
        if self._pod is None:
            return
        end = podstatus.End(code=code, fail=fail, past_deadline=asked and late)
        status = podstatus.ended(self.pod, self._accepted_ms, started_ms, self._clock.now_ms(), end)
        await self._say(status)

    async def _be_stopped(self, told: Behaviour) -> int:
        """Take SIGTERM, and SIGKILL after the grace; return the exit code."""
        grace = 0  # of a pod that is gone already
        if self._pod is not None:
            own: int = self._pod["spec"]["terminationGracePeriodSeconds"]
            grace = self._pod["metadata"].get("deletionGracePeriodSeconds", own)
        killed_after = max(grace, LEAST_GRACE_SECONDS) + self._random.uniform(0.2, 0.4)
        if told.ignores_sigterm or told.sigterm_after > killed_after:
            await asyncio.sleep(killed_after)
            return 137
        await asyncio.sleep(told.sigterm_after)
        return told.sigterm_exit_code

    async def _asked(self, seconds: float | None) -> bool:
        """Wait so long; return whether before that a deletion, a deadline or the loss of its node asked it to stop."""
        loop = asyncio.get_running_loop()
        end = float("inf") if seconds is None else loop.time() + seconds
        while True:
            self._news.clear()
            if self._lost or self._ending is not None or self._past_deadline():
                return True
            if self._pod is None or "deletionTimestamp" in self._pod["metadata"]:
                return True
            if loop.time() >= end:
                return False
            wake_at = min(end, loop.time() + (self._deadline_ms() - self._clock.now_ms()) / 1000)
            try:
                async with asyncio.timeout_at(wake_at if wake_at < float("inf") else None):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _deadline_ms(self) -> float:
        seconds = self._pod["spec"].get("activeDeadlineSeconds") if self._pod else None
        return float("inf") if seconds is None else self._accepted_ms + 1000 * (seconds + self._deadline_late)

    def _past_deadline(self) -> bool:
        return self._clock.now_ms() >= self._deadline_ms()

    def _end_container(self) -> None:
        if self._kubelets.running.pop(self._uid, None) is not None:
            self._kubelets.finished_ms[self._uid] = self._kubelets.api.now_ms()

    async def _say(self, status: Json) -> None:
        await asyncio.sleep(self._random.uniform(0.1, 0.3))
        if not self._lost:
            self._report(status)

    def _report(self, status: Json) -> None:
        self._said = status
        if self._pod is not None:
            self._kubelets.report(self.pod, status, node=self.node)

    async def _be_lost(self) -> None:
        """Be given up, by those who look after nodes that are silent and pods whose node is gone."""
        if self._loss is Loss.UNNOTICED:
            return
        if self._loss is Loss.SILENT:
            await asyncio.sleep(MONITOR_GRACE_SECONDS)
            await self._is_said(podstatus.unready)
            await asyncio.sleep(TOLERATION_SECONDS)
            if self._pod is not None and "deletionTimestamp" not in self._pod["metadata"]:
                await self._is_said(podstatus.evicted_by_taint)
                self._kubelets.delete(self._pod, grace_seconds=None)
            await self.node_removed.wait()
        await asyncio.sleep(QUARANTINE_SECONDS + self._random.uniform(0, POD_GC_SECONDS))
        await self._is_said(podstatus.lost_with_its_node)
        self._kubelets.delete(self.pod, grace_seconds=0)

    async def _is_said(self, status: Callable[[Json, int], Json]) -> None:
        """Have a controller say something, as soon as the API server is there."""
        await self._kubelets.api.back.wait()
        self._kubelets.give_up(self.pod, status)

    async def _be_removed(self) -> None:
        """Wait for the deletion of a pod that has ended, and finish it."""
        while self._pod is not None:
            if self._lost:
                await self._be_lost()
                return
            if "deletionTimestamp" in self._pod["metadata"]:
                await asyncio.sleep(self._random.uniform(0.1, 0.5))
                await self._kubelets.remove(self.pod, self.node)
                return
            self._news.clear()
            await self._news.wait()
