"""Following jobs through the gateway: server-sent events with curl, and frames as UCloud's web client sends them."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from devcluster import ALICE, BOB, User
from devcluster.users import token
from tests.cluster.storytelling.lab import LAB, Setting, running_lab, specification

SENTENCES = ["Your job is now waiting in the queue!", "Your job is now running!", "Your job has been cancelled!"]


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with running_lab(tmp_path_factory.mktemp("following")) as setting:
        yield setting


def create(setting: Setting) -> str:
    (created,) = setting.alice.post("/api/jobs", specification()).items
    return str(created["id"])


def end(setting: Setting, job_id: str) -> None:
    assert setting.alice.post("/api/jobs/terminate", {"id": job_id}).status == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on the PATH")
def test_curl_prints_what_becomes_of_a_job_until_it_is_over(setting: Setting) -> None:
    job_id = create(setting)
    address = f"http://127.0.0.1:{setting.port}/api/jobs/follow?id={job_id}"
    headers = ["-H", f"Authorization: Bearer {token(setting.cluster.state, ALICE)}", "-H", f"Project: {LAB}"]
    command = ["curl", "--silent", "--no-buffer", "--max-time", "60", *headers, address]
    messages: list[Mapping[str, object]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        lines = iter(curl.stdout)
        for line in lines:
            if line.startswith("data: "):
                messages.append(json.loads(line.removeprefix("data: ")))
                if "RUNNING" in line:
                    end(setting, job_id)
            if line.startswith("event: "):
                assert (line, next(lines)) == ("event: end\n", "data: {}\n")
    assert curl.returncode == 0
    assert_is_the_story(setting, job_id, messages)


def assert_is_the_story(setting: Setting, job_id: str, messages: Sequence[Mapping[str, object]]) -> None:
    """They tell what the job says in the end, in its own words, each once."""
    told = [message for message in messages if message]
    assert all(list(message) == ["updates", "log", "newStatus", "initialJob"] for message in told)
    initial: Mapping[str, object] = told[0]["initialJob"]  # type: ignore[assignment]
    updates = [*initial["updates"], *(each for message in told for each in message["updates"])]  # type: ignore[misc, attr-defined]
    ended = setting.alice.get(f"/api/jobs/retrieve?id={job_id}").body
    assert updates == ended["updates"]
    assert [each["status"] for each in updates if each["state"]] == SENTENCES[-len(updates) :]
    assert told[-1]["newStatus"] == ended["status"]
    assert (initial["id"], initial["specification"]) == (job_id, ended["specification"])


async def test_a_web_client_follows_several_jobs_over_one_connection(setting: Setting) -> None:
    jobs = [await asyncio.to_thread(create, setting) for _ in range(2)]
    streams: dict[str, list[Mapping[str, object]]] = {"0": [], "1": []}
    ended: dict[str, Mapping[str, object]] = {}
    async with connection(setting) as socket:
        for number, job_id in enumerate(jobs):
            await socket.send_json(frame(setting, str(number), job_id))
        while len(ended) < len(jobs):
            message = await socket.receive_json(timeout=60)
            stream = message["streamId"]
            if message["type"] == "response":
                ended[stream] = message
                continue
            assert message["type"] == "message"
            streams[stream].append(message["payload"])
            if "RUNNING" in json.dumps(message["payload"]):
                await asyncio.to_thread(end, setting, jobs[int(stream)])
    for stream, messages in streams.items():
        assert_is_the_story(setting, jobs[int(stream)], messages)
        assert ended[stream]["status"] == 200
        assert ended[stream]["payload"] == {"updates": [], "log": [], "newStatus": None, "initialJob": None}


@pytest.mark.parametrize(
    ("user", "changes", "status", "why"),
    [
        (ALICE, {"payload": {"id": "1"}}, 404, "Not found"),
        (ALICE, {"call": "jobs.forget"}, 404, "Not found"),
        (ALICE, {"bearer": None}, 403, "Forbidden"),
        (ALICE, {"bearer": "a b"}, 403, "Bad token supplied, or it has expired"),
        (ALICE, {"bearer": "somebody"}, 403, "Bad token supplied, or it has expired"),
        (ALICE, {"project": "Lab"}, 400, "The header Project must be the name of a workspace"),
        (BOB, {}, 403, 'User "bob" cannot get resource'),
    ],
)
async def test_who_cannot_follow_is_told_why(
    setting: Setting, user: User, changes: Mapping[str, object], status: int, why: str
) -> None:
    async with connection(setting) as socket:
        await socket.send_json({**frame(setting, "s", "1", user), **changes})
        answer = await socket.receive_json(timeout=30)
    assert (answer["type"], answer["streamId"], answer["status"]) == ("response", "s", status)
    assert why in answer["payload"]["why"]
    assert answer["payload"]["updates"] == []


async def test_too_many_streams_on_one_connection_are_refused(setting: Setting) -> None:
    job_id = await asyncio.to_thread(create, setting)
    statuses: list[int] = []
    followed: set[str] = set()
    async with connection(setting) as socket:
        for number in range(18):
            await socket.send_json(frame(setting, str(number), job_id))
        while len(followed) < 16 or len(statuses) < 2:
            message = await socket.receive_json(timeout=30)
            if message["type"] == "response":
                statuses.append(message["status"])
            else:
                followed.add(message["streamId"])
    assert statuses == [400, 400]
    await asyncio.to_thread(end, setting, job_id)


@pytest.mark.parametrize("sent", ["", "[]", "{", '{"call": "jobs.follow"}', b"{}"])
async def test_a_frame_that_makes_no_sense_ends_the_connection(setting: Setting, sent: str | bytes) -> None:
    async with connection(setting) as socket:
        await (socket.send_bytes(sent) if isinstance(sent, bytes) else socket.send_str(sent))
        closed = await socket.receive(timeout=30)
    assert (closed.type, closed.data, closed.extra) == (aiohttp.WSMsgType.CLOSE, 1007, "Invalid request supplied")


async def test_a_connection_that_says_nothing_is_ended(setting: Setting) -> None:
    async with connection(setting) as socket:
        closed = await socket.receive(timeout=30)
    assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1007)


@pytest.mark.parametrize(("user", "job_id", "status"), [(ALICE, "1", 404), (BOB, "1", 403), (ALICE, "", 404)])
def test_events_of_what_cannot_be_followed_are_an_error(setting: Setting, user: User, job_id: str, status: int) -> None:
    assert setting.caller(user, LAB).get(f"/api/jobs/follow?id={job_id}").status == status


async def test_who_follows_a_job_that_is_deleted_is_told_so(setting: Setting) -> None:
    job_id = await asyncio.to_thread(create, setting)
    headers = {"Authorization": f"Bearer {token(setting.cluster.state, ALICE)}", "Project": LAB}
    address = f"http://127.0.0.1:{setting.port}/api/jobs/follow?id={job_id}"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as events:
        assert (events.status, events.content_type) == (200, "text/event-stream")
        assert (await events.content.readline()).startswith(b'data: {"updates":[],')
        await asyncio.to_thread(setting.cluster.kubectl, "delete", "ucloudjob", job_id, f"--namespace={LAB}")
        rest = (await events.content.read()).decode()
    *_, end, _ = rest.split("\n\n")
    # Its end is in its status before it goes; whether the watch shows that first or only that it is gone, is a race.
    assert end.split("\n")[0] in {"event: end", "event: error"}, rest


def frame(setting: Setting, stream: str, job_id: str, user: User = ALICE) -> dict[str, object]:
    return {
        "call": "jobs.follow",
        "streamId": stream,
        "payload": {"id": job_id},
        "project": LAB,
        "bearer": token(setting.cluster.state, user),
    }


@asynccontextmanager
async def connection(setting: Setting) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{setting.port}/api/jobs") as socket,
    ):
        yield socket
