"""JSON that is deeper than anybody needs."""

import sys
from collections.abc import Iterator

import pytest

from ucloud_operator.kube.objects import DEEPEST_JSON, allow_depth, decode

DEEP = b'{"a":' * DEEPEST_JSON + b"1" + b"}" * DEEPEST_JSON


@pytest.fixture
def python_limit() -> Iterator[int]:
    before = sys.getrecursionlimit()
    yield before
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("python_limit")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="JSON has a limit of its own there, which is as high")
def test_what_the_api_server_takes_is_read() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        decode(DEEP)
    allow_depth()
    assert list(decode(b'{"type":"ADDED","object":%s}' % DEEP)) == ["type", "object"]


def test_a_higher_limit_stays(python_limit: int) -> None:
    sys.setrecursionlimit(3 * DEEPEST_JSON)
    allow_depth()
    assert sys.getrecursionlimit() == 3 * DEEPEST_JSON > python_limit
