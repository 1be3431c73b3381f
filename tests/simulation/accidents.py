"""A year's bad luck in minutes, or ten years' in days: a random story with every accident in it, told by its seed.

People create, suspend, end and delete jobs, and top wallets up. Containers end in every way. Requests are lost on their
way there or back, watches break, history is forgotten. Operators are killed and started, sometimes beside each other.
Then the luck turns, everybody goes home, and the bills have to be right.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tests.simulation.bills import check_bills
from tests.simulation.faults.api import outage
from tests.simulation.network import FINE, ROUGH
from tests.simulation.podlife import Loss
from tests.simulation.refusals import Refusal
from tests.simulation.simulation import Simulation
from tests.simulation.stories import allocation, application, group, job, product, wallet
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS, WALLETS
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ucloud_operator.api import UCloudJob

TEAMS: Final = ("one", "two", "three")
CATEGORY: Final = "example-compute"

SILENT_SECONDS: Final = 6 * 3600
"""After this long somebody looks at a node that is silent, and deletes it."""
LAST_JOBS: Final = 5
LEAVING_SECONDS: Final = 900
"""A watch of Kopf's that fell silent is found out by a full list, every ten minutes."""

APPLICATIONS: Final[dict[str, dict[str, str]]] = {
    "server": {},
    "script": {"exit_after": "40"},
    "crash": {"exit_after": "15", "exit_code": "3"},
    "glutton": {"exit_after": "25", "fail": "oom"},
    "stubborn": {"ignore_sigterm": "true"},
    "saver": {"sigterm_after": "4s", "sigterm_exit_code": "0"},
    "slow": {"start_after": "9s"},
    "nowhere": {"fail": "image-pull"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a story lasts and how far things lie apart in it."""

    minutes: int
    """How long the luck is bad."""
    people_seconds: float
    """From one doing of people's to the next, on average."""
    fate_seconds: float
    """From one stroke of fate to the next, on average."""
    stretch: int
    """How many times as long containers run."""
    plenty: int
    """How many times as much is granted."""
    names: int
    """How many jobs there may be in each team."""
    submissions: int
    """How many jobs are created for every one that is ended by hand."""
    watch_seconds: float
    """How long a watch lives on average."""
    nodes: int = 2
    settings: Settings = field(default_factory=Settings)


MINUTES: Final = Pace(
    minutes=10, people_seconds=8, fate_seconds=45, stretch=1, plenty=1, names=7, submissions=6, watch_seconds=20
)
DAYS: Final = Pace(
    minutes=6 * 24 * 60,
    people_seconds=300,
    fate_seconds=7200,
    stretch=8000,
    plenty=100_000,
    names=80,
    submissions=24,
    watch_seconds=1800,
    nodes=10,
    settings=Settings(metering_seconds=600, lease_seconds=60, renew_seconds=20),
)
"""Jobs that run for hours and days, a hundred and more of them at once."""
PACES: Final = {"minutes": MINUTES, "days": DAYS}


class Accidents:
    """One such story; every other seed has several operators at once in it, unless that is said."""

    def __init__(
        self,
        seed: int,
        pace: Pace = MINUTES,
        tell: Callable[[str], None] = lambda _: None,
        *,
        several_operators: bool | None = None,
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311  # the story
        faults = replace(ROUGH, watch_seconds=pace.watch_seconds)
        self.simulation = Simulation(seed, faults=faults, settings=pace.settings, nodes=pace.nodes)
        self.pace = pace
        self.several_operators = seed % 2 == 1 if several_operators is None else several_operators
        self.log: list[str] = []
        self._tell = tell
        self._jobs = 0

    async def play(self) -> None:
        """Play it to the end, and check the bills."""
        simulation = self.simulation
        self.prepare()
        people = [asyncio.create_task(self.people()), asyncio.create_task(self.fate())]
        await simulation.pass_seconds(60 * self.pace.minutes)
        for task in people:
            task.cancel()
        await asyncio.gather(*people, return_exceptions=True)
        for task in people:
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure
        await self.go_home()
        check_bills(simulation, exact=False)
        simulation.audit.check_books()
        await self.leave()

    def prepare(self) -> None:
        """A root, a department with too little for its three teams, and what they run."""
        simulation, choose = self.simulation, self.random
        for name, behaviour in APPLICATIONS.items():
            simulation.apply(application(name, **self.stretched(behaviour)))
        simulation.apply(product("small", price=choose.choice((50_000, 7_777))), product("large", price=333_333))
        simulation.apply(wallet(quota=self.credits(10**10, 10**10)), namespace="root")
        simulation.apply(wallet(quota=self.credits(10**6, 4 * 10**6), parent=f"root/{CATEGORY}"), namespace="dep")
        for team in TEAMS:
            quota, suspends = self.credits(3 * 10**5, 3 * 10**6), choose.random() < 0.4
            simulation.apply(wallet(quota=quota, parent=f"dep/{CATEGORY}", suspends=suspends), namespace=team)
        simulation.start_operator()

    def stretched(self, behaviour: dict[str, str]) -> dict[str, str]:
        """Let containers that end by themselves run as long as things take here."""
        if "exit_after" not in behaviour:
            return behaviour
        return behaviour | {"exit_after": f"{int(behaviour['exit_after']) * self.pace.stretch}s"}

    def credits(self, least: int, most: int) -> int:
        """Return how much is granted, as much as things cost here."""
        return self.random.randint(least, most) * self.pace.plenty

    async def people(self) -> None:
        """What people do, some seconds apart."""
        doings: list[tuple[int, Callable[[], None]]] = [
            (self.pace.submissions, self.submit),
            (2, self.suspend_or_resume),
            (1, self.terminate),
            (2, self.delete_job),
            (1, self.top_up),
            (1, self.delete_a_pod),
        ]
        while True:
            await asyncio.sleep(self.random.expovariate(1 / self.pace.people_seconds))
            (do,) = self.random.choices([do for _, do in doings], [weight for weight, _ in doings])
            try:
                do()
            except Refusal as refusal:
                self.note(f"refused: {refusal}")

    async def fate(self) -> None:
        """What happens to those who don't expect it."""
        doings = [
            (4, self.kill_and_replace),
            (2, self.forget),
            (1, self.lose_a_node),
            (1, self.crowd),
            (1, self.take_the_api_away),
            (1, self.cut_a_node_off),
            (1, self.silence_a_node),
            (1, self.freeze_an_operator),
        ]
        if self.several_operators:
            doings.append((3, self.one_more_operator))
        while True:
            await asyncio.sleep(self.random.expovariate(1 / self.pace.fate_seconds))
            (do,) = self.random.choices([do for _, do in doings], [weight for weight, _ in doings])
            await do()

    async def go_home(self) -> None:
        """The luck turns: nothing fails any more, and all jobs are ended."""
        simulation = self.simulation
        simulation.kubelets.schedulable = True
        simulation.kubelets.reconnect()
        simulation.kubelets.remove_nodes()
        simulation.api.come_back()
        simulation.faults = FINE
        for replica in simulation.replicas:
            replica.network.faults = FINE
            replica.process.thaw()
        if not any(replica.process.alive for replica in simulation.replicas):
            simulation.start_operator()
        self.note("the luck turns")
        await simulation.pass_seconds(120)
        for each in simulation.jobs():
            if not each.is_final and not each.spec.terminate:
                simulation.edit(
                    UCLOUDJOBS, each.metadata.name, {"terminate": True}, namespace=str(each.metadata.namespace)
                )
        await simulation.until(simulation.is_over, within_seconds=900)
        await simulation.pass_seconds(700)

    async def leave(self) -> None:
        """Create a few jobs more, and delete them and all wallets, whatever they are about: all of them go."""
        simulation, choose = self.simulation, self.random
        for _ in range(LAST_JOBS):
            with contextlib.suppress(Refusal):
                self.submit()
            await simulation.pass_seconds(choose.choice((0, 0.3, 5)))
        things = [(UCLOUDJOBS, each.metadata) for each in simulation.jobs()]
        things += [(WALLETS, simulation.wallet(namespace=namespace).metadata) for namespace in ("root", "dep", *TEAMS)]
        for resource, metadata in choose.sample(things, len(things)):
            with contextlib.suppress(Refusal):
                simulation.delete(resource, metadata.name, namespace=str(metadata.namespace))
            await simulation.pass_seconds(choose.choice((0, 0, 0.05)))
        await simulation.until(self.is_empty, within_seconds=LEAVING_SECONDS)

    def is_empty(self) -> bool:
        """Say whether no job, no wallet and no pod is left."""
        return not any(any(self.simulation.api.storage.every(kind)) for kind in (UCLOUDJOBS, WALLETS, PODS))

    # People

    def submit(self) -> None:
        """Create a job, of a name that was perhaps used before."""
        self._jobs += 1
        choose, team = self.random, self.random.choice(TEAMS)
        name = f"j{self._jobs % self.pace.names}"
        described = job(
            name,
            application=choose.choice(list(APPLICATIONS)),
            product=choose.choice(("small", "small", "large")),
            replicas=choose.choice((1, 1, 1, 2, 3)),
            minutes=choose.choice((None, None, self.pace.stretch, 2 * self.pace.stretch)),
            grace_seconds=choose.choice((None, None, 5)),
            ttlSecondsAfterFinished=choose.choice((None, 60, 60)),
        )
        self.note(f"{team}/{name} is submitted: {described['spec']}")
        self.simulation.api.create(UCLOUDJOBS, team, described)

    def suspend_or_resume(self) -> None:
        """Suspend a job, or let it go on."""
        if each := self.some_job(lambda each: not each.is_final and not each.is_being_deleted):
            self.edit(each, {"suspend": not each.spec.suspend})

    def terminate(self) -> None:
        """End a job."""
        if each := self.some_job(lambda each: not each.is_final):
            self.edit(each, {"terminate": True})

    def delete_job(self) -> None:
        """Delete a job, whatever it does."""
        if each := self.some_job(lambda each: not each.is_being_deleted):
            self.note(f"{each.key} is deleted")
            self.simulation.delete(UCLOUDJOBS, each.metadata.name, namespace=str(each.metadata.namespace))

    def top_up(self) -> None:
        """Grant a team some more."""
        team = self.random.choice((*TEAMS, "dep"))
        found = self.simulation.wallet(namespace=team)
        granted = found.spec.allocation_groups[0].allocations
        parent = "root" if team == "dep" else "dep"
        more = [allocation(each.quota, id=each.id) for each in granted]
        more.append(allocation(self.credits(10**5, 10**6), id=str(len(granted) + 1)))
        self.note(f"{team} is topped up by {more[-1]['quota']}")
        groups = [group(*more, parent=f"{parent}/{CATEGORY}")]
        self.simulation.edit(WALLETS, CATEGORY, {"allocationGroups": groups}, namespace=team)

    def delete_a_pod(self) -> None:
        """Delete a pod by hand."""
        pods = [pod for team in TEAMS for pod in self.simulation.pods(team)]
        if pods:
            metadata = self.random.choice(pods)["metadata"]
            self.note(f"pod {metadata['name']} is deleted")
            self.simulation.injected["pod deleted"] += 1
            self.simulation.api.delete(PODS, metadata["namespace"], metadata["name"])

    def some_job(self, wanted: Callable[[UCloudJob], bool]) -> UCloudJob | None:
        """Return one of the jobs that fit."""
        fitting = [each for each in self.simulation.jobs() if wanted(each)]
        return self.random.choice(fitting) if fitting else None

    def edit(self, each: UCloudJob, spec: dict[str, object]) -> None:
        """Change a job's spec."""
        self.note(f"{each.key} is edited: {spec}")
        self.simulation.edit(UCLOUDJOBS, each.metadata.name, spec, namespace=str(each.metadata.namespace))

    # Fate

    async def kill_and_replace(self) -> None:
        """Kill an operator, and start another one some time later."""
        for replica in self.simulation.replicas:
            if replica.process.alive:
                self.note(f"{replica.process.name} is killed")
                self.simulation.injected["operator killed"] += 1
                replica.process.kill()
                await replica.process.gone()
        await asyncio.sleep(self.random.choice((0.2, 3, 25, 70)))
        self.simulation.start_operator()
        self.note("another operator is started")

    async def one_more_operator(self) -> None:
        """Start an operator beside those that run."""
        if sum(replica.process.alive for replica in self.simulation.replicas) < 3:
            self.simulation.start_operator()
            self.note("another operator is started, too")
            self.simulation.injected["one more operator"] += 1

    async def forget(self) -> None:
        """Let the API server forget its history."""
        self.simulation.api.compact()
        self.note("history is forgotten")
        self.simulation.injected["history compacted"] += 1

    async def lose_a_node(self) -> None:
        """Lose one of the nodes, and all that runs on it."""
        node = self.random.choice(self.simulation.kubelets.nodes)
        self.note(f"{node} is lost")
        self.simulation.injected["node lost"] += 1
        self.simulation.kubelets.lose_node(node)

    async def silence_a_node(self) -> None:
        """Lose one of the nodes, and let its object stay."""
        node = self.random.choice(self.simulation.kubelets.nodes)
        self.note(f"{node} is lost, and nobody deletes it for hours")
        self.simulation.injected["node silent"] += 1
        self.simulation.kubelets.lose_node(node, Loss.SILENT)
        asyncio.get_running_loop().call_later(SILENT_SECONDS, self.simulation.kubelets.remove_nodes)

    async def crowd(self) -> None:
        """Let no pod find a node for a while."""
        self.simulation.kubelets.schedulable = False
        self.note("the nodes are full")
        self.simulation.injected["nodes full"] += 1
        await asyncio.sleep(self.random.uniform(1, 30))
        self.simulation.kubelets.schedulable = True

    async def take_the_api_away(self) -> None:
        """Let nobody reach the API server for a while."""
        seconds, silently = self.random.choice((1, 8, 40)), self.random.random() < 0.5
        self.note(f"the API server is away for {seconds} s{', silently' if silently else ''}")
        await outage(self.simulation, seconds, silently=silently)

    async def cut_a_node_off(self) -> None:
        """Let one of the nodes reach nobody for a while."""
        node, seconds = self.random.choice(self.simulation.kubelets.nodes), self.random.choice((3, 30, 90))
        self.note(f"{node} is cut off for {seconds} s")
        self.simulation.injected["node cut off"] += 1
        await self.simulation.kubelets.cut_off(node, seconds)

    async def freeze_an_operator(self) -> None:
        """Let one of the operators stand still for a while."""
        replica = next((each for each in self.simulation.replicas if each.process.runs), None)
        if replica is not None:
            self.note(f"{replica.process.name} stands still")
            self.simulation.injected["operator frozen"] += 1
            replica.process.freeze()
            await asyncio.sleep(self.random.choice((4, 20, 50)))
            replica.process.thaw()

    def note(self, what: str) -> None:
        """Write something down for whoever has to understand the story."""
        line = f"{self.simulation.clock.monotonic():10.3f} {what}"
        self.log.append(line)
        self._tell(line)
