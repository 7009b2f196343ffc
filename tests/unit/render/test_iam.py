"""Documents of IAM: what a statement refuses, and each policy of a cluster's keys and roles, word by word.

Not proven: that AWS evaluates them so; no account was asked.
"""

import json
import re
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from components.render.aws import key_policies, role_policies
from components.render.aws.iam import THIS_KEY, Anybody, Roles, Service, Statement, document, objects, secret
from components.render.aws.managed_policies import ALLOWED
from tests.support.aws_samples import ACCOUNT, BREAK_GLASS, BUCKET, site

ROLE = f"arn:aws:iam::{ACCOUNT}:role/servers"
CLUSTER = f"arn:aws:eks:eu-central-1:{ACCOUNT}:cluster/vault-staging"
SEAL: dict[str, Any] = {
    "role_arn": ROLE,
    "cluster_arn": CLUSTER,
    "namespace": "vault",
    "service_account": "vault",
}
TAGS = {
    "aws:PrincipalTag/eks-cluster-arn": [CLUSTER],
    "aws:PrincipalTag/kubernetes-namespace": ["vault"],
    "aws:PrincipalTag/kubernetes-service-account": ["vault"],
}


def statements(text: str) -> dict[str, dict[str, Any]]:
    """By their names, each of which is there once."""
    told = json.loads(text)
    assert told["Version"] == "2012-10-17"
    found = {one["Sid"]: one for one in told["Statement"]}
    assert len(found) == len(told["Statement"])
    return found


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"actions": ("kms:*",)}, "One.actions is 'kms:*'; expected one action by its name"),
        ({"actions": ("*",)}, "One.actions is '*'; expected one action by its name"),
        ({"actions": ("kms:ReEncrypt*",)}, "One.actions is 'kms:ReEncrypt*'"),
        ({"resources": ("*",)}, "One.resources is '*'; expected an ARN, or a Pattern that says what it stands for"),
        ({"resources": ("arn:aws:s3:::b/??",)}, "One.resources is 'arn:aws:s3:::b/??'"),
        ({"principal": Anybody()}, "One.conditions is empty; expected a condition, since every principal is meant"),
    ],
)
def test_what_is_wider_than_it_says_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Statement(**{"sid": "One", "actions": ("kms:Decrypt",), **parts})


def test_a_document_is_the_same_text_each_time() -> None:
    statement = Statement(
        sid="One",
        actions=("kms:Encrypt", "kms:Decrypt"),
        resources=(THIS_KEY, objects("b", "raft/"), secret(region="r", account="1", name="n")),
        principal=Service(name="a.amazonaws.com"),
        conditions={"Bool": {"x": ["true"]}},
    )

    assert document(statement) == (
        '{"Statement": [{"Action": ["kms:Decrypt", "kms:Encrypt"], "Condition": {"Bool": {"x": ["true"]}}, '
        '"Effect": "Allow", "Principal": {"Service": ["a.amazonaws.com"]}, "Resource": ["*", '
        '"arn:aws:s3:::b/raft/*", "arn:aws:secretsmanager:r:1:secret:n-??????"], "Sid": "One"}], '
        '"Version": "2012-10-17"}'
    )
    assert Statement(sid="A", actions=(), principal=Roles(arns=("arn",))).written()["Principal"] == {"AWS": ["arn"]}


def test_the_seals_key_is_for_pods_of_one_account_in_one_cluster() -> None:
    found = statements(key_policies.seal_key(site(), **SEAL))

    assert found.keys() == {"Administration", "Seal", "Kept"}
    assert found["Seal"] == {
        "Sid": "Seal",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"],
        "Resource": ["*"],
        "Principal": {"AWS": [ROLE]},
        "Condition": {"StringEquals": TAGS},
    }
    assert found["Kept"] == {
        "Sid": "Kept",
        "Effect": "Deny",
        "Action": ["kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"],
        "Resource": ["*"],
        "Principal": {"AWS": "*"},
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": [BREAK_GLASS]}},
    }


def test_where_kms_has_an_endpoint_the_seals_key_answers_there_only() -> None:
    found = statements(key_policies.seal_key(site(), **SEAL, vpc_endpoint_id="vpce-1"))

    assert found["Seal"]["Condition"] == {"StringEquals": {**TAGS, "aws:SourceVpce": ["vpce-1"]}}


def test_without_a_break_glass_role_nobody_is_kept_from_the_key() -> None:
    assert "Kept" not in statements(key_policies.seal_key(site(break_glass_role_arn=None), **SEAL))


ENCRYPTS = re.compile(r"kms:(?:Decrypt|Encrypt|ReEncrypt|GenerateDataKey|CreateGrant|Sign|Verify)")


@pytest.mark.parametrize(
    "text",
    [
        key_policies.seal_key(site(), **SEAL),
        key_policies.disks_key(site()),
        key_policies.snapshots_key(site(), role_arn=ROLE),
        key_policies.key_shares_key(site(), role_arn=ROLE),
    ],
)
def test_the_account_itself_administers_and_encrypts_nothing(text: str) -> None:
    administration = statements(text)["Administration"]

    assert administration["Principal"] == {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]}
    assert [action for action in administration["Action"] if ENCRYPTS.match(action)] == []
    assert "kms:PutKeyPolicy" in administration["Action"]


