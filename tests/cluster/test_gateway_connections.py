"""What isn't HTTP or could be read in two ways, and clients that never come to an end: bytes on a socket."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count, repeat

import pytest

from devcluster import ALICE, Cluster
from devcluster.users import token
from tests.cluster.storytelling.gateway import Reply
from tests.cluster.storytelling.lab import LAB, Setting, unattended_lab
from tests.cluster.support import eventually

CONNECTIONS = 20
PATIENCE_SECONDS = 120
"""How long a test waits for an end that is to come after two seconds: the machine may be busy."""


@pytest.fixture(scope="module")
def setting(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    options = ("--client-seconds=2", f"--connections={CONNECTIONS}")
    with unattended_lab(cluster, tmp_path_factory.mktemp("gateway"), options=options) as setting:
        yield setting


def connection(setting: Setting, receive_bytes: int | None = None) -> socket.socket:
    opened = socket.socket()
    if receive_bytes is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    opened.settimeout(PATIENCE_SECONDS)
    opened.connect(("127.0.0.1", setting.port))
    return opened


def all_of(opened: socket.socket) -> bytes:
    """Read until the other side ends the connection; a reset is an end as well."""
    content = bytearray()
    try:
        while chunk := opened.recv(65536):
            content += chunk
    except ConnectionResetError:
        pass
    return bytes(content)


def answers(setting: Setting, *content: bytes) -> list[Reply]:
    """Send all that, and return what is answered until the gateway ends the connection."""
    with closing(connection(setting)) as opened:
        opened.sendall(b"".join(content))
        return replies(all_of(opened))


def replies(content: bytes) -> list[Reply]:
    found = []
    while content:
        head, _, rest = content.partition(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        named = dict(line.lower().split(": ", 1) for line in headers)
        assert named["content-type"] == "application/json"
        length = int(named["content-length"])
        found.append(Reply(int(status.split()[1]), json.loads(rest[:length])))
        content = rest[length:]
    return found


def alices(setting: Setting) -> bytes:
    return f"Authorization: Bearer {token(setting.cluster.state, ALICE)}\r\nProject: {LAB}\r\n".encode()


# What isn't HTTP, or could be read in two ways

POST = b"POST /api/jobs/terminate HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /api/jobs/browse HTTP/1.1\r\nHost: x\r\n"
SOCKET = b"GET /api/jobs HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
SLY = b"GET /api/jobs/browse HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /api/jobs/browse\r\n\r\n",
        b"GET /api/jobs/brow se HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/jobs/br\xc3\xb8wse HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/jobs/browse HTTP/1.1\r\n\r\n",
        GET + b"Host: y\r\n\r\n",
        GET + b"Project : lab\r\n\r\n",
        GET + b"Authorization: Bearer a\0b\r\n\r\n",
        GET + b"Authorization: Bearer a\rProject: root\r\n\r\n",
        GET + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        GET + b"Project: lab\r\nproject: root\r\n\r\n",
        GET + b"Project: " + b"x" * 20_000 + b"\r\n\r\n",
        GET + b"X: y\r\n" * 5000 + b"\r\n",
        GET + b"X: " + b"y" * 300_000,
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SLY,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SLY,
        POST + b"Content-Length: 0\r\nContent-Length: 80\r\n\r\n" + SLY,
        POST + b"Content-Length: 0, 80\r\n\r\n" + SLY,
        POST + b"Content-Length: -1\r\n\r\n" + SLY,
        POST + b"Content-Length: +0\r\n\r\n" + SLY,
        POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n" + SLY,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SLY,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SLY,
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + SLY,
        POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SLY,
        SOCKET + b"Content-Length: 5\r\n\r\n",
        SOCKET + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
    ids=count(),
)
def test_what_has_no_one_meaning_gets_one_400_and_no_more(setting: Setting, content: bytes) -> None:
    (reply,) = answers(setting, content)
    assert (reply.status, reply.why) == (400, "Invalid HTTP request received.")


def test_what_stands_behind_such_a_request_is_not_carried_out(setting: Setting) -> None:
    """Though it would be by itself."""
    browse = GET + alices(setting) + b"Connection: close\r\n\r\n"
    assert [each.status for each in answers(setting, browse)] == [200]
    ambiguous = POST + alices(setting) + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert [each.status for each in answers(setting, ambiguous, browse)] == [400]


def test_two_requests_of_one_connection_are_two_callers(setting: Setting) -> None:
    mine = GET + alices(setting) + b"\r\n"
    nobodys = GET + b"Connection: close\r\n\r\n"
    assert [each.status for each in answers(setting, mine, nobodys)] == [200, 403]


@pytest.mark.parametrize("project", [b"l\xe6b", b"lab\r\n root", b"lab\x7f", b"\xff\xfe", b"lab\t, root"], ids=count())
def test_odd_bytes_name_no_workspace(setting: Setting, project: bytes) -> None:
    mine = alices(setting).replace(LAB.encode(), project)
    (reply,) = answers(setting, GET + mine + b"Connection: close\r\n\r\n")
    assert reply.status == 400


@pytest.mark.parametrize("shown", [b"a\r\n b", b"a\tb", b"\xe6", b"a,b", b"a b", b"a;b", b"'", b"{}"], ids=count())
def test_odd_bytes_are_no_token(setting: Setting, shown: bytes) -> None:
    sent = GET + b"Authorization: Bearer " + shown + b"\r\nConnection: close\r\n\r\n"
    (reply,) = answers(setting, sent)
    assert (reply.status, reply.why) == (403, "Bad token supplied, or it has expired")


# Clients that don't come to an end


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /api/jobs/bro",
        GET + b"X: ",
        POST + b"Content-Length: 1000\r\n\r\n{",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n{",
    ],
    ids=count(),
)
@pytest.mark.parametrize("drips", [False, True])
def test_who_never_ends_a_request_is_ended(setting: Setting, begun: bytes, *, drips: bool) -> None:
    """Also if a byte comes now and then; so a body that is shorter than it says has an end."""
    with closing(connection(setting)) as opened:
        opened.sendall(begun.replace(b"Host: x\r\n", b"Host: x\r\n" + alices(setting)))
        if drips:
            drip(opened)
        (reply,) = replies(all_of(opened))
    assert (reply.status, reply.why) == (408, "The request took too long")


def test_who_asks_nothing_is_answered_nothing(setting: Setting) -> None:
    assert answers(setting) == []


def test_a_connection_that_rests_between_two_requests_is_kept(setting: Setting) -> None:
    """For longer than a request may take: another one, begun after its answer, is over before its next request."""
    with closing(connection(setting)) as resting:
        resting.sendall(SLY)
        assert resting.recv(65536).startswith(b"HTTP/1.1 403")
        assert [each.status for each in answers(setting, b"GET /")] == [408]
        resting.sendall(GET + b"Connection: close\r\n\r\n")
        assert [each.status for each in replies(all_of(resting))] == [403]


def drip(opened: socket.socket) -> None:
    """Send a byte now and then, until there is an answer."""
    opened.settimeout(0.05)
    for _ in range(PATIENCE_SECONDS * 20):
        try:
            if opened.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            opened.send(b"1")
    opened.settimeout(PATIENCE_SECONDS)


@pytest.mark.parametrize("path", [b"/api/jobs", b"/nothing"])
def test_a_body_without_an_end_is_not_read_for_ever(setting: Setting, path: bytes) -> None:
    """Too long for the one, and of no interest to the other: the answer comes, and then the end."""
    with closing(connection(setting)) as opened:
        head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + alices(setting)
        opened.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_for_ever(opened)


def send_for_ever(opened: socket.socket) -> None:
    for chunk in repeat(b"10000\r\n" + b" " * 65536 + b"\r\n"):
        opened.sendall(chunk)


def test_a_body_that_is_too_long_is_refused_and_the_connection_lives_on(setting: Setting) -> None:
    long = POST + alices(setting) + b"Content-Length: 2000000\r\n\r\n" + b" " * 2_000_000
    assert [each.status for each in answers(setting, long, GET + b"Connection: close\r\n\r\n")] == [413, 403]


def test_slow_clients_hold_up_nobody_and_more_than_the_limit_are_refused(setting: Setting) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS - 1):
            stack.enter_context(closing(connection(setting))).sendall(b"GET / HT")
        assert setting.alice.get("/api/jobs/browse").status == 200

    def refused() -> bool:
        with ExitStack() as stack:
            others = [stack.enter_context(closing(connection(setting))) for _ in range(CONNECTIONS + 1)]
            (reply,) = replies(all_of(others[-1]))
            return (reply.status, reply.why) == (503, "Too many connections; try again later")

    assert eventually(refused, within_seconds=PATIENCE_SECONDS)
    eventually(lambda: setting.alice.get("/api/jobs/browse").status == 200, within_seconds=PATIENCE_SECONDS)


def test_who_takes_no_answer_is_ended(setting: Setting) -> None:
    """Seen by the connections that others can have again, while it still reads nothing."""
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            opened = stack.enter_context(closing(connection(setting, receive_bytes=4096)))
            opened.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        eventually(lambda: setting.alice.get("/api/jobs/browse").status == 200, within_seconds=PATIENCE_SECONDS)
