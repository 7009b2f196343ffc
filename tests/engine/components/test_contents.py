"""The components of Vault's contents through the real engine onto real servers.

Proves that what the unit tests pin is taken: up, up again without a change, refresh without a change, a change that
keeps the rotated root password, drift of the lockout, destroy. The provider here is the stand-in; it runs with the
administrator's own policy. Left out: audit devices, which OpenBao takes from its server file only.
"""

from pathlib import Path
from typing import get_args

import hvac
import psycopg
import pulumi
import pulumi_vault as vault
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.render.acl import AclPolicy, kv_prefixes, kv_read, render
from components.render.administrator import administrator_policy
from components.render.sql import Access
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.approle import AppRole, AppRoleAuth, AppRoleAuthArgs, AppRoleLogin
from components.vault.audit import TraceHeaders, TraceHeadersArgs
from components.vault.database import (
    Database,
    DatabaseConnection,
    DatabaseRole,
    DatabaseStaticRole,
    PostgresEngine,
    PostgresEngineArgs,
)
from components.vault.jwt import Jwt, JwtAuth, JwtAuthArgs, JwtLogin
from components.vault.kubernetes import Kubernetes, KubernetesAuth, KubernetesAuthArgs, KubernetesLogin
from components.vault.kv import KvMount, KvMountArgs, KvOptions
from components.vault.password_policies import PasswordPolicies, PasswordPoliciesArgs, PasswordPolicy
from components.vault.pki import Pki, PkiEngine, PkiEngineArgs, PkiRole
from components.vault.quotas import LoginLimit, RateLimit, RateLimits, RateLimitsArgs
from components.vault.transit import Transit, TransitEngine, TransitEngineArgs, TransitKey
from components.vault.userpass import Userpass, UserpassAuth, UserpassAuthArgs
from fake_providers.attach import attach_apart
from tests.support.programs import changes, trial_stack
from tests.support.servers import PostgresServer, VaultServer

FIRST_PASSWORD = "-".join(("first", "password", "of", "the", "engine"))


def _public_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


PUBLIC_KEY = _public_key()


class Program:
    """Everything that OpenBao takes; `open_connections` is the field that a later run changes."""

    def __init__(self, server: VaultServer, postgres: PostgresServer) -> None:
        self.open_connections = 4
        self._server = server
        self._postgres = postgres

    def __call__(self) -> None:
        provider = vault.Provider(
            "vault",
            address=self._server.address,
            ca_cert_file=str(self._server.ca_file),
            auth_login_cert=vault.ProviderAuthLoginCertArgs(
                cert_file=str(self._server.admin_certificate),
                key_file=str(self._server.admin_key),
                name="administrator",
            ),
            skip_child_token=True,
        )
        options = pulumi.ResourceOptions(providers=[provider])
        self._logins(options)
        self._engines(options)

    def _logins(self, options: pulumi.ResourceOptions) -> None:
        policy = AclPolicy(name="app", prefixes=kv_prefixes("apps", "app"), rules=kv_read("apps", "app/*"))
        AclPolicies("policies", AclPoliciesArgs(policies={"app": policy}), options)
        token_policies = {"app": ("app",)}
        machines = AppRoleAuthArgs(
            approle=AppRole(path="machines"),
            logins={"app": AppRoleLogin(bound_cidrs=("127.0.0.1/32", "10.0.0.0/8"))},
            token_policies=token_policies,
        )
        auth = AppRoleAuth("machines", machines, options)
        pods = KubernetesAuthArgs(
            kubernetes=Kubernetes(host="https://127.0.0.1:6443"),
            ca_certificate=self._server.ca_file.read_text(encoding="ascii"),
            logins={"app": KubernetesLogin(service_account="app", namespace="prod")},
            token_policies=token_policies,
        )
        KubernetesAuth("pods", pods, options)
        claims = {"repository": ("org/app", "org/lib"), "ref": ("refs/heads/main",)}
        jobs = JwtAuthArgs(
            jwt=Jwt(bound_issuer="https://forge.internal", jwt_validation_pubkeys=(PUBLIC_KEY,)),
            logins={"app": JwtLogin(audience="vault", claims=claims)},
            token_policies=token_policies,
        )
        JwtAuth("jobs", jobs, options)
        UserpassAuth("people", UserpassAuthArgs(userpass=Userpass(path="people")), options)
        limits = RateLimitsArgs(
            limits={"everything": RateLimit(rate=1000), "machines": RateLimit(path="sys", rate=500, interval=2)},
            logins={"app": LoginLimit(block_interval=3)},
            auth_path="machines",
            answers=True,
        )
        after = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[auth]))
        RateLimits("limits", limits, after)
        TraceHeaders("trace-headers", TraceHeadersArgs(), options)

    def _engines(self, options: pulumi.ResourceOptions) -> None:
        kept = KvOptions(max_versions=1_000, delete_version_after=3600)
        KvMount("apps", KvMountArgs(path="apps", options=kept), options)
        rules = PasswordPoliciesArgs(policies={"postgres": PasswordPolicy(length=40)})
        policies = PasswordPolicies("passwords", rules, options)
        database = Database(
            path="sql",
            connections={
                "main": DatabaseConnection(
                    host=self._postgres.host,
                    port=self._postgres.port,
                    database="app",
                    username="engine_login",
                    ssl_mode="disable",
                    password_policy="postgres",
                    max_open_connections=self.open_connections,
                )
            },
            roles={access: DatabaseRole(connection="main", access=access) for access in get_args(Access)},
            static_roles={"legacy": DatabaseStaticRole(connection="main", username="engine_legacy")},
        )
        named = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[policies]))
        PostgresEngine("sql", PostgresEngineArgs(database=database, passwords={"main": FIRST_PASSWORD}), named)
        keys = {
            "data": TransitKey(deletion_allowed=True),
            "searchable": TransitKey(deletion_allowed=True, derived=True, convergent=True),
        }
        TransitEngine("crypto", TransitEngineArgs(transit=Transit(path="crypto", keys=keys)), options)
        pki = Pki(
            common_name="Tried",
            organization="Tried Org",
            roles={
                "services": PkiRole(allowed_domains=("svc.internal",)),
                "mtls": PkiRole(allowed_domains=("m.internal",), client=True),
            },
        )
        authority = PkiEngine("ca", PkiEngineArgs(pki=pki, address=self._server.address), options)
        pulumi.export("root", authority.root_certificate)


