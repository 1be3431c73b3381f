"""A scheduler and kubelets in simulated time: pods get a node, start, end, and are stopped (`podlife.py`).

They know what really happened, to the millisecond, which nobody can learn from the API server: when containers started
and ended. That is what bills are held against.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import defaultdict
from typing import TYPE_CHECKING

from tests.simulation import podstatus
from tests.simulation.loop import VirtualClock
from tests.simulation.podlife import MONITOR_GRACE_SECONDS, Loss, PodLife
from tests.simulation.refusals import Refusal
from ucloud_operator.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.simulation.api import Api
    from tests.simulation.objects import Json
    from tests.simulation.storage import Write

_ENDED = frozenset({"Succeeded", "Failed"})


class Kubelets:
    """All nodes. Their clocks may be wrong, each in its way."""

    def __init__(self, api: Api, *, seed: int = 0, nodes: int = 2) -> None:
        self.api = api
        self.nodes = tuple(f"node-{number}" for number in range(1, nodes + 1))
        self.clocks = {node: VirtualClock() for node in self.nodes}
        self.random = random.Random(seed)  # noqa: S311  # how long things take
        self.schedulable = True
        """Whether there is room for another pod."""
        self.running: dict[str, str] = {}
        """The containers that run, by the uid of their pod: the truth that nobody else knows; and on which node."""
        self.finished_ms: dict[str, int] = {}
        """When containers really ended, to the millisecond, by this simulation's clock."""
        self.started_ms: dict[str, int] = {}
        self.start_told_ms: dict[str, int] = {}
        """When the API server was first told that they had started."""
        self.end_told_ms: dict[str, int] = {}
        """When it was first told that they had ended."""
        self.told_ms: dict[str, int] = {}
        """When their kubelets first heard of a deadline of pods."""
        self.lost: set[str] = set()
        """Pods whose node was lost under them."""
        self.given_up_ms: dict[str, int] = {}
        """When somebody said so first."""
        self.doubted_ms: defaultdict[str, list[int]] = defaultdict(list)
        """When it was said of pods that their node is gone, whether it was or not."""
        self._cut_off: dict[str, asyncio.Event] = {}
        self._unsaid: dict[str, Json] = {}
        self._next_node = itertools.cycle(self.nodes)
        self._lives: dict[str, PodLife] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        api.storage.listen(self._heard)

    def lose_node(self, node: str, loss: Loss = Loss.GONE) -> None:
        """Take a node away: its containers are gone, and what others say of its pods depends on how."""
        for life in list(self._lives.values()):
            if life.node == node:
                life.lose(loss)

    def fall_silent(self) -> None:
        """Lose all nodes, and everyone who would say so: their pods are called Running as long as they are there."""
        for node in self.nodes:
            self.lose_node(node, Loss.UNNOTICED)

    def remove_nodes(self) -> None:
        """Delete the objects of all nodes that fell silent."""
        for uid, life in self._lives.items():
            if uid in self.lost:
                life.node_removed.set()

    def end(self, uid: str, fail: str = "", *, code: int = 137) -> None:
        """Let a pod's container end now, by itself (with that code) or in one of the ways that it can fail."""
        self._lives[uid].end(fail, code)

    async def cut_off(self, node: str, seconds: float) -> None:
        """Let a node reach nobody for so long; what runs on it runs on."""
        self._cut_off[node] = asyncio.Event()
        await asyncio.sleep(min(seconds, MONITOR_GRACE_SECONDS))
        if seconds > MONITOR_GRACE_SECONDS:
            await self.api.back.wait()
            for life in [life for life in self._lives.values() if life.node == node]:
                self.give_up(life.pod, podstatus.unready)
            await asyncio.sleep(seconds - MONITOR_GRACE_SECONDS)
        self.reconnect(node)

    def reconnect(self, *nodes: str) -> None:
        """Let these nodes, or all, reach the API server again."""
        for node in nodes or tuple(self._cut_off):
            if (cut := self._cut_off.pop(node, None)) is not None:
                cut.set()
                for life in [life for life in self._lives.values() if life.node == node]:
                    life.come_back()

    def reaches(self, node: str) -> bool:
        """Say whether a node reaches the API server."""
        return not self.api.is_away and node not in self._cut_off

    async def reached(self, node: str) -> None:
        """Wait until it does."""
        while not self.reaches(node):
            await self.api.back.wait()
            if node in self._cut_off:
                await self._cut_off[node].wait()

    def spawn(self, life: Coroutine[None, None, None]) -> None:
        """Do something meanwhile."""
        task = asyncio.get_running_loop().create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _heard(self, write: Write) -> None:
        if write.resource != PODS:
            return
        pod = write.last
        uid = pod["metadata"]["uid"]
        life = self._lives.get(uid)
        if write.after is None:
            if life is not None:
                life.see(None)
                del self._lives[uid]
        elif life is not None:
            life.see(pod)
        elif write.before is None and not pod["spec"].get("nodeName"):
            self.spawn(self._schedule(pod))
        elif pod["spec"].get("nodeName") in self.nodes and pod["status"]["phase"] not in _ENDED:
            self._lives[uid] = PodLife(self, pod)
            self.spawn(self._lives[uid].run())

    async def _schedule(self, pod: Json) -> None:
        """Give a pod a node, as soon as there is room."""
        metadata = pod["metadata"]
        said = False
        if pod["spec"].get("schedulerName", "default-scheduler") != "default-scheduler":
            return
        await asyncio.sleep(self.random.uniform(0.005, 0.05))
        while True:
            await self.api.back.wait()
            try:
                pod = self.api.get(PODS, metadata["namespace"], metadata["name"])
            except Refusal:
                return
            if pod["metadata"]["uid"] != metadata["uid"] or "deletionTimestamp" in pod["metadata"]:
                return
            if self.schedulable:
                self.api.bind(pod, next(self._next_node))
                return
            if not said:
                self.report(pod, podstatus.unschedulable(pod, self.api.now_ms()))
                said = True
            await asyncio.sleep(1)

    def report(self, pod: Json, status: Json, *, node: str = "") -> None:
        """Write a pod's status, if the pod is still there; a node that reaches nobody writes the last one later."""
        uid = pod["metadata"]["uid"]
        if self.reaches(node) and uid not in self._unsaid:
            self._write(pod, status)
            return
        if uid not in self._unsaid:
            self.spawn(self._report_later(pod, node))
        self._unsaid[uid] = status

    async def _report_later(self, pod: Json, node: str) -> None:
        await self.reached(node)
        await asyncio.sleep(self.random.uniform(0.1, 1))
        status = self._unsaid.pop(pod["metadata"]["uid"])
        if pod["metadata"]["uid"] not in self.lost:
            self._write(pod, status)

    def give_up(self, pod: Json, said: Callable[[Json, int], Json]) -> None:
        """Let a controller say of a pod that its node isn't there, if the pod still is and may have run till then."""
        metadata = pod["metadata"]
        now_ms, uid = self.api.now_ms(), metadata["uid"]
        with contextlib.suppress(Refusal):
            present = self.api.get(PODS, metadata["namespace"], metadata["name"])
            there = present["metadata"]["uid"] == uid and present["status"]["phase"] not in _ENDED
            if there and (status := said(present, now_ms)):
                self.doubted_ms[uid].append(now_ms)
                if uid in self.lost:
                    self.given_up_ms.setdefault(uid, now_ms)
                self._write(pod, status)

    def delete(self, pod: Json, *, grace_seconds: int | None) -> None:
        """Let a controller delete a pod, if it is still there."""
        metadata = pod["metadata"]
        with contextlib.suppress(Refusal):
            self.api.delete(
                PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"], grace_seconds=grace_seconds
            )

    def _write(self, pod: Json, status: Json) -> None:
        metadata = pod["metadata"]
        for container in status.get("containerStatuses", ()):
            if "terminated" in container["state"]:
                self.end_told_ms.setdefault(metadata["uid"], self.api.now_ms())
            if any("startedAt" in state for state in container["state"].values()):
                self.start_told_ms.setdefault(metadata["uid"], self.api.now_ms())
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        with contextlib.suppress(Refusal):
            self.api.patch(
                PODS, metadata["namespace"], metadata["name"], body, subresource="status", user="system:node:node"
            )

    async def remove(self, pod: Json, node: str = "") -> None:
        """Delete a pod for good, as the kubelet does when it is done with it and has said so."""
        metadata = pod["metadata"]
        while not self.reaches(node) or metadata["uid"] in self._unsaid:
            await self.reached(node)
            await asyncio.sleep(1)
        self.delete(pod, grace_seconds=0)
