"""What is done about a job, from its creation until it is gone."""

from __future__ import annotations

import pytest

from tests.unit.lifecycle.lives import life
from tests.unit.lifecycle.stories import at, pod, wallet
from ucloud_operator.api import JobState
from ucloud_operator.lifecycle import pods, sentences, warnings
from ucloud_operator.lifecycle.admission import Objection
from ucloud_operator.lifecycle.commands import (
    Adopt,
    Arm,
    Decision,
    DeleteJob,
    DeletePods,
    Launch,
    ReleaseJob,
    ReleasePods,
    Settle,
    Warn,
    WriteStatus,
)
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import Stop
from ucloud_operator.lifecycle.timing import Ahead
from ucloud_operator.settings import FOREVER_MS, Settings


def states(status: object) -> list[JobState | None]:
    return [update.state for update in status.updates]  # type: ignore[attr-defined]


class TestStarting:
    def test_a_job_without_our_finalizer_gets_it_before_anything_else(self) -> None:
        assert life().without_finalizer().does(0) == (Adopt(),)

    def test_an_admitted_job_is_launched_without_a_word_before(self) -> None:
        assert life(replicas=2).does(0) == (Launch(run=1, ranks=(0, 1)),)

    def test_a_launch_that_was_cut_off_is_finished_without_asking_again(self) -> None:
        cut_off = life(replicas=2).pods(pod(0)).meets(Objection(Reason.NotEnoughCredits, "", JobState.FAILURE))
        assert cut_off.does(0) == (Launch(run=1, ranks=(1,)),)

    def test_what_may_still_come_is_waited_for(self) -> None:
        waiting = life().meets(Objection(Reason.NoWallet, "Waiting for a wallet.", None, again_in_ms=60_000))
        assert waiting.decides(0) == Decision((), at(5))
        status = waiting.writes(5)
        assert (status.state, status.reason, status.message) == (JobState.IN_QUEUE, "Queued", "Waiting for a wallet.")
        assert waiting.is_in_queue().decides(6) == Decision((), at(66))

    def test_what_a_change_alone_can_mend_is_not_looked_at_by_the_clock(self) -> None:
        waiting = life().meets(Objection(Reason.NoWallet, "", None)).is_in_queue()
        assert waiting.decides(6) == Decision((), FOREVER_MS)

    def test_a_refused_job_has_failed_and_says_why(self) -> None:
        status = life().meets(Objection(Reason.NotEnoughCredits, "too little", JobState.FAILURE)).writes(0)
        assert states(status) == [JobState.IN_QUEUE, JobState.FAILURE]
        assert (status.reason, status.message, status.usage) == ("NotEnoughCredits", "too little", 0)

    def test_a_pod_that_the_api_server_refuses_fails_its_job(self) -> None:
        status = life().is_rejected("spec.containers[0].image: Required value").writes(0)
        assert (status.state, status.reason) == (JobState.FAILURE, "PodRejected")
        assert "spec.containers[0].image: Required value" in (status.message or "")

    def test_pods_that_are_refused_for_now_are_tried_again_and_it_says_so(self) -> None:
        assert life().is_held_up("exceeded quota").does(1) == (Launch(run=1, ranks=(0,)),)
        commands = life().is_held_up("exceeded quota").does(6)
        assert commands[1:] == (Launch(run=1, ranks=(0,)),)
        assert "exceeded quota" in (life().is_held_up("exceeded quota").writes(5).message or "")
        assert life().is_in_queue().is_held_up("exceeded quota").does(6) == (Launch(run=1, ranks=(0,)),), "once"

    def test_a_pod_of_an_earlier_job_that_has_the_name_is_waited_for_and_it_says_so(self) -> None:
        waiting = life().finds_in_the_way(pod().bound())
        assert waiting.decides(1) == Decision((), at(5))
        status = waiting.writes(5)
        says = "Your job waits for pod j-62348-job-0 to go: it is of an earlier job of the same name"
        assert (status.state, status.reason, status.message) == (JobState.IN_QUEUE, "Queued", says)
        said = waiting.says(**dict(status))
        assert said.decides(6) == Decision((), FOREVER_MS), "once"
        lost = said.finds_in_the_way(pod().bound().condition("Ready", "False", "", 6)).writes(7)
        assert lost.message == f"{says}, and stays until node node-1 is back or its Node object is deleted"
        back = waiting.is_suspended().writes(8)
        assert (back.state, back.reason) == (JobState.IN_QUEUE, "Resumed"), "and then it says what it waits for"

    def test_one_that_will_not_be_admitted_does_not_wait_for_a_name(self) -> None:
        refused = life().finds_in_the_way(pod()).meets(Objection(Reason.NotEnoughCredits, "", JobState.FAILURE))
        assert refused.writes(0).state is JobState.FAILURE

    def test_one_that_is_admitted_late_is_not_held_up(self) -> None:
        assert life().does(60) == (Launch(run=1, ranks=(0,)),)


