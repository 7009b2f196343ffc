"""A cluster in AWS: its whole graph, what is private, what is pinned, what is kept, and every policy in it.

Not proven: that AWS takes any of it; no account was asked, and mocks check nothing.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError

from components.aws.access_log_bucket import AccessLogBucketArgs
from components.aws.cluster_bucket import ClusterBucketArgs
from components.aws.cluster_site import EksSite
from components.render.aws.managed_policies import ALLOWED
from components.render.snapshots import Bucket
from policies.rules import aws
from tests.policies.cluster_cases import RECORDS
from tests.support.aws_samples import ACCOUNT, BREAK_GLASS, BUCKET, NAME, SITE, by_tokens, cluster, computed, site
from tests.support.declare import Declared, Record, declare
from tests.support.eks_samples import EXISTING_NETWORK

PRODUCTION: Mapping[str, Any] = {"nat_gateways": "each_zone", "endpoints": "all", "system_nodes": 3}


def built(*, preview: bool = False, replicas: int = 3, protect: bool = True, **parts: Any) -> Declared:
    where = site(**parts)
    return declare(lambda: cluster(where, replicas=replicas, protect=protect), preview=preview, outputs=computed)


@cache
def staging() -> Declared:
    """The usual one, which no test changes."""
    return built()


def count(declared: Declared) -> Mapping[str, int]:
    """How many of each type of AWS' there are."""
    return Counter(one.type.split(":")[-1] for one in declared.records if one.type.startswith("aws:"))


def test_exactly_these_resources() -> None:
    expected = {
        "AccessEntry": 2,
        "AccessPolicyAssociation": 2,
        "Addon": 7,
        "Alias": 5,
        "Bucket": 2,
        "BucketLifecycleConfiguration": 2,
        "BucketLogging": 1,
        "BucketObjectLockConfiguration": 1,
        "BucketOwnershipControls": 2,
        "BucketPolicy": 2,
        "BucketPublicAccessBlock": 2,
        "BucketServerSideEncryptionConfiguration": 2,
        "BucketVersioning": 2,
        "Cluster": 1,
        "DefaultSecurityGroup": 1,
        "Eip": 1,
        "FlowLog": 1,
        "Instance": 1,
        "InternetGateway": 1,
        "Key": 5,
        "LaunchTemplate": 1,
        "LogGroup": 4,
        "NatGateway": 1,
        "NodeGroup": 4,
        "ParameterGroup": 1,
        "Policy": 1,
        "PodIdentityAssociation": 3,
        "Role": 9,
        "RolePolicy": 4,
        "RolePolicyAttachment": 6,
        "Route": 4,
        "RouteTable": 4,
        "RouteTableAssociation": 6,
        "SecurityGroup": 1,
        "SecurityGroupIngressRule": 1,
        "Subnet": 6,
        "SubnetGroup": 1,
        "Vpc": 1,
        "VpcEndpoint": 1,
    }
    assert count(staging()) == expected
    more = {"Eip": 3, "NatGateway": 3, "VpcEndpoint": 9, "SecurityGroup": 2, "SecurityGroupIngressRule": 2}
    production = built(**PRODUCTION, replicas=5)
    assert count(production) == {**expected, **more}
    assert built(preview=True).names() == staging().names()


