"""Every grant in the estate, letter by letter: a path, a capability or a check that changes fails here.

Doesn't prove that Vault enforces the text; `tests/live` does.
"""

import itertools
import random
from collections.abc import Callable
from typing import Any

import hcl2
import pytest

from components.render.acl import (
    TENANTS,
    AclPolicy,
    AclRule,
    Capability,
    database_credentials,
    database_static_credentials,
    kv_prefixes,
    kv_read,
    kv_write,
    pki_issue,
    render,
    snapshot_take,
    tenants_policy,
    transit_use,
)

READ = frozenset({Capability.READ})


def rendered(*rules: AclRule, **fields: Any) -> str:
    return render(AclPolicy(name="app", rules=rules, **fields))


GRANTS: dict[str, tuple[tuple[AclRule, ...], str]] = {
    "kv_read of one secret": (
        kv_read("secret", "app/database"),
        """path "secret/data/app/database" {
  capabilities = ["read"]
}

path "secret/metadata/app/database" {
  capabilities = ["list", "read"]
}
""",
    ),
    "kv_read of a subtree": (
        kv_read("secret", "app/*"),
        """path "secret/data/app/*" {
  capabilities = ["read"]
}

path "secret/metadata/app/*" {
  capabilities = ["list", "read"]
}
""",
    ),
    "kv_write": (
        kv_write("secret", "app/database"),
        """path "secret/data/app/database" {
  capabilities = ["create", "patch", "read", "update"]
}

path "secret/metadata/app/database" {
  capabilities = ["list", "read"]
}
""",
    ),
    "database_credentials": (
        database_credentials("database", "greenlang-readwrite"),
        """path "database/creds/greenlang-readwrite" {
  capabilities = ["read"]
}
""",
    ),
    "database_static_credentials": (
        database_static_credentials("database", "legacy"),
        """path "database/static-creds/legacy" {
  capabilities = ["read"]
}
""",
    ),
    "transit_use": (
        transit_use("transit", "data-encryption-key"),
        """path "transit/decrypt/data-encryption-key" {
  capabilities = ["update"]
}

path "transit/encrypt/data-encryption-key" {
  capabilities = ["update"]
}

path "transit/rewrap/data-encryption-key" {
  capabilities = ["update"]
}
""",
    ),
    "pki_issue": (
        pki_issue("pki_int", "greenlang-services"),
        """path "pki_int/issue/greenlang-services" {
  capabilities = ["update"]
}
""",
    ),
}


@pytest.mark.parametrize("grant", GRANTS)
def test_a_grant_is_exactly_this_text(grant: str) -> None:
    rules, text = GRANTS[grant]

    assert rendered(*rules, prefixes=kv_prefixes("secret", "app")) == text


def test_a_node_may_only_take_snapshots_and_write_the_canary() -> None:
    policy = snapshot_take("node")

    assert policy.administrative
    assert {rule.path: rule.capabilities for rule in policy.rules} == {
        "vault-estate/data/canary": {Capability.CREATE, Capability.UPDATE},
        "sys/storage/raft/snapshot": {Capability.READ},
    }


def test_everything_a_rule_can_say() -> None:
    rule = AclRule(
        path="auth/approle/role/app/secret-id",
        capabilities=frozenset({Capability.UPDATE, Capability.CREATE}),
        minimum_wrapping_ttl_seconds=90,
    )

    assert (
        rendered(rule)
        == """path "auth/approle/role/app/secret-id" {
  capabilities = ["create", "update"]
  min_wrapping_ttl = "90s"
}
"""
    )


def test_deny_stands_alone() -> None:
    rule = AclRule(path="a", capabilities=frozenset({Capability.DENY}))

    assert rendered(rule) == 'path "a" {\n  capabilities = ["deny"]\n}\n'


def test_the_order_of_writing_does_not_matter() -> None:
    rules = [*kv_read("secret", "app/a"), *kv_write("secret", "app/b"), *transit_use("transit", "key")]
    expected = rendered(*rules)

    for _ in range(20):
        random.shuffle(rules)
        assert rendered(*rules) == expected


