"""The Helm chart installs what kustomize does, in every way in which that can be varied."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import click
import pytest
import yaml

from devcluster.build import HELM, built
from devcluster.programs import find_programs
from ucloud_operator.__main__ import gateway
from ucloud_operator.settings import Settings

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "charts" / "ucloud-operator"
THE_PODS_OWN = {"namespace", "identity", "http_host", "http_port"}
"""Settings that the Deployment itself gives, or has a port and a probe for."""
THE_GATEWAYS_OWN = {"http_host", "http_port", "metrics_port", "leave_seconds", "log_format", "verbose"}
THE_OPERATORS_TOO = {"minimum_run_seconds"}

Things: TypeAlias = Mapping[tuple[str, str], Mapping[str, Any]]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=ROOT)


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(built(HELM) / "helm", *arguments)


def template(*options: str, namespace: str = "ucloud-system") -> Things:
    rendered = helm("template", "ucloud-operator", str(CHART), f"--namespace={namespace}", *options)
    assert rendered.returncode == 0, rendered.stderr
    return things(rendered.stdout)


def kustomize(folder: str = "manifests") -> str:
    made = run(find_programs().kubectl, "kustomize", folder)
    assert made.returncode == 0, made.stderr
    return made.stdout


def things(manifests: str) -> Things:
    """All objects but the namespace, which has to be there before Helm is."""
    found = {(thing["kind"], thing["metadata"]["name"]): thing for thing in yaml.safe_load_all(manifests) if thing}
    for (kind, _), thing in found.items():
        if "AdmissionPolicy" in kind:
            thing["metadata"].pop("namespace", None)  # they have none, which kustomize doesn't know
    return {name: thing for name, thing in found.items() if thing["kind"] != "Namespace"}


def test_its_copy_of_the_manifests_is_current() -> None:
    for name, folder in (
        ("installation", "manifests"),
        ("gateway", "manifests/gateway"),
        ("monitoring", "manifests/monitoring"),
    ):
        assert (CHART / "files" / f"{name}.yaml").read_text() == kustomize(folder), "make chart"


def test_helm_finds_nothing_wrong_with_it() -> None:
    linted = helm("lint", "--strict", str(CHART))
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("folder", "options", "namespace"),
    [
        ("manifests", (), "ucloud-system"),
        ("manifests/overlays/elsewhere", (), "billing"),
        ("manifests/overlays/without-stamps", ("--set=policies.stamps=false",), "ucloud-system"),
        ("manifests/overlays/single-replica", ("--set=replicas=1",), "ucloud-system"),
        ("manifests/base", ("--set=policies.enabled=false",), "ucloud-system"),
        ("manifests/overlays/with-monitoring", ("--set=monitoring.enabled=true",), "ucloud-system"),
    ],
)
def test_it_installs_what_kustomize_does(folder: str, options: tuple[str, ...], namespace: str) -> None:
    assert template(*options, namespace=namespace) == things(kustomize(folder))


def test_the_gateway_comes_if_it_is_wanted() -> None:
    wanted = template("--set=gateway.enabled=true")
    assert wanted == {**things(kustomize()), **things(kustomize("manifests/gateway"))}
    assert ("Deployment", "ucloud-gateway") not in template()


def test_a_release_that_knows_no_gateway_can_keep_its_values() -> None:
    assert template("--set=gateway=null") == template()


def test_a_kubernetes_that_is_too_old_is_refused() -> None:
    def rendered(version: str, *options: str) -> subprocess.CompletedProcess[str]:
        return helm("template", "ucloud-operator", str(CHART), f"--kube-version={version}", *options)

    assert "which is incompatible with Kubernetes v1.34.9" in rendered("1.34.9").stderr
    assert "set policies.stamps=false" in rendered("1.35.0-gke.1").stderr
    assert rendered("1.35.0-gke.1", "--set=policies.stamps=false").returncode == 0
    assert rendered("1.36.0-gke.1").returncode == 0


def test_it_brings_the_kinds_along() -> None:
    shown = helm("show", "crds", str(CHART))
    names = {thing["metadata"]["name"] for thing in yaml.safe_load_all(shown.stdout) if thing}
    assert names == {path.stem for path in (ROOT / "crds").glob("*.yaml")}


def test_values_change_what_they_say() -> None:
    values = {
        "image": {"repository": "registry.example.com/ucloud-operator", "tag": "0.2.0", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "replicas": 1,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"operator": "Exists"}],
        "settings": {"arm-seconds": 30},
    }
    changed = template(*(f"--set-json={name}={json.dumps(value)}" for name, value in values.items()))
    deployment = changed["Deployment", "ucloud-operator"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment["replicas"] == 1
    assert container["image"] == "registry.example.com/ucloud-operator:0.2.0"
    assert container["imagePullPolicy"] == "Always"
    assert container["args"] == ["run", "--log-format=json", "--arm-seconds=30"]
    assert {name: pod[name] for name in values if name in pod} == {
        name: values[name] for name in ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations")
    }
    assert ("PriorityClass", "ucloud-operator") not in changed  # another one was chosen


def test_it_can_do_without_a_priority_class() -> None:
    changed = template("--set=priorityClassName=")
    assert ("PriorityClass", "ucloud-operator") not in changed
    assert "priorityClassName" not in changed["Deployment", "ucloud-operator"]["spec"]["template"]["spec"]


def test_values_change_the_gateway_too() -> None:
    values = {
        "image": {"repository": "registry.example.com/ucloud-operator", "tag": "0.2.0"},
        "imagePullSecrets": [{"name": "registry"}],
        "tolerations": [{"operator": "Exists"}],
        "settings": {"minimum-run-seconds": 5, "arm-seconds": 30},
        "monitoring": {"namespace": "observe"},
        "gateway": {
            "enabled": True,
            "replicas": 1,
            "resources": {"limits": {"memory": "1Gi"}},
            "settings": {"root-namespace": "top"},
        },
    }
    changed = template(*(f"--set-json={name}={json.dumps(it)}" for name, it in values.items()), namespace="billing")
    assert {thing["metadata"].get("namespace", "billing") for thing in changed.values()} == {"billing"}
    assert ("PodDisruptionBudget", "ucloud-gateway") not in changed
    assert ("PodDisruptionBudget", "ucloud-operator") in changed
    deployment = changed["Deployment", "ucloud-gateway"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    (usual,) = things(kustomize("manifests/gateway"))["Deployment", "ucloud-gateway"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert deployment["replicas"] == 1
    assert container["image"] == "registry.example.com/ucloud-operator:0.2.0"
    assert container["args"] == [*usual["args"], "--minimum-run-seconds=5", "--root-namespace=top"]
    assert gateway.make_context("gateway", container["args"][1:]).params["minimum_run_seconds"] == 5
    assert container["resources"] == {"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}
    assert (pod["imagePullSecrets"], pod["tolerations"]) == (values["imagePullSecrets"], values["tolerations"])
    _, prometheus = changed["NetworkPolicy", "ucloud-gateway"]["spec"]["ingress"]
    assert prometheus["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observe"}


def test_monitoring_is_told_where_everything_is() -> None:
    page = "https://wiki.example.com/alerts"
    options = ("monitoring.enabled=true", f"monitoring.runbooks={page}", "monitoring.namespace=observe", "replicas=1")
    changed = template(*(f"--set={option}" for option in options), namespace="billing")
    assert {thing["metadata"].get("namespace", "billing") for thing in changed.values()} == {"billing"}
    (rule,) = changed["NetworkPolicy", "ucloud-operator-metrics"]["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observe"}
    groups = changed["PrometheusRule", "ucloud-operator"]["spec"]["groups"]
    alerts = {rule["alert"]: rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"]}
    assert alerts["UCloudNobodyLeads"] == f"{page}#ucloudnobodyleads"
    assert "UCloudNobodyStandsBy" not in alerts  # there is one replica only
    assert len(alerts) > 20


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("settings.arm-secnds=30", "additional properties 'arm-secnds' not allowed"),
        ("settings.arm-seconds=soon", "want integer"),
        ("replica=1", "additional properties 'replica' not allowed"),
        ("gateway.settings.http-port=80", "additional properties 'http-port' not allowed"),
        ("monitoring.runbooks=docs/alerts.md", "does not match pattern"),
        ("image.pullPolicy=never", "value must be one of"),
    ],
)
def test_a_value_that_means_nothing_is_refused(value: str, complaint: str) -> None:
    refused = helm("template", "ucloud-operator", str(CHART), f"--set={value}")
    assert refused.returncode != 0
    assert complaint in refused.stderr


def test_it_knows_every_setting() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["properties"]["settings"]["properties"]
    assert set(known) == {name.replace("_", "-") for name in set(Settings.model_fields) - THE_PODS_OWN}
    for name, said in known.items():
        field = Settings.model_fields[name.replace("-", "_")]
        assert said["description"] == f"{field.description} (default {field.default})"


def test_it_knows_every_option_of_the_gateway() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["properties"]["gateway"]["properties"]["settings"]["properties"]
    options = {str(option.name): option for option in gateway.params if isinstance(option, click.Option)}
    assert {name.replace("-", "_") for name in known} == options.keys() - THE_GATEWAYS_OWN - THE_OPERATORS_TOO
    for name, said in known.items():
        option = options[name.replace("-", "_")]
        assert said["description"] == f"{option.help} (default {option.default})"
