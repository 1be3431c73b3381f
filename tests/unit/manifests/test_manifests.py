"""What is installed fits together, and fits the program that it installs."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ucloud_operator.lifecycle import pods
from ucloud_operator.settings import Settings

CHECKOUT = Path(__file__).parents[3]
MANIFESTS = CHECKOUT / "manifests"
FILES = sorted(path for folder in ("base", "policies") for path in (MANIFESTS / folder).glob("*.yaml"))
OBJECT_FILES = [path for path in FILES if path.name != "kustomization.yaml"]
NAMESPACE = Settings().namespace
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:ucloud-operator"
HIGHEST_OF_USERS = 1_000_000_000  # what is above is Kubernetes' own

Object = dict[str, object]


def objects(*paths: Path) -> Iterator[Object]:
    for path in paths or OBJECT_FILES:
        for document in yaml.safe_load_all(path.read_text()):
            assert isinstance(document, dict), path
            yield document


def of_kind(*kinds: str) -> list[Object]:
    return [found for found in objects() if found["kind"] in kinds]


def dig(found: object, *steps: str | int) -> object:
    """What stands at a path; None where nothing does."""
    for step in steps:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int):
            found = found[step]
        else:
            return None
    return found


def several(found: object, *steps: str | int) -> list[Object]:
    """The list that stands at a path, of objects."""
    items = dig(found, *steps) or []
    assert isinstance(items, list)
    return items


def words(found: object, *steps: str | int) -> list[str]:
    """The list that stands at a path, of strings."""
    items = dig(found, *steps) or []
    assert isinstance(items, list)
    return items


def name(found: Object) -> str:
    return str(dig(found, "metadata", "name"))


def policy(called: str) -> Object:
    return next(found for found in of_kind("ValidatingAdmissionPolicy") if name(found) == called)


def test_every_object_is_there_once() -> None:
    counted = Counter((found["kind"], dig(found, "metadata", "namespace"), name(found)) for found in objects())
    assert [key for key, number in counted.items() if number > 1] == []


@pytest.mark.parametrize("folder", ["base", "policies"])
def test_a_kustomization_names_every_file_beside_it(folder: str) -> None:
    listed = words(next(objects(MANIFESTS / folder / "kustomization.yaml")), "resources")
    assert sorted(listed) == sorted(path.name for path in OBJECT_FILES if path.parent.name == folder)


@pytest.mark.parametrize(
    "path", [path for path in OBJECT_FILES if path.parent.name == "policies"], ids=lambda it: it.name
)
def test_a_policy_file_says_first_what_it_prevents(path: Path) -> None:
    essay = path.read_text().partition("apiVersion:")[0]
    assert all(line.startswith("#") for line in essay.splitlines() if line)
    assert path.name == "keep-stamps.yaml" or "Prevents:" in essay or "1. Prevents:" in essay


class TestPolicies:
    @pytest.mark.parametrize("kind", ["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"])
    def test_each_is_bound_and_each_binding_binds_one(self, kind: str) -> None:
        bound = {dig(binding, "spec", "policyName") for binding in of_kind(f"{kind}Binding")}
        assert bound == {name(found) for found in of_kind(kind)}

    def test_each_fails_closed(self) -> None:
        for found in of_kind("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"):
            assert dig(found, "spec", "failurePolicy") == "Fail", name(found)
        for binding in of_kind("ValidatingAdmissionPolicyBinding"):
            assert dig(binding, "spec", "validationActions") == ["Deny"], name(binding)

    def test_each_refusal_is_a_sentence(self) -> None:
        for found in of_kind("ValidatingAdmissionPolicy"):
            for validation in several(found, "spec", "validations"):
                assert validation.get("message") or validation.get("messageExpression"), name(found)
                assert validation["reason"] == "Forbidden"

    def test_all_that_know_the_operator_know_the_same_one(self) -> None:
        conditions = {
            name(found): condition["expression"]
            for found in of_kind("ValidatingAdmissionPolicy")
            for condition in several(found, "spec", "matchConditions")
            if condition["name"] == "not-by-the-operator"
        }
        assert set(conditions) == {"ucloud-keep-stamps", "ucloud-pod-create", "ucloud-pod-update"}
        assert set(conditions.values()) == {f"request.userInfo.username != '{ACCOUNT}'"}
        assert "".join(path.read_text() for path in FILES).count(ACCOUNT) == len(conditions)
        assert [(dig(it, "metadata", "namespace"), name(it)) for it in of_kind("ServiceAccount")] == [
            (NAMESPACE, "ucloud-operator")
        ]

    def test_another_namespace_is_told_to_all_of_them(self) -> None:
        overlay = (MANIFESTS / "overlays" / "elsewhere" / "kustomization.yaml").read_text()
        for policy in ("keep-stamps", "pod-create", "pod-update"):
            assert f"name: ucloud-{policy}\n" in overlay

    def test_the_epoch_is_the_lease_of_the_operator_and_a_missing_one_closes(self) -> None:
        binding = next(it for it in of_kind("ValidatingAdmissionPolicyBinding") if name(it) == "ucloud-pod-epoch")
        assert dig(binding, "spec", "paramRef") == {
            "name": "ucloud-operator",
            "namespace": NAMESPACE,
            "parameterNotFoundAction": "Deny",
        }
        lease = next(it for it in of_kind("Role") if name(it) == "ucloud-operator-lease")
        assert ["ucloud-operator"] in [rule.get("resourceNames") for rule in several(lease, "rules")]

    def test_the_epochs_policy_and_its_binding_stay_when_helm_uninstalls(self) -> None:
        kept = {
            (found["kind"], name(found))
            for found in objects()
            if dig(found, "metadata", "annotations", "helm.sh/resource-policy") == "keep"
        }
        assert kept == {
            ("ValidatingAdmissionPolicy", "ucloud-pod-epoch"),
            ("ValidatingAdmissionPolicyBinding", "ucloud-pod-epoch"),
        }

    def test_a_missing_lease_closes_for_pods_of_jobs_alone(self) -> None:
        selector = dig(policy("ucloud-pod-epoch"), "spec", "matchConstraints", "objectSelector", "matchExpressions")
        assert selector == [{"key": pods.JOB_UID, "operator": "Exists"}]


class TestNamesOfPods:
    """The policies and the program call the same things by the same names."""

    def test_an_eviction_knows_a_jobs_pod_by_its_name(self) -> None:
        condition = str(dig(policy("ucloud-pod-eviction"), "spec", "matchConditions", 0, "expression"))
        pattern = condition.removeprefix("request.name.matches('").removesuffix("')")
        for job in ("a", "my-job-7", "job", "j-a-job-0"):
            for rank, run in ((0, 1), (999, 1), (3, 2), (0, 120)):
                assert re.search(pattern, pods.pod_name(job, rank, run))
        for foreign in ("j-a", "web-0", "j-a-job-0-x7k2p", "a-job-0", "j-a-job-0-run-"):
            assert not re.search(pattern, foreign)

    @pytest.mark.parametrize("label", [pods.JOB_ID, pods.JOB_UID])
    def test_the_guard_knows_both_labels(self, label: str) -> None:
        for guarded in ("ucloud-pod-create", "ucloud-pod-update"):
            keys = {
                expression["key"]
                for binding in of_kind("ValidatingAdmissionPolicyBinding")
                if dig(binding, "spec", "policyName") == guarded
                for expression in several(binding, "spec", "matchResources", "objectSelector", "matchExpressions")
                if expression["operator"] == "Exists"
            }
            assert label in keys

    def test_the_guard_knows_finalizer_epoch_and_everything_else_that_is_ours(self) -> None:
        assert f"'{pods.FINALIZER}' in variables.finalizers" in (MANIFESTS / "policies" / "pod-guard.yaml").read_text()
        assert f"?annotations[?'{pods.EPOCH}']" in (MANIFESTS / "policies" / "pod-epoch.yaml").read_text()
        for key in (pods.RANK, pods.RUN, pods.PRICE, pods.REPLICAS, pods.PERIOD_MS, pods.WALLET, pods.STOP):
            assert key.startswith("ucloud.dk/")


class TestRoles:
    def test_nothing_is_a_wildcard(self) -> None:
        for role in of_kind("Role", "ClusterRole"):
            for rule in several(role, "rules"):
                assert "*" not in str(rule), name(role)

    def test_the_operator_hands_no_rights_on_and_reads_no_secrets(self) -> None:
        role = next(it for it in of_kind("ClusterRole") if name(it) == "ucloud-operator")
        for rule in several(role, "rules"):
            assert "rbac.authorization.k8s.io" not in words(rule, "apiGroups")
            assert not {"secrets", "serviceaccounts", "pods/exec"} & set(words(rule, "resources"))
            assert not {"bind", "escalate", "impersonate", "fund", "mint"} & set(words(rule, "verbs"))

    def test_people_write_no_status_and_no_pods(self) -> None:
        for role in objects(MANIFESTS / "base" / "rbac-users.yaml"):
            for rule in several(role, "rules"):
                writes = set(words(rule, "verbs")) - {"get", "list", "watch"}
                resources = words(rule, "resources")
                assert not [it for it in resources if it.endswith("/status")], name(role)
                assert not (writes and "pods" in resources), name(role)

    def test_only_minters_mint(self) -> None:
        minters = {
            name(it) for it in of_kind("Role", "ClusterRole") for rule in several(it, "rules") if "mint" in str(rule)
        }
        assert minters == {"ucloud-treasurer"}

    def test_what_becomes_part_of_kubernetes_own_roles_only_reads(self) -> None:
        for role in of_kind("ClusterRole"):
            if dig(role, "metadata", "labels"):
                for rule in several(role, "rules"):
                    assert set(words(rule, "verbs")) == {"get", "list", "watch"}, name(role)


class TestDeployment:
    @pytest.fixture
    def pod(self) -> object:
        return dig(of_kind("Deployment")[0], "spec", "template", "spec")

    @pytest.fixture
    def container(self, pod: object) -> object:
        return dig(pod, "containers", 0)

    def test_it_is_restricted(self, pod: object, container: object) -> None:
        assert dig(pod, "securityContext", "runAsNonRoot") is True
        assert dig(pod, "securityContext", "seccompProfile", "type") == "RuntimeDefault"
        assert dig(container, "securityContext") == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_it_runs_as_the_images_user(self, pod: object) -> None:
        user = dig(pod, "securityContext", "runAsUser")
        assert f"\nUSER {user}:{user}\n" in (CHECKOUT / "Dockerfile").read_text()

    def test_it_is_probed_where_it_listens(self, container: object) -> None:
        assert dig(container, "ports", 0, "containerPort") == Settings().http_port
        assert dig(container, "livenessProbe", "httpGet") == {"path": "/healthz", "port": "http"}
        assert dig(container, "readinessProbe", "httpGet") == {"path": "/readyz", "port": "http"}
        assert dig(of_kind("NetworkPolicy")[0], "spec", "ingress", 0, "ports", 0, "port") == "http"

    def test_what_it_is_told_by_its_environment_are_settings(self, container: object) -> None:
        for variable in several(container, "env"):
            assert str(variable["name"]).removeprefix("UCLOUD_RUN_").lower() in Settings.model_fields

    def test_one_of_two_always_stays(self) -> None:
        assert dig(of_kind("Deployment")[0], "spec", "replicas") == 2
        assert dig(of_kind("PodDisruptionBudget")[0], "spec", "minAvailable") == 1

    def test_it_goes_before_jobs_and_after_what_the_cluster_itself_needs(self, pod: object) -> None:
        (ours,) = of_kind("PriorityClass")
        assert dig(pod, "priorityClassName") == name(ours)
        value = dig(ours, "value")
        assert isinstance(value, int)
        assert 0 < value < HIGHEST_OF_USERS
        assert dig(ours, "globalDefault") is None

    def test_an_upgrade_on_a_full_cluster_ends_nobodys_job(self) -> None:
        (ours,) = of_kind("PriorityClass")
        assert dig(ours, "preemptionPolicy") == "Never"

    def test_its_rights_are_those_of_its_account(self, pod: object) -> None:
        assert dig(pod, "serviceAccountName") == "ucloud-operator"
        for binding in of_kind("RoleBinding", "ClusterRoleBinding"):
            if name(binding).startswith("ucloud-operator"):
                assert several(binding, "subjects") == [
                    {"kind": "ServiceAccount", "name": "ucloud-operator", "namespace": NAMESPACE}
                ]
