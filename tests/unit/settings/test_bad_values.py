"""One bad value each: the exact line an operator reads."""

from datetime import date
from typing import Any

import pytest

from tests.unit.settings.samples import FULL, MISSING, changed, refusal

NAME = "expected 1 to 128 letters, digits, '.', '_' or '-', with a letter or digit at both ends"
ENVIRONMENT = "expected up to 36 lower-case letters, digits or '-', as in a host name"
PATH = (
    "expected names joined by '/', each of letters, digits, '.', '_' or '-'; it may not begin or end with '/', "
    "hold '*' or '+', or climb out with '..'"
)
DURATION = "expected a duration such as 45s, 30m, 1h30m or 90d"
LAYOUT = (
    "expected a layout such as '{mount}/{application}/{environment}/{name}': it begins with {mount}/, ends with "
    "{name}, and has nothing but names, {application} and {environment} between slashes"
)
CIDR = "expected a network such as 10.0.0.0/8"
HTTPS = "expected a URL that begins with https:// and holds no login, and nothing but letters, digits and ._~:/?&=+,%-"
LONG = "'" + "x" * 59 + "…"

BAD: list[tuple[str, object, str]] = [
    # the whole
    ("environment", MISSING, ".environment is missing; expected a value"),
    ("environment", "a/b", f".environment is 'a/b'; {ENVIRONMENT}"),
    ("environment", "-x", f".environment is '-x'; {ENVIRONMENT}"),
    ("environment", "", f".environment is empty; {ENVIRONMENT}"),
    ("environment", "x" * 129, f".environment is {LONG}; {ENVIRONMENT}"),
    ("environment", "x" * 37, f".environment is '{'x' * 37}'; {ENVIRONMENT}"),
    # part of a host's name
    ("environment", "Prod_EU", f".environment is 'Prod_EU'; {ENVIRONMENT}"),
    ("environment", 3, ".environment is 3; expected text"),
    ("environment", True, ".environment is true; expected text"),
    ("environment", None, ".environment is empty; expected text"),
    ("environment", [], ".environment is empty; expected text"),
    ("environment", date(2026, 1, 1), ".environment is 2026-01-01; expected text"),
    ("protect", None, ".protect is empty; expected true or false"),
    ("layout", None, ".layout is empty; expected text"),
    ("audit", None, ".audit is empty; expected a mapping"),
    ("audit_retention", None, f".audit_retention is empty; {DURATION}"),
    ("profile", None, ".profile is empty; expected 'development', 'staging' or 'production'"),
    ("approle", None, ".approle is empty; expected {} to switch it on with its defaults, or no line to leave it off"),
    (
        "pki",
        None,
        ".pki is empty; expected a mapping with common_name, organization, roles, or no line to leave it off",
    ),
    ("protect", "yes", ".protect is 'yes'; expected true or false"),
    ("protect", 1, ".protect is 1; expected true or false"),
    ("kv", {}, ".kv is empty; expected at least 1 entry"),
    ("kv", MISSING, ".kv is missing; expected a value"),
    ("applications", MISSING, ".applications is missing; expected a value"),
    ("applications", [1], ".applications is a list; expected a mapping"),
    # server
    ("server/flavor", "consul", ".server.flavor is 'consul'; expected 'vault' or 'openbao'"),
    ("server/version", "latest", ".server.version is 'latest'; expected an exact version such as 2.7.2"),
    ("server/version", "2.7", ".server.version is '2.7'; expected an exact version such as 2.7.2"),
    ("server/version", 2.7, ".server.version is 2.7; expected text"),
    ("server/version", date(2026, 1, 1), ".server.version is 2026-01-01; expected text"),
    ("server/version", b"2.7.2", ".server.version is a !!binary value; expected text"),
    ("server/version", {"2.7.2"}, ".server.version is a set; expected text"),
    (
        "server/version",
        "\u0662.\u0667.\u0662",
        ".server.version is '\u0662.\u0667.\u0662'; expected an exact version such as 2.7.2",
    ),
    ("server/flavour", "vault", ".server.flavour is not a setting; expected one of flavor, version"),
    # platform
    ("platform/kind", "moon", ".platform.kind is 'moon'; expected one of 'local', 'hetzner', 'eks'"),
    ("platform/kind", None, ".platform.kind is empty; expected one of 'local', 'hetzner', 'eks'"),
    ("platform/kind", "", ".platform.kind is empty; expected one of 'local', 'hetzner', 'eks'"),
    ("platform/kind", ["local"], ".platform.kind is a list; expected one of 'local', 'hetzner', 'eks'"),
    ("platform/api_port", "8200", ".platform.api_port is '8200'; expected a whole number"),
    ("platform/api_port", 8200.5, ".platform.api_port is 8200.5; expected a whole number"),
    ("platform/api_port", True, ".platform.api_port is true; expected a whole number"),
    ("platform/api_port", 1023, ".platform.api_port is 1023; expected at least 1024"),
    ("platform/cluster_port", 65_536, ".platform.cluster_port is 65536; expected at most 65535"),
    ("platform/postgres_port", 0, ".platform.postgres_port is 0; expected at least 1024"),
    (
        "platform/cluster_port",
        8200,
        (".platform.cluster_port is 8200; expected three different ports in api_port, cluster_port and postgres_port"),
    ),
    # bootstrap
    ("bootstrap/operators", [], ".bootstrap.operators is empty; expected at least 1 entry"),
    ("bootstrap/operators", "ada", ".bootstrap.operators is 'ada'; expected a list"),
    ("bootstrap/operators/0/name", "a b", f".bootstrap.operators[0].name is 'a b'; {NAME}"),
    ("bootstrap/operators/0/pgp_key", MISSING, ".bootstrap.operators[0].pgp_key is missing; expected a value"),
    ("bootstrap/operators/0/pgp_key", "", ".bootstrap.operators[0].pgp_key is empty; expected at least 1 character"),
    (
        "bootstrap/operators/0/pgp_key",
        "a\nb",
        (
            ".bootstrap.operators[0].pgp_key is not shown, as it may be a secret; "
            "expected the name of a file, relative to the project's root"
        ),
    ),
    ("bootstrap/threshold", 0, ".bootstrap.threshold is 0; expected at least 1"),
    (
        "bootstrap/threshold",
        2,
        ".bootstrap.threshold is 2; expected at most the number of operators, which is 1",
    ),
    (
        "bootstrap/operators",
        [{"name": name, "pgp_key": "k"} for name in ("ada", "bob")],
        (".bootstrap.threshold is 1; expected at least 2 for several operators (the server refuses 1)"),
    ),
    (
        "bootstrap/administrator/certificate",
        "",
        ".bootstrap.administrator.certificate is empty; expected at least 1 character",
    ),
    ("bootstrap/administrator/token_ttl", "0s", ".bootstrap.administrator.token_ttl is '0s'; expected more than 0s"),
    # layouts
    ("layout", "{mount}/{team}/{name}", f".layout is '{{mount}}/{{team}}/{{name}}'; {LAYOUT}"),
    ("layout", "{application}/{name}", f".layout is '{{application}}/{{name}}'; {LAYOUT}"),
    ("layout", "{mount}/{name}/x", f".layout is '{{mount}}/{{name}}/x'; {LAYOUT}"),
    ("layout", "{mount}//{name}", f".layout is '{{mount}}//{{name}}'; {LAYOUT}"),
    ("layout", "{mount}/*/{name}", f".layout is '{{mount}}/*/{{name}}'; {LAYOUT}"),
    ("applications/app/layout", "/app/{name}", f".applications.app.layout is '/app/{{name}}'; {LAYOUT}"),
    # kv
    ("kv/secret", None, ".kv.secret is empty; expected a mapping"),
    ("kv/a*", {}, f".kv.a* is 'a*'; {PATH}"),
    ("kv/..", {}, f".kv... is '..'; {PATH}"),
    ("kv/secret/max_versions", 0, ".kv.secret.max_versions is 0; expected at least 1"),
    ("kv/secret/max_versions", 1001, ".kv.secret.max_versions is 1001; expected at most 1000"),
    ("kv/secret/max_versions", "many", ".kv.secret.max_versions is 'many'; expected a whole number"),
    ("kv/secret/delete_version_after", -1, ".kv.secret.delete_version_after is -1; expected at least 0"),
    ("kv/secret/delete_version_after", "a week", f".kv.secret.delete_version_after is 'a week'; {DURATION}"),
    ("kv/secret/cas_required", "true", ".kv.secret.cas_required is 'true'; expected true or false"),
    # auth methods
    ("approle/path", "/approle", f".approle.path is '/approle'; {PATH}"),
    ("kubernetes/host", "http://cluster", f".kubernetes.host is 'http://cluster'; {HTTPS}"),
    ("kubernetes/ca_certificate_file", MISSING, ".kubernetes.ca_certificate_file is missing; expected it beside host"),
    ("jwt/bound_issuer", "https://a b", f".jwt.bound_issuer is 'https://a b'; {HTTPS}"),
    (
        "jwt/jwks_url",
        "https://issuer/jwks",
        (
            ".jwt.jwks_url is given beside oidc_discovery_url; expected exactly one of "
            "oidc_discovery_url, jwks_url, jwt_validation_pubkeys"
        ),
    ),
    (
        "jwt/oidc_discovery_url",
        MISSING,
        (
            ".jwt.oidc_discovery_url is missing; expected exactly one of oidc_discovery_url, jwks_url, "
            "jwt_validation_pubkeys"
        ),
    ),
    ("userpass/lockout_threshold", 0, ".userpass.lockout_threshold is 0; expected at least 1"),
    ("userpass/lockout_duration", "15", f".userpass.lockout_duration is '15'; {DURATION}"),
    ("userpass/lockout_counter_reset", "1w", f".userpass.lockout_counter_reset is '1w'; {DURATION}"),
    # database
    (
        "database/connections/main/host",
        "db internal",
        ".database.connections.main.host is 'db internal'; expected a host name or an IP address",
    ),
    ("database/connections/main/port", 0, ".database.connections.main.port is 0; expected at least 1"),
    ("database/connections/main/port", 65_536, ".database.connections.main.port is 65536; expected at most 65535"),
    ("database/connections/main/username", "a b", f".database.connections.main.username is 'a b'; {NAME}"),
    (
        "database/connections/main/password_file",
        "first",
        (
            ".database.connections.main.password_secret is given beside password_file; expected exactly "
            "one of password_file, password_secret"
        ),
    ),
    (
        "database/connections/main/password_secret",
        MISSING,
        (".database.connections.main.password_file is missing; expected exactly one of password_file, password_secret"),
    ),
    (
        "database/connections/main/ssl_mode",
        "disable",
        (
            ".database.connections.main.ssl_mode is 'disable'; expected 'verify-full', since host is "
            "'db.internal' and not loopback"
        ),
    ),
    (
        "database/connections/main/ssl_mode",
        "prefer",
        ".database.connections.main.ssl_mode is 'prefer'; expected 'verify-full', 'verify-ca', 'require' or 'disable'",
    ),
    (
        "database/roles/app-read/access",
        "all",
        ".database.roles.app-read.access is 'all'; expected 'readonly' or 'readwrite'",
    ),
    (
        "database/roles/app-read/schema_name",
        "1; drop",
        (
            ".database.roles.app-read.schema_name is '1; drop'; expected a schema's name: up to 63 "
            "letters, digits or '_', not beginning with a digit"
        ),
    ),
    ("database/roles/app-read/ttl", "7h", ".database.roles.app-read.ttl is 7h; expected at most max_ttl, which is 6h"),
    (
        "database/roles/app-read/connection",
        "other",
        ".database.roles.app-read.connection is 'other'; expected one of connections: main",
    ),
    (
        "database/static_roles/app-legacy/connection",
        "other",
        (".database.static_roles.app-legacy.connection is 'other'; expected one of connections: main"),
    ),
    (
        "database/static_roles/app-read",
        {"connection": "main", "username": "x"},
        (".database.static_roles.app-read is 'app-read'; expected another name than roles.app-read has"),
    ),
    (
        "database/static_roles/app-legacy/rotation_period",
        0,
        ".database.static_roles.app-legacy.rotation_period is 0; expected at least 60",
    ),
    # transit
    (
        "transit/keys/app-key/type",
        "rsa",
        (
            ".transit.keys.app-key.type is 'rsa'; expected 'aes128-gcm96', 'aes256-gcm96', "
            "'chacha20-poly1305', 'ed25519', 'ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048', "
            "'rsa-3072' or 'rsa-4096'"
        ),
    ),
    (
        "transit/keys/app-key/rotation_period",
        "30m",
        ".transit.keys.app-key.rotation_period is '30m'; expected at least 1h",
    ),
    (
        "transit/keys/app-key/rotation_period",
        3599,
        ".transit.keys.app-key.rotation_period is 3599; expected at least 3600",
    ),
    (
        "transit/keys/app-key/min_decryption_version",
        0,
        ".transit.keys.app-key.min_decryption_version is 0; expected at least 1",
    ),
    (
        "transit/keys/app-key/min_encryption_version",
        -1,
        ".transit.keys.app-key.min_encryption_version is -1; expected at least 0",
    ),
    (
        "transit/keys/app-key/convergent",
        True,
        (
            ".transit.keys.app-key.convergent is true; expected derived: true beside it, without which "
            "the server refuses it"
        ),
    ),
    # pki
    ("pki/common_name", "x" * 65, f".pki.common_name is {LONG}; expected at most 64 characters"),
    ("pki/organization", "", ".pki.organization is empty; expected at least 1 character"),
    ("pki/intermediate_ttl", "3651d", ".pki.intermediate_ttl is 3651d; expected at most root_ttl, which is 3650d"),
    (
        "pki/roles/app-cert/allowed_domains",
        [],
        ".pki.roles.app-cert.allowed_domains is empty; expected at least 1 entry",
    ),
    ("pki/roles/app-cert/ttl", "73h", ".pki.roles.app-cert.ttl is 3d1h; expected at most max_ttl, which is 3d"),
    (
        "pki/roles/app-cert/max_ttl",
        "1826d",
        ".pki.roles.app-cert.max_ttl is 1826d; expected at most intermediate_ttl, which is 1825d",
    ),
    # guards
    ("rate_limits/everything/rate", 0, ".rate_limits.everything.rate is 0; expected more than 0"),
    ("rate_limits/everything/rate", "fast", ".rate_limits.everything.rate is 'fast'; expected a number"),
    ("rate_limits/everything/rate", float("nan"), ".rate_limits.everything.rate is nan; expected a finite number"),
    ("rate_limits/everything/interval", "0s", ".rate_limits.everything.interval is '0s'; expected more than 0s"),
    ("password_policies/strong/length", 19, ".password_policies.strong.length is 19; expected at least 20"),
    ("password_policies/strong/length", 101, ".password_policies.strong.length is 101; expected at most 100"),
    ("audit", {"a": {"type": "disk"}}, ".audit.a.type is 'disk'; expected one of 'file', 'syslog', 'socket'"),
    ("audit", {"a": {}}, ".audit.a.type is missing; expected one of 'file', 'syslog', 'socket'"),
    (
        "audit",
        {"a": {"type": "file", "file_path": "audit.log"}},
        ".audit.a.file_path is 'audit.log'; expected an absolute path such as /var/log/vault/audit.log, or stdout",
    ),
    (
        "audit",
        {"a": {"type": "socket", "address": ""}},
        ".audit.a.address is empty; expected host:port, or an absolute path for a unix socket",
    ),
    (
        "audit",
        {"a": {"type": "socket", "address": "collector"}},
        ".audit.a.address is 'collector'; expected host:port, or an absolute path for a unix socket",
    ),
    (
        "audit",
        {"a": {"type": "socket", "address": "/run/audit.sock"}},
        ".audit.a.address is '/run/audit.sock'; expected host:port for socket_type 'tcp'",
    ),
    (
        "audit",
        {"a": {"type": "file", "file_path": "/a", "mode": "0644"}},
        ".audit.a.mode is '0644'; expected '0600' or '0640'",
    ),
    (
        "audit",
        {"a": {"type": "syslog", "tag": "a b"}},
        ".audit.a.tag is 'a b'; expected a syslog tag: letters, digits, '_', '.' or '-'",
    ),
    # applications
    ("applications/app/login", MISSING, ".applications.app.login is missing; expected a value"),
    ("applications/app/login", "approle", ".applications.app.login is 'approle'; expected a mapping"),
    (
        "applications/app/login",
        {},
        ".applications.app.login.kind is missing; expected one of 'approle', 'kubernetes', 'jwt'",
    ),
    (
        "applications/app/login/kind",
        "ldap",
        ".applications.app.login.kind is 'ldap'; expected one of 'approle', 'kubernetes', 'jwt'",
    ),
    (
        "applications/app/login/namespace",
        "x",
        (
            ".applications.app.login.namespace is not a setting; expected one of token_ttl, token_max_ttl, "
            "token_type, kind, secret_id_ttl, secret_id_uses, bound_cidrs, renews_secret_id"
        ),
    ),
    ("applications/app/login/token_ttl", "5 hours", f".applications.app.login.token_ttl is '5 hours'; {DURATION}"),
    ("applications/app/login/token_ttl", "", f".applications.app.login.token_ttl is empty; {DURATION}"),
    ("applications/app/login/token_ttl", 0, ".applications.app.login.token_ttl is 0; expected more than 0"),
    ("applications/app/login/token_ttl", None, f".applications.app.login.token_ttl is empty; {DURATION}"),
    ("applications/app/login/token_ttl", 1.5, f".applications.app.login.token_ttl is 1.5; {DURATION}"),
    ("applications/app/login/token_ttl", True, f".applications.app.login.token_ttl is true; {DURATION}"),
    ("applications/app/login/token_ttl", ["1h"], f".applications.app.login.token_ttl is a list; {DURATION}"),
    ("applications/app/login/token_ttl", "\u0661h", f".applications.app.login.token_ttl is '\u0661h'; {DURATION}"),
    (
        "applications/app/login/token_ttl",
        "9" * 5_000 + "h",
        f".applications.app.login.token_ttl is not shown, as it may be a secret; {DURATION}",
    ),
    (
        "applications/app/login/token_ttl",
        "5h",
        ".applications.app.login.token_ttl is 5h; expected at most token_max_ttl, which is 4h",
    ),
    (
        "applications/app/login/secret_id_ttl",
        "0d",
        ".applications.app.login.secret_id_ttl is '0d'; expected more than 0s",
    ),
    (
        "applications/app/login",
        {"kind": "approle", "secret_id_uses": 5, "renews_secret_id": True},
        ".applications.app.login.secret_id_uses is 5; expected 0, since renews_secret_id uses logins too",
    ),
    (
        "applications/app/login/token_type",
        "default",
        ".applications.app.login.token_type is not shown, as it may be a secret; expected 'service' or 'batch'",
    ),
    ("applications/app/login/secret_id_uses", -1, ".applications.app.login.secret_id_uses is -1; expected at least 0"),
    (
        "applications/app/login/bound_cidrs",
        ["10.0.0.1"],
        f".applications.app.login.bound_cidrs[0] is '10.0.0.1'; {CIDR}",
    ),
    ("applications/pod/login/service_account", "a/b", f".applications.pod.login.service_account is 'a/b'; {NAME}"),
    ("applications/pod/login/audience", "", ".applications.pod.login.audience is empty; expected at least 1 character"),
    ("applications/job/login/audience", MISSING, ".applications.job.login.audience is missing; expected a value"),
    ("applications/job/login/claims", {}, ".applications.job.login.claims is empty; expected at least 1 entry"),
    (
        "applications/job/login/token_ttl",
        "16m",
        ".applications.job.login.token_ttl is 16m; expected at most token_max_ttl, which is 15m",
    ),
    ("applications/app/mount", "secret/", f".applications.app.mount is 'secret/'; {PATH}"),
    (
        "applications/app/secrets",
        {"../other": {"keys": ["a"]}},
        f".applications.app.secrets.../other is '../other'; {PATH}",
    ),
    (
        "applications/app/secrets/database/access",
        "admin",
        ".applications.app.secrets.database.access is 'admin'; expected 'read' or 'write'",
    ),
    (
        "applications/app/secrets/database/keys",
        [],
        ".applications.app.secrets.database.keys is empty; expected at least 1 entry",
    ),
    (
        "applications/app/secrets/database/keys",
        [f"k{number}" for number in range(64)],
        ".applications.app.secrets.database.keys is a list of 64; expected at most 63 entries",
    ),
    ("applications/pod/reads/0/secrets", [], ".applications.pod.reads[0].secrets is empty; expected at least 1 entry"),
    ("applications/app/login_limit", {"rate": -1}, ".applications.app.login_limit.rate is -1; expected more than 0"),
    ("applications/app/login_limit", {"interval": "x"}, f".applications.app.login_limit.interval is 'x'; {DURATION}"),
    ("applications/app/database_roles", "app-read", ".applications.app.database_roles is 'app-read'; expected a list"),
]


