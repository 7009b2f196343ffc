"""Access checks against real servers: they pass where all is well, and a broken grant fails its own check only.

Settings and ACL policies are the estate's own. Not checked here: that its components build what the settings say; the
contents are made by plain calls of the API.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import hvac
import pytest
from cryptography import x509

from components.render.acl import render
from components.render.administrator import administrator_policy
from components.render.login import CertificateLogin
from components.render.sql import Access, creation_statements, revocation_statements
from composition.contents import application_policy
from ops.errors import EstateError
from ops.vault import access_checks, turns
from ops.vault.access_checks import CheckResult, check_application, check_rotator
from ops.vault.api import call as api_call
from ops.vault.checks import database, pki
from ops.vault.checks.outcome import CheckError
from ops.vault.endpoint import VaultEndpoint
from ops.vault.secret_ids import issue_secret_id
from ops.vault.seeding import seed_secrets
from settings import Settings, parse
from settings.grants import PkiGrant, grants
from settings.rotator_policies import rotator_policies
from tests.support.servers import PostgresServer, VaultServer, call
from tests.unit.settings.samples import FULL, changed

Call = Callable[..., dict[str, Any]]
Checked = Callable[..., CheckResult]
Plain = dict[str, Any]

SECRET = {"keys": ["password"], "seed": "random"}
APPLICATIONS: Mapping[str, Any] = {
    "shop": {
        "login": {"kind": "approle"},
        "secrets": {"site": SECRET, "session": {"access": "write", **SECRET}},
        "reads": [{"application": "bank", "secrets": ["rates"]}],
        "database_roles": ["readonly", "readwrite", "reporting", "billing"],
        "transit_keys": ["key", "derived", "rsa"],
        "pki_roles": ["service", "mutual", "caller"],
    },
    "bank": {"login": {"kind": "approle"}, "secrets": {"rates": SECRET, "vault": SECRET}},
    "broker": {
        "login": {"kind": "approle", "renews_secret_id": True, "token_type": "batch"},
        "reads": [{"application": "bank", "secrets": ["rates"]}],
    },
    "signer": {"login": {"kind": "approle"}, "transit_keys": ["key", "p256", "edwards"]},
    "pod": {
        "login": {"kind": "kubernetes", "service_account": "pod", "namespace": "prod"},
        "reads": [{"application": "bank", "secrets": ["rates"]}],
    },
    "long_Name.of-an-app".lower() + "x" * 80: {"login": {"kind": "approle"}, "pki_roles": ["service"]},
    "elsewhere": {
        "login": {"kind": "approle", "bound_cidrs": ["10.9.9.0/24"], "renews_secret_id": True},
        "reads": [{"application": "bank", "secrets": ["rates"]}],
    },
}
ROLES = {"service": (True, False), "mutual": (True, True), "caller": (False, True)}
"""PKI roles: for servers, for clients."""


def plain_settings(postgres: PostgresServer) -> Plain:
    """A stack whose application `shop` has every kind of grant, most of them more than once."""
    main = {
        "host": postgres.host,
        "port": postgres.port,
        "database": "app",
        "username": "vault_root",
        "password_file": "initial-password",
        "ssl_mode": "disable",
    }
    return {
        **FULL,
        "kv": {"secret": {}},
        "database": {
            "connections": {"main": main},
            "roles": {access: {"connection": "main", "access": access} for access in get_args(Access)},
            "static_roles": {name: {"connection": "main", "username": name} for name in ("reporting", "billing")},
        },
        "transit": {
            "keys": {
                "key": {},
                "derived": {"derived": True},
                "rsa": {"type": "rsa-4096"},
                "p256": {"type": "ecdsa-p256"},
                "edwards": {"type": "ed25519"},
            }
        },
        "pki": {
            **FULL["pki"],
            "roles": {
                name: {"allowed_domains": ["internal.example"], "server": server, "client": client}
                for name, (server, client) in ROLES.items()
            },
        },
        "applications": APPLICATIONS,
    }


@pytest.fixture(scope="module")
def api(vault_server: VaultServer) -> Call:
    return lambda method, path, body=None: call(vault_server.client, method, path, body)


@pytest.fixture(scope="module")
def plain(postgres_server: PostgresServer) -> Plain:
    return plain_settings(postgres_server)


@pytest.fixture(scope="module")
def settings(plain: Plain, vault_server: VaultServer, postgres_server: PostgresServer, api: Call) -> Settings:
    """What the server holds, apart from the policies."""
    found = parse(plain)
    api("post", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    seeds = {found.secret_path(owner, name): secret.first_values for owner, name, secret in found.secrets()}
    assert seed_secrets(vault_server.client, seeds) == list(seeds)
    api("post", "sys/auth/approle", {"type": "approle"})
    for name, application in found.applications.items():
        role = {"token_policies": [name], "token_ttl": "1h", "token_max_ttl": "4h", "secret_id_ttl": "24h"}
        bound = list(application.login.bound_cidrs) if application.login.kind == "approle" else []
        networks = {"secret_id_bound_cidrs": bound, "token_bound_cidrs": bound}
        role["token_type"] = application.login.declared_token_type or "default"
        api("post", f"auth/approle/role/{name}", {**role, **networks})
    make_database(postgres_server, api)
    api("post", "sys/mounts/transit", {"type": "transit"})
    assert found.transit
    for name, key in found.transit.keys.items():
        api("post", f"transit/keys/{name}", {"type": key.type, "derived": key.derived})
    make_pki(api)
    return found


def make_database(postgres: PostgresServer, api: Call) -> None:
    with postgres.platform.postgres.maintenance("app") as session:
        session.execute("create table stock (n int)")
        for name in ("reporting", "billing"):
            session.execute(f"create role {name} login")  # its password is Vault's to set
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{postgres.host}:{postgres.port}/app"
    login = {"username": postgres.root_username, "password": postgres.root_password}
    connection = {"plugin_name": "postgresql-database-plugin", "connection_url": url, "allowed_roles": "*", **login}
    api("post", "sys/mounts/database", {"type": "database"})
    api("post", "database/config/app", connection)
    for access in get_args(Access):
        make_role(api, access, creation_statements(access, "public"))
    for name in ("reporting", "billing"):
        make_static_role(api, name, name)


def make_role(api: Call, role: str, creation: tuple[str, ...], revocation: tuple[str, ...] | None = None) -> None:
    statements = {"creation_statements": creation, "revocation_statements": revocation or revocation_statements()}
    api("post", f"database/roles/{role}", {"db_name": "app", "default_ttl": "10m", **statements})


def make_static_role(api: Call, role: str, username: str) -> None:
    """Anew: the user of a static role can't be changed."""
    api("delete", f"database/static-roles/{role}")
    api("post", f"database/static-roles/{role}", {"db_name": "app", "username": username, "rotation_period": "24h"})


