"""What an audit finds: nothing where everything adds up, and each kind of mistake by its numbers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.unit.audit.facts import PUBLISHED, allocation, cost, entry, facts
from ucloud_operator import audit
from ucloud_operator.audit import find
from ucloud_operator.control.recount import exactly

if TYPE_CHECKING:
    import pytest

    from tests.unit.audit.facts import Facts
    from ucloud_operator.kube.client import Client


def differences(story: Facts) -> dict[str, tuple[str, ...]]:
    """What differs, by wallet; a wallet that is fine isn't in it."""
    found = {finding.wallet: tuple(map(str, finding.differences)) for finding in find(story.world())}
    return {wallet: differences for wallet, differences in found.items() if differences}


def usage(story: Facts, wallet: str = "lab/lab") -> str:
    return str(next(finding.usage for finding in find(story.world()) if finding.wallet == wallet))


def test_opening_usage_lines_and_jobs_add_up() -> None:
    story = (
        facts()
        .wallet("lab", says=70 + 30 + cost(42) + cost(80), openingUsage=70, settledUsage=30)
        .statement("lab", ("gone", 30))
        .job("ended", until=42)
        .job("runs", since=20)
    )
    (finding,) = find(story.world())
    assert finding.is_fine
    assert str(finding) == "lab/lab  ok  2133  = 70 opening + 30 in 1 lines + 2 jobs"


def test_a_unit_too_much_is_seen() -> None:
    story = facts().wallet("lab", says=701).job("ended", until=42)
    assert differences(story) == {
        "lab/lab": ("localUsage says 701, its opening usage, lines and jobs come to 700",),
    }


def test_a_running_job_counts_as_of_when_the_wallet_was_published() -> None:
    assert differences(facts().wallet("lab", says=cost(100)).job("runs")) == {}
    assert differences(facts().wallet("lab", says=cost(60), published=60).job("runs")) == {}
    assert (
        differences(facts().wallet("lab", says=cost(60), published=60, ratePerMinute=1000).job("ended", until=90)) == {}
    )
    assert differences(facts().wallet("lab", says=0, published=60).job("later", since=70, until=90)) == {}


def test_a_bill_counts_also_in_what_is_published_as_of_the_moment_before() -> None:
    assert differences(facts().wallet("lab", says=700, published=41.999).job("ended", until=42)) == {}


def test_what_was_billed_counts_and_not_what_the_runs_would_have_cost() -> None:
    assert differences(facts().wallet("lab", says=698).job("out-of-credits", until=42, usage=698)) == {}


def test_what_only_just_became_known_may_not_be_in_it_yet() -> None:
    started = facts().job("starts", since=99, told=99.5)
    assert usage(started.wallet("lab", says=16, ratePerMinute=1000)) == "0 to 16"
    ended = facts().job("ends", until=90, told=100.5)
    assert usage(ended.wallet("lab", says=1600, ratePerMinute=1000)) == "1500 to 1666"
    both = facts().job("starts-and-ends", since=80, until=99, told=100.5)
    assert usage(both.wallet("lab", says=0, ratePerMinute=1000)) == "0 to 333"


def test_a_wallet_on_which_nothing_ran_any_more_is_exact_at_once() -> None:
    assert usage(facts().wallet("lab", says=1500, ratePerMinute=0).job("ends", until=90, told=99)) == "1500"


def test_a_line_that_the_wallet_does_not_know_of_yet_counts_as_the_job_did() -> None:
    story = facts().wallet("lab", says=100, settledUsage=0).statement("lab", ("gone", 200), until=PUBLISHED + 1)
    assert usage(story) == "0 to 219"
    assert [each.split(",")[0] for each in differences(story)["lab/lab"]] == ["settledUsage says 0"]


def test_settled_usage_is_the_sum_of_the_lines() -> None:
    story = (
        facts().wallet("lab", says=50, settledUsage=51).statement("lab", ("x", 20)).statement("lab", ("y", 30), part=2)
    )
    assert differences(story) == {
        "lab/lab": ("settledUsage says 51, the lines of its statements come to 50",),
    }


def test_a_statements_total_is_the_sum_of_its_lines() -> None:
    story = facts().wallet("lab", says=20, settledUsage=20).statement("lab", ("x", 20), total=21)
    assert differences(story) == {"lab/lab": ("total of lab-1 says 21, its lines come to 20",)}


def test_a_job_has_one_line() -> None:
    story = facts().wallet("lab", says=40, settledUsage=40)
    story = story.statement("lab", ("x", 20)).statement("lab", ("x", 20), part=2)
    assert differences(story) == {"lab/lab": ("lines of job x (x-uid) says 2, should be 1",)}


def test_a_job_that_has_its_line_counts_once_and_says_the_same() -> None:
    story = facts().wallet("lab", says=20, settledUsage=20).statement("lab", ("x", 20))
    assert differences(story.job("x", until=10, usage=20)) == {}
    assert differences(story.job("x", until=10, usage=25)) == {
        "lab/lab": ("line of job x says 20, the job itself says 25",)
    }


def test_a_parent_has_what_its_children_used() -> None:
    lab = facts().wallet("lab", says=700, under="faculty").job("ended", until=42)
    assert differences(lab.wallet("faculty", below=700)) == {}
    assert differences(lab.wallet("faculty", below=690)) == {
        "faculty/faculty": ("totalUsage less localUsage says 690, wallets below come to 700",)
    }


