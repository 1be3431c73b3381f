from __future__ import annotations

# ruff: noqa: S106  # the secrets are made up
import asyncio
import json
import logging
import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.kube.scripted import HurriedClock, ScriptedApi, line, refusal, thing
from ucloud_operator.kube import errors
from ucloud_operator.kube.client import Call, Client
from ucloud_operator.kube.login import Credentials, LoginError
from ucloud_operator.kube.resources import NAMESPACES, PODS, WALLETS

if TYPE_CHECKING:
    from pathlib import Path

    from ucloud_operator.kube.objects import JsonObject

PODS_PATH = "/api/v1/namespaces/physics/pods"
POD = f"{PODS_PATH}/p"
WATCH = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "1", "timeoutSeconds": "300"}
WALLET = "/apis/ucloud.dk/v1alpha1/namespaces/physics/wallets/cpu"


async def test_an_object_comes_back_as_it_is(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", POD, thing("p", 7, price=3))
    assert await client.get(PODS, "p", namespace="physics") == thing("p", 7, price=3)


async def test_what_etcd_finds_too_large_is_not_sent_again(api: ScriptedApi, client: Client) -> None:
    said = {"code": 500, "message": "etcdserver: request is too large"}
    api.answers("POST", PODS_PATH, said, status=500)
    with pytest.raises(errors.TooLarge, match="request is too large"):
        await client.create(PODS, {"metadata": {"name": "p"}}, namespace="physics")


async def test_a_list_is_read_page_by_page(api: ScriptedApi, client: Client) -> None:
    api.lists("/api/v1/pods", 9, thing("a", 1), following="next", query={"labelSelector": "x=y"})
    api.lists("/api/v1/pods", 9, thing("b", 2), query={"labelSelector": "x=y", "continue": "next"})
    assert await client.list(PODS, label_selector="x=y") == [thing("a", 1), thing("b", 2)]


async def test_a_list_whose_moment_is_compacted_begins_again(api: ScriptedApi, client: Client) -> None:
    api.lists("/api/v1/pods", 9, thing("a", 1), following="next")
    api.answers("GET", "/api/v1/pods", refusal(410, "Expired"), status=410, query={"continue": "next"})
    api.lists("/api/v1/pods", 12, thing("b", 10))
    assert await client.list(PODS) == [thing("b", 10)]


async def test_a_list_whose_moment_never_was_is_an_error(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", "/api/v1/pods", refusal(410, "Expired"), status=410)
    with pytest.raises(errors.Gone):
        await client.list(PODS)


async def test_a_list_that_can_not_be_ordered_is_an_error(api: ScriptedApi, client: Client) -> None:
    api.lists("/api/v1/pods", 9, {"metadata": {"name": "a"}})
    with pytest.raises(errors.MalformedAnswer, match="resourceVersion"):
        await client.list(PODS)


async def test_a_status_patch_carries_the_version_it_was_decided_on(api: ScriptedApi, client: Client) -> None:
    api.answers("PATCH", f"{WALLET}/status", thing("cpu", 8))
    await client.patch_status(WALLETS, "cpu", {"locked": True}, resource_version="7", namespace="physics")
    assert json.loads(api.bodies[0]) == {"metadata": {"resourceVersion": "7"}, "status": {"locked": True}}
    assert api.seen[0].content_type == "application/merge-patch+json"


async def test_a_guarded_patch_keeps_what_else_it_says_of_metadata(api: ScriptedApi, client: Client) -> None:
    api.answers("PATCH", POD, thing("p", 8))
    patch: JsonObject = {"metadata": {"finalizers": []}}
    await client.patch(PODS, "p", patch, namespace="physics", resource_version="7")
    assert json.loads(api.bodies[0]) == {"metadata": {"finalizers": [], "resourceVersion": "7"}}
    assert patch == {"metadata": {"finalizers": []}}


HELD = {"metadata": {"finalizers": ["ucloud.dk/metered"], "deletionGracePeriodSeconds": 0}}
STOPPING = {"metadata": {"deletionGracePeriodSeconds": 1}}
GONE = {"metadata": {"deletionGracePeriodSeconds": 0}}


@pytest.mark.parametrize(
    ("answer", "there"),
    [(HELD, True), (STOPPING, True), (GONE, False), ({"kind": "Status", "status": "Success"}, False)],
)
async def test_a_delete_names_a_uid_and_says_what_is_left(
    api: ScriptedApi, client: Client, answer: JsonObject, *, there: bool
) -> None:
    api.answers("DELETE", POD, answer)
    left = await client.delete(PODS, "p", uid="u", namespace="physics", grace_period_seconds=1)
    assert left == (answer if there else None)
    sent = json.loads(api.bodies[0])
    assert sent["preconditions"] == {"uid": "u"}
    assert sent["gracePeriodSeconds"] == 1


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", errors.BadRequest),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Gone),
        (413, "RequestEntityTooLarge", errors.TooLarge),
        (422, "Invalid", errors.Invalid),
        (418, "Teapot", errors.ApiError),
    ],
)
async def test_a_refusal_has_a_type_and_is_not_repeated(
    api: ScriptedApi, client: Client, status: int, reason: str, kind: type[errors.ApiError]
) -> None:
    api.answers("POST", PODS_PATH, refusal(status, reason, "because"), status=status)
    with pytest.raises(errors.ApiError) as caught:
        await client.create(PODS, thing("p", 0), namespace="physics")
    assert type(caught.value) is kind
    assert str(caught.value) == f'create pods "physics/p": because ({status} {reason})'


