"""Each rule as a function: what passes, what is refused and in which words, and what an unknown value does.

Not proven here: that the engine runs the rules at all (see `test_pack.py`).
"""

import json
from typing import Any

import pulumi
import pytest
from pulumi_policy import EnforcementLevel, ResourceValidationPolicy
from pulumi_policy.proxy import (
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_STRING_VALUE,
    UnknownValueError,
)

from policies.rules import (
    RULES,
    acl_no_broad_wildcard,
    acl_template_is_a_name,
    approle_secret_id_expires,
    data_holding_is_protected,
    policies,
    provider_verifies_tls,
)
from policies.rules.rule import Rule
from tests.support.policy_rules import findings, resource

ROLE = {"roleName": "app", "secretIdTtl": 86_400.0, "tokenTtl": 3_600.0, "tokenMaxTtl": 14_400.0}
PROVIDER = {"address": "https://127.0.0.1:8200", "skipChildToken": "true"}


def acl(body: str) -> list[str]:
    """Findings about one ACL policy's text."""
    rule = acl_no_broad_wildcard.RULE
    return findings(rule, resource(rule, {"name": "app", "policy": body}))


def path(name: str, *capabilities: str) -> str:
    return f'path "{name}" {{\n  capabilities = {json.dumps(capabilities or ("read",))}\n}}\n'


_ALIAS = "identity.entity.aliases.auth_jwt_1"
TEMPLATE = acl_template_is_a_name.RULE


@pytest.mark.parametrize("segment", [f"{{{{{_ALIAS}.name}}}}", "{{identity.entity.id}}", "plain", "{one}"])
def test_a_login_name_as_a_whole_segment_passes(segment: str) -> None:
    text = path(f"secret/data/tenants/{segment}/*", "read")
    assert findings(TEMPLATE, resource(TEMPLATE, {"name": "app", "policy": text})) == []


@pytest.mark.parametrize(
    "segment",
    [
        f"{{{{{_ALIAS}.metadata.tenant_id}}}}",
        f"{{{{{_ALIAS}.custom_metadata.tenant_id}}}}",
        "{{identity.entity.metadata.tenant}}",
        "{{identity.entity.name}}",
        "{{identity.groups.names.a.id}}",
        f"x-{{{{{_ALIAS}.name}}}}",
        f"{{{{{_ALIAS}.name}}}}*",
        f"{{{{{_ALIAS}.name}}}}{{{{{_ALIAS}.name}}}}",
    ],
)
def test_any_other_template_is_refused(segment: str) -> None:
    where = f"secret/data/tenants/{segment}/x"
    (found,) = findings(TEMPLATE, resource(TEMPLATE, {"name": "app", "policy": path(where, "read")}))
    assert f"path '{where}' has a template that is more or less than the name of a login" in found


def test_a_template_in_a_text_that_comes_later_is_judged_then() -> None:
    found = resource(TEMPLATE, {"name": "app", "policy": UNKNOWN_STRING_VALUE})
    with pytest.raises(UnknownValueError):
        findings(TEMPLATE, found)


@pytest.mark.parametrize(
    "name",
    [
        "secret/data/app/production/*",
        "secret/data/app/+/api",
        "secret/metadata/app/*",
        "database/creds/app",
        "pki_int/issue/internal-mtls",
        "sys/wrapping/unwrap",
        "auth/token/renew-self",
        "system/data/app/*",
        "kv/data/{{identity.entity.name}}/*",
    ],
)
def test_acl_within_a_prefix_passes(name: str) -> None:
    assert acl(path(name, "read", "list")) == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("*", "begins with a wildcard"),
        ("+/data/app", "begins with a wildcard"),
        ("secret*", "begins with a wildcard"),
        ("/*", "begins with a wildcard"),
        ("/sys/*", "wildcard over the server's own endpoints"),
        ("sys/*", "wildcard over the server's own endpoints"),
        ("sys/policies/acl/*", "wildcard over the server's own endpoints"),
        ("sys/+/acl", "wildcard over the server's own endpoints"),
        ("secret/*", "reaches over a whole mount"),
        ("secret/data/*", "reaches over a whole mount"),
        ("secret/metadata/+/production", "reaches over a whole mount"),
        ("auth/+/login", "reaches over a whole mount"),
    ],
)
def test_acl_beyond_a_prefix_is_refused(name: str, fault: str) -> None:
    [message] = acl(path("secret/data/app/x") + path(name))
    assert f"path '{name}'" in message
    assert fault in message
    assert message.startswith("vault:index/policy:Policy 'app': ")
    assert message.endswith(acl_no_broad_wildcard.RULE.remediation)


