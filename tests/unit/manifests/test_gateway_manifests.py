"""What is installed of the gateway: it fits the program and the operator beside it, and no secret is in it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from ucloud_operator.__main__ import gateway
from ucloud_operator.gateway.app import CLOSING_SECONDS
from ucloud_operator.kube.login import SERVICE_ACCOUNT

CHECKOUT = Path(__file__).parents[3]
FOLDER = CHECKOUT / "manifests" / "gateway"
NAME = "ucloud-gateway"
LABELS = {"app.kubernetes.io/name": NAME}


def objects(path: Path) -> dict[str, Any]:
    return {found["kind"]: found for found in yaml.safe_load_all(path.read_text())}


INSTALLED = objects(FOLDER / "deployment.yaml")
POD = INSTALLED["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}


@pytest.fixture(scope="module")
def options() -> dict[str, Any]:
    """What the command takes its arguments for."""
    assert CONTAINER["args"][0] == "gateway"
    return gateway.make_context("gateway", CONTAINER["args"][1:]).params


def test_everything_is_called_the_same_and_lies_where_the_operator_is() -> None:
    for found in INSTALLED.values():
        assert (found["metadata"]["name"], found["metadata"]["namespace"]) == (NAME, "ucloud-system")
    selected = [INSTALLED[kind]["spec"]["selector"] for kind in ("Deployment", "PodDisruptionBudget")]
    assert selected == [{"matchLabels": LABELS}] * 2
    assert INSTALLED["NetworkPolicy"]["spec"]["podSelector"] == {"matchLabels": LABELS}
    assert INSTALLED["Service"]["spec"]["selector"] == LABELS
    assert INSTALLED["Deployment"]["spec"]["template"]["metadata"]["labels"] == LABELS


def test_nothing_is_bound_to_its_account_and_no_object_gives_rights() -> None:
    assert POD["serviceAccountName"] == INSTALLED["ServiceAccount"]["metadata"]["name"]
    assert set(INSTALLED) == {
        "ServiceAccount",
        "Deployment",
        "PodDisruptionBudget",
        "Service",
        "NetworkPolicy",
    }
    for path in (CHECKOUT / "manifests").rglob("*.yaml"):
        for found in yaml.safe_load_all(path.read_text()):
            subjects = found.get("subjects") or [] if found["kind"].endswith("Binding") else []
            assert NAME not in {subject["name"] for subject in subjects}, path


def test_it_has_no_secret_and_the_authority_lies_where_the_program_looks() -> None:
    assert INSTALLED["ServiceAccount"]["automountServiceAccountToken"] is False
    assert POD["automountServiceAccountToken"] is False
    authority, tmp = POD["volumes"]
    assert authority["configMap"] == {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert tmp["emptyDir"]
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert mounts == {authority["name"]: str(SERVICE_ACCOUNT), tmp["name"]: "/tmp"}  # noqa: S108  # a mount of its own
    assert "env" not in CONTAINER


def test_it_is_restricted_and_is_the_operators_image() -> None:
    operator = objects(CHECKOUT / "manifests" / "base" / "deployment.yaml")["Deployment"]["spec"]["template"]["spec"]
    assert POD["securityContext"] == operator["securityContext"]
    assert CONTAINER["securityContext"] == operator["containers"][0]["securityContext"]
    assert CONTAINER["image"] == operator["containers"][0]["image"]
    assert (CHECKOUT / "Dockerfile").read_text().count("--extra gateway") == 2


def test_it_listens_where_it_is_asked(options: dict[str, Any]) -> None:
    assert {"http": options["http_port"], "metrics": options["metrics_port"]} == PORTS
    ports = {"livenessProbe": "metrics", "readinessProbe": "http", "startupProbe": "metrics"}
    for probe, port in ports.items():
        assert CONTAINER[probe]["httpGet"] == {"path": "/healthz", "port": port}
    (exposed,) = INSTALLED["Service"]["spec"]["ports"]
    assert exposed["targetPort"] == "http"


def test_metrics_are_for_prometheus_alone() -> None:
    anybody, prometheus = INSTALLED["NetworkPolicy"]["spec"]["ingress"]
    assert [port["port"] for port in anybody["ports"]] == ["http"]
    assert [port["port"] for port in prometheus["ports"]] == ["metrics"]
    assert prometheus["from"]


def test_no_replica_is_missing_while_another_version_comes(options: dict[str, Any]) -> None:
    spec = INSTALLED["Deployment"]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert INSTALLED["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert options["leave_seconds"] >= 5
    assert POD["terminationGracePeriodSeconds"] > options["leave_seconds"] + CLOSING_SECONDS


def test_an_option_that_there_is_not_would_be_noticed() -> None:
    assert CliRunner().invoke(gateway, [*CONTAINER["args"][1:], "--leave=1"]).exit_code == 2


class TestExamples:
    def test_an_ingress_leads_to_the_service(self) -> None:
        ingress = objects(FOLDER / "examples" / "ingress.yaml")["Ingress"]
        (rule,), (tls,) = ingress["spec"]["rules"], ingress["spec"]["tls"]
        assert tls["hosts"] == [rule["host"]]
        (path,) = rule["http"]["paths"]
        (port,) = INSTALLED["Service"]["spec"]["ports"]
        assert path["backend"]["service"] == {"name": NAME, "port": {"name": port["name"]}}
        assert ingress["metadata"]["namespace"] == INSTALLED["Service"]["metadata"]["namespace"]

    def test_a_route_leads_to_the_service(self) -> None:
        found = objects(FOLDER / "examples" / "gateway-api.yaml")
        route, entrance = found["HTTPRoute"], found["Gateway"]
        (port,) = INSTALLED["Service"]["spec"]["ports"]
        for rule in route["spec"]["rules"]:
            assert rule["backendRefs"] == [{"name": NAME, "port": port["port"]}]
        (parent,), (listener,) = route["spec"]["parentRefs"], entrance["spec"]["listeners"]
        assert (parent["name"], parent["sectionName"]) == (entrance["metadata"]["name"], listener["name"])
        assert route["spec"]["hostnames"] == [listener["hostname"]]
        assert listener["tls"]["mode"] == "Terminate"

    def test_nothing_of_them_is_applied_by_itself(self) -> None:
        listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
        assert listed == ["deployment.yaml"]
