"""A load balancer before a cluster's servers as settings say it: its name, who reaches it, and where its name stands.

Owns what outside of the cluster is called and let in. Refuses the internet: it has private addresses only.
"""

from typing import Annotated

from pydantic import Field

from ...model import Form, Host, Ipv4Cidr, Section
from ..traffic import API_PORT

HostedZoneId = Annotated[str, Form(r"Z[A-Z0-9]{1,31}", "a hosted zone's id such as Z0123456789ABCDEFGHIJ")]


class LoadBalancer(Section):
    """A network load balancer with private addresses, for applications outside of the cluster. It passes connections to
    the servers' API on as they are, so that TLS ends in the servers."""

    domain: Host
    """Name by which it is reached, at port 8200. The servers' certificate has it, too."""
    client_cidrs: Annotated[tuple[Ipv4Cidr, ...], Field(min_length=1, max_length=40, strict=False)]
    """Networks that may reach it, outside of `network_cidr`. At most 40, of the 60 rules that a security group has room
    for (AWS VPC, quotas)."""
    hosted_zone_id: HostedZoneId | None = None
    """Zone of Route 53 in which `domain` is made. None: somebody else makes it, as an alias of `load_balancer` among
    the stack's outputs."""

    @property
    def address(self) -> str:
        """URL of the servers' API."""
        return f"https://{self.domain}:{API_PORT}"
