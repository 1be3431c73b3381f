"""What is asked of Prometheus: by the alerts and by the dashboard."""

import json
import re
from collections.abc import Iterator

from tests.monitoring.alerts import MONITORING, alerts

DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
ALL_QUERIES = [*QUERIES, *(rule["expr"] for rule in alerts().values())]
GATEWAY_QUERIES = [query for query in ALL_QUERIES if "ucloud_gateway_" in query]
OPERATOR_QUERIES = [query for query in ALL_QUERIES if query not in GATEWAY_QUERIES]
ADDED_BY_PROMETHEUS = {"pod", "instance"}


def named(query: str) -> Iterator[tuple[str, set[str]]]:
    """The series of ours that a query names, each with the labels that it selects by."""
    for name, selector in re.findall(r"\b(ucloud_\w+)(?:\{([^}]*)\})?", query):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))


def grouped(query: str) -> set[str]:
    """The labels that a query groups by."""
    return {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", query) for label in found.split(",")}
