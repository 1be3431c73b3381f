"""Requests at random, made of what /openapi.json says, to the gateway in front of a real API server.

None may be answered with a 5xx, and every answer has a status and a form that is described there. `make fuzz` does the
same for as long as one likes.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import EXAMPLE, Cluster
from devcluster.users import token
from tests.cluster.people import Person
from tests.cluster.storytelling.lab import (
    Setting,
    bound,
    job,
    namespace,
    specification,
    unattended_lab,
    wallet,
)
from tests.cluster.support import eventually

HERE = "fuzz"
SEED = os.environ.get("FUZZ_SEED", "1")
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
"""How long, if it is to go on for longer than a few requests per call."""

MOST_JOBS = 50
COUNT = "count/ucloudjobs.ucloud.dk"
NAME = {"name": "example-compute", "category": "example-compute", "provider": "example"}
SPECIFICATION = specification(
    application={"name": "acme-web-application", "version": "1.0.0"},
    product={"id": NAME["name"], "category": NAME["category"], "provider": NAME["provider"]},
)
CONFIGURATION = f"""headers = {{ Authorization = "Bearer ${{TOKEN}}", Project = "{HERE}" }}"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
)


@pytest.fixture(scope="module")
def setting(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """With what the examples of UCloud's documentation name, so that some requests have an effect."""
    with unattended_lab(cluster, tmp_path_factory.mktemp("gateway"), *workspace()) as setting:
        allow_few_jobs(setting)
        yield setting
        setting.cluster.kubectl("delete", "computeproduct,application", "fuzz")


def allow_few_jobs(setting: Setting) -> None:
    """Write a quota's status, as the controller that does so looks for new kinds only now and then."""
    setting.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few", "namespace": HERE},
            "spec": {"hard": {COUNT: str(MOST_JOBS)}},
        }
    )
    admin = Person(setting.cluster.kubeconfig)
    jobs = f"/apis/ucloud.dk/v1alpha1/namespaces/{HERE}/ucloudjobs?dryRun=All"

    def counts() -> bool:
        status = {"hard": {COUNT: str(MOST_JOBS)}, "used": {COUNT: "1"}}
        admin.patch(f"/api/v1/namespaces/{HERE}/resourcequotas/few/status", {"status": status})
        return admin.create(jobs, job("probe", SPECIFICATION, HERE)).allowed

    eventually(counts)


def workspace() -> Iterator[dict[str, object]]:
    kinds = {"apiVersion": "ucloud.dk/v1alpha1", "metadata": {"name": "fuzz"}}
    category = {"name": NAME["category"], "provider": NAME["provider"]}
    product = {"name": NAME["name"], "category": category, "price": 1, "cpu": 1, "memoryInGigs": 1}
    application = {"name": "acme-web-application", "version": "1.0.0", "image": "busybox"}
    paying = wallet(HERE, NAME["category"], 10**12)
    paying["spec"]["paysFor"]["provider"] = NAME["provider"]  # type: ignore[index]
    yield namespace(HERE)
    yield {**kinds, "kind": "ComputeProduct", "spec": product}
    yield {**kinds, "kind": "Application", "spec": application}
    yield paying
    yield bound(HERE, EXAMPLE, "ucloud-user")
    yield job("62348", SPECIFICATION, HERE)


def test_no_request_is_answered_with_anything_else_than_what_is_described(setting: Setting, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    how_long = (
        (f"--max-time={60 * MINUTES:.0f}", "--generation-database=none")
        if MINUTES
        else ("--max-examples=10", "--generation-deterministic")
    )
    command = (
        str(Path(sys.executable).with_name("st")),
        "run",
        f"http://127.0.0.1:{setting.port}/openapi.json",
        "--exclude-operation-id=jobs.follow",  # it has no end
        f"--checks={','.join(CHECKS)}",
        f"--seed={SEED}",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--warnings=off",
        "--request-timeout=60",
        "--no-color",
        *how_long,
    )
    done = subprocess.run(
        command,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"TOKEN": token(setting.cluster.state, EXAMPLE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert 1 < len(setting.jobs(HERE)) <= MOST_JOBS
