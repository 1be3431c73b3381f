"""What a job's stored facts say."""

from __future__ import annotations

from tests.unit.lifecycle.lives import SETTINGS, life
from tests.unit.lifecycle.stories import at, pod
from ucloud_operator.api import JobState
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.facts import (
    is_in_line,
    least_run_ms,
    place_in_line,
    planned_end,
    reservation_of,
    reserved_for,
)
from ucloud_operator.lifecycle.sentences import Reason

MINUTE_MS = 60_000


class TestReservations:
    def test_the_whole_cost_is_set_aside(self) -> None:
        sure = life(funding="Reserve", timeAllocation={"minutes": 90}, replicas=2)
        assert reservation_of(sure.view.job, 50_000, MINUTE_MS) == 9_000_000

    def test_of_one_that_was_suspended_what_is_left_of_it(self) -> None:
        resumed = life(funding="Reserve", timeAllocation={"minutes": 2}).has_run(0, 60, usage=50_000)
        assert reservation_of(resumed.view.job, 50_000, MINUTE_MS) == 100_000

    def test_of_one_whose_time_is_used_up_what_it_used(self) -> None:
        over = life(funding="Reserve", timeAllocation={"minutes": 1}).has_run(0, 61, usage=50_000)
        assert reservation_of(over.view.job, 50_000, MINUTE_MS) == 50_000

    def test_others_have_none(self) -> None:
        assert reservation_of(life(timeAllocation={"minutes": 90}).view.job, 50_000, MINUTE_MS) == 0

    def test_it_holds_from_its_pods_creation_to_the_end(self) -> None:
        sure = life(funding="Reserve", timeAllocation={"minutes": 2})
        launched = (pod().annotated(pods.RESERVED, "100000").seen(),)
        assert reserved_for(sure.view.job, ()) == 0
        assert reserved_for(sure.view.job, launched) == 100_000
        assert reserved_for(sure.view.job, (pod(1).seen(), *launched)) == 100_000
        assert reserved_for(sure.is_final().view.job, launched) == 0
        assert reserved_for(life().view.job, launched) == 0

    def test_what_its_pods_say_of_an_earlier_run_is_past(self) -> None:
        resumed = life(funding="Reserve", timeAllocation={"minutes": 2}).has_run(0, 60)
        old, new = pod().annotated(pods.RESERVED, "100000").seen(), pod().labelled(pods.RUN, "2")
        assert reserved_for(resumed.view.job, (old,)) == 0
        assert reserved_for(resumed.view.job, (old, new.seen())) == 0
        assert reserved_for(resumed.view.job, (old, new.annotated(pods.RESERVED, "50000").seen())) == 50_000


class TestTheLine:
    def test_who_was_suspended_for_want_of_credits_stands_in_it(self) -> None:
        assert is_in_line(life().has_run(1, 9).is_suspended(Reason.OutOfCredits).view.job)
        assert not is_in_line(life().has_run(1, 9).is_suspended(Reason.Suspended).view.job)
        assert not is_in_line(life(suspend=True).has_run(1, 9).is_suspended(Reason.OutOfCredits).view.job)
        assert not is_in_line(life().has_run(1, 9).is_final(JobState.SUCCESS).view.job)

    def test_first_suspended_first_resumed(self) -> None:
        waiting = life().has_run(1, 9).is_suspended(Reason.OutOfCredits).view.job
        assert place_in_line(waiting) == (at(0), at(1), at(0), "job-uid")

    def test_whoever_needs_long_to_stop_needs_twice_as_long_to_go_on(self) -> None:
        patient = life(terminationGracePeriodSeconds=100)
        assert least_run_ms(patient.view.job, SETTINGS) == 60_000
        assert least_run_ms(patient.has_run(1, 9).view.job, SETTINGS) == 200_000


class TestTheEndThatIsPlanned:
    def test_a_stop_of_an_earlier_run_says_nothing_about_this_one(self) -> None:
        resumed = life(timeAllocation={"minutes": 2}).has_run(0, 30).has_run(60)
        old, new = pod().armed(30).seen(), pod().labelled(pods.RUN, "2").seen()
        assert planned_end(resumed.view.job, (old, new)) == at(150)
        assert planned_end(resumed.view.job, (old, pod().labelled(pods.RUN, "2").armed(99).seen())) == at(99)

    def test_what_its_user_decided_is_billed_until_its_containers_have_ended(self) -> None:
        suspended = life(timeAllocation={"minutes": 2}, suspend=True).has_run(0)
        assert planned_end(suspended.view.job, (pod().armed(99, Reason.Suspended).seen(),)) == at(120)
        ended = pod().runs(0).ends(70).armed(99, Reason.Suspended).seen()
        assert planned_end(suspended.view.job, (ended, pod(1).runs(0).seen())) == at(70)

    def test_one_that_ended_by_itself_is_billed_no_further_although_its_job_says_so_later(self) -> None:
        running = life(replicas=2).has_run(1)
        assert planned_end(running.view.job, (pod().runs(0).ends(70).seen(), pod(1).runs(1).seen())) == at(70)
        assert planned_end(running.view.job, (pod().bound().ends(0).seen(),)) == at(1), "one that never started"

    def test_its_stamp_is_moved_by_what_its_clock_is_wrong(self) -> None:
        running = life().has_run(1)
        assert planned_end(running.view.job, (pod().runs(6).ends(70).seen(),)) == at(65), "ahead of ours"
        assert planned_end(running.view.job, (pod().runs(-5).ends(70).seen(),)) == at(75), "behind"

    def test_one_that_was_stopped_in_time_is_billed_to_the_instant_and_one_that_ended_before_is_not(self) -> None:
        running = life().has_run(1)
        armed = pod().runs(1).armed(99)
        assert planned_end(running.view.job, (armed.ends(98).seen(),)) == at(99)
        assert planned_end(running.view.job, (armed.ends(97).seen(),)) == at(97)