def test_acl_sudo_is_refused_wherever_it_stands() -> None:
    [message] = acl(path("sys/rotate", "update", "SUDO"))
    assert "path 'sys/rotate' grants sudo" in message
    [message] = acl(path("sys/step-down/", "update", "sudo"))
    assert "path 'sys/step-down/' grants sudo" in message
    assert acl(path("sys/step-down", "update", "sudo")) == []


def test_acl_that_only_denies_grants_nothing() -> None:
    assert acl(path("*", "deny")) == []
    assert len(acl(path("*", "deny", "read"))) == 1


def test_acl_that_cannot_be_read_is_refused_without_quoting_it() -> None:
    [message] = acl(path("secret/data/app") + "path ( canary")
    assert "can't be judged (line 4 can't be parsed)" in message
    assert "canary" not in message


def test_acl_in_json_is_judged_too() -> None:
    [message] = acl(json.dumps({"path": {"sys/*": {"capabilities": ["read"]}}}))
    assert "path 'sys/*'" in message


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"secretIdTtl": 0.0}, "secretIdTtl is not set, which means a SecretID that never expires"),
        ({"secretIdTtl": None}, "secretIdTtl is not set"),
        ({"tokenTtl": None}, "tokenTtl is not set, which means the server's default"),
        ({"tokenTtl": 3_601.0}, "tokenTtl is 3601 s; expected at most 3600 s"),
        ({"tokenMaxTtl": 0.0}, "tokenMaxTtl is not set"),
        ({"tokenMaxTtl": 14_401.0}, "tokenMaxTtl is 14401 s; expected at most 14400 s"),
        ({"tokenPeriod": 60.0}, "tokenPeriod is set"),
        ({"bindSecretId": False}, "bindSecretId is false"),
    ],
)
def test_approle_that_outlives_its_limits_is_refused(change: dict[str, Any], fault: str) -> None:
    rule = approle_secret_id_expires.RULE
    [message] = findings(rule, resource(rule, ROLE | change))
    assert fault in message
    assert message.startswith("vault:appRole/authBackendRole:AuthBackendRole 'app': ")


@pytest.mark.parametrize("change", [{}, {"secretIdTtl": 1.0}, {"tokenPeriod": 0.0}, {"bindSecretId": True}])
def test_approle_within_its_limits_passes(change: dict[str, Any]) -> None:
    rule = approle_secret_id_expires.RULE
    assert findings(rule, resource(rule, ROLE | change)) == []


@pytest.mark.parametrize("change", [{}, {"skipTlsVerify": "false"}, {"address": "HTTPS://vault.example.com"}])
def test_provider_that_verifies_passes(change: dict[str, Any]) -> None:
    rule = provider_verifies_tls.RULE
    assert findings(rule, resource(rule, PROVIDER | change)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"address": None}, "names no address"),
        ({"address": "@".join(["http://user:canary", "vault.example.com"])}, "its address is not https"),
        ({"skipTlsVerify": "true"}, "skipTlsVerify is set"),
        ({"skipTlsVerify": True}, "skipTlsVerify is set"),
        ({"skipTlsVerify": "yes"}, "skipTlsVerify is set"),
    ],
)
def test_provider_that_does_not_verify_is_refused(change: dict[str, Any], fault: str) -> None:
    rule = provider_verifies_tls.RULE
    [message] = findings(rule, resource(rule, PROVIDER | change))
    assert fault in message
    assert "canary" not in message


def test_a_provider_that_refused_its_inputs_is_not_blamed_for_having_none() -> None:
    rule = provider_verifies_tls.RULE
    assert findings(rule, resource(rule, {})) == []
    assert len(findings(rule, resource(rule, {"version": "7.14.0"}))) == 1


@pytest.fixture
def stack_settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the stack's structured setting, as the engine passes it to the pack."""

    monkeypatch.delenv(data_holding_is_protected.VARIABLE, raising=False)

    def choose(value: str | None) -> None:
        monkeypatch.setattr(pulumi.Config, "get", lambda _self, key: value if key == "estate" else None)

    return choose