@pytest.mark.parametrize("grant", GRANTS)
def test_the_text_reads_back_as_the_rules(grant: str) -> None:
    rules, text = GRANTS[grant]

    parsed = {
        path.strip('"'): {capability.strip('"') for capability in body["capabilities"]}
        for block in hcl2.loads(text)["path"]
        for path, body in block.items()
    }

    assert parsed == {rule.path: set(rule.capabilities) for rule in rules}


def test_every_capability_has_vaults_word() -> None:
    assert sorted(Capability) == ["create", "delete", "deny", "list", "patch", "read", "sudo", "update"]


def test_unicode_names_are_written_as_they_are() -> None:
    assert 'path "secret/data/böse" {' in rendered(AclRule(path="secret/data/böse", capabilities=READ))


def test_the_prefixes_of_a_kv_subtree() -> None:
    assert kv_prefixes("secret", "app/prod") == ("secret/data/app/prod", "secret/metadata/app/prod")
    assert kv_prefixes("agenticverz") == ("agenticverz/data", "agenticverz/metadata")


@pytest.mark.parametrize("path", ["secret/data/app/*", "secret/data/app/+", "secret/data/app/sub/*"])
def test_a_wildcard_is_allowed_below_its_owners_prefix(path: str) -> None:
    assert path in rendered(AclRule(path=path, capabilities=READ), prefixes=("secret/data/app",))


@pytest.mark.parametrize(
    "path",
    [
        "secret/data/*",
        "secret/data/+",
        "secret/data/application/*",
        "secret/data/app2/*",
        "secret/*",
        "*",
        "+",
        "secret/+/app/*",
        "secret/data/app/+/x",
        "database/creds/*",
    ],
)
def test_a_wildcard_anywhere_else_is_refused(path: str) -> None:
    rule = AclRule(path=path, capabilities=READ)

    with pytest.raises(ValueError, match="wildcard"):
        AclPolicy(name="app", prefixes=("secret/data/app",), rules=(rule,))


@pytest.mark.parametrize("path", ["secret/data/app/*", "secret/+/app/*", "+/data/*"])
def test_an_administrator_may_have_wildcards_anywhere(path: str) -> None:
    assert path in rendered(AclRule(path=path, capabilities=READ), administrative=True)


def rule(**changes: Any) -> Callable[[], object]:
    return lambda: AclRule(**{"path": "secret/data/app", "capabilities": READ, **changes})


def policy(**changes: Any) -> Callable[[], object]:
    rules = (AclRule(path="secret/data/app", capabilities=READ),)
    return lambda: AclPolicy(**{"name": "app", "rules": rules, **changes})


