"""How documents of IAM are evaluated in a sandbox: the order of AWS' own, conditions, wildcards, principals.

Doesn't prove that AWS does the same; each rule is what its documentation says (AWS IAM, policy evaluation logic).
"""

from typing import Any

import pytest

from fake_providers.iam.policies import Caller, Granted, Question, UnknownPolicyError, judge

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/snapshots"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/snapshots/pod"
POD = Caller(name=ROLE, session=SESSION, account=ACCOUNT, tags={"kubernetes-namespace": "vault"})
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"


def document(**statement: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*", **statement}]}


def asked(action: str = "s3:GetObject", resource: str = "arn:aws:s3:::b/raft/1", **context: str) -> Question:
    return Question(action=action, resource=resource, context={key: [value] for key, value in context.items()})


def allowed(*identity: Any, question: Question | None = None, thing: Any = None, **more: Any) -> bool:
    granted = Granted(identity=identity, boundary=more.pop("boundary", None))
    return judge(more.pop("caller", POD), question or asked(), granted, thing, **more) is None


@pytest.mark.parametrize(
    ("statement", "good"),
    [
        ({}, True),
        ({"Action": "s3:Get*"}, True),
        ({"Action": "S3:getobject"}, True),
        ({"Action": "s3:PutObject"}, False),
        ({"Action": "*"}, True),
        ({"Resource": "arn:aws:s3:::b/raft/*"}, True),
        ({"Resource": ["arn:aws:s3:::b/seal/*", "arn:aws:s3:::b/raft/?"]}, True),
        ({"Resource": "arn:aws:s3:::b/RAFT/*"}, False),
        ({"Resource": "arn:aws:s3:::b"}, False),
        ({"Effect": "Deny"}, False),
    ],
    ids=["one", "wildcard", "letters", "another", "any", "prefix", "list", "case", "bucket", "denied"],
)
def test_an_action_on_a_thing(statement: dict[str, Any], good: bool) -> None:
    assert allowed(document(**statement)) is good


def test_all_but_some_actions_and_things() -> None:
    statement = {"Effect": "Allow", "NotAction": ["s3:Delete*"], "NotResource": ["arn:aws:s3:::b/seal/*"]}
    policy = {"Statement": statement}

    assert allowed(policy)
    assert not allowed(policy, question=asked("s3:DeleteObject"))
    assert not allowed(policy, question=asked(resource="arn:aws:s3:::b/seal/1"))


def test_a_written_denial_counts_before_everything() -> None:
    denied = document(Effect="Deny")

    assert not allowed(document(), denied)
    assert not allowed(document(), thing=document(Effect="Deny", Principal="*"))
    assert not allowed(document(), boundary={"Statement": [*document()["Statement"], *denied["Statement"]]})
    everything = Granted(identity=None)
    assert judge(POD, asked(), everything, None) is None
    said = judge(POD, asked(), everything, document(Effect="Deny", Principal={"AWS": "*"}))
    assert said == "with an explicit deny in a resource-based policy"


def test_a_boundary_narrows_and_gives_nothing() -> None:
    assert not allowed(boundary=document())
    assert allowed(document(), boundary=document())
    assert not allowed(document(), boundary=document(Action="s3:PutObject"))
    # It narrows what a thing's policy gives to the role by its name, too.
    assert not allowed(thing=document(Principal={"AWS": ROLE}), boundary=document(Action="s3:PutObject"))


@pytest.mark.parametrize(
    ("principal", "shared", "alone"),
    [
        ({"AWS": ROLE}, True, True),
        ({"AWS": [SESSION]}, True, True),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, False, False),
        ({"AWS": ACCOUNT}, False, False),
        ({"AWS": "arn:aws:iam::123456789012:role/other"}, False, False),
        ({"Service": "s3.amazonaws.com"}, False, False),
        ("*", True, True),
    ],
    ids=["role", "session", "account", "number", "another", "service", "anybody"],
)
def test_whom_a_things_policy_is_about(principal: Any, shared: bool, alone: bool) -> None:
    policy = document(Principal=principal)

    assert allowed(thing=policy) is shared
    assert allowed(thing=policy, alone=True) is alone


def test_a_key_leaves_to_the_account_what_its_policy_says_and_no_more() -> None:
    encrypt = asked("kms:Encrypt", KEY)
    own = document(Action="kms:*")
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}

    assert allowed(own, question=encrypt, thing=document(Action="kms:Encrypt", Principal=root), alone=True)
    assert not allowed(own, question=encrypt, thing=document(Action="kms:DescribeKey", Principal=root), alone=True)
    assert not allowed(own, question=encrypt, thing=None, alone=True)


