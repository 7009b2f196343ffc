"""An account in a region: where a cluster is, and the names that follow from that before anything is made."""

from typing import Annotated

from ...model import Form, Name, Section

Region = Annotated[str, Form(r"[a-z]{2}(?:-[a-z]+)+-[0-9]", "an AWS region such as eu-central-1")]
RoleArn = Annotated[
    str,
    Form(r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+", "a role's ARN such as arn:aws:iam::123456789012:role/up"),
]


class AwsAccount(Section):
    """An account of AWS, and who may do what in it beside the estate."""

    account_id: Annotated[str, Form(r"[0-9]{12}", "an account's 12 digits, in quotes")]
    """Number of the account. Whoever is in another one by mistake is stopped by the names that follow from it."""
    region: Region
    """Where everything is."""
    profile: Name | None = None
    """Name of the profile in AWS' files with which everything is made. None: the variables `AWS_*`."""
    deployer_role_arn: RoleArn
    """Who runs `up`. A role, since a session's ARN would be another one each day."""
    break_glass_role_arn: RoleArn | None = None
    """Who may delete the seal's key or change what it allows, and nobody else. None: who runs `up`."""

    @property
    def root(self) -> str:
        """ARN that stands for the account itself."""
        return f"arn:aws:iam::{self.account_id}:root"

    def cluster_arn(self, name: str) -> str:
        """ARN that a cluster of this name has, or will have."""
        return f"arn:aws:eks:{self.region}:{self.account_id}:cluster/{name}"
