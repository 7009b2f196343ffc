"""What rules about clusters let pass and what they refuse: in AWS, in pods, and around them."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.policy_rules import Case

LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/up"
DIGEST = f"docker.io/hashicorp/vault:2.0.4@sha256:{'0' * 64}"
ISSUER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
RECORDS = "vault-estate:index:AccessLogBucket"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def document(name: str = "policy", **statement: Any) -> dict[str, Any]:
    return {name: json.dumps({"Statement": [{"Effect": "Allow", **statement}]})}


def endpoint(resource: str, **condition: Any) -> dict[str, Any]:
    return document(Action=["s3:GetObject"], Principal={"AWS": "*"}, Resource=[resource], Condition=condition)


def trust(principal: Any, **condition: Any) -> dict[str, Any]:
    return document("assumeRolePolicy", Action=["sts:AssumeRole"], Principal=principal, Condition=condition)


def federated(operator: str = "StringEquals", **claims: str) -> dict[str, Any]:
    issuer = ISSUER.partition("/")[2]
    return trust({"Federated": ISSUER}, **{operator: {f"{issuer}:{name}": [value] for name, value in claims.items()}})


def key(principal: Any, action: str = "kms:Decrypt", **condition: Any) -> dict[str, Any]:
    return document(Action=[action], Principal=principal, Resource=["*"], Condition=condition)


def encrypted(**by_default: Any) -> dict[str, Any]:
    return {"rules": [{"applyServerSideEncryptionByDefault": by_default}]}


def lifecycle(**rule: Any) -> dict[str, Any]:
    return {"rules": [{"status": "Enabled", **rule}]}


def access(**vpc: Any) -> dict[str, Any]:
    return {"vpcConfig": {"endpointPrivateAccess": True, "endpointPublicAccess": True, **vpc}}


BEFORE_SERVERS: Mapping[str, Case] = {
    "balancer-is-private": Case(
        passes={"internal": True},
        refused=[({"internal": None}, "internal is off"), ({"internal": False}, "internal is off")],
        unknown="internal",
    ),
    "balancer-has-a-group": Case(
        passes={"securityGroups": ["sg-1"]},
        refused=[({"securityGroups": []}, "securityGroups isn't set"), ({"securityGroups": None}, "isn't set")],
        unknown="securityGroups",
    ),
    "balancer-crosses-zones": Case(
        passes={"enableCrossZoneLoadBalancing": True},
        refused=[({"enableCrossZoneLoadBalancing": None}, "enableCrossZoneLoadBalancing is off")],
        unknown="enableCrossZoneLoadBalancing",
    ),
    "balancer-passes-tls-on": Case(
        passes={"protocol": "TCP"},
        refused=[
            ({"protocol": "TLS"}, "protocol isn't TCP"),
            ({"protocol": "HTTP"}, "protocol isn't TCP"),
            ({"protocol": None}, "protocol isn't TCP"),
        ],
        unknown="protocol",
    ),
    "balancer-asks-who-serves": Case(
        passes={"healthCheck": {"protocol": "HTTPS", "path": "/v1/sys/health?standbyok=true"}},
        refused=[
            ({"healthCheck": None}, "healthCheck asks without TLS, or whether a port is open only"),
            ({"healthCheck": {"protocol": "TCP"}}, "or whether a port is open only"),
            ({"healthCheck": {"protocol": "HTTPS", "path": "/"}}, "healthCheck doesn't ask whether Vault serves"),
        ],
        unknown="healthCheck",
    ),
    "balancer-keeps-clients-addresses": Case(
        passes={"preserveClientIp": "true"},
        also_passes=[{"preserveClientIp": True}],
        refused=[({"preserveClientIp": None}, "preserveClientIp is off"), ({"preserveClientIp": "false"}, "is off")],
        unknown="preserveClientIp",
    ),
}
IN_AWS: Mapping[str, Case] = {
    "cluster-api-names-networks": Case(
        passes=access(publicAccessCidrs=["203.0.113.0/24"]),
        also_passes=[access(endpointPublicAccess=False)],
        refused=[
            (access(), "vpcConfig lets the whole internet to the API"),
            (access(publicAccessCidrs=["0.0.0.0/0"]), "lets a network in that is wider than /8"),
            (access(publicAccessCidrs=["203.0.113.0/24", "::/0"]), "lets a network in that is wider than /8"),
            (access(publicAccessCidrs=["canary"]), "lets a network in that is wider than /8"),
            ({"vpcConfig": None}, "lets the whole internet to the API"),
        ],
        unknown="vpcConfig",
    ),
    "cluster-api-is-reached-inside": Case(
        passes=access(),
        refused=[(access(endpointPrivateAccess=False), "leaves nodes to reach the API by the internet")],
        unknown="vpcConfig",
    ),
    "cluster-secrets-are-encrypted": Case(
        passes={"encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": "arn"}}},
        refused=[
            ({"encryptionConfig": None}, "doesn't encrypt the cluster's secrets"),
            ({"encryptionConfig": {"resources": []}}, "doesn't encrypt the cluster's secrets"),
        ],
        unknown="encryptionConfig",
    ),
    "cluster-logs-everything": Case(
        passes={"enabledClusterLogTypes": LOGS},
        refused=[
            ({"enabledClusterLogTypes": LOGS[1:]}, "enabledClusterLogTypes lacks api"),
            ({"enabledClusterLogTypes": None}, "lacks api, audit, authenticator, controllerManager, scheduler"),
        ],
        unknown="enabledClusterLogTypes",
    ),
    "cluster-access-is-by-entries": Case(
        passes={"accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}},
        refused=[
            ({"accessConfig": None}, "lets a ConfigMap in the cluster grant access"),
            ({"accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}}, "lets a ConfigMap in the cluster"),
            ({"accessConfig": {"authenticationMode": "API"}}, "makes whoever runs this its administrator"),
        ],
        unknown="accessConfig",
    ),
    "cluster-support-is-standard": Case(
        passes={"upgradePolicy": {"supportType": "STANDARD"}},
        refused=[({"upgradePolicy": None}, "pays six times"), ({"upgradePolicy": {"supportType": "EXTENDED"}}, "pays")],
        unknown="upgradePolicy",
    ),
    "cluster-version-is-pinned": Case(
        passes={"version": "1.35"}, refused=[({"version": None}, "version isn't set")], unknown="version"
    ),
    "nodes-take-no-ssh": Case(
        passes={"nodeGroupName": "servers"},
        refused=[({"remoteAccess": {"ec2SshKey": "canary"}}, "remoteAccess is on")],
        unknown="remoteAccess",
    ),
    "nodes-are-updated-one-by-one": Case(
        passes={"updateConfig": {"maxUnavailable": 1.0}},
        refused=[
            ({"updateConfig": {"maxUnavailable": 2.0}}, "may take several nodes away at once"),
            ({"updateConfig": {"maxUnavailablePercentage": 50.0}}, "may take several nodes away at once"),
            ({"updateConfig": None}, "may take several nodes away at once"),
        ],
        unknown="updateConfig",
    ),
    "nodes-are-repaired": Case(
        passes={"nodeRepairConfig": {"enabled": True}},
        refused=[({"nodeRepairConfig": None}, "is off"), ({"nodeRepairConfig": {"enabled": False}}, "is off")],
        unknown="nodeRepairConfig",
    ),
    "nodes-are-not-taken-away": Case(
        passes={"capacityType": "ON_DEMAND"},
        refused=[({"capacityType": "SPOT"}, "isn't ON_DEMAND"), ({"capacityType": None}, "isn't ON_DEMAND")],
        unknown="capacityType",
    ),
    "nodes-have-a-template": Case(
        passes={"launchTemplate": {"id": "lt-1"}},
        refused=[({"launchTemplate": None}, "isn't set")],
        unknown="launchTemplate",
    ),
    "add-on-is-pinned": Case(
        passes={"addonVersion": "v1.20.1-eksbuild.1"},
        refused=[({"addonVersion": None}, "addonVersion isn't set")],
        unknown="addonVersion",
    ),
    "network-add-on-enforces": Case(
        passes={"addonName": "vpc-cni", "configurationValues": '{"enableNetworkPolicy": "true"}'},
        also_passes=[{"addonName": "coredns", "configurationValues": None}],
        refused=[
            ({"configurationValues": None}, "leave network policies without effect"),
            ({"configurationValues": '{"enableNetworkPolicy": "false"}'}, "leave network policies without effect"),
            ({"configurationValues": "canary"}, "leave network policies without effect"),
        ],
        unknown="configurationValues",
    ),
    "metadata-is-the-nodes-alone": Case(
        passes={"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1.0}},
        refused=[
            ({"metadataOptions": None}, "read it without a token"),
            ({"metadataOptions": {"httpTokens": "optional"}}, "read it without a token"),
            ({"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2.0}}, "let a container reach"),
        ],
        unknown="metadataOptions",
    ),
    "machine-disks-are-encrypted": Case(
        passes={"blockDeviceMappings": [{"ebs": {"encrypted": "true"}}]},
        refused=[
            ({"blockDeviceMappings": None}, "say of no disk that it is encrypted"),
            ({"blockDeviceMappings": [{"ebs": {"encrypted": "false"}}]}, "blockDeviceMappings[0] isn't encrypted"),
            ({"blockDeviceMappings": [{"deviceName": "a"}]}, "blockDeviceMappings[0] isn't encrypted"),
        ],
        unknown="blockDeviceMappings",
    ),
    "machine-has-no-login-key": Case(
        token=TEMPLATE, passes={"name": "a"}, refused=[({"keyName": "canary"}, "keyName is on")], unknown="keyName"
    ),
    "machine-has-no-public-address": Case(
        token=TEMPLATE,
        passes={"networkInterfaces": [{"associatePublicIpAddress": "false"}]},
        also_passes=[{"networkInterfaces": None}],
        refused=[({"networkInterfaces": [{"associatePublicIpAddress": "true"}]}, "take a public address")],
        unknown="networkInterfaces",
    ),
    "subnet-gives-no-public-address": Case(
        passes={"mapPublicIpOnLaunch": False},
        refused=[({"mapPublicIpOnLaunch": True}, "mapPublicIpOnLaunch is on")],
        unknown="mapPublicIpOnLaunch",
    ),
    "default-group-lets-nothing-through": Case(
        passes={"vpcId": "vpc-1"},
        refused=[
            ({"ingress": [{"protocol": "-1"}]}, "ingress lets"),
            ({"egress": [{"protocol": "-1"}]}, "egress lets"),
        ],
        unknown="ingress",
    ),
    "traffic-is-recorded": Case(
        passes={"trafficType": "ALL"}, refused=[({"trafficType": "REJECT"}, "isn't ALL")], unknown="trafficType"
    ),
    "endpoint-is-for-this-account": Case(
        passes=endpoint("*", StringEquals={"aws:PrincipalAccount": [ACCOUNT]}),
        also_passes=[
            endpoint("arn:aws:s3:::one/*"),
            endpoint("*", StringEquals={"aws:ResourceAccount": [ACCOUNT]}),
            document(Effect="Deny", Resource="*"),
        ],
        refused=[
            (endpoint("*", StringEquals={"aws:SourceVpc": ["vpc-1"]}), "lets everybody's credentials through"),
            ({"policy": None}, "lets everybody's credentials through"),
            (endpoint("*"), "lets everybody's credentials through"),
            ({"policy": "canary"}, "can't be judged (it is no JSON)"),
        ],
        unknown="policy",
    ),
    "group-names-networks": Case(
        passes={"cidrIpv4": "10.0.0.0/16", "description": "HTTPS"},
        refused=[
            ({"cidrIpv4": "0.0.0.0/0"}, "cidrIpv4 is wider than /8"),
            ({"cidrIpv6": "::/0"}, "cidrIpv6 is wider than /8"),
            ({"description": None}, "description doesn't say what it is for"),
        ],
        unknown="cidrIpv4",
    ),
    "logs-are-kept": Case(
        passes={"retentionInDays": 30.0},
        also_passes=[{"retentionInDays": None}, {"retentionInDays": 0.0}],
        refused=[({"retentionInDays": 7.0}, "retentionInDays is 7; expected 30 or more")],
        unknown="retentionInDays",
    ),
    "access-is-of-roles": Case(
        passes={"principalArn": ROLE, "kubernetesGroups": ["auditors"]},
        refused=[
            ({"principalArn": f"arn:aws:iam::{ACCOUNT}:user/canary"}, "principalArn isn't the ARN of a role"),
            ({"principalArn": f"arn:aws:iam::{ACCOUNT}:root"}, "principalArn isn't the ARN of a role"),
            ({"kubernetesGroups": ["system:masters"]}, "kubernetesGroups has a group of Kubernetes' own"),
        ],
        unknown="principalArn",
    ),
    "pod-role-is-of-one-account": Case(
        passes={"serviceAccount": "vault", "namespace": "vault"},
        refused=[
            ({"serviceAccount": "default"}, "serviceAccount is 'default'"),
            ({"namespace": "default"}, "namespace is 'default'"),
        ],
        unknown="serviceAccount",
    ),
    "key-is-rotated-yearly": Case(
        passes={"rotationPeriodInDays": 365.0},
        also_passes=[{"rotationPeriodInDays": None}],
        refused=[({"rotationPeriodInDays": 2560.0}, "rotationPeriodInDays is over a year")],
        unknown="rotationPeriodInDays",
    ),
    "snapshots-are-encrypted-by-own-key": Case(
        passes=encrypted(sseAlgorithm="aws:kms", kmsMasterKeyId="arn"),
        refused=[
            (encrypted(sseAlgorithm="AES256"), "rules don't encrypt by a key of the account's own"),
            (encrypted(sseAlgorithm="aws:kms"), "rules don't encrypt by a key of the account's own"),
            ({"rules": None}, "rules don't encrypt by a key of the account's own"),
        ],
        unknown="rules",
    ),
    "bucket-locks-versions": Case(
        passes={"objectLockEnabled": True},
        refused=[({"objectLockEnabled": None}, "objectLockEnabled is off"), ({"objectLockEnabled": False}, "is off")],
        unknown="objectLockEnabled",
    ),
    "bucket-requests-are-recorded": Case(
        passes={"bucket": "snapshots", "targetBucket": "records", "targetPrefix": "snapshots/"},
        refused=[
            ({"targetBucket": None}, "targetBucket isn't set"),
            ({"targetPrefix": ""}, "targetPrefix isn't set"),
            ({"targetBucket": "snapshots"}, "targetBucket is the bucket itself"),
        ],
        unknown="targetBucket",
    ),
    "records-of-access-end": Case(
        passes=lifecycle(expiration={"days": 30.0}),
        also_passes=[{"rules": [{"status": "Disabled"}, {"status": "Enabled", "expiration": {"days": 30.0}}]}],
        refused=[
            (lifecycle(), "rules keep records of access for ever"),
            (lifecycle(expiration={"expiredObjectDeleteMarker": True}), "rules keep records of access for ever"),
            ({"rules": [{"status": "Disabled", "expiration": {"days": 30.0}}]}, "rules keep records"),
            ({"rules": None}, "rules keep records"),
        ],
        unknown="rules",
        within=RECORDS,
    ),
    "stopped-uploads-are-removed": Case(
        passes={"rules": [{"status": "Enabled", "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1.0}}]},
        refused=[
            ({"rules": None}, "rules keep uploads that stopped half-way for ever"),
            ({"rules": [{"status": "Enabled"}]}, "keep uploads that stopped half-way"),
            (
                {"rules": [{"status": "Disabled", "abortIncompleteMultipartUpload": {"daysAfterInitiation": 1.0}}]},
                "keep uploads that stopped half-way",
            ),
        ],
        unknown="rules",
    ),
    "bucket-policy-shuts-nobody-out": Case(
        passes=document(Effect="Deny", Principal={"AWS": "*"}, Condition={"Bool": {"aws:SecureTransport": ["false"]}}),
        also_passes=[document(Principal={"AWS": ROLE}), document(Effect="Deny", Principal={"AWS": [ROLE]})],
        refused=[
            (document(Effect="Deny", Principal="*"), "statement 0 keeps everybody out"),
            (document(Effect="Deny", Principal={"AWS": ["*"]}), "statement 0 keeps everybody out"),
            ({"policy": "canary"}, "can't be judged (it is no JSON)"),
        ],
        unknown="policy",
    ),
    "key-is-on": Case(
        passes={"isEnabled": None},
        also_passes=[{"isEnabled": True}],
        refused=[({"isEnabled": False}, "isEnabled is off")],
        unknown="isEnabled",
    ),
    "machine-is-watched": Case(
        passes={"monitoring": {"enabled": True}},
        refused=[
            ({"monitoring": None}, "monitoring is off"),
            ({"monitoring": {"enabled": False}}, "monitoring is off"),
        ],
        unknown="monitoring",
    ),
    "snapshots-are-their-buckets": Case(
        passes={"rule": {"objectOwnership": "BucketOwnerEnforced"}},
        refused=[({"rule": {"objectOwnership": "ObjectWriter"}}, "rule lets who uploads an object own it")],
        unknown="rule",
    ),
    "web-identity-is-named": Case(
        passes=federated(sub="system:serviceaccount:vault:vault", aud="sts.amazonaws.com"),
        also_passes=[
            trust({"Service": ["eks.amazonaws.com"]}),
            trust({"AWS": ROLE}),
            trust("*"),
            trust({"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/people"}),
        ],
        refused=[
            (
                federated(aud="sts.amazonaws.com"),
                "statement 0, lets anybody whom an issuer knows take the role on: sub",
            ),
            (federated(sub="repo:ours/vault:ref:refs/heads/main"), "aud isn't named"),
            (federated(sub="repo:ours/*", aud="sts.amazonaws.com"), "sub isn't named"),
            (federated("StringLike", sub="repo:ours/vault", aud="sts.amazonaws.com"), "sub isn't named"),
            (trust({"Federated": [ISSUER]}), "sub isn't named"),
        ],
        unknown="assumeRolePolicy",
    ),
    "role-is-taken-on-for-this-account": Case(
        passes=trust({"Service": ["pods.eks.amazonaws.com"]}, StringEquals={"aws:SourceAccount": [ACCOUNT]}),
        also_passes=[trust({"Service": "ec2.amazonaws.com"}), trust({"AWS": ROLE})],
        refused=[
            (trust({"Service": "eks.amazonaws.com"}), "statement 0, lets a service take the role on for any account"),
            (trust({"AWS": "*"}), "lets everybody take the role on"),
            (trust("*"), "lets everybody take the role on"),
            ({"assumeRolePolicy": "canary"}, "can't be judged (it is no JSON)"),
        ],
        unknown="assumeRolePolicy",
    ),
    "role-is-bounded": Case(
        passes={"permissionsBoundary": "arn:aws:iam::123456789012:policy/boundary"},
        refused=[({"permissionsBoundary": None}, "permissionsBoundary isn't set")],
        unknown="permissionsBoundary",
    ),
    "policy-names-its-actions": Case(
        passes=document(Action=["logs:PutLogEvents"], Resource="*"),
        also_passes=[document(Effect="Deny", Action="*", Resource="*")],
        refused=[
            (document(Action="*", Resource="*"), "policy, statement 0, allows actions that it doesn't name"),
            (document(NotAction=["iam:PassRole"], Resource="*"), "allows actions that it doesn't name"),
        ],
        unknown="policy",
    ),
    "role-names-its-actions": Case(
        passes=document(Action=["logs:PutLogEvents"], Resource=["arn:one"]),
        also_passes=[document(Effect="Deny", Action="*", Resource="*")],
        refused=[
            (document(Action="*", Resource=["arn:one"]), "policy, statement 0, allows actions that it doesn't name"),
            (document(Action=["s3:Get*"], Resource=["arn:one"]), "allows actions that it doesn't name"),
            (document(NotAction=["s3:GetObject"], Resource=["arn:one"]), "allows actions that it doesn't name"),
        ],
        unknown="policy",
    ),
    "role-names-its-resources": Case(
        passes=document(Action=["s3:GetObject"], Resource=["arn:aws:s3:::one/raft/*"]),
        refused=[
            (document(Action=["s3:GetObject"], Resource=["*"]), "allows every resource"),
            (document(Action=["s3:GetObject"], Resource="*"), "allows every resource"),
            (document(Action=["s3:GetObject"], NotResource="arn:one"), "allows every resource"),
        ],
        unknown="policy",
    ),
    "role-has-known-policies": Case(
        passes={"policyArn": "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"},
        refused=[({"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, "policyArn isn't arn:aws:iam::aws")],
        unknown="policyArn",
    ),
    "key-names-its-users": Case(
        passes=key({"AWS": [ROLE]}),
        also_passes=[key({"AWS": "*"}, StringEquals={"kms:CallerAccount": [ACCOUNT]}), {"policy": None}],
        refused=[(key({"AWS": "*"}), "lets everybody use the key"), (key("*"), "lets everybody use the key")],
        unknown="policy",
    ),
    "key-is-opened-by-its-own-policy": Case(
        passes=key({"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]}, "kms:ScheduleKeyDeletion"),
        also_passes=[key({"AWS": [ROLE]})],
        refused=[
            (key({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), "lets an IAM policy open the key"),
            (key({"AWS": [ROLE]}, "kms:*"), "allows actions that it doesn't name"),
        ],
        unknown="policy",
    ),
}


def policy(direction: str, peers: Any, ports: Any = ({"protocol": "TCP", "port": 443.0},)) -> dict[str, Any]:
    side = {"ingress": "from", "egress": "to"}[direction]
    rule = {side: peers, **({"ports": list(ports)} if ports else {})}
    return {"spec": {"policyTypes": ["Ingress", "Egress"], direction: [rule]}}


def block(cidr: str, *excepted: str) -> list[dict[str, Any]]:
    return [{"ipBlock": {"cidr": cidr, "except": list(excepted)}}]


def rights(**rule: Any) -> dict[str, Any]:
    return {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **rule}]}


BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
LEAF: Mapping[str, Any] = {"duration": "2160h0m0s", "privateKey": {"rotationPolicy": "Always"}}

IN_DATABASES: Mapping[str, Case] = {
    "database-is-encrypted": Case(
        passes={"storageEncrypted": True, "kmsKeyId": "arn"},
        refused=[
            ({"storageEncrypted": False}, "storageEncrypted is off"),
            ({"storageEncrypted": None}, "storageEncrypted is off"),
            ({"kmsKeyId": None}, "kmsKeyId isn't set"),
        ],
        unknown="storageEncrypted",
    ),
    "database-keeps-its-files": Case(
        passes={"engine": "postgres", "engineVersion": "11.8"},
        also_passes=[
            {"engine": "aurora-postgresql", "engineVersion": "11.9"},
            {"engine": "aurora-postgresql", "engineVersion": None},
        ],
        refused=[({"engine": "aurora-postgresql"}, "engineVersion lets its users read files of the machine")],
        unknown="engineVersion",
    ),
    "database-has-no-public-address": Case(
        passes={"publiclyAccessible": False},
        also_passes=[{"publiclyAccessible": None}],
        refused=[({"publiclyAccessible": True}, "publiclyAccessible is on")],
        unknown="publiclyAccessible",
    ),
    "database-is-watched": Case(
        passes={"monitoringInterval": 60, "monitoringRoleArn": ROLE},
        refused=[
            ({"monitoringInterval": 0}, "monitoringInterval is off"),
            ({"monitoringInterval": None}, "monitoringInterval is off"),
            ({"monitoringRoleArn": None}, "monitoringRoleArn isn't set"),
        ],
        unknown="monitoringRoleArn",
    ),
    "database-logs-are-kept": Case(
        passes={"enabledCloudwatchLogsExports": ["postgresql", "upgrade"]},
        refused=[
            ({"enabledCloudwatchLogsExports": ["postgresql"]}, "enabledCloudwatchLogsExports lacks upgrade"),
            ({"enabledCloudwatchLogsExports": None}, "lacks postgresql, upgrade"),
        ],
        unknown="enabledCloudwatchLogsExports",
    ),
    "database-is-backed-up": Case(
        passes={"backupRetentionPeriod": 7},
        refused=[
            ({"backupRetentionPeriod": 6}, "backupRetentionPeriod is under 7 days"),
            ({"backupRetentionPeriod": None}, "backupRetentionPeriod is under 7 days, or isn't set"),
        ],
        unknown="backupRetentionPeriod",
    ),
    "database-outlives-a-zone": Case(
        passes={"multiAz": True},
        refused=[({"multiAz": False}, "multiAz is off"), ({"multiAz": None}, "multiAz is off")],
        unknown="multiAz",
    ),
    "database-takes-identities": Case(
        passes={"iamDatabaseAuthenticationEnabled": True},
        refused=[({"iamDatabaseAuthenticationEnabled": None}, "iamDatabaseAuthenticationEnabled is off")],
        unknown="iamDatabaseAuthenticationEnabled",
    ),
    "database-gets-minor-versions": Case(
        passes={"autoMinorVersionUpgrade": True},
        also_passes=[{"autoMinorVersionUpgrade": None}],
        refused=[({"autoMinorVersionUpgrade": False}, "autoMinorVersionUpgrade is off")],
        unknown="autoMinorVersionUpgrade",
    ),
    "database-shows-its-load": Case(
        passes={"performanceInsightsEnabled": True, "performanceInsightsKmsKeyId": "arn"},
        refused=[
            ({"performanceInsightsEnabled": None}, "performanceInsightsEnabled is off"),
            ({"performanceInsightsKmsKeyId": None}, "performanceInsightsKmsKeyId isn't set"),
        ],
        unknown="performanceInsightsKmsKeyId",
    ),
    "database-password-is-sent-once": Case(
        passes={"passwordWoVersion": 1},
        refused=[
            ({"password": "canary"}, "password is on"),
            ({"manageMasterUserPassword": True}, "manageMasterUserPassword is on"),
            ({"passwordWoVersion": None}, "passwordWoVersion isn't set"),
        ],
        unknown="password",
    ),
    "database-takes-tls-only": Case(
        passes={"parameters": [{"name": "rds.force_ssl", "value": "1"}]},
        refused=[
            ({"parameters": [{"name": "rds.force_ssl", "value": "0"}]}, "parameters take connections in the clear"),
            ({"parameters": None}, "parameters take connections in the clear"),
        ],
        unknown="parameters",
    ),
}
AROUND_PODS: Mapping[str, Case] = {
    "namespace-is-restricted": Case(
        passes={"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        refused=[
            ({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}, "the restricted profile"),
            ({"metadata": None}, "doesn't hold pods to the restricted profile"),
        ],
        unknown="metadata",
    ),
    "network-policy-names-peers": Case(
        passes=policy("ingress", [{"podSelector": {}}]),
        also_passes=[{"spec": {"podSelector": {}}}],
        refused=[
            (policy("ingress", []), "lets everybody through in ingress[0], which names nobody"),
            (policy("egress", None), "lets everybody through in egress[0], which names nobody"),
        ],
        unknown="spec",
    ),
    "network-policy-names-ports": Case(
        passes=policy("egress", block("10.0.0.0/16")),
        refused=[
            (policy("egress", block("10.0.0.0/16"), ()), "opens every port in egress[0]"),
            (policy("ingress", [{"podSelector": {}}], [{"protocol": "TCP"}]), "opens every port in ingress[0]"),
        ],
        unknown="spec",
    ),
    "network-policy-is-about-both-directions": Case(
        passes={"spec": {"policyTypes": ["Ingress", "Egress"]}},
        refused=[({"spec": {"policyTypes": ["Ingress"]}}, "one direction"), ({"spec": {}}, "one direction")],
        unknown="spec",
    ),
    "metadata-is-out-of-reach": Case(
        passes=policy("egress", block("0.0.0.0/0", "169.254.0.0/16")),
        also_passes=[policy("egress", block("169.254.170.23/32")), policy("egress", [{"podSelector": {}}])],
        refused=[
            (policy("egress", block("0.0.0.0/0")), "reaches the node's metadata service in egress[0]"),
            (policy("egress", block("0.0.0.0/0", "10.0.0.0/8")), "reaches the node's metadata service"),
            (policy("egress", block("169.254.169.254/32")), "reaches the node's metadata service"),
        ],
        unknown="spec",
    ),
    "volumes-are-encrypted": Case(
        passes={"parameters": {"encrypted": "true", "kmsKeyId": "arn"}},
        refused=[
            ({"parameters": {"kmsKeyId": "arn"}}, "doesn't encrypt volumes by a key of the account's own"),
            ({"parameters": {"encrypted": "true"}}, "doesn't encrypt volumes by a key of the account's own"),
            ({"parameters": None}, "doesn't encrypt volumes by a key of the account's own"),
        ],
        unknown="parameters",
    ),
    "volumes-outlive-claims": Case(
        passes={"reclaimPolicy": "Retain"}, refused=[({"reclaimPolicy": None}, "isn't Retain")], unknown="reclaimPolicy"
    ),
    "volumes-are-where-their-pod-is": Case(
        passes={"volumeBindingMode": "WaitForFirstConsumer"},
        refused=[({"volumeBindingMode": "Immediate"}, "isn't WaitForFirstConsumer")],
        unknown="volumeBindingMode",
    ),
    "claim-names-its-class": Case(
        passes={"spec": {"storageClassName": "vault-gp3"}},
        refused=[({"spec": {}}, "takes the cluster's usual class of volumes")],
        unknown="spec",
    ),
    "rights-have-no-wildcard": Case(
        passes=rights(),
        refused=[
            (rights(verbs=["*"]), "rules [0] has a wildcard"),
            (rights(resources=["*"]), "rules [0] has a wildcard"),
            (rights(apiGroups=["*"]), "rules [0] has a wildcard"),
        ],
        unknown="rules",
    ),
    "rights-open-no-secrets": Case(
        passes=rights(),
        refused=[
            (rights(resources=["secrets"]), "rules [0] opens what pods are made of"),
            (rights(resources=["pods/exec"]), "rules [0] opens what pods are made of"),
        ],
        unknown="rules",
    ),
    "cluster-rights-are-known": Case(
        passes={"roleRef": {"name": "system:auth-delegator"}},
        refused=[({"roleRef": {"name": "cluster-admin"}}, "is no role that a server needs in the whole cluster")],
        unknown="roleRef",
    ),
    "rights-are-of-accounts": Case(
        token=BINDING,
        passes={"subjects": [{"kind": "ServiceAccount", "name": "vault"}]},
        refused=[
            ({"subjects": [{"kind": "Group", "name": "system:authenticated"}]}, "subjects [0] is no service account"),
            ({"subjects": [{"kind": "ServiceAccount", "name": "default"}]}, "subjects [0] is no service account"),
        ],
        unknown="subjects",
    ),
    "service-is-inside": Case(
        passes={"spec": {"type": "ClusterIP"}},
        also_passes=[{"spec": {}}, {"spec": {"type": "NodePort", "externalTrafficPolicy": "Local"}}],
        refused=[
            ({"spec": {"type": "LoadBalancer"}}, "is reached from outside of the cluster"),
            ({"spec": {"type": "NodePort"}}, "hides from network policies who comes from outside"),
        ],
        unknown="spec",
    ),
    "service-sends-nobody-to-the-sealed": Case(
        passes={"spec": {"publishNotReadyAddresses": False}},
        also_passes=[{"spec": {"publishNotReadyAddresses": True, "clusterIP": "None"}}],
        refused=[({"spec": {"publishNotReadyAddresses": True}}, "sends clients to who isn't ready")],
        unknown="spec",
    ),
    "evictions-are-one-at-a-time": Case(
        passes={"spec": {"maxUnavailable": 1.0}},
        also_passes=[{"spec": {"maxUnavailable": 0.0}}],
        refused=[
            ({"spec": {"maxUnavailable": 2.0}}, "lets several be evicted at once"),
            ({"spec": {"maxUnavailable": "50%"}}, "lets several be evicted at once"),
            ({"spec": {}}, "lets several be evicted at once"),
        ],
        unknown="spec",
    ),
    "listener-certificate-is-short": Case(
        passes={"spec": LEAF},
        also_passes=[{"spec": {"isCA": True, "duration": "87600h0m0s"}}],
        refused=[
            ({"spec": {**LEAF, "duration": "8760h0m0s"}}, "lasts longer than 2160 hours"),
            ({"spec": {**LEAF, "duration": None}}, "lasts longer than 2160 hours"),
        ],
        unknown="spec",
    ),
    "listener-key-is-new-each-time": Case(
        passes={"spec": LEAF},
        also_passes=[{"spec": {"isCA": True}}],
        refused=[({"spec": {"privateKey": {"rotationPolicy": "Never"}}}, "keeps its key when it is renewed")],
        unknown="spec",
    ),
    "config-map-holds-no-secret": Case(
        passes={"data": {"server.hcl": "ui = false"}},
        also_passes=[{"data": None}],
        refused=[
            ({"data": {"a": "canary " + ".".join(("hvs", "CAESI" + "Jx" * 12))}}, "data holds a token of Vault"),
            ({"data": {"a": "-----BEGIN " + "EC PRIVATE KEY-----"}}, "data holds a private key"),
        ],
        unknown="data",
    ),
    "service-account-makes-no-token": Case(
        passes={"metadata": {"name": "vault"}},
        refused=[({"secrets": [{"name": "canary"}]}, "secrets is on")],
        unknown="secrets",
    ),
}

CONTAINER: Mapping[str, Any] = {
    "image": DIGEST,
    "ports": [{"containerPort": 8200.0}],
    "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    "readinessProbe": {"httpGet": {"path": "/v1/sys/health?standbyok=true", "scheme": "HTTPS"}},
    "livenessProbe": {"httpGet": {"path": "/v1/sys/health?sealedcode=204", "scheme": "HTTPS"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
POD: Mapping[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 100.0, "seccompProfile": {"type": "RuntimeDefault"}},
    "terminationGracePeriodSeconds": 60.0,
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "host"}]}},
    "topologySpreadConstraints": [
        {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3.0}
    ],
}
SET: Mapping[str, Any] = {
    "replicas": 3.0,
    "updateStrategy": {"type": "OnDelete"},
    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
}


def pods(of_set: Mapping[str, Any] | None = None, of_pod: Mapping[str, Any] | None = None, **container: Any) -> Any:
    """A set with one container, and each of the three parts otherwise."""
    pod = {**POD, "containers": [{**CONTAINER, **container}], **(of_pod or {})}
    return {"spec": {**SET, "template": {"spec": pod}, **(of_set or {})}}


def context(**changed: Any) -> Any:
    return pods(securityContext={**CONTAINER["securityContext"], **changed})


def pod_context(**changed: Any) -> Any:
    return pods(of_pod={"securityContext": {**POD["securityContext"], **changed}})


def case(*refused: tuple[Any, str], also_passes: tuple[Any, ...] = ()) -> Case:
    return Case(passes=pods(), also_passes=list(also_passes), refused=list(refused), unknown="spec")


SPREAD = POD["topologySpreadConstraints"][0]
IN_PODS: Mapping[str, Case] = {
    "pods-run-as-nobody": case(
        (pod_context(runAsNonRoot=False), "spec lets its pods run as root"),
        (pod_context(runAsUser=0.0), "spec lets its pods run as root"),
        (pods(of_pod={"securityContext": None}), "spec lets its pods run as root"),
    ),
    "pods-filter-system-calls": case(
        (pod_context(seccompProfile=None), "make every system call"),
        (pod_context(seccompProfile={"type": "Unconfined"}), "make every system call"),
    ),
    "pods-are-apart-from-their-node": case(
        (pods(of_pod={"hostNetwork": True}), "shares a namespace with its node"),
        (pods(of_pod={"hostPID": True}), "shares a namespace with its node"),
        (pods(of_pod={"volumes": [{"hostPath": {"path": "/"}}]}), "mounts a folder of its node"),
    ),
    "containers-raise-no-privileges": case(
        (context(allowPrivilegeEscalation=True), "containers[0] may raise its privileges"),
        (context(privileged=True), "containers[0] may raise its privileges"),
        (pods(of_pod={"initContainers": [{"image": DIGEST}]}), "initContainers[0] may raise its privileges"),
    ),
    "containers-drop-capabilities": case(
        (context(capabilities=None), "containers[0] keeps capabilities"),
        (context(capabilities={"drop": ["ALL"], "add": ["IPC_LOCK"]}), "containers[0] keeps capabilities"),
    ),
    "containers-write-to-volumes-only": case((context(readOnlyRootFilesystem=False), "may write into its own image")),
    "containers-are-by-digest": case(
        (pods(image="docker.io/hashicorp/vault:2.0.4"), "has an image that may become another one"),
        (pods(image=None), "has an image that may become another one"),
    ),
    "containers-say-what-they-take": case(
        (pods(resources=None), "doesn't say what it takes"),
        (pods(resources={"requests": {"cpu": "1", "memory": "1Gi"}}), "doesn't say what it takes"),
    ),
    "servers-are-probed": case(
        (pods(readinessProbe=None), "nobody asks whether it is ready and alive"),
        (pods(livenessProbe=None), "nobody asks whether it is ready and alive"),
        also_passes=(pods(ports=None, readinessProbe=None),),
    ),
    "ready-is-who-serves": case(
        (
            pods(readinessProbe={"httpGet": {"path": "/v1/sys/health?sealedcode=204", "scheme": "HTTPS"}}),
            "containers[0] counts as ready while it is sealed",
        ),
        (pods(readinessProbe={"httpGet": {"path": "/", "scheme": "HTTP"}}), "is asked without TLS"),
        also_passes=(pods(readinessProbe=None),),
    ),
    "servers-are-spread": case(
        (pods(of_pod={"topologySpreadConstraints": None}), "in fewer zones than there are"),
        (pods(of_pod={"topologySpreadConstraints": [{**SPREAD, "minDomains": None}]}), "in fewer zones than there are"),
        (pods(of_pod={"affinity": None}), "may have two pods on one node"),
        also_passes=(pods(of_set={"replicas": 1.0}, of_pod={"affinity": None}),),
    ),
    "servers-are-updated-by-hand": case(
        (pods(of_set={"updateStrategy": {"type": "RollingUpdate"}}), "replaces its pods without looking"),
        (pods(of_set={"updateStrategy": None}), "replaces its pods without looking"),
    ),
    "claims-outlive-pods": case(
        (
            pods(of_set={"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}),
            "deletes claims with its pods",
        ),
        also_passes=(pods(of_set={"persistentVolumeClaimRetentionPolicy": None}),),
    ),
    "servers-have-time-to-end": case(
        (pods(of_pod={"terminationGracePeriodSeconds": 10.0}), "before they have handed their lead over"),
        (pods(of_pod={"terminationGracePeriodSeconds": None}), "before they have handed their lead over"),
    ),
}
