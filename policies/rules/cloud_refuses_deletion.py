"""Rule: the cloud itself refuses to delete what a protected stack keeps. Owns which of its types can."""

from collections.abc import Iterator

from .data_holding_is_protected import wanted
from .rule import Resource, Rule


def _check(resource: Resource) -> Iterator[str]:
    if wanted(resource) and resource.known("deleteProtection") and resource.get("deleteProtection") is not True:
        yield "deleteProtection is off, but the stack's settings say protect"


RULE = Rule(
    name="cloud-refuses-deletion",
    sentence="The cloud refuses to delete a volume or an address unless the stack's settings say protect: false.",
    remediation="Pass delete_protection=settings.protect, which also holds for who works without Pulumi.",
    source="Hetzner, Volumes and Primary IPs API: change protection",
    types=(
        "hcloud:index/primaryIp:PrimaryIp",
        "hcloud:index/volume:Volume",
    ),
    check=_check,
)
