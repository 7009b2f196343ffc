"""The reader of ACL policies: everything the server accepts that could hide a grant."""

import json

import pytest

from components.render.acl import render
from components.render.administrator import administrator_policy
from policies.rules.acl_text import AclTextError, Grant, grants


def one(path: str, *capabilities: str) -> list[Grant]:
    return [Grant(path, frozenset(capabilities))]


@pytest.mark.parametrize(
    "text",
    [
        'path "a/b" { capabilities = ["read", "list"] }',
        'path "a/b" {\n  # why\n  capabilities = [\n "read", // first\n "list", /* last\n */ ]\n}\n',
        '"path" "a/b" { "capabilities" = ["read","LIST"] }',
        'name = "x"\npath "a/b" = { capabilities = ["list","read"] }',
        'path "a/b" { capabilities = ["read"] capabilities = ["list"] }',
        'path "a/b" { capabilities = ["read"], policy = "list" }',
        'path "a\\u002fb" { capabilities = ["read", "list"] max_wrapping_ttl = 90 }',
        '{"path": {"a/b": {"capabilities": ["read", "list"]}}}',
        '{"path": [{"a/b": [{"capabilities": ["read", "list"]}]}]}',
    ],
)
def test_every_spelling_of_a_block_is_read(text: str) -> None:
    assert grants(text) == one("a/b", "read", "list")


def test_parameters_are_not_taken_for_capabilities() -> None:
    text = """
    path "auth/token/create" {
      capabilities = ["update"]
      required_parameters = ["policies"]
      allowed_parameters = { "policies" = ["capabilities", "sudo"], "*" = [] }
      mfa_methods = ["a", "b"]
    }
    """
    assert grants(text) == one("auth/token/create", "update")


def test_a_comment_inside_a_string_is_part_of_it() -> None:
    assert grants('path "a#b//c" { policy = "write" }') == one("a#b//c", "write")


def test_blocks_keep_their_order_and_repeats() -> None:
    text = 'path "b" { policy = "read" }\npath "a" { policy = "sudo" }\npath "b" { policy = "deny" }'
    assert grants(text) == [*one("b", "read"), *one("a", "sudo"), *one("b", "deny")]


def test_a_policy_without_rules_grants_nothing() -> None:
    assert grants("") == []
    assert grants("# only words\n") == []
    assert grants('path "a" {}') == one("a")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('path "a" {\n capabilities = ["read"]', "line 2: expected a name"),
        ('path "a" {\n capabilities = <<E\nread\nE\n}', "line 2 can't be parsed"),
        ('path "unfinished {}', "line 1 can't be parsed"),
        ('path "\\q" {}', "line 1: a quoted text has an unknown escape"),
        ('path = "canary"', "a path block has no name"),
        ('path "a" = "canary"', "a path block has no body"),
        ('{"path": canary}', "the JSON can't be parsed"),
        ("}", "line 1: expected a name"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_quotes_nothing(text: str, where: str) -> None:
    with pytest.raises(AclTextError) as error:
        grants(text)
    assert str(error.value) == where


def test_deep_json_that_is_not_a_policy_is_an_error() -> None:
    with pytest.raises(AclTextError):
        grants(json.dumps({"path": ["a"]}))


def test_policies_that_the_estate_renders_are_read() -> None:
    # The administrator's is the largest policy there is, with every feature the renderer knows.
    policy = administrator_policy()
    meant = {rule.path: frozenset(str(capability) for capability in rule.capabilities) for rule in policy.rules}
    assert {grant.path: grant.capabilities for grant in grants(render(policy))} == meant