BAD: list[tuple[Callable[[], object], str]] = [
    (rule(path=""), "path: '' has an empty"),
    (rule(path="/secret"), "has an empty"),
    (rule(path="secret/"), "has an empty"),
    (rule(path="secret//data"), "has an empty"),
    (rule(path="secret/../sys"), r"'\.\.' segment"),
    (rule(path="secret/./sys"), r"'\.'"),
    (rule(path="secret/data\n"), "control character"),
    (rule(path="secret/\x00"), "control character"),
    (rule(path='secret/"x'), "a quote"),
    (rule(path="secret/'x"), "a quote"),
    (rule(path="secret/\\x"), "a backslash"),
    (rule(path="secret/${x}"), "a template"),
    (rule(path="secret/{{identity.entity.name}}"), "a template"),
    (rule(path="secret/ data"), "a space beside"),
    (rule(path="secret/da*"), "inside of 'da\\*'"),
    (rule(path="secret/da+"), "inside of"),
    (rule(path="secret/*/data"), "goes on after"),
    (rule(capabilities=frozenset()), "is empty: expected at least one"),
    (rule(capabilities=frozenset({"write"})), "'write' isn't known: expected some of create, read"),
    (rule(capabilities=frozenset({Capability.DENY, Capability.READ})), "expected it alone"),
    (rule(minimum_wrapping_ttl_seconds=-1), "-1: expected 0 or more"),
    (policy(name="App"), "name is 'App'; expected up to 128 lower-case"),
    (policy(name="administrator"), "name is 'administrator'; expected another name than administrator, snapshots, "),
    (policy(name="snapshots"), "name is 'snapshots'; expected another name than"),
    (policy(name="snapshot-operator"), "which the estate itself uses"),
    (policy(name="root"), "name is 'root'; expected up to 128 lower-case"),
    (policy(name="default"), "name is 'default'; expected up to 128 lower-case"),
    (policy(name="response-wrapping"), "name is .*; expected up to 128 lower-case"),
    (policy(name="app/x"), "name is .*; expected up to 128 lower-case"),
    (policy(name=""), "name is .*; expected up to 128 lower-case"),
    (policy(name="a" * 129), "name is .*; expected up to 128 lower-case"),
    (policy(rules=()), "rules of 'app': is empty"),
    (policy(rules=(AclRule(path="a", capabilities=READ),) * 2), "'a' is there twice"),
    (policy(prefixes=("secret/*",)), "'secret/\\*' has a wildcard"),
    (policy(prefixes=("secret/",)), "has an empty"),
    (policy(prefixes=("",)), "has an empty"),
    (rule(path="secret/data\n"), "^path: 'secret"),
    (policy(rules=(AclRule(path="sys/raw", capabilities=READ),)), "is Vault's own"),
    (
        policy(rules=(AclRule(path="pki/root", capabilities=frozenset({Capability.SUDO})),)),
        "asks for 'sudo': only administrative",
    ),
    (lambda: AclPolicy(name="app", rules=kv_read("secret", "../sys/x")), r"'\.\.'"),
    (lambda: AclPolicy(name="app", rules=kv_read("secret", "app/*")), "expected one below none$"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make()

    assert "\n" not in str(raised.value)


def test_an_administrator_may_have_sudo_and_vaults_own_paths() -> None:
    sudo = AclRule(path="sys/auth/x", capabilities=frozenset({Capability.SUDO, Capability.READ}))

    assert '["read", "sudo"]' in rendered(sudo, administrative=True)


def test_no_hostile_text_gets_out_of_its_string() -> None:
    pieces = ['"', "}", "{", "\n", "\\", "${", "{{", "*", "+", "..", "/", "a", "#", "//", " ", '" { }\npath "x']
    escaped = []
    for parts in itertools.product(pieces, repeat=3):
        path = "secret/" + "".join(parts)
        try:
            text = rendered(AclRule(path=path, capabilities=READ), prefixes=("secret",))
        except ValueError:
            continue
        (block,) = hcl2.loads(text)["path"]
        if [key.strip('"') for key in block] != [path]:
            escaped.append(path)

    assert escaped == []


OWN = "tenants/{{identity.entity.aliases.auth_jwt_1.name}}/*"


@pytest.mark.parametrize(
    ("access", "capabilities"), [("read", '"read"'), ("write", '"create", "patch", "read", "update"')]
)
def test_a_tenant_gets_the_folder_of_its_name(access: Any, capabilities: str) -> None:
    policy = tenants_policy("secret", "tenants", access)

    assert policy.name == TENANTS
    assert render(policy, "auth_jwt_1") == (
        f'path "secret/data/{OWN}" {{\n  capabilities = [{capabilities}]\n}}\n\n'
        f'path "secret/metadata/{OWN}" {{\n  capabilities = ["list", "read"]\n}}\n'
    )


@pytest.mark.parametrize("accessor", ["", "a b", "a/b", "a}}", '"', "a\n"])
def test_a_tenants_name_is_that_of_one_mounts_login(accessor: str) -> None:
    with pytest.raises(ValueError, match=r"^tenants_accessor is "):
        render(tenants_policy("secret", "tenants", "read"), accessor)


@pytest.mark.parametrize(
    "path", ["secret/{tenant}x", "secret/{other}/x", "a/x{tenant}", "{{tenant}}/x", "a/{tenant", "a/tenant}"]
)
def test_the_tenant_is_a_whole_segment_and_nothing_else_has_braces(path: str) -> None:
    with pytest.raises(ValueError, match=r"^path: "):
        AclRule(path=path, capabilities=READ)


def test_no_application_has_the_tenants_policy() -> None:
    with pytest.raises(ValueError, match="which the estate itself uses"):
        AclPolicy(name=TENANTS, rules=kv_read("secret", "app"))
