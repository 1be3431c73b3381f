"""docs/metrics.md has every metric once, as the operator's and the gateway's metrics.py have it."""

import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from ucloud_operator import metrics
from ucloud_operator.gateway import metrics as gateway_metrics

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def row(metric: Counter | Gauge | Histogram) -> str:
    """A metric's row of the table, up to the column that no program can write."""
    described = next(iter(metric.describe()))
    name = described.name + ("_total" if isinstance(metric, Counter) else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    cells = (f"`{name}`", described.type, labels, described.documentation)
    return "".join(f"| {cell} ".replace("  ", " ") for cell in cells) + "| "


def test_the_page_has_a_row_for_every_metric_and_for_no_other() -> None:
    ours = [
        each
        for module in (metrics, gateway_metrics)
        for each in vars(module).values()
        if isinstance(each, Counter | Gauge | Histogram)
    ]
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]

    for metric in ours:
        assert [line for line in rows if line.startswith(row(metric))], f"docs/metrics.md should have:\n\n{row(metric)}"
    assert len(rows) == len(ours)


def test_every_row_says_what_it_answers() -> None:
    assert not re.findall(r"\| *\|$", PAGE, re.MULTILINE)
