"""What an EKS cluster is made of, in memory: which types, what AWS computes for them, and what holds on to what.

Keeps the rules of AWS' that a stack runs into: a thing is made of others that are there (`InvalidParameter`,
`ResourceNotFound`, `NoSuchEntity`), none goes while another needs it (`DependencyViolation`, `ResourceInUse`,
`DeleteConflict`), a protected cluster isn't deleted, and a name is unique where AWS says so. Judges no policy and makes
no machine: `fake_providers.eks_machines` does, in a sandbox.
"""

from collections.abc import Iterator, Mapping

from fake_providers.memory import MemoryType
from fake_providers.servicer import RefusedError, Values

ACCOUNT, REGION = "123456789012", "us-east-1"
CLUSTER, NODES, ADDON = "eks/cluster:Cluster", "eks/nodeGroup:NodeGroup", "eks/addon:Addon"
IDENTITY = "eks/podIdentityAssociation:PodIdentityAssociation"
BEHIND = (CLUSTER, NODES, ADDON, IDENTITY)
"""What isn't in memory only, in a sandbox with machines."""
SUBNET = "ec2/subnet:Subnet"
_ROLE, _POLICY = "iam/role:Role", "iam/policy:Policy"
_VPC, _TABLE = "ec2/vpc:Vpc", "ec2/routeTable:RouteTable"
_SUBNETS, _PARAMETERS = "rds/subnetGroup:SubnetGroup", "rds/parameterGroup:ParameterGroup"
_DATABASE = "rds/instance:Instance"
_GROUP, _LOGS = "ec2/securityGroup:SecurityGroup", "cloudwatch/logGroup:LogGroup"


def _named(service: str, kind: str, *, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{kind}"


def cluster_arn(name: str) -> str:
    """Of a cluster, by its name."""
    return _named("eks", f"cluster/{name}")


_FORETOLD = "foretold"
"""Name of what isn't there yet, in a preview: whoever looks at one sees which of it is invented."""
_AUTHORITY: Values = {"data": "QUE="}
CLUSTER_TYPES: Mapping[str, MemoryType] = {
    _LOGS: MemoryType(
        "name",
        foretold={"arn": _named("logs", f"log-group:{_FORETOLD}")},
        arn=lambda _, inputs: f"{_named('logs', 'log-group')}:{inputs['name']}",
    ),
    _VPC: MemoryType("cidrBlock", "cidrBlock", arn=lambda identity, _: _named("ec2", f"vpc/{identity}")),
    SUBNET: MemoryType(
        "availabilityZoneId cidrBlock vpcId", "vpcId", arn=lambda identity, _: _named("ec2", f"subnet/{identity}")
    ),
    _TABLE: MemoryType("vpcId", "vpcId"),
    _GROUP: MemoryType("vpcId description name"),
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": MemoryType("vpcId"),
    "ec2/eip:Eip": MemoryType(publicIp=lambda identity, _: f"198.51.100.{int(identity) % 250 + 1}"),
    "ec2/flowLog:FlowLog": MemoryType("vpcId trafficType logDestination iamRoleArn maxAggregationInterval"),
    "ec2/internetGateway:InternetGateway": MemoryType(),
    "ec2/launchTemplate:LaunchTemplate": MemoryType("name", latestVersion=lambda _id, _: 1),
    "ec2/natGateway:NatGateway": MemoryType("allocationId subnetId"),
    "ec2/route:Route": MemoryType("destinationCidrBlock routeTableId", "routeTableId"),
    "ec2/routeTableAssociation:RouteTableAssociation": MemoryType("subnetId", "routeTableId"),
    "ec2/vpcEndpoint:VpcEndpoint": MemoryType("vpcId serviceName vpcEndpointType", "vpcId serviceName"),
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": MemoryType(
        "securityGroupId", "securityGroupId ipProtocol"
    ),
    CLUSTER: MemoryType(
        "name roleArn bootstrapSelfManagedAddons kubernetesNetworkConfig",
        "roleArn vpcConfig",
        {
            "arn": _named("eks", f"cluster/{_FORETOLD}"),
            "endpoint": f"https://{_FORETOLD}.eks.invalid",
            "certificateAuthority": _AUTHORITY,
        },
        arn=lambda _, inputs: cluster_arn(inputs["name"]),
        endpoint=lambda _, inputs: f"https://{inputs['name']}.eks.invalid",
        certificateAuthority=lambda _id, _: _AUTHORITY,
        identities=lambda _, inputs: [{"oidcs": [{"issuer": f"https://oidc.invalid/{inputs['name']}"}]}],
        status=lambda _id, _: "in memory only",
    ),
    "eks/accessEntry:AccessEntry": MemoryType("clusterName principalArn type", "clusterName principalArn"),
    "eks/accessPolicyAssociation:AccessPolicyAssociation": MemoryType(
        "clusterName principalArn policyArn accessScope", "clusterName principalArn policyArn accessScope"
    ),
    ADDON: MemoryType("clusterName addonName", "clusterName addonName"),
    NODES: MemoryType(
        "amiType capacityType clusterName instanceTypes nodeGroupNamePrefix nodeRoleArn subnetIds",
        "clusterName nodeRoleArn scalingConfig subnetIds",
    ),
    IDENTITY: MemoryType("clusterName namespace serviceAccount", "clusterName namespace roleArn serviceAccount"),
    _ROLE: MemoryType(
        "name",
        "assumeRolePolicy",
        {"arn": _named("iam", f"role/{_FORETOLD}", region="")},
        arn=lambda _, inputs: _named("iam", f"role/{inputs['name']}", region=""),
    ),
    _POLICY: MemoryType(
        "name description",
        "name policy",
        {"arn": _named("iam", f"policy/{_FORETOLD}", region="")},
        arn=lambda _, inputs: _named("iam", f"policy/{inputs['name']}", region=""),
    ),
    _SUBNETS: MemoryType("name", "name subnetIds"),
    _PARAMETERS: MemoryType(
        "family namePrefix",
        "family",
        name=lambda identity, inputs: inputs.get("name") or f"{inputs.get('namePrefix') or ''}{identity}",
    ),
    _DATABASE: MemoryType(
        "dbName engine identifier kmsKeyId storageEncrypted username",
        "identifier instanceClass",
        {"address": f"{_FORETOLD}.rds.invalid"},
        address=lambda _, inputs: f"{inputs['identifier']}.{ACCOUNT}.{REGION}.rds.invalid",
        arn=lambda _, inputs: _named("rds", f"db:{inputs['identifier']}"),
    ),
    "iam/rolePolicy:RolePolicy": MemoryType("name role", "role policy"),
    "iam/rolePolicyAttachment:RolePolicyAttachment": MemoryType("policyArn role", "policyArn role"),
}