class TestWaitingInTheQueue:
    def test_a_job_that_may_run_soon_writes_nothing(self) -> None:
        assert life().pods(pod().bound()).decides(1) == Decision((), at(5))

    def test_after_a_while_it_says_that_it_waits(self) -> None:
        status = life().pods(pod().bound()).writes(5)
        assert (status.state, status.message) == (JobState.IN_QUEUE, sentences.QUEUED)
        assert [update.timestamp for update in status.updates] == [at(0)]

    def test_and_why_when_no_node_takes_it(self) -> None:
        waiting = life().pods(pod().finds_no_place())
        assert waiting.writes(5).reason == "Unschedulable"
        assert waiting.is_in_queue().writes(6).reason == "Unschedulable"
        assert waiting.is_in_queue(Reason.Unschedulable).decides(7) == Decision((), FOREVER_MS)

    def test_an_image_that_cannot_be_pulled_is_tried_for_a_minute(self) -> None:
        waiting = life().pods(pod().waits("ErrImagePull", "no such image")).is_in_queue().fails_to_start_since(10)
        assert waiting.decides(20) == Decision((), at(70))
        assert life().pods(pod().waits("ErrImagePull")).is_in_queue().decides(20) == Decision((), at(80))
        status = waiting.writes(70)
        assert (status.state, status.reason) == (JobState.FAILURE, "ImagePullFailed")
        assert "no such image" in (status.message or "")

    def test_that_it_waits_is_said_before_it_is_given_up(self) -> None:
        assert life().pods(pod().waits("ErrImagePull")).fails_to_start_since(1).decides(2) == Decision((), at(5))

    def test_a_pod_without_a_place_is_not_given_up(self) -> None:
        waiting = life().pods(pod().finds_no_place()).is_in_queue(Reason.Unschedulable).fails_to_start_since(1)
        assert waiting.decides(99) == Decision((), FOREVER_MS)

    def test_a_wallet_that_locks_meanwhile_ends_the_wait(self) -> None:
        waiting = life().pods(pod().taken(0).bound()).with_credits_until(3)
        assert [type(command) for command in waiting.does(3)] == [Arm, DeletePods]


class TestRunning:
    def test_both_first_updates_go_out_in_one_write(self) -> None:
        status = life(replicas=2).pods(pod(0).runs(1), pod(1).runs(2)).writes(3)
        assert states(status) == [JobState.IN_QUEUE, JobState.RUNNING]
        assert status.started_at == at(2), "billed from the last replica's start"
        assert status.rate is not None
        assert status.rate_per_minute == 100_000
        assert status.wallet is not None
        assert status.wallet.uid == "wallet-uid"
        assert status.expires_at is None

    def test_a_time_allocation_is_counted_from_the_start(self) -> None:
        status = life(timeAllocation={"minutes": 2}).pods(pod().annotated(pods.REPLICAS, "1").runs(1)).writes(3)
        assert status.expires_at == at(121)

    def test_a_pod_without_a_rate_or_a_job_without_a_wallet_never_begins(self) -> None:
        assert life().pods(pod().annotated(pods.PRICE, None).runs(1)).does(3) == ()
        assert life().pods(pod().runs(1)).with_wallet(None).does(3) == ()

    def test_one_of_its_pods_knows_the_rate_of_all(self) -> None:
        status = life(replicas=2).pods(pod(0).annotated(pods.PRICE, None).runs(1), pod(1).runs(1)).writes(3)
        assert (status.state, status.rate_per_minute) == (JobState.RUNNING, 100_000)

    def test_nothing_is_written_while_it_runs(self) -> None:
        assert life().runs().decides(1000) == Decision((), FOREVER_MS)

    def test_an_edit_is_noted(self) -> None:
        assert life().runs().is_edited().writes(5).observed_generation == 1

    def test_a_longer_time_allocation_moves_the_end(self) -> None:
        status = life(timeAllocation={"hours": 1}).runs().is_edited().writes(5)
        assert status.expires_at == at(3601)
        assert status.updates[-1].new_time_allocation == 3_600_000

    def test_any_other_edit_does_not(self) -> None:
        running = life(timeAllocation={"hours": 1}).runs().says(expires_at=at(3601))
        assert running.is_edited().writes(5).updates == running.view.job.status.updates

    def test_before_it_runs_there_is_no_end_to_move(self) -> None:
        status = life(timeAllocation={"hours": 1}).is_in_queue().is_edited().writes(5)
        assert (status.expires_at, len(status.updates), status.observed_generation) == (None, 1, 1)

    def test_an_edit_that_ends_the_run_is_noted_with_its_end(self) -> None:
        assert isinstance(life(terminate=True).runs().is_edited().does(5)[0], DeletePods)
        assert life(suspend=True).has_run(1, 9).is_suspended().is_edited().writes(50).observed_generation == 1


