"""A load balancer before a cluster's servers, and which machines are behind it.

Owns the balancer, who reaches it, and what it finds healthy. Refuses to know a pod: AWS registers the nodes that are
for servers as it makes them, and each has one server.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ..render.aws.load_balancer import LoadBalancer
from ..render.chart.names import SERVES

_PREFIX = "vault-"
"""Of names, the rest of which the provider makes: AWS takes 32 characters, and the provider 6 as a prefix."""
_CHECK_SECONDS, _CHECKS = 10, 2
"""A server that is gone gets nothing after 20 s."""
_LEAVING_SECONDS = 30
"""How long connections of a node that goes are kept; a request to Vault is shorter."""


@dataclass(frozen=True, kw_only=True)
class ClusterLoadBalancerArgs:
    """Before which servers, and where."""

    physical_name: str
    """The cluster's name."""
    wanted: LoadBalancer
    """Its name, and who reaches it."""
    api_port: int
    """Where it listens, for the servers' API."""
    node_port: int
    """Port of each node that leads to the server there."""
    vpc_id: pulumi.Input[str]
    """The network."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Subnets of its own, one in each zone: what comes from there is let in to the servers."""
    nodes_group_id: pulumi.Input[str]
    """Security group of the nodes."""
    scaling_groups: Mapping[str, pulumi.Input[str]]
    """Auto Scaling groups of the nodes for servers, by the id of their zone."""
    protect: bool
    """Whether AWS refuses to delete it: another one has another address."""


class ClusterLoadBalancer(pulumi.ComponentResource):
    """A network load balancer with private addresses only, that passes TCP on to the servers' API and to nothing
    else."""

    host: pulumi.Output[str]
    """The name that AWS gives it."""

    def __init__(self, name: str, args: ClusterLoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ClusterLoadBalancer", name, {}, opts)
        self._name, self._args = name, args
        self._tags = {"Name": f"{args.physical_name}-balancer", "estate": args.physical_name}
        self._child = pulumi.ResourceOptions(parent=self)
        balancer = self._balancer(self._group())
        self._targets(balancer)
        if args.wanted.hosted_zone_id:
            self._record(balancer, args.wanted.hosted_zone_id)
        self.host = balancer.dns_name
        self.register_outputs({"host": self.host})

    def _group(self) -> aws.ec2.SecurityGroup:
        name, args = self._name, self._args
        group = aws.ec2.SecurityGroup(
            f"{name}-group",
            vpc_id=args.vpc_id,
            description="The servers' API, from outside of the cluster",
            tags=self._tags,
            opts=self._child,
        )
        for number, network in enumerate(args.wanted.client_cidrs):
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-clients-{number}",
                security_group_id=group.id,
                description="The servers' API from applications",
                ip_protocol="tcp",
                from_port=args.api_port,
                to_port=args.api_port,
                cidr_ipv4=network,
                opts=self._child,
            )
        # Also what it asks whether a server is healthy.
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-nodes",
            security_group_id=group.id,
            description="Servers, by a port of their nodes",
            ip_protocol="tcp",
            from_port=args.node_port,
            to_port=args.node_port,
            referenced_security_group_id=args.nodes_group_id,
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-from-balancer",
            security_group_id=args.nodes_group_id,
            description="Servers, from their load balancer",
            ip_protocol="tcp",
            from_port=args.node_port,
            to_port=args.node_port,
            referenced_security_group_id=group.id,
            opts=self._child,
        )
        return group

    def _balancer(self, group: aws.ec2.SecurityGroup) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            f"{self._name}-balancer",
            name_prefix=_PREFIX,
            load_balancer_type="network",
            internal=True,
            subnets=list(self._args.subnet_ids),
            security_groups=[group.id],
            # A zone may have one server, or none that is healthy.
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=self._args.protect,
            tags=self._tags,
            opts=self._child,
        )

    def _targets(self, balancer: aws.lb.LoadBalancer) -> None:
        name, args = self._name, self._args
        targets = aws.lb.TargetGroup(
            f"{name}-servers",
            name_prefix=_PREFIX,
            vpc_id=args.vpc_id,
            target_type="instance",
            protocol="TCP",
            port=args.node_port,
            # Audit lines, limits of requests and networks of tokens are about clients, not about this.
            preserve_client_ip="true",
            connection_termination=True,
            deregistration_delay=_LEAVING_SECONDS,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="HTTPS",
                path=SERVES,
                port="traffic-port",
                matcher="200",
                interval=_CHECK_SECONDS,
                healthy_threshold=_CHECKS,
                unhealthy_threshold=_CHECKS,
            ),
            tags=self._tags,
            opts=self._child,
        )
        for zone, group in args.scaling_groups.items():
            aws.autoscaling.Attachment(
                f"{name}-nodes-{zone}", autoscaling_group_name=group, lb_target_group_arn=targets.arn, opts=self._child
            )
        aws.lb.Listener(
            f"{name}-listener",
            load_balancer_arn=balancer.arn,
            protocol="TCP",
            port=args.api_port,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            tags=self._tags,
            opts=self._child,
        )

    def _record(self, balancer: aws.lb.LoadBalancer, hosted_zone_id: str) -> None:
        aws.route53.Record(
            f"{self._name}-name",
            zone_id=hosted_zone_id,
            name=self._args.wanted.domain,
            type="A",
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=True
                )
            ],
            opts=self._child,
        )
