import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tests.unit.lifecycle.stories import application, job, product
from ucloud_operator.api import Application, ComputeProduct, UCloudJob
from ucloud_operator.lifecycle import pods
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.pods import Json, Launch, build_pod, build_service, host_name, pod_name, service_name


def launch(
    of: UCloudJob | None = None, on: ComputeProduct | None = None, what: Application | None = None, run: int = 1
) -> Launch:
    return Launch(
        job=of or job(),
        product=on or product(),
        application=what or application(),
        wallet="compute",
        run=run,
        price=50_000,
        period_ms=60_000,
        epoch=3,
    )


def at(built: Json, *path: str | int) -> Json:
    for step in path:
        if isinstance(step, int):
            assert isinstance(built, Sequence)
            assert not isinstance(built, str)
            built = built[step]
        else:
            assert isinstance(built, Mapping)
            built = built[step]
    return built


def environment(built: Json) -> dict[str, str]:
    variables = at(built, "spec", "containers", 0, "env")
    assert isinstance(variables, Sequence)
    return {str(at(variable, "name")): str(at(variable, "value")) for variable in variables}


def test_names_are_uclouds_in_the_first_run_and_new_in_each_other() -> None:
    assert service_name("62348") == "j-62348"
    assert pod_name("62348", 0, 1) == host_name("62348", 0) == "j-62348-job-0"
    assert pod_name("62348", 12, 3) == "j-62348-job-12-run-3"


def test_what_stands_on_pods_that_run_is_still_found_after_an_upgrade() -> None:
    assert (pods.STOP, pods.EXHAUSTS_AT, pods.RESERVED) == (
        "ucloud.dk/stop",
        "ucloud.dk/exhausts-at",
        "ucloud.dk/reserved",
    )


def test_the_longest_names_fit() -> None:
    assert len(host_name("x" * 45, 999)) <= 63
    assert len(pod_name("x" * 45, 999, 999)) <= 63


def test_what_is_built_is_what_is_read() -> None:
    built = build_pod(launch(job(replicas=2), run=2), rank=1)
    pod = Pod.model_validate_json(json.dumps(built))
    assert (pod.job_uid, pod.rank, pod.run, pod.is_held, pod.is_bound) == ("job-uid", 1, 2, True, False)
    assert pod.rate is not None
    assert (pod.rate.price, pod.rate.replicas, pod.rate.period_ms) == (50_000, 2, 60_000)
    assert pod.stop is None


def test_the_metadata_finds_pins_and_holds() -> None:
    built = build_pod(launch(job(replicas=2)), rank=1)
    metadata = at(built, "metadata")
    assert (at(built, "apiVersion"), at(built, "kind")) == ("v1", "Pod")
    assert metadata == {
        "name": "j-62348-job-1",
        "namespace": "ws",
        "labels": {
            "ucloud.dk/jobId": "62348",
            "ucloud.dk/job-uid": "job-uid",
            "app.kubernetes.io/managed-by": "ucloud-operator",
            "ucloud.dk/rank": "1",
            "ucloud.dk/run": "1",
        },
        "annotations": {
            "ucloud.dk/jobId": "62348",
            "ucloud.dk/rank": "1",
            "ucloud.dk/price": "50000",
            "ucloud.dk/replicas": "2",
            "ucloud.dk/period-ms": "60000",
            "ucloud.dk/wallet": "compute",
            "ucloud.dk/epoch": "3",
        },
        "finalizers": ["ucloud.dk/metered"],
        "ownerReferences": [
            {
                "apiVersion": "ucloud.dk/v1alpha1",
                "kind": "UCloudJob",
                "name": "62348",
                "uid": "job-uid",
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }


def test_a_pod_is_restricted_and_alone() -> None:
    built = build_pod(launch(job(terminationGracePeriodSeconds=40)), rank=0)
    spec = at(built, "spec")
    assert isinstance(spec, Mapping)
    assert spec["restartPolicy"] == "Never"
    assert spec["terminationGracePeriodSeconds"] == 40
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert at(spec, "containers", 0, "securityContext") == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"nodeName", "activeDeadlineSeconds", "nodeSelector", "tolerations"} & set(spec)


def test_a_pod_says_where_it_is_found() -> None:
    spec = at(build_pod(launch(), rank=0), "spec")
    assert (at(spec, "hostname"), at(spec, "subdomain")) == ("j-62348-job-0", "j-62348")


def test_a_pod_reads_its_annotations_as_files() -> None:
    spec = at(build_pod(launch(), rank=0), "spec")
    assert at(spec, "containers", 0, "volumeMounts", 0) == {
        "name": "ucloud",
        "mountPath": "/etc/ucloud",
        "readOnly": True,
    }
    items = at(spec, "volumes", 0, "downwardAPI", "items")
    assert {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}} in items  # type: ignore[operator]
    assert at(items, 1, "fieldRef", "fieldPath") == "metadata.annotations['ucloud.dk/exhausts-at']"
    assert isinstance(items, Sequence)
    assert {str(at(item, "path")): str(at(item, "fieldRef", "fieldPath")) for item in items} == {
        "annotations": "metadata.annotations",
        "exhausts-at": "metadata.annotations['ucloud.dk/exhausts-at']",
        "rank.txt": "metadata.annotations['ucloud.dk/rank']",
        "number_of_nodes.txt": "metadata.annotations['ucloud.dk/replicas']",
    }


