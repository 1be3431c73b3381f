"""The contract about pods: deadlines, grace periods, finalizers. Nobody runs these pods: their node doesn't exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.contract.stage import Stage, refused, story, uid_of, version_of
from tests.simulation.objects import stamped_ms
from tests.simulation.stories import pod
from ucloud_operator.kube.errors import Conflict, Invalid, NotFound
from ucloud_operator.kube.resources import PODS

if TYPE_CHECKING:
    from tests.simulation.objects import Json

NOWHERE = "node-of-nobody"
RELEASED: Json = {"metadata": {"finalizers": None}}


def held(thing: Json) -> Json:
    """The same, with a finalizer."""
    return {**thing, "metadata": {**thing["metadata"], "finalizers": ["example.com/held"]}}


@story
async def a_new_pod_is_pending(stage: Stage) -> None:
    made = await stage.admin.create(PODS, {**pod(), "status": {"phase": "Running"}})
    assert made["status"]["phase"] == "Pending"
    assert made["metadata"]["generation"] == 1


@story
async def a_deadline_can_be_set_and_lowered_but_not_raised(stage: Stage) -> None:
    await stage.admin.create(PODS, pod(node=NOWHERE))

    async def deadline(seconds: int | None) -> Json:
        return await stage.admin.patch(PODS, "p", {"spec": {"activeDeadlineSeconds": seconds}})

    assert (await deadline(100))["metadata"]["generation"] == 2
    assert (await deadline(50))["metadata"]["generation"] == 3
    for seconds in (51, 0, None):
        assert isinstance(await refused(deadline(seconds)), Invalid)


@story
async def the_rest_of_a_pods_spec_is_fixed(stage: Stage) -> None:
    await stage.admin.create(PODS, pod(node=NOWHERE))
    for spec in ({"hostname": "x"}, {"terminationGracePeriodSeconds": 1}, {"nodeName": "x"}):
        assert isinstance(await refused(stage.admin.patch(PODS, "p", {"spec": spec})), Invalid)


@story
async def a_pods_status_has_its_own_address(stage: Stage) -> None:
    made = await stage.admin.create(PODS, pod(node=NOWHERE))
    ignored = await stage.admin.patch(PODS, "p", {"status": {"phase": "Running"}})
    assert version_of(ignored) == version_of(made)
    written = await stage.admin.patch_status(PODS, "p", {"phase": "Running"}, version=version_of(made))
    assert written["status"]["phase"] == "Running"
    assert written["metadata"]["generation"] == 1


@story
async def a_deleted_pod_gets_its_own_grace(stage: Stage) -> None:
    made = await stage.admin.create(PODS, pod(node=NOWHERE, grace_seconds=7))
    marked = await stage.admin.delete(PODS, "p", uid=uid_of(made))
    assert marked is not None
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    told_ms = stamped_ms(marked["metadata"]["deletionTimestamp"]) - 7000
    assert 0 <= told_ms - stamped_ms(made["metadata"]["creationTimestamp"]) <= 3000
    assert marked["metadata"]["generation"] == 2


@story
async def a_grace_can_be_asked_for_and_shortened_but_not_lengthened(stage: Stage) -> None:
    made = await stage.admin.create(PODS, held(pod(node=NOWHERE)))
    asked = {}
    for seconds in (20, 25, None, 5):
        answer = await stage.admin.delete(PODS, "p", uid=uid_of(made), grace_seconds=seconds)
        assert answer is not None
        metadata = answer["metadata"]
        asked[seconds] = metadata["deletionGracePeriodSeconds"], stamped_ms(metadata["deletionTimestamp"])
    assert [grace for grace, _ in asked.values()] == [20, 20, 20, 5]
    assert asked[20][1] - asked[5][1] == 15_000


@story
async def no_grace_and_no_finalizer_is_the_end(stage: Stage) -> None:
    made = await stage.admin.create(PODS, pod(node=NOWHERE))
    assert await stage.admin.delete(PODS, "p", uid=uid_of(made), grace_seconds=0) is None
    assert isinstance(await refused(stage.admin.get(PODS, "p")), NotFound)


@story
async def a_finalizer_outlives_the_grace(stage: Stage) -> None:
    made = await stage.admin.create(PODS, held(pod(node=NOWHERE)))
    await stage.admin.delete(PODS, "p", uid=uid_of(made), grace_seconds=3)
    forced = await stage.admin.delete(PODS, "p", uid=uid_of(made), grace_seconds=0)
    assert forced is not None
    assert forced["metadata"]["deletionGracePeriodSeconds"] == 0
    status = await stage.admin.patch_status(PODS, "p", {"phase": "Failed"}, version=version_of(forced))
    assert status["status"]["phase"] == "Failed"
    await stage.admin.patch(PODS, "p", RELEASED)
    assert isinstance(await refused(stage.admin.get(PODS, "p")), NotFound)


@story
async def a_finalizer_that_goes_first_leaves_the_grace(stage: Stage) -> None:
    made = await stage.admin.create(PODS, held(pod(node=NOWHERE)))
    await stage.admin.delete(PODS, "p", uid=uid_of(made), grace_seconds=20)
    released = await stage.admin.patch(PODS, "p", RELEASED)
    assert released["metadata"]["deletionGracePeriodSeconds"] == 20
    assert uid_of(await stage.admin.get(PODS, "p")) == uid_of(made)
    assert await stage.admin.delete(PODS, "p", uid=uid_of(made), grace_seconds=0) is None


@story
async def a_pod_without_a_node_needs_no_grace(stage: Stage) -> None:
    made = await stage.admin.create(PODS, pod())
    assert await stage.admin.delete(PODS, "p", uid=uid_of(made)) is None
    again = await stage.admin.create(PODS, held(pod()))
    marked = await stage.admin.delete(PODS, "p", uid=uid_of(again))
    assert marked is not None
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0


@story
async def a_pod_that_has_ended_needs_no_grace(stage: Stage) -> None:
    made = await stage.admin.create(PODS, held(pod(node=NOWHERE)))
    await stage.admin.patch_status(PODS, "p", {"phase": "Succeeded"}, version=version_of(made))
    marked = await stage.admin.delete(PODS, "p", uid=uid_of(made))
    assert marked is not None
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0


@story
async def a_pod_of_the_same_name_is_not_the_same(stage: Stage) -> None:
    first = await stage.admin.create(PODS, pod())
    await stage.admin.delete(PODS, "p", uid=uid_of(first))
    second = await stage.admin.create(PODS, pod())
    assert uid_of(first) != uid_of(second)
    assert isinstance(await refused(stage.admin.delete(PODS, "p", uid=uid_of(first))), Conflict)


@story
async def several_things_change_in_one_patch(stage: Stage) -> None:
    await stage.admin.create(PODS, pod(node=NOWHERE))
    annotations = {"example.com/why": "because"}
    both = await stage.admin.patch(
        PODS, "p", {"metadata": {"annotations": annotations}, "spec": {"activeDeadlineSeconds": 9}}
    )
    assert both["metadata"]["annotations"]["example.com/why"] == "because"
    assert both["spec"]["activeDeadlineSeconds"] == 9
