"""Each alert fires in its case and not in the neighbouring one, by the words of promtool."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.monitoring.alerts import HERE, SCRAPE_INTERVAL, alerts, cases
from tests.monitoring.conftest import Promtool


def test_prometheus_can_read_the_rules(promtool: Promtool, rules: Path) -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", rules)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires = Counter(case.alert for case in cases() if case.says is not None)
    silent = Counter(case.alert for case in cases() if case.says is None)
    assert fires.keys() == silent.keys() == alerts().keys()


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_fires_when_it_should(promtool: Promtool, rules: Path, alert: str) -> None:
    tests = [case.as_test() for case in cases() if case.alert == alert]
    path = rules.with_name("test.yaml")
    path.write_text(
        yaml.safe_dump({"rule_files": [rules.name], "evaluation_interval": SCRAPE_INTERVAL, "tests": tests})
    )
    told = promtool("test", "rules", path)
    assert told.returncode == 0, told.stdout + told.stderr


def test_no_alert_fires_on_a_healthy_day(promtool: Promtool, rules: Path) -> None:
    path = rules.with_name("healthy.yaml")
    path.write_text((HERE / "healthy.yaml").read_text())
    told = promtool("test", "rules", path)
    assert told.returncode == 0, told.stdout + told.stderr