async def test_a_terminating_namespace_is_told_by_its_cause(api: ScriptedApi, client: Client) -> None:
    body = refusal(403, "Forbidden", "it ends", causes=[{"reason": "NamespaceTerminating"}])
    api.answers("POST", PODS_PATH, body, status=403)
    with pytest.raises(errors.Forbidden) as caught:
        await client.create(PODS, thing("p", 0), namespace="physics")
    assert caught.value.causes == ("NamespaceTerminating",)


async def test_a_proxys_page_is_quoted(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", POD, b"<html>who are you?</html>", status=403)
    with pytest.raises(errors.Forbidden, match="who are you"):
        await client.get(PODS, "p", namespace="physics")


async def test_an_answer_that_is_no_object_is_an_error(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", POD, b"[]")
    with pytest.raises(errors.MalformedAnswer):
        await client.get(PODS, "p", namespace="physics")


async def test_a_create_that_was_turned_away_waits_as_asked_and_is_repeated(
    api: ScriptedApi, client: Client, clock: HurriedClock, calls: list[Call]
) -> None:
    api.answers("POST", PODS_PATH, refusal(429, "TooManyRequests"), status=429, headers={"Retry-After": "3"})
    api.answers("POST", PODS_PATH, thing("p", 1), status=201)
    await client.create(PODS, thing("p", 0), namespace="physics")
    assert clock.pauses == [3]
    assert [(call.verb, call.status) for call in calls] == [("create", 429), ("create", 201)]


async def test_who_is_asked_to_come_back_much_later_is_told(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", POD, refusal(429, "TooManyRequests", retryAfterSeconds=60), status=429)
    with pytest.raises(errors.TooManyRequests) as caught:
        await client.get(PODS, "p", namespace="physics")
    assert caught.value.retry_after_seconds == 60


async def test_a_create_of_unknown_fate_is_not_repeated(api: ScriptedApi, client: Client) -> None:
    api.drops("POST", PODS_PATH)
    with pytest.raises(errors.Unreachable) as caught:
        await client.create(PODS, thing("p", 0), namespace="physics")
    assert caught.value.ambiguous


async def test_a_create_that_failed_in_the_server_is_not_repeated(api: ScriptedApi, client: Client) -> None:
    api.answers("POST", PODS_PATH, refusal(500, "InternalError"), status=500)
    with pytest.raises(errors.ServerError):
        await client.create(PODS, thing("p", 0), namespace="physics")


async def test_a_create_that_never_left_is_repeated_and_then_reported(clock: HurriedClock) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        async with Client(lambda: Credentials(server=server), clock=clock, attempts=3) as client:
            with pytest.raises(errors.Unreachable) as caught:
                await client.create(NAMESPACES, {"metadata": {"name": "physics"}})
    assert not caught.value.ambiguous
    assert len(clock.pauses) == 2


@pytest.mark.parametrize("verb", ["get", "patch", "delete"])
async def test_what_can_be_done_twice_is_repeated(
    api: ScriptedApi, client: Client, clock: HurriedClock, verb: str
) -> None:
    method = verb.upper()
    api.drops(method, POD).answers(method, POD, refusal(503, "ServiceUnavailable"), status=503)
    api.answers(method, POD, HELD)
    match verb:
        case "get":
            await client.get(PODS, "p", namespace="physics")
        case "patch":
            await client.patch(PODS, "p", {"spec": {}}, namespace="physics")
        case _:
            await client.delete(PODS, "p", uid="u", namespace="physics")
    assert len(clock.pauses) <= 2  # aiohttp itself repeats what it sent on a connection that was closed meanwhile
    assert all(pause_seconds < 1 for pause_seconds in clock.pauses)


async def test_repeating_ends(api: ScriptedApi, client: Client, calls: list[Call]) -> None:
    for _ in range(4):
        api.answers("GET", POD, refusal(500, "InternalError"), status=500)
    with pytest.raises(errors.ServerError):
        await client.get(PODS, "p", namespace="physics")
    assert [call.status for call in calls] == [500] * 4


async def test_a_401_brings_one_new_login(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", POD, refusal(401, "Unauthorized"), status=401).answers("GET", POD, thing("p", 1))
    await client.get(PODS, "p", namespace="physics")
    assert [request.headers["Authorization"] for request in api.seen] == ["Bearer secret-1", "Bearer secret-2"]


async def test_many_401s_bring_one_new_login(api: ScriptedApi, client: Client) -> None:
    refused = refusal(401, "Unauthorized")
    api.answers("GET", POD, refused, status=401).answers("GET", POD, refused, status=401)
    api.answers("GET", POD, thing("p", 1)).answers("GET", POD, thing("p", 1))
    await asyncio.gather(*(client.get(PODS, "p", namespace="physics") for _ in range(2)))
    assert api.logins == 2


async def test_a_client_that_was_never_used_closes() -> None:
    await Client().close()


async def test_a_second_401_is_believed(api: ScriptedApi, client: Client) -> None:
    for _ in range(2):
        api.answers("POST", PODS_PATH, refusal(401, "Unauthorized"), status=401)
    with pytest.raises(errors.Unauthorized):
        await client.create(PODS, thing("p", 0), namespace="physics")


async def test_a_login_that_fails_later_is_reported_as_the_401_it_answers(api: ScriptedApi) -> None:
    logins = iter([api.credentials()])

    def login() -> Credentials:
        for credentials in logins:
            return credentials
        raise LoginError("the plugin is gone")

    api.answers("GET", POD, refusal(401, "Unauthorized"), status=401)
    async with Client(login) as client:
        with pytest.raises(errors.Unauthorized) as caught:
            await client.get(PODS, "p", namespace="physics")
    assert isinstance(caught.value.__cause__, LoginError)


async def test_a_token_file_is_read_again(api: ScriptedApi, clock: HurriedClock, tmp_path: Path) -> None:
    token = tmp_path / "token"
    server = api.credentials().server
    async with Client(lambda: Credentials(server=server, token="old", token_path=str(token)), clock=clock) as client:
        for _ in range(3):
            api.answers("GET", POD, thing("p", 1))
        await client.get(PODS, "p", namespace="physics")
        token.write_text("new\n")
        await client.get(PODS, "p", namespace="physics")
        await clock.sleep(60)
        await client.get(PODS, "p", namespace="physics")
    assert [request.headers["Authorization"] for request in api.seen] == ["Bearer old", "Bearer old", "Bearer new"]


async def test_tokens_are_in_no_message(api: ScriptedApi, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.drops("POST", PODS_PATH)
    with pytest.raises(errors.Unreachable) as caught:
        await client.create(PODS, thing("p", 0), namespace="physics")
    assert "secret" not in caplog.text + repr(caught.value) + repr(caught.value.__cause__) + repr(api.credentials())


async def test_a_silent_server_is_not_waited_for_for_ever(api: ScriptedApi, clock: HurriedClock) -> None:
    api.hangs("GET", POD)
    async with Client(api.credentials, clock=clock, timeout_seconds=0.1, attempts=1) as client:
        with pytest.raises(errors.Unreachable, match="get pods"):
            await client.get(PODS, "p", namespace="physics")


async def test_every_write_is_counted_by_what_it_is(api: ScriptedApi, client: Client, calls: list[Call]) -> None:
    api.answers("PATCH", f"{WALLET}/status", thing("cpu", 8)).answers("DELETE", WALLET, GONE)
    await client.patch_status(WALLETS, "cpu", {}, resource_version="7", namespace="physics")
    await client.delete(WALLETS, "cpu", uid="u", namespace="physics")
    counted = [(call.verb, str(call.resource), call.subresource, call.status) for call in calls]
    assert counted == [("patch", "wallets.ucloud.dk", "status", 200), ("delete", "wallets.ucloud.dk", "", 200)]


async def watched(client: Client, idle_seconds: float = 5) -> list[tuple[str, JsonObject]]:
    async with client.watch(PODS, resource_version="4", idle_seconds=idle_seconds) as events:
        return [(event.type, event.object) async for event in events]


async def test_a_watchs_lines_may_come_in_any_pieces(api: ScriptedApi, client: Client) -> None:
    whole = line("ADDED", thing("a", 5)) + b"\n" + line("DELETED", thing("a", 6)) + line("BOOKMARK", thing("", 9))
    api.watches("/api/v1/pods", 4, *(whole[at : at + 50] for at in range(0, len(whole), 50)), line("ADDED", {})[:-9])
    assert await watched(client) == [
        ("ADDED", thing("a", 5)),
        ("DELETED", thing("a", 6)),
        ("BOOKMARK", thing("", 9)),
    ]


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        (line("ERROR", refusal(410, "Expired", "too old")), errors.Gone),
        (line("ERROR", refusal(500, "InternalError")), errors.ServerError),
        (b"{not json\n", errors.MalformedAnswer),
        (line("SURPRISE", {}), errors.MalformedAnswer),
        (line("ADDED", {}), errors.MalformedAnswer),
        (b"x" * 200, errors.MalformedAnswer),
    ],
)
async def test_what_ends_a_watch_is_told(
    api: ScriptedApi,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    chunk: bytes,
    kind: type[errors.ApiError],
) -> None:
    monkeypatch.setattr("ucloud_operator.kube.client.LONGEST_LINE_BYTES", 199)
    api.watches("/api/v1/pods", 4, chunk, ends=False)
    with pytest.raises(kind, match="watch pods"):
        await watched(client)


async def test_a_watch_that_falls_silent_breaks(api: ScriptedApi, client: Client) -> None:
    api.watches("/api/v1/pods", 4, ends=False)
    with pytest.raises(errors.Unreachable):
        await watched(client, idle_seconds=0.1)


async def test_a_401_on_a_watch_brings_a_new_login_for_the_next(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", "/api/v1/pods", refusal(401, "Unauthorized"), status=401)
    with pytest.raises(errors.Unauthorized):
        await watched(client)
    assert api.logins == 2


async def test_who_is_acted_for_shows_a_token_of_their_own_and_nothing_of_ours(
    api: ScriptedApi, clock: HurriedClock
) -> None:
    def credentials() -> Credentials:
        return replace(api.credentials(), acting_as="admin", scheme="Basic")

    api.answers("GET", POD, thing("p", 7)).answers("GET", POD, thing("p", 7))
    async with Client(credentials, clock=clock) as client:
        await client.on_behalf_of("theirs").get(PODS, "p", namespace="physics")
        await client.get(PODS, "p", namespace="physics")
    theirs, ours = api.seen
    assert theirs.headers["Authorization"] == "Bearer theirs"
    assert "Impersonate-User" not in theirs.headers
    assert (ours.headers["Authorization"], ours.headers["Impersonate-User"]) == ("Basic secret-1", "admin")


async def test_a_401_of_theirs_is_theirs(api: ScriptedApi, client: Client) -> None:
    api.answers("GET", POD, refusal(401, "Unauthorized"), status=401)
    api.answers("GET", PODS_PATH, refusal(401, "Unauthorized"), status=401, query=WATCH)
    lent = client.on_behalf_of("theirs")
    with pytest.raises(errors.Unauthorized):
        await lent.get(PODS, "p", namespace="physics")
    with pytest.raises(errors.Unauthorized):
        async with lent.watch(PODS, resource_version="1", namespace="physics"):
            pass
    assert api.logins == 1


async def test_what_is_lent_is_not_closed_nor_lent_again(api: ScriptedApi, client: Client) -> None:
    async with client.on_behalf_of("theirs") as lent:
        with pytest.raises(TypeError, match="lent again"):
            lent.on_behalf_of("others")
    api.answers("GET", POD, thing("p", 7))
    assert await client.get(PODS, "p", namespace="physics") == thing("p", 7)


async def test_where_we_show_a_certificate_nobody_else_can_be_acted_for(api: ScriptedApi, clock: HurriedClock) -> None:
    class Certified(Credentials):
        def ssl_context(self) -> ssl.SSLContext:
            return ssl.create_default_context()

    def credentials() -> Credentials:
        return Certified(server=api.credentials().server, certificate_path="ours.pem")

    async with Client(credentials, clock=clock) as client:
        with pytest.raises(LoginError, match="certificate of our own"):
            await client.on_behalf_of("theirs").get(PODS, "p", namespace="physics")


async def test_a_dry_run_says_so(api: ScriptedApi, client: Client) -> None:
    api.answers("POST", PODS_PATH, thing("p", 1), query={"dryRun": "All"})
    await client.create(PODS, {"metadata": {"name": "p"}}, namespace="physics", dry_run=True)
