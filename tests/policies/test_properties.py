"""Every rule about properties on one resource: what passes, what is refused and how, and what an unknown value does.

The rules with a module of their own have more cases in `test_rules.py` and `test_cloud_rules.py`. Not proven here: that
the engine runs them (`test_pack.py`).
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_NUMBER_VALUE, UNKNOWN_STRING_VALUE, UnknownValueError

from components.render.chart.server_file import ClusterServer, server_file
from components.render.chart.values import values
from fake_providers.constructing import ChildResource
from fake_providers.kubernetes import CHART, KubernetesProvider
from ops.paths import ROOT
from policies.rules import (
    RULES,
    authorities,
    aws,
    databases,
    eks,
    engines,
    hetzner,
    iam,
    kubernetes,
    kubernetes_pods,
    load_balancers,
    logins,
)
from policies.rules.rule import Rule
from tests.policies.cluster_cases import AROUND_PODS, BEFORE_SERVERS, IN_AWS, IN_DATABASES, IN_PODS
from tests.support.aws_samples import cluster, computed, site
from tests.support.cluster_samples import ARCHIVES, servers
from tests.support.declare import Record, Secret, declare
from tests.support.policy_rules import Case, findings, resource
from tests.unit.golden import local
from tests.unit.render.chart_samples import PLACE, SERVERS

_MODULES = (
    authorities,
    aws,
    databases,
    eks,
    engines,
    hetzner,
    iam,
    kubernetes,
    kubernetes_pods,
    load_balancers,
    logins,
)
PROPERTY_RULES = {rule.name: rule for module in _MODULES for rule in module.RULES}
ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
SIGNATURE = "vault:pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate"


def url(rest: str) -> dict[str, Any]:
    return {"postgresql": {"connectionUrl": f"postgresql://{{{{username}}}}:{{{{password}}}}@{rest}"}}


def grant(**statement: Any) -> dict[str, Any]:
    return {"policy": json.dumps({"Statement": [{"Effect": "Allow", **statement}]})}


CREATE = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' NOSUPERUSER;"
PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

CASES: Mapping[str, Case] = {
    "login-grants-no-root": Case(
        token="vault:jwt/authBackendRole:AuthBackendRole",
        passes={"tokenPolicies": ["app"]},
        also_passes=[{"tokenPolicies": [], "roleType": "oidc"}],
        refused=[
            ({"tokenPolicies": ["root"], "roleType": "oidc"}, "has an ACL policy of administrators"),
            ({"tokenPolicies": [], "roleType": "jwt"}, "is empty"),
            ({"tokenPolicies": ["app", "Root"]}, "has an ACL policy of administrators"),
            ({"tokenPolicies": ["administrator"]}, "has an ACL policy of administrators"),
            ({"tokenPolicies": []}, "is empty"),
            ({"tokenPolicies": None}, "is empty"),
        ],
        unknown="tokenPolicies",
    ),
    "login-ends": Case(
        passes={},
        also_passes=[{"tokenPeriod": 0.0}],
        refused=[({"tokenPeriod": 60.0}, "tokenPeriod is set, so its tokens can be renewed for ever")],
        unknown="tokenPeriod",
    ),
    "pod-and-certificate-tokens-are-short": Case(
        passes={"tokenMaxTtl": 14_400.0},
        also_passes=[{"tokenMaxTtl": 28_800.0, "name": "person-ada"}],
        refused=[
            ({"tokenMaxTtl": 14_401.0}, "tokenMaxTtl is 14401 s; expected at most 14400 s"),
            ({"tokenMaxTtl": None}, "tokenMaxTtl isn't set; expected 1 to 14400 s"),
            ({"tokenMaxTtl": 0.0}, "tokenMaxTtl isn't set"),
        ],
        unknown="tokenMaxTtl",
    ),
    "peoples-tokens-end-with-the-day": Case(
        token="vault:jwt/authBackendRole:AuthBackendRole",
        passes={"tokenMaxTtl": 43_200.0, "roleType": "oidc"},
        also_passes=[{"tokenMaxTtl": 90_000.0, "roleType": "jwt"}],
        refused=[
            ({"tokenMaxTtl": 43_201.0}, "tokenMaxTtl is 43201 s; expected at most 43200 s"),
            ({"tokenMaxTtl": None}, "tokenMaxTtl isn't set"),
        ],
        unknown="tokenMaxTtl",
    ),
    "job-tokens-are-short": Case(
        also_passes=[{"tokenMaxTtl": 28_800.0, "roleType": "oidc"}],
        passes={"tokenMaxTtl": 3_600.0},
        refused=[
            ({"tokenMaxTtl": 3_601.0}, "is 3601 s; expected at most 3600 s"),
            ({"tokenMaxTtl": None}, "isn't set"),
        ],
        unknown="tokenMaxTtl",
    ),
    "job-login-is-bound": Case(
        passes={"boundAudiences": ["vault"], "boundClaims": {"repository": "a/b"}, "boundClaimsType": "string"},
        also_passes=[
            {"boundClaims": None, "roleType": "oidc"},
            {"boundClaims": None, "roleName": "vault-estate-tenants", "userClaim": "tenant_id"},
        ],
        refused=[
            ({"boundAudiences": [], "roleType": "oidc"}, "boundAudiences is empty"),
            ({"boundAudiences": []}, "boundAudiences is empty"),
            ({"boundClaims": None}, "boundClaims is empty, so any job of the issuer logs in"),
            (
                {"boundClaims": None, "roleName": "vault-estate", "userClaim": "tenant_id"},
                "boundClaims is empty, so any job of the issuer logs in",
            ),
            ({"boundClaimsType": "glob"}, "boundClaimsType is glob"),
        ],
        unknown="boundClaimsType",
    ),
    "job-issuer-is-https": Case(
        passes={"oidcDiscoveryUrl": "https://issuer.example"},
        also_passes=[{"oidcDiscoveryUrl": None, "jwksUrl": "HTTPS://issuer.example/keys"}],
        refused=[
            ({"oidcDiscoveryUrl": "http://issuer.example"}, "oidcDiscoveryUrl isn't https"),
            ({"jwksUrl": "http://issuer.example/keys"}, "jwksUrl isn't https"),
        ],
        unknown="jwksUrl",
    ),
    "pod-login-names-service-accounts": Case(
        passes={"boundServiceAccountNames": ["api"], "boundServiceAccountNamespaces": ["prod"]},
        refused=[
            ({"boundServiceAccountNames": ["*"]}, "boundServiceAccountNames has a wildcard"),
            ({"boundServiceAccountNamespaces": ["prod", "team-*"]}, "boundServiceAccountNamespaces has a wildcard"),
            ({"boundServiceAccountNamespaces": []}, "boundServiceAccountNamespaces is empty"),
        ],
        unknown="boundServiceAccountNames",
    ),
    "cluster-is-reached-by-https": Case(
        passes={"kubernetesHost": "https://cluster.internal:6443"},
        refused=[
            ({"kubernetesHost": "http://cluster.internal:6443"}, "kubernetesHost isn't https"),
            ({"kubernetesHost": None}, "kubernetesHost isn't set"),
        ],
        unknown="kubernetesHost",
    ),
    "certificate-login-names-its-certificate": Case(
        passes={"certificate": PEM},
        refused=[({"certificate": ""}, "certificate isn't one"), ({"certificate": "AA=="}, "certificate isn't one")],
        unknown="certificate",
    ),
    "login-method-is-known": Case(
        passes={"type": "approle"},
        also_passes=[{"type": kind} for kind in ("cert", "jwt", "kubernetes", "oidc", "userpass")],
        refused=[({"type": "github"}, "type isn't approle or cert"), ({"type": None}, "type isn't approle or cert")],
        unknown="type",
    ),
    "kv-keeps-versions": Case(
        passes={"type": "kv", "options": {"version": "2"}},
        also_passes=[{"type": "kv-v2", "options": None}, {"type": "transit", "options": None}],
        refused=[({"options": {"version": "1"}}, "its values have no versions"), ({"options": None}, "no versions")],
        unknown="options",
    ),
    "database-password-is-no-text": Case(
        passes=url("db.internal/app"),
        refused=[
            (
                {"postgresql": {"connectionUrl": "postgresql://root:{}@db.internal/app".format("canary")}},
                "so the password stands in it",
            )
        ],
        unknown="postgresql",
    ),
    "database-is-verified": Case(
        passes=url("db.internal/app?sslmode=verify-full"),
        also_passes=[url("127.0.0.1:5432/app?sslmode=disable"), url("localhost/app"), url("[::1]:5432/app")],
        refused=[
            (url("db.internal/app"), "isn't sslmode=verify-full"),
            (url("db.internal/app?sslmode=require"), "isn't sslmode=verify-full"),
            (url("127.0.0.1.example.com/app"), "isn't sslmode=verify-full"),
        ],
        unknown="postgresql",
    ),
    "database-names-its-roles": Case(
        passes={"allowedRoles": ["app-read"]},
        refused=[({"allowedRoles": ["*"]}, "has a wildcard"), ({"allowedRoles": []}, "is empty")],
        unknown="allowedRoles",
    ),
    "database-logins-are-short": Case(
        passes={"defaultTtl": 3_600.0, "maxTtl": 86_400.0},
        refused=[
            ({"maxTtl": 86_401.0}, "maxTtl is 86401 s; expected at most 86400 s"),
            ({"defaultTtl": None}, "defaultTtl isn't set"),
        ],
        unknown="maxTtl",
    ),
    "database-logins-have-no-powers": Case(
        passes={"creationStatements": [CREATE, 'GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "{{name}}";']},
        refused=[
            ({"creationStatements": [CREATE.replace("NOSUPERUSER", "SUPERUSER")]}, "only a database's owner may"),
            ({"creationStatements": [CREATE, "ALTER ROLE x createrole;"]}, "only a database's owner may"),
        ],
        unknown="creationStatements",
    ),
    "database-logins-end-by-themselves": Case(
        passes={"creationStatements": [CREATE, "GRANT x TO y;"]},
        refused=[({"creationStatements": ["create user x password 'y'"]}, "have no VALID UNTIL")],
        unknown="creationStatements",
    ),
    "static-passwords-are-rotated": Case(
        passes={"rotationPeriod": 7_776_000.0},
        also_passes=[{"rotationPeriod": None, "rotationSchedule": "0 0 * * SAT"}],
        refused=[
            ({"rotationPeriod": 8_000_000.0}, "rotationPeriod is 8000000 s; expected at most 7948800 s"),
            ({"rotationPeriod": None}, "rotationPeriod isn't set"),
        ],
        unknown="rotationPeriod",
    ),
    "transit-keys-are-rotated": Case(
        passes={"autoRotatePeriod": 7_776_000.0},
        refused=[
            ({"autoRotatePeriod": 0.0}, "autoRotatePeriod isn't set"),
            ({"autoRotatePeriod": 40_000_000.0}, "expected at most 31622400 s"),
        ],
        unknown="autoRotatePeriod",
    ),
    "transit-keys-stay-inside": Case(
        passes={},
        also_passes=[{"exportable": False, "allowPlaintextBackup": False}],
        refused=[
            ({"exportable": True}, "exportable is on"),
            ({"allowPlaintextBackup": True}, "allowPlaintextBackup is on"),
        ],
        unknown="exportable",
    ),
    "passwords-are-long": Case(
        passes={"policy": "length = 32\n"},
        refused=[({"policy": "length = 19\n"}, "fewer than 20 characters"), ({"policy": ""}, "fewer than 20")],
        unknown="policy",
    ),
    "audit-log-holds-no-secret": Case(
        passes={"options": {"file_path": "/var/log/audit.log"}},
        refused=[
            ({"options": {"log_raw": "true"}}, "log_raw is set"),
            ({"options": {"hmac_accessor": "false"}}, "hmac_accessor is off"),
        ],
        unknown="options",
    ),
    "endpoint-keeps-its-secrets": Case(
        passes={"ignoreAbsentFields": True},
        also_passes=[{"ignoreAbsentFields": None}],
        refused=[({"ignoreAbsentFields": False}, "ignoreAbsentFields is off")],
        unknown="ignoreAbsentFields",
    ),
    "certificate-names-are-the-roles": Case(
        passes={"allowedDomains": ["a.internal"], "enforceHostnames": True},
        refused=[
            ({"allowAnyName": True}, "allowAnyName is on"),
            ({"allowGlobDomains": True}, "allowGlobDomains is on"),
            ({"allowLocalhost": True}, "allowLocalhost is on"),
            ({"allowedDomains": []}, "allowedDomains is empty"),
            ({"allowedDomains": ["*.internal"]}, "allowedDomains has a wildcard"),
            ({"enforceHostnames": False}, "enforceHostnames is off"),
        ],
        unknown="allowAnyName",
    ),
    "certificates-have-no-wildcard": Case(
        passes={"allowWildcardCertificates": False},
        refused=[
            ({"allowWildcardCertificates": True}, "allowWildcardCertificates is on"),
            ({"allowWildcardCertificates": None}, "allowWildcardCertificates is on"),
        ],
        unknown="allowWildcardCertificates",
    ),
    "certificates-are-short": Case(
        passes={"maxTtl": "259200"},
        also_passes=[{"maxTtl": "398d"}],
        refused=[({"maxTtl": "34387201s"}, "maxTtl is 34387201 s"), ({"maxTtl": "a year"}, "maxTtl isn't set")],
        unknown="maxTtl",
    ),
    "certificates-sign-no-code": Case(
        passes={},
        refused=[
            ({"codeSigningFlag": True}, "codeSigningFlag is on"),
            ({"emailProtectionFlag": True}, "emailProtectionFlag is on"),
        ],
        unknown="codeSigningFlag",
    ),
    "certificate-keys-are-strong": Case(
        passes={"keyType": "ec", "keyBits": 256.0},
        also_passes=[{"keyType": "rsa", "keyBits": 2_048.0}, {"keyType": "ed25519", "keyBits": 0.0}],
        refused=[
            ({"keyType": "rsa", "keyBits": 1_024.0}, "weaker than 2048 bits"),
            ({"keyType": "ec", "keyBits": 224.0}, "weaker than 256 bits"),
            ({"keyType": "any"}, "weaker than 2048 bits"),
        ],
        unknown="keyType",
        token=ROLE,
    ),
    "authority-keys-stay-inside": Case(
        passes={"type": "internal"},
        refused=[({"type": "exported"}, "type isn't internal"), ({"type": "kms"}, "type isn't internal")],
        unknown="type",
    ),
    "authorities-end": Case(
        passes={"ttl": "315360000s"},
        refused=[({"ttl": "9133d"}, "expected at most 789004800 s"), ({"ttl": None}, "ttl isn't set")],
        unknown="ttl",
        token="vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    ),
    "intermediate-makes-no-authority": Case(
        passes={"maxPathLength": 0.0},
        refused=[({"maxPathLength": -1.0}, "maxPathLength isn't 0"), ({"maxPathLength": None}, "isn't 0")],
        unknown="maxPathLength",
    ),
    "revocation-is-told-by-https": Case(
        passes={"issuingCertificates": ["https://vault.internal/v1/pki/ca"]},
        refused=[
            ({"crlDistributionPoints": ["http://vault.internal/crl"]}, "crlDistributionPoints isn't https"),
            ({"ocspServers": ["https://a", "http://b"]}, "ocspServers isn't https"),
        ],
        unknown="ocspServers",
    ),
    "revocation-lists-are-fresh": Case(
        passes={"autoRebuild": True},
        refused=[({"autoRebuild": None}, "autoRebuild is off"), ({"disable": True}, "disable is on")],
        unknown="disable",
    ),
    "server-has-a-firewall": Case(
        passes={"firewallIds": [1.0]},
        refused=[({"firewallIds": []}, "firewallIds is empty"), ({"firewallIds": None}, "firewallIds is empty")],
        unknown="firewallIds",
    ),
    "server-image-is-known": Case(
        passes={"image": "debian-12"},
        also_passes=[{"image": "ubuntu-24.04"}],
        refused=[({"image": "debian-11"}, "image isn't debian-12 or ubuntu-24.04")],
        unknown="image",
    ),
    "server-takes-no-root-key": Case(
        passes={}, also_passes=[{"sshKeys": []}], refused=[({"sshKeys": ["ada"]}, "sshKeys is on")], unknown="sshKeys"
    ),
    "server-keeps-its-address": Case(
        passes={"publicNets": [{"ipv4Enabled": True, "ipv4": 7.0, "ipv6Enabled": False}]},
        also_passes=[
            {"publicNets": [{"ipv4Enabled": False}]},
            {"publicNets": [{"ipv4Enabled": True, "ipv4": UNKNOWN_NUMBER_VALUE}]},
        ],
        refused=[({"publicNets": [{"ipv4Enabled": True}]}, "publicNets[0] takes any address")],
        unknown="publicNets",
    ),
    "server-is-shut-down-first": Case(
        passes={"shutdownBeforeDeletion": True},
        refused=[({"shutdownBeforeDeletion": None}, "shutdownBeforeDeletion is off")],
        unknown="shutdownBeforeDeletion",
    ),
    "address-stays": Case(
        passes={"autoDelete": False}, refused=[({"autoDelete": True}, "autoDelete is on")], unknown="autoDelete"
    ),
    "network-is-private": Case(
        passes={"ipRange": "10.80.0.0/16"},
        refused=[({"ipRange": "11.0.0.0/16"}, "ipRange isn't private"), ({"ipRange": None}, "ipRange is no network")],
        unknown="ipRange",
    ),
    "firewall-names-what-goes-out": Case(
        passes={"rules": [{"direction": "out", "protocol": "tcp", "port": "443"}]},
        also_passes=[{"rules": [{"direction": "in", "protocol": "tcp"}, {"direction": "out", "protocol": "icmp"}]}],
        refused=[
            ({"rules": [{"direction": "out", "protocol": "udp", "port": "any"}]}, "rules[0] lets the machine out"),
            ({"rules": [{"direction": "out", "protocol": "tcp", "port": "1-65535"}]}, "out on every port"),
        ],
        unknown="rules",
    ),
    "seal-key-waits": Case(
        passes={"deletionWindowInDays": 7.0},
        also_passes=[{"deletionWindowInDays": None}],
        refused=[({"deletionWindowInDays": 6.0}, "deletionWindowInDays is under a week")],
        unknown="deletionWindowInDays",
    ),
    "seal-key-is-rotated": Case(
        passes={"enableKeyRotation": True},
        refused=[({"enableKeyRotation": None}, "enableKeyRotation is off")],
        unknown="enableKeyRotation",
    ),
    "snapshots-are-locked": Case(
        passes={"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 14.0}}},
        refused=[({"rule": {}}, "keeps nothing"), ({"rule": {"defaultRetention": {"days": 0.0}}}, "keeps nothing")],
        unknown="rule",
    ),
    "snapshots-are-hidden-first": Case(
        passes={"rules": [{"status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 14.0}}]},
        also_passes=[{"rules": [{"status": "Disabled", "expiration": {"days": 1.0}}]}],
        refused=[({"rules": [{"status": "Enabled", "expiration": {"days": 1.0}}]}, "rules[0] deletes the newest")],
        unknown="rules",
    ),
    "grants-name-what-they-allow": Case(
        passes=grant(Action=["kms:Encrypt"], Resource="arn:aws:kms:eu-central-1:1:key/a"),
        also_passes=[{"policy": json.dumps({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})}],
        refused=[
            (grant(Action="kms:*", Resource="arn:aws:kms:eu-central-1:1:key/a"), "statement 0 allows every action"),
            (grant(Action=["kms:Encrypt"], Resource=["*"]), "statement 0 allows every resource"),
            ({"policy": "canary"}, "can't be judged (it is no JSON)"),
        ],
        unknown="policy",
    ),
    **IN_AWS,
    **BEFORE_SERVERS,
    **IN_DATABASES,
    **AROUND_PODS,
    **IN_PODS,
}


def test_every_rule_about_properties_has_a_case() -> None:
    assert sorted(CASES) == sorted(PROPERTY_RULES)
    assert len(RULES) >= 30


ASKED = (
    "7 8 16 17 18 19 21 33 37 38 39 40 46 53 54 55 56 58 60 61 70 79 88 93 118 126 129 130 133 143 157 161 "
    "186 227 273 300 341 388 393"
)
"""Checkov's checks that are to be rules, where stacks have what they are about."""
LEFT_OUT: Mapping[int, str] = {
    40: "no policy of a user: a node at Hetzner has no other identity at AWS, for the seal's key alone",
    186: "objects of S3, of which no program here declares one",
    273: "no users: as 40",
}
"""Those that aren't, each with the reason; docs/policies.md tells it."""


