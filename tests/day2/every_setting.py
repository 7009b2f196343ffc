"""The cases of `test_every_setting`: how each setting is changed, and where that shows."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.render.seals import TransitSeal
from docs import reference
from settings.eks import EksPlatform

Change = Sequence[tuple[str, object]]
"""Settings by their way below the stack's, joined by slashes, and what they become."""


@dataclass(frozen=True, kw_only=True)
class Follows:
    """The server is as the setting says after an `up`."""

    change: Change
    read: str
    """API path."""
    answer: Mapping[str, object]
    """Fields of what is read, parts joined by dots; `None` stands for one that isn't there."""
    turn: int = 1
    """In which `up`: what it touches is changed by an earlier one for another setting."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a preview of `dev` shows has this text then, and hadn't before."""

    change: Change
    says: str
    first: Change = ()
    """What has to be otherwise than in the file before."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The preview refuses it, in these words."""

    change: Change
    words: str
    stack: str = "local"


def changed(settings: dict[str, Any], change: Change) -> dict[str, Any]:
    """Settings with several of them changed; `None` takes one out."""
    for way, value in change:
        *above, last = way.split("/")
        here: Any = settings
        for part in above:
            here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
        if value is None:
            del here[last]
        elif isinstance(here, list):
            here[int(last)] = value
        else:
            here[last] = copy.deepcopy(value)
    return settings


def follows(change: Change, read: str, *, turn: int = 1, **answer: object) -> Follows:
    """A change of one thing, and the fields of it; two underscores stand for a dot."""
    return Follows(
        change=change, read=read, turn=turn, answer={name.replace("__", "."): one for name, one in answer.items()}
    )


ROLE, LATER_ROLE = "auth/approle/role/shop", "auth/machines/role/shop"
POD, CI = "auth/kubernetes/role/pod", "auth/jwt/role/ci"
READER, LEGACY = "database/roles/reader", "database/static-roles/legacy"
CERT, KEY = "pki_int/roles/web", "transit/keys/key"
LIMIT, LOGINS = "sys/quotas/rate-limit/whole", "sys/quotas/rate-limit/shop"
POLICY, PASSWORDS = "sys/policies/acl/shop", "sys/policies/password/strong"
CONNECTION = "database/config/second"