def make_pki(api: Call) -> None:
    for mount, years in (("pki", 10), ("pki_int", 5), ("pki_other", 10)):
        api("post", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": f"{years * 8760}h"}})
    for mount in ("pki", "pki_other"):
        api(
            "post",
            f"{mount}/root/generate/internal",
            {"common_name": f"{mount} root", "ttl": "87600h", "key_type": "ec"},
        )
    body = {"common_name": "intermediate", "key_type": "ec"}
    request = api("post", "pki_int/intermediate/generate/internal", body)["data"]["csr"]
    signed = api("post", "pki/root/sign-intermediate", {"csr": request, "ttl": "43800h"})["data"]["certificate"]
    api("post", "pki_int/intermediate/set-signed", {"certificate": signed})
    for name in ROLES:
        make_pki_role(api, name)


def make_pki_role(api: Call, name: str, **other: object) -> None:
    server, client = ROLES[name]
    allowed = {"allowed_domains": "internal.example", "allow_subdomains": True, "key_type": "ec", "max_ttl": "1h"}
    api("post", f"pki_int/roles/{name}", {**allowed, "server_flag": server, "client_flag": client, **other})


@pytest.fixture
def checked(vault_server: VaultServer, settings: Settings, api: Call) -> Iterator[Checked]:
    """Checks one application, by these settings or others. The policies are as they should be, whatever the test before
    did to them."""
    where = VaultEndpoint(
        address=vault_server.address,
        ca_file=vault_server.ca_file,
        login=CertificateLogin(
            certificate_file=str(vault_server.admin_certificate), private_key_file=str(vault_server.admin_key)
        ),
    )

    def check(application: str = "shop", by: Settings = settings, client: hvac.Client | None = None) -> CheckResult:
        return check_application(client or vault_server.client, where, by, application)

    def write_policies() -> None:
        for name in settings.applications:
            api("put", f"sys/policies/acl/{name}", {"policy": render(application_policy(settings, name))})

    write_policies()
    yield check
    write_policies()


def words(result: CheckResult) -> dict[str, str]:
    return {column: str(outcome) for column, outcome in result.columns.items()}


def failed_only(result: CheckResult, column: str) -> str:
    """The reason, after making sure that everything else passed."""
    assert {name for name, text in words(result).items() if text != "passed"} == {column}
    assert not result.passed
    assert words(result)[column].startswith("failed: ")
    return words(result)[column].removeprefix("failed: ")


def amended(api: Call, application: str, settings: Settings, old: str, new: str) -> None:
    """Write the application's policy with one text replaced."""
    policy = render(application_policy(settings, application))
    assert old in policy
    api("put", f"sys/policies/acl/{application}", {"policy": policy.replace(old, new)})


def test_all_is_well(checked: Checked) -> None:
    result = checked()
    assert words(result) == dict.fromkeys(result.columns, "passed")
    assert result.passed


def test_what_rotates_may_what_its_settings_say(vault_server: VaultServer, plain: Plain, api: Call) -> None:
    rotation = {"rotation": {}, **SECRET}
    by = parse(
        changed(
            "applications/bank/rotator",
            {"kind": "approle", "renews_secret_id": True},
            changed("applications/bank/secrets/rates", rotation, plain),
        )
    )
    (policy,) = rotator_policies(by).values()
    api("put", f"sys/policies/acl/{policy.name}", {"policy": render(policy)})
    api("post", f"auth/approle/role/{policy.name}", {"token_policies": [policy.name], "token_ttl": "1h"})
    where = VaultEndpoint(
        address=vault_server.address,
        ca_file=vault_server.ca_file,
        login=CertificateLogin(certificate_file="", private_key_file=""),
    )

    def found() -> dict[str, str]:
        told = words(check_rotator(vault_server.client, where, by, policy.name))
        return {column: told[column] for column in ("login", "secret", "revoked")}

    assert found() == {"login": "passed", "secret": "passed", "revoked": "passed"}
    narrower = render(policy).replace('"patch", "read"', '"read"')
    api("put", f"sys/policies/acl/{policy.name}", {"policy": narrower})
    assert found() == {
        "login": "passed",
        "secret": "failed: secret/metadata/bank/test/rates allows read; expected patch, read",
        "revoked": "passed",
    }
    api("delete", f"auth/approle/role/{policy.name}")
    assert found()["login"].startswith("failed: ")


def test_each_rule_of_the_policy_is_used(checked: Checked, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """KV's metadata is asked about, everything else is called."""
    used: set[str] = set()
    real = hvac.adapters.JSONAdapter.request

    def request(self: Any, method: str, url: str, *more: Any, **options: Any) -> Any:
        used.add(url.removeprefix("/v1/"))
        used.update((options.get("json") or {}).get("paths", ()))
        return real(self, method, url, *more, **options)

    monkeypatch.setattr(hvac.adapters.JSONAdapter, "request", request)
    checked()
    assert {rule.path for rule in application_policy(settings, "shop").rules} <= used


def test_the_estates_administrator_may_do_all_it_takes(vault_server: VaultServer, checked: Checked, api: Call) -> None:
    api("put", "sys/policies/acl/estate", {"policy": render(administrator_policy(name="estate"))})
    token = api("post", "auth/token/create", {"policies": ["estate"], "ttl": "5m"})["auth"]["client_token"]
    administrator = hvac.Client(url=vault_server.address, verify=str(vault_server.ca_file), token=token)
    result = checked(client=administrator)
    assert words(result) == dict.fromkeys(result.columns, "passed")
    new = ("secret", "shop/by-administrator")
    assert seed_secrets(administrator, {new: {"a": "{random}"}}) == [new]
    assert seed_secrets(administrator, {new: {"a": "{random}"}}) == []


def test_nothing_is_left_behind(vault_server: VaultServer, checked: Checked, api: Call) -> None:
    def left() -> tuple[list[str], object, list[object]]:
        with vault_server.platform.postgres.maintenance() as session:
            logins = session.execute("select count(*) from pg_roles where rolname like 'v-%'").fetchone()
        secrets = [api("get", f"secret/data/shop/test/{name}")["data"] for name in ("site", "session")]
        return api("list", "auth/token/accessors")["data"]["keys"], logins, secrets

    before = left()
    checked()
    assert left() == before
    assert before[1] == (0,)


def test_what_is_not_granted_is_said(checked: Checked) -> None:
    assert words(checked("bank")) == {
        "login": "passed",
        "secret": "passed",
        "denied": "passed",
        "database": "not granted",
        "encryption": "not granted",
        "certificate": "not granted",
        "revoked": "passed",
    }


def test_a_key_that_only_signs_is_told_beside_one_that_encrypts(checked: Checked) -> None:
    result = checked("signer")
    assert str(result.encryption) == (
        "not checked: transit/p256 (ecdsa-p256): ecdsa-p256 keys only sign and verify; the grant is to encrypt and "
        "decrypt; transit/edwards (ed25519): ed25519 keys only sign and verify; the grant is to encrypt and decrypt"
    )
    assert (str(result.login), str(result.revoked), result.passed) == ("passed", "passed", True)


@pytest.mark.parametrize(
    ("application", "reason"),
    [
        ("pod", "it logs in by kubernetes, as a pod of its cluster"),
    ],
)
def test_a_login_that_cant_be_had_here_is_told(checked: Checked, application: str, reason: str) -> None:
    result = checked(application)
    columns = ("login", "secret", "denied", "revoked")
    assert words(result) == dict.fromkeys(result.columns, "not granted") | dict.fromkeys(
        columns, f"not checked: {reason}"
    )
    assert result.passed


def test_a_login_from_other_networks_is_asked_about_instead_of_tried(
    vault_server: VaultServer, checked: Checked, api: Call
) -> None:
    """By the estate's own administrator, who can do it."""
    api("put", "sys/policies/acl/estate", {"policy": render(administrator_policy(name="estate"))})
    token = api("post", "auth/token/create", {"policies": ["estate"], "ttl": "5m"})["auth"]["client_token"]
    administrator = hvac.Client(url=vault_server.address, verify=str(vault_server.ca_file), token=token)

    result = checked("elsewhere", client=administrator)

    columns = ("secret", "denied", "revoked")
    asked = "not checked: only asked for, since its bound_cidrs don't allow a login from here"
    assert words(result) == {
        **dict.fromkeys(result.columns, "not granted"),
        "login": "not checked: its bound_cidrs don't allow a login from here",
        **dict.fromkeys(columns, asked),
    }
    assert result.passed
    assert "access-check_" not in api("list", "auth/approle/role")["data"]["keys"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("token_ttl", "2h", "its role's token_ttl is 7200; expected 3600"),
        ("token_policies", ["shop"], "its role's token_policies is ['shop']; expected ['elsewhere']"),
        (
            "token_bound_cidrs",
            ["0.0.0.0/0"],
            "its role's token_bound_cidrs is ['0.0.0.0/0']; expected 10.9.9.0/24",
        ),
    ],
)
def test_a_role_bound_to_other_networks_that_is_otherwise_than_settings_fails(
    checked: Checked, api: Call, field: str, value: object, said: str
) -> None:
    role = "auth/approle/role/elsewhere"
    before = api("get", role)["data"]
    api("post", role, {field: value})
    try:
        result = checked("elsewhere")
    finally:
        api("post", role, {field: before[field]})
    assert str(result.login) == f"failed: {said}"
    assert not result.passed


def test_a_login_from_other_networks_that_may_do_otherwise_fails(
    checked: Checked, settings: Settings, api: Call
) -> None:
    amended(api, "elsewhere", settings, '"secret/data/bank/test/rates"', '"secret/data/shop/test/site"')
    result = checked("elsewhere")
    assert str(result.secret) == ("failed: secret/bank/test/rates (read): its data allows nothing; expected read")
    assert str(result.denied) == "failed: secret/shop/test/site: could be read, and is another application's"
    assert not result.passed


def test_a_check_that_a_rate_limit_turns_away_is_told(
    checked: Checked, api: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_TURNS", turns._TURNS.new(status=1))
    limit = {"path": "auth/approle/", "role": "bank", "rate": 1, "interval": "1h"}
    api("post", "sys/quotas/rate-limit/logins", limit)
    try:
        first, second = checked("bank"), checked("bank")
    finally:
        api("delete", "sys/quotas/rate-limit/logins")
    assert first.passed
    assert set(words(first).values()) <= {"passed", "not granted"}
    assert str(second.login).startswith("not checked: a rate limit turned it away for a minute: ")
    assert second.passed


def test_any_name_of_an_application_makes_a_certificate(checked: Checked, settings: Settings) -> None:
    (long,) = (name for name in settings.applications if name.startswith("long"))
    assert str(checked(long).certificate) == "passed"


def test_a_role_that_isnt_there_fails_the_login_and_checks_no_more(checked: Checked, api: Call) -> None:
    role = api("get", "auth/approle/role/bank")["data"]
    api("delete", "auth/approle/role/bank")
    try:
        result = checked("bank")
    finally:
        api("post", "auth/approle/role/bank", role)
    assert str(result.login).startswith("failed: secret-id: role 'bank' of auth/approle: ")
    assert (str(result.secret), str(result.database)) == ("not checked: the login failed", "not granted")
    assert not result.passed


@pytest.mark.parametrize(
    "broken",
    [
        (
            "secret/data/shop/test/site",
            "secret/data/shop/test/other",
            "secret/shop/test/site (read): permission denied at secret/data/shop/test/site",
        ),
        (
            "secret/data/bank/test/rates",
            "secret/data/bank/test/other",
            "secret/bank/test/rates (read): permission denied at secret/data/bank/test/rates",
        ),
        (
            '"secret/data/shop/test/session" {\n  capabilities = ["create", "patch", "read", "update"]',
            '"secret/data/shop/test/session" {\n  capabilities = ["read"]',
            "secret/shop/test/session (write): its data allows read; expected create, patch, read, update",
        ),
        (
            '"secret/data/shop/test/site" {\n  capabilities = ["read"]',
            '"secret/data/shop/test/site" {\n  capabilities = ["read", "update"]',
            "secret/shop/test/site (read): its data allows read, update; expected read",
        ),
        (
            "secret/metadata/shop/test/site",
            "secret/metadata/shop/test/other",
            "secret/shop/test/site (read): its metadata allows nothing; expected list, read",
        ),
    ],
)
def test_a_secret_that_may_be_used_otherwise_fails(
    checked: Checked, settings: Settings, api: Call, broken: tuple[Access, str, str]
) -> None:
    old, new, reason = broken
    amended(api, "shop", settings, old, new)
    assert failed_only(checked(), "secret") == reason


def test_a_secret_that_isnt_there_is_missing(checked: Checked, api: Call) -> None:
    api("delete", "secret/data/shop/test/session")
    try:
        result = checked()
        assert str(result.secret) == "missing: secret/shop/test/session (write): password"
        assert result.passed
    finally:
        api("post", "secret/data/shop/test/session", {"data": {"password": "new"}})


def test_a_value_that_its_settings_list_is_missing(checked: Checked, plain: Plain) -> None:
    more = parse(changed("applications/shop/secrets/site", {"keys": ["password", "user"]}, plain))
    assert str(checked(by=more).secret) == "missing: secret/shop/test/site (read): user"


def test_a_secret_that_may_not_be_read_is_no_missing_one(checked: Checked, settings: Settings, api: Call) -> None:
    api("delete", "secret/data/shop/test/session")
    try:
        amended(api, "shop", settings, "secret/data/shop/test/session", "secret/data/shop/test/other")
        assert failed_only(checked(), "secret").startswith("secret/shop/test/session (write): permission denied")
    finally:
        api("post", "secret/data/shop/test/session", {"data": {"password": "new"}})


def test_reading_another_applications_secret_fails(checked: Checked, settings: Settings, api: Call) -> None:
    amended(api, "shop", settings, "secret/data/bank/test/rates", "secret/data/bank/*")
    assert failed_only(checked(), "denied") == "secret/bank/test/vault: could be read, and is another application's"


@pytest.mark.parametrize(
    "broken",
    [
        ("readonly", 'GRANT INSERT ON stock TO "{{name}}";', "should have select on stock, and nothing else"),
        ("readonly", 'GRANT CREATE ON SCHEMA public TO "{{name}}";', "is readonly, but could create a table"),
        ("readwrite", 'REVOKE DELETE ON stock FROM "{{name}}";', "should have select, insert, update, delete on stock"),
        ("readonly", 'ALTER ROLE "{{name}}" NOLOGIN;', "not permitted to log in"),
    ],
)
def test_a_leased_login_with_other_rights_fails(checked: Checked, api: Call, broken: tuple[Access, str, str]) -> None:
    role, extra, reason = broken
    usual = creation_statements(role, "public")
    make_role(api, role, (*usual, extra))
    try:
        said = failed_only(checked(), "database")
    finally:
        make_role(api, role, usual)
    assert said.startswith(f"database/{role} ({role}): ")
    assert reason in said


def test_a_static_login_whose_password_was_changed_by_hand_fails(
    checked: Checked, postgres_server: PostgresServer, api: Call
) -> None:
    """The second of two static roles: each is checked."""
    with postgres_server.platform.postgres.maintenance("app") as session:
        session.execute("alter role billing password 'of-somebody'")
    try:
        said = failed_only(checked(), "database")
    finally:
        api("post", "database/rotate-role/billing")
    assert said.startswith("database/billing (static, user billing): ")
    assert 'password authentication failed for user "billing"' in said


def test_a_static_login_of_another_user_fails(checked: Checked, postgres_server: PostgresServer, api: Call) -> None:
    with postgres_server.platform.postgres.maintenance("app") as session:
        session.execute("create role stranger login")
    make_static_role(api, "billing", "stranger")
    try:
        said = failed_only(checked(), "database")
    finally:
        make_static_role(api, "billing", "billing")
    assert said == "database/billing (static, user billing): is the login of stranger; expected billing"


def test_a_static_login_that_may_not_be_read_fails(checked: Checked, settings: Settings, api: Call) -> None:
    amended(api, "shop", settings, "static-creds/reporting", "static-creds/other")
    said = failed_only(checked(), "database")
    assert said == ("database/reporting (static, user reporting): permission denied at database/static-creds/reporting")


def test_a_database_that_is_elsewhere_fails(checked: Checked, plain: Plain) -> None:
    main = {**plain["database"]["connections"]["main"], "port": 1}
    elsewhere = parse({**plain, "database": {**plain["database"], "connections": {"main": main}}})
    said = failed_only(checked(by=elsewhere), "database")
    assert said.count("Connection refused") == 4


@pytest.mark.parametrize(("key", "kind"), [("key", "aes256-gcm96"), ("rsa", "rsa-4096")])
def test_a_key_that_may_not_decrypt_fails(checked: Checked, settings: Settings, api: Call, key: str, kind: str) -> None:
    amended(api, "shop", settings, f"transit/decrypt/{key}", "transit/decrypt/other")
    said = failed_only(checked(), "encryption")
    assert said == f"transit/{key} ({kind}): permission denied at transit/decrypt/{key}"


def test_certificates_of_another_root_fail(checked: Checked, plain: Plain) -> None:
    other = parse({**plain, "pki": {**plain["pki"], "root_path": "pki_other"}})
    said = failed_only(checked(by=other), "certificate")
    assert said.count("the certificate does not verify") == 3


@pytest.mark.parametrize(
    ("role", "other", "reason"),
    [
        ("caller", {"allowed_domains": "example.org"}, "not allowed"),
        ("mutual", {"client_flag": False}, "pki_int/mutual (server, client): the certificate is not for a client"),
        ("caller", {"server_flag": True}, "pki_int/caller (client): the certificate is for a server"),
        ("service", {"server_flag": False}, "pki_int/service (server): "),
    ],
)
def test_a_role_that_issues_otherwise_fails(
    checked: Checked, api: Call, role: str, other: dict[str, object], reason: str
) -> None:
    """Whichever of the three it is."""
    make_pki_role(api, role, **other)
    try:
        said = failed_only(checked(), "certificate")
    finally:
        make_pki_role(api, role)
    assert said.startswith(f"pki_int/{role} (")
    assert reason in said


def test_a_key_that_isnt_the_certificates_is_noticed(settings: Settings, api: Call) -> None:
    (grant,) = (one for one in grants(settings, "shop") if isinstance(one, PkiGrant) and one.name == "mutual")
    one, two = (api("post", "pki_int/issue/mutual", {"common_name": grant.common_name})["data"] for _ in range(2))
    stranger = api("post", "pki_int/issue/mutual", {"common_name": "b.internal.example"})["data"]
    root = x509.load_pem_x509_certificate(api("get", "pki/cert/ca")["data"]["certificate"].encode())
    pki.verify_certificate(one, [root], grant)
    with pytest.raises(CheckError, match="private key is not the certificate's"):
        pki.verify_certificate({**one, "private_key": two["private_key"]}, [root], grant)
    with pytest.raises(CheckError, match="does not verify"):
        pki.verify_certificate(stranger, [root], grant)


def test_a_token_that_cant_be_revoked_fails(checked: Checked, api: Call) -> None:
    role = api("get", "auth/approle/role/bank")["data"]
    api("delete", "auth/approle/role/bank")
    api("post", "auth/approle/role/bank", {"token_policies": ["bank"], "token_type": "batch", "secret_id_ttl": "1h"})
    try:
        assert str(checked("bank").revoked).startswith("failed: ")
    finally:
        api("delete", "auth/approle/role/bank")
        api("post", "auth/approle/role/bank", role)


def test_the_next_secret_id_can_be_had_and_a_batch_token_ends_by_itself(checked: Checked, api: Call) -> None:
    api("post", "auth/approle/role/broker/secret-id", {})  # the server lists none only by an error
    before = set(api("list", "auth/approle/role/broker/secret-id")["data"]["keys"])
    result = words(checked("broker"))
    assert (result["login"], result["secret"]) == ("passed", "passed")
    told = "not checked: a batch token can't be revoked: it ends after token_ttl, and its leases with it"
    assert result["revoked"] == told
    left = set(api("list", "auth/approle/role/broker/secret-id")["data"]["keys"]) - before
    assert len(left) == 1, "the one it logged in with; the next one was destroyed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('  min_wrapping_ttl = "1s"\n', ""), "it comes in the clear, too; expected it response-wrapped"),
        (("role/broker/secret-id/destroy", "role/broker/secret-id/other"), "permission denied"),
        (('role/broker/secret-id"', 'role/broker/other"'), "permission denied"),
    ],
)
def test_a_next_secret_id_that_cant_be_had_or_too_easily(
    checked: Checked, api: Call, settings: Settings, change: tuple[str, str], said: str
) -> None:
    amended(api, "broker", settings, *change)
    found = words(checked("broker"))["login"]
    assert found.startswith("failed: its next SecretID: ")
    assert said in found


