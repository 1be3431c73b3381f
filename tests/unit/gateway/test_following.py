"""What a follower of a job is told, also when the API server goes away or forgets."""

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from tests.unit.kube.scripted import ScriptedApi, line, refusal, thing
from ucloud_operator.api import UCloudJob, format_time
from ucloud_operator.gateway.cluster import Workspace
from ucloud_operator.gateway.errors import RefusalError
from ucloud_operator.gateway.following import Seen, follow, news
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.errors import Forbidden

JOBS = "/apis/ucloud.dk/v1alpha1/namespaces/lab/ucloudjobs"
SPEC = {"application": {"name": "app", "version": "1"}, "product": {"id": "p", "category": "c", "provider": "o"}}
STATES = ("IN_QUEUE", "RUNNING", "SUCCESS")


@pytest.fixture
async def lab(api: ScriptedApi) -> AsyncIterator[Workspace]:
    async with Client(api.credentials) as client:
        yield Workspace(client.on_behalf_of("alice-s"), "lab")


def seen(version: int, updates: Sequence[str], *, uid: str = "") -> dict[str, object]:
    """The job as it is after these updates, whose states are the sentences."""
    told = [
        {"state": state, "status": state, "timestamp": format_time(1000 * STATES.index(state))} for state in updates
    ]
    status: Mapping[str, object] = {"state": updates[-1], "updates": told} if updates else {}
    return {**thing("7", version, uid=uid, namespace="lab"), "spec": SPEC, "status": status}


def job(*updates: str) -> UCloudJob:
    return UCloudJob.model_validate(seen(1, updates))


async def told(lab: Workspace, job: UCloudJob) -> list[object]:
    """The state that each message shows, or the sentences of the updates that it brings."""
    messages = [message async for message in follow(lab, job)]
    assert all(list(message) == ["updates", "log", "newStatus", "initialJob"] for message in messages)
    initial, *others = messages
    assert initial["initialJob"] == {**initial["initialJob"], "id": "7"}  # type: ignore[dict-item]
    return [[each["status"] for each in message["updates"]] for message in others]  # type: ignore[attr-defined]


async def test_news_come_one_by_one_until_the_job_is_over(api: ScriptedApi, lab: Workspace) -> None:
    api.watches(
        JOBS,
        1,
        line("MODIFIED", seen(2, STATES[:1])),
        line("MODIFIED", seen(3, STATES[:1])),  # something that followers aren't told
        line("BOOKMARK", thing("", 4)),
        line("MODIFIED", seen(5, STATES)),
        ends=False,
    )
    assert await told(lab, job()) == [["IN_QUEUE"], ["RUNNING", "SUCCESS"]]
    assert dict(api.seen[0].query)["fieldSelector"] == "metadata.name=7"
    assert api.seen[0].headers["Authorization"] == "Bearer alice-s"


async def test_a_job_that_is_over_has_no_news(lab: Workspace) -> None:
    assert await told(lab, job(*STATES)) == []


async def test_a_watch_that_ends_or_breaks_goes_on_from_where_it_was(api: ScriptedApi, lab: Workspace) -> None:
    api.watches(JOBS, 1, line("MODIFIED", seen(2, STATES[:1])))
    api.watches(JOBS, 2, line("BOOKMARK", thing("", 9)), cut=True)
    api.answers("GET", JOBS, refusal(503, "ServiceUnavailable"), status=503)
    api.drops("GET", JOBS)
    api.watches(JOBS, 9, line("MODIFIED", seen(10, STATES)), ends=False)
    assert await told(lab, job()) == [["IN_QUEUE"], ["RUNNING", "SUCCESS"]]


async def test_what_the_api_server_has_forgotten_is_looked_at_anew(api: ScriptedApi, lab: Workspace) -> None:
    api.watches(JOBS, 1, line("ERROR", refusal(410, "Expired")))
    api.answers("GET", f"{JOBS}/7", seen(20, STATES[:2]))
    api.watches(JOBS, 20, line("MODIFIED", seen(21, STATES)), ends=False)
    assert await told(lab, job("IN_QUEUE")) == [["RUNNING"], ["SUCCESS"]]


@pytest.mark.parametrize("event", [("DELETED", seen(2, ())), ("ADDED", seen(3, (), uid="another"))])
async def test_a_job_that_goes_is_not_found(
    api: ScriptedApi, lab: Workspace, event: tuple[str, dict[str, object]]
) -> None:
    api.watches(JOBS, 1, line(*event), ends=False)
    with pytest.raises(RefusalError, match="Not found"):
        await told(lab, job())


async def test_who_may_no_longer_see_it_is_told_so(api: ScriptedApi, lab: Workspace) -> None:
    api.watches(JOBS, 1)
    api.answers("GET", JOBS, refusal(403, "Forbidden"), status=403)
    with pytest.raises(Forbidden):
        await told(lab, job())


def test_a_status_is_told_when_its_state_is_another() -> None:
    changed = news(Seen.of(job("IN_QUEUE")), job("IN_QUEUE", "RUNNING"))
    assert changed is not None
    assert changed["newStatus"]["state"] == "RUNNING"  # type: ignore[index]
    before = job("IN_QUEUE")
    (update,) = before.status.updates
    updates = (update, update.model_copy(update={"status": "patience"}))
    status = before.status.model_copy(update={"updates": updates})
    unchanged = news(Seen.of(before), before.model_copy(update={"status": status}))
    assert unchanged is not None
    assert unchanged["newStatus"] is None


def test_updates_that_were_dropped_are_not_missed_or_told_twice() -> None:
    """A job keeps so many; the last one that was told is still there, or all are new."""
    assert told_after(job("IN_QUEUE", "RUNNING"), job("RUNNING", "SUCCESS")) == ["SUCCESS"]
    assert told_after(job("IN_QUEUE"), job("RUNNING", "SUCCESS")) == ["RUNNING", "SUCCESS"]


def told_after(before: UCloudJob, now: UCloudJob) -> list[object]:
    message = news(Seen.of(before), now)
    assert message is not None
    return [each["status"] for each in message["updates"]]  # type: ignore[attr-defined]