@pytest.mark.parametrize("token", sorted(data_holding_is_protected.HOLDS_DATA))
@pytest.mark.parametrize(
    ("setting", "protect", "count"),
    [
        ('{"protect": true}', False, 1),
        ('{"protect": true}', True, 0),
        ("{}", False, 1),
        ("not json", False, 1),
        ("[]", False, 1),
        ('{"protect": false}', False, 0),
        ('{"protect": false}', True, 0),
    ],
)
def test_data_is_protected_when_settings_say_so(
    stack_settings: Any, token: str, setting: str, protect: bool, count: int
) -> None:
    stack_settings(setting)
    rule = data_holding_is_protected.RULE
    found = findings(rule, resource(rule, {"path": "secret"}, token=token, protect=protect))
    assert len(found) == count
    assert all(message.startswith(f"{token} 'app': it holds data and isn't protected") for message in found)


@pytest.mark.parametrize(("told", "count"), [("true", 1), ("false", 0), ("", 1)])
def test_what_the_command_tells_goes_before_the_settings(
    stack_settings: Any, monkeypatch: pytest.MonkeyPatch, told: str, count: int
) -> None:
    rule = data_holding_is_protected.RULE
    for setting in ('{"protect": true}', '{"protect": false}', None):
        stack_settings(setting)
        monkeypatch.setenv(data_holding_is_protected.VARIABLE, told)
        assert len(findings(rule, resource(rule, {}))) == count


def test_protection_without_settings_says_that_it_cannot_judge(
    stack_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack_settings(None)
    rule = data_holding_is_protected.RULE
    args, reasons = resource(rule, {}, protect=False), list[str]()
    monkeypatch.setattr(args, "not_applicable", reasons.append)
    assert findings(rule, args) == []
    assert reasons == ["the engine gave the pack no settings, so it can't know whether they say protect"]


def test_protection_needs_no_input_to_be_known(stack_settings: Any) -> None:
    stack_settings("{}")
    rule = data_holding_is_protected.RULE
    assert len(findings(rule, resource(rule, {"path": UNKNOWN_STRING_VALUE}))) == 1


@pytest.mark.parametrize(
    ("rule", "inputs", "reported"),
    [
        (acl_no_broad_wildcard.RULE, {"name": "app", "policy": UNKNOWN_STRING_VALUE}, 0),
        (approle_secret_id_expires.RULE, ROLE | {"secretIdTtl": UNKNOWN_NUMBER_VALUE}, 0),
        (approle_secret_id_expires.RULE, ROLE | {"secretIdTtl": UNKNOWN_NUMBER_VALUE, "tokenTtl": 7_200.0}, 1),
        (approle_secret_id_expires.RULE, ROLE | {"bindSecretId": UNKNOWN_BOOLEAN_VALUE, "tokenPeriod": 1.0}, 1),
        (provider_verifies_tls.RULE, {"address": UNKNOWN_STRING_VALUE}, 0),
        (provider_verifies_tls.RULE, {"address": UNKNOWN_STRING_VALUE, "skipTlsVerify": "true"}, 1),
        (provider_verifies_tls.RULE, PROVIDER | {"address": "http://a", "skipTlsVerify": UNKNOWN_BOOLEAN_VALUE}, 1),
    ],
)
def test_an_unknown_value_is_said_and_hides_nothing_else(rule: Rule, inputs: dict[str, Any], reported: int) -> None:
    found: list[str] = []

    def report(message: str, _urn: str | None = None) -> None:
        found.append(message)

    with pytest.raises(UnknownValueError):
        rule.validate(resource(rule, inputs), report)
    assert len(found) == reported


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_leaves_other_resources_alone(rule: Rule) -> None:
    args = resource(rule, {"policy": path("*"), "skipTlsVerify": "true"}, token="random:index/randomPet:RandomPet")
    assert findings(rule, args) == []


def test_every_rule_is_mandatory_and_named_once() -> None:
    made = policies()
    assert [policy.name for policy in made] == sorted({policy.name for policy in made})
    assert {policy.enforcement_level for policy in made} == {EnforcementLevel.MANDATORY}
    assert all(isinstance(policy, ResourceValidationPolicy) for policy in made)
    assert all(rule.sentence.endswith(".") and rule.sentence.count(". ") == 0 for rule in RULES)
