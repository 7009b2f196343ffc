"""The network of a cluster: subnets in each zone, ways to the internet and to AWS' services, and a record of traffic.

Owns everything between the internet and a node. Refuses public addresses to nodes, and a default security group that
lets anything through.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.aws import role_policies
from ..render.traffic import ANYWHERE, need_of_url
from .cluster_site import EksSite, ZoneSubnets

_FLOW_SECONDS = 60
"""The shorter of the two intervals that AWS has for flow logs."""


@dataclass(frozen=True, kw_only=True)
class ClusterNetworkArgs:
    """Which network."""

    physical_name: str
    """What everything in it is named after."""
    site: EksSite
    """Zones and networks."""
    boundary_arn: pulumi.Input[str]
    """The most that the role may do which writes the record of traffic, of `RoleBoundary`."""
    buckets: tuple[str, ...] = ()
    """Buckets that pods reach."""


@dataclass(frozen=True, kw_only=True)
class PrivateSubnets:
    """Where nodes are, in whosever network."""

    vpc_id: pulumi.Input[str]
    """The network."""
    ids: Mapping[str, pulumi.Input[str]]
    """Subnets of nodes, by the id of their zone; usable once there is a way out."""
    balancer_ids: tuple[pulumi.Input[str], ...] = ()
    """Subnets of a load balancer, where there is one."""
    kms_endpoint_id: pulumi.Input[str] | None
    """The endpoint of KMS, where there is one."""


class ClusterNetwork(pulumi.ComponentResource):
    """A network with a private and a public subnet in each zone. Nodes go out by NAT and are reached by nobody."""

    subnets: PrivateSubnets
    """What the rest of a cluster knows of it."""

    def __init__(self, name: str, args: ClusterNetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ClusterNetwork", name, {}, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.site.network_cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags(),
            opts=self._child,
        )
        # It is there in every network, and lets its members reach each other until it says nothing.
        aws.ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=vpc.id, tags=self._tags("unused"), opts=self._child)
        private, tables = self._zones(vpc)
        balancers = self._balancers(vpc, tables) if args.site.load_balancer else ()
        endpoint = self._endpoints(vpc, private, tables)
        self._flow_log(vpc)
        ids = {zone: subnet.id for zone, subnet in private.items()}
        self.subnets = PrivateSubnets(vpc_id=vpc.id, ids=ids, balancer_ids=balancers, kms_endpoint_id=endpoint)
        self.register_outputs({"vpc_id": vpc.id, "private_subnet_ids": ids})

    def _tags(self, suffix: str = "") -> dict[str, str]:
        name = self._args.physical_name
        return {"Name": f"{name}-{suffix}" if suffix else name, "estate": name}

    def _zones(self, vpc: aws.ec2.Vpc) -> tuple[dict[str, aws.ec2.Subnet], list[aws.ec2.RouteTable]]:
        name, child, site = self._name, self._child, self._args.site
        gateway = aws.ec2.InternetGateway(f"{name}-internet", vpc_id=vpc.id, tags=self._tags(), opts=child)
        public = self._table(vpc, "public")
        self._route("public", public, gateway_id=gateway.id)
        nat: aws.ec2.NatGateway | None = None
        private: dict[str, aws.ec2.Subnet] = {}
        tables: list[aws.ec2.RouteTable] = []
        for zone in site.subnets:
            outer = self._subnet(vpc, zone, "public", zone.public_cidr)
            self._associate(f"public-{zone.zone_id}", outer, public)
            if nat is None or site.nat_gateways == "each_zone":
                nat = self._nat(zone, outer, gateway)
            table = self._table(vpc, f"private-{zone.zone_id}")
            way_out = self._route(f"private-{zone.zone_id}", table, nat_gateway_id=nat.id)
            inner = self._subnet(vpc, zone, "private", zone.private_cidr, way_out)
            self._associate(f"private-{zone.zone_id}", inner, table)
            private[zone.zone_id] = inner
            tables.append(table)
        return private, tables

    def _balancers(self, vpc: aws.ec2.Vpc, tables: list[aws.ec2.RouteTable]) -> tuple[pulumi.Output[str], ...]:
        """Apart from pods, so that their addresses tell what a load balancer asks. Ways to other networks are those of
        the zone's nodes."""
        made: list[pulumi.Output[str]] = []
        for zone, table in zip(self._args.site.subnets, tables, strict=True):
            subnet = self._subnet(vpc, zone, "balancer", zone.balancer_cidr)
            self._associate(f"balancer-{zone.zone_id}", subnet, table)
            made.append(subnet.id)
        return tuple(made)

    def _subnet(
        self, vpc: aws.ec2.Vpc, zone: ZoneSubnets, kind: str, cidr: str, *after: pulumi.Resource
    ) -> aws.ec2.Subnet:
        role = {"kubernetes.io/role/internal-elb": "1"} if kind == "private" else {}
        return aws.ec2.Subnet(
            f"{self._name}-{kind}-{zone.zone_id}",
            vpc_id=vpc.id,
            availability_zone_id=zone.zone_id,
            cidr_block=cidr,
            map_public_ip_on_launch=False,
            tags={**self._tags(f"{kind}-{zone.zone_id}"), **role},
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _nat(self, zone: ZoneSubnets, outer: aws.ec2.Subnet, gateway: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        after = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        tags = self._tags(zone.zone_id)
        address = aws.ec2.Eip(f"{self._name}-nat-{zone.zone_id}-address", domain="vpc", tags=tags, opts=after)
        return aws.ec2.NatGateway(
            f"{self._name}-nat-{zone.zone_id}", subnet_id=outer.id, allocation_id=address.id, tags=tags, opts=after
        )

    def _table(self, vpc: aws.ec2.Vpc, suffix: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{self._name}-{suffix}-routes", vpc_id=vpc.id, tags=self._tags(suffix), opts=self._child
        )

    def _route(
        self,
        suffix: str,
        table: aws.ec2.RouteTable,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> aws.ec2.Route:
        return aws.ec2.Route(
            f"{self._name}-{suffix}-out",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child,
        )

    def _associate(self, suffix: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{suffix}-association", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
        )

    def _endpoints(
        self, vpc: aws.ec2.Vpc, private: dict[str, aws.ec2.Subnet], tables: list[aws.ec2.RouteTable]
    ) -> pulumi.Output[str] | None:
        """S3 always, since it costs nothing. KMS' is what the seal's key may be bound to."""
        name, site = self._name, self._args.site
        aws.ec2.VpcEndpoint(
            f"{name}-endpoint-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{site.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            policy=role_policies.storage_endpoint(site, self._args.buckets),
            tags=self._tags("s3"),
            opts=self._child,
        )
        if site.endpoints == "none":
            return None
        group = aws.ec2.SecurityGroup(
            f"{name}-endpoints",
            vpc_id=vpc.id,
            description="AWS' services, from inside of the network",
            tags=self._tags("endpoints"),
            opts=self._child,
        )
        service = need_of_url(f"https://kms.{site.region}.amazonaws.com", "AWS' services")
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-endpoints-https",
            security_group_id=group.id,
            description="HTTPS from nodes and pods",
            ip_protocol="tcp",
            from_port=service.port,
            to_port=service.port,
            cidr_ipv4=site.network_cidr,
            opts=self._child,
        )
        made = {
            called: aws.ec2.VpcEndpoint(
                f"{name}-endpoint-{called.replace('.', '-')}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{site.region}.{called}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in private.values()],
                security_group_ids=[group.id],
                policy=(
                    role_policies.token_endpoint(site)
                    if called == "sts" and site.pod_roles == "irsa"
                    else role_policies.endpoint(site, called)
                ),
                tags=self._tags(called),
                opts=self._child,
            )
            for called in role_policies.ENDPOINTS
        }
        return made["kms"].id

    def _flow_log(self, vpc: aws.ec2.Vpc) -> None:
        name, site, called = self._name, self._args.site, self._args.physical_name
        group = aws.cloudwatch.LogGroup(
            f"{name}-flow-logs",
            name=f"/vault-estate/{called}/flow-logs",
            retention_in_days=site.log_days,
            tags=self._tags(),
            opts=self._child,
        )
        role = aws.iam.Role(
            f"{name}-flow-logs-role",
            name=f"{called}-flow-logs",
            assume_role_policy=role_policies.trusts_service("vpc-flow-logs", site),
            permissions_boundary=self._args.boundary_arn,
            tags=self._tags(),
            opts=self._child,
        )
        written = aws.iam.RolePolicy(
            f"{name}-flow-logs-policy",
            name="flow-logs",
            role=role.name,
            policy=group.arn.apply(role_policies.flow_logs),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            f"{name}-flow-log",
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=_FLOW_SECONDS,
            tags=self._tags(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[written]),
        )