@pytest.mark.parametrize(("path", "value", "line"), BAD, ids=[f"{path}={value!r:.20}" for path, value, _ in BAD])
def test_each_bad_value_gets_one_line(path: str, value: object, line: str) -> None:
    assert refusal(changed(path, value)) == [f"vault-estate:estate{line}"]


def test_every_mistake_is_told_at_once() -> None:
    plain = changed("environment", "a/b") | {"protect": "no", "extra": 1}

    lines = refusal(plain)

    assert [line.split()[0] for line in lines] == [
        "vault-estate:estate.environment",
        "vault-estate:estate.protect",
        "vault-estate:estate.extra",
    ]
    assert lines[2].startswith(
        "vault-estate:estate.extra is not a setting; expected one of base, environment, profile, protect,"
    )


def test_a_bad_entry_does_not_also_make_its_list_empty() -> None:
    lines = refusal(changed("applications/app/secrets/database/keys", ["a/b", "ok"]))

    assert lines == [
        "vault-estate:estate.applications.app.secrets.database.keys[0] is not shown, as it may be a secret; " + NAME
    ]


ODD_NAMES: list[tuple[object, str]] = [
    (1, "1"),
    (1.5, "1.5"),
    (True, "true"),
    (None, "null"),
    (date(2026, 1, 1), "2026-01-01"),
    (b"a", "a !!binary value"),
]


@pytest.mark.parametrize(("name", "shown"), ODD_NAMES)
def test_names_that_yaml_read_as_something_else_than_text(name: Any, shown: str) -> None:
    application = {"login": {"kind": "approle"}, "transit_keys": ["app-key"]}
    for place, whole in (
        ("", changed((name,), 1)),
        (".applications", changed("applications", {name: application})),
        (".userpass", changed("userpass", {name: "x"})),
        (".applications.pod.reads[0]", changed("applications/pod/reads", [{name: "app"}])),
    ):
        assert refusal(whole) == [
            f"vault-estate:estate{place}.{shown} is {shown}; expected a name that is text, in quotes"
        ]


def test_control_characters_are_spelt_out() -> None:
    (line,) = refusal({**FULL, "\x1b[31mred\n": 1})

    assert line.startswith(r"vault-estate:estate.\x1b[31mred\n is not a setting; expected one of base, ")
