import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lifecycle.stories import PodStory, at, pod, stamp
from ucloud_operator.api import JobRate, JobState
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.endings import NOTHING_DECIDED, Intent
from ucloud_operator.lifecycle.kubelet import Pod, PodCondition
from ucloud_operator.lifecycle.observe import Ended, Missing, Observation, Running, Waiting, observe
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import STAMP_MS, Stop


def look(*stories: PodStory, now: float = 1000, replicas: int = 0, intent: Intent = NOTHING_DECIDED) -> Observation:
    return observe([story.seen() for story in stories], replicas or len(stories), at(now), intent)


def ended(*stories: PodStory, now: float = 1000, replicas: int = 0, intent: Intent = NOTHING_DECIDED) -> Ended:
    observation = look(*stories, now=now, replicas=replicas, intent=intent)
    assert isinstance(observation, Ended)
    return observation


class TestReading:
    def test_labels_that_make_no_sense_are_nobodys(self) -> None:
        odd = pod().labelled(pods.RANK, "first").labelled(pods.RUN, "²").seen()
        assert (odd.rank, odd.run) == (-1, 0)
        assert look(pod().labelled(pods.RANK, "first"), replicas=1) == Missing((0,))
        assert look(pod().runs(2), pod().labelled(pods.RANK, "first").ends(5), replicas=1) == Running(
            at(2), 0, stopping=False
        )

    def test_a_pod_beyond_the_replicas_is_nobodys(self) -> None:
        assert look(pod(0).runs(2), pod(1).runs(2).ends(5), replicas=1) == Running(at(2), 0, stopping=False)

    @pytest.mark.parametrize(
        ("name", "value"),
        [(pods.PRICE, "-1"), (pods.PRICE, "٢"), (pods.REPLICAS, "0"), (pods.PERIOD_MS, "0")],
    )
    def test_a_price_that_makes_no_sense_is_none(self, name: str, value: str) -> None:
        assert pod().annotated(name, value).seen().rate is None

    def test_free_is_a_price(self) -> None:
        free = pod().annotated(pods.PRICE, "0").annotated(pods.REPLICAS, "1").seen()
        assert free.rate == JobRate(price=0, replicas=1, period_ms=60_000)

    def test_it_was_told_to_stop_when_its_grace_began(self) -> None:
        assert pod().is_deleted(5, grace=30).seen().told_to_stop_ms == at(5)
        assert pod().is_deleted(5, grace=0).seen().told_to_stop_ms == at(5)
        abrupt = {"name": "x", "deletionTimestamp": stamp(5)}
        assert Pod.model_validate({"metadata": abrupt}).told_to_stop_ms == at(5)

    @pytest.mark.parametrize("name", [pods.PRICE, pods.REPLICAS, pods.PERIOD_MS])
    def test_a_pod_without_its_price_has_none(self, name: str) -> None:
        assert pod().seen().rate is not None
        assert pod().annotated(name, None).seen().rate is None

    def test_a_pod_with_nothing_but_a_name_can_be_read(self) -> None:
        bare = Pod.model_validate({"metadata": {"name": "x"}})
        assert (bare.job_uid, bare.rank, bare.run, bare.stop) == ("", -1, 0, None)
        assert (bare.is_held, bare.is_bound, bare.is_being_deleted, bare.told_to_stop_ms) == (False,) * 3 + (None,)
        assert (bare.started_ms, bare.finished_ms) == (None, None)

    def test_what_a_kubelet_leaves_out_is_empty(self) -> None:
        states = [
            {"name": pods.CONTAINER, "state": {"terminated": {}}},
            {"name": "sidecar", "state": {"waiting": {}}},
        ]
        terse = Pod.model_validate(
            {"metadata": {"name": "x"}, "status": {"conditions": [{"type": "Ready"}], "containerStatuses": states}}
        )
        terminated, waiting = terse.container.terminated, terse.status.container_statuses[1].state.waiting
        assert terminated is not None
        assert (terminated.exit_code, terminated.reason, terminated.message) == (0, "", "")
        assert waiting is not None
        assert (waiting.reason, waiting.message) == ("", "")
        assert terse.condition("Ready") == PodCondition(type="Ready", status="", reason="", message="")
        assert (terse.status.phase, terse.status.reason, terse.status.message) == ("", "", "")


