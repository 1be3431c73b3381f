"""Two decisions about the same credits that are under way at once don't both take what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.audit.facts import T0_MS, Facts, facts
from ucloud_operator.control.books import Books
from ucloud_operator.control.queue import Key
from ucloud_operator.control.world import PLAN, World
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import Stop
from ucloud_operator.settings import Settings

if TYPE_CHECKING:
    from ucloud_operator.api import UCloudJob

NOW = 59_980
"""Seconds; a quota of 1,000,000 at 1000 per minute lasts 60,000."""


def ms(seconds: float) -> int:
    return T0_MS + round(1000 * seconds)


def nearly_dry() -> Facts:
    """A wallet that had 1000 left when it was published, a job that spends them, and one that is heard of only now."""
    wallet = facts().wallet("lab", says=999_000, published=59_940)
    return wallet.job("spends").job("late", since=59_000, told=NOW)


def opened(told: Facts, job: str) -> tuple[World, Books, UCloudJob]:
    """The world, its books, and one of the jobs in them."""
    world = told.world()
    found = world.jobs.find(f"{job}-uid")
    assert found is not None
    return world, Books(world, Settings()), found


def test_a_bill_takes_what_the_published_status_leaves() -> None:
    _, ours, late = opened(nearly_dry(), "late")
    assert ours.bill(late, ms(59_500), ms(NOW)).usage == 1000


def test_a_bill_takes_what_a_status_on_its_way_leaves() -> None:
    world, ours, late = opened(nearly_dry(), "late")
    wallet = world.wallet("lab/lab")
    assert wallet is not None
    published = wallet.status.model_copy(update={"metered_at": ms(59_970), "local_usage": 999_500})
    with world.decided.publication(wallet, published):
        assert ours.bill(late, ms(59_500), ms(NOW)).usage == 500
    assert ours.bill(late, ms(59_500), ms(NOW)).usage == 1000, "it didn't get through"


def test_an_edit_on_its_way_grants_nothing_and_is_seen_as_soon_as_it_is_there() -> None:
    """A watch may tell that a write got through before its answer is here."""
    world = facts().wallet("lab", says=0, published=60).world()
    ours, wallet = Books(world, Settings()), world.wallet("lab/lab")
    assert wallet is not None
    (group,) = wallet.status.groups
    more = group.model_copy(update={"allocations": (group.allocations[0].model_copy(update={"quota": 7 * 10**6}),)})
    edited = wallet.status.model_copy(update={"groups": (more,), "metered_at": ms(70)})

    def quota() -> int:
        return ours.planner.plan(("lab/lab",), ms(120)).numbers["lab/lab"].quota

    assert quota() == 10**6
    with world.decided.publication(wallet, edited, edited=True):
        assert quota() == 10**6
        raw = wallet.model_copy(update={"status": edited}).model_dump(mode="json", by_alias=True)
        raw["metadata"]["resourceVersion"] = "8"
        world.wallets.apply(raw)
        assert quota() == 7 * 10**6
    assert quota() == 7 * 10**6


def test_a_plan_counts_a_bill_on_its_way_and_goes_no_further_than_it() -> None:
    told = facts().wallet("lab", says=1000, published=60).job("spends").job("done", since=0)
    world, ours, done = opened(told, "done")
    run = done.status.runs[0].model_copy(update={"ended_at": ms(90)})
    billed = done.status.model_copy(update={"runs": (run,), "usage": 77})
    with world.decided.bill(done, billed):
        plan = ours.planner.plan(("lab/lab",), ms(120))
        assert [meter.uid for meter in plan.state.meters] == ["spends-uid"]
        assert plan.at_ms == ms(90) - 1, "or a bill that is lost would be made again from less"
        assert plan.numbers["lab/lab"].local_usage == 1000 * (90_000 - 1) // 60_000 + 77
    plan = ours.planner.plan(("lab/lab",), ms(120))
    assert plan.at_ms == ms(120)
    assert plan.numbers["lab/lab"].local_usage == 2000 + 2000


def test_a_status_that_concludes_nothing_counts_when_it_is_written() -> None:
    world, _, job = opened(facts().wallet("lab", says=1000, published=60).job("spends"), "spends")
    with world.decided.bill(job, job.status.model_copy(update={"usage": 5})):
        assert world.decided.job(job) is job


def test_a_plan_goes_no_further_than_a_stop_on_its_way() -> None:
    world, ours, job = opened(facts().wallet("lab", says=1000, published=60).job("spends"), "spends")
    with world.decided.end(job, Stop(Reason.OutOfCredits, ms(90))):
        assert ours.planner.plan(("lab/lab",), ms(120)).at_ms == ms(90) - 1
    assert ours.planner.plan(("lab/lab",), ms(120)).at_ms == ms(120), "it didn't get through"


def test_a_job_that_waits_to_run_has_no_run_to_end() -> None:
    world, ours, job = opened(facts().wallet("lab", says=1000, published=60).job("spends"), "spends")
    waits = job.model_copy(update={"status": job.status.model_copy(update={"runs": (), "wallet": None})})
    with world.decided.end(waits, Stop(Reason.OutOfCredits, ms(90))):
        assert ours.planner.plan(("lab/lab",), ms(120)).at_ms == ms(120)


def test_what_the_user_stops_is_billed_until_its_containers_have_ended() -> None:
    world, ours, job = opened(facts().wallet("lab", says=1000, published=60).job("spends"), "spends")
    with world.decided.end(job, Stop(Reason.Cancelled, ms(90))):
        assert ours.planner.plan(("lab/lab",), ms(120)).at_ms == ms(120)


def test_what_has_failed_is_planned_anew() -> None:
    """A plan that was made meanwhile had it done, and nobody else would look."""
    told = nearly_dry()
    _, _, spends = opened(told, "spends")
    keys: list[Key] = []
    world = World(keys.append)
    with world.decided.end(spends, Stop(Reason.OutOfCredits, ms(NOW))):
        assert keys == []
    assert keys == [], "it is done"
    with pytest.raises(ValueError, match="no answer"), world.decided.end(spends, Stop(Reason.OutOfCredits, ms(NOW))):
        raise ValueError("no answer")
    assert keys == [Key(PLAN, "lab/lab")]
