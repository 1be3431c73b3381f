"""A cluster in simulated time, with operators that can be killed: where the simulation's tests play their stories."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from tests.simulation.admission import OPERATOR
from tests.simulation.api import ADMIN, Api
from tests.simulation.audit import Audit
from tests.simulation.controllers import Controllers
from tests.simulation.kopf_feed import feed
from tests.simulation.kubelet import Kubelets
from tests.simulation.loop import Process, VirtualClock
from tests.simulation.network import FINE, WRITES, Faults, Network, SimulatedClient, Way
from tests.simulation.refusals import Refusal
from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.control.operator import Operator
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    LEASES,
    NAMESPACES,
    PODS,
    UCLOUDJOBS,
    WALLETS,
    Resource,
)
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.objects import Json
    from ucloud_operator.kube.transport import Call, Request

T = TypeVar("T")

HOME = "ucloud-system"
NAMESPACE = "physics"
"""Where a story happens unless it says otherwise."""

_KINDS = {resource.kind: resource for resource in (WALLETS, UCLOUDJOBS, COMPUTEPRODUCTS, APPLICATIONS, PODS, LEASES)}


class Replica:
    """One operator process."""

    def __init__(self, simulation: Simulation, name: str, faults: Faults, seed: int) -> None:
        self.process = Process(name)
        self.calls: list[Call] = []
        self.network = Network(
            simulation.api,
            user=OPERATOR,
            process=self.process,
            faults=faults,
            seed=seed,
            on_call=self.calls.append,
            on_step=simulation.step,
            injected=simulation.injected,
            ways=simulation.ways,
        )
        client = SimulatedClient(self.network)
        self.clock = VirtualClock(drift_ppm=simulation.clock_drift_ppm, process=self.process)
        self.operator = Operator(client, simulation.settings.model_copy(update={"identity": name}), self.clock)
        self.process.start(self.operator.run())
        watcher = Network(
            simulation.api,
            user=OPERATOR,
            process=self.process,
            faults=faults,
            seed=seed + 1,
            injected=simulation.injected,
            ways=simulation.ways,
        )
        self.process.start(feed(SimulatedClient(watcher), self.operator.feed))

    @property
    def alive(self) -> bool:
        """Whether it runs; a process that failed by itself is a defect, and said so at once."""
        if self.process.failure is not None:
            raise AssertionError(f"{self.process.name} died by itself") from self.process.failure
        return self.process.alive

    def writes(self, *resources: Resource) -> int:
        """Return how many writes it has made to these kinds that were answered well."""
        return sum(
            call.verb in WRITES and call.resource in resources and call.status in {200, 201} for call in self.calls
        )


class Simulation:
    """A cluster; to be made inside a running `VirtualLoop`."""

    def __init__(
        self,
        seed: int = 0,
        *,
        faults: Faults = FINE,
        policies: bool = True,
        settings: Settings | None = None,
        nodes: int = 2,
    ) -> None:
        random.seed(seed)
        self.seed = seed
        self.faults = faults
        self.settings = settings or Settings()
        self.clock = VirtualClock()
        self.api = Api(self.clock, policies=policies, seed=seed)
        self.controllers = Controllers(self.api, seed=seed)
        self.kubelets = Kubelets(self.api, seed=seed, nodes=nodes)
        self.audit = Audit(self.api, self.kubelets)
        self.replicas: list[Replica] = []
        self.steps: list[str] = []
        self.injected: Counter[str] = Counter()
        """How many faults of each kind have happened."""
        self.clock_drift_ppm = 0
        """By how many millionths the wall clocks of operators are too quick that are started from now on."""
        self.led: list[tuple[int, bool]] = []
        """By the moment (unix ms) at which it was looked: whether somebody led, and reached the API server."""
        self.ways: list[Way] = []
        """What happens between the operators and the API server, besides chance."""
        self._known_jobs: dict[str, tuple[str, UCloudJob]] = {}
        self._known_wallets: dict[str, tuple[str, Wallet]] = {}
        self.on_step: Callable[[int], None] = lambda _: None
        for namespace in (HOME, NAMESPACE):
            self.api.create(NAMESPACES, "", {"metadata": {"name": namespace}})

    # Operators

    def start_operator(self, faults: Faults | None = None) -> Replica:
        """Start an operator, beside those that run."""
        number = len(self.replicas) + 1
        replica = Replica(self, f"operator-{number}", faults or self.faults, 1000 * self.seed + 10 * number)
        self.replicas.append(replica)
        return replica

    def step(self, step: str, request: Request) -> None:
        """Note a step of an operator's: a request that reaches the API server, or an answer that leaves it.

        A renewal of the Lease is none: there is one every second, and they are all alike.
        """
        if request.resource == LEASES and b"holderIdentity" not in (request.body or b""):
            return
        self.steps.append(f"{step} {request.verb} {request.target}")
        self.on_step(len(self.steps))

    # What people do

    def apply(self, *manifests: Json, namespace: str = NAMESPACE) -> None:
        """Create objects, or replace what their manifests say."""
        if not self.exists(NAMESPACES, namespace):
            self.api.create(NAMESPACES, "", {"metadata": {"name": namespace}})
        for manifest in manifests:
            resource = _KINDS[manifest["kind"]]
            home = namespace if resource.namespaced else ""
            try:
                self.api.create(resource, home, manifest, user=ADMIN)
            except Refusal as refusal:
                if refusal.status["reason"] != "AlreadyExists":
                    raise
                self.api.patch(resource, home, manifest["metadata"]["name"], manifest, user=ADMIN)

    def edit(self, resource: Resource, name: str, spec: Json, *, namespace: str = NAMESPACE) -> None:
        """Change something in an object's spec."""
        self.api.patch(resource, namespace if resource.namespaced else "", name, {"spec": spec}, user=ADMIN)

    def delete(self, resource: Resource, name: str, *, namespace: str = NAMESPACE) -> None:
        """Delete an object."""
        self.api.delete(resource, namespace if resource.namespaced else "", name)

    # What there is

    def job(self, name: str = "a", *, namespace: str = NAMESPACE) -> UCloudJob:
        """Return a job."""
        return self._parsed(self.api.get(UCLOUDJOBS, namespace, name))

    def _parsed(self, thing: Json) -> UCloudJob:
        """Parse a job once for each of its versions: whoever waits looks at the same ones again and again."""
        metadata = thing["metadata"]
        version, known = self._known_jobs.get(metadata["uid"], ("", None))
        if known is None or version != metadata["resourceVersion"]:
            known = UCloudJob.model_validate(thing)
            self._known_jobs[metadata["uid"]] = metadata["resourceVersion"], known
        return known

    def jobs(self) -> list[UCloudJob]:
        """Return all jobs."""
        return [self._parsed(thing) for thing in self.api.storage.every(UCLOUDJOBS)]

    def wallet(self, name: str = "example-compute", *, namespace: str = NAMESPACE) -> Wallet:
        """Return a wallet."""
        thing = self.api.get(WALLETS, namespace, name)
        version, known = self._known_wallets.get(thing["metadata"]["uid"], ("", None))
        if known is None or version != thing["metadata"]["resourceVersion"]:
            known = Wallet.model_validate(thing)
            self._known_wallets[thing["metadata"]["uid"]] = thing["metadata"]["resourceVersion"], known
        return known

    def pods(self, namespace: str = NAMESPACE) -> list[Json]:
        """Return all pods of a namespace."""
        return self.api.list(PODS, namespace)

    def exists(self, resource: Resource, name: str, *, namespace: str = NAMESPACE) -> bool:
        """Say whether there is such an object."""
        try:
            self.api.get(resource, namespace if resource.namespaced else "", name)
        except Refusal:
            return False
        return True

    @property
    def is_led(self) -> bool:
        """Whether an operator leads, as far as it knows."""
        return any(each.operator.leading and each.process.runs for each in self.replicas)

    def is_over(self) -> bool:
        """Say whether all jobs have ended and no pod of theirs is held or runs any more."""
        held = any("finalizers" in pod["metadata"] for pod in self.api.storage.every(PODS))
        return not held and not self.kubelets.running and all(job.is_final for job in self.jobs())

    # Time

    async def until(self, met: Callable[[], Any], *, within_seconds: float = 300, look_seconds: float = 0.05) -> None:
        """Let time pass until something is so."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_seconds
        while not met():
            self.check()
            if loop.time() > end:
                raise AssertionError(f"not within {within_seconds} s: {self.summary()}")
            await asyncio.sleep(look_seconds)

    async def pass_seconds(self, seconds: float) -> None:
        """Let time pass."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(1.0, left))
            self.check()

    def check(self) -> None:
        """Raise what went wrong meanwhile."""
        self.audit.check()
        self.led.append((self.clock.now_ms(), self.is_led and not self.api.is_away))
        for replica in self.replicas:
            assert replica.alive or replica.process.failure is None

    def summary(self) -> str:
        """Tell in one line how things are."""
        jobs = ", ".join(f"{job.key} {job.status.state} {job.status.reason} {job.status.usage}" for job in self.jobs())
        wallets = [Wallet.model_validate(thing) for thing in self.api.storage.every(WALLETS)]
        left = ", ".join(f"{w.key} {w.status.local_usage}/{w.status.max_usable}" for w in wallets)
        return f"seed {self.seed} at {self.clock.monotonic():.3f} s: {jobs}; {left}; {len(self.pods())} pods"
