"""When a job is looked at again, and what is done about its end by then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lifecycle.lives import Life, life
from tests.unit.lifecycle.stories import Fields, PodStory, at, pod, wallet
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.commands import Arm, Decision, DeletePods, Warn, WriteStatus
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import Stop
from ucloud_operator.lifecycle.timing import Ahead
from ucloud_operator.settings import FOREVER_MS, Settings

EMPTY_AT_121 = Stop(Reason.OutOfCredits, at(121))


def runs(rank: int = 0) -> PodStory:
    return pod(rank).taken(0).runs(1)


class TestSeveralReplicas:
    def test_those_that_are_left_are_stopped_when_one_is_on_its_way_out(self) -> None:
        drained = life(replicas=2).runs().pods(runs(0).is_deleted(90, grace=60), runs(1)).with_credits_until(121)
        left = drained.view.pods[1:]
        assert drained.decides(95) == Decision((), at(101))
        assert drained.does(101) == (Arm(left, EMPTY_AT_121, at(121)),)
        assert drained.does(121)[-1] == DeletePods(left, 1, EMPTY_AT_121)

    def test_once_those_are_armed_nobody_looks_before_the_instant(self) -> None:
        drained = life(replicas=2).runs().with_credits_until(121)
        drained = drained.pods(runs(0).is_deleted(90, grace=60), runs(1).armed(121))
        assert drained.decides(110) == Decision((), at(121))
        assert Ahead(at(110), (), Settings()).act_ms(drained.view.job, drained.view.pods, at(121)) == at(121)

    def test_one_that_was_not_armed_is(self) -> None:
        half = life(replicas=2).runs().pods(runs(0).armed(121), runs(1)).with_credits_until(121)
        assert half.decides(60) == Decision((), at(101))
        assert half.does(110) == (Arm(half.view.pods[1:], EMPTY_AT_121, at(121)),)


class TestWithoutItsWallet:
    def test_a_run_is_stopped_in_time_all_the_same(self) -> None:
        assert life().runs().with_wallet(None).with_credits_until(121).decides(50) == Decision((), at(101))

    def test_its_pods_go_at_once_where_the_wallet_went(self) -> None:
        gone = Stop(Reason.WalletDeleted, at(50))
        orphan = life(terminationGracePeriodSeconds=9).runs().with_credits_until(50, Reason.WalletDeleted)
        orphan = orphan.with_wallet(None)
        assert orphan.does(50) == (Arm(orphan.view.pods, gone), DeletePods(orphan.view.pods, 9, gone))


def test_an_armed_job_is_still_warned() -> None:
    """It asked for so long a grace that it is armed before the last warning is due."""
    patient = life(terminationGracePeriodSeconds=45).pods(runs().armed(121)).has_run(1)
    patient = patient.with_wallet(wallet(warn_minutes=(1,)))
    assert patient.decides(57) == Decision((), at(61))
    assert [type(command) for command in patient.does(61)] == [Warn, WriteStatus]
    assert isinstance(patient.has_told(61, 1).does(76)[-1], DeletePods)


def test_a_component_is_not_looked_at_for_pods_of_an_earlier_run() -> None:
    resumed = life().has_run(1, 9).has_run(20)
    old, new = runs().is_deleted(9).seen(), pod().labelled(pods.RUN, "2").taken(0).runs(20).seen()
    ahead = Ahead(at(50), (), Settings())
    assert ahead.act_ms(resumed.view.job, (old,), at(121)) == FOREVER_MS
    assert ahead.act_ms(resumed.view.job, (runs().seen(), new), at(121)) == at(101)


SPECS: tuple[Fields, ...] = ({}, {"timeAllocation": {"seconds": 100}}, {"suspend": True})
MOMENTS = st.integers(0, 150)


@st.composite
def pods_of(draw: st.DrawFn, rank: int, grace: int, end: int) -> PodStory:
    told = pod(rank).grace(grace)
    match draw(st.sampled_from(["waits", "fails", "runs", "runs", "runs"])):
        case "fails":
            told = told.waits("ErrImagePull")
        case "runs":
            told = told.taken(0).runs(1)
    if draw(st.booleans()):
        told = told.armed(draw(st.just(end) | MOMENTS), draw(st.sampled_from([Reason.OutOfCredits, Reason.Suspended])))
    return told.is_deleted(draw(MOMENTS), grace=draw(st.sampled_from([0, grace]))) if draw(st.booleans()) else told


@st.composite
def lives(draw: st.DrawFn) -> Life:
    replicas, grace, end = draw(st.integers(1, 2)), draw(st.sampled_from([1, 9, 90])), draw(MOMENTS)
    told = life(replicas=replicas, terminationGracePeriodSeconds=grace, **draw(st.sampled_from(SPECS)))
    told = told.with_wallet(draw(st.sampled_from([None, wallet(), wallet(warn_minutes=(2, 1))])))
    told = told.with_credits_until(end).fails_to_start_since(draw(MOMENTS))
    told = draw(st.sampled_from([told, told.is_in_queue(), told.has_run(1), told.has_run(1)]))
    return told.pods(*(draw(pods_of(rank, grace, end)) for rank in range(replicas)))


@given(lives(), MOMENTS)
def test_where_nothing_is_to_be_done_nobody_looks_again_at_once(told: Life, now: int) -> None:
    decision = told.decides(now)
    assert decision.commands or decision.wake_ms > at(now)
