"""Kubernetes clusters whose nodes really run pods, for fake providers of clouds: kubelet and containerd, here.

Owns how a cluster is built from Go modules, started, lost and taken away. Knows nothing of any cloud. What is not real:
nodes are namespaces of one machine and one kernel; a volume is a folder of its zone; images come from archives and not
from a registry, names outside the cluster are those that `Cluster.resolve` is told, cert-manager has no webhook, and
what a pod's role may do is up to whoever stands in for AWS. Tried with control groups of the first version; there was
no host with the second to try it on.
"""

from fake_providers.nodes.cluster import Cluster
from fake_providers.nodes.images import ClusterImage
from fake_providers.nodes.node import ClusterNode
from fake_providers.nodes.programs import PACKAGES, ClusterPrograms, hashicorp_image, prepare, why_not

__all__ = [
    "PACKAGES",
    "Cluster",
    "ClusterImage",
    "ClusterNode",
    "ClusterPrograms",
    "hashicorp_image",
    "prepare",
    "why_not",
]
