"""Defects of decisions that are on their way: others are made meanwhile, from a state that is about to be another.

All scenes are one story. A job runs on credits for three minutes and a half. Another one runs for a quarter of a
minute and uses more than half of them, but what its pod tells is held back. A write of the operator's is overtaken by
that news: what it says of the first job, and what the second one is to pay, come to more than there is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.simulation.bills import check_bills
from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.stories import Scene
from tests.simulation.network import FINE, Faults, Way
from tests.simulation.promises import prepared, runs, top_up
from tests.simulation.stories import application, job, product, wallet
from ucloud_operator.kube.errors import Unreachable
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS, WALLETS
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.loop import Process
    from tests.simulation.simulation import Simulation
    from ucloud_operator.kube.resources import Resource
    from ucloud_operator.kube.transport import Request

QUOTA: Final = 170_000
SLOW_FROM, TOLD_AT, SLOW_UNTIL = 100, 130, 131
"""In seconds since the beginning: which write is slow, when the second pod's news comes, and when the write arrives."""


class Held(Way):
    """What is told of these before that time, is told then."""

    def __init__(self, *marks: bytes, until: float = TOLD_AT) -> None:
        self._marks = marks
        self._until = until

    def told(self, request: Request, line: bytes, process: Process | None) -> list[tuple[float, bytes]]:  # noqa: ARG002  # of all
        """Hold it back."""
        left = self._until - asyncio.get_running_loop().time()
        return [(max(0, left) if any(mark in line for mark in self._marks) else 0, line)]


class Slow(Way):
    """The first status write of a kind after some time arrives late."""

    def __init__(self, resource: Resource, *, until: float = SLOW_UNTIL) -> None:
        self._resource = resource
        self._until = until
        self.done = False

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # whoever it is
        """Let it wait."""
        now = asyncio.get_running_loop().time()
        if point == "sent" and is_status_of(self._resource, request) and now >= SLOW_FROM and not self.done:
            self.done = True
            await asyncio.sleep(self._until - now)


class Lost(Way):
    """The stop of the first job doesn't reach its pod for some seconds."""

    async def passes(self, point: str, request: Request, process: Process | None) -> None:  # noqa: ARG002  # whoever it is
        """Answer nothing."""
        now = asyncio.get_running_loop().time()
        stops = (request.verb, request.resource, request.name) == ("patch", PODS, "j-a-job-0")
        if point == "sent" and stops and TOLD_AT <= now < TOLD_AT + 3:
            raise Unreachable(request.verb, request.target, "no answer: the connection was lost", ambiguous=True)


def is_status_of(resource: Resource, request: Request) -> bool:
    """Say whether a request writes the status of such an object."""
    return (request.verb, request.resource, request.subresource) == ("patch", resource, "status")


async def told(*ways: Way, meanwhile: Callable[[Simulation], None] = lambda _: None) -> None:
    """The story, with what else happens on the way."""
    simulation = await prepared(Settings(minimum_run_seconds=0), ignore_sigterm="true")
    simulation.apply(application("short", exit_after="15s"), product("large", price=400_000), wallet(quota=QUOTA))
    await simulation.pass_seconds(2)
    simulation.apply(job())
    await runs(simulation)
    simulation.ways.extend((Held(b"j-b-job-0"), Lost(), *ways))
    await simulation.pass_seconds(60)
    simulation.apply(job("b", application="short", product="large"))
    await simulation.pass_seconds(SLOW_FROM - 60)
    meanwhile(simulation)
    await simulation.until(simulation.is_over)
    await simulation.pass_seconds(120)
    check_bills(simulation, exact=False)


async def a_wallet_is_published_slowly() -> None:
    await told(Slow(WALLETS))


async def an_edited_wallet_is_published_slowly() -> None:
    await told(Slow(WALLETS), meanwhile=lambda simulation: top_up(simulation, 1, "more"))


async def the_answer_to_a_publication_is_lost() -> None:
    await told(Held(b'"kind": "Wallet"', until=SLOW_UNTIL), meanwhile=lose_the_next_publication)


