"""A program of another project: secrets, a login, database credentials and certificates for one application, `shop`."""

import pulumi
from pulumi_vault_estate import vault
from pulumi_vault_estate.render import acl

config = pulumi.Config()
address, port = config.require("address"), config.require_int("postgresPort")
provider = vault.administrator_provider(
    "vault",
    address=address,
    ca_certificate_file=config.require("authorityFile"),
    certificate_file=config.require("certificateFile"),
    private_key_file=config.require("privateKeyFile"),
)
opts = pulumi.ResourceOptions(providers=[provider])

vault.KvMount("kv", vault.KvMountArgs(path="secret"), opts)

main = vault.DatabaseConnection(host="127.0.0.1", port=port, database="app", username="vault_root", ssl_mode="disable")
reader = vault.DatabaseRole(connection="main", access="readonly")
database = vault.Database(connections={"main": main}, roles={"shop-reader": reader})
passwords = {"main": config.require_secret("postgresPassword")}
vault.PostgresEngine("database", vault.PostgresEngineArgs(database=database, passwords=passwords), opts)

issued = vault.PkiRole(allowed_domains=("shop.internal",))
pki = vault.Pki(common_name="Shop", organization="Shop", roles={"shop": issued})
authority = vault.PkiEngine("pki", vault.PkiEngineArgs(pki=pki, address=address), opts)

credentials = acl.database_credentials("database", "shop-reader")
rules = acl.kv_read("secret", "shop") + credentials + acl.pki_issue("pki_int", "shop")
shop = acl.AclPolicy(name="shop", rules=rules)
policies = vault.AclPolicies("policies", vault.AclPoliciesArgs(policies={"shop": shop}), opts)
logins = vault.AppRoleAuthArgs(logins={"shop": vault.AppRoleLogin()}, token_policies={"shop": [policies.names["shop"]]})
vault.AppRoleAuth("approle", logins, opts)

pulumi.export("root_certificate", authority.root_certificate)
