"""The proof against real servers: it passes where all is well, and each column fails where its thing is broken.

Doesn't prove: that the estate's components build what is proven here; the contents are made by plain calls of the API.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import hvac
import pytest
from cryptography import x509

import ops.vault.access_checks
from components.render.acl import render
from components.render.administrator import administrator_policy
from components.render.sql import Access, creation_statements, revocation_statements
from ops.errors import EstateError
from ops.vault.access_checks import (
    NOT_ASKED_FOR,
    PASSED,
    ApplicationProof,
    DatabaseRole,
    PkiRole,
    ProofError,
    ProofRow,
    SecretPath,
    TransitKey,
    issue_secret_id,
    prove,
    seed_secrets,
    verify_certificate,
)
from tests.support.servers import PostgresServer, VaultServer, call

POLICY = """
path "kv/data/shop/*" { capabilities = ["read"] }
path "database/creds/readonly" { capabilities = ["read"] }
path "database/creds/readwrite" { capabilities = ["read"] }
path "transit/encrypt/key" { capabilities = ["update"] }
path "transit/decrypt/key" { capabilities = ["update"] }
path "transit/encrypt/derived" { capabilities = ["update"] }
path "transit/decrypt/derived" { capabilities = ["update"] }
path "pki_int/issue/service" { capabilities = ["update"] }
"""
Call = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def api(vault_server: VaultServer) -> Call:
    return lambda method, path, body=None: call(vault_server.client, method, path, body)


@pytest.fixture(scope="module")
def contents(vault_server: VaultServer, postgres_server: PostgresServer, api: Call) -> ApplicationProof:
    """What the application `shop` is to have; `bank` owns another secret."""
    seed_secrets(vault_server.client, {})
    api("post", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    seeds = {SecretPath("kv", "shop/site"): ["password"], SecretPath("kv", "bank/vault"): ["code"]}
    assert seed_secrets(vault_server.client, seeds) == list(seeds)
    api("post", "sys/auth/approle", {"type": "approle"})
    api("post", "auth/approle/role/shop", {"token_policies": ["shop"], "token_ttl": "1h", "secret_id_ttl": "1h"})
    make_database(postgres_server, api)
    api("post", "sys/mounts/transit", {"type": "transit"})
    api("post", "transit/keys/key", {})
    api("post", "transit/keys/derived", {"derived": True})
    make_pki(api)
    database = (postgres_server.host, postgres_server.port, "app")
    return ApplicationProof(
        name="shop",
        role_name="shop",
        secrets=(SecretPath("kv", "shop/site"),),
        foreign=SecretPath("kv", "bank/vault"),
        database_roles=tuple(DatabaseRole("database", role, role, *database) for role in ("readonly", "readwrite")),
        transit_keys=(TransitKey("transit", "key"), TransitKey("transit", "derived", derived=True)),
        pki=PkiRole("pki_int", "service", "shop.internal.example", "pki"),
    )


def make_database(postgres: PostgresServer, api: Call) -> None:
    with postgres.platform.postgres.maintenance("app") as session:
        session.execute("create table stock (n int)")
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{postgres.host}:{postgres.port}/app"
    login = {"username": postgres.root_username, "password": postgres.root_password}
    connection = {"plugin_name": "postgresql-database-plugin", "connection_url": url, "allowed_roles": "*", **login}
    api("post", "sys/mounts/database", {"type": "database"})
    api("post", "database/config/app", connection)
    for access in Access:
        make_role(api, access, creation_statements(access, "public"))


def make_role(api: Call, role: str, creation: tuple[str, ...], revocation: tuple[str, ...] | None = None) -> None:
    statements = {"creation_statements": creation, "revocation_statements": revocation or revocation_statements()}
    api("post", f"database/roles/{role}", {"db_name": "app", "default_ttl": "10m", **statements})


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
    allowed = {"allowed_domains": "internal.example", "allow_subdomains": True, "key_type": "ec", "max_ttl": "1h"}
    api("post", "pki_int/roles/service", allowed)


@pytest.fixture
def shop(contents: ApplicationProof, api: Call) -> Iterator[ApplicationProof]:
    """The application as it should be, whatever the test before did to its policy."""
    api("put", "sys/policies/acl/shop", {"policy": POLICY})
    yield contents
    api("put", "sys/policies/acl/shop", {"policy": POLICY})


def proven(vault: VaultServer, application: ApplicationProof) -> ProofRow:
    (row,) = prove(vault.address, vault.ca_file, vault.client, [application])
    return row


def failed_only(row: ProofRow, column: str) -> str:
    """The reason, after making sure that everything else passed."""
    assert {name for name, value in row.columns.items() if value != PASSED} == {column}
    assert not row.passed
    return row.columns[column]


def test_all_is_well(vault_server: VaultServer, shop: ApplicationProof) -> None:
    row = proven(vault_server, shop)
    assert row.columns == dict.fromkeys(row.columns, PASSED)
    assert row.passed


def test_the_estates_administrator_may_do_all_it_takes(
    vault_server: VaultServer, shop: ApplicationProof, api: Call
) -> None:
    api("put", "sys/policies/acl/estate", {"policy": render(administrator_policy(name="estate"))})
    token = api("post", "auth/token/create", {"policies": ["estate"], "ttl": "5m"})["auth"]["client_token"]
    administrator = hvac.Client(url=vault_server.address, verify=str(vault_server.ca_file), token=token)
    (row,) = prove(vault_server.address, vault_server.ca_file, administrator, [shop])
    assert row.columns == dict.fromkeys(row.columns, PASSED)
    new = SecretPath("kv", "shop/by-administrator")
    assert seed_secrets(administrator, {new: ["a"]}) == [new]
    assert seed_secrets(administrator, {new: ["a"]}) == []


def test_nothing_is_left_behind(vault_server: VaultServer, shop: ApplicationProof, api: Call) -> None:
    def left() -> tuple[list[str], object]:
        with vault_server.platform.postgres.maintenance() as session:
            logins = session.execute("select count(*) from pg_roles where rolname like 'v-%'").fetchone()
        return api("list", "auth/token/accessors")["data"]["keys"], logins

    before = left()
    proven(vault_server, shop)
    assert left() == before
    assert before[1] == (0,)


def test_what_is_not_asked_for_is_said(vault_server: VaultServer, shop: ApplicationProof) -> None:
    row = proven(vault_server, ApplicationProof(name="bare", role_name="shop"))
    assert (row.login, row.revoked) == (PASSED, PASSED)
    assert {row.secret, row.denied, row.database, row.encryption, row.certificate} == {NOT_ASKED_FOR}
    assert row.passed


def test_a_role_that_isnt_there_fails_the_login_and_asks_no_more(
    vault_server: VaultServer, shop: ApplicationProof
) -> None:
    row = proven(vault_server, replace(shop, role_name="nobody"))
    assert row.login.startswith("failed: ")
    assert {value for name, value in row.columns.items() if name != "login"} == {NOT_ASKED_FOR}
    assert not row.passed


def test_a_secret_that_cant_be_read_fails(vault_server: VaultServer, shop: ApplicationProof, api: Call) -> None:
    api("put", "sys/policies/acl/shop", {"policy": POLICY.replace("kv/data/shop/*", "kv/data/other/*")})
    assert "permission denied" in failed_only(proven(vault_server, shop), "secret")


def test_a_secret_that_isnt_there_fails(vault_server: VaultServer, shop: ApplicationProof) -> None:
    missing = replace(shop, secrets=(*shop.secrets, SecretPath("kv", "shop/missing")))
    assert failed_only(proven(vault_server, missing), "secret").startswith("failed: ")


def test_reading_another_applications_secret_fails(
    vault_server: VaultServer, shop: ApplicationProof, api: Call
) -> None:
    api("put", "sys/policies/acl/shop", {"policy": POLICY.replace("kv/data/shop/*", "kv/data/*")})
    assert failed_only(proven(vault_server, shop), "denied") == (
        "failed: could read kv/bank/vault of another application"
    )


@pytest.mark.parametrize(
    "broken",
    [
        ("readonly", 'GRANT INSERT ON stock TO "{{name}}";', "should have select on stock, and nothing else"),
        ("readonly", 'GRANT CREATE ON SCHEMA public TO "{{name}}";', "is readonly, but could create a table"),
        ("readwrite", 'REVOKE DELETE ON stock FROM "{{name}}";', "should have select, insert, update, delete on stock"),
        ("readonly", 'ALTER ROLE "{{name}}" NOLOGIN;', "not permitted to log in"),
    ],
)
def test_a_login_with_other_rights_fails(
    vault_server: VaultServer, shop: ApplicationProof, api: Call, broken: tuple[str, str, str]
) -> None:
    role, extra, reason = broken
    usual = creation_statements(Access(role), "public")
    make_role(api, role, (*usual, extra))
    try:
        assert reason in failed_only(proven(vault_server, shop), "database")
    finally:
        make_role(api, role, usual)


def test_a_database_that_is_elsewhere_fails(vault_server: VaultServer, shop: ApplicationProof) -> None:
    gone = replace(shop, database_roles=(shop.database_roles[0]._replace(port=1),))
    assert "Connection refused" in failed_only(proven(vault_server, gone), "database")


def test_a_key_that_may_not_decrypt_fails(vault_server: VaultServer, shop: ApplicationProof, api: Call) -> None:
    api("put", "sys/policies/acl/shop", {"policy": POLICY.replace("transit/decrypt/key", "transit/decrypt/other")})
    assert "permission denied" in failed_only(proven(vault_server, shop), "encryption")


def test_a_certificate_of_another_root_fails(vault_server: VaultServer, shop: ApplicationProof) -> None:
    assert shop.pki is not None
    other = replace(shop, pki=shop.pki._replace(root_mount="pki_other"))
    assert "does not verify" in failed_only(proven(vault_server, other), "certificate")


def test_a_name_the_role_refuses_fails(vault_server: VaultServer, shop: ApplicationProof) -> None:
    assert shop.pki is not None
    other = replace(shop, pki=shop.pki._replace(common_name="shop.example.org"))
    assert "not allowed" in failed_only(proven(vault_server, other), "certificate")


def test_a_key_that_isnt_the_certificates_is_noticed(
    vault_server: VaultServer, shop: ApplicationProof, api: Call
) -> None:
    one, two = (api("post", "pki_int/issue/service", {"common_name": "a.internal.example"})["data"] for _ in range(2))
    root = x509.load_pem_x509_certificate(api("get", "pki/cert/ca")["data"]["certificate"].encode())
    verify_certificate(one, root, "a.internal.example")
    with pytest.raises(ProofError, match="private key is not the certificate's"):
        verify_certificate({**one, "private_key": two["private_key"]}, root, "a.internal.example")
    with pytest.raises(ProofError, match="does not verify"):
        verify_certificate(one, root, "b.internal.example")


def test_a_token_that_cant_be_revoked_fails(vault_server: VaultServer, shop: ApplicationProof, api: Call) -> None:
    api("post", "auth/approle/role/batch", {"token_policies": ["shop"], "token_type": "batch", "secret_id_ttl": "1h"})
    bare = ApplicationProof(name="batch", role_name="batch", secrets=shop.secrets)
    assert proven(vault_server, bare).revoked.startswith("failed: ")


def test_a_token_that_outlives_its_revocation_fails(
    vault_server: VaultServer, shop: ApplicationProof, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ops.vault.access_checks._call

    def forgetful(client: hvac.Client, method: str, path: str, *more: Any, **options: Any) -> dict[str, Any]:
        return {} if path == "auth/token/revoke-self" else real(client, method, path, *more, **options)

    monkeypatch.setattr(ops.vault.access_checks, "_call", forgetful)
    assert failed_only(proven(vault_server, shop), "revoked") == "failed: the revoked token still works"


def test_a_login_that_outlives_its_lease_fails(
    vault_server: VaultServer, shop: ApplicationProof, api: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.vault.access_checks, "REVOCATION_SECONDS", 0.3)
    make_role(api, "readonly", creation_statements(Access.READONLY, "public"), ("SELECT 1;",))
    try:
        reason = failed_only(proven(vault_server, shop), "revoked")
    finally:
        make_role(api, "readonly", creation_statements(Access.READONLY, "public"))
    assert reason == "failed: a revoked login of database/readonly still works"


def test_no_row_holds_a_secret(vault_server: VaultServer, shop: ApplicationProof, api: Call) -> None:
    values = [*api("get", "kv/data/shop/site")["data"]["data"].values()]
    broken = replace(shop, database_roles=(shop.database_roles[0]._replace(database="missing"),))
    text = json.dumps([proven(vault_server, one).columns for one in (shop, broken)])
    assert "failed" in text
    assert len(values) == 1
    assert all(value not in text for value in values)


def test_seeding_never_replaces_a_value(vault_server: VaultServer, shop: ApplicationProof, api: Call) -> None:
    before = api("get", "kv/data/shop/site")["data"]
    fresh = SecretPath("kv", "shop/fresh")
    assert seed_secrets(vault_server.client, {SecretPath("kv", "shop/site"): ["other"], fresh: ["a", "b"]}) == [fresh]
    assert api("get", "kv/data/shop/site")["data"] == before
    made = api("get", "kv/data/shop/fresh")["data"]["data"]
    assert sorted(made) == ["a", "b"]
    assert len({*made.values()}) == 2
    with pytest.raises(EstateError, match=r"^secret nowhere/x: "):
        seed_secrets(vault_server.client, {SecretPath("nowhere", "x"): ["a"]})


def test_a_secret_id_is_wrapped_and_opens_once(vault_server: VaultServer, shop: ApplicationProof, api: Call) -> None:
    wrapped = issue_secret_id(vault_server.client, "approle", "shop", wrap_ttl_seconds=90)
    assert (wrapped.ttl_seconds, wrapped.creation_path) == (90, "auth/approle/role/shop/secret-id")
    assert wrapped.token not in repr(wrapped)
    assert "secret_id" in api("post", "sys/wrapping/unwrap", {"token": wrapped.token})["data"]
    with pytest.raises(Exception, match="wrapping token is not valid"):
        api("post", "sys/wrapping/unwrap", {"token": wrapped.token})
    with pytest.raises(EstateError, match=r"^secret-id: role 'nobody' of auth/approle: "):
        issue_secret_id(vault_server.client, "approle", "nobody", wrap_ttl_seconds=90)