FOLLOWED: Mapping[str, Follows] = {
    "Settings.rate_limits": follows(
        [("rate_limits/certificates", {"path": "identity", "rate": 7})],
        "sys/quotas/rate-limit/certificates",
        rate=7,
        path="identity/",
    ),
    "Settings.password_policies": follows(
        [("password_policies/added", {"length": 40})], "sys/policies/password/added", policy="length = 40"
    ),
    "Settings.kv": follows([("kv/added", {})], "sys/mounts/added", type="kv"),
    "Settings.layout": follows([("layout", "{mount}/of/{application}/{name}")], POLICY, policy="secret/data/of/shop/a"),
    "Settings.environment": follows(
        [("environment", "other"), ("layout", "{mount}/{environment}/{application}/{name}")],
        POLICY,
        turn=2,
        policy="added/data/other/shop/a",
    ),
    "Settings.applications": follows(
        [("applications/added", {"login": {"kind": "approle"}, "transit_keys": ["key"]})],
        "auth/approle/role/added",
        token_policies=["added"],
    ),
    "Settings.userpass": follows([("userpass", {"path": "people"})], "sys/auth/people", type="userpass"),
    "Settings.approle": follows([("approle/path", "machines")], "sys/auth/machines", turn=2, type="approle"),
    "KvOptions.description": follows([("kv/secret/description", "Other")], "sys/mounts/secret", description="Other"),
    "KvOptions.max_versions": follows([("kv/secret/max_versions", 7)], "secret/config", max_versions=7),
    "KvOptions.delete_version_after": follows(
        [("kv/secret/delete_version_after", "26h")], "secret/config", delete_version_after="26h0m0s"
    ),
    "KvOptions.cas_required": follows([("kv/secret/cas_required", True)], "secret/config", cas_required=True),
    "AppRole.path": follows([("approle/path", "machines")], LATER_ROLE, turn=2, token_policies=["shop"]),
    "AppRole.lockout_threshold": follows(
        [("approle/lockout_threshold", 7)], "sys/auth/approle/tune", user_lockout_threshold=7
    ),
    "AppRole.lockout_duration": follows(
        [("approle/lockout_duration", "20m")], "sys/auth/approle/tune", user_lockout_duration=1200
    ),
    "AppRole.lockout_counter_reset": follows(
        [("approle/lockout_counter_reset", "10m")], "sys/auth/approle/tune", user_lockout_counter_reset_duration=600
    ),
    "Userpass.path": follows([("userpass/path", "people")], "sys/auth/people", type="userpass"),
    "Userpass.lockout_threshold": follows(
        [("userpass/lockout_threshold", 9)], "sys/auth/people/tune", turn=2, user_lockout_threshold=9
    ),
    "Userpass.lockout_duration": follows(
        [("userpass/lockout_duration", "21m")], "sys/auth/people/tune", turn=2, user_lockout_duration=1260
    ),
    "Userpass.lockout_counter_reset": follows(
        [("userpass/lockout_counter_reset", "11m")],
        "sys/auth/people/tune",
        turn=2,
        user_lockout_counter_reset_duration=660,
    ),
    "Settings.kubernetes": follows([("kubernetes/path", "cluster")], "sys/auth/cluster", turn=2, type="kubernetes"),
    "KubernetesWithAuthority.path": follows(
        [("kubernetes/path", "cluster")], "auth/cluster/role/pod", turn=2, token_policies=["pod"]
    ),
    "KubernetesWithAuthority.host": follows(
        [("kubernetes/host", "https://10.0.0.2:6443")],
        "auth/kubernetes/config",
        kubernetes_host="https://10.0.0.2:6443",
    ),
    "KubernetesWithAuthority.ca_certificate_file": follows(
        [("kubernetes/ca_certificate_file", "other.pem")], "auth/kubernetes/config", kubernetes_ca_cert="<other.pem>"
    ),
    "KubernetesLogin.service_account": follows(
        [("applications/pod/login/service_account", "other")], POD, bound_service_account_names=["other"]
    ),
    "KubernetesLogin.namespace": follows(
        [("applications/pod/login/namespace", "other")], POD, bound_service_account_namespaces=["other"]
    ),
    "KubernetesLogin.audience": follows([("applications/pod/login/audience", "other")], POD, audience="other"),
    "KubernetesLogin.token_ttl": follows([("applications/pod/login/token_ttl", "20m")], POD, token_ttl=1200),
    "KubernetesLogin.token_max_ttl": follows([("applications/pod/login/token_max_ttl", "2h")], POD, token_max_ttl=7200),
    "KubernetesLogin.token_type": follows([("applications/pod/login/token_type", "batch")], POD, token_type="batch"),
    "KubernetesLogin.kind": follows(
        [("applications/third/login", {"kind": "kubernetes", "service_account": "t", "namespace": "t"})],
        "auth/cluster/role/third",
        turn=2,
        token_policies=["third"],
    ),
    "Settings.jwt": follows([("jwt/path", "builds")], "sys/auth/builds", turn=2, type="jwt"),
    "Jwt.path": follows([("jwt/path", "builds")], "auth/builds/role/ci", turn=2, token_policies=["ci"]),
    "Jwt.bound_issuer": follows(
        [("jwt/bound_issuer", "https://other.example.com")], "auth/jwt/config", bound_issuer="https://other.example.com"
    ),
    "Jwt.jwt_validation_pubkeys": follows(
        [("jwt/jwt_validation_pubkeys", ["<key>"])], "auth/jwt/config", jwt_validation_pubkeys=["<key>"]
    ),
    "JwtLogin.audience": follows([("applications/ci/login/audience", "other")], CI, bound_audiences=["other"]),
    "JwtLogin.claims": follows([("applications/ci/login/claims", {"ref": "x"})], CI, bound_claims__ref="x"),
    "JwtLogin.token_ttl": follows([("applications/ci/login/token_ttl", "5m")], CI, token_ttl=300),
    "JwtLogin.token_max_ttl": follows([("applications/ci/login/token_max_ttl", "10m")], CI, token_max_ttl=600),
    "JwtLogin.token_type": follows([("applications/ci/login/token_type", "batch")], CI, token_type="batch"),
    "JwtLogin.kind": follows(
        [("applications/fourth/login", {"kind": "jwt", "audience": "a", "claims": {"ref": "x"}})],
        "auth/builds/role/fourth",
        turn=2,
        token_policies=["fourth"],
    ),
    "AppRoleLogin.kind": follows(
        [("applications/fourth/login", {"kind": "jwt", "audience": "a", "claims": {"ref": "x"}})],
        "auth/builds/role/fourth",
        turn=2,
        token_policies=["fourth"],
    ),
    "DatabaseWithPasswords.roles": follows(
        [("database/roles/added", {"connection": "postgresql", "access": "readonly"})],
        "database/roles/added",
        db_name="postgresql",
    ),
    "DatabaseWithPasswords.static_roles": follows(
        [("database/static_roles/kept", {"connection": "postgresql", "username": "legacy_added"})],
        "database/static-roles/kept",
        username="legacy_added",
    ),
    "DatabaseWithPasswords.connections": follows(
        [
            (
                "database/connections/second",
                {
                    "host": "127.0.0.1",
                    "database": "estate",
                    "username": "second_root",
                    "password_file": "second-password",
                    "ssl_mode": "disable",
                    "rotate_root": False,
                },
            ),
            # A connection without one is refused by the policy pack.
            ("database/roles/of-second", {"connection": "second", "access": "readonly"}),
        ],
        CONNECTION,
        connection_details__username="second_root",
    ),
    "ConnectionWithPassword.host": follows(
        [("database/connections/second/host", "localhost")],
        CONNECTION,
        turn=2,
        connection_details__connection_url="@localhost:",
    ),
    "ConnectionWithPassword.database": follows(
        [("database/connections/second/database", "postgres")],
        CONNECTION,
        turn=2,
        connection_details__connection_url="/postgres?",
    ),
    "ConnectionWithPassword.max_open_connections": follows(
        [("database/connections/second/max_open_connections", 2)],
        CONNECTION,
        turn=2,
        connection_details__max_open_connections=2,
    ),
    "ConnectionWithPassword.password_policy": follows(
        [("database/connections/second/password_policy", "strong")], CONNECTION, turn=2, password_policy="strong"
    ),
    "DatabaseRole.connection": follows(
        [("database/roles/reader/connection", "second")], READER, turn=2, db_name="second"
    ),
    "DatabaseRole.access": follows(
        [("database/roles/reader/access", "readwrite")], READER, creation_statements="INSERT"
    ),
    "DatabaseRole.schema_name": follows(
        [("database/roles/reader/schema_name", "other")], READER, turn=2, creation_statements='"other"'
    ),
    "DatabaseRole.ttl": follows([("database/roles/reader/ttl", "20m")], READER, default_ttl=1200),
    "DatabaseRole.max_ttl": follows([("database/roles/reader/max_ttl", "2h")], READER, max_ttl=7200),
    "DatabaseStaticRole.rotation_period": follows(
        [("database/static_roles/legacy/rotation_period", "2h")], LEGACY, rotation_period=7200
    ),
    "DatabaseStaticRole.username": follows(
        [("database/static_roles/legacy/username", "legacy_other")], LEGACY, turn=2, username="legacy_other"
    ),
    "DatabaseStaticRole.connection": follows(
        [("database/static_roles/kept/connection", "second")],
        "database/static-roles/kept",
        turn=2,
        db_name="second",
    ),
    "Transit.keys": follows(
        [("transit/keys/added", {"deletion_allowed": True})], "transit/keys/added", type="aes256-gcm96"
    ),
    "TransitKey.rotation_period": follows(
        [("transit/keys/key/rotation_period", "30d")], KEY, auto_rotate_period=2_592_000
    ),
    "TransitKey.deletion_allowed": follows([("transit/keys/key/deletion_allowed", True)], KEY, deletion_allowed=True),
    "TransitKey.min_decryption_version": follows(
        [("transit/keys/key/min_decryption_version", 2)], KEY, min_decryption_version=2
    ),
    "TransitKey.min_encryption_version": follows(
        [("transit/keys/key/min_encryption_version", 3)], KEY, min_encryption_version=3
    ),
    "PkiRole.allowed_domains": follows(
        [("pki/roles/web/allowed_domains", ["other.internal"])], CERT, allowed_domains=["other.internal"]
    ),
    "PkiRole.allow_subdomains": follows(
        [("pki/roles/web/allow_subdomains", False), ("pki/roles/web/allow_bare_domains", True)],
        CERT,
        allow_subdomains=False,
    ),
    "PkiRole.allow_bare_domains": follows([("pki/roles/web/allow_bare_domains", True)], CERT, allow_bare_domains=True),
    "PkiRole.ttl": follows([("pki/roles/web/ttl", "2h")], CERT, ttl=7200),
    "PkiRole.max_ttl": follows([("pki/roles/web/max_ttl", "30h")], CERT, max_ttl=108_000),
    "PkiRole.server": follows(
        [("pki/roles/web/server", False), ("pki/roles/web/client", True)], CERT, server_flag=False
    ),
    "PkiRole.client": follows([("pki/roles/web/client", True)], CERT, client_flag=True),
    "PkiRole.key_type": follows(
        [("pki/roles/web/key_type", "rsa"), ("pki/roles/web/key_bits", 2048)], CERT, key_type="rsa"
    ),
    "PkiRole.key_bits": follows([("pki/roles/web/key_bits", 2048)], CERT, key_bits=2048),
    "Pki.roles": follows(
        [("pki/roles/added", {"allowed_domains": ["added.internal"]})],
        "pki_int/roles/added",
        allowed_domains=["added.internal"],
    ),
    "RateLimit.rate": follows([("rate_limits/whole/rate", 1900)], LIMIT, rate=1900),
    "RateLimit.interval": follows([("rate_limits/whole/interval", "2s")], LIMIT, interval=2),
    "RateLimit.block_interval": follows([("rate_limits/whole/block_interval", "3s")], LIMIT, block_interval=3),
    "RateLimit.path": follows([("rate_limits/whole/path", "secret")], LIMIT, turn=2, path="secret/"),
    "PasswordPolicy.length": follows([("password_policies/strong/length", 33)], PASSWORDS, policy="length = 33"),
    "PasswordPolicy.rules": follows(
        [("password_policies/strong/rules", [{"charset": "abcdefghijklmnopqrstuvwxyz", "min_chars": 1}])],
        PASSWORDS,
        policy='"abcdefghijklmnopqrstuvwxyz"\n  min-chars = 1\n',
    ),
    "CharsetRule.charset": follows(
        [("password_policies/strong/rules/0/charset", "abcdefghijklmnopqrstuvwxyz0")],
        PASSWORDS,
        turn=2,
        policy='"abcdefghijklmnopqrstuvwxyz0"',
    ),
    "CharsetRule.min_chars": follows(
        [("password_policies/strong/rules/0/min_chars", 4)], PASSWORDS, turn=2, policy="min-chars = 4"
    ),
    "Application.mount": follows(
        [("applications/shop/mount", "added")], POLICY, turn=2, policy='"added/data/other/shop/a"'
    ),
    "Application.layout": follows(
        [("applications/pod/layout", "{mount}/pods/{name}"), ("applications/pod/secrets", {"b": {"keys": ["c"]}})],
        "sys/policies/acl/pod",
        policy='"secret/data/pods/b"',
    ),
    "Application.secrets": follows(
        [("applications/shop/secrets/added", {"keys": ["x"]})], POLICY, policy="/shop/added"
    ),
    "Application.reads": follows(
        [("applications/ci/reads", [{"application": "shop", "secrets": ["a", "w"]}])],
        "sys/policies/acl/ci",
        policy="/shop/w",
    ),
    "Application.database_roles": follows(
        [("applications/shop/database_roles", ["reader", "legacy"])], POLICY, policy='"database/static-creds/legacy"'
    ),
    "Application.transit_keys": follows(
        [("applications/shop/transit_keys", ["key", "added"])], POLICY, policy='"transit/encrypt/added"'
    ),
    "Application.pki_roles": follows(
        [("applications/shop/pki_roles", ["web", "added"])], POLICY, policy='"pki_int/issue/added"'
    ),
    "Application.login": follows([("applications/shop/login/token_ttl", "20m")], ROLE, token_ttl=1200),
    "Application.login_limit": follows([("applications/shop/login_limit", {"rate": 40})], LOGINS, rate=40),
    "AppRoleLogin.token_ttl": follows([("applications/shop/login/token_ttl", "20m")], ROLE, token_ttl=1200),
    "AppRoleLogin.token_max_ttl": follows(
        [("applications/shop/login/token_max_ttl", "3h")], ROLE, token_max_ttl=10_800
    ),
    "AppRoleLogin.token_type": follows(
        [("applications/added/login/token_type", "batch")], "auth/machines/role/added", turn=2, token_type="batch"
    ),
    "AppRoleLogin.renews_secret_id": follows(
        [("applications/added/login/renews_secret_id", True)],
        "sys/policies/acl/added",
        turn=2,
        policy="auth/machines/role/added/secret-id/destroy",
    ),
    "AppRoleLogin.secret_id_ttl": follows(
        [("applications/shop/login/secret_id_ttl", "12h")], ROLE, secret_id_ttl=43_200
    ),
    "AppRoleLogin.secret_id_uses": follows([("applications/shop/login/secret_id_uses", 5)], ROLE, secret_id_num_uses=5),
    "AppRoleLogin.bound_cidrs": follows(
        [("applications/added/login/bound_cidrs", ["10.0.0.0/8"])],
        "auth/machines/role/added",
        turn=2,
        secret_id_bound_cidrs=["10.0.0.0/8"],
        token_bound_cidrs=["10.0.0.0/8"],
    ),
    "LoginLimit.rate": follows([("applications/shop/login_limit/rate", 40)], LOGINS, rate=40),
    "LoginLimit.interval": follows([("applications/shop/login_limit/interval", "2s")], LOGINS, interval=2),
    "LoginLimit.block_interval": follows(
        [("applications/shop/login_limit/block_interval", "2s")], LOGINS, block_interval=2
    ),
    "Secret.access": follows([("applications/shop/secrets/a/access", "write")], POLICY, policy='"create", "patch"'),
    "Secret.seed": follows(
        [("applications/shop/secrets/a/seed", "random")],
        "added/metadata/other/shop/a",
        turn=2,
        custom_metadata__x="generated",
    ),
    "Secret.seeds": follows(
        [("applications/shop/secrets/w/seeds", {"x": "made-{random}"})],
        "added/metadata/other/shop/w",
        turn=2,
        custom_metadata__x="generated",
    ),
    "Shared.application": follows(
        [("applications/pod/reads", [{"application": "third", "secrets": ["t"]}])],
        "sys/policies/acl/pod",
        policy="/third/t",
    ),
    "Shared.secrets": follows(
        [("applications/ci/reads", [{"application": "shop", "secrets": ["a", "w"]}])],
        "sys/policies/acl/ci",
        policy="/shop/w",
    ),
    "TransitKey.type": follows(
        [("transit/keys/added/type", "chacha20-poly1305")], "transit/keys/added", turn=3, type="chacha20-poly1305"
    ),
    "TransitKey.derived": follows([("transit/keys/added/derived", True)], "transit/keys/added", turn=3, derived=True),
    "TransitKey.convergent": follows(
        [("transit/keys/added/convergent", True)], "transit/keys/added", turn=3, convergent_encryption=True
    ),
    "ConnectionWithPassword.password_file": follows(
        [("database/connections/second/password_file", "third-password")],
        CONNECTION,
        turn=3,
        connection_details__username="second_root",
    ),
    "ConnectionWithPassword.password_version": follows(
        [("database/connections/second/password_version", 2)],
        CONNECTION,
        turn=3,
        connection_details__username="second_root",
    ),
    "ConnectionWithPassword.rotate_root": follows(
        [("database/connections/second/rotate_root", True)],
        CONNECTION,
        turn=3,
        connection_details__username="second_root",
    ),
    "Snapshots.certificate": follows(
        [("snapshots/certificate", "other-operator.crt")],
        "auth/cert/certs/snapshot-operator",
        certificate="<other-operator.crt>",
    ),
}


