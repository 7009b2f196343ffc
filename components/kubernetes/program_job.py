"""A program that runs in the cluster, once or again and again, with a service account of its own.

Owns the account, the ConfigMap with the program, and the Job or CronJob. Refuses to run once what has run: a Job's name
says what it is.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from ..model import hold
from ..render.chart import jobs
from ..render.chart.jobs import PINNED, JobPod
from ..render.chart.names import ROLE_ANNOTATION

_NAME_DIGITS = 12
_WAITED = "20m"
"""Longer than a Job may take (render/chart/jobs.py), and for an image to be fetched."""


@dataclass(frozen=True, kw_only=True)
class ProgramJobArgs:
    """What runs where."""

    namespace: str
    """Where it runs."""
    pod: JobPod
    """The pod. The names of the Job and of its ConfigMap begin with its account's."""
    files: Mapping[str, pulumi.Input[str]]
    """Programs and parameters by their names. No secret: a ConfigMap is plain text."""
    known: str
    """All of the files that is known before anything is made. Another text is another Job."""
    role_arn: pulumi.Input[str] | None = None
    """Role of IAM that the account names, where its pods take it on by their token."""
    schedule: str | None = None
    """When it runs, in cron's words and in UTC; none: once."""

    def __post_init__(self) -> None:
        hold("image", self.pod.image, PINNED.check)


class ProgramJob(pulumi.ComponentResource):
    """What runs once is waited for until it has succeeded; one that failed is replaced by the next `up`."""

    def __init__(self, name: str, args: ProgramJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ProgramJob", name, {}, opts)
        digest = hashlib.sha256(f"{args.pod.image}\n{args.pod.command}\n{args.known}".encode()).hexdigest()
        called = f"{args.pod.account}-{digest[:_NAME_DIGITS]}"
        account = kubernetes.core.v1.ServiceAccount(
            f"{name}-account",
            metadata={
                "name": args.pod.account,
                "namespace": args.namespace,
                **({"annotations": {ROLE_ANNOTATION: args.role_arn}} if args.role_arn is not None else {}),
            },
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        programs = kubernetes.core.v1.ConfigMap(
            f"{name}-programs",
            metadata={"name": called, "namespace": args.namespace},
            data=args.files,
            immutable=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        if args.schedule is None:
            self._once(name, args, called, [account, programs])
        else:
            self._repeated(name, args, called, args.schedule, [account, programs])
        self.register_outputs({})

    def _repeated(
        self, name: str, args: ProgramJobArgs, programs: str, schedule: str, before: list[pulumi.Resource]
    ) -> None:
        specification: Any = jobs.repeated(args.pod, programs, schedule)
        kubernetes.batch.v1.CronJob(
            f"{name}-runs",
            metadata={"name": args.pod.account, "namespace": args.namespace},
            spec=specification,
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )

    def _once(self, name: str, args: ProgramJobArgs, called: str, before: list[pulumi.Resource]) -> None:
        specification: Any = jobs.job(args.pod, called)
        kubernetes.batch.v1.Job(
            f"{name}-job",
            metadata={
                "name": called,
                "namespace": args.namespace,
                # Without it, one that failed would be waited for again, for ever.
                "annotations": {"pulumi.com/replaceUnready": "true"},
            },
            spec=specification,
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                depends_on=before,
                custom_timeouts=pulumi.CustomTimeouts(create=_WAITED, update=_WAITED),
            ),
        )