def test_disks_are_encrypted_through_ec2_only() -> None:
    found = statements(key_policies.disks_key(site()))

    assert found["Disks"]["Condition"] == {
        "StringEquals": {"kms:CallerAccount": [ACCOUNT], "kms:ViaService": ["ec2.eu-central-1.amazonaws.com"]}
    }
    assert found["ClusterSecrets"]["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": ["true"]}}
    assert found["ClusterSecrets"]["Action"] == ["kms:CreateGrant"]


@pytest.mark.parametrize(
    ("text", "service", "people"),
    [
        (key_policies.key_shares_key(site(), role_arn=ROLE), "secretsmanager", ("Reads", [BREAK_GLASS])),
        (
            key_policies.key_shares_key(site(break_glass_role_arn=None), role_arn=ROLE),
            "secretsmanager",
            ("Reads", [site().deployer_role_arn]),
        ),
        (
            key_policies.snapshots_key(site(), role_arn=ROLE),
            "s3",
            ("Restores", [site().deployer_role_arn, BREAK_GLASS]),
        ),
        (
            key_policies.snapshots_key(site(break_glass_role_arn=None), role_arn=ROLE),
            "s3",
            ("Restores", [site().deployer_role_arn]),
        ),
    ],
    ids=["shares", "shares-without-break-glass", "snapshots", "snapshots-without-break-glass"],
)
def test_a_wrapping_key_is_used_through_its_service_only(
    text: str, service: str, people: tuple[str, list[str]]
) -> None:
    found, (sid, arns) = statements(text), people

    assert found["Wraps"]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert found["Wraps"]["Principal"] == {"AWS": [ROLE]}
    # Whoever puts back what was lost decrypts it, too.
    assert "kms:Decrypt" in found[sid]["Action"]
    assert found[sid]["Principal"] == {"AWS": arns}
    for one in ("Wraps", sid):
        assert found[one]["Condition"] == {
            "StringEquals": {"kms:ViaService": [f"{service}.eu-central-1.amazonaws.com"]}
        }


def test_pods_take_on_a_role_from_one_cluster_only() -> None:
    (taken,) = statements(role_policies.trusts_pods(site(), CLUSTER)).values()

    assert taken["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert taken["Principal"] == {"Service": ["pods.eks.amazonaws.com"]}
    assert taken["Condition"] == {
        "StringEquals": {"aws:SourceAccount": [ACCOUNT]},
        "ArnEquals": {"aws:SourceArn": [CLUSTER]},
    }


def test_first_boot_writes_key_shares_once_and_reads_none() -> None:
    found = statements(role_policies.first_boot(site(), "vault/staging/key-shares"))
    below = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:vault/staging/key-shares"

    assert found["KeySharesOnce"]["Action"] == ["secretsmanager:CreateSecret"]
    assert found["KeySharesOnce"]["Resource"] == [f"{below}/record-??????", f"{below}/????????????-??????"]
    assert found["Record"]["Action"] == ["secretsmanager:DescribeSecret", "secretsmanager:TagResource"]
    assert found["Record"]["Resource"] == [f"{below}/record-??????"]
    assert found["Kept"]["Action"] == ["secretsmanager:PutResourcePolicy"]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("parts", "role"), [({}, BREAK_GLASS), ({"break_glass_role_arn": None}, f"arn:aws:iam::{ACCOUNT}:role/up")]
)
def test_key_shares_are_ended_and_replaced_by_one_role_alone(parts: dict[str, Any], role: str) -> None:
    (kept,) = statements(role_policies.kept_secret(site(**parts))).values()

    assert (kept["Effect"], kept["Principal"]) == ("Deny", {"AWS": "*"})
    assert kept["Action"] == [
        "secretsmanager:DeleteSecret",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecret",
    ]
    assert kept["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": [role]}}


def test_a_snapshot_is_added_and_hidden_and_never_destroyed() -> None:
    found = statements(role_policies.snapshots(BUCKET, "raft/"))

    assert found["Snapshots"]["Resource"] == [f"arn:aws:s3:::{BUCKET}/raft/*"]
    assert "s3:DeleteObjectVersion" not in found["Snapshots"]["Action"]
    assert found["List"]["Condition"] == {"StringLike": {"s3:prefix": ["raft/*"]}}


def test_what_aws_own_policies_allow_is_what_aws_published() -> None:
    """As moto has them, with their dates; a later version of one isn't looked for."""
    published = json.loads(aws_managed_policies_data)
    for name, actions in ALLOWED.items():
        told = published[name.rpartition("/")[2]]["Document"]
        statements_of = [one for one in told["Statement"] if one["Action"] != "iam:CreateServiceLinkedRole"]
        found = [[one["Action"]] if isinstance(one["Action"], str) else one["Action"] for one in statements_of]
        assert set(actions) == set().union(*found), name


def test_a_boundary_fits_into_one_policy() -> None:
    """6,144 characters without blanks (AWS IAM, quotas)."""
    text = role_policies.boundary(site(), "a-name-of-as-many-letters-as-there-may-be")
    assert len("".join(text.split())) < 6_144


@pytest.mark.parametrize("service", sorted(role_policies.ENDPOINTS))
def test_an_endpoint_is_for_this_account(service: str) -> None:
    (asked,) = statements(role_policies.endpoint(site(), service)).values()

    assert asked["Condition"] == {"StringEquals": {"aws:PrincipalAccount": [ACCOUNT]}}
    assert {action.split(":")[0] for action in asked["Action"]} == {service.split(".", maxsplit=1)[0]}
