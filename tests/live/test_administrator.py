"""The administrator's ACL policy on a real server: enough to build the estate, and no more.

The calls are those of pulumi-vault (read from terraform-provider-vault's source), made with a token that has only this
policy. Doesn't prove Vault's own flavour: the server is OpenBao.
"""

from collections.abc import Callable, Iterator
from typing import Any

import hvac
import pytest
from hvac.exceptions import Forbidden

from components.platform import readiness
from components.render.acl import AclPolicy, kv_prefixes, kv_read, kv_write, render
from components.render.administrator import administrator_policy
from tests.support.servers import VaultServer

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def root(vault_server: VaultServer) -> hvac.Client:
    """May do everything; makes the tokens."""
    return vault_server.client


def token_with(root: hvac.Client, server: VaultServer, policy: AclPolicy) -> hvac.Client:
    """A client that has this policy and `default`."""
    root.sys.create_or_update_policy(policy.name, render(policy))
    made = root.auth.token.create(policies=[policy.name], no_parent=True, ttl="10m")
    return hvac.Client(url=server.address, verify=str(server.ca_file), token=made["auth"]["client_token"])


@pytest.fixture(scope="module")
def administrator(root: hvac.Client, vault_server: VaultServer) -> hvac.Client:
    """Has the administrator's policy under another name, so that the bootstrap's own isn't touched."""
    return token_with(root, vault_server, administrator_policy(name="tried-administrator"))