def test_what_checkov_checks_of_what_a_cluster_is_made_of_is_a_rule_here() -> None:
    named = {int(number) for rule in RULES for number in re.findall(r"CKV_AWS_([0-9]+)", rule.source)}
    assert {int(number) for number in ASKED.split()} - named == LEFT_OUT.keys()
    page = (ROOT / "docs/policies.md").read_text(encoding="utf-8").partition("## Rules")[0]
    assert {int(number) for number in re.findall(r"CKV_AWS_([0-9]+)", page)} == LEFT_OUT.keys()


def tried(rule: Rule, case: Case, change: Mapping[str, Any]) -> list[str]:
    inputs = {name: value for name, value in {"other": "x", **case.passes, **change}.items() if value is not None}
    return findings(rule, resource(rule, inputs, token=case.token, within=case.within))


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_is_right_passes(name: str) -> None:
    rule, case = PROPERTY_RULES[name], CASES[name]
    assert [tried(rule, case, change) for change in ({}, *case.also_passes)] == [[]] * (1 + len(case.also_passes))


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [(name, change, words) for name, case in sorted(CASES.items()) for change, words in case.refused],
)
def test_what_is_wrong_is_refused_with_its_remediation(name: str, change: Mapping[str, Any], expected: str) -> None:
    rule = PROPERTY_RULES[name]
    (message,) = tried(rule, CASES[name], change)
    assert expected in message
    assert message.endswith(rule.remediation)
    assert "canary" not in message


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_isnt_known_yet_is_told(name: str) -> None:
    rule, case = PROPERTY_RULES[name], CASES[name]
    args = resource(rule, {**case.passes, case.unknown: UNKNOWN_STRING_VALUE}, token=case.token, within=case.within)
    with pytest.raises(UnknownValueError):
        rule.validate(args, lambda message, _urn=None: pytest.fail(message))