def dev(says: str, *change: tuple[str, object], first: Change = ()) -> Declared:
    """A change of what a preview of `dev` shows."""
    return Declared(change=change, says=says, first=first)


PLATFORM, SNAPSHOTS = "platform", "snapshots"
PROVIDED: Change = [("platform/tls", {"kind": "provided"})]
INTERNAL: Change = [("platform/tls", {"kind": "internal", "certificate_file": "listener.crt"})]
KMS: Change = [
    (
        "platform/seal",
        {"kind": "awskms", "region": "eu-central-1", "key_arn": "arn:aws:kms:eu-central-1:123456789012:key/a"},
    )
]
OTHER_VAULT: Change = [("platform/seal", {"kind": "transit", "address": "https://other.example.com:8200", "key": "k"})]
VAULT: Change = [
    ("platform/seal", {"kind": "shamir"}),
    ("server/flavor", "vault"),
    ("server/version", "1.21.0"),
    (
        "audit",
        {
            "one": {"type": "file", "file_path": "/var/log/vault/one.log"},
            "two": {"type": "syslog"},
            "three": {"type": "socket", "address": "127.0.0.1:9000"},
        },
    ),
]
SIGNED: Change = [
    ("platform/download/signing_key", "https://keys.example.com/release.asc"),
    ("platform/download/signing_key_fingerprint", "A" * 40),
    ("platform/destinations/keys.example.com", ["198.51.100.26/32"]),
]
PKI: Change = [("pki", {"common_name": "Example", "organization": "Example Org", "roles": {}})]
JWT: Change = [
    ("jwt", {"jwks_url": "https://ci.example.com/keys", "bound_issuer": "https://ci.example.com"}),
    ("platform/destinations/ci.example.com", ["198.51.100.30/32"]),
]

