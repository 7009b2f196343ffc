"""Rules about a cluster of EKS, its network and its nodes. Owns what is reached from where, and what is pinned.

Checkov's numbers are named where a rule asks for the same.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .constraints import given, inputs, off, one_of
from .rule import Resource, Rule

_CLUSTER = "aws:eks/cluster:Cluster"
_NODES = "aws:eks/nodeGroup:NodeGroup"
_ADDON = "aws:eks/addon:Addon"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_LOGS = frozenset({"api", "audit", "authenticator", "controllerManager", "scheduler"})
_SHORTEST_LOG_DAYS = 30
_WIDEST_PREFIX = 8


def _below(value: Any, name: str) -> Any:
    return (value or {}).get(name)


def _wide(network: Any) -> bool:
    try:
        return ipaddress.ip_network(str(network), strict=False).prefixlen < _WIDEST_PREFIX
    except ValueError:
        return True


def _named_networks(value: Any) -> str | None:
    if _below(value, "endpointPublicAccess") is False:
        return None
    networks = list(_below(value, "publicAccessCidrs") or [])
    if not networks:
        return "lets the whole internet to the API"
    return "lets a network in that is wider than /8" if any(map(_wide, networks)) else None


def _private_access(value: Any) -> str | None:
    return None if _below(value, "endpointPrivateAccess") is True else "leaves nodes to reach the API by the internet"


def _encrypts_secrets(value: Any) -> str | None:
    return None if "secrets" in list(_below(value, "resources") or []) else "doesn't encrypt the cluster's secrets"


def _every_log(value: Any) -> str | None:
    missing = sorted(_LOGS - set(value or []))
    return f"lacks {', '.join(missing)}" if missing else None


def _entries_only(value: Any) -> str | None:
    if _below(value, "authenticationMode") != "API":
        return "lets a ConfigMap in the cluster grant access"
    given = _below(value, "bootstrapClusterCreatorAdminPermissions")
    return None if given is False else "makes whoever runs this its administrator"


def _standard(value: Any) -> str | None:
    return None if _below(value, "supportType") == "STANDARD" else "pays six times as much when support has ended"


def _one_by_one(value: Any) -> str | None:
    return None if _below(value, "maxUnavailable") == 1 else "may take several nodes away at once"


def _repaired(value: Any) -> str | None:
    return None if _below(value, "enabled") is True else "is off"


def _enforces_policies(resource: Resource) -> Iterator[str]:
    if not (resource.has_inputs and resource.known("addonName") and resource.get("addonName") == "vpc-cni"):
        return
    if resource.known("configurationValues"):
        try:
            told = json.loads(str(resource.get("configurationValues") or "{}"))
        except ValueError:
            told = {}
        if str(_below(told, "enableNetworkPolicy")).lower() != "true":
            yield "configurationValues leave network policies without effect"


def _tokens(value: Any) -> str | None:
    if _below(value, "httpTokens") != "required":
        return "let whoever reaches the metadata service read it without a token"
    hops = _below(value, "httpPutResponseHopLimit")
    return None if hops == 1 else "let a container reach the metadata service"


def _encrypted_disks(resource: Resource) -> Iterator[str]:
    if resource.has_inputs and resource.known("blockDeviceMappings"):
        disks = resource.get("blockDeviceMappings") or []
        if not disks:
            yield "blockDeviceMappings say of no disk that it is encrypted"
        for number, disk in enumerate(disks):
            with resource.remembering():
                if str(_below(disk.get("ebs"), "encrypted")).lower() != "true":
                    yield f"blockDeviceMappings[{number}] isn't encrypted"


def _addressed(value: Any) -> str | None:
    taken = [one for one in value or [] if str(_below(one, "associatePublicIpAddress")).lower() == "true"]
    return "take a public address" if taken else None


def _empty(value: Any) -> str | None:
    return "lets something through" if value else None


def _rule_networks(resource: Resource) -> Iterator[str]:
    if not resource.has_inputs:
        return
    for name in ("cidrIpv4", "cidrIpv6"):
        if resource.known(name) and resource.get(name) and _wide(resource.get(name)):
            yield f"{name} is wider than /8"
    if resource.known("description") and not resource.get("description"):
        yield "description doesn't say what it is for"


def _kept_long(value: Any) -> str | None:
    # Zero, and nothing, is for ever.
    if not value or value >= _SHORTEST_LOG_DAYS:
        return None
    return f"is {value:.0f}; expected {_SHORTEST_LOG_DAYS} or more"


def _role(value: Any) -> str | None:
    text = str(value or "")
    return None if text.startswith("arn:") and ":role/" in text and "::" in text else "isn't the ARN of a role"


def _no_masters(value: Any) -> str | None:
    return "has a group of Kubernetes' own" if any(str(one).startswith("system:") for one in value or []) else None


def _no_default(value: Any) -> str | None:
    return "is 'default', which pods have that were given none" if value in (None, "", "default") else None


def _by_account(value: Any) -> str | None:
    try:
        statements = json.loads(str(value or "{}")).get("Statement", [])
    except (ValueError, AttributeError):
        return "can't be judged (it is no JSON)"
    if not statements:
        return "lets everybody's credentials through"
    open_ones = [one for one in statements if one.get("Effect") == "Allow" and not _bounded(one)]
    return "lets everybody's credentials through" if open_ones else None


def _bounded(statement: Mapping[str, Any]) -> bool:
    """Whether it is for this account's principals, for things of its own, or for some that aren't everything."""
    conditions = statement.get("Condition") or {}
    own = {"aws:PrincipalAccount", "aws:ResourceAccount"}
    named = any(own & keys.keys() for keys in conditions.values())
    resources = statement.get("Resource")
    return named or "*" not in (resources if isinstance(resources, list) else [resources])


def _rule(name: str, sentence: str, remediation: str, source: str, types: str, **judges: Any) -> Rule:
    return Rule(
        name=name, sentence=sentence, remediation=remediation, source=source, types=(types,), check=inputs(**judges)
    )


RULES = (
    _rule(
        "cluster-api-names-networks",
        "A cluster's API is reached from named networks, or from its own only.",
        "List networks in public_access_cidrs, or set endpoint_public_access to false.",
        "AWS EKS, Best practices: cluster endpoint; Checkov CKV_AWS_38, CKV_AWS_39",
        _CLUSTER,
        vpcConfig=_named_networks,
    ),
    _rule(
        "cluster-api-is-reached-inside",
        "Nodes reach their cluster's API without leaving the network.",
        "Set endpoint_private_access.",
        "AWS EKS, Best practices: cluster endpoint",
        _CLUSTER,
        vpcConfig=_private_access,
    ),
    _rule(
        "cluster-secrets-are-encrypted",
        "A cluster's secrets are encrypted by a key of the account's own.",
        "Give encryption_config with the resource secrets.",
        "CIS EKS Benchmark 1.6, 5.3.1; Checkov CKV_AWS_58",
        _CLUSTER,
        encryptionConfig=_encrypts_secrets,
    ),
    _rule(
        "cluster-logs-everything",
        "A control plane keeps all five of its logs.",
        "List api, audit, authenticator, controllerManager and scheduler in enabled_cluster_log_types.",
        "CIS EKS Benchmark 1.6, 2.1.1; Checkov CKV_AWS_37",
        _CLUSTER,
        enabledClusterLogTypes=_every_log,
    ),
    _rule(
        "cluster-access-is-by-entries",
        "Who may use a cluster's API stands in access entries only.",
        "Set authentication_mode to API and bootstrap_cluster_creator_admin_permissions to false.",
        "AWS EKS, Best practices: cluster access manager",
        _CLUSTER,
        accessConfig=_entries_only,
    ),
    _rule(
        "cluster-support-is-standard",
        "A cluster's version is replaced before its support ends.",
        "Set upgrade_policy to STANDARD.",
        "AWS EKS, Kubernetes version lifecycle: extended support",
        _CLUSTER,
        upgradePolicy=_standard,
    ),
    _rule(
        "cluster-version-is-pinned",
        "A cluster has the version that its settings say.",
        "Give version.",
        "AWS EKS, Kubernetes version lifecycle; Checkov CKV_AWS_339",
        _CLUSTER,
        version=given,
    ),
    _rule(
        "nodes-take-no-ssh",
        "Nobody logs in to a node by SSH.",
        "Leave remote_access out; people come by Session Manager where they have to.",
        "CIS EKS Benchmark 1.6, 3.1; Checkov CKV_AWS_100",
        _NODES,
        remoteAccess=off,
    ),
    _rule(
        "nodes-are-updated-one-by-one",
        "An update takes one node of a group at a time.",
        "Set max_unavailable to 1 in update_config.",
        "AWS EKS, managed node update behaviour",
        _NODES,
        updateConfig=_one_by_one,
    ),
    _rule(
        "nodes-are-repaired",
        "A node that isn't healthy is replaced by itself.",
        "Set enabled in node_repair_config.",
        "AWS EKS, node auto repair",
        _NODES,
        nodeRepairConfig=_repaired,
    ),
    _rule(
        "nodes-are-not-taken-away",
        "Machines of a node group are the account's own until it gives them back.",
        "Set capacity_type to ON_DEMAND.",
        "AWS EC2, Spot instances: interruptions",
        _NODES,
        capacityType=one_of("ON_DEMAND"),
    ),
    _rule(
        "nodes-have-a-template",
        "A node group says how its machines' metadata and disks are.",
        "Give launch_template.",
        "AWS EKS, launch templates; Checkov CKV_AWS_79",
        _NODES,
        launchTemplate=given,
    ),
    _rule(
        "add-on-is-pinned",
        "An add-on has the version that its settings say.",
        "Give addon_version.",
        "AWS EKS, add-ons: default version",
        _ADDON,
        addonVersion=given,
    ),
    Rule(
        name="network-add-on-enforces",
        sentence="Network policies have effect.",
        remediation="Set enableNetworkPolicy in the configuration of vpc-cni.",
        source="AWS EKS, Best practices: network policies; CIS EKS Benchmark 1.6, 4.3.1",
        types=(_ADDON,),
        check=_enforces_policies,
    ),
    _rule(
        "metadata-is-the-nodes-alone",
        "A node's metadata service asks for a token and doesn't answer containers.",
        "Set http_tokens to required and http_put_response_hop_limit to 1.",
        "AWS EKS, Best practices: IMDSv2; Checkov CKV_AWS_79, CKV_AWS_341",
        _TEMPLATE,
        metadataOptions=_tokens,
    ),
    _rule(
        "machine-is-watched",
        "What a node does is told each minute, and not each five.",
        "Set enabled in monitoring.",
        "AWS EC2, Detailed monitoring; Checkov CKV_AWS_126",
        _TEMPLATE,
        monitoring=lambda value: None if (value or {}).get("enabled") is True else "is off",
    ),
    Rule(
        name="machine-disks-are-encrypted",
        sentence="The disks of a machine are encrypted.",
        remediation="Set encrypted on each disk of block_device_mappings.",
        source="CIS AWS Foundations Benchmark 3.0, 2.2.1; Checkov CKV_AWS_8",
        types=(_TEMPLATE,),
        check=_encrypted_disks,
    ),
    _rule(
        "machine-has-no-login-key",
        "A machine has no key for SSH.",
        "Leave key_name out.",
        "CIS EKS Benchmark 1.6, 3.1",
        _TEMPLATE,
        keyName=off,
    ),
    _rule(
        "machine-has-no-public-address",
        "A machine is reached from the network only.",
        "Leave associate_public_ip_address off.",
        "Checkov CKV_AWS_88",
        _TEMPLATE,
        networkInterfaces=_addressed,
    ),
    _rule(
        "subnet-gives-no-public-address",
        "A subnet gives nothing in it a public address.",
        "Set map_public_ip_on_launch to false.",
        "Checkov CKV_AWS_130",
        "aws:ec2/subnet:Subnet",
        mapPublicIpOnLaunch=off,
    ),
    _rule(
        "default-group-lets-nothing-through",
        "A network's default security group lets nothing through.",
        "Leave ingress and egress out, which empties it.",
        "CIS AWS Foundations Benchmark 3.0, 5.4; Checkov CKV2_AWS_12",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        ingress=_empty,
        egress=_empty,
    ),
    _rule(
        "traffic-is-recorded",
        "A network keeps a record of what connected, let through or not.",
        "Set traffic_type to ALL.",
        "CIS AWS Foundations Benchmark 3.0, 3.7; Checkov CKV2_AWS_11",
        "aws:ec2/flowLog:FlowLog",
        trafficType=one_of("ALL"),
    ),
    _rule(
        "endpoint-is-for-this-account",
        "An endpoint of a service takes the account's own credentials, so that nobody sends data to another one.",
        "Give a policy with aws:PrincipalAccount or aws:ResourceAccount, or with the resources by name.",
        "AWS PrivateLink, endpoint policies; AWS, Data perimeters",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        policy=_by_account,
    ),
    Rule(
        name="group-names-networks",
        sentence="A security group lets in networks that are named, and says what for.",
        remediation="Give a network of /8 or smaller, and a description.",
        source="CIS AWS Foundations Benchmark 3.0, 5.2; Checkov CKV_AWS_23, CKV_AWS_260",
        types=("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",),
        check=_rule_networks,
    ),
    _rule(
        "logs-are-kept",
        "Logs are kept for a month at least.",
        f"Set retention_in_days to {_SHORTEST_LOG_DAYS} or more.",
        "Checkov CKV_AWS_338, with this project's shortest term",
        "aws:cloudwatch/logGroup:LogGroup",
        retentionInDays=_kept_long,
    ),
    _rule(
        "access-is-of-roles",
        "A cluster's API is used by roles, and no access entry hands out a group of Kubernetes' own.",
        "Give the ARN of a role, and leave groups that begin with system: out.",
        "AWS EKS, Best practices: cluster access manager",
        "aws:eks/accessEntry:AccessEntry",
        principalArn=_role,
        kubernetesGroups=_no_masters,
    ),
    _rule(
        "pod-role-is-of-one-account",
        "A pod's role is for a service account that only such pods have.",
        "Name a service account of the application's own.",
        "AWS EKS, Best practices: Pod Identity",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        serviceAccount=_no_default,
        namespace=_no_default,
    ),
    _rule(
        "key-is-rotated-yearly",
        "Keys get new material at least once a year.",
        "Set rotation_period_in_days to 366 or less, or leave it out.",
        "CIS AWS Foundations Benchmark 3.0, 3.6; Checkov CKV_AWS_7",
        "aws:kms/key:Key",
        rotationPeriodInDays=lambda value: "is over a year" if value and value > 366 else None,
    ),
)