class TestEnding:
    def test_an_exit_ends_the_job_at_its_instant(self) -> None:
        status = life().runs().pods(pod().runs(1).ends(30)).has_used(24_000).writes(31)
        assert states(status) == [JobState.IN_QUEUE, JobState.RUNNING, JobState.SUCCESS]
        assert (status.reason, status.usage, status.rate_per_minute) == ("Completed", 24_000, 0)
        assert status.runs[-1].ended_at == at(30)
        assert {c.type: c.status for c in status.conditions} == {"Running": "False", "Finished": "True"}

    def test_a_run_that_was_over_before_it_was_seen_is_billed_all_the_same(self) -> None:
        status = life().pods(pod().runs(1).ends(3)).writes(4)
        assert (status.state, status.started_at) == (JobState.RUNNING, at(1))

    def test_a_pod_that_never_ran_ends_the_job_for_free(self) -> None:
        status = life().pods(pod().is_deleted(1)).writes(2)
        assert (status.state, status.reason, status.usage) == (JobState.FAILURE, "PodDeleted", 0)

    def test_a_pod_that_is_gone_without_a_trace_is_billed_to_the_last_publication(self) -> None:
        metered = wallet()
        metered = metered.model_copy(update={"status": metered.status.model_copy(update={"metered_at": at(60)})})
        status = life().has_run(1).with_wallet(metered).has_used(49_166).writes(90)
        assert (status.reason, status.runs[-1].ended_at) == ("PodDeleted", at(60))

    def test_gone_after_the_credits_ended_it_is_out_of_credits(self) -> None:
        status = life().has_run(1).with_credits_until(61).with_wallet(None).writes(62)
        assert (status.state, status.reason) == (JobState.SUCCESS, "OutOfCredits")

    def test_a_dying_namespace_cancels(self) -> None:
        dying = life().runs().pods(pod().runs(1).is_deleted(20).ends(21, 143)).in_dying_namespace()
        assert dying.writes(22).reason == "Cancelled"

    def test_usage_never_goes_down(self) -> None:
        with pytest.raises(AssertionError, match="never goes down"):
            life().has_run(1, usage=10).pods(pod().runs(1).ends(3)).has_used(9).does(4)


