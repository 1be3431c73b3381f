from __future__ import annotations

import pytest

from ucloud_operator.kube.resources import COMPUTEPRODUCTS, PODS, WALLETS


def test_where_things_are_kept() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path(namespace="a", name="b", subresource="status") == "/api/v1/namespaces/a/pods/b/status"
    assert WALLETS.path(namespace="a") == "/apis/ucloud.dk/v1alpha1/namespaces/a/wallets"
    assert COMPUTEPRODUCTS.path(name="u1") == "/apis/ucloud.dk/v1alpha1/computeproducts/u1"


def test_what_they_are_called() -> None:
    assert (str(PODS), PODS.api_version) == ("pods", "v1")
    assert (str(WALLETS), WALLETS.api_version) == ("wallets.ucloud.dk", "ucloud.dk/v1alpha1")


def test_a_name_that_users_chose_leads_nowhere_else() -> None:
    assert COMPUTEPRODUCTS.path(name="../nodes?x") == "/apis/ucloud.dk/v1alpha1/computeproducts/..%2Fnodes%3Fx"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        COMPUTEPRODUCTS.path(name=name)


def test_a_namespace_is_given_exactly_where_there_are_some() -> None:
    with pytest.raises(ValueError, match="needs a namespace"):
        PODS.path(name="p")
    with pytest.raises(ValueError, match="not kept in namespaces"):
        COMPUTEPRODUCTS.path(namespace="physics")
