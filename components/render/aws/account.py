"""An account in a region: where a cluster is, and the names that follow from that before anything is made."""

import re
from typing import Annotated, Self

from pydantic import model_validator

from ...model import Form, Name, Section, SettingError

_DIRECTION = r"north|south|east|west|central"
Region = Annotated[
    str,
    Form(
        rf"(?!cn-)[a-z]{{2}}-(?:{_DIRECTION})(?:east|west)?-[1-9]",
        "an AWS region such as eu-central-1",
    ),
]
"""A region whose ARNs begin with `arn:aws:`."""
RoleArn = Annotated[
    str,
    Form(
        r"arn:aws:iam::[0-9]{12}:role/(?!aws-service-role/)(?:[A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}",
        "a role's ARN such as arn:aws:iam::123456789012:role/up, and of no service",
    ),
]


def zone_prefix(region: str) -> str:
    """What the ids of a region's zones begin with: `euc1` of `eu-central-1`."""
    area, direction, number = region.split("-")
    return area + "".join(one[0] for one in re.findall(_DIRECTION, direction)) + number


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

    @model_validator(mode="after")
    def _roles_of_the_account(self) -> Self:
        for name in ("deployer_role_arn", "break_glass_role_arn"):
            arn = getattr(self, name)
            if arn and f"::{self.account_id}:" not in arn:
                raise SettingError(name, repr(arn), f"a role of account_id, which is {self.account_id!r}")
        if self.deployer_role_arn == self.break_glass_role_arn:
            expected = "another role than deployer_role_arn, or none, which stands for that one"
            raise SettingError("break_glass_role_arn", repr(self.break_glass_role_arn), expected)
        return self

    @property
    def root(self) -> str:
        """ARN that stands for the account itself."""
        return f"arn:aws:iam::{self.account_id}:root"

    @property
    def keeper_role_arn(self) -> str:
        """The one role that may end or replace what is lost for good: that of emergencies, or whoever runs `up`."""
        return self.break_glass_role_arn or self.deployer_role_arn

    def identity_provider_arn(self, issuer: str) -> str:
        """ARN that IAM gives to who vouches for a cluster's service accounts, by the URL of their tokens' issuer."""
        return f"arn:aws:iam::{self.account_id}:oidc-provider/{issuer.removeprefix('https://')}"

    def cluster_arn(self, name: str) -> str:
        """ARN that a cluster of this name has, or will have."""
        return f"arn:aws:eks:{self.region}:{self.account_id}:cluster/{name}"
