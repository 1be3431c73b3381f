import pytest

from tests.unit.lifecycle.stories import PodStory, at, pod
from ucloud_operator.api import JobState
from ucloud_operator.lifecycle.endings import Intent, explain
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import Stop

FAILURE, SUCCESS = JobState.FAILURE, JobState.SUCCESS

DISRUPTIONS = {
    "EvictionByEvictionAPI": (Reason.Evicted, "Job was evicted by the system."),
    "PreemptionByScheduler": (Reason.Evicted, "Job was evicted by the system."),
    "TerminationByKubelet": (Reason.Evicted, "Job was evicted by the system."),
    "DeletionByTaintManager": (Reason.NodeLost, "Job failed because its node was no longer available."),
    "DeletionByPodGC": (Reason.NodeLost, "Job failed because its node was no longer available."),
}


@pytest.mark.parametrize(
    ("story", "state", "reason", "sentence"),
    [
        (pod().runs(2).ends(60), SUCCESS, Reason.Completed, "Job completed successfully."),
        (pod().runs(2).ends(60, 7), FAILURE, Reason.ExitCode, "Job failed with exit code 7."),
        (pod().runs(2).ends(60, 255), FAILURE, Reason.ExitCode, "Job failed with exit code 255."),
        (pod().runs(2).ends(60, 128), FAILURE, Reason.ExitCode, "Job failed with exit code 128."),
        (pod().runs(2).ends(60, 129), FAILURE, Reason.Signal, "Job was terminated by signal 1."),
        (pod().runs(2).ends(60, 192), FAILURE, Reason.Signal, "Job was terminated by signal 64."),
        (pod().runs(2).ends(60, 193), FAILURE, Reason.ExitCode, "Job failed with exit code 193."),
        (pod().runs(2).ends(60, 139), FAILURE, Reason.Signal, "Job was terminated by signal 11."),
        (pod().runs(2).ends(60, 1, signal=6), FAILURE, Reason.Signal, "Job was terminated by signal 6."),
        (
            pod().runs(2).ends(60, 137, reason="OOMKilled"),
            FAILURE,
            Reason.OOMKilled,
            "Job exceeded its memory limit (OOMKilled).",
        ),
        (
            pod().bound().ends(60, 128, reason="StartError", message="exec: no such file"),
            FAILURE,
            Reason.ConfigError,
            "Job failed because its container could not be started: exec: no such file",
        ),
        (
            pod().runs(2).ends(None, 137, reason="ContainerStatusUnknown"),
            FAILURE,
            Reason.Unknown,
            "Job failed because Kubernetes could no longer determine its state.",
        ),
        (pod().init_fails(3), FAILURE, Reason.ExitCode, "Job failed with exit code 3."),
        (
            pod().runs(2).ends(60, 137).phase("Failed", "Evicted", "The node was low on resource: memory."),
            FAILURE,
            Reason.Evicted,
            "Job was evicted because the node was under memory pressure.",
        ),
        (
            pod().runs(2).ends(60, 137).phase("Failed", "Evicted", "The node was low on resource: inodes."),
            FAILURE,
            Reason.Evicted,
            "Job was evicted by the system.",
        ),
        (
            pod().runs(2).ends(60, 137).phase("Failed", "Terminated", "imminent node shutdown"),
            FAILURE,
            Reason.NodeLost,
            "Job failed because its node was no longer available.",
        ),
        (
            pod().phase("Failed", "OutOfcpu", "Node didn't have enough resource: cpu"),
            FAILURE,
            Reason.NodeRefused,
            "Job failed because its node did not accept it: Node didn't have enough resource: cpu",
        ),
        (
            pod().phase("Failed", "UnexpectedAdmissionError"),
            FAILURE,
            Reason.NodeRefused,
            "Job failed because its node did not accept it: UnexpectedAdmissionError",
        ),
        (pod().phase("Succeeded"), SUCCESS, Reason.Completed, "Job completed successfully."),
        (pod().phase("Failed"), FAILURE, Reason.Unknown, "Job failed without termination details."),
        (
            pod().runs(2).phase("Unknown"),
            FAILURE,
            Reason.Unknown,
            "Job failed because Kubernetes could no longer determine its state.",
        ),
        (
            pod().runs(2).is_stopped_by_deadline(60),
            FAILURE,
            Reason.Unknown,
            "Job was stopped by a deadline that the operator did not set.",
        ),
        (
            pod().runs(2).is_deleted(60).ends(60, 143),
            FAILURE,
            Reason.PodDeleted,
            "Job failed because one of its pods was deleted.",
        ),
    ],
)
def test_an_end_is_explained(story: PodStory, state: JobState, reason: Reason, sentence: str) -> None:
    outcome = explain(story.seen(), Intent())
    assert (outcome.state, outcome.reason, outcome.sentence) == (state, reason, sentence)