def call(client: hvac.Client, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request by its API path."""
    headers = {"Content-Type": "application/merge-patch+json"} if method == "patch" else None
    return client.adapter.request(method, f"/v1/{path}", json=body, headers=headers)


def test_it_can_build_and_remove_every_kind_of_thing(administrator: hvac.Client) -> None:
    def do(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return call(administrator, method, path, body)

    do("get", "sys/mounts")
    do("get", "sys/auth")
    do("get", "sys/audit")
    for path, kind in (("kv", "kv"), ("crypto", "transit"), ("ca", "pki"), ("ca_int", "pki"), ("sql", "database")):
        options = {"version": "2"} if kind == "kv" else {}
        do("post", f"sys/mounts/{path}", {"type": kind, "options": options, "config": {"max_lease_ttl": 315360000}})
        do("get", f"sys/mounts/{path}/tune")
        do("post", f"sys/mounts/{path}/tune", {"description": "tried"})
    do("post", "kv/config", {"max_versions": 5})
    do("get", "kv/config")
    do("post", "crypto/keys/key", {"type": "aes256-gcm96"})
    do("post", "crypto/keys/key/config", {"deletion_allowed": True})
    do("get", "crypto/keys/key")
    _certificates(do)
    for path in ("approle", "kubernetes", "jwt", "userpass"):
        do("post", f"sys/auth/tried-{path}", {"type": path})
        do("get", f"sys/auth/tried-{path}/tune")
        do("post", f"sys/auth/tried-{path}/tune", {"description": "tried"})
    do("post", "auth/tried-userpass/users/ada", {"password": "one-time", "token_ttl": 60})
    do("get", "auth/tried-userpass/users/ada")
    do("delete", "auth/tried-userpass/users/ada")
    _people(do)
    do("post", "auth/tried-approle/role/app", {"secret_id_ttl": 60})
    do("get", "auth/tried-approle/role/app/role-id")
    do("delete", "auth/tried-approle/role/app")
    text = 'length = 20\nrule "charset" { charset = "abcdefghij" }'
    for path, body in (
        ("sys/policies/acl/tried", {"policy": 'path "a" { capabilities = ["read"] }'}),
        ("sys/policies/password/tried", {"policy": text}),
        ("sys/quotas/rate-limit/tried", {"rate": 5, "path": "kv/"}),
        ("sys/config/auditing/request-headers/traceparent", {"hmac": False}),
    ):
        do("put", path, body)
        do("get", path)
        do("delete", path)
    do("delete", "crypto/keys/key")
    for path in ("kv", "crypto", "ca", "ca_int", "sql"):
        do("delete", f"sys/mounts/{path}")
    for path in ("approle", "kubernetes", "jwt", "userpass"):
        do("delete", f"sys/auth/tried-{path}")
    assert not {"kv/", "crypto/", "ca/", "ca_int/", "sql/"} & set(do("get", "sys/mounts")["data"])
    assert not [path for path in do("get", "sys/auth")["data"] if path.startswith("tried-")]


def _people(do: Call) -> None:
    accessor = do("get", "sys/auth")["data"]["tried-userpass/"]["accessor"]
    ada = do("post", "identity/entity", {"name": "ada"})["data"]["id"]
    alias = {"name": "ada", "mount_accessor": accessor}
    of_ada = do("post", "identity/entity-alias", {**alias, "canonical_id": ada})["data"]["id"]
    team = do("post", "identity/group", {"name": "team", "type": "external"})["data"]["id"]
    of_team = do("post", "identity/group-alias", {**alias, "name": "team", "canonical_id": team})["data"]["id"]
    do("post", "identity/lookup/entity", {"name": "ada"})
    assert ada in do("list", "identity/entity/id")["data"]["keys"]
    do("post", "identity/lookup/group", {"name": "team"})
    for path in (
        f"identity/group-alias/id/{of_team}",
        f"identity/group/id/{team}",
        f"identity/entity-alias/id/{of_ada}",
        f"identity/entity/id/{ada}",
    ):
        do("get", path)
        do("delete", path)


def _certificates(do: Call) -> None:
    root = do("post", "ca/issuers/generate/root/internal", {"common_name": "Root", "key_type": "ec"})["data"]
    request = do("post", "ca_int/intermediate/generate/internal", {"common_name": "Int", "key_type": "ec"})["data"]
    signing = {"csr": request["csr"], "common_name": "Int"}
    signed = do("post", "ca/issuer/default/sign-intermediate", signing)["data"]
    do("post", "ca/root/sign-intermediate", signing)
    imported = do("post", "ca_int/intermediate/set-signed", {"certificate": signed["certificate"]})["data"]
    do("get", f"ca_int/issuer/{imported['imported_issuers'][0]}")
    for path, body in (
        ("config/urls", {"issuing_certificates": ["https://v/v1/ca/ca"]}),
        ("config/crl", {"expiry": "259200s", "auto_rebuild": True}),
        ("config/auto-tidy", {"enabled": True, "tidy_cert_store": True}),
        ("roles/services", {"allowed_domains": ["svc.internal"]}),
    ):
        do("post", f"ca_int/{path}", body)
        do("get", f"ca_int/{path}")
    do("delete", f"ca/issuer/{root['issuer_id']}")
    do("delete", f"ca/key/{root['key_id']}")


@pytest.fixture(scope="module")
def seeded(administrator: hvac.Client, root: hvac.Client) -> Iterator[str]:
    """A KV mount with one secret that the administrator wrote, a transit key and an AppRole."""
    call(administrator, "post", "sys/mounts/apps", {"type": "kv", "options": {"version": "2"}})
    call(administrator, "post", "sys/mounts/keys-of-apps", {"type": "transit"})
    call(administrator, "post", "keys-of-apps/keys/key", {"exportable": True})
    call(administrator, "post", "sys/auth/machines", {"type": "approle"})
    call(administrator, "post", "auth/machines/role/app", {"secret_id_ttl": 60})
    call(administrator, "post", "apps/data/app/secret", {"data": {"a": "b"}})
    yield "apps"
    for path in ("sys/mounts/apps", "sys/mounts/keys-of-apps", "sys/auth/machines"):
        call(root, "delete", path)


DENIED = [
    ("get", "apps/data/app/secret", None),
    ("post", "apps/data/app/secret", {"data": {"a": "overwritten"}}),
    ("delete", "apps/data/app/secret", None),
    ("delete", "apps/metadata/app/secret", None),
    ("post", "apps/metadata/app/secret", {"custom_metadata": {"a": "b"}}),
    ("patch", "apps/metadata/app/secret", {"max_versions": 1}),
    ("patch", "apps/metadata/app/secret", {"custom_metadata": {"a": "b"}, "max_versions": 1}),
    ("post", "apps/destroy/app/secret", {"versions": [1]}),
    ("post", "keys-of-apps/encrypt/key", {"plaintext": "AA=="}),
    ("post", "keys-of-apps/decrypt/key", {"ciphertext": "vault:v1:x"}),
    ("get", "keys-of-apps/export/encryption-key/key", None),
    ("get", "keys-of-apps/backup/key", None),
    ("post", "auth/machines/role/app/secret-id", {}),
    ("post", "auth/machines/role/app/custom-secret-id", {"secret_id": "chosen"}),
    ("post", "auth/token/create", {}),
    ("get", "sys/storage/raft/snapshot", None),
    ("get", "sys/storage/raft/configuration", None),
    ("post", "sys/remount", {"from": "apps", "to": "mine"}),
    ("get", "sys/config/state/sanitized", None),
    ("get", "sys/config/cors", None),
    ("put", "sys/seal", {}),
    ("put", "sys/rotate", {}),
    ("get", "sys/raw/core", None),
    ("get", "sys/plugins/catalog", None),
    ("list", "identity/oidc/key", None),
    ("post", "identity/entity/merge", {}),
    ("delete", "auth/cert/certs/administrator", None),
]


@pytest.mark.parametrize(("method", "path", "body"), DENIED, ids=[f"{method} {path}" for method, path, _ in DENIED])
def test_it_is_denied_the_rest(
    administrator: hvac.Client, seeded: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    with pytest.raises(Forbidden):
        call(administrator, method, path, body)


def test_of_several_servers_it_sees_who_votes(
    root: hvac.Client, administrator: hvac.Client, vault_server: VaultServer
) -> None:
    """What `VaultReady` reads, with the server's own names; of one server, which is enough for these."""
    path = "sys/storage/raft/autopilot/state"
    clustered = token_with(root, vault_server, administrator_policy(name="tried-clustered", clustered=True))

    state = call(clustered, "get", path)["data"]

    assert readiness._missing_voters(state, 1) == ""
    assert readiness._missing_voters(state, 3) == "to have 3 voters and bear the loss of 1 (now 1 and 0)"
    assert call(clustered, "get", "sys/storage/raft/configuration")["data"]["config"]["servers"]
    with pytest.raises(Forbidden):
        call(administrator, "get", path)
    with pytest.raises(Forbidden):
        call(clustered, "put", "sys/step-down")


def test_a_secret_id_can_be_had_wrapped(administrator: hvac.Client, seeded: str, vault_server: VaultServer) -> None:
    wrapped = administrator.adapter.request("post", "/v1/auth/machines/role/app/secret-id", json={}, wrap_ttl="60s")[
        "wrap_info"
    ]

    stranger = hvac.Client(url=vault_server.address, verify=str(vault_server.ca_file), token=wrapped["token"])
    secret_id = stranger.adapter.post("/v1/sys/wrapping/unwrap")["data"]["secret_id"]
    role_id = call(administrator, "get", "auth/machines/role/app/role-id")["data"]["role_id"]
    login = stranger.auth.approle.login(role_id=role_id, secret_id=secret_id, mount_point="machines")

    assert login["auth"]["client_token"]


def test_an_application_reads_its_own_prefix_only(root: hvac.Client, seeded: str, vault_server: VaultServer) -> None:
    reader = token_with(
        root,
        vault_server,
        AclPolicy(name="tried-app", prefixes=kv_prefixes("apps", "app"), rules=kv_read("apps", "app/*")),
    )
    call(root, "post", "apps/data/application/secret", {"data": {"a": "b"}})

    assert call(reader, "get", "apps/data/app/secret")["data"]["data"] == {"a": "b"}
    assert call(reader, "list", "apps/metadata/app")["data"]["keys"] == ["secret"]
    for method, path in (
        ("get", "apps/data/application/secret"),
        ("list", "apps/metadata"),
        ("post", "apps/data/app/secret"),
        ("delete", "apps/data/app/secret"),
    ):
        with pytest.raises(Forbidden):
            call(reader, method, path, {"data": {}} if method == "post" else None)


def test_an_application_writes_but_destroys_nothing(root: hvac.Client, seeded: str, vault_server: VaultServer) -> None:
    writer = token_with(root, vault_server, AclPolicy(name="tried-writer", rules=kv_write("apps", "app/written")))

    call(writer, "post", "apps/data/app/written", {"data": {"a": "1"}})
    call(writer, "post", "apps/data/app/written", {"data": {"a": "2"}})
    assert call(writer, "get", "apps/data/app/written")["data"]["metadata"]["version"] == 2
    for method, path in (("delete", "apps/data/app/written"), ("delete", "apps/metadata/app/written")):
        with pytest.raises(Forbidden):
            call(writer, method, path)