class TestWaiting:
    def test_without_pods_all_are_missing(self) -> None:
        assert look(replicas=3) == Missing((0, 1, 2))

    def test_pods_that_exist_are_not_missing(self) -> None:
        assert look(pod(1).runs(2), replicas=3) == Missing((0, 2))

    def test_a_pod_nobody_has_looked_at_is_queued(self) -> None:
        assert look(pod()) == Waiting(Reason.Queued, "", at(0), 0)

    def test_a_pod_without_a_place_says_what_the_scheduler_says(self) -> None:
        assert look(pod().finds_no_place(3)) == Waiting(Reason.Unschedulable, "0/3 nodes are available", at(3), 0)

    def test_people_in_the_queue_are_told_why_when_there_is_a_reason(self) -> None:
        queued, unplaced = look(pod()), look(pod().finds_no_place())
        assert isinstance(queued, Waiting)
        assert isinstance(unplaced, Waiting)
        assert queued.sentence == "Your job is now waiting in the queue!"
        assert unplaced.sentence == (
            "There are currently no machines available to run your job: 0/3 nodes are available"
        )

    def test_a_placed_pod_starts(self) -> None:
        assert look(pod().bound(1)) == Waiting(Reason.Starting, "", at(1), 0)
        assert look(pod().bound(1).taken(2)) == Waiting(Reason.Starting, "", at(2), 0)

    def test_a_pod_that_is_deleted_before_its_start_still_has_to_go(self) -> None:
        assert look(pod().bound(1).is_deleted(5), now=6) == Waiting(Reason.Stopping, "", at(5), 0)

    @pytest.mark.parametrize(
        "word",
        [
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ErrImageNeverPull",
            "ImageInspectError",
            "RegistryUnavailable",
            "SignatureValidationFailed",
        ],
    )
    def test_an_image_that_is_not_there_fails_in_time(self, word: str) -> None:
        waiting = look(pod().waits(word, "not found"))
        assert isinstance(waiting, Waiting)
        assert waiting.failure is not None
        assert (waiting.failure.state, waiting.failure.reason, waiting.failure.sentence) == (
            JobState.FAILURE,
            Reason.ImagePullFailed,
            "Job failed because its image could not be pulled: not found",
        )

    @pytest.mark.parametrize(
        "word",
        [
            "CreateContainerConfigError",
            "CreateContainerError",
            "PreCreateHookError",
            "PreStartHookError",
            "PostStartHookError",
            "RunContainerError",
            "CreatePodSandboxError",
            "ConfigPodSandboxError",
        ],
    )
    def test_a_container_that_can_not_be_made_fails_in_time(self, word: str) -> None:
        waiting = look(pod().waits(word, "no such secret"))
        assert isinstance(waiting, Waiting)
        assert waiting.failure is not None
        assert waiting.failure.reason is Reason.ConfigError
        assert waiting.failure.sentence == ("Job failed because its container could not be started: no such secret")

    @pytest.mark.parametrize("word", ["ErrImagePull", "CreateContainerConfigError"])
    def test_a_kubelet_that_says_no_more_than_a_word_is_quoted(self, word: str) -> None:
        waiting = look(pod().waits(word))
        assert isinstance(waiting, Waiting)
        assert waiting.message == word

    def test_waiting_for_a_place_is_no_failure(self) -> None:
        waiting = look(pod().finds_no_place())
        assert isinstance(waiting, Waiting)
        assert waiting.failure is None

    def test_a_run_waits_for_its_most_hopeless_replica(self) -> None:
        waiting = look(pod(0).runs(2), pod(1).bound(), pod(2).waits("ErrImagePull"), pod(3).finds_no_place())
        assert isinstance(waiting, Waiting)
        assert (waiting.reason, waiting.rank) == (Reason.ImagePullFailed, 2)


class TestRunning:
    def test_a_run_begins_when_its_last_replica_starts(self) -> None:
        assert look(pod(0).runs(2), pod(1).runs(9), pod(2).runs(5)) == Running(at(9), 0, stopping=False)

    def test_a_start_that_is_learned_late_is_when_it_was(self) -> None:
        assert look(pod().runs(2), now=500) == Running(at(2), 0, stopping=False)

    def test_a_start_before_the_creation_is_a_clock_that_is_behind(self) -> None:
        assert look(pod().runs(-7)) == Running(at(0), -7_000, stopping=False)

    def test_a_start_in_the_future_is_a_clock_that_is_ahead(self) -> None:
        assert look(pod().runs(60), now=3) == Running(at(3), 57_000, stopping=False)

    def test_a_run_is_stopping_with_the_first_of_its_pods(self) -> None:
        assert look(pod(0).runs(2), pod(1).runs(2).is_deleted(60), now=60.5) == Running(at(2), 0, stopping=True)