@pytest.mark.parametrize("why", DISRUPTIONS)
def test_a_disruption_is_named(why: str) -> None:
    story = pod().runs(2).condition("DisruptionTarget", "True", why, 60)
    deleted = explain(story.is_deleted(60).ends(61, 143).seen(), Intent())
    failed = explain(story.phase("Failed").seen(), Intent())
    assert (deleted.reason, deleted.sentence) == (failed.reason, failed.sentence) == DISRUPTIONS[why]


def test_a_container_that_obeyed_before_its_kubelet_confirmed_it_was_disrupted_all_the_same() -> None:
    story = pod().runs(2).condition("DisruptionTarget", "True", "PreemptionByScheduler", 60).ends(60)
    assert explain(story.is_deleted(61, grace=0).seen(), Intent()).reason is Reason.Evicted


def test_a_disruption_without_a_stamp_is_one_of_the_deletion() -> None:
    story = pod().runs(2).condition("DisruptionTarget", "True", "PreemptionByScheduler", None)
    assert explain(story.ends(60).is_deleted(60).seen(), Intent()).reason is Reason.Evicted
    assert explain(story.ends(60).is_deleted(90).seen(), Intent()).reason is Reason.Completed


@pytest.mark.parametrize("why", ["NodeLost", "NodeShutdown", "Shutdown", "Terminated"])
def test_a_node_that_went_is_named(why: str) -> None:
    outcome = explain(pod().runs(2).phase("Failed", why).seen(), Intent())
    assert (outcome.reason, outcome.sentence) == (
        Reason.NodeLost,
        "Job failed because its node was no longer available.",
    )


@pytest.mark.parametrize("why", ["StartError", "ContainerCannotRun"])
def test_a_container_that_could_not_start_is_named(why: str) -> None:
    outcome = explain(pod().bound().ends(60, 128, reason=why).seen(), Intent())
    assert (outcome.reason, outcome.sentence) == (
        Reason.ConfigError,
        "Job failed because its container could not be started.",
    )


def test_a_job_is_over_with_its_own_container_whatever_others_still_run_or_fail() -> None:
    done = pod().runs(2).ends(60)
    assert explain(done.phase("Running").seen(), Intent()).reason is Reason.Completed
    assert explain(done.phase("Failed").seen(), Intent()).reason is Reason.Completed


def test_an_exit_before_the_second_of_the_deletion_is_its_own() -> None:
    story = pod().runs(2).ends(60, 7)
    assert explain(story.is_deleted(61).seen(), Intent()).reason is Reason.ExitCode
    assert explain(story.is_deleted(60).seen(), Intent()).reason is Reason.PodDeleted
    assert explain(story.is_deleted(61, grace=0).seen(), Intent()).reason is Reason.ExitCode


def test_a_disruption_that_is_not_one_is_ignored() -> None:
    for story in (
        pod().runs(2).condition("DisruptionTarget", "False", "DeletionByPodGC", 60).ends(60, 7),
        pod().runs(2).condition("DisruptionTarget", "True", "Whim", 60).ends(60, 7),
    ):
        assert explain(story.seen(), Intent()).reason is Reason.ExitCode


def test_a_drain_after_the_end_changes_nothing() -> None:
    story = pod().runs(2).ends(60, 7).condition("DisruptionTarget", "True", "EvictionByEvictionAPI", 90)
    assert explain(story.is_deleted(90).seen(), Intent()).reason is Reason.ExitCode


