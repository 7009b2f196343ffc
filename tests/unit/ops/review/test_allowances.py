"""What allows more than before besides paths and networks, kind by kind, by resources written by hand.

Doesn't prove: that a server or AWS reads them so.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ops.review import user_data
from ops.review.comparing import compare
from ops.review.declaring import Resource
from tests.unit.ops.review.samples import firewall, resource

JWT = "vault:jwt/authBackendRole:AuthBackendRole"
JWT_MOUNT = "vault:jwt/authBackend:AuthBackend"
KUBERNETES = "vault:kubernetes/authBackendRole:AuthBackendRole"
KUBERNETES_MOUNT = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
CERTIFICATE = "vault:index/certAuthBackendRole:CertAuthBackendRole"
APPROLE = "vault:appRole/authBackendRole:AuthBackendRole"
ROLE = "vault:database/secretBackendRole:SecretBackendRole"
STATIC = "vault:database/secretBackendStaticRole:SecretBackendStaticRole"
CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
PKI = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
TRANSIT = "vault:transit/secretBackendKey:SecretBackendKey"
KMS = "aws:kms/key:Key"
TRUST = "aws:iam/role:Role"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
CLUSTER = "aws:eks/cluster:Cluster"
SERVER = "hcloud:index/server:Server"
RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
NAMESPACE = "kubernetes:core/v1:Namespace"
NAMED = {"metadata": {"namespace": "vault", "name": "x"}}
PEM = "-----BEGIN CERTIFICATE-----\nQUE=\n-----END CERTIFICATE-----\n"
CREATED = 'CREATE ROLE "{{name}}" NOSUPERUSER;'


def grants(*privileges: str, schema: str = "public") -> list[str]:
    """The statements of a leased login."""
    tables = f'GRANT {", ".join(privileges)} ON ALL TABLES IN SCHEMA "{schema}" TO "{{{{name}}}}";'
    return [CREATED, f'GRANT USAGE ON SCHEMA "{schema}" TO "{{{{name}}}}";', tables]


def document(*statements: Mapping[str, Any]) -> str:
    """A document of IAM that allows, unless a statement says otherwise."""
    return json.dumps({"Statement": [{"Effect": "Allow", **one} for one in statements]})


def connection(user: str, host: str) -> dict[str, Any]:
    """A connection's own inputs."""
    return {"name": "x", "postgresql": {"username": user, "connectionUrl": f"postgresql://{host}/estate"}}


def traffic(*rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A network policy of what comes in."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": list(rules), **more}
    return {**NAMED, "spec": spec}


def block(cidr: str, *cuts: str) -> dict[str, Any]:
    """A network as peer."""
    return {"ipBlock": {"cidr": cidr, **({"except": list(cuts)} if cuts else {})}}


def port(number: int) -> list[dict[str, Any]]:
    """One port of a network policy's rule."""
    return [{"protocol": "TCP", "port": number}]


def users(*keys: str) -> str:
    """User-data with one user."""
    written = {"users": [{"name": "estate", "ssh_authorized_keys": list(keys)}, {"name": "root"}]}
    return f"{user_data.BEGIN}{json.dumps(written)}"


def rights(*verbs: str, things: tuple[str, ...] = ("configmaps",)) -> dict[str, Any]:
    """A role of the cluster's API."""
    return {**NAMED, "rules": [{"apiGroups": [""], "resources": list(things), "verbs": list(verbs)}]}


ALL_ACTIONS = "endpoint s3 allows * on * to *"
GET = {"Action": ["s3:GetObject"], "Resource": ["arn:b/a"]}
OF_ACCOUNT = {"StringEquals": {"aws:SourceAccount": ["1", "2"]}}
OF_ONE = {"StringEquals": {"aws:SourceAccount": ["1"]}}
LINES = "database role x ends a login with"

