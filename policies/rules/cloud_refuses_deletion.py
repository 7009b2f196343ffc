"""Rule: the cloud itself refuses to delete what a protected stack keeps. Owns which of its types can."""

from collections.abc import Iterator

from .data_holding_is_protected import wanted
from .rule import Resource, Rule

_PROPERTIES = {
    "aws:eks/cluster:Cluster": "deletionProtection",
    "aws:lb/loadBalancer:LoadBalancer": "enableDeletionProtection",
    "aws:rds/instance:Instance": "deletionProtection",
    "hcloud:index/primaryIp:PrimaryIp": "deleteProtection",
    "hcloud:index/volume:Volume": "deleteProtection",
}
"""What each type calls it."""


def _check(resource: Resource) -> Iterator[str]:
    name = _PROPERTIES[resource.type]
    if wanted(resource) and resource.known(name) and resource.get(name) is not True:
        yield f"{name} is off, but the stack's settings say protect"


RULE = Rule(
    name="cloud-refuses-deletion",
    sentence="The cloud refuses to delete what keeps data or an address, unless settings say protect: false.",
    remediation="Pass settings.protect as its own protection, which also holds for who works without Pulumi.",
    source="Hetzner, Volumes and Primary IPs API: change protection; AWS EKS, RDS and ELB, deletion protection; "
    "Checkov CKV_AWS_150, CKV_AWS_293",
    types=tuple(_PROPERTIES),
    check=_check,
)