def test_a_parent_that_was_published_earlier_has_what_they_had_used_by_then() -> None:
    lab = facts().wallet("lab", says=cost(100), under="faculty").job("runs")
    assert differences(lab.wallet("faculty", below=cost(60), published=60)) == {}


def test_children_of_children_count_and_those_that_are_gone_too() -> None:
    gone = {"namespace": "old", "name": "old", "uid": "old-uid", "usage": 9}
    story = (
        facts()
        .wallet("lab", says=700, under="faculty")
        .job("ended", until=42)
        .wallet("faculty", below=709, under="root", departed=[gone])
        .wallet("root", below=709)
    )
    assert differences(story) == {}


def test_a_free_wallet_passes_nothing_up() -> None:
    free = facts().wallet("lab", says=700, under="faculty", free=True, treeUsage=0, groups=[{"treeUsage": 0}])
    assert differences(free.job("ended", until=42).wallet("faculty")) == {}


def test_what_is_passed_up_is_all_but_the_excess_and_stands_in_the_groups() -> None:
    story = facts().wallet("lab", says=700, excess=100).job("ended", until=42)
    assert differences(story) == {"lab/lab": ("treeUsage says 700, its total without its excess comes to 600",)}
    story = facts().wallet("lab", says=700, groups=[{"treeUsage": 690}]).job("ended", until=42)
    assert differences(story) == {
        "lab/lab": (
            "treeUsage says 700, its groups come to 690",
            "treeUsage from outside says 690, its allocations come to 0",
        )
    }


def test_a_circle_comes_to_an_end() -> None:
    story = facts().wallet("a", under="b").wallet("b", under="a")
    assert differences(story) == {}


def edge(usage: int) -> dict[str, object]:
    return {"treeUsage": usage, "allocations": [allocation(usage)]}


def test_what_is_set_aside_is_paid_for_by_allocations_and_is_no_usage() -> None:
    story = facts().job("j", reserved=60_000, funding="Reserve", timeAllocation={"hours": 1})
    assert differences(story.wallet("lab", says=60_000)) != {}
    assert differences(story.wallet("lab", says=cost(100))) == {}
    assert differences(story.wallet("lab", says=cost(100), groups=[edge(60_000)])) == {}
    assert differences(story.wallet("lab", says=cost(100), groups=[edge(61_700)])) != {}
    assert differences(facts().job("j", until=42, funding="Reserve").wallet("lab", says=700)) == {}


def test_several_parents_are_held_against_their_checkpoint() -> None:
    lab = (
        facts().wallet("lab", says=700, under="x").job("ended", until=42).wallet("x", below=400).wallet("y", below=300)
    )
    edges = entry("x", (None, 400)), entry("y", (None, 300))
    assert differences(lab.checkpoint(entry("lab", ("x", 400), ("y", 300)), *edges)) == {}
    assert differences(lab.checkpoint(entry("lab", ("x", 399), ("y", 300)), *edges)) == {
        "lab/lab": ("local usage in its checkpoint says 699, its opening usage, lines and jobs come to 700",),
        "x/x": ("local usage in its checkpoint says 1, its opening usage, lines and jobs come to 0",),
    }


def test_statements_without_a_wallet_are_told_of_and_are_no_difference() -> None:
    (finding,) = find(facts().statement("lab", ("x", 20)).world())
    assert str(finding) == "lab/lab  ok  20  statements for cpu, and no such wallet"


def test_a_job_whose_usage_stands_nowhere_is_a_difference() -> None:
    assert differences(facts().job("lost", until=42)) == {
        "lab/lab": ("job lost says 700, what stands in a wallet or line is 0",)
    }
    assert differences(facts().job("settled", until=42).statement("lab", ("settled", 700))) == {}


def test_a_wallet_that_was_not_applied_yet_is_told_of() -> None:
    (finding,) = find(facts().wallet("lab", published=None).world())
    assert str(finding) == "lab/lab  ok  0  it was not applied yet"


def test_what_can_not_be_read_is_a_difference() -> None:
    (finding,) = find(facts().job("odd", replicas=0).world())
    assert (finding.wallet, finding.is_fine) == ("lab/odd", False)
    assert "replicas" in finding.remarks[0]


def test_machines_get_numbers() -> None:
    (finding,) = find(facts().wallet("lab", says=701).job("ended", until=42).world())
    assert finding.as_json() == {
        "wallet": "lab/lab",
        "ok": False,
        "usage": [700, 700],
        "differences": [
            {
                "what": "localUsage",
                "says": 701,
                "source": "its opening usage, lines and jobs come to",
                "comesTo": [700, 700],
            }
        ],
        "remarks": [],
    }


def test_an_amount_that_no_status_can_hold_is_said_as_the_largest_that_it_can() -> None:
    assert 9 * 10**18 in exactly(10**19)


class Readings:
    """What is found, reading by reading."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *stories: Facts) -> None:
        self.left = [story.world() for story in stories]
        monkeypatch.setattr(audit, "read", self.read)
        monkeypatch.setattr(audit, "AGAIN_SECONDS", 0)

    async def read(self, _: Client) -> object:
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def test_what_is_right_a_moment_later_is_no_difference(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    job = facts().job("ended", until=42)
    Readings(monkeypatch, job.wallet("lab", says=0), job.wallet("lab", says=700))
    assert all(finding.is_fine for finding in asyncio.run(audit.audit(client, 10)))


def test_what_stays_wrong_is_a_difference(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    Readings(monkeypatch, facts().job("ended", until=42).wallet("lab", says=0))
    assert not all(finding.is_fine for finding in asyncio.run(audit.audit(client, 0.01)))