class TestStopping:
    def test_the_kubelet_is_told_some_seconds_before_the_credits_end(self) -> None:
        running = life().runs().with_credits_until(121)
        assert running.decides(50) == Decision((), at(101))
        decision = running.decides(101)
        assert decision.commands == (Arm(running.view.pods, Stop(Reason.OutOfCredits, at(121)), at(121)),)
        assert decision.wake_ms == at(121)

    def test_the_pods_are_deleted_at_the_instant(self) -> None:
        armed = life().runs().pods(pod().taken(0).runs(1).armed(121))
        assert armed.decides(110) == Decision((), at(121))
        stop = Stop(Reason.OutOfCredits, at(121))
        assert armed.does(121) == (DeletePods(armed.view.pods, 1, stop),)

    def test_whoever_asked_for_time_to_save_work_is_told_that_much_earlier(self) -> None:
        running = life(terminationGracePeriodSeconds=30).runs().with_credits_until(121)
        assert running.decides(50) == Decision((), at(71))
        assert running.does(71) == (Arm(running.view.pods, Stop(Reason.OutOfCredits, at(121)), at(91)),)
        assert running.does(91)[-1] == DeletePods(running.view.pods, 30, Stop(Reason.OutOfCredits, at(121)))

    def test_and_gets_no_more_than_is_left(self) -> None:
        late = life(terminationGracePeriodSeconds=30).runs().with_credits_until(121).does(116)
        assert isinstance(late[-1], DeletePods)
        assert late[-1].grace_seconds == 5

    def test_credits_that_end_at_once_are_written_on_the_pods_before_they_are_deleted(self) -> None:
        assert [type(command) for command in life().runs().with_credits_until(50).does(50)] == [Arm, DeletePods]

    def test_a_top_up_comes_too_late_for_an_armed_job(self) -> None:
        topped_up = life().runs().pods(pod().taken(0).runs(1).armed(121)).with_credits_until(500)
        assert isinstance(topped_up.does(121)[0], DeletePods)

    def test_an_end_that_comes_nearer_is_armed_anew(self) -> None:
        nearer = life().runs().pods(pod().taken(0).runs(1).armed(121)).with_credits_until(115)
        assert nearer.decides(60) == Decision((), at(95))
        assert nearer.does(110) == (Arm(nearer.view.pods, Stop(Reason.OutOfCredits, at(115)), at(115)),)

    def test_pods_that_are_on_their_way_out_are_left_alone(self) -> None:
        going = life().runs().pods(pod().taken(0).runs(1).armed(121).is_deleted(121))
        assert going.decides(121.5) == Decision((), at(182))

    def test_a_time_allocation_ends_it_too(self) -> None:
        running = life(timeAllocation={"seconds": 60}).runs()
        assert running.does(61)[-1] == DeletePods(running.view.pods, 1, Stop(Reason.Expired, at(61)))

    def test_the_user_ends_it_with_the_grace_that_it_asked_for(self) -> None:
        running = life(terminate=True, terminationGracePeriodSeconds=9).runs()
        assert running.does(50) == (DeletePods(running.view.pods, 9, Stop(Reason.Cancelled, at(50))),)

    def test_out_of_credits_says_the_sentence(self) -> None:
        stopped = life().runs().pods(pod().runs(1).armed(121).is_deleted(121).ends(121, 143)).has_used(100_000)
        status = stopped.writes(122)
        assert (status.state, status.reason, status.usage) == (JobState.SUCCESS, "OutOfCredits", 100_000)
        assert status.updates[-1].status == "Your job has been terminated (No more credits)"
        assert status.updates[-1].timestamp == at(121)

    def test_or_suspends_where_the_wallet_says_so(self) -> None:
        stopped = life().runs().pods(pod().runs(1).armed(121).is_deleted(121).ends(121, 143))
        assert stopped.with_wallet(wallet(on_exhaustion="Suspend")).writes(122).state is JobState.SUSPENDED

    def test_when_a_component_has_to_be_looked_at(self) -> None:
        view = life().runs().view
        ahead = Ahead(at(50), (60, 15, 5), Settings())
        assert ahead.act_ms(view.job, view.pods, at(121)) == at(101)
        assert ahead.act_ms(view.job, view.pods, at(3700)) == at(100), "to warn an hour before"
        assert ahead.act_ms(view.job, view.pods, FOREVER_MS) == FOREVER_MS
        assert ahead.act_ms(life().view.job, (), at(121)) == FOREVER_MS
        assert Ahead(at(200), (60,), Settings()).act_ms(view.job, view.pods, at(3700)) == at(200), "it is news"

    def test_a_pod_that_never_answers_is_looked_at_again(self) -> None:
        """Its node may be gone, and nobody there to say so."""
        lonely = life().runs().pods(pod().taken(0).runs(1).is_deleted(9, grace=5))
        assert lonely.decides(20) == Decision((), at(74))
        assert lonely.writes(74).reason == "PodDeleted"