TENANTS: Mapping[str, Any] = {
    "issuer": {"bound_issuer": "https://i.example.com", "jwks_url": "https://i.example.com/jwks"},
    "audience": "first-audience",
}


def tenants(says: str, **changes: object) -> Declared:
    """A change of one setting of tenants."""
    return dev(says, ("tenants", {**TENANTS, **changes}), first=[("tenants", dict(TENANTS))])


PEOPLE: Change = [
    ("userpass", {}),
    ("platform/destinations/issuer.example.com", ["198.51.100.31/32"]),
    (
        "people",
        {
            "groups": {
                "team": {"kind": "owners", "applications": ["aos"], "claims": ["one"]},
                "ops": {"kind": "operators"},
                "audit": {"kind": "auditors"},
            },
            "members": {
                "ada": {"groups": ["team"], "login": {"kind": "userpass"}},
                "lin": {"groups": ["ops"], "login": {"kind": "oidc", "claim": "lin@example.com"}},
            },
            "oidc": {
                "discovery_url": "https://issuer.example.com",
                "client_id": "vault",
                "client_secret_setting": "oidc-secret",
            },
        },
    ),
]


def of_people(says: str, way: str, value: object, *more: tuple[str, object]) -> Declared:
    """A change of a stack that has people."""
    return Declared(change=[(f"people/{way}", value), *more], says=says, first=PEOPLE)


