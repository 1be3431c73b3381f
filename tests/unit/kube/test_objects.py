"""JSON that is deeper than anybody needs."""

import json
import sys
from collections.abc import Iterator

import pytest

from ucloud_operator.api import UCloudJob
from ucloud_operator.kube.objects import DEEPEST_JSON, allow_depth, decode

DEEP = b'{"a":' * DEEPEST_JSON + b"1" + b"}" * DEEPEST_JSON


@pytest.fixture
def python_limit() -> Iterator[int]:
    default, before = json._default_decoder, sys.getrecursionlimit()  # type: ignore[attr-defined]
    scan_once = default.scan_once
    yield before
    sys.setrecursionlimit(before)
    default.scan_once = scan_once


@pytest.mark.usefixtures("python_limit")
def test_what_the_api_server_takes_is_read() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        decode(DEEP)
    allow_depth()
    assert list(decode(b'{"type":"ADDED","object":%s}' % DEEP)) == ["type", "object"]
    assert json.loads(b'{"items":[%s]}' % DEEP)["items"][0]["a"]["a"]


@pytest.mark.usefixtures("python_limit")
def test_a_job_that_holds_it_is_read_kept_and_compared() -> None:
    allow_depth()
    reference = {"id": "x", "category": "x", "provider": "x"}
    spec = {"application": {"name": "x", "version": "1"}, "product": reference}
    metadata = {"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    raw = {"metadata": metadata, "spec": {**spec, "parameters": decode(DEEP)}}
    job, again = UCloudJob.model_validate(raw), UCloudJob.model_validate(raw | {"spec": spec})
    assert job != again
    assert job.model_copy().spec.parameters is job.spec.parameters


def test_a_higher_limit_stays(python_limit: int) -> None:
    sys.setrecursionlimit(5 * DEEPEST_JSON)
    allow_depth()
    assert sys.getrecursionlimit() == 5 * DEEPEST_JSON > python_limit