def lose_the_next_publication(simulation: Simulation) -> None:
    """It gets through, and nobody hears of that."""
    (replica,) = simulation.replicas

    def look(number: int) -> None:
        publications = [step for step in simulation.steps[known:number] if step.startswith("sent patch wallets")]
        is_first = len(publications) == 1 and simulation.steps[-1] is publications[0]
        replica.network.faults = Faults(lost_answer=1) if is_first else FINE

    known = len(simulation.steps)
    simulation.on_step = look


async def a_start_is_written_slowly() -> None:
    """The second job's: its wallet is published meanwhile."""
    simulation = await prepared(Settings(minimum_run_seconds=0), ignore_sigterm="true")
    simulation.apply(product("large", price=400_000), wallet(quota=QUOTA), job())
    await runs(simulation)
    simulation.ways.append(Slow(UCLOUDJOBS))
    await simulation.pass_seconds(SLOW_FROM - simulation.clock.monotonic())
    simulation.apply(job("b", product="large"))
    await simulation.until(simulation.is_over)
    await simulation.pass_seconds(120)
    check_bills(simulation, exact=False)


EXHIBITS: Final = (
    Exhibit(
        name="What is being published is spent once more",
        origins={"here (00a181a)": ""},
        did="A late job's bill was made from a wallet's old state while a newer one was on its way: both took it.",
        protection="A status counts from the decision on, and not from the answer.",
        changes=(
            Change(
                "control.decided:Decided.wallet",
                "return wallet if version != wallet.metadata.resource_version else",
                "return wallet if True else",
            ),
        ),
        story=Scene(a_wallet_is_published_slowly),
        caught_by=r"\d+ are to be passed up",
        taught="Between a decision and its answer there is always time for another decision.",
    ),
    Exhibit(
        name="What an edited wallet has metered is spent once more",
        origins={"here (a850f01)": ""},
        did="A job that was learned of while an edit was being published was given what that status had spent.",
        protection="An edit grants nothing before it is accepted, but what is metered with it counts at once.",
        changes=(
            Change(
                "control.decided:Decided.publication",
                "wallet.status.model_copy(update=charged) if edited",
                "wallet.status if edited",
            ),
        ),
        story=Scene(an_edited_wallet_is_published_slowly),
        caught_by=r"\d+ are to be passed up",
        taught="One write may say two things, of which one counts before it is there and the other doesn't.",
    ),
    Exhibit(
        name="A publication whose answer is lost is forgotten",
        origins={"here (c06a14a)": ""},
        did="A status whose answer was lost stood all the same, and its credits were given to others as well.",
        protection="What was decided counts until it is known whether it got through: the object is read again.",
        changes=(
            Change(
                "control.wallets:Wallets._patch_status",
                "await self._refresh(wallet)",
                "pass",
            ),
        ),
        story=Scene(the_answer_to_a_publication_is_lost),
        caught_by=r"\d+ are to be passed up",
        taught="No answer is not a no.",
    ),
    Exhibit(
        name="A stop that failed is forgotten",
        origins={"here (2c9b376)": ""},
        did="A plan was made while a job's stop was on its way, which counted as done; it failed, and nobody looked.",
        protection="What was decided and has failed is planned anew, whoever else looks.",
        changes=(Change("control.decided:Decided._counted", "self._failed(paid_by(job))", "pass"),),
        story=Scene(a_wallet_is_published_slowly),
        caught_by="not within .* physics/a RUNNING",
        taught="Whoever counts on what is about to happen must hear when it doesn't. (The museum's scenes found it.)",
    ),
    Exhibit(
        name="A start that was told late is charged what others have spent",
        origins={"here (9306a6a)": ""},
        did="The write of a start took half a minute. Meanwhile its wallet was published, and taken to have it in it.",
        protection="A job's status that isn't answered within five seconds is given up, and decided anew.",
        changes=(Change("control.calls:Calls.write_status", "asyncio.timeout(STATUS_SECONDS)", "asyncio.timeout(60)"),),
        story=Scene(a_start_is_written_slowly),
        caught_by=r"\d+ are to be passed up",
        taught="An assumption about how long something takes has to be made true.",
    ),
)
