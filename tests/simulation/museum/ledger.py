"""Defects of the ledger: credits that are there and can't be used, or are gone and can."""

from __future__ import annotations

from typing import Final

from tests.simulation.museum.exhibit import Change, Exhibit
from tests.simulation.museum.oracles import check_ended, check_stopped, everything_ends
from tests.simulation.museum.stories import Scene
from tests.simulation.promises import prepared, runs
from tests.simulation.stories import CATEGORY, allocation, group, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import UCLOUDJOBS

UCLOUD: Final = "https://github.com/SDU-eScience/UCloud/issues"


async def a_department_runs_dry_above_two_teams() -> None:
    simulation = await prepared()
    simulation.apply(wallet(quota=400_000), namespace="dep")
    for team, quota in (("one", 200_000), ("two", 900_000)):
        simulation.apply(wallet(quota=quota, parent=f"dep/{CATEGORY}"), job(), namespace=team)
    await everything_ends(simulation)
    check_stopped(simulation)
    used = simulation.wallet(namespace="dep").status
    assert (used.total_usage, used.max_usable) == (400_000, 0), f"dep has used {used.total_usage} of 400000"


async def a_job_whose_cost_is_set_aside_ends_early() -> None:
    """Of 100000 that end after five minutes and 300000 that don't; it runs for one of its four minutes."""
    simulation = await prepared(exit_after="60s")
    soon = allocation(100_000, id="soon", ends="2025-11-24T16:05:00Z")
    simulation.apply(wallet(groups=[group(soon, allocation(300_000, id="late"))]))
    await simulation.pass_seconds(2)
    simulation.apply(job(minutes=4, funding="Reserve"))
    await everything_ends(simulation)
    await simulation.pass_seconds(300)
    status = simulation.wallet().status
    assert status.local_usage == simulation.job().status.usage, f"{status.local_usage} is used"
    assert status.max_usable == 300_000, f"{status.max_usable} can still be used, of 300000"


async def a_job_costs_more_than_sixty_four_bits_count_in_milliseconds() -> None:
    simulation = await prepared(exit_after="120s")
    simulation.apply(product(price=10**14), wallet(quota=10**18))
    await simulation.pass_seconds(1)
    simulation.apply(job())
    await everything_ends(simulation)


async def an_allocation_ends_under_a_job() -> None:
    simulation = await prepared()
    simulation.apply(wallet(groups=[group(allocation(10**9, ends="2025-11-24T16:05:00.500Z"))]), job())
    await everything_ends(simulation)
    (run,) = simulation.job().status.runs
    assert run.ended_at == 1_764_000_300_500, f"it ended {1_764_000_300_500 - (run.ended_at or 0)} ms too early"


async def one_allocation_follows_another_under_a_job() -> None:
    simulation = await prepared()
    seam = "2025-11-24T16:05:00.500Z"
    both = group(allocation(10**9, id="first", ends=seam), allocation(10**9, id="second", starts=seam))
    simulation.apply(wallet(groups=[both]), job())
    await runs(simulation)
    await simulation.pass_seconds(400)
    simulation.edit(UCLOUDJOBS, "a", {"terminate": True})
    await everything_ends(simulation)
    check_ended(simulation, JobState.SUCCESS, "Cancelled")