def test_a_pod_shares_memory_up_to_what_it_pays_for() -> None:
    spec = at(build_pod(launch(on=product(memoryInGigs=3)), rank=0), "spec")
    assert at(spec, "containers", 0, "volumeMounts", 1) == {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108
    assert at(spec, "volumes", 0, "name") == "ucloud"
    assert at(spec, "volumes", 1) == {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "3Gi"}}


def test_a_container_runs_the_applications_image_and_has_the_name_by_which_it_is_found() -> None:
    container = at(build_pod(launch(), rank=0), "spec", "containers", 0)
    assert (at(container, "name"), at(container, "image")) == ("user-job", "example.com/acme:1.0.0")
    assert at(container, "imagePullPolicy") == "IfNotPresent"


def test_what_is_set_aside_stands_on_the_pod() -> None:
    built = build_pod(replace(launch(), reserved=100_000), rank=0)
    assert at(built, "metadata", "annotations", "ucloud.dk/reserved") == "100000"
    assert Pod.model_validate_json(json.dumps(built)).reserved == 100_000


def test_the_environment_is_uclouds_whatever_the_application_says() -> None:
    what = application(env={"LOG_LEVEL": "info", "UCLOUD_RANK": "9"})
    assert environment(build_pod(launch(job(replicas=3), what=what), rank=2)) == {
        "LOG_LEVEL": "info",
        "UCLOUD_JOB_ID": "62348",
        "UCLOUD_RANK": "2",
        "UCLOUD_TASK_COUNT": "3",
        "VC_JOB_NUM": "3",
        "VC_TASK_INDEX": "2",
        "VK_TASK_INDEX": "2",
    }


def test_what_a_user_writes_is_not_expanded() -> None:
    of = job(parameters={"b": "$(UCLOUD_RANK)", "a": 1}, openedFile="/home/$(X)")
    variables = environment(build_pod(launch(of), rank=0))
    assert variables["UCLOUD_PARAMETERS"] == '{"a":1,"b":"$$(UCLOUD_RANK)"}'
    assert variables["UCLOUD_OPEN_WITH_FILE"] == "/home/$$(X)"


def test_an_image_keeps_its_own_command_unless_the_application_has_one() -> None:
    container = at(build_pod(launch(), rank=0), "spec", "containers", 0)
    assert isinstance(container, Mapping)
    assert not {"command", "args"} & set(container)
    what = application(command=["/bin/serve"], args=["--port", "80"])
    container = at(build_pod(launch(what=what), rank=0), "spec", "containers", 0)
    assert at(container, "command") == ("/bin/serve",)
    assert at(container, "args") == ("--port", "80")


@pytest.mark.parametrize(
    ("spec", "amounts"),
    [
        ({}, {"memory": "2Gi"}),
        ({"cpu": 4}, {"memory": "2Gi", "cpu": "4000m"}),
        ({"cpuMillis": 250}, {"memory": "2Gi", "cpu": "250m"}),
        ({"gpu": 2, "gpuResource": "amd.com/gpu"}, {"memory": "2Gi", "amd.com/gpu": "2"}),
    ],
)
def test_a_replica_gets_what_the_product_has(spec: dict[str, str | int], amounts: dict[str, str]) -> None:
    built = build_pod(launch(on=product(**spec)), rank=0)
    assert at(built, "spec", "containers", 0, "resources") == {"requests": amounts, "limits": amounts}


def test_a_product_says_where_it_runs() -> None:
    on = product(nodeSelector={"machine": "large"}, tolerations=[{"key": "dedicated", "value": "large"}])
    spec = at(build_pod(launch(on=on), rank=0), "spec")
    assert at(spec, "nodeSelector") == {"machine": "large"}
    assert at(spec, "tolerations") == [{"key": "dedicated", "operator": "Equal", "value": "large"}]
    on = product(tolerations=[{"key": "x", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}])
    assert at(build_pod(launch(on=on), rank=0), "spec", "tolerations") == [
        {"key": "x", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}
    ]


def test_nothing_that_is_built_is_null() -> None:
    of = job(parameters={"a": 1}, openedFile="/x", replicas=2)
    built = build_pod(launch(of, product(tolerations=[{"operator": "Exists"}])), rank=0)
    assert "null" not in json.dumps([built, build_service(of)])


def test_replicas_find_each_other_before_they_are_ready() -> None:
    built = build_service(job(replicas=2))
    assert (at(built, "apiVersion"), at(built, "kind")) == ("v1", "Service")
    assert at(built, "metadata") == {
        "name": "j-62348",
        "namespace": "ws",
        "labels": {
            "ucloud.dk/jobId": "62348",
            "ucloud.dk/job-uid": "job-uid",
            "app.kubernetes.io/managed-by": "ucloud-operator",
        },
        "ownerReferences": at(build_pod(launch(), rank=0), "metadata", "ownerReferences"),
    }
    assert at(built, "spec") == {
        "clusterIP": "None",
        "selector": {"ucloud.dk/job-uid": "job-uid"},
        "publishNotReadyAddresses": True,
    }


def test_there_is_no_pod_beyond_the_replicas() -> None:
    with pytest.raises(AssertionError):
        build_pod(launch(), rank=1)
