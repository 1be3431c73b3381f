"""What is installed for monitoring fits together: alerts, their pages, the dashboard, and the metrics there are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from tests.monitoring.alerts import MONITORING, alerts
from tests.monitoring.conftest import Promtool
from tests.monitoring.queries import ADDED_BY_PROMETHEUS, ALL_QUERIES, DASHBOARD, PANELS, QUERIES, grouped, named
from ucloud_operator import metrics
from ucloud_operator.gateway import metrics as gateway_metrics

ALERTS_PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
METRICS = [
    each
    for module in (metrics, gateway_metrics)
    for each in vars(module).values()
    if isinstance(each, Counter | Gauge | Histogram)
]
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def series() -> dict[str, set[str]]:
    """The series that the operator and the gateway export, and their labels."""
    return {
        described.name + suffix: {*each._labelnames, *(("le",) if suffix == "_bucket" else ())}
        for each in METRICS
        for described in each.describe()
        for suffix in SUFFIXES[described.type]
    }


@pytest.mark.parametrize("query", ALL_QUERIES)
def test_what_is_asked_for_exists(query: str) -> None:
    known, found = series(), list(named(query))
    for name, selected in found:
        assert name in known
        assert selected <= known[name] | ADDED_BY_PROMETHEUS, name
    assert found or query.startswith("process_")
    assert grouped(query) <= {label for name, _ in found for label in known[name]} | ADDED_BY_PROMETHEUS


def test_every_metric_is_looked_at_by_an_alert_or_the_dashboard() -> None:
    looked_at = {
        name for query in (*QUERIES, *(rule["expr"] for rule in alerts().values())) for name, _ in named(query)
    }
    for metric in METRICS:
        described = next(iter(metric.describe()))
        assert {described.name + suffix for suffix in SUFFIXES[described.type]} & looked_at, described.name


class TestAlerts:
    def test_each_has_its_page_and_each_page_its_alert(self) -> None:
        assert re.findall(r"^## (UCloud\w+)$", ALERTS_PAGE, re.MULTILINE) == list(alerts())

    @pytest.mark.parametrize("alert", alerts())
    def test_each_says_how_bad_it_is_and_where_to_read_on(self, alert: str) -> None:
        rule = alerts()[alert]
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"].partition("#")[2] == alert.lower()
        page = ALERTS_PAGE.partition(f"## {alert}\n\n")[2].partition("\n## ")[0]
        assert page.startswith(f"*{rule['labels']['severity'].capitalize()}.* ")
        for part in ("- **Users see**", "- **Check**: ", "- **Mend**: "):
            assert part in page


class TestDashboard:
    def test_each_panel_says_what_it_shows_and_has_a_place_of_its_own(self) -> None:
        places = [
            (x, y)
            for panel in DASHBOARD["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(places) == len(set(places))
        assert max(x for x, _ in places) < 24
        assert all(panel["title"] and panel["description"] for panel in PANELS)
        assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])

    def test_every_query_is_promql(self, promtool: Promtool, tmp_path: Path) -> None:
        rules = [
            {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m")}
            for number, query in enumerate(QUERIES)
        ]
        path = tmp_path / "queries.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        checked = promtool("check", "rules", path)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def objects() -> Iterator[Any]:
    for path in MONITORING.glob("*.yaml"):
        yield from yaml.safe_load_all(path.read_text())


@pytest.mark.parametrize(("folder", "name"), [("base", "ucloud-operator"), ("gateway", "ucloud-gateway")])
def test_prometheus_looks_for_the_pods_and_port_that_there_are(folder: str, name: str) -> None:
    installed = list(yaml.safe_load_all((MONITORING.parent / folder / "deployment.yaml").read_text()))
    pod = next(found for found in installed if found["kind"] == "Deployment")["spec"]["template"]
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    monitor = next(it for it in objects() if (it["kind"], it["metadata"]["name"]) == ("PodMonitor", name))["spec"]
    assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    scraped = {endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]}
    assert scraped <= ports
    policies = [it["spec"] for it in (*installed, *objects()) if it["kind"] == "NetworkPolicy"]
    open_to_prometheus = {
        port["port"]
        for policy in policies
        if policy["podSelector"] == monitor["selector"]
        for rule in policy["ingress"]
        if "from" in rule
        for port in rule["ports"]
    }
    assert open_to_prometheus == scraped
