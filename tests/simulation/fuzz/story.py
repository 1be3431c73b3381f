"""A cluster in which some write whatever comes to their mind, and others only want their jobs to run.

Whoever writes anything that the API server takes may spoil what is theirs. They never bring the operator down, never
touch a job of others (not even of those who share their root wallet), and are told what is wrong.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.bills import check_bills
from tests.simulation.fuzz.objects import KINDS, NAMES, WRITTEN_BY_PEOPLE, Objects
from tests.simulation.objects import stamped_ms
from tests.simulation.refusals import Refusal
from tests.simulation.simulation import Simulation
from tests.simulation.stories import application, job, product, wallet
from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.kube.resources import NAMESPACES, UCLOUDJOBS, WALLETS, Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.objects import Json
    from tests.simulation.storage import Write

SPOILED: Final = ("spoiled-1", "spoiled-2", "spoiled-3", "spoiled-4")
"""The namespaces of those who write anything."""
QUIET, DRY, SHARED, MIDDLE, BELOW = "quiet", "dry", "shared", "middle", "below"
"""Of those who don't: on their own, with few credits, and below a root that the others draw on as well (by MIDDLE)."""
CREDITS: Final = 100_000
FINALIZER: Final = "example.org/mine"

WRITES_PER_MINUTE: Final = 60
"""What an object may be written at the most: four times as often as any was seen to be where all is well."""
REQUESTS_PER_MINUTE: Final = 3000
PATIENCE_MS: Final = 40_000
"""How long somebody may be left without a word: an operator that takes over from a dead one needs half of that."""


