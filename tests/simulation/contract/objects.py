"""The contract about objects of our own kinds: versions, statuses, finalizers, generations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.contract.stage import Stage, refused, story, uid_of, version_of
from tests.simulation.stories import application, job, wallet
from ucloud_operator.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from ucloud_operator.kube.resources import APPLICATIONS, CONFIGMAPS, UCLOUDJOBS, WALLETS

if TYPE_CHECKING:
    from tests.simulation.objects import Json


@story
async def a_new_object_has_what_the_server_gives_it(stage: Stage) -> None:
    made = await stage.admin.create(WALLETS, wallet("cpu", quota=100))
    metadata = made["metadata"]
    assert metadata["generation"] == 1
    assert metadata["finalizers"] == ["ucloud.dk/ledger"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert uid_of(made)
    assert "status" not in made
    assert made["spec"]["onExhaustion"] == "Terminate"


@story
async def a_job_carries_its_creator_and_a_finalizer(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    assert made["metadata"]["annotations"]["ucloud.dk/created-by"] == "admin"
    assert made["metadata"]["finalizers"] == ["ucloud.dk/settled"]
    assert made["spec"]["replicas"] == 1


@story
async def a_name_is_taken_once(stage: Stage) -> None:
    await stage.admin.create(UCLOUDJOBS, job("a"))
    assert isinstance(await refused(stage.admin.create(UCLOUDJOBS, job("a"))), AlreadyExists)


@story
async def what_is_not_there_is_not_found(stage: Stage) -> None:
    assert isinstance(await refused(stage.admin.get(UCLOUDJOBS, "a")), NotFound)
    assert isinstance(await refused(stage.admin.patch(UCLOUDJOBS, "a", {})), NotFound)
    assert isinstance(await refused(stage.admin.delete(UCLOUDJOBS, "a", uid="x")), NotFound)
    assert isinstance(await refused(stage.admin.patch_status(UCLOUDJOBS, "a", {}, version="1")), NotFound)


@story
async def the_schema_is_enforced(stage: Stage) -> None:
    for replicas in (0, 1001):
        assert isinstance(await refused(stage.admin.create(UCLOUDJOBS, job("a", replicas=replicas))), Invalid)
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    long = await refused(stage.operator.patch_status(UCLOUDJOBS, "a", {"state": "DANCING"}, version=version_of(made)))
    assert isinstance(long, Invalid)
    updates = [{"status": "x", "timestamp": "2026-11-24T08:00:00.000Z"}] * 65
    assert isinstance(
        await refused(stage.operator.patch_status(UCLOUDJOBS, "a", {"updates": updates}, version=version_of(made))),
        Invalid,
    )


@story
async def a_status_is_written_at_its_own_address_only(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, {**job("a"), "status": {"usage": 7}})
    assert "status" not in made
    ignored = await stage.admin.patch(UCLOUDJOBS, "a", {"status": {"usage": 7}})
    assert version_of(ignored) == version_of(made)
    written = await stage.operator.patch_status(UCLOUDJOBS, "a", {"usage": 7}, version=version_of(made))
    assert written["status"]["usage"] == 7
    assert written["metadata"]["generation"] == 1


@story
async def fields_that_the_schema_does_not_know_are_dropped(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    answer = await stage.operator.patch_status(
        UCLOUDJOBS, "a", {"usage": 1, "reason": None, "madeUp": 1}, version=version_of(made)
    )
    assert answer["status"] == {"usage": 1}


@story
async def none_removes_a_field_of_a_status(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    rate = {"price": 1, "replicas": 1, "periodMs": 60000}
    status = {"usage": 1, "reason": "Queued", "rate": rate}
    first = await stage.operator.patch_status(UCLOUDJOBS, "a", status, version=version_of(made))
    second = await stage.operator.patch_status(
        UCLOUDJOBS, "a", {"reason": None, "rate": {"price": 2}}, version=version_of(first)
    )
    assert second["status"] == {"usage": 1, "rate": {"price": 2, "replicas": 1, "periodMs": 60000}}


@story
async def a_stale_version_is_a_conflict(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    await stage.operator.patch_status(UCLOUDJOBS, "a", {"usage": 1}, version=version_of(made))
    stale = stage.operator.patch_status(UCLOUDJOBS, "a", {"usage": 1}, version=version_of(made))
    assert isinstance(await refused(stale), Conflict)
    also = stage.admin.patch(UCLOUDJOBS, "a", {"metadata": {"labels": {"a": "b"}}}, version=version_of(made))
    assert isinstance(await refused(also), Conflict)


@story
async def a_patch_that_changes_nothing_writes_nothing(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    first = await stage.operator.patch_status(UCLOUDJOBS, "a", {"usage": 1}, version=version_of(made))
    second = await stage.operator.patch_status(UCLOUDJOBS, "a", {"usage": 1}, version=version_of(first))
    assert version_of(first) == version_of(second)


@story
async def the_generation_counts_changes_of_the_spec(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    labelled = await stage.admin.patch(UCLOUDJOBS, "a", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    suspended = await stage.admin.patch(UCLOUDJOBS, "a", {"spec": {"suspend": True}})
    assert suspended["metadata"]["generation"] == 2
    deleted = await stage.admin.delete(UCLOUDJOBS, "a", uid=uid_of(made))
    assert deleted is not None
    assert deleted["metadata"]["generation"] == 3


@story
async def the_identity_of_an_object_cannot_be_patched(stage: Stage) -> None:
    await stage.admin.create(UCLOUDJOBS, job("a"))
    assert (await refused(stage.admin.patch(UCLOUDJOBS, "a", {"metadata": {"uid": "wrong"}}))).status in {409, 422}


@story
async def a_delete_with_another_uid_is_a_conflict(stage: Stage) -> None:
    await stage.admin.create(UCLOUDJOBS, job("a"))
    assert isinstance(await refused(stage.admin.delete(UCLOUDJOBS, "a", uid="another")), Conflict)


@story
async def a_finalizer_holds_what_is_deleted(stage: Stage) -> None:
    made = await stage.admin.create(UCLOUDJOBS, job("a"))
    marked = await stage.admin.delete(UCLOUDJOBS, "a", uid=uid_of(made))
    assert marked is not None
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    again = await stage.admin.delete(UCLOUDJOBS, "a", uid=uid_of(made))
    assert again is not None
    assert version_of(again) == version_of(marked)
    written = await stage.operator.patch_status(UCLOUDJOBS, "a", {"usage": 5}, version=version_of(marked))
    more = stage.operator.patch(UCLOUDJOBS, "a", {"metadata": {"finalizers": ["ucloud.dk/settled", "ucloud.dk/more"]}})
    assert isinstance(await refused(more), Invalid)
    released = await stage.operator.patch(
        UCLOUDJOBS, "a", {"metadata": {"finalizers": []}}, version=version_of(written)
    )
    assert released["status"]["usage"] == 5
    assert isinstance(await refused(stage.admin.get(UCLOUDJOBS, "a")), NotFound)


@story
async def only_the_operator_takes_the_finalizer_away(stage: Stage) -> None:
    await stage.admin.create(WALLETS, wallet("cpu", quota=100))
    dropped = await refused(stage.admin.patch(WALLETS, "cpu", {"metadata": {"finalizers": None}}))
    assert dropped.reason == "Forbidden"
    await stage.operator.patch(WALLETS, "cpu", {"metadata": {"finalizers": None}})


@story
async def what_nothing_holds_is_gone_at_once(stage: Stage) -> None:
    made = await stage.admin.create(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"a": "b"}})
    assert await stage.admin.delete(CONFIGMAPS, "a", uid=uid_of(made)) is None
    assert isinstance(await refused(stage.admin.get(CONFIGMAPS, "a")), NotFound)


@story
async def kinds_without_a_status_have_no_address_for_it(stage: Stage) -> None:
    made = await stage.admin.create(APPLICATIONS, application(f"app-{stage.namespace}"))
    name = made["metadata"]["name"]
    absent = await refused(stage.admin.patch_status(APPLICATIONS, name, {}, version=version_of(made)))
    assert absent.status == 404
    await stage.admin.delete(APPLICATIONS, name, uid=uid_of(made))


@story
async def labels_select(stage: Stage) -> None:
    labels: dict[str, Json] = {"one": {"a": "1"}, "two": {"a": "2", "b": ""}, "three": {}}
    for name, own in labels.items():
        await stage.admin.create(CONFIGMAPS, {"metadata": {"name": name, "labels": {"story": "x", **own}}})
    for selector in ("a=1", "a", "!a", "a in (1,2)", "a notin (1)", "a!=2", "a,b", "a=1,b"):
        await stage.admin.names(CONFIGMAPS, f"story=x,{selector}")
