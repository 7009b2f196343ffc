"""The rules about what a cloud is asked for: what passes, what is refused, what an unknown value does.

Not proven here: that the engine runs the rules at all (see `test_pack.py`).
"""

import base64
import gzip
import json
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_ARRAY_VALUE, UNKNOWN_BOOLEAN_VALUE, UNKNOWN_STRING_VALUE, UnknownValueError

from components.render.node import archive
from policies.rules import (
    aws,
    bucket_is_private_and_versioned,
    cloud_refuses_deletion,
    firewall_names_networks,
    user_data_holds_no_secret,
)
from policies.rules.data_holding_is_protected import VARIABLE
from policies.rules.rule import Rule
from tests.policies.cluster_cases import RECORDS
from tests.support.policy_rules import findings, resource
from tests.unit.render.nodes import NODE, render

FIREWALL = firewall_names_networks.RULE
USER_DATA = user_data_holds_no_secret.RULE
RULES_OF_AWS = {rule.name: rule for rule in aws.RULES}
BUCKET = bucket_is_private_and_versioned.RULE
SERVER = "hcloud:index/server:Server"


def firewall(*rules: dict[str, Any]) -> list[str]:
    """Findings about a firewall with these rules."""
    return findings(FIREWALL, resource(FIREWALL, {"rules": list(rules)}))


def incoming(port: str | None, *networks: str, protocol: str = "tcp") -> dict[str, Any]:
    return {"direction": "in", "protocol": protocol, "port": port, "sourceIps": list(networks)}


@pytest.mark.parametrize(
    "rule",
    [
        incoming("8200", "203.0.113.0/24", "10.0.0.0/8"),
        incoming("80", "0.0.0.0/0", "::/0"),
        incoming("22", "203.0.113.7/32"),
        {"direction": "out", "protocol": "tcp", "port": "443", "destinationIps": ["0.0.0.0/0"]},
    ],
)
def test_named_networks_pass(rule: dict[str, Any]) -> None:
    assert firewall(rule) == []


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (incoming("8200", "0.0.0.0/0"), "rules[1] lets 0.0.0.0/0 in on port 8200"),
        (incoming("8200", "::/0"), "rules[1] lets ::/0 in on port 8200"),
        (incoming("8200", "128.0.0.0/1"), "rules[1] lets 128.0.0.0/1 in on port 8200"),
        (incoming("22", "0.0.0.0/0"), "rules[1] lets 0.0.0.0/0 in on port 22"),
        (incoming("20-30"), "rules[1] lets SSH in and names no network"),
        (incoming("any"), "rules[1] lets SSH in and names no network"),
        (incoming("80", "0.0.0.0/0", protocol="udp"), "rules[1] lets 0.0.0.0/0 in on port 80"),
        (incoming("80-8200", "0.0.0.0/0"), "rules[1] lets 0.0.0.0/0 in on port 80-8200"),
        (incoming(None, "0.0.0.0/0", protocol="icmp"), "rules[1] lets 0.0.0.0/0 in on port any"),
        (incoming("8200", "everywhere"), "rules[1] lets everywhere in on port 8200"),
    ],
)
def test_the_whole_internet_is_refused(rule: dict[str, Any], fault: str) -> None:
    [message] = firewall(incoming("8200", "10.0.0.0/8"), rule)

    assert message.startswith(f"hcloud:index/firewall:Firewall 'app': {fault}. ")
    assert message.endswith(FIREWALL.remediation)


def planted() -> list[tuple[str, str]]:
    """What must not be in user-data, put together at run time, and what the rule calls it."""
    return [
        ("a token of Vault", ".".join(("hvs", "CAESI" + "Jx" * 12))),
        ("a token of Vault", ".".join(("s", "Jx4q" * 6))),
        ("an access key of AWS", "AKIA" + "Q" * 16),
        ("a private key", "-----BEGIN " + "EC PRIVATE KEY-----"),
        ("a secret key of age", "-".join(("AGE", "SECRET", "KEY", "1QQPQ"))),
    ]


def gzipped(text: str) -> str:
    packed = base64.b64encode(gzip.compress(text.encode())).decode()
    return f"#cloud-config\nwrite_files:\n- encoding: gz+b64\n  content: {packed}\n"


def archived(text: str) -> str:
    packed = base64.b64encode(archive.pack({"/a": ("nothing", "0600"), "/b": (text, "0600")})).decode()
    lines = "\n    ".join(packed[at : at + 76] for at in range(0, len(packed), 76))
    return f"#cloud-config\nwrite_files:\n- encoding: b64\n  content: |\n    {lines}\n"


