"""A throw-away Kubernetes: a real control plane on this machine, with nodes that only pretend to run pods.

API server, etcd, controller manager and scheduler are the real ones; KWOK plays the kubelets by the rules in `kwok/`.
`README.md` says what such a pod can be told to do.
"""

from devcluster.cluster import Cluster
from devcluster.problems import DevclusterError
from devcluster.users import ADMIN, ALICE, BOB, EXAMPLE, OPERATOR, User

__all__ = ["ADMIN", "ALICE", "BOB", "EXAMPLE", "OPERATOR", "Cluster", "DevclusterError", "User"]