def test_a_role_may_renew_no_other(checked: Checked, api: Call, vault_server: VaultServer) -> None:
    assert checked("broker").passed
    secret_id = api("post", "auth/approle/role/broker/secret-id", {})["data"]["secret_id"]
    role_id = api("get", "auth/approle/role/broker/role-id")["data"]["role_id"]
    broker = hvac.Client(url=vault_server.address, verify=str(vault_server.ca_file))
    login = call(broker, "post", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id})
    broker.token = login["auth"]["client_token"]
    for path in ("role/bank/secret-id", "role/broker/custom-secret-id", "role/broker/secret-id-accessor/destroy"):
        with pytest.raises(hvac.exceptions.Forbidden):
            api_call(broker, "post", f"auth/approle/{path}", {}, wrap_ttl="60s")


def test_a_token_that_outlives_its_revocation_fails(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(client: hvac.Client, method: str, path: str, *more: Any, **options: Any) -> dict[str, Any]:
        return {} if path == "auth/token/revoke-self" else api_call(client, method, path, *more, **options)

    monkeypatch.setattr(access_checks, "call", forgetful)
    assert failed_only(checked(), "revoked") == "the revoked token still works"


def test_a_login_that_outlives_its_lease_fails(
    checked: Checked, api: Call, vault_server: VaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "REVOCATION_SECONDS", 0.3)
    make_role(api, "readonly", creation_statements("readonly", "public"), ("SELECT 1;",))
    try:
        said = failed_only(checked(), "revoked")
    finally:
        make_role(api, "readonly", creation_statements("readonly", "public"))
    assert said == "a revoked login of database/readonly (readonly) still works"


def test_no_result_holds_a_secret(checked: Checked, plain: Plain, api: Call) -> None:
    main = {**plain["database"]["connections"]["main"], "database": "missing"}
    broken = parse({**plain, "database": {**plain["database"], "connections": {"main": main}}})
    values = [api("get", f"secret/data/shop/test/{name}")["data"]["data"]["password"] for name in ("site", "session")]
    values += [api("get", f"database/static-creds/{name}")["data"]["password"] for name in ("reporting", "billing")]
    text = json.dumps([words(checked()), words(checked(by=broken))])
    assert "does not exist" in text
    assert all(len(value) >= 3 and value not in text for value in values)


def test_seeding_never_replaces_a_value(vault_server: VaultServer, settings: Settings, api: Call) -> None:
    before = api("get", "secret/data/shop/test/site")["data"]
    fresh = ("secret", "shop/fresh")
    wanted = {("secret", "shop/test/site"): {"other": "{random}"}, fresh: {"a": "{random}", "b": "x-{random}-y"}}
    assert seed_secrets(vault_server.client, wanted) == [fresh]
    assert api("get", "secret/data/shop/test/site")["data"] == before
    made = api("get", "secret/data/shop/fresh")["data"]["data"]
    assert sorted(made) == ["a", "b"]
    assert len({*made.values()}) == 2
    with pytest.raises(EstateError, match=r"^secret nowhere/x: "):
        seed_secrets(vault_server.client, {("nowhere", "x"): {"a": "{random}"}})


def test_a_secret_id_is_wrapped_and_opens_once(vault_server: VaultServer, settings: Settings, api: Call) -> None:
    wrapped = issue_secret_id(vault_server.client, "approle", "shop", wrap_ttl_seconds=90)
    assert (wrapped.ttl_seconds, wrapped.creation_path) == (90, "auth/approle/role/shop/secret-id")
    assert wrapped.wrapping_token not in repr(wrapped)
    assert "secret_id" in api("post", "sys/wrapping/unwrap", {"token": wrapped.wrapping_token})["data"]
    with pytest.raises(Exception, match="wrapping token is not valid"):
        api("post", "sys/wrapping/unwrap", {"token": wrapped.wrapping_token})
    with pytest.raises(EstateError, match=r"^secret-id: role 'nobody' of auth/approle: "):
        issue_secret_id(vault_server.client, "approle", "nobody", wrap_ttl_seconds=90)