@pytest.mark.parametrize("name", sorted(PROPERTY_RULES))
def test_a_resource_whose_inputs_the_provider_refused_isnt_blamed(name: str) -> None:
    rule = PROPERTY_RULES[name]
    assert findings(rule, resource(rule, {}, token=CASES[name].token, within=CASES[name].within)) == []


def _plain(value: Any) -> Any:
    """As the engine hands it to the pack: secrets in plain, whole numbers as others."""
    if isinstance(value, Secret):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {name: _plain(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def judged(records: Iterable[Record | ChildResource]) -> int:
    """How many judgements there were, none of which found anything."""
    count = 0
    for record in records:
        inputs = _plain(record.inputs)
        within = record.urn.split("::")[2].rpartition("$")[0] if isinstance(record, Record) else ""
        for rule in PROPERTY_RULES.values():
            if record.type in rule.types:
                found = findings(rule, resource(rule, inputs, token=record.type, within=within))
                assert found == [], record.name
                count += 1
    return count


@pytest.mark.parametrize("stack", ["local", "dev"])
def test_the_committed_stacks_pass(stack: str) -> None:
    assert judged(local.declared(stack).records) > 40


def test_what_a_cluster_is_made_of_passes() -> None:
    place = site(endpoints="all")

    assert judged(declare(lambda: cluster(place), outputs=computed).records) > 60
    assert judged(declare(servers).records) > 30


@pytest.mark.parametrize("server", SERVERS, ids=[one.flavor for one in SERVERS])
def test_what_the_charts_make_of_our_values_passes(server: ClusterServer) -> None:
    given = {
        "chart": ARCHIVES[server.flavor],
        "namespace": "vault",
        "values": values(server, server_file(server, PLACE)),
    }

    assert judged(KubernetesProvider(None).children(CHART, "vault", given)) > 25


def test_an_intermediate_ends_sooner_than_a_root() -> None:
    rule = PROPERTY_RULES["authorities-end"]
    (message,) = findings(rule, resource(rule, {"ttl": "9132d"}, token=SIGNATURE))
    assert "expected at most 316224000 s" in message
