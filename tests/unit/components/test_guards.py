"""ACL policies, quotas, audit devices and password policies: exact resources, and what each refuses."""

from collections.abc import Callable
from typing import Any

import hcl2
import pulumi
import pytest

from components.render.acl import AclPolicy, kv_read, render, transit_use
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.audit import AuditDevice, AuditDevices, AuditDevicesArgs, FileAudit, SocketAudit, SyslogAudit
from components.vault.password_policies import CharsetRule, PasswordPolicies, PasswordPoliciesArgs, PasswordPolicy
from components.vault.quotas import RateLimit, RateLimits, RateLimitsArgs
from tests.support.declare import declare
from tests.unit.components.graph import graph

POLICY = "vault:index/policy:Policy"
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"
AUDIT = "vault:index/audit:Audit"
PASSWORDS = "vault:index/passwordPolicy:PasswordPolicy"


def test_acl_policies_are_declared_as_they_are_rendered() -> None:
    app = AclPolicy(name="app-prod", rules=(*kv_read("secret", "app/a"), *transit_use("transit", "key")))
    other = AclPolicy(name="other", rules=kv_read("secret", "other/a"))

    declared = graph(lambda: AclPolicies("acl", AclPoliciesArgs(policies={"app": app, "other": other})))

    assert declared == {
        "acl-app": (POLICY, {"name": "app-prod", "policy": render(app)}),
        "acl-other": (POLICY, {"name": "other", "policy": render(other)}),
    }


def test_acl_policies_give_their_names() -> None:
    def program() -> None:
        policy = AclPolicy(name="app-prod", rules=kv_read("secret", "app/a"))
        pulumi.export("names", dict(AclPolicies("acl", AclPoliciesArgs(policies={"app": policy})).names))

    assert declare(program).exports == {"names": {"app": "app-prod"}}


def test_rate_limits() -> None:
    limits = {
        "everything": RateLimit(rate=500.5),
        "login": RateLimit(path="auth/approle", rate=20, interval_seconds=60, block_interval_seconds=30),
        "app": RateLimit(path="auth/approle", role="app", rate=5),
    }

    assert graph(lambda: RateLimits("limits", RateLimitsArgs(limits=limits))) == {
        "limits-everything": (
            QUOTA,
            {"name": "everything", "path": "", "rate": 500.5, "interval": 1, "blockInterval": 0},
        ),
        "limits-login": (
            QUOTA,
            # The server answers with the slash; without it every refresh would see a change.
            {"name": "login", "path": "auth/approle/", "rate": 20, "interval": 60, "blockInterval": 30},
        ),
        "limits-app": (
            QUOTA,
            {"name": "app", "path": "auth/approle/", "role": "app", "rate": 5, "interval": 1, "blockInterval": 0},
        ),
    }


def test_audit_devices() -> None:
    devices: dict[str, AuditDevice] = {
        "file": FileAudit(file_path="/var/log/vault/audit.log"),
        "syslog": SyslogAudit(),
        "socket": SocketAudit(address="127.0.0.1:9090", socket_type="udp"),
    }

    assert graph(lambda: AuditDevices("audit", AuditDevicesArgs(devices=devices))) == {
        "audit-file": (
            AUDIT,
            {"path": "file", "type": "file", "options": {"file_path": "/var/log/vault/audit.log", "mode": "0600"}},
        ),
        "audit-syslog": (AUDIT, {"path": "syslog", "type": "syslog", "options": {"facility": "AUTH", "tag": "vault"}}),
        "audit-socket": (
            AUDIT,
            {"path": "socket", "type": "socket", "options": {"address": "127.0.0.1:9090", "socket_type": "udp"}},
        ),
    }


def test_one_type_of_device_must_be_asked_for() -> None:
    """Pitfall 13: one device that blocks stops Vault, so the second is of another type."""
    alone = {"file": FileAudit(file_path="stdout")}

    with pytest.raises(ValueError, match="devices: only of type file: expected at least two different types"):
        AuditDevicesArgs(devices=alone)
    assert AuditDevicesArgs(devices=alone, require_two_types=False).devices == alone


def test_two_types_of_device_are_enough() -> None:
    for other in (
        SyslogAudit(),
        SocketAudit(address="/run/audit.sock", socket_type="unix"),
        SocketAudit(address="a:1"),
    ):
        two: dict[str, AuditDevice] = {"file": FileAudit(file_path="/a", mode="0640"), "other": other}
        assert AuditDevicesArgs(devices=two).require_two_types


def test_the_ends_of_a_passwords_range_are_allowed() -> None:
    sixteen = CharsetRule(charset="0123456789abcdef", min_chars=24)

    # 24 of 16 characters are 96 bits, the least there may be.
    assert PasswordPolicy(length=24, rules=(sixteen,)).length == 24
    assert PasswordPolicy(rules=(CharsetRule(charset="0123456789abcdef", min_chars=0),)).length == 32


