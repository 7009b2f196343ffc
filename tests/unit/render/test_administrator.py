"""The administrator's ACL policy, letter by letter, and what must never creep into it.

The text is in `administrator.hcl` beside this file. Doesn't prove that it suffices; `tests/live` does.
"""

from pathlib import Path

import pytest

from components.render.acl import AclRule, Capability, render
from components.render.administrator import administrator_policy

POLICY = administrator_policy()
RULES = {rule.path: rule for rule in POLICY.rules}


def test_the_policy_is_exactly_this_text() -> None:
    assert render(POLICY) == Path(__file__).with_name("administrator.hcl").read_text(encoding="utf-8")


def test_of_several_servers_it_sees_who_votes_and_takes_none_down() -> None:
    rules = {rule.path: rule for rule in administrator_policy(clustered=True).rules}

    assert {path: sorted(one.value for one in rules[path].capabilities) for path in rules.keys() - RULES.keys()} == {
        "sys/storage/raft/autopilot/configuration": ["create", "read", "update"],
        "sys/storage/raft/autopilot/state": ["read"],
        "sys/storage/raft/configuration": ["read"],
    }
    assert {path: rules[path] for path in RULES} == RULES


def test_sudo_is_only_where_vault_demands_it() -> None:
    assert {path for path, rule in RULES.items() if Capability.SUDO in rule.capabilities} == {
        "sys/auth/*",
        "sys/audit",
        "sys/audit/*",
        "sys/leases/lookup/*",
        "sys/leases/revoke-prefix/*",
        "sys/config/auditing/request-headers",
        "sys/config/auditing/request-headers/*",
    }


@pytest.mark.parametrize(
    "api",
    [
        "storage",
        "snapshot",
        "raw",
        "seal",
        "generate-root",
        "remount",
        "plugins",
        "token",
        "oidc",
    ],
)
def test_the_administrators_policy_has_nothing_an_up_never_needs(api: str) -> None:
    assert [path for path in RULES if api in path.split("/")] == []


@pytest.mark.parametrize(
    "api", ["delete", "undelete", "destroy", "encrypt", "decrypt", "export", "backup", "creds", "issue"]
)
def test_the_administrators_policy_has_nothing_applications_do(api: str) -> None:
    assert [path for path in RULES if api in path.split("/")] == []


def test_key_shares_are_renewed_and_no_keyring_is_rotated() -> None:
    """Without a threshold of shares each of these does nothing."""
    ours = {path for path in RULES if {"rotate", "rekey", "rekey-recovery-key"} & set(path.split("/"))}
    steps = ("init", "update", "verify")
    assert ours == {f"sys/{kind}/{step}" for kind in ("rotate/+", "rekey", "rekey-recovery-key") for step in steps}


def test_kv_values_can_only_be_seeded() -> None:
    assert RULES["+/data/*"].capabilities == {Capability.CREATE}


def test_of_a_secrets_metadata_only_notes_can_be_written() -> None:
    assert RULES["+/metadata/*"] == AclRule(
        path="+/metadata/*",
        capabilities=frozenset({Capability.READ, Capability.LIST, Capability.PATCH}),
        allowed_parameters=frozenset({"custom_metadata"}),
    )


def test_it_cannot_delete_its_own_login() -> None:
    assert Capability.DELETE in RULES["auth/+/certs/*"].capabilities
    assert Capability.DELETE not in RULES["auth/+/certs/administrator"].capabilities


def test_secret_ids_leave_only_wrapped() -> None:
    assert RULES["auth/+/role/+/secret-id"] == AclRule(
        path="auth/+/role/+/secret-id",
        capabilities=frozenset({Capability.CREATE, Capability.UPDATE, Capability.LIST}),
        minimum_wrapping_ttl_seconds=1,
    )
    assert RULES["auth/+/role/+/custom-secret-id"].capabilities == {Capability.DENY}