class TestEnding:
    def test_a_run_ends_with_the_first_replica_to_stop(self) -> None:
        end = ended(pod(0).runs(2).ends(90), pod(1).runs(5).ends(60, 7), pod(2).runs(4))
        assert (end.started_ms, end.ended_ms, end.outcome.reason, end.rank) == (at(5), at(60), Reason.ExitCode, 1)

    def test_replicas_that_never_ran_together_are_free(self) -> None:
        assert ended(pod(0).runs(2).ends(10), pod(1).runs(11)).started_ms is None
        assert ended(pod(0).runs(2).ends(10), pod(1).bound()).started_ms is None
        assert ended(pod(0).runs(2).ends(10), replicas=2).started_ms is None

    def test_a_replica_that_ends_as_the_last_one_starts_makes_a_run_of_no_length(self) -> None:
        end = ended(pod(0).runs(2).ends(11), pod(1).runs(11))
        assert end.started_ms == end.ended_ms == at(11)

    def test_in_one_second_a_failure_outranks_a_success_and_ones_own_end_what_others_did(self) -> None:
        deleted = pod(0).runs(2).is_deleted(60).ends(60, 143)
        stopped = pod(1).runs(2).armed(60).is_stopped_by_deadline(60)
        done, failed = pod(2).runs(2).ends(60), pod(3).runs(2).ends(60, 7)
        assert ended(deleted, stopped, done, failed, replicas=4).rank == 3
        assert ended(deleted, stopped, done, replicas=4).rank == 2
        assert ended(deleted, stopped, replicas=4).rank == 1
        assert ended(deleted, replicas=4).rank == 0

    def test_of_equal_ends_that_of_the_lowest_rank_counts(self) -> None:
        assert ended(pod(1).runs(2).ends(60, 8), pod(0).runs(2).ends(60, 7)).rank == 0

    def test_a_failed_phase_outranks_a_container_still_called_running(self) -> None:
        end = ended(pod().runs(2).condition("Ready", "False", "NodeLost", 40).phase("Failed"))
        assert (end.started_ms, end.ended_ms) == (at(2), at(40))

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Unknown"])
    def test_a_phase_alone_may_say_that_it_has_ended(self, phase: str) -> None:
        assert ended(pod().runs(2).phase(phase)).started_ms == at(2)

    def test_so_may_its_own_container_while_another_still_runs(self) -> None:
        assert ended(pod().runs(2).ends(60).phase("Running")).ended_ms == at(60)

    def test_an_end_in_1970_is_no_stamp(self) -> None:
        lost = pod().runs(2).condition("Ready", "False", "", 40).ends(-at(0) / 1000, 137)
        assert ended(lost).ended_ms == at(40)

    def test_without_a_stamp_the_last_sign_of_life_is_the_end(self) -> None:
        end = ended(pod().runs(2).condition("Ready", "False", "", 40).ends(None, 137, reason="ContainerStatusUnknown"))
        assert (end.started_ms, end.ended_ms) == (at(2), at(40))

    def test_whatever_happened_to_it_last_is_a_sign_of_life(self) -> None:
        lost = pod().condition("PodScheduled", "True", "", 5).phase("Failed")
        assert ended(lost.taken(10)).ended_ms == at(10)
        assert ended(lost.taken(10).runs(20).phase("Failed")).ended_ms == at(20)
        assert ended(lost.taken(10).runs(20).phase("Failed").is_deleted(30)).ended_ms == at(31)
        assert ended(pod().phase("Failed")).ended_ms == at(0)
        assert lost.taken(10).runs(20).seen().last_sign_of_life_ms == at(20)

    def test_a_node_that_falls_silent_is_billed_until_it_is_called_so_and_not_until_its_pods_are_given_up(self) -> None:
        silent = pod().runs(2).condition("Ready", "False", "", 50)
        given_up = silent.condition("DisruptionTarget", "True", "DeletionByTaintManager", 350).is_deleted(350)
        assert ended(given_up, now=420).ended_ms == at(50)
        assert ended(given_up.phase("Failed"), now=420).ended_ms == at(50)
        assert ended(silent.is_deleted(20).phase("Failed"), now=420).ended_ms == at(21)

    def test_a_replica_on_a_silent_node_ends_the_bill_when_another_one_ends(self) -> None:
        done, silent = pod(0).runs(2).ends(200), pod(1).runs(3).condition("Ready", "False", "", 60)
        end = ended(done, silent, replicas=2)
        assert (end.started_ms, end.ended_ms, end.outcome.reason) == (at(3), at(60), Reason.Completed)
        assert ended(done, silent.condition("Ready", "True", "", 90), replicas=2).ended_ms == at(200)
        assert isinstance(look(pod(0).runs(2), silent, replicas=2), Running)

    def test_a_pod_of_which_something_was_heard_later_was_not_given_up_before(self) -> None:
        wavering = pod().runs(2).condition("DisruptionTarget", "True", "DeletionByTaintManager", 40)
        assert ended(wavering.condition("Ready", "True", "", 60).phase("Failed")).ended_ms == at(60)

    def test_a_pod_that_is_deleted_has_stopped_when_its_kubelet_has_done_its_part(self) -> None:
        assert not pod().runs(2).seen().is_stopped
        assert not pod().runs(2).is_deleted(30, grace=5).seen().is_stopped
        assert pod().runs(2).is_deleted(30, grace=0).seen().is_stopped

    def test_a_kubelet_that_says_why_a_pod_is_not_ready_is_alive(self) -> None:
        unready = pod().runs(2).condition("Ready", "False", "ContainersNotReady", 10)
        lost = unready.condition("DisruptionTarget", "True", "DeletionByPodGC", 500).phase("Failed")
        assert ended(lost, now=500).ended_ms == at(500)

    def test_a_pod_that_no_longer_knows_its_start_leaves_it_open(self) -> None:
        end = ended(pod().bound().ends(None, 137, reason="ContainerStatusUnknown"))
        assert end.started_ms is None

    def test_no_end_is_in_the_future(self) -> None:
        assert ended(pod().runs(2).ends(100), now=90).ended_ms == at(90)

    def test_a_clock_that_is_behind_measures_the_same_length(self) -> None:
        end = ended(pod().runs(-3600).ends(-3500), now=200)
        assert (end.started_ms, end.ended_ms) == (at(0), at(100))

    def test_a_container_that_could_not_start_has_no_start(self) -> None:
        year_1970 = -at(0) / 1000
        end = ended(pod().runs(year_1970).ends(5, 128, reason="StartError"))
        assert (end.started_ms, end.outcome.reason) == (None, Reason.ConfigError)

    def test_a_pod_that_was_never_placed_is_free_and_gone_at_once(self) -> None:
        end = ended(pod().finds_no_place().is_deleted(5), now=5.2)
        assert (end.started_ms, end.outcome.reason) == (None, Reason.PodDeleted)

    def test_a_pod_that_never_answered_is_lost_with_its_node(self) -> None:
        story = pod().runs(2).condition("DisruptionTarget", "True", "DeletionByTaintManager", 300).is_deleted(300)
        assert look(story, now=360) == Running(at(2), 0, stopping=True)
        end = ended(story, now=361)
        assert (end.ended_ms, end.outcome.reason) == (at(300), Reason.NodeLost)

    def test_the_end_of_credits_is_billed_to_the_millisecond(self) -> None:
        end = ended(pod().runs(5).armed(125.25).is_deleted(125).ends(127, 137))
        assert end.stop == Stop(Reason.OutOfCredits, at(125.25))
        assert (end.started_ms, end.ended_ms) == (at(5), at(125.25))

    def test_who_saved_and_left_early_pays_until_then(self) -> None:
        assert ended(pod().grace(30).runs(5).armed(125).is_deleted(95, grace=30).ends(99)).ended_ms == at(99)

    def test_a_stop_before_the_start_bills_nothing(self) -> None:
        end = ended(pod().runs(5).armed(3).is_deleted(6).ends(7, 143))
        assert end.started_ms == end.ended_ms == at(5)

    def test_a_namespace_that_goes_cancels(self) -> None:
        story = pod().runs(2).is_deleted(60).ends(60, 143)
        assert ended(story, intent=Intent(namespace_terminating=True)).outcome.reason is Reason.Cancelled


