"""A program of another project: secrets, a login, database credentials and certificates for one application, `shop`."""

import pulumi
import pulumi_vault
from pulumi_vault_estate.render.acl import AclPolicy, database_credentials, kv_read, pki_issue
from pulumi_vault_estate.vault import (
    AclPolicies,
    AclPoliciesArgs,
    AppRoleAuth,
    AppRoleAuthArgs,
    AppRoleLogin,
    Database,
    DatabaseConnection,
    DatabaseRole,
    KvMount,
    KvMountArgs,
    Pki,
    PkiEngine,
    PkiEngineArgs,
    PkiRole,
    PostgresEngine,
    PostgresEngineArgs,
)

config = pulumi.Config()
address = config.require("address")
administrator = pulumi_vault.ProviderAuthLoginCertArgs(
    cert_file=config.require("certificateFile"), key_file=config.require("privateKeyFile"), name="administrator"
)
provider = pulumi_vault.Provider(
    "vault",
    address=address,
    ca_cert_file=config.require("authorityFile"),
    auth_login_cert=administrator,
    skip_child_token=True,
)
opts = pulumi.ResourceOptions(providers=[provider])

KvMount("kv", KvMountArgs(path="secret"), opts)

main = DatabaseConnection(
    host="127.0.0.1", port=config.require_int("postgresPort"), database="app", username="vault_root", ssl_mode="disable"
)
reader = DatabaseRole(connection="main", access="readonly")
database = Database(connections={"main": main}, roles={"shop-reader": reader})
passwords = {"main": config.require_secret("postgresPassword")}
PostgresEngine("database", PostgresEngineArgs(database=database, passwords=passwords), opts)

pki = Pki(common_name="Shop", organization="Shop", roles={"shop": PkiRole(allowed_domains=("shop.internal",))})
authority = PkiEngine("pki", PkiEngineArgs(pki=pki, address=address), opts)

rules = kv_read("secret", "shop") + database_credentials("database", "shop-reader") + pki_issue("pki_int", "shop")
policies = AclPolicies("policies", AclPoliciesArgs(policies={"shop": AclPolicy(name="shop", rules=rules)}), opts)
logins = AppRoleAuthArgs(logins={"shop": AppRoleLogin()}, token_policies={"shop": [policies.names["shop"]]})
AppRoleAuth("approle", logins, opts)

pulumi.export("root_certificate", authority.root_certificate)