def documents(declared: Declared) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every document of IAM that a stack declares, by where it stands."""
    for one in declared.records:
        for name in ("policy", "assumeRolePolicy"):
            if name in one.inputs and one.type.startswith("aws:"):
                yield f"{one.name}.{name}", json.loads(one.inputs[name])


def test_every_action_is_exact_and_every_wildcard_is_one_of_those_that_are_known() -> None:
    declared = built(**PRODUCTION)
    found = dict(documents(declared))
    # Roles' trust, roles' own and their boundary, keys', endpoints' and the buckets': a document that isn't found isn't
    # looked at.
    assert len(found) == 9 + 4 + 1 + 5 + 9 + 2
    wildcards = set()
    for where, document in found.items():
        for statement in document["Statement"]:
            for action in statement["Action"]:
                assert re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+", action), (where, action)
            assert "NotAction" not in statement
            if statement.get("Principal") == {"AWS": "*"}:
                assert statement["Condition"], where
            wildcards |= {(where, text) for text in statement.get("Resource", []) if re.search(r"[*?]", text)}
    keys = {(f"keys-{name}-key.policy", "*") for name in ("seal", "snapshots", "key-shares")}
    endpoints = {(where, text) for where, text in wildcards if where.startswith("network-endpoint-")}
    assert wildcards - endpoints == {
        *keys,
        ("disks-key.policy", "*"),
        ("postgres-key-key.policy", "*"),
        ("boundary-policy.policy", "*"),
        (
            "boundary-policy.policy",
            f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:vault/staging/key-shares/*",
        ),
        (
            "network-flow-logs-policy.policy",
            f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/vault-estate/{NAME}/flow-logs:*",
        ),
        ("snapshots-policy.policy", "arn:aws:s3:::snapshots-of-vault-staging/raft/*"),
        ("snapshot-policy.policy", "arn:aws:s3:::snapshots-of-vault-staging/*"),
        ("access-logs-policy.policy", f"arn:aws:s3:::{BUCKET}-logs/*"),
        ("access-logs-policy.policy", f"arn:aws:s3:::{BUCKET}-logs/{BUCKET}/*"),
        *(
            (
                "bootstrap-identity-policy.policy",
                f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:vault/staging/key-shares/{name}-??????",
            )
            for name in ("record", "????????????")
        ),
    }


def test_the_nodes_role_is_in_no_keys_policy_and_may_only_hand_out_identities() -> None:
    nodes = f"arn:aws:iam::{ACCOUNT}:role/{NAME}-nodes"
    found = dict(documents(staging()))

    for where, document in found.items():
        if where.endswith("-key.policy"):
            assert nodes not in json.dumps(document), where
    (given,) = found["nodes-policy.policy"]["Statement"]
    assert given["Action"] == ["eks-auth:AssumeRoleForPodIdentity"]
    assert given["Resource"] == [f"arn:aws:eks:eu-central-1:{ACCOUNT}:cluster/{NAME}"]


def test_every_role_is_bounded_and_does_no_more_than_the_boundary_lets_it() -> None:
    declared = built(**PRODUCTION)
    roles = declared.of("aws:iam/role:Role")
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-boundary"
    assert {one.inputs["permissionsBoundary"] for one in roles} == {boundary}
    most, kept = dict(documents(declared))["boundary-policy.policy"]["Statement"]
    for one in declared.of("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(one.inputs["policy"])["Statement"]:
            assert set(statement["Action"]) <= set(most["Action"]), one.name
    attached = {one.inputs["policyArn"] for one in declared.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")}
    for arn in attached:
        assert set(ALLOWED[arn.partition(":policy/")[2]]) <= set(most["Action"]), arn
    # Keys' policies allow pods the rest.
    used = {action for where, one in documents(declared) if where.startswith("keys-") for action in pods_use(one)}
    assert used <= set(most["Action"])
    assert not any(action.startswith("iam:") or action in kept["Action"] for action in most["Action"])
    assert "secretsmanager:GetSecretValue" in kept["Action"]


def pods_use(document: dict[str, Any]) -> set[str]:
    """What a key's policy allows a role, and not the account itself."""
    named = [one for one in document["Statement"] if ":role/" in json.dumps(one["Principal"])]
    return {action for one in named for action in one["Action"]}


