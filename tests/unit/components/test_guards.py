"""ACL policies, quotas, audit devices and password policies: exact resources, and what each refuses."""

from collections.abc import Callable
from typing import Any

import hcl2
import pulumi
import pytest

from components.render.acl import AclPolicy, kv_read, render, transit_use
from components.render.audit import AuditDevice, FileAudit, SocketAudit, SyslogAudit
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.audit import AuditDevices, AuditDevicesArgs, TraceHeaders, TraceHeadersArgs
from components.vault.autopilot import RaftAutopilot, RaftAutopilotArgs
from components.vault.kv import KvMount, KvMountArgs
from components.vault.password_policies import CharsetRule, PasswordPolicies, PasswordPoliciesArgs, PasswordPolicy
from components.vault.quotas import LoginLimit, RateLimit, RateLimits, RateLimitsArgs
from tests.support.declare import declare
from tests.unit.components.graph import below, graph

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
        "login": RateLimit(path="auth/approle", rate=20, interval=60, block_interval=30),
        "below": RateLimit(path="secret/data/app", rate=1),
        "health": RateLimit(path="sys/health", rate=1),
    }
    mounts = {"secret": "secret"}
    logins = {"app": LoginLimit(rate=5), "usual": LoginLimit()}

    assert graph(lambda: RateLimits("limits", RateLimitsArgs(limits=limits, logins=logins, mounts=mounts))) == {
        "limits-everything": (
            QUOTA,
            {"name": "everything", "path": "", "rate": 500.5, "interval": 1, "blockInterval": 0},
        ),
        "limits-login": (
            QUOTA,
            # The server answers with the slash; without it every refresh would see a change.
            {"name": "login", "path": "auth/approle/", "rate": 20, "interval": 60, "blockInterval": 30},
        ),
        # Below a mount it answers without.
        "limits-below": (
            QUOTA,
            {"name": "below", "path": "secret/data/app", "rate": 1, "interval": 1, "blockInterval": 0},
        ),
        "limits-health": (
            QUOTA,
            {"name": "health", "path": "sys/health", "rate": 1, "interval": 1, "blockInterval": 0},
        ),
        "limits-app": (
            QUOTA,
            {"name": "app", "path": "auth/approle/", "role": "app", "rate": 5, "interval": 1, "blockInterval": 0},
        ),
        "limits-usual": (
            QUOTA,
            {"name": "usual", "path": "auth/approle/", "role": "usual", "rate": 50, "interval": 1, "blockInterval": 0},
        ),
    }


def test_a_limit_waits_for_the_mount_it_is_on() -> None:
    def program() -> None:
        made = KvMount("kv", KvMountArgs(path="secret"))
        limits = {name: RateLimit(path=path, rate=1) for name, path in (("on", "secret"), ("below", "secret/data/a"))}
        RateLimits("limits", RateLimitsArgs(limits=limits, mounts={"secret": made.mount_path}))

    declared = declare(program)

    for name, path in (("on", "secret/"), ("below", "secret/data/a")):
        assert "kv-mount" in below(declared, f"limits-{name}")
        assert declared.named(f"limits-{name}").inputs["path"] == path


def test_headers_that_are_audited() -> None:
    """As they came: hashed, nobody could look for one."""
    assert graph(lambda: TraceHeaders("trace", TraceHeadersArgs())) == {
        f"trace-{name}": ("vault:index/auditRequestHeader:AuditRequestHeader", {"name": name, "hmac": False})
        for name in ("traceparent", "x-request-id")
    }


@pytest.mark.parametrize(("servers", "voters"), [(3, 3), (5, 3), (7, 4)])
def test_a_lost_server_is_forgotten_after_a_day_while_a_majority_stays(servers: int, voters: int) -> None:
    assert graph(lambda: RaftAutopilot("autopilot", RaftAutopilotArgs(servers=servers))) == {
        "autopilot-configuration": (
            "vault:index/raftAutopilot:RaftAutopilot",
            {
                "cleanupDeadServers": True,
                "deadServerLastContactThreshold": "24h0m0s",
                "minQuorum": voters,
                "serverStabilizationTime": "10s",
            },
        )
    }


def test_servers_that_bear_no_loss_have_none_to_forget() -> None:
    with pytest.raises(ValueError, match="servers is 1; expected at least 3, which bear the loss of one"):
        RaftAutopilotArgs(servers=1)


