"""The alerts as they are installed, and the cases that say when each fires and when it doesn't."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
MONITORING = HERE.parents[1] / "manifests" / "monitoring"
CASE_FILES = sorted(path for path in HERE.glob("*.yaml") if path.name != "healthy.yaml")
SCRAPE_SECONDS = 15
SCRAPE_INTERVAL = f"{SCRAPE_SECONDS}s"
UNITS = {"s": 1, "m": 60, "h": 3600}


def rule_groups() -> list[Any]:
    """The groups of the PrometheusRule."""
    groups = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"]
    assert isinstance(groups, list)
    return groups


def alerts() -> dict[str, Any]:
    """All alerts by their name."""
    return {rule["alert"]: rule for group in rule_groups() for rule in group["rules"]}


@dataclass(frozen=True)
class Case:
    """What is scraped, and whether an alert fires at an instant, or stays silent up to it."""

    alert: str
    title: str
    series: Mapping[str, str]
    at: str
    says: str | None
    """The description that is sent; None where nothing is."""
    labels: Mapping[str, str]

    def as_test(self) -> object:
        """Return it as promtool wants it."""
        rule = alerts()[self.alert]
        expected = {
            "exp_labels": {**rule["labels"], **self.labels},
            "exp_annotations": {**rule["annotations"], "description": self.says},
        }
        return {
            "name": f"{self.alert}: {self.title}",
            "interval": SCRAPE_INTERVAL,
            "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
            "alert_rule_test": [
                {"alertname": self.alert, "eval_time": at, "exp_alerts": [] if self.says is None else [expected]}
                for at in ([self.at] if self.says is not None else self._scrapes())
            ],
        }

    def _scrapes(self) -> Iterator[str]:
        """Return the instants of all scrapes."""
        for seconds in range(0, UNITS[self.at[-1]] * int(self.at[:-1]) + 1, SCRAPE_SECONDS):
            yield f"{seconds}s"


def cases() -> list[Case]:
    """All cases of all files."""
    return list(_cases())


def _cases() -> Iterator[Case]:
    for path in CASE_FILES:
        for told in yaml.load(path.read_text(), yaml.BaseLoader):  # noqa: S506  # strings only: 0x20 is no number here
            for fires in (True, False):
                for case in told["fires" if fires else "silent"]:
                    assert fires is ("says" in case), case["title"]
                    yield Case(
                        alert=told["alert"],
                        title=case["title"],
                        series=case["series"],
                        at=case["at"],
                        says=case.get("says"),
                        labels=case.get("labels", {}),
                    )