class BadInput:
    """One such story."""

    def __init__(self, seed: int, *, minutes: int = 4) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # the story
        self.simulation = Simulation(seed)
        self.simulation.audit.overdrafts_allowed = True
        self.minutes = minutes
        self.objects = Objects(self.chance, SPOILED, parents=[f"{MIDDLE}/purse"])
        self.log: list[str] = []
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.writes: Counter[tuple[str, int]] = Counter()
        self._waves = 0
        self._replaced_ms = 0
        self.simulation.api.storage.listen(self._count)

    async def play(self) -> None:
        """Play it to the end, and see whether everyone else got what is theirs."""
        simulation = self.simulation
        self.prepare()
        for _ in range(self.minutes):
            self.bystanders()
            await self.spoil(seconds=60)
            self.look()
        await self.tidy_up()
        self.check_bystanders()
        check_bills(simulation, exact=False)
        self.check_traffic()

    def prepare(self) -> None:
        """What the bystanders have and need, and an operator."""
        simulation = self.simulation
        simulation.apply(application("steady", exit_after="25s"), application("endless"))
        simulation.apply(
            product("quiet-machine", category="quiet"), _of("fuzz", product("shared-machine", category="fuzz"))
        )
        simulation.apply(wallet("purse", quota=10**9, category="quiet"), namespace=QUIET)
        simulation.apply(_of("fuzz", wallet("root", quota=10**18, category="fuzz")), namespace=SHARED)
        simulation.apply(
            _of("fuzz", wallet("purse", quota=10**6, category="fuzz", parent=f"{SHARED}/root")), namespace=MIDDLE
        )
        simulation.apply(
            _of("fuzz", wallet("purse", quota=10**9, category="fuzz", parent=f"{SHARED}/root")), namespace=BELOW
        )
        for namespace in SPOILED:
            simulation.api.create(NAMESPACES, "", {"metadata": {"name": namespace}})
        simulation.start_operator()

    def bystanders(self) -> None:
        """One more job of each sort, of which everyone knows how it ends."""
        self._waves += 1
        wave, simulation = self._waves, self.simulation
        quiet = partial(job, product="quiet-machine", category="quiet")
        simulation.apply(quiet(f"ends-{wave}", application="steady"), namespace=QUIET)
        simulation.apply(quiet(f"expires-{wave}", application="endless", minutes=1), namespace=QUIET)
        simulation.apply(wallet("purse", quota=CREDITS, category="quiet"), namespace=f"{DRY}-{wave}")
        simulation.apply(quiet("runs-dry", application="endless"), namespace=f"{DRY}-{wave}")
        below = _of("fuzz", job(f"expires-{wave}", application="endless", minutes=1))
        below["spec"]["product"] = {"id": "shared-machine", "category": "fuzz", "provider": "fuzz"}
        simulation.apply(below, namespace=BELOW)

    async def spoil(self, *, seconds: float) -> None:
        """Let the others do what they like for a while."""
        doings: list[tuple[int, Callable[[], Any]]] = [
            (14, self.create),
            (3, self.create_invalid),
            (5, self.edit),
            (2, self.label),
            (1, self.hold),
            (6, self.delete),
        ]
        loop, replaced = asyncio.get_running_loop(), False
        until = loop.time() + seconds
        while loop.time() < until:
            (do,) = self.chance.choices([do for _, do in doings], [weight for weight, _ in doings])
            try:
                do()
            except Refusal as refusal:
                self.refused[refusal.status["reason"]] += 1
                self.note(f"refused: {str(refusal)[:200]}")
            if not replaced and self.chance.random() < 1 / 120:
                replaced = True
                await self.replace_operator()
            await self.simulation.pass_seconds(self.chance.expovariate(2))

    # What they do

    def create(self) -> None:
        """Create anything."""
        resource = self.chance.choices(WRITTEN_BY_PEOPLE, (4, 6, 2, 2))[0]
        self._create(resource, self.objects.valid(resource))
        self.taken[resource.plural] += 1

    def create_invalid(self) -> None:
        """Try to create what can't be."""
        resource = self.chance.choice(WRITTEN_BY_PEOPLE)
        thing, place = self.objects.invalid(resource)
        self._create(resource, thing)
        raise AssertionError(f"{place} is taken: {thing}")

    def edit(self) -> None:
        """Change something in the spec of one of theirs."""
        resource, thing = self.some()
        body = self.objects.edited(resource, thing)
        self._patch(resource, thing, body)

    def label(self) -> None:
        """Change its labels and annotations."""
        resource, thing = self.some()
        note = self.objects.values.text(0, 40)
        self._patch(resource, thing, {"metadata": {"annotations": {"example.org/note": note}, "labels": {"a": "b"}}})

    def hold(self) -> None:
        """Put a finalizer of their own on it, or take it off."""
        resource, thing = self.some()
        present = thing["metadata"].get("finalizers", [])
        if FINALIZER in present:
            present = [each for each in present if each != FINALIZER]
        elif self.chance.random() < 0.5:
            present = [FINALIZER]  # as a manifest that is applied again says, which forgets ours
        else:
            present = [*present, FINALIZER]
        self._patch(resource, thing, {"metadata": {"finalizers": present}})

    def delete(self) -> None:
        """Delete it."""
        resource, thing = self.some()
        self.note(f"delete {resource} {thing['metadata']['name']}")
        self.simulation.api.delete(resource, thing["metadata"].get("namespace", ""), thing["metadata"]["name"])

    async def replace_operator(self) -> None:
        """Kill the operator; another one comes soon."""
        replica = self.simulation.replicas[-1]
        replica.process.kill()
        await replica.process.gone()
        await asyncio.sleep(self.chance.choice((0.2, 3)))
        self.simulation.start_operator()
        self._replaced_ms = self.simulation.api.now_ms()
        self.note("the operator is replaced")

    def _create(self, resource: Resource, thing: Json) -> None:
        home = self.chance.choice(SPOILED) if resource.namespaced else ""
        taken = {each["metadata"]["name"] for each in self.simulation.api.list(resource, home or None)}
        free = [name for name in NAMES if name not in taken]
        if free and self.chance.random() < 0.9:
            thing["metadata"]["name"] = self.chance.choice(free)
        self.note(f"create {resource} {home} {thing}")
        self.simulation.api.create(resource, home, thing)

    def _patch(self, resource: Resource, thing: Json, body: Json) -> None:
        metadata = thing["metadata"]
        self.note(f"edit {resource} {metadata.get('namespace')}/{metadata['name']}: {body}")
        self.simulation.api.patch(resource, metadata.get("namespace", ""), metadata["name"], body)

    def theirs(self) -> list[tuple[Resource, Json]]:
        """Return all objects of theirs."""
        found = ((resource, thing) for resource in WRITTEN_BY_PEOPLE for thing in self.simulation.api.list(resource))
        return [(resource, thing) for resource, thing in found if self._is_theirs(thing)]

    def some(self) -> tuple[Resource, Json]:
        """Return one of them; something new if there is none."""
        theirs = self.theirs()
        if not theirs:
            self._create(WALLETS, self.objects.valid(WALLETS))
            theirs = self.theirs()
        return self.chance.choice(theirs)

    @staticmethod
    def _is_theirs(thing: Json) -> bool:
        known = {"steady-1-0-0", "endless-1-0-0", "quiet-machine", "shared-machine"}
        namespace = thing["metadata"].get("namespace")
        return namespace in SPOILED if namespace else thing["metadata"]["name"] not in known

    # What must hold

    def look(self) -> None:
        """Everyone who isn't served was told why."""
        now_ms = self.simulation.api.now_ms()
        for resource, thing in self.theirs():
            since_ms = max(self._replaced_ms, stamped_ms(thing["metadata"]["creationTimestamp"]))
            if now_ms - since_ms < PATIENCE_MS or "deletionTimestamp" in thing["metadata"]:
                continue
            if resource == UCLOUDJOBS:
                _check_job(UCloudJob.model_validate(thing))
            elif resource == WALLETS:
                _check_wallet(Wallet.model_validate(thing))

    async def tidy_up(self) -> None:
        """Everything of theirs is deleted, and goes."""
        api = self.simulation.api
        for resource, thing in self.theirs():
            place = (resource, thing["metadata"].get("namespace", ""), thing["metadata"]["name"])
            if FINALIZER in thing["metadata"].get("finalizers", []):
                left = [each for each in thing["metadata"]["finalizers"] if each != FINALIZER]
                api.patch(*place, {"metadata": {"finalizers": left}})
            if self.simulation.exists(place[0], place[2], namespace=place[1]):
                api.delete(*place)
        await self.simulation.until(lambda: not self.theirs(), within_seconds=400)
        await self.simulation.until(self.simulation.is_over, within_seconds=400)
        await self.simulation.pass_seconds(700)

    def check_bystanders(self) -> None:
        """Their jobs ended as they would have by themselves, for the same price."""
        ends = {each.key: (each.status.state, each.status.reason, each.status.usage) for each in self.simulation.jobs()}
        for wave in range(1, self._waves + 1):
            assert ends[f"{QUIET}/ends-{wave}"][:2] == ("SUCCESS", "Completed"), ends
            assert ends[f"{QUIET}/expires-{wave}"] == ("EXPIRED", "Expired", 50_000), ends
            assert ends[f"{BELOW}/expires-{wave}"] == ("EXPIRED", "Expired", 50_000), ends
            assert ends[f"{DRY}-{wave}/runs-dry"] == ("SUCCESS", "OutOfCredits", CREDITS), ends

    def check_traffic(self) -> None:
        """Nothing was written, or asked for, again and again."""
        (busiest, writes), *_ = self.writes.most_common(1)
        assert writes <= WRITES_PER_MINUTE, f"{busiest} was written {writes} times within a minute"
        lasted_minutes = self.simulation.clock.monotonic() / 60
        requests = sum(len(replica.calls) for replica in self.simulation.replicas)
        assert requests <= REQUESTS_PER_MINUTE * lasted_minutes, f"{requests} requests in {lasted_minutes:.0f} min"

    def _count(self, write: Write) -> None:
        if write.resource in KINDS:
            metadata = write.last["metadata"]
            minute = self.simulation.api.now_ms() // 60_000
            self.writes[f"{write.resource} {metadata.get('namespace')}/{metadata['name']}", minute] += 1

    def note(self, what: str) -> None:
        """Write something down for whoever has to understand the story."""
        self.log.append(f"{self.simulation.clock.monotonic():9.3f} {what}")


def _of(provider: str, thing: Json) -> Json:
    """Return an object with another provider."""
    spec = thing["spec"]
    for holder in ("paysFor", "category"):
        if holder in spec:
            spec[holder]["provider"] = provider
    return thing


def _check_job(each: UCloudJob) -> None:
    assert each.status.state is not None, f"{each.key} is told nothing: {each}"
    assert each.status.state == "RUNNING" or each.status.message, f"{each.key} isn't told why: {each}"


def _check_wallet(each: Wallet) -> None:
    assert each.status.metered_at is not None, f"{each.key} is told nothing: {each}"
    said = {condition.type: condition for condition in each.status.conditions}
    assert said["Locked"].status == str(each.status.locked), each
    assert said["Locked"].message, f"{each.key} isn't told why: {each}"
