"""The certificate of the servers' authority, where jobs and whoever administers can read it.

Owns the ConfigMap and the Job that fills it. Refuses to read the authority's Secret into the program: its private key
would be in the state.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from ..render.bootstrap import publishing_program
from ..render.chart import jobs, network_policies
from ..render.chart.jobs import JobPod
from ..render.chart.names import JOBS_NAMESPACE, NAMESPACE
from .program_job import ProgramJob, ProgramJobArgs


@dataclass(frozen=True, kw_only=True)
class PublishedAuthorityArgs:
    """What publishes it."""

    image: str
    """What the Job runs in, by its digest."""
    api_networks: tuple[str, ...]
    """Networks of the cluster's own API, and nothing else is reached."""


class PublishedAuthority(pulumi.ComponentResource):
    """A ConfigMap `vault-authority` in the jobs' namespace with the key `ca.crt`, filled by a Job in the servers'
    namespace that may change this ConfigMap and nothing else. It is published once for each program and image: where
    cert-manager makes another authority, this component has to be replaced."""

    def __init__(self, name: str, args: PublishedAuthorityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PublishedAuthority", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        published = kubernetes.core.v1.ConfigMap(
            f"{name}-published",
            metadata={"name": jobs.AUTHORITY, "namespace": JOBS_NAMESPACE},
            # Filled by the Job.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["data"]),
        )
        role = kubernetes.rbac.v1.Role(
            f"{name}-role",
            metadata={"name": jobs.PUBLISHER, "namespace": JOBS_NAMESPACE},
            rules=[
                {
                    "api_groups": [""],
                    "resources": ["configmaps"],
                    "resource_names": [jobs.AUTHORITY],
                    "verbs": ["patch"],
                }
            ],
            opts=child,
        )
        granted = kubernetes.rbac.v1.RoleBinding(
            f"{name}-binding",
            metadata={"name": jobs.PUBLISHER, "namespace": JOBS_NAMESPACE},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": jobs.PUBLISHER},
            subjects=[{"kind": "ServiceAccount", "name": jobs.PUBLISHER, "namespace": NAMESPACE}],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        traffic: Any = network_policies.only_the_clusters_api(args.api_networks, jobs.labels(jobs.PUBLISHER))
        reached = kubernetes.networking.v1.NetworkPolicy(
            f"{name}-reached",
            metadata={"name": jobs.PUBLISHER, "namespace": NAMESPACE},
            spec=traffic,
            opts=child,
        )
        files = publishing_program()
        command = (f"{jobs.PROGRAMS}/publish_authority.py", jobs.AUTHORITY_FILE, JOBS_NAMESPACE, jobs.AUTHORITY)
        run = ProgramJobArgs(
            namespace=NAMESPACE,
            pod=JobPod(
                image=args.image,
                account=jobs.PUBLISHER,
                command=command,
                authority=jobs.made(),
                asks_kubernetes=True,
            ),
            files=files,
            known="".join(files.values()),
        )
        before = [published, granted, reached]
        ProgramJob(f"{name}-publisher", run, pulumi.ResourceOptions(parent=self, depends_on=before))
        self.register_outputs({})
