"""What an EKS cluster is made of, in memory: which types, what AWS computes for them, and what holds on to what.

Keeps the rules of AWS' that a stack runs into: a thing is made of others that are there (`InvalidParameter`,
`ResourceNotFound`, `NoSuchEntity`), none goes while another needs it (`DependencyViolation`, `ResourceInUse`,
`DeleteConflict`), a protected cluster isn't deleted, and a name is unique where AWS says so. Judges no policy and makes
no machine: `fake_providers.eks_machines` does, in a sandbox.
"""

from collections.abc import Iterator, Mapping
from typing import Any

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
_BALANCER, _TARGETS = "lb/loadBalancer:LoadBalancer", "lb/targetGroup:TargetGroup"
_LISTENER, _ATTACHMENT = "lb/listener:Listener", "autoscaling/attachment:Attachment"
_PROVIDER = "iam/openIdConnectProvider:OpenIdConnectProvider"
_GROUP, _LOGS = "ec2/securityGroup:SecurityGroup", "cloudwatch/logGroup:LogGroup"


def _named(service: str, kind: str, *, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{kind}"


def cluster_arn(name: str) -> str:
    """Of a cluster, by its name."""
    return _named("eks", f"cluster/{name}")


def _own_group(name: str) -> str:
    """Id of the security group that EKS makes for a cluster."""
    return f"sg-of-{name}"


def _issued(name: str) -> list[Values]:
    return [{"oidcs": [{"issuer": f"https://oidc.invalid/{name}"}]}]


def _balancing(kind: str) -> str:
    return _named("elasticloadbalancing", kind)


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
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": MemoryType("securityGroupId", "securityGroupId ipProtocol"),
    CLUSTER: MemoryType(
        "name roleArn bootstrapSelfManagedAddons kubernetesNetworkConfig",
        "roleArn vpcConfig",
        {
            "arn": _named("eks", f"cluster/{_FORETOLD}"),
            "endpoint": f"https://{_FORETOLD}.eks.invalid",
            "certificateAuthority": _AUTHORITY,
            "identities": _issued(_FORETOLD),
            "vpcConfig": {"clusterSecurityGroupId": _own_group(_FORETOLD)},
        },
        arn=lambda _, inputs: cluster_arn(inputs["name"]),
        endpoint=lambda _, inputs: f"https://{inputs['name']}.eks.invalid",
        certificateAuthority=lambda _id, _: _AUTHORITY,
        identities=lambda _, inputs: _issued(inputs["name"]),
        status=lambda _id, _: "in memory only",
        vpcConfig=lambda _, inputs: {"clusterSecurityGroupId": _own_group(inputs["name"])},
    ),
    "eks/accessEntry:AccessEntry": MemoryType("clusterName principalArn type", "clusterName principalArn"),
    "eks/accessPolicyAssociation:AccessPolicyAssociation": MemoryType(
        "clusterName principalArn policyArn accessScope", "clusterName principalArn policyArn accessScope"
    ),
    ADDON: MemoryType("clusterName addonName", "clusterName addonName"),
    NODES: MemoryType(
        "amiType capacityType clusterName instanceTypes nodeGroupNamePrefix nodeRoleArn subnetIds",
        "clusterName nodeRoleArn scalingConfig subnetIds",
        resources=lambda identity, _: [{"autoscalingGroups": [{"name": f"eks-{identity}"}]}],
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
    _PROVIDER: MemoryType(
        "url",
        "clientIdLists url",
        {"arn": _named("iam", f"oidc-provider/oidc.invalid/{_FORETOLD}", region="")},
        arn=lambda _, inputs: _named("iam", f"oidc-provider/{inputs['url'].removeprefix('https://')}", region=""),
    ),
    _BALANCER: MemoryType(
        "internal loadBalancerType name namePrefix",
        "subnets",
        arn=lambda identity, _: _balancing(f"loadbalancer/net/{identity}"),
        dnsName=lambda identity, _: f"{identity}.elb.invalid",
        zoneId=lambda _id, _: "ZFORETOLD",
    ),
    _TARGETS: MemoryType(
        "name namePrefix port protocol targetType vpcId",
        "port protocol vpcId",
        arn=lambda identity, _: _balancing(f"targetgroup/{identity}"),
    ),
    _LISTENER: MemoryType(
        "loadBalancerArn", "defaultActions loadBalancerArn", arn=lambda identity, _: _balancing(f"listener/{identity}")
    ),
    _ATTACHMENT: MemoryType("autoscalingGroupName elb lbTargetGroupArn", "autoscalingGroupName"),
    "route53/record:Record": MemoryType("name type zoneId", "name type zoneId"),
    "iam/rolePolicy:RolePolicy": MemoryType("name role", "role policy"),
    "iam/rolePolicyAttachment:RolePolicyAttachment": MemoryType("policyArn role", "policyArn role"),
}

_OF_CLUSTER = {"clusterName": CLUSTER}
_OF_GROUPS = {"securityGroupId": _GROUP, "referencedSecurityGroupId": _GROUP}
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
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": _OF_GROUPS,
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": _OF_GROUPS,
    "eks/accessEntry:AccessEntry": _OF_CLUSTER,
    "eks/accessPolicyAssociation:AccessPolicyAssociation": _OF_CLUSTER,
    ADDON: _OF_CLUSTER,
    NODES: _OF_CLUSTER,
    IDENTITY: _OF_CLUSTER,
    _DATABASE: {"dbSubnetGroupName": _SUBNETS},
    _BALANCER: {"subnets": SUBNET, "securityGroups": _GROUP},
    _TARGETS: {"vpcId": _VPC},
    _LISTENER: {"loadBalancerArn": _BALANCER, "defaultActions.targetGroupArn": _TARGETS},
    _ATTACHMENT: {"lbTargetGroupArn": _TARGETS},
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
    _PROVIDER: "url",
}
"""Whose name is its id, and there once."""