_OF_CLUSTER = {"clusterName": CLUSTER}
REFERS: Mapping[str, Mapping[str, str]] = {
    SUBNET: {"vpcId": _VPC},
    _TABLE: {"vpcId": _VPC},
    _GROUP: {"vpcId": _VPC},
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": {"vpcId": _VPC},
    "ec2/flowLog:FlowLog": {"vpcId": _VPC},
    "ec2/internetGateway:InternetGateway": {"vpcId": _VPC},
    "ec2/vpcEndpoint:VpcEndpoint": {"vpcId": _VPC},
    "ec2/natGateway:NatGateway": {"subnetId": SUBNET, "allocationId": "ec2/eip:Eip"},
    "ec2/route:Route": {
        "routeTableId": _TABLE,
        "gatewayId": "ec2/internetGateway:InternetGateway",
        "natGatewayId": "ec2/natGateway:NatGateway",
    },
    "ec2/routeTableAssociation:RouteTableAssociation": {"routeTableId": _TABLE, "subnetId": SUBNET},
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": {"securityGroupId": _GROUP},
    "eks/accessEntry:AccessEntry": _OF_CLUSTER,
    "eks/accessPolicyAssociation:AccessPolicyAssociation": _OF_CLUSTER,
    ADDON: _OF_CLUSTER,
    NODES: _OF_CLUSTER,
    IDENTITY: _OF_CLUSTER,
    _DATABASE: {"dbSubnetGroupName": _SUBNETS},
    "iam/rolePolicy:RolePolicy": {"role": _ROLE},
    "iam/rolePolicyAttachment:RolePolicyAttachment": {"role": _ROLE},
}
"""By type, which input names which other thing; of AWS' own words for these refusals there are several."""
UNIQUE: Mapping[str, str] = {
    CLUSTER: "name",
    _ROLE: "name",
    _POLICY: "name",
    _LOGS: "name",
    _SUBNETS: "name",
    _DATABASE: "identifier",
}
"""Whose name is its id, and there once."""


def depth(kind: str) -> int:
    """How many others a thing is made of, one after another."""
    return max((1 + depth(other) for other in REFERS.get(kind, {}).values()), default=0)


def name_of(kind: str, inputs: Values) -> str | None:
    """The id of a thing that is called by its name."""
    return str(inputs[UNIQUE[kind]]) if kind in UNIQUE else None


def hold(world: Values, kind: str, inputs: Values) -> None:
    """Raises RefusedError where something it needs isn't there."""
    for name, other in REFERS.get(kind, {}).items():
        if inputs.get(name) is not None and f"aws:{other} {inputs[name]}" not in world:
            raise RefusedError(f"{name} is {inputs[name]}, which doesn't exist in memory (ResourceNotFound)")


def let_go(world: Values, kind: str, identity: str) -> None:
    """Raises RefusedError where something needs it, or it is protected."""
    held = world.get(f"aws:{kind} {identity}")
    if kind in (CLUSTER, _DATABASE) and held and held["inputs"].get("deletionProtection"):
        raise RefusedError(f"{identity} is protected; expected deletionProtection to be taken off first")
    for user in _users(world, kind, identity):
        raise RefusedError(f"{identity} is needed by {user} (DependencyViolation)")


def _users(world: Values, kind: str, identity: str) -> Iterator[str]:
    for key, one in world.items():
        token = key.partition(" ")[0].removeprefix("aws:")
        for name, other in REFERS.get(token, {}).items():
            if other == kind and str(one["inputs"].get(name)) == identity:
                yield key.removeprefix("aws:")
