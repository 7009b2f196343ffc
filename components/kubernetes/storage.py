"""Volumes of the servers: their class, and a claim for each, which the chart's StatefulSet finds by its name.

Owns what would be lost with them. Refuses to leave claims to the StatefulSet, which can't resize them and hides them
from whoever looks at the stack.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from ..render.chart.names import NAMESPACE, STORAGE_CLASS, claims, labels
from ..render.chart.server_file import ClusterServer


@dataclass(frozen=True, kw_only=True)
class ServerStorageArgs:
    """Whose volumes, and by which key they are encrypted."""

    server: ClusterServer
    """The servers: how many, and how large their volumes are."""
    kms_key_arn: pulumi.Input[str]
    """Key of the cluster's disks, which isn't the seal's."""
    protect: bool
    """Keeps the claims."""


class ServerStorage(pulumi.ComponentResource):
    """A class of encrypted volumes that grow and stay, and two claims for each server: its data and its audit log."""

    def __init__(self, name: str, args: ServerStorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ServerStorage", name, {}, opts)
        pods = args.server.pods
        volumes = kubernetes.storage.v1.StorageClass(
            f"{name}-class",
            metadata={"name": STORAGE_CLASS},
            provisioner="ebs.csi.aws.com",
            parameters={"type": "gp3", "encrypted": "true", "kmsKeyId": args.kms_key_arn},
            reclaim_policy="Retain",
            # A volume belongs to one zone; it is made in that of the pod's node.
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        sizes = {"data": pods.data_gibibytes, "audit": pods.audit_gibibytes}
        for volume, claim in claims(pods.replicas):
            kubernetes.core.v1.PersistentVolumeClaim(
                f"{name}-{claim}",
                metadata={
                    "name": claim,
                    "namespace": NAMESPACE,
                    "labels": labels(args.server.flavor),
                    # The provider waits for "Pending" with such a class, and for five minutes at a bound one.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                spec=kubernetes.core.v1.PersistentVolumeClaimSpecArgs(
                    access_modes=["ReadWriteOnce"],
                    storage_class_name=STORAGE_CLASS,
                    resources=kubernetes.core.v1.VolumeResourceRequirementsArgs(
                        requests={"storage": f"{sizes[volume]}Gi"}
                    ),
                ),
                opts=pulumi.ResourceOptions(
                    parent=self, protect=args.protect, retain_on_delete=True, depends_on=[volumes]
                ),
            )
        self.register_outputs({})