def test_the_seals_key_names_the_servers_role() -> None:
    statements = {one["Sid"]: one for one in dict(documents(staging()))["keys-seal-key.policy"]["Statement"]}

    assert statements["Seal"]["Principal"] == {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/{NAME}-servers"]}
    assert "aws:SourceVpce" not in statements["Seal"]["Condition"]["StringEquals"]
    bound = dict(documents(built(**PRODUCTION)))["keys-seal-key.policy"]["Statement"]
    assert any("aws:SourceVpce" in one.get("Condition", {}).get("StringEquals", {}) for one in bound)


def test_pods_may_take_on_roles_by_the_token_of_one_account() -> None:
    where = by_tokens(**PRODUCTION)
    declared = declare(lambda: cluster(where), outputs=computed)
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.com"
    (made,) = declared.of("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert (made.inputs["url"], made.inputs["clientIdLists"]) == ("https://oidc.example.com", ["sts.amazonaws.com"])
    found = dict(documents(declared))
    accounts = {
        "servers-role": "vault:vault",
        "snapshots-role": "vault-jobs:snapshots",
        "bootstrap-identity-role": "vault-jobs:bootstrap",
        "eks-cni-role": "kube-system:aws-node",
        "nodes-disks-role": "kube-system:ebs-csi-controller-sa",
    }
    for role, account in accounts.items():
        (taken,) = found[f"{role}.assumeRolePolicy"]["Statement"]
        assert (taken["Action"], taken["Principal"]) == (["sts:AssumeRoleWithWebIdentity"], {"Federated": [provider]})
        assert taken["Condition"] == {
            "StringEquals": {
                "oidc.example.com:aud": ["sts.amazonaws.com"],
                "oidc.example.com:sub": [f"system:serviceaccount:{account}"],
            }
        }
    assert "pods.eks.amazonaws.com" not in json.dumps(found)
    seal = {one["Sid"]: one for one in found["keys-seal-key.policy"]["Statement"]}["Seal"]["Condition"]["StringEquals"]
    assert seal["aws:FederatedProvider"] == [provider]
    assert set(seal) == {"aws:FederatedProvider", "aws:SourceVpce"}


def test_by_tokens_there_is_no_agent_and_no_node_hands_out_roles() -> None:
    where = by_tokens(**PRODUCTION)
    declared = declare(lambda: cluster(where), outputs=computed)
    assert declared.of("aws:eks/podIdentityAssociation:PodIdentityAssociation") == ()
    addons = {one.inputs["addonName"]: one.inputs for one in declared.of("aws:eks/addon:Addon")}
    assert "eks-pod-identity-agent" not in addons
    assert not [one for one in addons.values() if "podIdentityAssociations" in one]
    given = {name: one["serviceAccountRoleArn"] for name, one in addons.items() if "serviceAccountRoleArn" in one}
    assert given == {
        "vpc-cni": f"arn:aws:iam::{ACCOUNT}:role/{NAME}-cni",
        "aws-ebs-csi-driver": f"arn:aws:iam::{ACCOUNT}:role/{NAME}-disks",
    }
    assert "nodes-policy" not in {one.name for one in declared.records}
    asked = {one["Sid"]: one for one in dict(documents(declared))["network-endpoint-sts.policy"]["Statement"]}
    assert asked["ByToken"]["Condition"] == {"StringEquals": {"aws:ResourceAccount": [ACCOUNT]}}
    assert {"eks-provider", "eks-cluster"} <= after(declared, "eks-vpc-cni")


def test_keys_are_rotated_and_made_by_who_may_not_change_them() -> None:
    keys = staging().of("aws:kms/key:Key")

    assert {(one.inputs["enableKeyRotation"], one.inputs["deletionWindowInDays"]) for one in keys} == {(True, 30)}
    assert {one.inputs["bypassPolicyLockoutSafetyCheck"] for one in keys} == {True}
    without = built(break_glass_role_arn=None).of("aws:kms/key:Key")
    assert {one.inputs["bypassPolicyLockoutSafetyCheck"] for one in without} == {False}


@pytest.mark.parametrize("protect", [True, False])
def test_what_is_kept(protect: bool) -> None:
    declared = built(protect=protect)

    kept = {one.name for one in declared.records if one.options.protect}
    keys = {"disks-key", "postgres-key-key", *(f"keys-{name}-key" for name in ("seal", "snapshots", "key-shares"))}
    buckets = {"snapshot-bucket-bucket", "access-logs-bucket"}
    assert kept == ({"eks-cluster", "postgres-instance", *buckets, *keys} if protect else set())
    assert declared.named("eks-cluster").inputs["deletionProtection"] is protect


def test_nodes_are_in_private_subnets_and_the_network_is_divided_without_overlap() -> None:
    subnets = staging().of("aws:ec2/subnet:Subnet")

    assert {one.inputs["mapPublicIpOnLaunch"] for one in subnets} == {False}
    assert {one.name.removeprefix("network-"): one.inputs["cidrBlock"] for one in subnets} == {
        "private-euc1-az1": "10.0.0.0/20",
        "private-euc1-az2": "10.0.16.0/20",
        "private-euc1-az3": "10.0.32.0/20",
        "public-euc1-az1": "10.0.240.0/24",
        "public-euc1-az2": "10.0.241.0/24",
        "public-euc1-az3": "10.0.242.0/24",
    }
    default = staging().named("network-default").inputs
    assert not default.keys() & {"ingress", "egress"}


@pytest.mark.parametrize(("nat", "gateways"), [("one", 1), ("each_zone", 3)])
def test_each_zone_has_a_way_out(nat: str, gateways: int) -> None:
    declared = built(nat_gateways=nat)
    routes = [one for one in declared.of("aws:ec2/route:Route") if "private" in one.name]

    assert len({one.inputs["natGatewayId"] for one in routes}) == gateways
    assert len(routes) == 3


def test_the_control_plane_is_as_it_has_to_be_from_the_beginning() -> None:
    inputs = staging().named("eks-cluster").inputs

    assert inputs["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }
    assert inputs["bootstrapSelfManagedAddons"] is False
    assert sorted(inputs["enabledClusterLogTypes"]) == [
        "api",
        "audit",
        "authenticator",
        "controllerManager",
        "scheduler",
    ]
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/disks-key"
    assert inputs["encryptionConfig"] == {"provider": {"keyArn": key}, "resources": ["secrets"]}
    assert inputs["upgradePolicy"] == {"supportType": "STANDARD"}
    assert inputs["version"] == "1.35"


@pytest.mark.parametrize(("networks", "public"), [(["203.0.113.0/24"], True), ([], False)])
def test_the_api_is_reached_from_named_networks_or_from_inside_only(networks: list[str], public: bool) -> None:
    found = built(api_cidrs=networks).named("eks-cluster").inputs["vpcConfig"]

    assert found["endpointPrivateAccess"] is True
    assert found["endpointPublicAccess"] is public
    assert found.get("publicAccessCidrs", []) == networks


def test_access_is_of_roles_that_are_named() -> None:
    entries = staging().of("aws:eks/accessEntry:AccessEntry")

    assert {one.inputs["principalArn"] for one in entries} == {SITE["deployer_role_arn"], BREAK_GLASS}
    assert count(built(break_glass_role_arn=None))["AccessEntry"] == 1


def after(declared: Declared, name: str) -> set[str]:
    """Names of what has to be there before a resource, by all the ways that the engine knows."""
    by_urn = {one.urn: one for one in declared.records}
    found: set[str] = set()
    waiting = [declared.named(name)]
    while waiting:
        one = waiting.pop()
        urns = set(one.options.depends_on).union(*one.input_dependencies.values())
        before: list[Record] = [by_urn[urn] for urn in urns if urn in by_urn and by_urn[urn].name not in found]
        found |= {record.name for record in before}
        waiting += before
    return found


def test_addons_come_in_an_order_in_which_nodes_get_ready() -> None:
    first = {"eks-vpc-cni", "eks-kube-proxy", "eks-eks-pod-identity-agent"}
    groups = {one.name for one in staging().of("aws:eks/nodeGroup:NodeGroup")}

    for group in groups:
        assert first <= after(staging(), group)
    for addon in ("coredns", "aws-ebs-csi-driver", "cert-manager", "metrics-server"):
        assert groups <= after(staging(), f"nodes-{addon}")
    assert "eks-cluster" in after(staging(), "servers-association")
    assert "eks-cluster" not in after(staging(), "servers-role")
    assert {"network-private-euc1-az1-out", "disks-key"} <= after(staging(), "eks-cluster")
    cni = staging().named("eks-vpc-cni").inputs
    assert json.loads(cni["configurationValues"]) == {"enableNetworkPolicy": "true"}
    assert cni["podIdentityAssociations"][0]["serviceAccount"] == "aws-node"
    versions = {one.inputs["addonVersion"] for one in staging().of("aws:eks/addon:Addon")}
    assert versions == set(SITE["addons"].values())


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (1, {"euc1-az1": 1}),
        (3, {"euc1-az1": 1, "euc1-az2": 1, "euc1-az3": 1}),
        (5, {"euc1-az1": 2, "euc1-az2": 2, "euc1-az3": 1}),
    ],
)
def test_servers_have_a_node_each_in_the_zone_of_their_volume(replicas: int, expected: dict[str, int]) -> None:
    groups = {
        one.name.removeprefix("nodes-servers-"): one.inputs
        for one in built(replicas=replicas).of("aws:eks/nodeGroup:NodeGroup")
        if "servers" in one.name
    }

    assert {zone: one["scalingConfig"]["desiredSize"] for zone, one in groups.items()} == expected
    for one in groups.values():
        assert len(one["subnetIds"]) == 1
        assert one["taints"] == [{"key": "dedicated", "value": "vault", "effect": "NO_SCHEDULE"}]
        assert one["labels"] == {"role": "vault"}
        assert one["updateConfig"] == {"maxUnavailable": 1}
        assert one["nodeRepairConfig"] == {"enabled": True}
        assert one["capacityType"] == "ON_DEMAND"


def test_a_container_never_gets_its_nodes_credentials_and_nobody_logs_in() -> None:
    inputs = staging().named("nodes-template").inputs

    assert inputs["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    assert inputs["monitoring"] == {"enabled": True}
    (disk,) = inputs["blockDeviceMappings"]
    assert (disk["ebs"]["encrypted"], disk["ebs"]["volumeType"]) == ("true", "gp3")
    assert not inputs.keys() & {"keyName", "userData"}


def test_the_bucket_takes_no_other_key_and_nothing_without_tls() -> None:
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/keys-snapshots-key"
    (rule,) = staging().named("snapshot-encryption").inputs["rules"]
    statements = {
        one["Sid"]: one for one in json.loads(staging().named("snapshot-policy").inputs["policy"])["Statement"]
    }
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"

    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}
    assert {one["Effect"] for one in statements.values()} == {"Deny"}
    assert statements["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": ["false"]}}
    # An upload that names no key has the bucket's own, and isn't refused.
    assert statements["OwnKeyOnly"]["Condition"] == {"StringNotEquals": {header: [key]}, "Null": {header: ["false"]}}
    staying = {one.name for one in staging().records if one.options.retain_on_delete}
    assert {"snapshot-bucket-bucket", "snapshot-encryption", "snapshot-policy", "snapshot-closed"} <= staying