class TestStops:
    def test_an_armed_pod_that_its_deadline_ended_was_stopped_by_what_is_written_on_it(self) -> None:
        story = pod().runs(2).armed(120).is_stopped_by_deadline(121)
        assert explain(story.seen(), Intent()).reason is Reason.OutOfCredits

    def test_a_wish_does_not_explain_a_deadline(self) -> None:
        story = pod().runs(2).armed(120).is_stopped_by_deadline(119)
        assert explain(story.seen(), Intent(stop=Stop(Reason.Cancelled, at(119.5)))).reason is Reason.OutOfCredits

    def test_a_wallet_may_suspend_instead(self) -> None:
        story = pod().runs(2).armed(120).is_stopped_by_deadline(121)
        assert explain(story.seen(), Intent(suspends=True)).state is JobState.SUSPENDED

    def test_a_stopped_container_may_say_that_it_completed(self) -> None:
        story = pod().runs(2).armed(120).is_deleted(120).ends(120, 0)
        assert explain(story.seen(), Intent()).reason is Reason.OutOfCredits

    def test_an_armed_container_that_ended_before_it_was_told_ended_by_itself(self) -> None:
        story = pod().runs(2).armed(120).ends(118, 0)
        assert explain(story.seen(), Intent()).reason is Reason.Completed
        assert explain(story.is_deleted(120).seen(), Intent()).reason is Reason.Completed

    def test_it_ended_by_itself_in_the_second_before_the_instant_too(self) -> None:
        story = pod().runs(2).armed(120.5).ends(120, 0)
        assert explain(story.seen(), Intent()).reason is Reason.Completed

    def test_what_outlived_its_instant_did_not_end_by_itself(self) -> None:
        """Nobody was there to delete it, and no kubelet listened: the credits ended all the same."""
        story = pod().runs(2).armed(120).ends(400, 0)
        assert explain(story.seen(), Intent()).reason is Reason.OutOfCredits

    def test_a_node_that_was_lost_after_the_instant_changes_nothing(self) -> None:
        lost = pod().runs(2).armed(120).condition("DisruptionTarget", "True", "DeletionByPodGC", 130).phase("Failed")
        assert explain(lost.seen(), Intent()).reason is Reason.OutOfCredits
        earlier = pod().runs(2).armed(120).condition("DisruptionTarget", "True", "DeletionByPodGC", 110).phase("Failed")
        assert explain(earlier.seen(), Intent()).reason is Reason.NodeLost

    def test_a_kubelet_whose_clock_is_behind_does_not_make_a_stop_a_coincidence(self) -> None:
        story = pod().runs(2).armed(120).is_deleted(120)
        assert explain(story.ends(117, 143).seen(), Intent()).reason is Reason.OutOfCredits
        assert explain(story.ends(117, 137).seen(), Intent()).reason is Reason.OutOfCredits
        assert explain(story.ends(117, 1).seen(), Intent()).reason is Reason.ExitCode
        assert explain(story.ends(110, 143).seen(), Intent()).reason is Reason.Signal

    def test_a_container_with_time_to_save_is_told_before_the_instant(self) -> None:
        story = pod().grace(30).runs(2).armed(120).is_deleted(90, grace=30).ends(95, 0)
        assert explain(story.seen(), Intent()).reason is Reason.OutOfCredits

    def test_a_deletion_that_early_can_not_have_been_ours(self) -> None:
        """Not by the grace that the container has, and by the seconds in which two clocks may differ."""
        story = pod().grace(30).runs(2).armed(120)
        assert explain(story.is_deleted(85, grace=30).ends(86, 0).seen(), Intent()).reason is Reason.OutOfCredits
        assert explain(story.is_deleted(84, grace=30).ends(86, 0).seen(), Intent()).reason is Reason.PodDeleted

    def test_a_drain_long_before_the_instant_is_a_drain(self) -> None:
        story = pod().runs(2).armed(120).is_deleted(102).ends(102, 143)
        drained = story.condition("DisruptionTarget", "True", "EvictionByEvictionAPI", 102)
        assert explain(drained.seen(), Intent()).reason is Reason.Evicted
        assert explain(story.seen(), Intent()).reason is Reason.PodDeleted

    def test_a_users_decision_need_not_be_on_the_pod(self) -> None:
        story = pod().runs(2).is_deleted(60).ends(60, 143)
        outcome = explain(story.seen(), Intent(stop=Stop(Reason.Cancelled, at(60))))
        assert (outcome.state, outcome.sentence) == (SUCCESS, "Your job has been cancelled!")

    def test_the_earlier_of_two_decisions_counts(self) -> None:
        story = pod().runs(2).armed(120).is_deleted(110).ends(110, 143)
        assert explain(story.seen(), Intent(stop=Stop(Reason.Cancelled, at(110)))).reason is Reason.Cancelled

    def test_a_wish_that_comes_after_the_end_does_not_explain_it(self) -> None:
        story = pod().runs(2).ends(60, 7)
        assert explain(story.seen(), Intent(stop=Stop(Reason.Cancelled, at(70)))).reason is Reason.ExitCode
        assert explain(story.is_deleted(70).seen(), Intent(stop=Stop(Reason.Cancelled, at(70)))).reason is (
            Reason.ExitCode
        )


def test_a_namespace_that_goes_cancels_its_jobs() -> None:
    intent = Intent(namespace_terminating=True)
    outcome = explain(pod().runs(2).is_deleted(60).ends(61, 143).seen(), intent)
    assert (outcome.state, outcome.reason) == (SUCCESS, Reason.Cancelled)
    assert outcome.sentence == "Your job has been cancelled! (Its namespace is being deleted)"
    assert explain(pod().runs(2).ends(50, 7).is_deleted(60).seen(), intent).reason is Reason.ExitCode
