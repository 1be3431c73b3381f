"""The kinds we talk about, and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind's place in the API. The core group's name is the empty string."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """What objects of this kind carry as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the quoted path of a collection (without a namespace, of all), an object, or a part of one."""
        if namespace is not None and not self.namespaced:
            raise ValueError(f"{self} are not kept in namespaces, but {namespace!r} was given")
        if namespace is None and name is not None and self.namespaced:
            raise ValueError(f"{self} {name!r} needs a namespace")
        steps = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None:
            steps += ["namespaces", _step(namespace)]
        steps.append(self.plural)
        if name is not None:
            steps.append(_step(name))
        if subresource is not None:
            steps.append(subresource)
        return "/" + "/".join(steps)

    def __str__(self) -> str:
        """Write it as kubectl does."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _step(name: str) -> str:
    """Quote a name that users may have chosen, so that it can't name anything but an object of this collection."""
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is no name")
    return quote(name, safe="")


PODS = Resource("", "v1", "pods", "Pod", namespaced=True)
SERVICES = Resource("", "v1", "services", "Service", namespaced=True)
EVENTS = Resource("", "v1", "events", "Event", namespaced=True)
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
WALLETS = Resource("ucloud.dk", "v1alpha1", "wallets", "Wallet", namespaced=True)
UCLOUDJOBS = Resource("ucloud.dk", "v1alpha1", "ucloudjobs", "UCloudJob", namespaced=True)
COMPUTEPRODUCTS = Resource("ucloud.dk", "v1alpha1", "computeproducts", "ComputeProduct", namespaced=False)
APPLICATIONS = Resource("ucloud.dk", "v1alpha1", "applications", "Application", namespaced=False)
WALLETSTATEMENTS = Resource("ucloud.dk", "v1alpha1", "walletstatements", "WalletStatement", namespaced=True)
LEDGERCHECKPOINTS = Resource("ucloud.dk", "v1alpha1", "ledgercheckpoints", "LedgerCheckpoint", namespaced=True)
SELFSUBJECTREVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
SELFSUBJECTACCESSREVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
