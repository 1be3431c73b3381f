"""What a job's status says when its state changes."""

from __future__ import annotations

from tests.unit.lifecycle.lives import Life, life
from tests.unit.lifecycle.stories import at, pod, wallet
from ucloud_operator.api import JobState, UCloudJobStatus
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.admission import Objection
from ucloud_operator.lifecycle.sentences import Reason


def conditions(status: UCloudJobStatus) -> dict[str, tuple[str, str, str, int]]:
    return {c.type: (c.status, c.reason, c.message, c.last_transition_time) for c in status.conditions}


def suspended(told: Life) -> UCloudJobStatus:
    """Its user suspends a job that runs since the first second, in the 50th."""
    story = pod().taken(0).runs(1).armed(50, Reason.Suspended).is_deleted(50).ends(51, 143)
    return told.has_run(1).pods(story).writes(52)


class TestBeginning:
    def test_it_says_that_it_runs_to_people_and_to_programs(self) -> None:
        status = life().is_edited().pods(pod().runs(1)).writes(3)
        assert (status.state, status.reason, status.message) == (
            JobState.RUNNING,
            "Started",
            "Your job is now running!",
        )
        assert conditions(status) == {
            "Running": ("True", "Started", "Your job is now running!", at(3)),
            "Finished": ("False", "Started", "Your job is now running!", at(3)),
        }
        assert status.observed_generation == 1
        assert [(u.timestamp, u.status) for u in status.updates] == [
            (at(0), "Your job is now waiting in the queue!"),
            (at(1), "Your job is now running!"),
        ]

    def test_what_its_user_decided_meanwhile_is_noted_with_it(self) -> None:
        status = life(suspend=True).is_in_queue().is_edited().pods(pod().runs(1)).writes(3)
        assert (status.state, status.observed_generation) == (JobState.RUNNING, 1)

    def test_its_facts_are_those_that_its_pods_pin(self) -> None:
        (run,) = life().pods(pod().runs(1)).writes(3).runs
        assert (run.number, run.started_at, run.ended_at) == (1, at(1), None)
        assert (run.price, run.replicas, run.period_ms) == (50_000, 2, 60_000)

    def test_what_was_set_aside_is_what_its_pods_say(self) -> None:
        assert life().pods(pod().runs(1)).writes(3).reserved == 0
        assert life().pods(pod().annotated(pods.RESERVED, "700").runs(1)).writes(3).reserved == 700
        half = life(replicas=2).pods(pod(0).annotated(pods.RESERVED, "700").runs(1), pod(1).runs(1))
        assert half.writes(3).reserved == 700

    def test_it_first_ran_when_it_first_ran(self) -> None:
        resumed = life().has_run(1, 9).is_in_queue().pods(pod().labelled(pods.RUN, "2").runs(20))
        status = resumed.says(suspended_at=at(9)).writes(21)
        assert (status.started_at, status.suspended_at) == (at(1), None)

    def test_a_second_that_two_runs_share_is_billed_once(self) -> None:
        """Credits end at a millisecond, and a kubelet's stamp of the next start is cut off to the second before it."""
        resumed = life().has_run(1, 9.9).is_in_queue().pods(pod().labelled(pods.RUN, "2").runs(9))
        status = resumed.writes(11)
        assert [run.started_at for run in status.runs] == [at(1), at(9.9)]
        assert status.updates[-1].timestamp == at(9.9)

    def test_a_change_that_was_noticed_stays_where_it_was(self) -> None:
        waiting = life().pods(pod().bound()).writes(5)
        running = life().says(**dict(waiting)).pods(pod().runs(8)).writes(9)
        assert conditions(waiting)["Running"] == ("False", "Queued", "Your job is now waiting in the queue!", at(5))
        assert conditions(running)["Running"][::3] == ("True", at(9))
        assert conditions(running)["Finished"][::3] == ("False", at(5)), "it hasn't changed since"