DECLARED: Mapping[str, Declared] = {
    "Settings.people": dev("group-team", *PEOPLE),
    "People.token_ttl": of_people('"tokenMaxTtl": 7260', "token_ttl", "2h1m"),
    "People.groups": of_people("group-added", "groups/added", {"kind": "auditors"}),
    "People.members": of_people("person-bob", "members/bob", {"groups": ["audit"], "login": {"kind": "userpass"}}),
    "People.oidc": of_people('"at-issuer"', "oidc/path", "at-issuer"),
    "OwnersGroup.applications": of_people("/undelete/dagster/", "groups/team/applications", ["aos", "dagster"]),
    "OwnersGroup.destroys": of_people("agenticverz/destroy/app-prod", "groups/team/destroys", True),
    "OwnersGroup.claims": of_people("team:two", "groups/team/claims", ["two"]),
    "OperatorsGroup.claims": of_people("ops:two", "groups/ops/claims", ["two"]),
    "AuditorsGroup.claims": of_people("audit:two", "groups/audit/claims", ["two"]),
    "MemberByOidc.claim": of_people("lin@example.org", "members/lin/login/claim", "lin@example.org"),
    "OidcWithSecret.path": of_people('"at-issuer"', "oidc/path", "at-issuer"),
    "OidcWithSecret.discovery_url": of_people(
        "https://issuer.example.com/realms/other", "oidc/discovery_url", "https://issuer.example.com/realms/other"
    ),
    "OidcWithSecret.client_id": of_people('"other-client"', "oidc/client_id", "other-client"),
    "OidcWithSecret.client_secret_version": of_people(
        '"oidcClientSecretWoVersion": 2', "oidc/client_secret_version", 2
    ),
    "OidcWithSecret.client_secret_setting": of_people(
        "<other-password>", "oidc/client_secret_setting", "other-password"
    ),
    "OidcWithSecret.ca_certificate_file": of_people(
        "<certificate issuer.pem>", "oidc/ca_certificate_file", "issuer.pem"
    ),
    "OidcWithSecret.user_claim": of_people('"userClaim": "email"', "oidc/user_claim", "email"),
    "OidcWithSecret.groups_claim": of_people('"groupsClaim": "roles"', "oidc/groups_claim", "roles"),
    "OidcWithSecret.scopes": of_people('"offline_access"', "oidc/scopes", ["offline_access"]),
    "OidcWithSecret.bound_claims": of_people('"hd": "example.com"', "oidc/bound_claims", {"hd": "example.com"}),
    "OidcWithSecret.redirect_uris": of_people(
        "localhost:8251", "oidc/redirect_uris", ["http://localhost:8251/oidc/callback"]
    ),
    "Settings.server": dev("openbao_2.7.0", ("server/version", "2.7.0")),
    "Server.version": dev("openbao_2.7.0", ("server/version", "2.7.0")),
    "Server.flavor": dev("hashicorp", *VAULT),
    "Settings.platform": dev('"size": 40', ("platform/volume_size_gb", 40)),
    "HetznerPlatform.location": dev('"nbg1"', ("platform/location", "nbg1")),
    "HetznerPlatform.server_type": dev('"cx33"', ("platform/server_type", "cx33")),
    "HetznerPlatform.image": dev('"ubuntu-24.04"', ("platform/image", "ubuntu-24.04")),
    "HetznerPlatform.volume_size_gb": dev('"size": 40', ("platform/volume_size_gb", 40)),
    "HetznerPlatform.network_cidr": dev(
        "10.90.0.0/16", ("platform/network_cidr", "10.90.0.0/16"), ("platform/subnet_cidr", "10.90.1.0/24")
    ),
    "HetznerPlatform.subnet_cidr": dev("10.80.2.0/24", ("platform/subnet_cidr", "10.80.2.0/24")),
    "HetznerPlatform.dns": dev('"other"', ("platform/dns/record", "other")),
    "HetznerPlatform.domain": dev(
        "https://vault.example.net", ("platform/dns", None), ("platform/domain", "vault.example.net")
    ),
    "HetznerPlatform.boot_timeout": dev("2460", ("platform/boot_timeout", "41m")),
    "HetznerPlatform.api_port": dev(":8300", ("platform/api_port", 8300)),
    "HetznerPlatform.api_cidrs": dev("203.0.113.128/25", ("platform/api_cidrs", ["203.0.113.128/25"])),
    "HetznerPlatform.ssh": dev("203.0.113.9/32", ("platform/ssh/cidrs", ["203.0.113.9/32"])),
    "HetznerPlatform.destinations": dev(
        "198.51.100.21/32", ("platform/destinations/postgres.dev.example.com", ["198.51.100.21/32"])
    ),
    "HetznerPlatform.labels": dev('"team": "a"', ("platform/labels", {"team": "a"})),
    "HetznerPlatform.logs": dev(
        "logs.example.com",
        ("platform/logs", {"host": "logs.example.com"}),
        ("platform/destinations/logs.example.com", ["198.51.100.22/32"]),
    ),
    "HetznerPlatform.tls": dev("other@example.com", ("platform/tls/email", "other@example.com")),
    "HetznerPlatform.seal": dev('seal "awskms"', *KMS, first=VAULT),
    "HetznerPlatform.download": dev("1" * 64, ("platform/download/checksums/amd64", "1" * 64)),
    "Dns.zone": dev('"example.net"', ("platform/dns/zone", "example.net")),
    "Dns.record": dev('"other"', ("platform/dns/record", "other")),
    "Ssh.cidrs": dev("203.0.113.9/32", ("platform/ssh/cidrs", ["203.0.113.9/32"])),
    "Ssh.public_keys": dev("<ssh other.pub>", ("platform/ssh/public_keys", ["other.pub"])),
    "Logs.host": dev(
        "logs.example.com",
        ("platform/logs", {"host": "logs.example.com"}),
        ("platform/destinations/logs.example.com", ["198.51.100.22/32"]),
    ),
    "Logs.port": dev(
        "6515",
        ("platform/logs", {"host": "logs.example.com", "port": 6515}),
        ("platform/destinations/logs.example.com", ["198.51.100.22/32"]),
    ),
    "AcmeTls.kind": dev("certbot", ("platform/tls", {"kind": "acme", "email": "a@example.com"}), first=PROVIDED),
    "AcmeTls.email": dev("other@example.com", ("platform/tls/email", "other@example.com")),
    "AcmeTls.directory": dev(
        "https://acme.example.net/directory", ("platform/tls/directory", "https://acme.example.net/directory")
    ),
    "AcmeTls.ca_certificate_file": dev(
        "<certificate ca.crt>",
        ("platform/tls/ca_certificate_file", "ca.crt"),
        ("platform/tls/directory", "https://acme.example.net/directory"),
    ),
    "ProvidedTls.kind": dev("TLS=provided", *PROVIDED),
    "ProvidedTls.ca_certificate_file": dev(
        "<certificate ca.crt>", ("platform/tls/ca_certificate_file", "ca.crt"), first=PROVIDED
    ),
    "InternalTls.kind": dev("listener.crt", *INTERNAL),
    "InternalTls.certificate_file": dev(
        "another.crt", ("platform/tls/certificate_file", "another.crt"), first=INTERNAL
    ),
    "AwsKmsSeal.kind": dev('seal "awskms"', *KMS, first=VAULT),
    "AwsKmsSeal.region": dev(
        "eu-west-1",
        ("platform/seal/region", "eu-west-1"),
        first=[*VAULT, ("platform/seal", {"kind": "awskms", "region": "eu-central-1", "profile": "seal"})],
    ),
    "AwsKmsSeal.profile": dev(
        '"other"',
        ("platform/seal/profile", "other"),
        first=[*VAULT, ("platform/seal", {"kind": "awskms", "region": "eu-central-1", "profile": "seal"})],
    ),
    "AwsKmsSeal.key_arn": dev(
        "key/b", ("platform/seal/key_arn", "arn:aws:kms:eu-central-1:123456789012:key/b"), first=[*VAULT, *KMS]
    ),
    "TransitSeal.kind": dev(
        'seal "transit"', *OTHER_VAULT, ("platform/destinations/other.example.com", ["198.51.100.23/32"])
    ),
    "TransitSeal.address": dev(
        "https://third.example.com:8200",
        ("platform/seal/address", "https://third.example.com:8200"),
        ("platform/destinations/third.example.com", ["198.51.100.24/32"]),
        first=[*OTHER_VAULT, ("platform/destinations/other.example.com", ["198.51.100.23/32"])],
    ),
    "TransitSeal.key": dev(
        '"other-key"',
        ("platform/seal/key", "other-key"),
        first=[*OTHER_VAULT, ("platform/destinations/other.example.com", ["198.51.100.23/32"])],
    ),
    "TransitSeal.mount": dev(
        "unsealing",
        ("platform/seal/mount", "unsealing"),
        first=[*OTHER_VAULT, ("platform/destinations/other.example.com", ["198.51.100.23/32"])],
    ),
    "StaticSeal.kind": dev(
        'seal "static"', ("platform/seal", {"kind": "static"}), first=[("platform/seal", {"kind": "shamir"})]
    ),
    "StaticSeal.escrow": dev('"escrow": true', ("platform/seal/escrow", True), first=[("platform/seal/escrow", False)]),
    "ShamirSeal.kind": dev('"auto_unseal": false', ("platform/seal", {"kind": "shamir"})),
    "Download.checksums": dev("1" * 64, ("platform/download/checksums/amd64", "1" * 64)),
    "Download.source": dev(
        "https://mirror.example.net",
        ("platform/download/source", "https://mirror.example.net"),
        ("platform/destinations/mirror.example.net", ["198.51.100.25/32"]),
    ),
    "Download.signing_key": dev("keys.example.com", *SIGNED),
    "Download.signing_key_fingerprint": dev("A" * 40, *SIGNED),
    "Settings.tenants": dev('"name": "tenants-role"', ("tenants", dict(TENANTS))),
    "Tenants.mount": tenants("agenticverz/data/tenants/{{", mount="agenticverz"),
    "Tenants.folder": tenants("secret/data/customers/{{", folder="customers"),
    "Tenants.access": tenants('= [\\"create\\", \\"patch\\", \\"read\\", \\"update\\"]', access="write"),
    "Tenants.issuer": tenants('"path": "customers"', issuer={**TENANTS["issuer"], "path": "customers"}),
    "Tenants.audience": tenants("second-audience", audience="second-audience"),
    "Tenants.claim": tenants('"userClaim": "customer"', claim="customer"),
    "Tenants.ids": tenants('"tenant_id": "blue,green"', ids=["blue", "green"]),
    "Tenants.claims": tenants('"tier": "gold"', claims={"tier": "gold"}),
    "Tenants.token_ttl": tenants('"tokenTtl": 421', token_ttl=421),
    "TenantIssuer.path": tenants('"path": "customers"', issuer={**TENANTS["issuer"], "path": "customers"}),
    "TenantIssuer.oidc_discovery_url": tenants(
        '"oidcDiscoveryUrl": "https://i.example.com"',
        issuer={"bound_issuer": "https://i.example.com", "oidc_discovery_url": "https://i.example.com"},
    ),
    "TenantIssuer.jwks_url": tenants(
        '"jwksUrl": "https://i.example.com/other"',
        issuer={**TENANTS["issuer"], "jwks_url": "https://i.example.com/other"},
    ),
    "TenantIssuer.jwt_validation_pubkeys": tenants(
        "BEGIN PUBLIC KEY",
        issuer={
            "bound_issuer": "https://i.example.com",
            "jwt_validation_pubkeys": ["-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"],
        },
    ),
    "TenantIssuer.bound_issuer": tenants(
        '"boundIssuer": "https://other.example.com"',
        issuer={**TENANTS["issuer"], "bound_issuer": "https://other.example.com"},
    ),
    "Settings.profile": dev('"maxTtl": 43200', ("profile", "staging"), ("bootstrap/threshold", 1)),
    "Settings.bootstrap": dev('"grace"', ("bootstrap/operators/0/name", "grace")),
    "Bootstrap.operators": dev('"grace"', ("bootstrap/operators/0/name", "grace")),
    "Bootstrap.threshold": dev(
        '"threshold": 2',
        ("bootstrap/threshold", 2),
        ("bootstrap/operators", [{"name": "a", "pgp_key": "a.asc"}, {"name": "b", "pgp_key": "b.asc"}]),
    ),
    "Bootstrap.administrator": dev(
        "<certificate other.crt>", ("bootstrap/administrator", {"certificate": "other.crt", "private_key": "other.key"})
    ),
    "Operator.name": dev('"grace"', ("bootstrap/operators/0/name", "grace")),
    "Operator.pgp_key": dev("<pgp other.asc>", ("bootstrap/operators/0/pgp_key", "other.asc")),
    "Administrator.certificate": dev("<certificate other.crt>", ("bootstrap/administrator/certificate", "other.crt")),
    "Administrator.private_key": dev("other.key", ("bootstrap/administrator/private_key", "other.key")),
    "Administrator.token_ttl": dev("2460", ("bootstrap/administrator/token_ttl", "41m")),
    "Settings.audit_retention": dev("maxage 41", ("audit_retention", "41d")),
    "Settings.audit": dev("vault:index/audit:Audit", *VAULT),
    "FileAudit.type": dev('"type": "file"', *VAULT),
    "FileAudit.file_path": dev(
        "/var/log/vault/other.log", ("audit/one/file_path", "/var/log/vault/other.log"), first=VAULT
    ),
    "FileAudit.mode": dev('"mode": "0640"', ("audit/one/mode", "0640"), first=VAULT),
    "SyslogAudit.type": dev('"type": "syslog"', *VAULT),
    "SyslogAudit.facility": dev("LOCAL3", ("audit/two/facility", "LOCAL3"), first=VAULT),
    "SyslogAudit.tag": dev('"other-tag"', ("audit/two/tag", "other-tag"), first=VAULT),
    "SocketAudit.type": dev('"type": "socket"', *VAULT),
    "SocketAudit.address": dev("127.0.0.1:9001", ("audit/three/address", "127.0.0.1:9001"), first=VAULT),
    "SocketAudit.socket_type": dev('"socket_type": "udp"', ("audit/three/socket_type", "udp"), first=VAULT),
    "Jwt.jwks_url": dev("https://ci.example.com/others", ("jwt/jwks_url", "https://ci.example.com/others"), first=JWT),
    "Jwt.oidc_discovery_url": dev(
        '"oidcDiscoveryUrl": "https://ci.example.com"',
        ("jwt", {"oidc_discovery_url": "https://ci.example.com", "bound_issuer": "https://ci.example.com"}),
        first=JWT,
    ),
    "ConnectionWithPassword.ssl_mode": dev(
        "sslmode=verify-ca", ("database/connections/postgresql/ssl_mode", "verify-ca")
    ),
    "ConnectionWithPassword.port": dev(":5433/", ("database/connections/postgresql/port", 5433)),
    "ConnectionWithPassword.username": dev(
        '"username": "other_root"', ("database/connections/postgresql/username", "other_root")
    ),
    "ConnectionWithPassword.password_secret": dev(
        "<other-password>", ("database/connections/postgresql/password_secret", "other-password")
    ),
    "Settings.pki": dev("Example Root CA", *PKI),
    "Settings.snapshots": dev('"hourly": 5', ("snapshots/keep", {"hourly": 5})),
    "Snapshots.store": dev('"other-bucket"', ("snapshots/store/name", "other-bucket")),
    "Snapshots.schedule": dev(
        "OnCalendar=*-*-* 03:30", ("snapshots/schedule", "*-*-* 03:30"), ("snapshots/stale_after", "27h")
    ),
    "Snapshots.keep": dev('"hourly": 5', ("snapshots/keep", {"hourly": 5})),
    "Snapshots.recipients": dev("<age other.txt>", ("snapshots/recipients", ["other.txt"])),
    "Snapshots.stale_after": dev('"stale_after_seconds": 14460', ("snapshots/stale_after", "241m")),
    "Snapshots.node_certificate": dev("<certificate other.crt>", ("snapshots/node_certificate", "other.crt")),
    "Retention.hourly": dev('"hourly": 5', ("snapshots/keep", {"hourly": 5})),
    "Retention.daily": dev('"daily": 6', ("snapshots/keep", {"daily": 6})),
    "Retention.weekly": dev('"weekly": 7', ("snapshots/keep", {"weekly": 7})),
    "Bucket.name": dev('"other-bucket"', ("snapshots/store/name", "other-bucket")),
    "Bucket.endpoint": dev(
        "https://nbg1.your-objectstorage.com", ("snapshots/store/endpoint", "https://nbg1.your-objectstorage.com")
    ),
    "Bucket.region": dev('"region": "nbg1"', ("snapshots/store/region", "nbg1")),
    "Bucket.lock_days": dev('"days": 15', ("snapshots/store/lock_days", 15)),
    "Bucket.profile": dev('"profile": "hetzner"', ("snapshots/store/profile", "hetzner")),
    "Bucket.writer": dev("user/other", ("snapshots/store/writer", "arn:aws:iam:::user/other")),
}


