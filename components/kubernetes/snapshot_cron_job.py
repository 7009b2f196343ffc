"""Snapshots of the servers in a cluster: the program that takes them on a node, as a CronJob.

Owns when it runs and how it logs in. Refuses a credential of its own: its service account opens Vault and the bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from ..model import SettingError, hold
from ..render.calendar import cron
from ..render.chart import jobs
from ..render.chart.jobs import JobPod
from ..render.chart.names import JOBS_NAMESPACE
from ..render.snapshots import PodLogin, SnapshotRun, Snapshots, parameters, whole_program
from .program_job import ProgramJob, ProgramJobArgs

_SECONDS = 1_800
"""As long as a node's may take (render/node/snapshots.py)."""


@dataclass(frozen=True, kw_only=True)
class SnapshotCronJobArgs:
    """What is taken where, and who can read it."""

    snapshots: Snapshots
    """As settings say it. Its store is a bucket, which the role of the service account `snapshots` may write to."""
    texts: Mapping[str, str]
    """What the files hold that settings name, by their names: the recipients' public keys."""
    image: str
    """What it runs in, by its digest: Python 3.11, boto3 and pyrage."""
    role_arn: pulumi.Input[str] | None = None
    """Role of IAM that its account names, as for `ProgramJob`."""
    scratch_gibibytes: int
    """Room for one snapshot, as Vault gives it and encrypted; the servers' volume is the most that it can take."""
    auth_path: str
    """Mount of the Kubernetes auth method. Its role `snapshots` is for the service account `snapshots` in the jobs'
    namespace and for the audience `vault`."""

    def __post_init__(self) -> None:
        hold("snapshots.schedule", self.snapshots.schedule, cron)
        if self.snapshots.store.kind != "bucket":
            raise SettingError("snapshots.store.kind", repr(self.snapshots.store.kind), "'bucket', off the cluster")


class SnapshotCronJob(pulumi.ComponentResource):
    """Each run asks whichever server is active, and none is tried again: the next one is as good."""

    def __init__(self, name: str, args: SnapshotCronJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:SnapshotCronJob", name, {}, opts)
        run = SnapshotRun(
            address=jobs.ACTIVE_SERVER,
            ca_file=jobs.AUTHORITY_FILE,
            recipients=args.snapshots.keys(args.texts),
            pod_login=PodLogin(mount=args.auth_path, token_file=jobs.IDENTITY_FILE),
        )
        files = {"snapshot.py": whole_program(), "parameters.json": parameters(args.snapshots, run)}
        taken = ProgramJobArgs(
            namespace=JOBS_NAMESPACE,
            pod=JobPod(
                image=args.image,
                account=jobs.SNAPSHOTS,
                seconds=_SECONDS,
                command=(f"{jobs.PROGRAMS}/snapshot.py", f"{jobs.PROGRAMS}/parameters.json"),
                authority=jobs.published(),
                logs_in=True,
                # On the node's own disk, which is encrypted: in memory, it would have to be as large as Vault's data.
                scratch={"sizeLimit": f"{args.scratch_gibibytes}Gi"},
            ),
            files=files,
            known="".join(files.values()),
            role_arn=args.role_arn,
            schedule=cron(args.snapshots.schedule),
        )
        ProgramJob(f"{name}-taken", taken, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
