"""Rotation of an application's secrets in the cluster: `vault-estate rotate --due`, as a CronJob.

Owns when it runs and what it is told. Refuses a credential of its own: its service account opens Vault. It reaches
Vault and nobody else, so that programs of an application's own, which know another end, have no place here.
"""

from dataclasses import dataclass

import pulumi

from ..model import hold
from ..render.chart import jobs
from ..render.chart.jobs import PINNED, JobPod
from ..render.chart.names import JOBS_NAMESPACE
from .program_job import ProgramJob, ProgramJobArgs

_SCHEDULE = "*/15 * * * *"
"""As the timer of a machine: often enough for every period that settings take."""
_DOCUMENT = "vault-estate.json"


@dataclass(frozen=True, kw_only=True)
class RotationCronJobArgs:
    """Whose secrets are rotated, and in what."""

    account: str
    """The service account, which the rotator's login is for, in the jobs' namespace and for the audience `vault`. It
    is called as no other job there."""
    document: str
    """What the library is told, with that login. It names no authority: that is mounted."""
    image: str
    """What it runs in, by its digest: Python 3.11 and the library `vault-estate`."""

    def __post_init__(self) -> None:
        hold("image", self.image, PINNED.check)


class RotationCronJob(pulumi.ComponentResource):
    """One run at a time; one that is ended goes on with the next."""

    def __init__(self, name: str, args: RotationCronJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:RotationCronJob", name, {}, opts)
        rotated = ProgramJobArgs(
            namespace=JOBS_NAMESPACE,
            pod=JobPod(
                image=args.image,
                account=args.account,
                command=("-m", "vault_estate", "rotate", "--due"),
                authority=jobs.published(),
                logs_in=True,
                environment={
                    "VAULT_ESTATE_CONFIG": f"{jobs.PROGRAMS}/{_DOCUMENT}",
                    "VAULT_CACERT": jobs.AUTHORITY_FILE,
                    "VAULT_KUBERNETES_TOKEN_FILE": jobs.IDENTITY_FILE,
                },
            ),
            files={_DOCUMENT: args.document},
            known=args.document,
            schedule=_SCHEDULE,
        )
        ProgramJob(f"{name}-rotated", rotated, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