def test_password_policies() -> None:
    policies = {
        "postgres": PasswordPolicy(),
        "pin": PasswordPolicy(length=40, rules=(CharsetRule(charset="01234567"),)),
    }

    assert graph(lambda: PasswordPolicies("passwords", PasswordPoliciesArgs(policies=policies))) == {
        "passwords-postgres": (PASSWORDS, {"name": "postgres", "policy": DEFAULT_PASSWORDS}),
        "passwords-pin": (
            PASSWORDS,
            {
                "name": "pin",
                "policy": 'length = 40\n\nrule "charset" {\n  charset   = "01234567"\n  min-chars = 1\n}\n',
            },
        ),
    }


DEFAULT_PASSWORDS = """length = 32

rule "charset" {
  charset   = "abcdefghijklmnopqrstuvwxyz"
  min-chars = 1
}

rule "charset" {
  charset   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  min-chars = 1
}

rule "charset" {
  charset   = "0123456789"
  min-chars = 1
}
"""


def test_a_password_policy_reads_back() -> None:
    parsed = hcl2.loads(DEFAULT_PASSWORDS)

    assert parsed["length"] == 32
    assert len(parsed["rule"]) == 3


def policies(**named: AclPolicy) -> Callable[[], object]:
    return lambda: AclPoliciesArgs(policies=named)


def limit(**changes: Any) -> Callable[[], object]:
    return lambda: RateLimit(**{"rate": 5, **changes})


def passwords(**changes: Any) -> Callable[[], object]:
    return lambda: PasswordPolicy(**changes)


SAME = AclPolicy(name="app", rules=kv_read("secret", "app/a"))
BAD: list[tuple[Callable[[], object], str]] = [
    (policies(a=SAME, b=SAME), r"policies\[b\].name: 'app' is also the name of policies\[a\]"),
    (lambda: AclPoliciesArgs(policies={"a/b": SAME}), "policies: 'a/b' isn't a name"),
    (limit(rate=0), "rate: 0 lets nothing through"),
    (limit(rate=float("nan")), "rate: nan lets nothing through"),
    (limit(interval_seconds=0), "interval_seconds: 0"),
    (limit(block_interval_seconds=-1), "block_interval_seconds: -1"),
    (limit(path="/secret"), "path: '/secret': expected a mount without slashes"),
    (limit(path="secret/"), "path: 'secret/'"),
    (limit(path="secret", role="app"), "role: 'app' with path 'secret': expected the path of an auth mount"),
    (
        lambda: RateLimitsArgs(limits={"a": RateLimit(rate=1), "b": RateLimit(rate=2)}),
        r"limits\[b\].path: '' is also limited by limits\[a\]",
    ),
    (lambda: RateLimitsArgs(limits={"a b": RateLimit(rate=1)}), "limits: 'a b' isn't a name"),
    (lambda: FileAudit(file_path="audit.log"), "file_path: 'audit.log' isn't absolute"),
    (lambda: FileAudit(file_path="/a", mode="0644"), "mode: '0644': expected '0600' or '0640'"),
    (lambda: SocketAudit(address=""), "address: is empty"),
    (lambda: SocketAudit(address="a:1", socket_type="sctp"), "socket_type: 'sctp' isn't known"),  # type: ignore[arg-type]  # what is tested
    (lambda: AuditDevicesArgs(devices={}), "devices: is empty"),
    (lambda: AuditDevicesArgs(devices={"a/b": SyslogAudit()}), "devices: 'a/b' isn't a name"),
    (passwords(length=19), "length: 19 is out of range: expected between 20 and 100"),
    (passwords(length=101), "length: 101"),
    (passwords(rules=()), "rules: is empty"),
    (passwords(rules=(CharsetRule(charset="ab", min_chars=33),)), "rules: ask for 33 characters of 32"),
    (passwords(rules=(CharsetRule(charset="ab"),)), "rules: 32 of 2 characters give 32 bits: expected at least 96"),
    (lambda: CharsetRule(charset=""), "charset: ''"),
    (lambda: CharsetRule(charset="aa"), "charset: 'aa': expected at least one character and each once"),
    (lambda: CharsetRule(charset='a"'), "charset: 'a\"': expected printable ASCII"),
    (lambda: CharsetRule(charset="aé"), "expected printable ASCII"),
    (lambda: CharsetRule(charset="a\n"), "expected printable ASCII"),
    (lambda: CharsetRule(charset="a", min_chars=-1), "min_chars: -1"),
    (lambda: PasswordPoliciesArgs(policies={"": PasswordPolicy()}), "policies: '' isn't a name"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        make()

    assert "\n" not in str(raised.value)
