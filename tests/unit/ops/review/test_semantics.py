"""The meaning of ACL policies by hand-made examples. What a server says is compared in tests/live/test_semantics.py."""

import pytest

from components.render import acl
from components.render.acl import AclPolicy, AclRule, Capability
from ops.review.semantics import DENIED, Allowed, at, read, together

READ, UPDATE, LIST, DENY = Capability.READ, Capability.UPDATE, Capability.LIST, Capability.DENY


def _rules(**paths: Capability) -> dict[str, Allowed]:
    return {path: Allowed(frozenset({capability})) for path, capability in paths.items()}


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ({"a/b": READ}, "a/b", READ),
        ({"a/b": READ}, "a/b/", READ),
        ({"a/b/": READ}, "a/b", DENY),
        ({"a/*": READ}, "a/b/c", READ),
        ({"a/*": READ}, "a", DENY),
        ({"a/*": READ}, "a/", READ),
        ({"a*": READ}, "abc", READ),
        ({"a/*": READ, "a/b": UPDATE}, "a/b", UPDATE),
        ({"a/*": READ, "a/b*": UPDATE}, "a/bc", UPDATE),
        ({"a/+/c": READ}, "a/b/c", READ),
        ({"a/+/c": READ}, "a//c", READ),
        ({"a/+/c": READ}, "a/b/d", DENY),
        ({"a/+": READ}, "a/b/c", DENY),
        ({"a/+/*": READ}, "a/b", DENY),
        ({"a/+/*": READ}, "a/b/", READ),
        ({"a/+/c": READ, "a/b*": UPDATE}, "a/b/c", UPDATE),
        ({"a/+/c": READ, "a/*": UPDATE}, "a/b/c", READ),
        ({"a/+/+": READ, "a/+/c": UPDATE}, "a/b/c", UPDATE),
        ({"+/b/c": READ, "a/+/c": UPDATE}, "a/b/c", UPDATE),
        ({"a/*": READ, "a/b/*": DENY}, "a/b/c", DENY),
        ({"*": READ}, "anything/at/all", READ),
        ({}, "a", DENY),
    ],
)
def test_which_rule_holds(rules: dict[str, Capability], path: str, expected: Capability) -> None:
    assert at(_rules(**rules), path).capabilities == {expected}


def test_policies_of_one_token_add_up_and_deny_overrides() -> None:
    first, second, third = _rules(a=READ), _rules(a=UPDATE), _rules(a=DENY)
    assert at(together([first, second]), "a").capabilities == {READ, UPDATE}
    assert at(together([first, third, second]), "a") == DENIED


def test_the_shorter_of_two_wrappings_is_asked_for() -> None:
    some, more, none = (Allowed(frozenset({UPDATE}), seconds) for seconds in (60, 300, 0))
    assert (some | more).minimum_wrapping_ttl_seconds == 60
    assert (none | more).minimum_wrapping_ttl_seconds == 300


def test_a_write_is_held_to_the_parameters_of_either_rule() -> None:
    some, none = Allowed(frozenset({UPDATE}), parameters=frozenset({"a"})), Allowed(frozenset({READ}))
    assert (some | none) == (none | some) == Allowed(frozenset({READ, UPDATE}), parameters=frozenset({"a"}))


def test_what_is_rendered_is_read() -> None:
    rules = (
        AclRule(path="a/*", capabilities=frozenset({READ, LIST})),
        AclRule(path="sys/x", capabilities=frozenset({UPDATE}), minimum_wrapping_ttl_seconds=60),
        AclRule(path="ü/+/x", capabilities=frozenset({DENY})),
        AclRule(path="kv/x", capabilities=frozenset({UPDATE}), allowed_parameters=frozenset({"b", "a"})),
    )
    text = acl.render(AclPolicy(name="one", rules=rules, administrative=True))
    assert read(text) == {
        rule.path: Allowed(rule.capabilities, rule.minimum_wrapping_ttl_seconds, rule.allowed_parameters)
        for rule in rules
    }


@pytest.mark.parametrize("text", ['path "a" { policy = "read" }', 'path "a" {\n  capabilities = ["read"]\n', "x"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 1 of an ACL policy"):
        read(text)