def depth(kind: str) -> int:
    """How many others a thing is made of, one after another."""
    return max((1 + depth(other) for other in REFERS.get(kind, {}).values()), default=0)


def name_of(kind: str, inputs: Values) -> str | None:
    """The id of a thing that is called by its name."""
    return str(inputs[UNIQUE[kind]]) if kind in UNIQUE else None


def hold(world: Values, kind: str, inputs: Values) -> None:
    """Raises RefusedError where something it needs isn't there, or a load balancer has a listener there."""
    for name, other in REFERS.get(kind, {}).items():
        for value in _values(inputs, name):
            if value not in _known(world, other):
                raise RefusedError(f"{name} is {value}, which doesn't exist in memory (ResourceNotFound)")
    if kind == _LISTENER:
        wanted = (inputs["loadBalancerArn"], inputs.get("port"))
        for _, one in _of(world, _LISTENER):
            if (one["inputs"]["loadBalancerArn"], one["inputs"].get("port")) == wanted:
                raise RefusedError(f"port is {wanted[1]}, which another listener has (DuplicateListener)")


def let_go(world: Values, kind: str, identity: str) -> None:
    """Raises RefusedError where something needs it, or it is protected."""
    held = world.get(f"aws:{kind} {identity}")
    protection = _PROTECTIONS.get(kind, "")
    if held and held["inputs"].get(protection):
        raise RefusedError(f"{identity} is protected; expected {protection} to be taken off first")
    called = {identity, held["outputs"].get("arn") if held else None}
    for token in REFERS:
        for name in (name for name, other in REFERS[token].items() if other == kind):
            for user, one in _of(world, token):
                if called.intersection(map(str, _values(one["inputs"], name))):
                    raise RefusedError(f"{identity} is needed by {token} {user} (DependencyViolation)")


_PROTECTIONS: Mapping[str, str] = {
    CLUSTER: "deletionProtection",
    _DATABASE: "deletionProtection",
    _BALANCER: "enableDeletionProtection",
}


def _of(world: Values, kind: str) -> Iterator[tuple[str, Values]]:
    """What there is of a type, by its id."""
    begins = f"aws:{kind} "
    return ((key.removeprefix(begins), one) for key, one in world.items() if key.startswith(begins))


def _known(world: Values, kind: str) -> set[str]:
    """What others may call the things of a type: their ids, and their ARNs. A cluster brings a security group."""
    found = {name for key, one in _of(world, kind) for name in (key, one["outputs"].get("arn")) if name}
    return found | {_own_group(name) for name, _ in _of(world, CLUSTER)} if kind == _GROUP else found


def _values(inputs: Values, name: str) -> Iterator[Any]:
    """What an input says, which may be a list, or stand in each entry of one: `list.name`."""
    first, _, inner = name.partition(".")
    value = inputs.get(first)
    for one in value if isinstance(value, list) else [value]:
        if inner:
            yield from _values(one or {}, inner)
        elif one is not None:
            yield one