def archived_in_base85(text: str) -> str:
    packed = base64.b85encode(archive.pack({"/a": ("nothing", "0600"), "/b": (text, "0600")})).decode()
    return f"#cloud-config\nwrite_files:\n- content: {packed}\n"


@pytest.mark.parametrize("packed", [str, gzipped, archived, archived_in_base85])
@pytest.mark.parametrize(("what", "secret"), planted())
def test_a_secret_in_user_data_is_found_however_it_is_packed(packed: Any, what: str, secret: str) -> None:
    text = packed(f"export TOKEN={secret}\n{'padding ' * 20}")

    [message] = findings(USER_DATA, resource(USER_DATA, {"userData": text}, token=SERVER))

    assert message.startswith(f"{SERVER} 'app': userData holds {what}. ")
    assert secret not in message


def test_what_a_node_really_boots_with_passes() -> None:
    text = render(NODE)
    assert "-----BEGIN CERTIFICATE-----" in str(list(user_data_holds_no_secret._unpacked(text.encode())))

    assert findings(USER_DATA, resource(USER_DATA, {"userData": text}, token=SERVER)) == []
    assert findings(USER_DATA, resource(USER_DATA, {"userData": gzipped("harmless")}, token=SERVER)) == []


@pytest.mark.parametrize("broken", [b"\x1f\x8bbroken" * 9, b"\xfd7zXZbroken" * 9, b"x" * 257 + b"ustar" + b"y" * 300])
def test_what_cannot_be_unpacked_stops_nothing(broken: bytes) -> None:
    text = f"{base64.b64encode(broken).decode()}\n{'AKIA' + 'Q' * 16}"

    assert len(findings(USER_DATA, resource(USER_DATA, {"userData": text}, token=SERVER))) == 1


@pytest.mark.parametrize("token", sorted(cloud_refuses_deletion.RULE.types))
@pytest.mark.parametrize(
    ("told", "value", "count"), [("true", True, 0), ("true", False, 1), ("true", None, 1), ("false", False, 0)]
)
def test_the_cloud_refuses_deletion_where_settings_protect(
    monkeypatch: pytest.MonkeyPatch, token: str, told: str, value: bool | None, count: int
) -> None:
    monkeypatch.setenv(VARIABLE, told)
    rule = cloud_refuses_deletion.RULE

    own = {"aws:lb/loadBalancer:LoadBalancer": "enableDeletionProtection"}
    name = own.get(token, "deletionProtection" if token.startswith("aws:") else "deleteProtection")

    found = findings(rule, resource(rule, {name: value}, token=token))

    assert len(found) == count
    assert all(f"{name} is off, but the stack's settings say protect" in message for message in found)


def test_deletion_without_settings_says_that_it_cannot_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("pulumi.Config.get", lambda *_: None)
    rule = cloud_refuses_deletion.RULE
    args, reasons = resource(rule, {}), list[str]()
    monkeypatch.setattr(args, "not_applicable", reasons.append)

    assert findings(rule, args) == []
    assert len(reasons) == 1


def bucket(kind: str, **inputs: Any) -> list[str]:
    return findings(BUCKET, resource(BUCKET, inputs, token=f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}"))


def policy(effect: str, principal: object) -> str:
    return json.dumps({"Statement": [{"Effect": effect, "Principal": principal, "Action": "s3:GetObject"}]})


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("Bucket", {"bucket": "b", "forceDestroy": False}),
        ("BucketAcl", {"acl": "private"}),
        ("BucketVersioning", {"versioningConfiguration": {"status": "Enabled"}}),
        ("BucketPolicy", {"policy": policy("Deny", "*")}),
        ("BucketPolicy", {"policy": policy("Allow", {"AWS": ["arn:aws:iam::1:user/a"]})}),
        ("BucketPublicAccessBlock", dict.fromkeys(bucket_is_private_and_versioned._BLOCKS, True)),
    ],
)
def test_a_private_bucket_with_versions_passes(kind: str, inputs: dict[str, Any]) -> None:
    assert bucket(kind, **inputs) == []