WIDER: list[tuple[str, str, dict[str, Any], dict[str, Any], list[str]]] = [
    (
        "claim gone",
        JWT,
        {"roleName": "ci", "boundClaims": {"repository": "a/b", "ref": "main"}},
        {"roleName": "ci", "boundClaims": {"repository": "a/b"}},
        ["jwt login ci takes tokens without claim ref"],
    ),
    (
        "every claim gone",
        JWT,
        {"roleName": "people", "boundClaims": {"hd": "example.com"}},
        {"roleName": "people"},
        ["jwt login people takes tokens without claim hd"],
    ),
    (
        "claim with another value",
        JWT,
        {"roleName": "ci", "boundClaims": {"ref": "main"}},
        {"roleName": "ci", "boundClaims": {"ref": "release,main"}},
        ["jwt login ci takes tokens whose claim ref is release"],
    ),
    (
        "audience",
        JWT,
        {"roleName": "ci", "boundAudiences": ["vault"]},
        {"roleName": "ci", "boundAudiences": ["vault", "other"]},
        ["jwt login ci takes tokens for audience other"],
    ),
    (
        "any audience",
        JWT,
        {"roleName": "ci", "boundAudiences": ["vault"]},
        {"roleName": "ci", "boundAudiences": []},
        ["jwt login ci takes tokens for any audience"],
    ),
    (
        "return address",
        JWT,
        {"roleName": "people", "allowedRedirectUris": ["http://localhost:8250/oidc/callback"]},
        {
            "roleName": "people",
            "allowedRedirectUris": ["https://x.example/", "http://localhost:8250/oidc/callback"],
        },
        ["jwt login people sends browsers back to https://x.example/"],
    ),
    (
        "service account",
        KUBERNETES,
        {"roleName": "app", "boundServiceAccountNames": ["a"], "boundServiceAccountNamespaces": ["n"]},
        {"roleName": "app", "boundServiceAccountNames": ["b", "a"], "boundServiceAccountNamespaces": ["*"]},
        [
            "kubernetes login app takes pods of any namespace",
            "kubernetes login app takes service account b",
        ],
    ),
    (
        "common name",
        CERTIFICATE,
        {"name": "x", "certificate": PEM, "allowedCommonNames": ["a"]},
        {"name": "x", "certificate": PEM},
        ["certificate login x takes any common name"],
    ),
    (
        "no SecretID",
        APPROLE,
        {"roleName": "app", "bindSecretId": True},
        {"roleName": "app", "bindSecretId": False},
        ["approle login app asks for no SecretID"],
    ),
    (
        "tables written",
        ROLE,
        {"name": "x", "creationStatements": grants("SELECT")},
        {"name": "x", "creationStatements": grants("SELECT", "INSERT", "UPDATE")},
        [
            'database role x may INSERT on ALL TABLES IN SCHEMA "public"',
            'database role x may UPDATE on ALL TABLES IN SCHEMA "public"',
        ],
    ),
    (
        "a statement more",
        ROLE,
        {"name": "x", "creationStatements": grants("SELECT")},
        {"name": "x", "creationStatements": [*grants("SELECT"), 'ALTER ROLE "{{name}}" SUPERUSER;']},
        ['database role x makes a login with ALTER ROLE "{{name}}" SUPERUSER;'],
    ),
    (
        "domain and kinds of certificates",
        PKI,
        {"name": "x", "allowedDomains": ["a.example"], "allowLocalhost": False, "enforceHostnames": True},
        {"name": "x", "allowedDomains": ["b.example", "a.example"], "allowAnyName": True, "enforceHostnames": False},
        [
            "pki role x gives certificates of any name",
            "pki role x gives certificates of domain b.example",
            "pki role x gives certificates of localhost",
            "pki role x gives certificates of what is no host's name",
        ],
    ),
    (
        "subdomains",
        PKI,
        {"name": "x", "allowSubdomains": False},
        {"name": "x", "allowSubdomains": True},
        ["pki role x gives certificates of subdomains"],
    ),
    (
        "exportable",
        TRANSIT,
        {"name": "x", "exportable": False},
        {"name": "x", "exportable": True},
        ["transit key x may be exported"],
    ),
    (
        "principal of a key",
        KMS,
        {"policy": document({"Principal": {"AWS": ["a"]}, "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": "*"})},
        {
            "policy": document(
                {"Principal": {"AWS": ["b", "a"]}, "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"}
            )
        },
        ["key x allows kms:Decrypt, kms:Encrypt on * to b"],
    ),
    (
        "trust",
        TRUST,
        {
            "name": "r",
            "assumeRolePolicy": document(
                {"Principal": {"Service": "s"}, "Action": "sts:AssumeRole", "Condition": OF_ONE}
            ),
        },
        {"name": "r", "assumeRolePolicy": document({"Principal": {"Service": "s"}, "Action": "sts:AssumeRole"})},
        ["trust of role r allows sts:AssumeRole to s"],
    ),
    (
        "values of a condition",
        TRUST,
        {
            "name": "r",
            "assumeRolePolicy": document({"Principal": "*", "Action": "sts:AssumeRole", "Condition": OF_ONE}),
        },
        {
            "name": "r",
            "assumeRolePolicy": document({"Principal": "*", "Action": "sts:AssumeRole", "Condition": OF_ACCOUNT}),
        },
        ["trust of role r allows sts:AssumeRole to * if aws:SourceAccount StringEquals 1, 2"],
    ),
    (
        "resource of a role",
        "aws:iam/rolePolicy:RolePolicy",
        {"role": "r", "policy": document(GET)},
        {"role": "r", "policy": document({**GET, "Resource": ["arn:b/*"]})},
        ["role r allows s3:GetObject on arn:b/*"],
    ),
    (
        "all actions but some",
        "aws:iam/rolePolicy:RolePolicy",
        {"role": "r", "policy": document({"NotAction": ["a:B", "a:C"], "Resource": "*"})},
        {"role": "r", "policy": document({"NotAction": ["a:C"], "Resource": "*"})},
        ["role r allows all but a:C on *"],
    ),
    (
        "denied no more",
        BUCKET_POLICY,
        {"bucket": "b", "policy": document({"Effect": "Deny", "Principal": "*", **GET})},
        {"bucket": "b", "policy": document()},
        ["bucket b denies no more s3:GetObject on arn:b/a to *"],
    ),
    (
        "endpoint without a policy",
        ENDPOINT,
        {"serviceName": "s3", "policy": document({"Principal": "*", **GET})},
        {"serviceName": "s3"},
        [ALL_ACTIONS],
    ),
    (
        "cluster's administrators",
        CLUSTER,
        {"name": "c", "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}},
        {"name": "c", "accessConfig": {"authenticationMode": "API"}},
        ["cluster c is administered by who makes it"],
    ),
    (
        "scope of access",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        {
            "principalArn": "p",
            "policyArn": "view",
            "clusterName": "c",
            "accessScope": {"type": "namespace", "namespaces": ["n"]},
        },
        {"principalArn": "p", "policyArn": "view", "clusterName": "c", "accessScope": {"type": "cluster"}},
        ["principal p has view in cluster c"],
    ),
    (
        "boundary",
        TRUST,
        {"name": "r", "assumeRolePolicy": document(), "permissionsBoundary": "b"},
        {"name": "r", "assumeRolePolicy": document()},
        ["role r has no boundary"],
    ),
    (
        "firewall of a server",
        SERVER,
        {"name": "node", "firewallIds": [1]},
        {"name": "node", "firewallIds": []},
        ["server node is behind no firewall"],
    ),
    (
        "SSH key",
        SERVER,
        {"name": "node", "firewallIds": [1], "userData": users("ssh-ed25519 A ada")},
        {"name": "node", "firewallIds": [1], "userData": users("ssh-ed25519 B eve", "ssh-ed25519 A ada")},
        ["server node lets in by SSH ssh-ed25519 B eve as estate"],
    ),
    (
        "verb",
        f"{RBAC}Role",
        rights("get"),
        rights("patch", "get"),
        ["Role vault/x may patch configmaps"],
    ),
    (
        "token in every pod",
        ACCOUNT,
        {**NAMED, "automountServiceAccountToken": False},
        dict(NAMED),
        ["ServiceAccount vault/x gives its token to every pod of it"],
    ),
    (
        "standard of pods",
        NAMESPACE,
        {"metadata": {"name": "n", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        {"metadata": {"name": "n"}},
        ["Namespace n holds pods to no standard"],
    ),
    (
        "network of a policy",
        POLICY,
        traffic({"from": [block("10.0.0.0/24")], "ports": port(443)}),
        traffic({"from": [block("10.0.0.0/8")], "ports": port(443)}),
        ["network policy vault/x lets from 10.0.0.0/8 at tcp port 443"],
    ),
    (
        "what a network leaves out",
        POLICY,
        traffic({"from": [block("0.0.0.0/0", "169.254.0.0/16")], "ports": port(443)}),
        traffic({"from": [block("0.0.0.0/0")], "ports": port(443)}),
        ["network policy vault/x lets from 0.0.0.0/0 at tcp port 443"],
    ),
    (
        "any peer at any port",
        POLICY,
        traffic({"from": [block("10.0.0.0/8")], "ports": port(443)}),
        traffic({}),
        ["network policy vault/x lets from anywhere at any port"],
    ),
    (
        "a direction held back no more",
        POLICY,
        traffic(),
        traffic(policyTypes=["Ingress"]),
        ["network policy vault/x lets to anywhere at any port"],
    ),
]
"""What is narrower, what is wider, and the lines of the wider one; the other way there is none."""
KINDS = [one[1:] for one in WIDER]
NAMES = [one[0] for one in WIDER]

OTHER: list[tuple[str, str, dict[str, Any], dict[str, Any], list[str]]] = [
    (
        "issuer",
        JWT_MOUNT,
        {"path": "oidc", "boundIssuer": "https://a.example", "oidcDiscoveryUrl": "https://a.example"},
        {"path": "oidc", "boundIssuer": "https://b.example", "oidcDiscoveryUrl": "https://b.example"},
        [
            "auth method oidc takes keys by the discovery document of https://b.example",
            "auth method oidc takes tokens of issuer https://b.example",
        ],
    ),
    (
        "client",
        JWT_MOUNT,
        {"path": "oidc", "boundIssuer": "i", "oidcClientId": "one"},
        {"path": "oidc", "boundIssuer": "i", "oidcClientId": "two"},
        ["auth method oidc is client two"],
    ),
    (
        "cluster's CA",
        KUBERNETES_MOUNT,
        {"backend": "kubernetes", "kubernetesHost": "https://k.example", "kubernetesCaCert": PEM},
        {"backend": "kubernetes", "kubernetesHost": "https://k.example"},
        ["auth method kubernetes trusts the authorities of its machine"],
    ),
    (
        "claim of groups",
        JWT,
        {"roleName": "people", "groupsClaim": "groups"},
        {"roleName": "people", "groupsClaim": "roles"},
        ["jwt login people reads groups from claim roles"],
    ),
    (
        "certificate",
        CERTIFICATE,
        {"name": "x", "certificate": PEM},
        {"name": "x", "certificate": PEM.replace("QUE=", "QUI=")},
        ["certificate login x takes the certificate, or those of the authority, with SHA-256 42197d77976a9638"],
    ),
    (
        "schema",
        ROLE,
        {"name": "x", "creationStatements": grants("SELECT")},
        {"name": "x", "creationStatements": grants("SELECT", schema="other")},
        [
            'database role x may SELECT on ALL TABLES IN SCHEMA "other"',
            'database role x may USAGE on SCHEMA "other"',
        ],
    ),
    (
        "connection of a role",
        ROLE,
        {"name": "x", "dbName": "one", "revocationStatements": ["DROP a"]},
        {"name": "x", "dbName": "two", "revocationStatements": ["DROP b"]},
        ["database role x makes logins at connection two", f"{LINES} DROP b"],
    ),
    (
        "user of a static role",
        STATIC,
        {"name": "x", "dbName": "d", "username": "one"},
        {"name": "x", "dbName": "d", "username": "two"},
        ["database role x is user two at connection d"],
    ),
    (
        "user of a connection",
        CONNECTION,
        connection("one", "a.example"),
        connection("two", "b.example"),
        [
            "database connection x goes to postgresql://b.example/estate",
            "database connection x logs in as two of postgresql",
        ],
    ),
    (
        "document known after up",
        "aws:iam/rolePolicy:RolePolicy",
        {"role": "r", "policy": {"secret": "1"}},
        {"role": "r", "policy": {"secret": "2"}},
        ["role r allows (secret)"],
    ),
    (
        "document that a server computes",
        "aws:iam/rolePolicy:RolePolicy",
        {"role": "r", "policy": "<one.policy>"},
        {"role": "r", "policy": "<two.policy>"},
        ["role r allows what is told after up"],
    ),
    (
        "network that a server computes",
        POLICY,
        traffic({"from": [block("<one.cidr>")], "ports": port(443)}),
        traffic({"from": [block("<two.cidr>")], "ports": port(443)}),
        ["network policy vault/x lets from <two.cidr> at tcp port 443"],
    ),
    (
        "pods of a policy",
        POLICY,
        traffic(),
        traffic(podSelector={"matchLabels": {"a": "b"}}),
        ['network policy vault/x is for other pods: {"matchLabels": {"a": "b"}}'],
    ),
]
"""What can't be compared as wider and narrower: another one is more."""


def widenings(type_: str, was: Mapping[str, Any], became: Mapping[str, Any]) -> list[str]:
    """The lines of one resource that changes."""
    before, after = (resource(type_, "x", **inputs) for inputs in (was, became))
    return list(compare("dev", [before], [after]).widenings)


@pytest.mark.parametrize(("type_", "narrow", "wide", "lines"), KINDS, ids=NAMES)
def test_more_is_told_and_less_is_not(
    type_: str, narrow: dict[str, Any], wide: dict[str, Any], lines: list[str]
) -> None:
    assert widenings(type_, narrow, wide) == lines
    assert widenings(type_, wide, narrow) == []


@pytest.mark.parametrize(("type_", "was", "became", "lines"), [one[1:] for one in OTHER], ids=[one[0] for one in OTHER])
def test_what_cant_be_compared_is_told(
    type_: str, was: dict[str, Any], became: dict[str, Any], lines: list[str]
) -> None:
    assert widenings(type_, was, became) == lines
    assert widenings(type_, became, was) != []


def turned(value: Any) -> Any:
    """The same with every list that isn't statements the other way round, documents of IAM too."""
    match value:
        case Mapping():
            return {name: turned(item) for name, item in reversed(tuple(value.items()))}
        case list():
            return [turned(item) for item in reversed(value)]
        case str() if value.startswith('{"Statement"'):
            return json.dumps(turned(json.loads(value)))
        case _:
            return value


@pytest.mark.parametrize(("type_", "narrow", "wide", "lines"), KINDS, ids=NAMES)
def test_another_order_is_nothing(type_: str, narrow: dict[str, Any], wide: dict[str, Any], lines: list[str]) -> None:
    for inputs in (narrow, wide):
        assert widenings(type_, inputs, turned(inputs)) == []
    assert lines


def more(was: list[Resource], became: list[Resource]) -> list[str]:
    return [str(one) for one in compare("dev", was, became).allowed]


def test_how_long_something_is_good_for_is_no_widening() -> None:
    for type_, name, lifetimes in (
        (APPROLE, "roleName", ("secretIdTtl", "tokenTtl", "tokenMaxTtl", "secretIdNumUses")),
        (JWT, "roleName", ("tokenTtl", "tokenMaxTtl")),
        (ROLE, "name", ("defaultTtl", "maxTtl")),
        (PKI, "name", ("ttl", "maxTtl")),
    ):
        short, long = ({name: "x", **dict.fromkeys(lifetimes, seconds)} for seconds in (60, 3600))
        assert widenings(type_, short, long) == []


def test_a_new_login_is_told_by_what_it_may_and_a_new_role_of_an_engine_by_what_it_is_good_for() -> None:
    assert more([], [resource(JWT, "x", roleName="ci", boundAudiences=["a"])]) == []
    role = resource(ROLE, "x", name="x", dbName="d", creationStatements=[CREATED, *grants("SELECT")[2:]])
    assert more([], [role]) == [
        "database role x makes logins at connection d",
        'database role x may SELECT on ALL TABLES IN SCHEMA "public"',
    ]


def test_who_is_a_person_is_told_of_those_who_were_there() -> None:
    person = resource("vault:identity/entity:Entity", "people-person-ada", name="ada")
    alias = {"canonicalId": "people-person-ada-id", "mountAccessor": "<userpass-mount.accessor>"}
    old, new = (resource("vault:identity/entityAlias:EntityAlias", name, name=name, **alias) for name in ("ada", "eve"))
    assert more([person, old], [person, new]) == ["person ada is whoever is eve at userpass-mount"]
    assert more([], [person, old]) == []


def test_what_gives_access_in_aws_is_told_where_it_comes() -> None:
    attached = resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "a", role="r", policyArn="p")
    entry = {"principalArn": "p", "clusterName": "c", "type": "STANDARD", "kubernetesGroups": ["g"]}
    pods = resource(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation", "i", namespace="n", serviceAccount="s", roleArn="r"
    )
    addon = {"addonName": "cni", "podIdentityAssociations": [{"serviceAccount": "s", "roleArn": "r"}]}
    subnet = {"cidrBlock": "10.0.0.0/24", "mapPublicIpOnLaunch": True}
    route = {"routeTableId": "t", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "g"}
    came = [
        attached,
        resource("aws:eks/accessEntry:AccessEntry", "e", **entry),
        pods,
        resource("aws:eks/addon:Addon", "o", **addon),
        resource("aws:ec2/subnet:Subnet", "n", **subnet),
        resource("aws:ec2/route:Route", "t", **route),
    ]
    assert more([], came) == [
        "principal p is of group g in cluster c",
        "principal p logs in to cluster c as STANDARD",
        "role r has policy p",
        "route table t leads to 0.0.0.0/0 by g",
        "service account n/s is role r",
        "service account s of cni is role r",
        "subnet 10.0.0.0/24 gives machines public addresses",
    ]
    assert more(came, []) == []


def test_a_bucket_is_missed_what_holds_back_the_public_as_long_as_it_is_there() -> None:
    bucket = resource("aws:s3/bucket:Bucket", "b", bucket="snapshots")
    denied = document({"Effect": "Deny", "Principal": "*", **GET})
    guards = [
        resource(
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "k", bucket="snapshots", blockPublicAcls=True
        ),
        resource(BUCKET_POLICY, "p", bucket="snapshots", policy=denied),
    ]
    assert more([bucket, *guards], [bucket]) == [
        "bucket snapshots denies no more s3:GetObject on arn:b/a to *",
        "bucket snapshots is open to the public as far as blockPublicAcls goes",
    ]
    assert more([bucket, *guards], []) == []
    assert more([], [bucket]) == []


def test_what_holds_back_pods_is_missed_unless_their_namespace_goes_too() -> None:
    place, policy = resource(NAMESPACE, "n", metadata={"name": "vault"}), resource(POLICY, "p", **traffic())
    assert more([place, policy], [place]) == ["network policy vault/x holds back nothing"]
    assert more([place, policy], []) == []


def test_who_has_a_role_of_the_clusters_api_is_told() -> None:
    role = {"kind": "ClusterRole", "name": "view"}
    subjects = [{"kind": "ServiceAccount", "name": "s", "namespace": "n"}]
    bound = resource(f"{RBAC}RoleBinding", "b", **NAMED, roleRef=role, subjects=subjects)
    assert more([], [bound]) == ["ServiceAccount n/s has ClusterRole view by RoleBinding vault/x"]


def test_a_firewall_that_names_nothing_outgoing_holds_back_nothing_that_goes_out() -> None:
    was, became = firewall(("out", "443", ["10.0.0.0/8"])), firewall(("in", "443", ["10.0.0.0/8"]))
    assert more([was], [became]) == ["firewall network-firewall holds back nothing that goes out"]
    assert more([became], [was]) == []


@pytest.mark.parametrize(
    ("type_", "was", "became", "line"),
    [
        (
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            {"securityGroupId": "g", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.0.0.0/16"},
            {"securityGroupId": "g", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.0.0.0/8"},
            "tcp port 443 from outside (g) is open to 10.0.0.0/8",
        ),
        (
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
            {"securityGroupId": "g", "ipProtocol": "tcp", "fromPort": 1, "toPort": 9, "referencedSecurityGroupId": "a"},
            {"securityGroupId": "g", "ipProtocol": "tcp", "fromPort": 1, "toPort": 9, "referencedSecurityGroupId": "b"},
            "tcp port 1-9 from inside (g) is open to b",
        ),
        (
            "aws:ec2/securityGroup:SecurityGroup",
            {"ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["10.0.0.0/16"]}]},
            {"ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "self": True}]},
            "tcp port 22 from outside (x-id) is open to the group itself",
        ),
        (
            CLUSTER,
            {"name": "c", "vpcConfig": {"publicAccessCidrs": ["10.0.0.0/16"]}},
            {"name": "c", "vpcConfig": {}},
            "API of cluster c is open to 0.0.0.0/0, ::/0",
        ),
        (
            CLUSTER,
            {"name": "c", "vpcConfig": {"endpointPublicAccess": False}},
            {"name": "c", "vpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["10.0.0.0/16"]}},
            "API of cluster c is open to 10.0.0.0/16",
        ),
    ],
)
def test_networks_of_aws_are_compared_as_networks(
    type_: str, was: dict[str, Any], became: dict[str, Any], line: str
) -> None:
    assert widenings(type_, was, became) == [line]