def test_answers_of_rate_limits() -> None:
    assert graph(lambda: RateLimits("limits", RateLimitsArgs(answers=True))) == {
        "limits-answers": (
            "vault:index/quotaConfig:QuotaConfig",
            {
                "enableRateLimitResponseHeaders": True,
                # As a server has them before; without them `regain` is refused wherever a limit is.
                "rateLimitExemptPaths": [
                    "sys/generate-recovery-token/attempt",
                    "sys/generate-recovery-token/update",
                    "sys/generate-root/attempt",
                    "sys/generate-root/update",
                    "sys/health",
                    "sys/seal-status",
                    "sys/unseal",
                ],
            },
        )
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

    with pytest.raises(ValueError, match="devices is of type file only; expected at least two different types"):
        AuditDevicesArgs(devices=alone)


def test_two_types_of_device_are_enough() -> None:
    for other in (
        SyslogAudit(),
        SocketAudit(address="/run/audit.sock", socket_type="unix"),
        SocketAudit(address="a:1"),
    ):
        two: dict[str, AuditDevice] = {"file": FileAudit(file_path="/a", mode="0640"), "other": other}
        assert AuditDevicesArgs(devices=two).devices == two


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


def limits(**given: Any) -> Callable[[], object]:
    return lambda: RateLimitsArgs(**given)


def passwords(**changes: Any) -> Callable[[], object]:
    return lambda: PasswordPolicy(**changes)


def charset(text: str, **changes: Any) -> Callable[[], object]:
    return lambda: CharsetRule(charset=text, **changes)


CHARSET = "charset\n.*expected printable ASCII, each character once"
SAME = AclPolicy(name="app", rules=kv_read("secret", "app/a"))
BAD: list[tuple[Callable[[], object], str]] = [
    (policies(a=SAME, b=SAME), "policies.b.name is 'app'; expected another name than policies.a has"),
    (lambda: AclPoliciesArgs(policies={"a/b": SAME}), "policies.a/b is 'a/b'; expected 1 to 128 letters"),
    (limit(rate=0), "rate\n.*greater than 0"),
    (limit(rate=float("nan")), "rate\n.*finite number"),
    (limit(interval=0), "interval\n.*greater than 0"),
    (limit(block_interval=-1), "block_interval\n.*greater than or equal to 0"),
    (limit(path="/secret"), "path\n.*expected names joined by '/'"),
    (limit(role="app"), "role\n.*not permitted"),
    (
        limits(limits={"a": RateLimit(rate=1), "b": RateLimit(rate=2)}),
        "limits.b.path is empty; expected another path than 'a' has",
    ),
    (limits(limits={"a b": RateLimit(rate=1)}), "limits.a b is 'a b'; expected 1 to 128 letters"),
    (limits(logins={"": LoginLimit()}), "limits.'' is ''; expected 1 to 128 letters"),
    (limits(logins={"a": LoginLimit()}, auth_path="token"), "auth_path is 'token'; expected a path that doesn't begin"),
    (
        limits(limits={"a": RateLimit(rate=1)}, logins={"a": LoginLimit()}),
        "logins.a is 'a'; expected another name than one of limits",
    ),
    (passwords(length=19), "length\n.*greater than or equal to 20"),
    (passwords(length=101), "length\n.*less than or equal to 100"),
    (passwords(rules=()), "rules\n.*at least 1 item"),
    (
        passwords(rules=(CharsetRule(charset="ab", min_chars=33),)),
        "length is 32; expected at least the 33 characters that rules ask for",
    ),
    (
        passwords(rules=(CharsetRule(charset="ab"),)),
        "length is 32; expected more: of 2 different characters that gives 32 bits, and 96 are needed",
    ),
    (charset(""), CHARSET),
    (charset("aa"), CHARSET),
    *((charset(f"a{character}"), CHARSET) for character in ' "\\${}%é\n'),
    (charset("a", min_chars=-1), "min_chars\n.*greater than or equal to 0"),
    (lambda: PasswordPoliciesArgs(policies={"": PasswordPolicy()}), "policies.'' is ''; expected 1 to 128 letters"),
    (lambda: AuditDevicesArgs(devices={}), "devices is empty; expected at least two different types"),
    (lambda: AuditDevicesArgs(devices={"a/b": SyslogAudit()}), "devices.a/b is 'a/b'; expected 1 to 128 letters"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_gets_one_clear_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_every_printable_character_but_six_may_be_drawn() -> None:
    taken = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\${}%')

    assert CharsetRule(charset=taken).charset == taken