class TestWarning:
    def test_people_and_pods_are_told_when_the_end_comes_near(self) -> None:
        running = life().runs().with_credits_until(4000)
        assert running.decides(399) == Decision((), at(400))
        warning, written = running.does(400)
        assert isinstance(warning, Warn)
        assert warning.message == "At the present rate this job ends in 60 min, at 2026-11-24T09:06:40.000Z."
        assert (warning.pods, warning.end_ms, warning.reason, warning.aloud) == (
            running.view.pods,
            at(4000),
            "Within60Minutes",
            True,
        )
        assert isinstance(written, WriteStatus)
        told = {c.type: (c.status, c.reason) for c in written.status.conditions}
        assert told["EndsSoon"] == ("True", "Within60Minutes")
        assert written.status.exhausts_at == at(4000)

    def test_each_level_once(self) -> None:
        told = life().runs().with_credits_until(4000).has_told(400, 60)
        assert told.decides(500) == Decision((), at(3100))
        assert [type(command) for command in told.does(3100)] == [Warn, WriteStatus]
        assert told.has_told(3100, 15).decides(3200) == Decision((), at(3700))

    def test_each_aloud_and_near_since_the_first(self) -> None:
        warning, written = life().runs().with_credits_until(4000).has_told(400, 60).does(3100)
        assert isinstance(warning, Warn)
        assert (warning.reason, warning.aloud) == ("Within15Minutes", True)
        assert isinstance(written, WriteStatus)
        near = warnings.told(written.status.conditions)
        assert near is not None
        assert (near.status, near.reason, near.last_transition_time) == ("True", "Within15Minutes", at(400))

    def test_a_run_that_begins_at_a_level_was_never_without_it(self) -> None:
        begun = life().runs(400).with_credits_until(4000)
        assert begun.decides(400) == Decision((), at(3100))

    def test_a_run_that_begins_near_its_end_is_not_warned(self) -> None:
        assert life().runs().with_credits_until(121).decides(50) == Decision((), at(101))

    def test_a_top_up_takes_the_warning_back(self) -> None:
        warning, written = life().runs().has_told(400, 5).does(500)
        assert isinstance(warning, Warn)
        assert (warning.end_ms, warning.aloud) == (None, False)
        assert warning.message == "At the present rate this goes on for longer."
        assert isinstance(written, WriteStatus)
        assert {c.type: c.status for c in written.status.conditions}["EndsSoon"] == "False"
        assert written.status.exhausts_at is None

    def test_nobody_is_warned_of_what_its_user_decided(self) -> None:
        going = life(terminate=True).runs().pods(pod().taken(0).runs(1).is_deleted(5000))
        assert going.decides(5000.5) == Decision((), at(5061))

    def test_or_lowers_its_level_without_a_word(self) -> None:
        warning = life().runs().has_told(400, 5).with_credits_until(4000).does(500)[0]
        assert isinstance(warning, Warn)
        assert (warning.reason, warning.aloud) == ("Within60Minutes", False)


class TestSuspension:
    def test_a_suspension_is_written_on_the_pods_since_it_can_be_taken_back(self) -> None:
        running = life(suspend=True).runs()
        suspended = Stop(Reason.Suspended, at(50))
        assert running.does(50) == (
            Arm(running.view.pods, suspended, FOREVER_MS),
            DeletePods(running.view.pods, 1, suspended),
        )

    def test_a_job_that_waits_is_suspended_with_a_word(self) -> None:
        assert life(suspend=True).writes(1).state is JobState.SUSPENDED

    def test_and_rests(self) -> None:
        assert life(suspend=True).has_run(1, 9).is_suspended().decides(50) == Decision()

    def test_it_goes_on_through_the_queue(self) -> None:
        commands = life().has_run(1, 9).is_suspended().does(50)
        assert commands[1:] == (Launch(run=2, ranks=(0,)),)
        assert states(life().has_run(1, 9).is_suspended().writes(50))[-1] is JobState.IN_QUEUE

    def test_it_waits_for_the_pods_of_the_last_run(self) -> None:
        going = life().has_run(1, 9).is_suspended().pods(pod().runs(1).is_deleted(9))
        assert going.decides(9.5) == Decision((), at(70))

    def test_and_until_those_that_have_the_names_of_its_next_run_are_gone(self) -> None:
        """The end of one of them would be taken for the next run's."""
        leftover = pod().labelled(pods.RUN, "2").runs(20).is_deleted(21).ends(21, 143)
        going = life().has_run(1, 9).is_suspended().pods(leftover)
        assert going.does(21.5) == (ReleasePods(going.view.pods),)
        assert going.pods(leftover.let_go()).decides(21.5) == Decision()

    def test_it_stays_suspended_while_the_credits_do_not_last(self) -> None:
        poor = life().has_run(1, 9).is_suspended(Reason.OutOfCredits)
        objection = Objection(Reason.NotEnoughCredits, "", JobState.SUSPENDED)
        assert poor.meets(objection).decides(50) == Decision()

    def test_time_already_run_counts(self) -> None:
        resumed = life(timeAllocation={"seconds": 60}).has_run(1, 41).is_in_queue()
        status = resumed.pods(pod().labelled(pods.RUN, "2").runs(100)).writes(101)
        assert status.expires_at == at(120)
        assert [run.number for run in status.runs] == [1, 2]

    def test_old_runs_are_summed_up_exactly(self) -> None:
        long_lived = life()
        for number in range(64):
            long_lived = long_lived.has_run(10 * number, 10 * number + 1.001)
        waiting = long_lived.is_in_queue().pods(pod().labelled(pods.RUN, "65").runs(1000))
        status = waiting.writes(1001)
        assert [status.runs[0].number, status.runs[-1].number, len(status.runs)] == [2, 65, 64]
        folded = status.runs_folded
        assert (folded.runs, folded.elapsed_ms) == (1, 1001)
        assert (folded.usage, folded.remainder) == divmod(50_000 * 1001, 60_000)