def refused(words: str, *change: tuple[str, object], stack: str = "local") -> Refused:
    """A change that settings refuse."""
    return Refused(change=change, words=words, stack=stack)


REFUSED: Mapping[str, Refused] = {
    "Settings.base": refused("base is 'nowhere.yaml', which isn't there", ("base", "nowhere.yaml")),
    "HetznerPlatform.kind": refused("platform.", ("platform/kind", "local"), stack="dev"),
    "LocalPlatform.kind": refused("platform.", ("platform/kind", "hetzner")),
    "Bucket.kind": refused("snapshots.store.", ("snapshots/store/kind", "folder"), stack="dev"),
    "Folder.kind": refused("snapshots.store.", ("snapshots/store/kind", "bucket")),
    "Administrator.certificate_pem": refused(
        "bootstrap.administrator.", ("bootstrap/administrator/certificate_pem", "text"), stack="dev"
    ),
    "Administrator.private_key_secret": refused(
        "bootstrap.administrator.", ("bootstrap/administrator/private_key_secret", "key"), stack="dev"
    ),
}
"""What settings refuse by themselves."""

STAYS: Mapping[str, Refused] = {
    "Settings.database": refused("database.path is 'logins'; expected 'database'", ("database/path", "logins")),
    "DatabaseWithPasswords.path": refused(
        "database.path is 'logins'; expected 'database'", ("database/path", "logins")
    ),
    "Settings.transit": refused("transit.path is 'keys'; expected 'transit'", ("transit/path", "keys")),
    "Transit.path": refused("transit.path is 'keys'; expected 'transit'", ("transit/path", "keys")),
    "Pki.root_path": refused("pki.root_path is 'other'; expected 'pki'", ("pki/root_path", "other")),
    "Pki.intermediate_path": refused(
        "pki.intermediate_path is 'other'; expected 'pki_int'", ("pki/intermediate_path", "other")
    ),
    # The test of generations has authorities renewed.
    "Pki.common_name": refused(
        "pki.common_name is 'Other'; expected 'Vault Estate Local'", ("pki/common_name", "Other")
    ),
    "Pki.organization": refused("pki.organization is 'Other'; expected 'Vault Estate'", ("pki/organization", "Other")),
    "Pki.key_type": refused("pki.key_type is 'rsa'; expected 'ec'", ("pki/key_type", "rsa"), ("pki/key_bits", 4096)),
    "Pki.key_bits": refused("pki.key_bits is 521; expected 384", ("pki/key_bits", 521)),
    "Pki.root_ttl": refused("pki.root_ttl is 2000d; expected 3650d", ("pki/root_ttl", "2000d")),
    "Pki.intermediate_ttl": refused("pki.intermediate_ttl is 1000d; expected 1825d", ("pki/intermediate_ttl", "1000d")),
    "Pki.root_generation": refused("pki.root_generation is 3; expected 1, which is built", ("pki/root_generation", 3)),
    "Pki.intermediate_generation": refused(
        "pki.intermediate_generation is 3; expected 1, which is built", ("pki/intermediate_generation", 3)
    ),
}
"""What the preview of a built stack refuses."""

