"""What Prometheus is told and asked, against a real operator, and what is installed for it, by a real API server."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from devcluster import Cluster, DevclusterError
from tests.cluster.storytelling.cast import SUCCESS, Story
from tests.cluster.storytelling.telling import story
from tests.cluster.support import built
from tests.monitoring.conftest import run_promtool
from tests.monitoring.queries import ADDED_BY_PROMETHEUS, OPERATOR_QUERIES, grouped, named

CHECKOUT = Path(__file__).parents[2]
OVERLAY = CHECKOUT / "manifests" / "overlays" / "with-monitoring"
KINDS = CHECKOUT / "tests" / "monitoring" / "crds"


def labels_by_series(scrape: str) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@story
async def test_a_scrape_has_every_series_and_label_that_is_asked_for(story: Story) -> None:
    home = await story.workspace(quota=2000)
    job = await home.job()
    await job.ends(SUCCESS, "OutOfCredits")
    await job.has_no_pods()
    _, scrape = await story.stage.operator.ask("/metrics")
    known = labels_by_series(scrape)
    for query in OPERATOR_QUERIES:
        found = list(named(query))
        for name, selected in found:
            assert name in known, query
            assert selected <= known[name] | ADDED_BY_PROMETHEUS, query
        assert grouped(query) <= {label for name, _ in found for label in known[name]} | ADDED_BY_PROMETHEUS, query
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= known.keys()
    assert known["ucloud_kubelet_clock_skew_seconds_count"] == set()


@story
async def test_a_scrape_keeps_to_the_rules_of_prometheus_and_does_not_grow_with_jobs(story: Story) -> None:
    home = await story.workspace()
    for number in range(3):
        await (await home.job(f"job-{number}")).runs()
    _, scrape = await story.stage.operator.ask("/metrics")
    checked = run_promtool("check", "metrics", stdin=scrape)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert home.namespace not in scrape
    samples = [line for line in scrape.splitlines() if not line.startswith("#")]
    print(f"{len(samples)} series, {len(scrape)} bytes")
    assert len(samples) < 2000


@pytest.fixture(scope="module")
def prometheus(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with the kinds of the Prometheus operator."""
    cluster.kubectl("apply", "--server-side", f"--filename={KINDS}")
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"--filename={KINDS}")
    yield cluster
    cluster.kubectl("delete", f"--filename={KINDS}")


def apply(cluster: Cluster, manifests: str) -> str:
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    return cluster.kubectl("apply", *options, "--filename=-", stdin=manifests)


def test_the_api_server_takes_it(prometheus: Cluster) -> None:
    told = apply(prometheus, built(prometheus, OVERLAY))
    for name in ("podmonitor.monitoring.coreos.com", "prometheusrule.monitoring.coreos.com", "deployment.apps"):
        assert f"{name}/ucloud-operator " in told
    assert "configmap/ucloud-operator-dashboard " in told


def test_it_would_refuse_a_mistake(prometheus: Cluster) -> None:
    manifests = built(prometheus, OVERLAY)
    for right, wrong in (
        ("sampleLimit: 5000", "sampleLimits: 5000"),
        ("severity: critical", "severity: [critical]"),
    ):
        assert right in manifests
        with pytest.raises(DevclusterError):
            apply(prometheus, manifests.replace(right, wrong))


def test_prometheus_alone_may_ask_and_runbooks_are_where_the_overlay_says(cluster: Cluster) -> None:
    things = list(yaml.safe_load_all(cluster.kubectl("kustomize", str(OVERLAY))))
    policies = {it["metadata"]["name"]: it["spec"]["ingress"] for it in things if it["kind"] == "NetworkPolicy"}
    assert policies["ucloud-operator"] == []
    assert all(rule["from"] for rule in policies["ucloud-operator-metrics"])
    rules = next(it for it in things if it["kind"] == "PrometheusRule")
    pages = {
        rule["annotations"]["runbook_url"].partition("#")[0]
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
    }
    assert pages == {rules["metadata"]["annotations"]["ucloud.dk/runbooks"]}
