"""What is installed of the gateway, on a real API server: it takes it, and gives it no rights."""

from pathlib import Path

import pytest
import yaml

from devcluster import Cluster, DevclusterError
from tests.cluster.people import Person

FOLDER = Path(__file__).parents[3] / "manifests" / "gateway"
SYSTEM = "ucloud-system"


def apply(cluster: Cluster, manifests: str) -> str:
    return cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-", stdin=manifests
    )


@pytest.fixture(scope="module")
def built(cluster: Cluster) -> str:
    return cluster.kubectl("kustomize", str(FOLDER))


def test_the_api_server_takes_it_and_would_refuse_a_mistake(cluster: Cluster, built: str) -> None:
    told = apply(cluster, built)
    for kind in ("serviceaccount", "service", "deployment.apps", "poddisruptionbudget.policy"):
        assert f"{kind}/ucloud-gateway serverside-applied (server dry run)" in told
    with pytest.raises(DevclusterError, match="automountServiceAccountTokens"):
        apply(cluster, built.replace("automountServiceAccountToken:", "automountServiceAccountTokens:"))


def test_the_example_of_an_ingress_is_taken(cluster: Cluster) -> None:
    told = apply(cluster, (FOLDER / "examples" / "ingress.yaml").read_text())
    assert told == "ingress.networking.k8s.io/ucloud-gateway serverside-applied (server dry run)\n"


def test_its_pod_is_admitted_under_the_restricted_profile_without_a_token(
    admin: Person, namespace: str, built: str
) -> None:
    enforced = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    assert admin.patch(f"/api/v1/namespaces/{namespace}", enforced)
    things = {found["kind"]: found for found in yaml.safe_load_all(built)}
    account = things["ServiceAccount"]
    account["metadata"]["namespace"] = namespace
    assert admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    pod = {"apiVersion": "v1", "kind": "Pod", **things["Deployment"]["spec"]["template"]}
    pod["metadata"]["name"] = "gateway"
    answer = admin.create(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
    assert answer, answer.message
    assert answer["spec/volumes"] == [
        {
            "name": "authority",
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
                "defaultMode": 0o644,
            },
        },
        {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
    ]


def test_its_account_may_do_what_any_other_may_and_no_more(admin: Person) -> None:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated")

    def may(account: str) -> object:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": SYSTEM},
        }
        asking = admin.named(f"system:serviceaccount:{SYSTEM}:{account}", *groups)
        answer = asking.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)
        assert answer, answer.message
        return sorted(map(str, answer["status/resourceRules"]))  # type: ignore[call-overload]  # a list

    assert may("ucloud-gateway") == may("nobody-at-all") != may("ucloud-operator")