BY_COMMAND = {
    "Settings.protect",
    "LocalPlatform.api_port",
    "LocalPlatform.cluster_port",
    "LocalPlatform.postgres_port",
    "Folder.path",
    "Secret.keys",
    # tests/engine/test_people.py, and tests/unit/settings/test_group_policies.py of the kinds of groups
    *(f"{kind}Group.kind" for kind in ("Owners", "Operators", "Auditors")),
    "Member.groups",
    "Member.login",
    "MemberByPassword.kind",
    "MemberByCertificate.kind",
    "MemberByCertificate.file",
    "MemberByOidc.kind",
    "OidcWithSecret.client_secret_file",
    # tests/unit/test_eks_estate.py and tests/unit/settings/test_eks.py; what isn't of these models fails there
    *(
        f"{part.model.__name__}.{name}"
        for part in reference.parts(EksPlatform, "platform")
        for name in part.model.model_fields
        if part.model is not TransitSeal
    ),
    # tests/unit/settings/test_client_manifest.py
    "Settings.client",
    "Client.refresh",
    "Application.environment_variables",
    "Application.rotator",
    "Secret.rotation",
    "Settings.rotation",
    *(f"SecretRotation.{name}" for name in ("by", "every", "grace", "keys", "password_policy")),
    *(f"Rotation.{name}" for name in ("every", "api_keys_every", "grace")),
}
"""What a test of its own walks."""
