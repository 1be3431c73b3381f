"""What callers are told when the API server says no, or nothing."""

import pytest

from ucloud_operator.gateway.errors import RefusalError, bad_request, from_kubernetes
from ucloud_operator.kube import errors


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.BadRequest, 400),
        (errors.Invalid, 400),
        (errors.Forbidden, 403),
        (errors.NotFound, 404),
        (errors.AlreadyExists, 409),
        (errors.Conflict, 409),
        (errors.TooLarge, 413),
        (errors.TooManyRequests, 429),
    ],
)
def test_a_refusal_keeps_its_sentence(kind: type[errors.ApiError], status: int) -> None:
    told = from_kubernetes(kind("create", "ucloudjobs", "quota is used up", status=499))
    assert told.body == {"statusCode": status, "why": "Quota is used up", "errorCode": "", "detailedCode": 0}


def test_ucloud_knows_no_401() -> None:
    told = from_kubernetes(errors.Unauthorized("get", "wallets", "Unauthorized", status=401))
    assert (told.status, told.why) == (403, "Bad token supplied, or it has expired")


@pytest.mark.parametrize(
    "error",
    [
        errors.ServerError("get", "wallets", "etcd at 10.0.0.1 is gone", status=500),
        errors.MalformedAnswer("get", "wallets", "not JSON"),
        errors.Gone("list", "wallets", "compacted", status=410),
        errors.Unreachable("get", "wallets", "10.0.0.1", ambiguous=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_trouble_behind_the_gateway_is_not_the_callers_business(error: errors.ApiError) -> None:
    told = from_kubernetes(error)
    assert (told.status, told.why) == (502, "The Kubernetes API server gives no usable answer; try again later")


def test_a_sentence_begins_with_a_capital() -> None:
    assert [bad_request(why).why for why in ("no", "No", "'x' is", "")] == ["No", "No", "'x' is", ""]
    assert isinstance(bad_request("x"), RefusalError)