@pytest.mark.parametrize(
    ("kind", "inputs", "fault"),
    [
        ("Bucket", {"acl": "public-read"}, "acl is public-read"),
        ("Bucket", {"forceDestroy": True}, "forceDestroy is set"),
        ("BucketAcl", {"acl": "authenticated-read"}, "acl is authenticated-read"),
        ("BucketVersioning", {"versioningConfiguration": {"status": "Suspended"}}, "its versions aren't kept"),
        ("BucketVersioning", {}, "its versions aren't kept"),
        ("BucketPolicy", {"policy": policy("Allow", "*")}, "its policy allows everybody something"),
        ("BucketPolicy", {"policy": policy("Allow", {"AWS": "*"})}, "its policy allows everybody something"),
        ("BucketPolicy", {"policy": "{"}, "its policy can't be judged"),
        (
            "BucketAcl",
            {
                "accessControlPolicy": {
                    "grants": [{"grantee": {"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}}]
                }
            },
            "it is granted to a group of everybody's",
        ),
        (
            "BucketPublicAccessBlock",
            {**dict.fromkeys(bucket_is_private_and_versioned._BLOCKS, True), "blockPublicPolicy": False},
            "blockPublicPolicy is off",
        ),
    ],
)
def test_a_public_bucket_or_one_without_versions_is_refused(kind: str, inputs: dict[str, Any], fault: str) -> None:
    [message] = bucket(kind, **inputs)

    assert fault in message


@pytest.mark.parametrize(
    ("rule", "token", "inputs", "reported"),
    [
        (FIREWALL, "", {"rules": UNKNOWN_ARRAY_VALUE}, 0),
        (FIREWALL, "", {"rules": [incoming("1", UNKNOWN_STRING_VALUE), incoming("2", "::/0")]}, 1),
        (USER_DATA, SERVER, {"userData": UNKNOWN_STRING_VALUE}, 0),
        (USER_DATA, SERVER, {"userData": UNKNOWN_STRING_VALUE, "userDataBase64": "AKIA" + "Q" * 16}, 1),
        (cloud_refuses_deletion.RULE, "hcloud:index/volume:Volume", {"deleteProtection": UNKNOWN_BOOLEAN_VALUE}, 0),
        (BUCKET, "aws:s3/bucket:Bucket", {"acl": UNKNOWN_STRING_VALUE, "forceDestroy": True}, 1),
        (BUCKET, "aws:s3/bucketPolicy:BucketPolicy", {"policy": UNKNOWN_STRING_VALUE}, 0),
        (
            BUCKET,
            "aws:s3/bucketVersioning:BucketVersioning",
            {"versioningConfiguration": {"status": UNKNOWN_STRING_VALUE}, "forceDestroy": True},
            1,
        ),
    ],
)
def test_an_unknown_value_is_said_and_hides_nothing_else(
    monkeypatch: pytest.MonkeyPatch, rule: Rule, token: str, inputs: dict[str, Any], reported: int
) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    found: list[str] = []

    def report(message: str, _urn: str | None = None) -> None:
        found.append(message)

    with pytest.raises(UnknownValueError):
        rule.validate(resource(rule, inputs, token=token), report)

    assert len(found) == reported


BY_OWN_KEY = {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "arn"}}]}
BY_S3 = {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]}
ENDING = {"rules": [{"status": "Enabled", "expiration": {"days": 30.0}}]}
ENDLESS = {"rules": [{"status": "Enabled"}]}


@pytest.mark.parametrize(
    ("name", "of_records", "of_snapshots"),
    [
        ("bucket-locks-versions", {"objectLockEnabled": False}, {"objectLockEnabled": True}),
        ("snapshots-are-encrypted-by-own-key", BY_S3, BY_OWN_KEY),
        ("snapshots-are-hidden-first", ENDING, ENDLESS),
    ],
)
def test_what_a_bucket_of_records_must_be_is_refused_of_any_other(
    name: str, of_records: dict[str, Any], of_snapshots: dict[str, Any]
) -> None:
    rule = RULES_OF_AWS[name]
    assert findings(rule, resource(rule, of_records, within=RECORDS)) == []
    assert findings(rule, resource(rule, of_records, within=f"outer${RECORDS}$inner")) == []
    assert findings(rule, resource(rule, of_snapshots)) == []
    for other in ("", "vault-estate:index:ClusterBucket", f"{RECORDS}s"):
        assert len(findings(rule, resource(rule, of_records, within=other))) == 1


def test_a_key_of_ones_own_keeps_records_of_access_out() -> None:
    rule = RULES_OF_AWS["snapshots-are-encrypted-by-own-key"]
    tried: list[dict[str, Any]] = [BY_OWN_KEY, {"rules": None}, {"rules": [{}]}]
    for wrong in tried:
        (message,) = findings(rule, resource(rule, wrong, within=RECORDS))
        assert "without which it adds no records" in message


def test_snapshots_need_no_end() -> None:
    rule = RULES_OF_AWS["records-of-access-end"]
    assert findings(rule, resource(rule, ENDLESS)) == []
