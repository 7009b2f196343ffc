"""A PostgreSQL of RDS in a cluster's network, for applications whose logins Vault makes.

Owns the instance, who reaches it, its key, its logs and who may write them. Refuses a password that AWS would replace:
Vault does that, right after the first login, and a second who did would lock Vault out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from ..render.aws import key_policies, role_policies
from ..render.aws.postgres import ClusterPostgres
from .cluster_keys import ClusterKey, ClusterKeyArgs
from .cluster_site import EksSite

_WATCHED_SECONDS = 60
_INSIGHT_DAYS = 7
"""Of what statements took, the term that costs nothing (AWS RDS, Performance Insights: pricing)."""
_EXPORTED = ("postgresql", "upgrade")
"""Both logs that PostgreSQL has at RDS."""
_PARAMETERS: Mapping[str, str] = {
    "log_connections": "1",
    "log_disconnections": "1",
    "log_statement": "ddl",
    # Whoever connects without TLS is refused.
    "rds.force_ssl": "1",
}
_MONITORING = role_policies.DATABASE_POLICIES


@dataclass(frozen=True, kw_only=True)
class ClusterDatabaseArgs:
    """Which database, where, and for whom."""

    physical_name: str
    """What everything of it is named after."""
    site: EksSite
    """Account and networks."""
    postgres: ClusterPostgres
    """The database."""
    password: pulumi.Input[str] = field(repr=False)
    """The user's first password. It is sent once for each `password_version`."""
    vpc_id: pulumi.Input[str]
    """The network."""
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets, by the id of their zone."""
    boundary_arn: pulumi.Input[str]
    """The most that the role may do which writes what the machine does, of `RoleBoundary`."""
    protect: bool
    """Keeps the database, and its key."""


class ClusterDatabase(pulumi.ComponentResource):
    """A PostgreSQL that the cluster's network alone reaches, by TLS, encrypted by a key of its own."""

    host: pulumi.Output[str]
    """Its name, which its certificate has, too."""

    def __init__(self, name: str, args: ClusterDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:ClusterDatabase", name, {}, opts)
        self._name, self._args = name, args
        self._called = f"{args.physical_name}-postgres"
        self._tags = {"estate": args.physical_name}
        self._child = pulumi.ResourceOptions(parent=self)
        instance = self._instance(self._key(), self._group(), self._watched_by())
        self.host = instance.address
        self.register_outputs({"host": self.host})

    def _key(self) -> pulumi.Output[str]:
        site = self._args.site
        key = ClusterKeyArgs(
            physical_name=self._called,
            description=f"Database of applications, {self._args.physical_name}",
            account=site,
            policy=key_policies.database_key(site),
            protect=self._args.protect,
        )
        return ClusterKey(f"{self._name}-key", key, self._child).key_arn

    def _group(self) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-group",
            vpc_id=self._args.vpc_id,
            description="The database of applications, from inside of the network",
            tags=self._tags,
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-clients",
            security_group_id=group.id,
            description="PostgreSQL from nodes and pods",
            ip_protocol="tcp",
            from_port=self._args.postgres.port,
            to_port=self._args.postgres.port,
            cidr_ipv4=self._args.site.network_cidr,
            opts=self._child,
        )
        return group

    def _watched_by(self) -> pulumi.Output[str]:
        role = aws.iam.Role(
            f"{self._name}-monitoring-role",
            name=f"{self._called}-monitoring",
            assume_role_policy=role_policies.trusts_service("monitoring.rds", self._args.site),
            permissions_boundary=self._args.boundary_arn,
            tags=self._tags,
            opts=self._child,
        )
        attached = [
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{policy.rpartition('/')[2]}",
                role=role.name,
                policy_arn=role_policies.managed(policy),
                opts=self._child,
            ).id
            for policy in _MONITORING
        ]
        return pulumi.Output.all(role.arn, *attached).apply(lambda known: str(known[0]))

    def _instance(
        self, key: pulumi.Output[str], group: aws.ec2.SecurityGroup, watched_by: pulumi.Output[str]
    ) -> aws.rds.Instance:
        args, wanted = self._args, self._args.postgres
        subnets = aws.rds.SubnetGroup(
            f"{self._name}-subnets",
            name=self._called,
            description="Private subnets",
            subnet_ids=list(args.subnet_ids.values()),
            tags=self._tags,
            opts=self._child,
        )
        parameters = aws.rds.ParameterGroup(
            f"{self._name}-parameters",
            # Another major version is another family, which is there before the first one goes.
            name_prefix=f"{self._called}-",
            family=f"postgres{wanted.version}",
            description="TLS only, and a record of who connects",
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=name, value=value) for name, value in _PARAMETERS.items()
            ],
            tags=self._tags,
            opts=self._child,
        )
        # RDS would make them, and they would be kept for ever.
        logs = [
            aws.cloudwatch.LogGroup(
                f"{self._name}-{log}-logs",
                name=f"/aws/rds/instance/{self._called}/{log}",
                retention_in_days=args.site.log_days,
                tags=self._tags,
                opts=self._child,
            )
            for log in _EXPORTED
        ]
        return aws.rds.Instance(
            f"{self._name}-instance",
            identifier=self._called,
            engine="postgres",
            engine_version=wanted.version,
            auto_minor_version_upgrade=True,
            instance_class=wanted.instance_class,
            db_name=wanted.database,
            username=wanted.username,
            password_wo=pulumi.Output.secret(args.password),
            password_wo_version=wanted.password_version,
            port=wanted.port,
            allocated_storage=wanted.storage_gibibytes,
            max_allocated_storage=wanted.storage_at_most,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key,
            multi_az=True,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[group.id],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            iam_database_authentication_enabled=True,
            monitoring_interval=_WATCHED_SECONDS,
            monitoring_role_arn=watched_by,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key,
            performance_insights_retention_period=_INSIGHT_DAYS,
            enabled_cloudwatch_logs_exports=list(_EXPORTED),
            backup_retention_period=wanted.backup_days,
            copy_tags_to_snapshot=True,
            delete_automated_backups=not args.protect,
            deletion_protection=args.protect,
            skip_final_snapshot=not args.protect,
            final_snapshot_identifier=f"{self._called}-last" if args.protect else None,
            tags=self._tags,
            # Lost with it: what applications keep.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, depends_on=logs),
        )