EXHIBITS: Final = (
    Exhibit(
        name="A sibling stays unlocked when the shared parent runs dry",
        origins={"UCloud's accounting (a7d397aa30)": ""},
        did="When one project's charge exhausted the parent, the parent and its other projects stayed unlocked.",
        protection="Whoever's open path led through the edge that is full looks for another one, and so down the tree.",
        changes=(
            Change(
                "ledger.network:Network.is_locked",
                "self.is_stuck(wallet)",
                "not (self.free[wallet] or any(self.room[edge] for edge in self.edges_up[wallet]))",
            ),
        ),
        story=Scene(a_department_runs_dry_above_two_teams),
        caught_by=r"not within .* one/a SUCCESS OutOfCredits 200000, two/a RUNNING",
        taught="A lock belongs to an edge, and to all that is below it.",
    ),
    Exhibit(
        name="What a parent hasn't got is used",
        origins={"UCloud #4128": f"{UCLOUD}/4128", "UCloud #1637": f"{UCLOUD}/1637"},
        did="A project with one core-hour granted a hundred; a job that used several ended in an accounting error.",
        protection="A path is open as far as every edge of it has room, up to a root.",
        changes=(
            Change(
                "ledger.network:Network.path",
                'assert not path, "a pointer leads to a wallet without an open path"',
                "pass",
            ),
            Change("ledger.network:Network._first_open", "(parent == OUTSIDE or self.is_open(parent))", "True"),
        ),
        story=Scene(a_department_runs_dry_above_two_teams),
        caught_by=r"not within .* two/a RUNNING",
        taught="Headroom is a flow through a graph, never a quota less its usage.",
    ),
    Exhibit(
        name="Credits that were set aside are never given back",
        origins={"prepaid holds": ""},
        did="Where a job's cost is reserved at its start, an end before its time has to release the rest.",
        protection="What is set aside is no entry of its own: it is the job's usage, until the job is over.",
        changes=(
            Change("lifecycle.statuses:ended", '"reserved": 0,', '"reserved": status.reserved,'),
            Change("lifecycle.facts:reserved_for", "if job.is_final or job.spec", "if job.spec"),
            Change(
                "control.sources:Sources._meter", "reserved = 0 if job.is_final else reserved", "reserved = reserved"
            ),
        ),
        story=Scene(a_job_whose_cost_is_set_aside_ends_early),
        caught_by=r"(physics/example-compute says \d+, its jobs used \d+|200000 is used)",
        taught="What is derived from the job that holds it can't outlive it.",
    ),
    Exhibit(
        name="A refund goes to the wrong allocation",
        origins={"UCloud's accounting (three tests that fail)": ""},
        did="A decrease was refunded on another edge than the one that it had been charged to: 6 where it had been 1.",
        protection="What is given back is taken from what was attributed last.",
        changes=(Change("control.accounts:edge_of", "reverse=True", "reverse=False"),),
        story=Scene(a_job_whose_cost_is_set_aside_ends_early),
        caught_by=r"250000 can still be used, of 300000",
        taught="The sum was right; it took an allocation that ended to see that its parts weren't.",
    ),
    Exhibit(
        name="Money overflows",
        origins={"UCloud's routing cost": ""},
        did="From a balance of 2^38 on a product wrapped around in 64 bits, and the charge failed with HTTP 500.",
        protection="Integers of any size; only what is published is capped, at what a schema can hold.",
        changes=(
            Change(
                "ledger.usage:usage_at",
                "return sum(_rate(run, scale) * _elapsed_ms(run, at_ms) for run in runs) // scale",
                "total = sum(_rate(run, scale) * _elapsed_ms(run, at_ms) for run in runs)\n"
                "    return max(0, ((total + 2**63) % 2**64 - 2**63) // scale)",
            ),
        ),
        story=Scene(a_job_costs_more_than_sixty_four_bits_count_in_milliseconds),
        caught_by="physics/example-compute: its usage fell",
        taught="Large numbers belong into the stories, beside those that people expect.",
    ),
    Exhibit(
        name="An allocation ends a second early",
        origins={"UCloud's accounting (now + 1 s > end)": ""},
        did="Allocations began and ended a second before their time, and were looked at every 30 s.",
        protection="[start, end), to the millisecond, and an instant of each in the heap.",
        changes=(
            Change("ledger.network:_phase_at", "allocation.end_ms <= at_ms", "allocation.end_ms - 1000 <= at_ms"),
            Change("ledger.network:Network.transitions", "yield one.end_ms", "yield one.end_ms - 1000"),
        ),
        story=Scene(an_allocation_ends_under_a_job),
        caught_by=r"it ended 1000 ms too early",
        taught="A border that is exact is easier to keep than one that is nearly so.",
    ),
    Exhibit(
        name="A job dies at the seam between two allocations",
        origins={"UCloud's accounting (a scan every 30 s)": ""},
        did="An allocation that begins when another ends was there up to 30 s later: nothing could be used meanwhile.",
        protection="At one instant: retire, then activate, then look who is locked.",
        changes=(
            Change("ledger.network:_phase_at", "allocation.start_ms <= at_ms", "allocation.start_ms + 30_000 <= at_ms"),
            Change("ledger.network:Network.transitions", "yield one.start_ms", "yield one.start_ms + 30_000"),
        ),
        story=Scene(one_allocation_follows_another_under_a_job),
        caught_by="physics/a ended as SUCCESS for OutOfCredits",
        taught="The order of what happens at one instant is a rule, too.",
    ),
)
