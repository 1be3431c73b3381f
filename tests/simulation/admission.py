"""What the installed policies (manifests/policies) do to the requests that matter to the operator, in Python.

Not a replica of them: tests of the policies themselves need a real API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation.refusals import denied
from tests.simulation.storage import Place, Storage
from ucloud_operator.kube.resources import LEASES, PODS, UCLOUDJOBS, WALLETS, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.objects import Json

OPERATOR: Final = "system:serviceaccount:ucloud-system:ucloud-operator"
LEASE: Final = Place("ucloud-system", "ucloud-operator")

_FINALIZERS: Final[Mapping[Resource, str]] = {UCLOUDJOBS: "ucloud.dk/settled", WALLETS: "ucloud.dk/ledger"}
_OURS: Final = "ucloud.dk/"
_JOB_UID: Final = "ucloud.dk/job-uid"


def stamped(resource: Resource, thing: Json, user: str) -> Json:
    """Put the finalizer on a new job or wallet, and its creator on a job."""
    finalizer = _FINALIZERS.get(resource)
    if finalizer is None:
        return thing
    metadata = dict(thing["metadata"])
    present = metadata.get("finalizers", [])
    metadata["finalizers"] = [*present, *([] if finalizer in present else [finalizer])]
    if resource == UCLOUDJOBS:
        metadata["annotations"] = {**metadata.get("annotations", {}), "ucloud.dk/created-by": user}
    return {**thing, "metadata": metadata}


def admit_create(storage: Storage, resource: Resource, thing: Json, user: str) -> None:
    """Let only the leader create pods of jobs."""
    metadata = thing["metadata"]
    if resource != PODS or _JOB_UID not in metadata.get("labels", {}):
        return
    name = metadata["name"]
    if user != OPERATOR:
        raise denied(PODS, name, "ucloud-pod-create", "only the operator creates pods of jobs")
    lease = storage.get(LEASES, LEASE)
    if lease is None:
        raise denied(PODS, name, "ucloud-pod-epoch", "there is no lease")
    epoch = metadata.get("annotations", {}).get("ucloud.dk/epoch", "none")
    current = str(lease.get("spec", {}).get("leaseTransitions", 0))
    if epoch != current:
        raise denied(PODS, name, "ucloud-pod-epoch", f"this pod was made in epoch {epoch}, the lease is in {current}")


def admit_update(resource: Resource, old: Json, new: Json, user: str) -> None:
    """Keep everyone but the operator from taking off what it relies on."""
    if user == OPERATOR or user.startswith("system:"):
        return
    before, after = old["metadata"], new["metadata"]
    name = before["name"]
    finalizer = _FINALIZERS.get(resource, "ucloud.dk/metered")
    if finalizer in before.get("finalizers", []) and finalizer not in after.get("finalizers", []):
        raise denied(resource, name, "ucloud-keep-stamps", f"the finalizer {finalizer} stays")
    if resource == PODS and _JOB_UID in before.get("labels", {}):
        for section in ("labels", "annotations"):
            if _ours(before.get(section, {})) != _ours(after.get(section, {})):
                raise denied(PODS, name, "ucloud-pod-update", f"only the operator changes its {section}")
        if old["spec"].get("activeDeadlineSeconds") != new["spec"].get("activeDeadlineSeconds"):
            raise denied(PODS, name, "ucloud-pod-update", "only the operator changes the deadline")


def admit_delete(resource: Resource, thing: Json, grace_seconds: int | None) -> None:
    """Refuse a longer good-bye than a job's pod has of its own."""
    if resource != PODS or _JOB_UID not in thing["metadata"].get("labels", {}):
        return
    own = thing["spec"]["terminationGracePeriodSeconds"]
    if grace_seconds is not None and grace_seconds > own:
        name = thing["metadata"]["name"]
        raise denied(PODS, name, "ucloud-pod-delete", f"{grace_seconds} s is longer than its own {own} s")


def _ours(strings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in strings.items() if name.startswith(_OURS)}
