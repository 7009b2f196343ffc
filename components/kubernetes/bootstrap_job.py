"""First boot in a cluster: the bootstrap script as a Job, which keeps key shares in AWS.

Owns which server it asks and who may administer from where. Refuses a service's name for that server: two that answer
it would be two clusters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from ..platform.local import ADMINISTRATOR_NETWORKS
from ..render.aws import role_policies
from ..render.bootstrap import Bootstrap, BootstrapRun, SharesSecret, parameters, programs_of_a_job
from ..render.chart import jobs
from ..render.chart.jobs import JobPod
from ..render.chart.names import JOBS_NAMESPACE
from .program_job import ProgramJob, ProgramJobArgs

_PARAMETERS = "parameters.json"


@dataclass(frozen=True, kw_only=True)
class BootstrapJobArgs:
    """Whose first boot, and where its key shares go."""

    bootstrap: Bootstrap
    """Who gets a share, and who may log in afterwards."""
    texts: Mapping[str, str]
    """What the files hold that settings name, by their names: public keys and the administrator's certificate."""
    policy: str
    """Text of the administrator's ACL policy."""
    replicas: int
    """How many servers there are."""
    image: str
    """What the Job runs in, by its digest."""
    environment: str
    """In the names of the secrets, as for `FirstBootRole`."""
    region: str
    """Of Secrets Manager."""
    kms_key_arn: pulumi.Input[str]
    """Key of the key shares."""
    role_arn: pulumi.Input[str] | None = None
    """Role of IAM that its account names, as for `ProgramJob`."""
    kept: str
    """Policy of the secrets themselves, of `render.aws.role_policies.kept_secret`."""


class BootstrapJob(pulumi.ComponentResource):
    """The Job. It comes after the servers, their authority (`PublishedAuthority`) and its role (`FirstBootRole`).
    Another administrator, policy or operator is another Job, which finds that there is nothing to do.

    The administrator's login is bound to the servers' own loopback: it is reached by a port that the cluster's API
    forwards, so that a stolen pair is worth nothing without the right to that."""

    def __init__(self, name: str, args: BootstrapJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:BootstrapJob", name, {}, opts)
        key = pulumi.Output.from_input(args.kms_key_arn)
        programs = programs_of_a_job()
        files: dict[str, pulumi.Input[str]] = {**programs}
        files[_PARAMETERS] = key.apply(lambda arn: parameters(_run(args, arn)))
        run = ProgramJobArgs(
            namespace=JOBS_NAMESPACE,
            pod=JobPod(
                image=args.image,
                account=jobs.FIRST_BOOT,
                command=(f"{jobs.PROGRAMS}/bootstrap.py", f"{jobs.PROGRAMS}/{_PARAMETERS}"),
                authority=jobs.published(),
            ),
            files=files,
            # The key is known later, and another one changes nothing of what was kept.
            known="".join([*programs.values(), parameters(_run(args, ""))]),
            role_arn=args.role_arn,
        )
        ProgramJob(f"{name}-run", run, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})


def _run(args: BootstrapJobArgs, kms_key_arn: str) -> BootstrapRun:
    return BootstrapRun(
        bootstrap=args.bootstrap,
        texts=args.texts,
        address=jobs.FIRST_SERVER,
        ca_file=jobs.AUTHORITY_FILE,
        auto_unseal=True,
        shares_secret=SharesSecret(
            name=role_policies.key_shares(args.environment),
            region=args.region,
            kms_key_arn=kms_key_arn,
            kept=args.kept,
        ),
        servers=args.replicas,
        policy=args.policy,
        token_bound_cidrs=ADMINISTRATOR_NETWORKS,
    )