class TestLeaving:
    def test_an_ended_pod_is_let_go_when_its_end_is_written_down(self) -> None:
        done = life().has_run(1, 30).is_final().pods(pod().runs(1).ends(30))
        assert done.does(31) == (ReleasePods(done.view.pods),)

    def test_the_other_replicas_are_deleted(self) -> None:
        done = life(replicas=2).has_run(1, 30).is_final().pods(pod(0).runs(1).ends(30), pod(1).runs(1))
        ended, alive = done.view.pods
        assert done.does(31) == (DeletePods((alive,), 1), ReleasePods((ended,)))

    def test_a_pod_of_an_earlier_run_is_let_go_even_later(self) -> None:
        held = pod().runs(1).ends(9)
        later = life().has_run(1, 9).has_run(20).pods(held, pod().labelled(pods.RUN, "2").taken(0).runs(20))
        assert later.does(30) == (ReleasePods(later.view.pods[:1]),)

    def test_a_final_job_rests(self) -> None:
        assert life().has_run(1, 30).is_final(usage=10).decides(99) == Decision()

    def test_a_deleted_job_leaves_its_usage_with_its_wallet_first(self) -> None:
        left = life().has_run(1, 30).is_final(usage=10).is_deleted(40)
        assert left.does(41) == (Settle(),)
        assert left.is_settled().does(42) == (ReleaseJob(),)
        assert left.is_settled().without_finalizer().does(43) == ()

    def test_it_is_settled_without_its_wallet_too(self) -> None:
        left = life().has_run(1, 30).is_final(usage=10).is_deleted(40)
        assert left.with_wallet(None).does(41) == (Settle(),)

    def test_a_job_that_is_over_is_kept_for_as_long_as_it_wants(self) -> None:
        done = life(ttlSecondsAfterFinished=60).has_run(1, 30).is_final().has_ended(30)
        assert done.decides(40) == Decision((), at(90))
        assert done.does(90) == (DeleteJob(),)
        waiting = done.pods(pod().runs(1).is_deleted(89)).decides(90)
        assert waiting == Decision((), at(150)), "not before its pods are gone"

    def test_a_job_that_used_nothing_just_goes(self) -> None:
        assert life().is_in_queue().is_final(JobState.FAILURE).is_deleted(40).does(41) == (ReleaseJob(),)

    def test_a_job_that_was_never_begun_just_goes(self) -> None:
        assert life().is_deleted(1).does(1) == (ReleaseJob(),)

    def test_a_waiting_job_is_cancelled_first(self) -> None:
        assert life().is_in_queue().is_deleted(40).writes(41).reason == "Cancelled"
        assert life(terminate=True).writes(1).reason == "Cancelled"

    def test_a_running_job_is_stopped_first(self) -> None:
        assert isinstance(life().runs().is_deleted(40).does(41)[0], DeletePods)


def test_a_resumed_job_gets_rid_of_a_pod_that_has_its_next_pods_name() -> None:
    leftover = pod().labelled(pods.RUN, "2").runs(20).ends(21)
    waiting = life().has_run(1, 9).is_suspended().pods(leftover)
    assert waiting.does(30) == (ReleasePods(waiting.view.pods), DeletePods(waiting.view.pods, 0))


def test_a_job_that_is_suspended_before_it_ran_knows_whose_credits_it_waits_for() -> None:
    poor = life().meets(Objection(Reason.NotEnoughCredits, "", JobState.SUSPENDED))
    assert poor.writes(1).wallet is not None
    assert poor.with_wallet(None).writes(1).wallet is None
