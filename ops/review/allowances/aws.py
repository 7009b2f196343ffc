"""Who reaches what in an AWS account and its cluster beyond the documents of IAM.

Owns attachments of policies, entries of a cluster, identities of pods, and what is open to the public. Refuses
networks, which are compared as networks (`exposure`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ops.review.allowances.allowance import Allowance, called, gained, names, told
from ops.review.declaring import Resource

Inputs = Mapping[str, Any]
_Told = Iterator[tuple[str, str, str]]
"""Who, what, and what of the same would allow it, too."""
_ROLE = "aws:iam/role:Role"
_BUCKET = "aws:s3/bucket:Bucket"
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_ID = "-id"
"""What the recorder puts behind a resource's name for its id."""


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Allowance]:
    """What only the later commit allows."""
    yield from gained(_all(before, _KINDS), _all(after, _KINDS))
    yield from gained(_guards(before), _guards(after), new=False)


def _all(resources: Sequence[Resource], kinds: Mapping[str, Callable[[Inputs], _Told]]) -> Iterator[Allowance]:
    for one in resources:
        for who, what, within in kinds[one.type](one.inputs) if one.type in kinds else ():
            yield Allowance(who=who, what=what, within=within)


def _guards(resources: Sequence[Resource]) -> Iterator[Allowance]:
    """What holds back, and is missed only by what had it."""
    yield from _all(resources, {_ROLE: _boundary})
    blocks = [one.inputs for one in resources if one.type == _BLOCK]
    for one in resources:
        if one.type == _BUCKET:
            who, known_as = f"bucket {called(one, 'bucket')}", (f"{one.name}{_ID}", one.inputs.get("bucket"))
            yield Allowance(who=who, what="is there")
            own = [block for block in blocks if block.get("bucket") in known_as]
            for name in _BLOCKS:
                if not any(block.get(name) for block in own):
                    yield Allowance(who=who, what=f"is open to the public as far as {name} goes")


def _attachment(inputs: Inputs) -> _Told:
    yield f"role {told(inputs['role'])}", f"has policy {told(inputs['policyArn'])}", ""


def _boundary(inputs: Inputs) -> _Told:
    boundary = inputs.get("permissionsBoundary")
    without = "has no boundary"
    yield f"role {told(inputs.get('name'))}", f"has boundary {told(boundary)}" if boundary else without, without


def _entry(inputs: Inputs) -> _Told:
    who = f"principal {told(inputs['principalArn'])}"
    yield who, f"logs in to cluster {told(inputs['clusterName'])} as {inputs.get('type', 'STANDARD')}", ""
    for group in names(inputs.get("kubernetesGroups")):
        yield who, f"is of group {group} in cluster {told(inputs['clusterName'])}", ""


def _access(inputs: Inputs) -> _Told:
    scope = inputs["accessScope"]
    who = f"principal {told(inputs['principalArn'])}"
    policy = f"has {told(inputs['policyArn'])} in cluster {told(inputs['clusterName'])}"
    for namespace in names(scope.get("namespaces")) if scope["type"] == "namespace" else ():
        yield who, f"{policy}, namespace {namespace}", policy
    if scope["type"] != "namespace":
        yield who, policy, ""


def _pod_identity(inputs: Inputs) -> _Told:
    yield f"service account {inputs['namespace']}/{inputs['serviceAccount']}", f"is role {told(inputs['roleArn'])}", ""


def _addon(inputs: Inputs) -> _Told:
    for one in inputs.get("podIdentityAssociations") or ():
        yield f"service account {one['serviceAccount']} of {inputs['addonName']}", f"is role {told(one['roleArn'])}", ""


def _cluster(inputs: Inputs) -> _Told:
    who = f"cluster {told(inputs['name'])}"
    access = inputs.get("accessConfig") or {}
    # The provider's defaults: who makes the cluster administers it, and its API is public.
    if access.get("bootstrapClusterCreatorAdminPermissions", True):
        yield who, "is administered by who makes it", ""
    yield who, f"lets in by {access.get('authenticationMode', 'CONFIG_MAP')}", ""


def _subnet(inputs: Inputs) -> _Told:
    if inputs.get("mapPublicIpOnLaunch"):
        yield f"subnet {told(inputs['cidrBlock'])}", "gives machines public addresses", ""


def _route(inputs: Inputs) -> _Told:
    targets = [told(value) for name, value in sorted(inputs.items()) if name not in ("routeTableId",) and value]
    yield f"route table {told(inputs['routeTableId'])}", f"leads to {' by '.join(targets)}", ""


_KINDS: Mapping[str, Callable[[Inputs], _Told]] = {
    "aws:ec2/route:Route": _route,
    "aws:ec2/subnet:Subnet": _subnet,
    "aws:eks/accessEntry:AccessEntry": _entry,
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _access,
    "aws:eks/addon:Addon": _addon,
    "aws:eks/cluster:Cluster": _cluster,
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": _pod_identity,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _attachment,
}