@pytest.fixture
def program(vault_server: VaultServer, postgres_server: PostgresServer) -> Program:
    """The program, a login for it in PostgreSQL, and the administrator cut down to the policy of the bootstrap."""
    owner = postgres_server.dsn(postgres_server.root_username, postgres_server.root_password, "app")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE items (id serial PRIMARY KEY, name text)")
        connection.execute(f"CREATE ROLE engine_login LOGIN CREATEROLE PASSWORD '{FIRST_PASSWORD}'")
        connection.execute("CREATE ROLE engine_legacy LOGIN PASSWORD 'x'")
        connection.execute("GRANT engine_legacy TO engine_login WITH ADMIN OPTION")
        connection.execute("GRANT USAGE ON SCHEMA public TO engine_login WITH GRANT OPTION")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO engine_login WITH GRANT OPTION")
        connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO engine_login WITH GRANT OPTION")
    return Program(vault_server, postgres_server)


def _session(client: hvac.Client, postgres: PostgresServer, role: str) -> None:
    leased = client.adapter.get(f"/v1/sql/creds/{role}")["data"]
    with psycopg.connect(postgres.dsn(leased["username"], leased["password"], "app")) as session:
        session.execute("SELECT count(*) FROM items")


def test_up_again_refresh_change_drift_destroy(
    tmp_path: Path, program: Program, vault_server: VaultServer, postgres_server: PostgresServer
) -> None:
    root = hvac.Client(url=vault_server.address, verify=str(vault_server.ca_file))
    root.token = vault_server.client.auth.token.create(policies=["everything"], ttl="30m")["auth"]["client_token"]
    everything = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
    vault_server.client.sys.create_or_update_policy("everything", everything)
    vault_server.client.sys.create_or_update_policy("administrator", render(administrator_policy()))

    with attach_apart(["vault"]) as attached, trial_stack(tmp_path, attached, program) as run:
        made = run.up()
        assert made.outputs["root"].value.startswith("-----BEGIN CERTIFICATE-----")
        assert changes(run.up()) == {}
        assert changes(run.refresh()) == {}
        assert changes(run.up()) == {}
        (state,) = (tmp_path / ".pulumi" / "stacks").rglob("one.json")
        assert FIRST_PASSWORD not in state.read_text()

        _session(root, postgres_server, "readonly")
        program.open_connections = 7
        assert changes(run.up()) == {"update": 1}
        assert root.adapter.get("/v1/sql/config/main")["data"]["connection_details"]["max_open_connections"] == 7
        _session(root, postgres_server, "readwrite")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(postgres_server.dsn("engine_login", FIRST_PASSWORD, "app"))

        certificate = root.adapter.post("/v1/pki_int/issue/services", json={"common_name": "a.svc.internal"})["data"]
        assert certificate["ca_chain"]

        loosened = {"user_lockout_config": {"lockout_threshold": "99"}}
        root.adapter.post("/v1/sys/auth/people/tune", json=loosened)
        assert changes(run.refresh()) == {"update": 1}
        assert changes(run.up()) == {"update": 1}
        assert root.adapter.get("/v1/sys/auth/people/tune")["data"]["user_lockout_threshold"] == 5

        run.destroy()
    mounts = root.adapter.get("/v1/sys/mounts")["data"]
    assert not {"apps/", "sql/", "crypto/", "pki/", "pki_int/"} & mounts.keys()
    assert not {"machines/", "pods/", "jobs/", "people/"} & root.adapter.get("/v1/sys/auth")["data"].keys()