def test_who_asks_the_bucket_for_what_is_recorded_in_one_of_its_own_for_a_while() -> None:
    """S3 adds none where the bucket has a lock, or a key of the account's own."""
    records = {one.type.rpartition(":")[2]: one for one in staging().records if one.name.startswith("access-logs-")}
    logging = staging().named("snapshot-access-logs").inputs
    statements = {one["Sid"]: one for one in json.loads(records["BucketPolicy"].inputs["policy"])["Statement"]}

    assert logging == {"bucket": BUCKET, "targetBucket": f"{BUCKET}-logs", "targetPrefix": f"{BUCKET}/"}
    assert records.keys() == {
        "Bucket",
        "BucketLifecycleConfiguration",
        "BucketOwnershipControls",
        "BucketPolicy",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
    }
    assert statements["Records"] == {
        "Sid": "Records",
        "Effect": "Allow",
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{BUCKET}-logs/{BUCKET}/*"],
        "Principal": {"Service": ["logging.s3.amazonaws.com"]},
        "Condition": {
            "StringEquals": {"aws:SourceAccount": [ACCOUNT]},
            "ArnEquals": {"aws:SourceArn": [f"arn:aws:s3:::{BUCKET}"]},
        },
    }
    assert statements["TlsOnly"]["Effect"] == "Deny"
    assert "objectLockEnabled" not in records["Bucket"].inputs
    (rule,) = records["BucketServerSideEncryptionConfiguration"].inputs["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    (rule,) = records["BucketLifecycleConfiguration"].inputs["rules"]
    assert (rule["expiration"], rule["noncurrentVersionExpiration"]) == ({"days": 30}, {"noncurrentDays": 30})
    assert all(one.options.retain_on_delete for one in records.values())
    assert records["Bucket"].options.protect


def test_a_bucket_isnt_recorded_in_itself() -> None:
    with pytest.raises(ValueError, match="bucket_name is 'one'; expected another bucket"):
        AccessLogBucketArgs(bucket_name="one", recorded_name="one", account=site(), log_days=30, protect=True)


def test_the_rules_know_the_component_of_such_a_bucket() -> None:
    assert staging().named("access-logs").type == RECORDS
    assert aws._OF_RECORDS == RECORDS


def test_a_writer_of_a_bucket_elsewhere_is_refused() -> None:
    bucket = Bucket(name="one", endpoint="https://s3.invalid", region="one", writer="arn:aws:iam:::user/a:b")

    with pytest.raises(ValueError, match=r"bucket\.writer is given; expected none"):
        ClusterBucketArgs(bucket=bucket, kms_key_arn="arn", access_logs="records", protect=True)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"zone_ids": ["euc1-az1", "euc1-az2"]}, "at least 3 items"),
        ({"zone_ids": ["euc1-az1", "euc1-az1", "euc1-az2"]}, "zone_ids[1] is 'euc1-az1'"),
        ({"network_cidr": "10.0.0.0/24"}, "network_cidr is '10.0.0.0/24'; expected a private network of /16"),
        ({"network_cidr": "8.8.0.0/16"}, "network_cidr is '8.8.0.0/16'; expected a private network of /16"),
        ({"api_cidrs": ["0.0.0.0/0"]}, "smaller than the internet"),
        ({"account_id": "1"}, "expected an account's 12 digits, in quotes"),
        ({"deployer_role_arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/up/me"}, "expected a role's ARN such as"),
        ({"kubernetes_version": "latest"}, "expected a minor version of Kubernetes from 1.34 on, such as 1.35"),
        ({"kubernetes_version": "1.33"}, "AWS ended the standard support of earlier ones"),
        ({"node_type": "m7i.large"}, "expected an instance type of Graviton, which the nodes' image is for"),
        ({"node_type": "g4dn.xlarge"}, "expected an instance type of Graviton, which the nodes' image is for"),
        ({"system_node_type": "t4g.micro"}, "of 2 GiB or more, such as m7g.large"),
        ({"node_type": "m7g.huge"}, "expected an instance type of Graviton, which the nodes' image is for"),
        ({"zone_ids": [f"euc1-az{number}" for number in range(1, 8)]}, "at most 6 items"),
        ({"zone_ids": ["euc1-az1", "euc1-az2", "euw1-az3"]}, "zone_ids[2] is 'euw1-az3'; expected a zone of region,"),
        ({"region": "eu-center-1"}, "expected an AWS region such as eu-central-1"),
        ({"region": "us-gov-west-1"}, "expected an AWS region such as eu-central-1"),
        ({"network_cidr": "192.0.0.0/16"}, "network_cidr is '192.0.0.0/16'; expected a private network of /16"),
        (
            {"network_cidr": "172.16.0.0/12", "existing_network": EXISTING_NETWORK},
            "network_cidr is '172.16.0.0/12'; expected a network of AWS, from /16 to /28",
        ),
        (
            {"network_cidr": "172.20.128.0/17", "existing_network": EXISTING_NETWORK},
            "network_cidr is '172.20.128.0/17'; expected another one: the cluster's services are there",
        ),
        ({"api_cidrs": ["10.0.0.0/16"]}, "[0] is '10.0.0.0/16'; expected a network of the internet"),
        ({"api_cidrs": ["198.51.100.0/24", "100.64.1.0/24"]}, "[1] is '100.64.1.0/24'; expected a network of the int"),
        ({"api_cidrs": ["198.51.100.0/24"] * 2}, "api_cidrs[1] is '198.51.100.0/24'; expected each entry once"),
        ({"api_cidrs": [f"198.51.100.{number}/32" for number in range(41)]}, "at most 40 items"),
        ({"tags": {"aws:cost": "1"}}, "not beginning with aws:"),
        ({"tags": {"AWS:cost": "1"}}, "not beginning with aws:"),
        ({"tags": {"Name": "1"}}, "neither estate nor Name"),
        ({"tags": {"k" * 129: "1"}}, "expected a tag's key: up to 128 letters"),
        ({"tags": {"k": "v" * 257}}, "expected a tag's value: up to 256 letters"),
        ({"tags": {"k": "a;b"}}, "expected a tag's value: up to 256 letters"),
        ({"tags": {f"k{number}": "" for number in range(41)}}, "at most 40 items"),
        ({"log_days": 31}, "expected one of those that CloudWatch has: 1, 3, 5, 7, 14, 30,"),
        ({"log_days": 0}, "expected one of those that CloudWatch has: 1, 3, 5, 7, 14, 30,"),
        ({"deployer_role_arn": f"arn:aws:iam::{ACCOUNT}:role/{'x' * 65}"}, "expected a role's ARN such as"),
        ({"deployer_role_arn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/eks/a"}, "and of no service"),
        (
            {"deployer_role_arn": "arn:aws:iam::210987654321:role/up"},
            f"'arn:aws:iam::210987654321:role/up'; expected a role of account_id, which is '{ACCOUNT}'",
        ),
        (
            {"break_glass_role_arn": SITE["deployer_role_arn"]},
            f"break_glass_role_arn is 'arn:aws:iam::{ACCOUNT}:role/up'; expected another role than deployer_role_arn",
        ),
        (
            {"existing_network": EXISTING_NETWORK, "endpoints": "all"},
            "endpoints is 'all'; expected none, since existing_network is given",
        ),
        (
            {
                "existing_network": {
                    "vpc_id": "vpc-01234567",
                    "subnet_ids": dict.fromkeys(SITE["zone_ids"], "subnet-01234567"),
                },
            },
            "existing_network.subnet_ids.euc1-az2 is 'subnet-01234567'; expected another subnet than euc1-az1 has",
        ),
    ],
)
def test_a_site_that_would_not_hold_is_refused(parts: dict[str, Any], words: str) -> None:
    beside = ("nat_gateways", "endpoints") if "existing_network" in parts else ()
    standard = {name: value for name, value in SITE.items() if name not in beside}
    with pytest.raises(ValidationError, match=re.escape(words)):
        EksSite(**{**standard, **parts})


@pytest.mark.parametrize(
    ("region", "zone"),
    [
        ("us-east-1", "use1-az6"),
        ("ap-northeast-1", "apne1-az4"),
        ("ap-southeast-2", "apse2-az1"),
        ("sa-east-1", "sae1-az1"),
        ("ca-west-1", "caw1-az1"),
        ("il-central-1", "ilc1-az1"),
    ],
)
def test_zones_of_a_region_are_told_by_their_names(region: str, zone: str) -> None:
    zones = [zone[:-1] + str(number) for number in (7, 8, 9)]
    assert site(region=region, zone_ids=zones).subnets[0].zone_id == zones[0]


@pytest.mark.parametrize("name", ["xn--a", "sthree-a", "amzn-s3-demo-a", "a-s3alias", "a--x-s3"])
def test_a_buckets_name_that_s3_keeps_for_itself_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="which S3 keeps for itself"):
        Bucket(name=name, endpoint="https://s3.invalid", region="one")