def stories(rank: int) -> st.SearchStrategy[PodStory]:
    moments = st.integers(-20, 40)

    @st.composite
    def story(draw: st.DrawFn) -> PodStory:
        told = pod(rank)
        if draw(st.booleans()):
            told = told.armed(draw(moments), draw(st.sampled_from([Reason.OutOfCredits, Reason.Cancelled])))
        if draw(st.booleans()):
            told = told.runs(draw(moments))
        if draw(st.booleans()):
            told = told.is_deleted(draw(moments), grace=draw(st.integers(0, 5)))
        if draw(st.booleans()):
            told = told.ends(draw(st.none() | moments), draw(st.sampled_from([0, 1, 137, 143])))
        return told.phase("Failed") if draw(st.booleans()) else told

    return story()


@given(st.tuples(stories(0), stories(1)), st.integers(0, 60))
def test_whatever_the_clocks_say_a_run_lies_between_its_creation_and_now(
    pair: tuple[PodStory, PodStory], now: int
) -> None:
    observation = look(*pair, now=now)
    assert observation == look(*reversed(pair), now=now)
    if isinstance(observation, Running):
        assert at(0) <= observation.started_ms <= at(now)
    if isinstance(observation, Ended):
        started_ms = observation.started_ms if observation.started_ms is not None else at(0)
        assert at(0) <= started_ms <= observation.ended_ms
        assert observation.ended_ms <= at(now) + (STAMP_MS if observation.stop else 0), (
            "a stop is billed to its instant"
        )
