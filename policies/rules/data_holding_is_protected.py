"""Rule: a stack whose settings say `protect` can't lose data by a delete. Owns which resource types hold data."""

import json
import os
from collections.abc import Iterator

import pulumi

from .rule import Resource, Rule

SETTING = "estate"
"""Name of the stack's one structured setting; `settings.SETTING`, which this pack can't import."""


VARIABLE = "ESTATE_PROTECT"
"""Environment variable that tells the pack, `true` or `false`. It goes before the settings, which reach the pack only
when the engine starts it as a folder: then in one variable, which Linux limits to 128 KiB.
"""


def wanted(resource: Resource) -> bool:
    """Whether this stack wants protection, which is the default. The rule doesn't apply when nobody told the pack."""
    told = os.environ.get(VARIABLE)
    if told is not None:
        return told != "false"
    setting = pulumi.Config("vault-estate").get(SETTING)
    if setting is None:
        # Newer language hosts don't pass a pack the stack's settings (pulumi/pulumi#19334). Guessing would refuse every
        # stack that turned protection off.
        resource.not_applicable("the engine gave the pack no settings, so it can't know whether they say protect")
        return False
    try:
        return json.loads(setting).get("protect", True) is not False
    except (ValueError, AttributeError):
        return True  # the program refuses text that can't be read anyway


def _check(resource: Resource) -> Iterator[str]:
    if wanted(resource) and not resource.protected:
        yield "it holds data and isn't protected, but the stack's settings say protect"


HOLDS_DATA = (
    "aws:eks/cluster:Cluster",
    "aws:kms/key:Key",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "hcloud:index/primaryIp:PrimaryIp",
    "hcloud:index/volume:Volume",
    "kubernetes:core/v1:Namespace",
    "kubernetes:core/v1:PersistentVolumeClaim",
    "vault:index/mount:Mount",
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    "vault:transit/secretBackendKey:SecretBackendKey",
)
"""What can't be made again: data, keys, and an address that others know."""
HOLDS_NONE = (
    "aws:autoscaling/attachment:Attachment",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/eip:Eip",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/route:Route",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:eks/accessEntry:AccessEntry",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    "aws:eks/addon:Addon",
    "aws:eks/nodeGroup:NodeGroup",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "aws:iam/policy:Policy",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/user:User",
    "aws:iam/userPolicy:UserPolicy",
    "aws:kms/alias:Alias",
    # What holds on to its address is its name.
    "aws:lb/listener:Listener",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:rds/parameterGroup:ParameterGroup",
    "aws:rds/subnetGroup:SubnetGroup",
    "aws:route53/record:Record",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketLogging:BucketLogging",
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "hcloud:index/firewall:Firewall",
    "hcloud:index/network:Network",
    "hcloud:index/networkSubnet:NetworkSubnet",
    "hcloud:index/placementGroup:PlacementGroup",
    "hcloud:index/server:Server",
    "hcloud:index/serverNetwork:ServerNetwork",
    "hcloud:index/volumeAttachment:VolumeAttachment",
    "hcloud:index/zoneRrset:ZoneRrset",
    # Pods only; their claims stay when it goes. A namespace takes them along.
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:batch/v1:CronJob",
    "kubernetes:batch/v1:Job",
    "kubernetes:cert-manager.io/v1:Certificate",
    "kubernetes:cert-manager.io/v1:Issuer",
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:core/v1:Service",
    "kubernetes:core/v1:ServiceAccount",
    "kubernetes:helm.sh/v4:Chart",
    "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    "kubernetes:policy/v1:PodDisruptionBudget",
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    "kubernetes:rbac.authorization.k8s.io/v1:Role",
    "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
    "kubernetes:scheduling.k8s.io/v1:PriorityClass",
    "kubernetes:storage.k8s.io/v1:StorageClass",
    "vault:appRole/authBackendRole:AuthBackendRole",
    "vault:database/secretBackendConnection:SecretBackendConnection",
    "vault:database/secretBackendRole:SecretBackendRole",
    "vault:database/secretBackendStaticRole:SecretBackendStaticRole",
    "vault:generic/endpoint:Endpoint",
    "vault:identity/entity:Entity",
    "vault:identity/entityAlias:EntityAlias",
    "vault:identity/group:Group",
    "vault:identity/groupAlias:GroupAlias",
    "vault:index/audit:Audit",
    "vault:index/auditRequestHeader:AuditRequestHeader",
    "vault:index/authBackend:AuthBackend",
    "vault:index/certAuthBackendRole:CertAuthBackendRole",
    "vault:index/passwordPolicy:PasswordPolicy",
    "vault:index/policy:Policy",
    "vault:index/quotaConfig:QuotaConfig",
    "vault:index/quotaRateLimit:QuotaRateLimit",
    "vault:index/raftAutopilot:RaftAutopilot",
    "vault:jwt/authBackend:AuthBackend",
    "vault:jwt/authBackendRole:AuthBackendRole",
    "vault:kubernetes/authBackendConfig:AuthBackendConfig",
    "vault:kubernetes/authBackendRole:AuthBackendRole",
    "vault:kv/secretBackendV2:SecretBackendV2",
    "vault:pkiSecret/backendConfigAutoTidy:BackendConfigAutoTidy",
    "vault:pkiSecret/secretBackendConfigUrls:SecretBackendConfigUrls",
    "vault:pkiSecret/secretBackendCrlConfig:SecretBackendCrlConfig",
    "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest",
    "vault:pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned",
    "vault:pkiSecret/secretBackendRole:SecretBackendRole",
    "vault:pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate",
)
"""What the settings make again, as it was. A type is in one of the two lists: `tests/policies/test_classes.py`."""

RULE = Rule(
    name="data-holding-is-protected",
    sentence="What holds data is protected against deletion unless the stack's settings say protect: false.",
    remediation="Let the component's options carry protect=settings.protect, or turn it off in a change of its own.",
    source="Pulumi, resource option protect",
    types=HOLDS_DATA,
    check=_check,
)