class TestEnding:
    def test_a_run_that_has_ended_is_listed_once(self) -> None:
        status = life().has_run(1, 9).has_run(20).pods(pod().labelled(pods.RUN, "2").runs(20).ends(30)).writes(31)
        assert [(run.number, run.started_at, run.ended_at) for run in status.runs] == [
            (1, at(1), at(9)),
            (2, at(20), at(30)),
        ]

    def test_nothing_of_what_was_to_come_is_left(self) -> None:
        running = life(timeAllocation={"minutes": 2}).has_run(1)
        running = running.says(exhausts_at=at(90), reserved=700, expires_at=at(121), rate_per_minute=50_000)
        status = running.pods(pod().runs(1).ends(30)).writes(31)
        assert (status.exhausts_at, status.reserved, status.rate_per_minute) == (None, 0, 0)
        assert (status.suspended_at, status.expires_at) == (None, at(121))

    def test_it_says_why_to_people_and_to_programs(self) -> None:
        status = life().has_run(1).pods(pod().runs(1).ends(30, 7)).writes(31)
        assert (status.reason, status.message) == ("ExitCode", "Job failed with exit code 7.")
        assert conditions(status) == {
            "Running": ("False", "ExitCode", "Job failed with exit code 7.", at(31)),
            "Finished": ("True", "ExitCode", "Job failed with exit code 7.", at(31)),
        }
        assert (status.updates[-1].timestamp, status.updates[-1].status) == (at(30), "Job failed with exit code 7.")

    def test_what_its_user_decided_is_noted_with_it(self) -> None:
        story = pod().runs(1).is_deleted(30).ends(30, 143)
        status = life(terminate=True).has_run(1).is_edited().pods(story).writes(31)
        assert (status.reason, status.observed_generation) == ("Cancelled", 1)

    def test_a_job_that_never_ran_belongs_to_no_wallet(self) -> None:
        assert life().meets(Objection(Reason.NotEnoughCredits, "", JobState.FAILURE)).writes(1).wallet is None


class TestSuspension:
    def test_it_is_known_since_when_it_waits_and_that_its_time_stands_still(self) -> None:
        status = suspended(life(suspend=True, timeAllocation={"minutes": 2}).says(expires_at=at(121)))
        assert (status.state, status.suspended_at, status.expires_at) == (JobState.SUSPENDED, at(51), None)
        assert [c[0] for c in conditions(status).values()] == ["False", "False"]

    def test_a_wallet_that_suspends_what_it_can_not_pay_does_not_change_what_its_user_wishes(self) -> None:
        for paying in (wallet(), wallet(on_exhaustion="Suspend")):
            status = suspended(life(suspend=True).with_wallet(paying))
            assert (status.reason, status.message) == ("Suspended", "Your job has been suspended.")

    def test_back_in_the_queue_it_says_so(self) -> None:
        status = life().has_run(1, 9).is_suspended().writes(50)
        assert (status.state, status.reason, status.message) == (
            JobState.IN_QUEUE,
            "Resumed",
            "Your job is back in the queue!",
        )
        assert (status.updates[-1].timestamp, status.updates[-1].status) == (at(50), "Your job is back in the queue!")
        assert [c[:2] for c in conditions(status).values()] == [("False", "Resumed"), ("False", "Resumed")]


class TestWhatIsBilled:
    """An end that was written on the pods counts, whatever a plan would find now."""

    def test_the_plan_may_know_an_earlier_end(self) -> None:
        ended = life().has_run(1).pods(pod().runs(1).ends(30)).has_used(24_000, until=28.5).writes(31)
        assert (ended.runs[-1].ended_at, ended.updates[-1].timestamp) == (at(28.5), at(28.5))

    def test_but_not_once_one_was_written(self) -> None:
        stopped = life().has_run(1).pods(pod().runs(1).armed(121).is_deleted(121).ends(121, 143))
        assert stopped.has_used(99_000, until=119.5).writes(122).runs[-1].ended_at == at(121)

    def test_what_runs_on_after_that_is_nobodys_to_pay(self) -> None:
        """Its user ended it a moment before its credits did, and it took its time to go."""
        story = pod().runs(1).armed(121).is_deleted(120).ends(125, 143)
        status = life(terminate=True).has_run(1).pods(story).writes(126)
        assert (status.reason, status.runs[-1].ended_at) == ("Cancelled", at(121))

    def test_nor_what_runs_on_after_its_time(self) -> None:
        story = pod().runs(1).is_deleted(60).ends(65, 143)
        status = life(terminate=True, timeAllocation={"minutes": 1}).has_run(1).pods(story).writes(66)
        assert (status.reason, status.runs[-1].ended_at) == ("Cancelled", at(61))

    def test_no_run_ends_before_its_beginning(self) -> None:
        status = life().has_run(20).pods(pod().runs(20).ends(30)).has_used(0, until=10).writes(31)
        assert status.runs[-1].ended_at == at(20)