def test_a_service_is_known_by_its_name_and_has_no_policies() -> None:
    agent = Caller(name="pods.eks.amazonaws.com", account=ACCOUNT, is_service=True)
    taken = asked("sts:AssumeRole", ROLE, **{"aws:sourcearn": "arn:aws:eks:eu-central-1:123456789012:cluster/one"})
    trust = document(
        Action="sts:AssumeRole",
        Principal={"Service": "pods.eks.amazonaws.com"},
        Condition={"ArnEquals": {"aws:SourceArn": "arn:aws:eks:eu-central-1:123456789012:cluster/one"}},
    )

    assert allowed(question=taken, thing=trust, caller=agent, alone=True)
    assert not allowed(question=taken, thing=trust, caller=POD, alone=True)
    elsewhere = asked("sts:AssumeRole", ROLE, **{"aws:sourcearn": "arn:aws:eks:eu-central-1:123456789012:cluster/two"})
    assert not allowed(question=elsewhere, thing=trust, caller=agent, alone=True)


@pytest.mark.parametrize(
    ("operator", "key", "value", "good"),
    [
        ("StringEquals", "s3:prefix", "raft/1", True),
        ("StringEquals", "S3:Prefix", ["none", "raft/1"], True),
        ("StringEquals", "s3:prefix", "raft/*", False),
        ("StringEqualsIgnoreCase", "s3:prefix", "RAFT/1", True),
        ("StringLike", "s3:prefix", "raft/*", True),
        ("StringNotLike", "s3:prefix", "raft/*", False),
        ("StringNotEquals", "s3:prefix", ["raft/1", "raft/2"], False),
        ("StringNotEquals", "s3:prefix", ["raft/2"], True),
        ("StringEquals", "absent", "1", False),
        ("StringNotEquals", "absent", "1", True),
        ("StringEqualsIfExists", "absent", "1", True),
        ("StringEqualsIfExists", "s3:prefix", "1", False),
        ("ForAllValues:StringEquals", "absent", "1", True),
        ("ForAnyValue:StringEquals", "absent", "1", False),
        ("ForAnyValue:StringNotEquals", "absent", "1", False),
        ("Null", "absent", "true", True),
        ("Null", "absent", "false", False),
        ("Null", "s3:prefix", "false", True),
        ("Bool", "secure", "true", True),
        ("Bool", "secure", False, False),
        ("ArnEquals", "arn", "arn:aws:iam::*:role/up", True),
        ("ArnLike", "arn", "arn:aws:iam::123456789012:role/*", True),
        ("ArnLike", "arn", "arn:aws:*/up", False),
        ("ArnNotEquals", "arn", "arn:aws:iam::123456789012:role/up", False),
        ("ArnNotEquals", "absent", "arn:aws:iam::123456789012:role/up", True),
        ("StringEquals", "aws:PrincipalTag/kubernetes-namespace", "vault", True),
        ("StringEquals", "aws:PrincipalTag/kubernetes-namespace", "apps", False),
        ("ArnEquals", "aws:PrincipalArn", ROLE, True),
        ("StringEquals", "aws:PrincipalAccount", "999999999999", False),
    ],
)
def test_a_condition(operator: str, key: str, value: Any, good: bool) -> None:
    there = {"s3:prefix": "raft/1", "secure": "true", "arn": "arn:aws:iam::123456789012:role/up"}

    assert allowed(document(Condition={operator: {key: value}}), question=asked(**there)) is good


def test_all_conditions_have_to_hold() -> None:
    both = {"StringEquals": {"one": "1", "two": "2"}}

    assert allowed(document(Condition=both), question=asked(one="1", two="2"))
    assert not allowed(document(Condition=both), question=asked(one="1", two="1"))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"Condition": {"NumericLessThan": {"s3:max-keys": "10"}}}, "operator NumericLessThan"),
        ({"Condition": {"ForMost:StringEquals": {"a": "1"}}}, "operator ForMost:StringEquals"),
        ({"Condition": {"StringEquals": {"a": "${aws:username}"}}}, r"variable \$\{aws:username\}"),
        ({"NotPrincipal": {"AWS": "*"}}, "element NotPrincipal"),
        ({"Principal": {"Federated": "x"}}, "principal Federated"),
        ({"Actions": "s3:*"}, "element Actions"),
    ],
    ids=["operator", "quantity", "variable", "not-principal", "federated", "typo"],
)
def test_what_isnt_known_is_no_answer(statement: dict[str, Any], said: str) -> None:
    with pytest.raises(UnknownPolicyError, match=said):
        allowed(document(**statement))


def test_why_is_said_as_aws_does() -> None:
    granted = Granted(identity=())
    assert judge(POD, asked(), granted, None) == ("because no identity-based policy allows the s3:GetObject action")
    assert judge(POD, asked("kms:Decrypt", KEY), granted, None, alone=True) == (
        "because no resource-based policy allows the kms:Decrypt action"
    )
    bounded = Granted(identity=[document()], boundary=document(Action="s3:PutObject"))
    assert judge(POD, asked(), bounded, None) == "because no permissions boundary allows the s3:GetObject action"
