"""The real engine with the fake providers: up, up again, refresh, drift, import, a fault, destroy; on small programs.

The estate's own stacks are tried by the tests beside this folder.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hvac
import pulumi
import pulumi_hcloud as hcloud
import pulumi_vault as vault
import pytest
from pulumi import automation

from fake_providers.attach import attach, attach_apart
from tests.engine.fake_providers.filling import asked, write
from tests.support.faults import Fault, faulty
from tests.support.programs import changes, trial_stack
from tests.support.servers import VaultServer

READ = 'path "secret/data/app/*" {\n  capabilities = ["read"]\n}\n'
CANARY = "-".join(("canary", "of", "this", "test"))


def provider(server: VaultServer, address: pulumi.Input[str] | None = None) -> pulumi.ResourceOptions:
    """An explicit provider that logs in with the administrator's certificate."""
    login = vault.ProviderAuthLoginCertArgs(
        cert_file=str(server.admin_certificate), key_file=str(server.admin_key), name="administrator", mount="cert"
    )
    made = vault.Provider(
        "vault",
        address=address or server.address,
        ca_cert_file=str(server.ca_file),
        auth_login_cert=login,
        skip_child_token=True,
    )
    return pulumi.ResourceOptions(provider=made)


def contents(server: VaultServer, policy: str = READ, imported: str | None = None) -> Callable[[], None]:
    """A program with one of each shape of object."""

    def program() -> None:
        options = provider(server)
        mount = vault.Mount("mount", path="program", type="kv", options={"version": "2"}, opts=options)
        vault.kv.SecretBackendV2("settings", mount=mount.path, max_versions=3, opts=options)
        approle = vault.AuthBackend("approle", path="program-approle", type="approle", opts=options)
        role = vault.approle.AuthBackendRole(
            "role",
            backend=approle.path,
            role_name="app",
            token_policies=["app"],
            token_ttl=600,
            secret_id_ttl=3600,
            opts=options,
        )
        vault.Policy("policy", name="app", policy=policy, opts=options)
        vault.generic.Endpoint(
            "value",
            path=pulumi.Output.concat(mount.path, "/data/app/first"),
            data_json=pulumi.Output.secret(f'{{"data": {{"value": "{CANARY}"}}}}'),
            disable_read=True,
            disable_delete=True,
            opts=options,
        )
        if imported:
            adopted = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(import_=imported))
            vault.Policy("adopted", name=imported, policy=policy, opts=adopted)
        pulumi.export("role", role.role_id)
        pulumi.export("accessor", mount.accessor)

    return program


def held(client: hvac.Client, path: str) -> dict[str, Any]:
    """What the server has; it must have something."""
    found = asked(client, path)
    assert found is not None
    return found


def test_up_refresh_drift_import_destroy(tmp_path: Path, vault_server: VaultServer) -> None:
    client = vault_server.client
    with (
        attach_apart(["vault"]) as attached,
        trial_stack(tmp_path, attached, contents(vault_server)) as run,
    ):
        made = run.up()
        assert changes(made) == {"create": 8}
        assert made.outputs["role"].value == held(client, "auth/program-approle/role/app/role-id")["role_id"]
        (state,) = (tmp_path / ".pulumi" / "stacks").rglob("one.json")
        assert CANARY not in state.read_text()
        assert changes(run.up()) == {}
        assert changes(run.refresh()) == {}

        write(client, "sys/policies/acl/app", {"policy": READ.replace("read", "list")})
        write(client, "auth/program-approle/role/app", {"secret_id_ttl": 0})
        assert changes(run.refresh()) == {"update": 2}
        assert changes(run.up()) == {"update": 2}
        assert held(client, "sys/policies/acl/app")["policy"] == READ

        client.adapter.delete("/v1/sys/policies/acl/app")
        assert changes(run.refresh()) == {"delete": 1}
        assert changes(run.up()) == {"create": 1}

        write(client, "sys/policies/acl/adopted", {"policy": READ})
        with trial_stack(tmp_path, attached, contents(vault_server, imported="adopted")) as adopting:
            assert changes(adopting.up()) == {"import": 1}
            assert changes(adopting.up()) == {}
            assert changes(adopting.destroy()) == {"delete": 9}
    for path in ("sys/mounts/program", "sys/auth/program-approle", "sys/policies/acl/app", "sys/policies/acl/adopted"):
        assert asked(client, path) is None


def test_an_address_that_isnt_known_yet_previews(tmp_path: Path, vault_server: VaultServer) -> None:
    def program() -> None:
        cloud = pulumi.ResourceOptions(provider=hcloud.Provider("cloud", token="none"))
        machine = hcloud.Server("machine", server_type="cx22", image="debian-12", opts=cloud)
        options = provider(vault_server, pulumi.Output.concat("https://", machine.ipv4_address, ":8200"))
        mount = vault.Mount("mount", path="later", type="kv", opts=options)
        vault.Policy("policy", name="later", policy=pulumi.Output.concat("# ", mount.accessor), opts=options)

    with (
        attach(["vault", "hcloud"]) as attached,
        trial_stack(tmp_path, attached, program) as run,
    ):
        planned = run.preview()
        assert {str(kind): count for kind, count in planned.change_summary.items()} == {"create": 6}
    assert asked(vault_server.client, "sys/mounts/later") is None


def test_a_fault_is_said_and_the_next_up_goes_on(tmp_path: Path, vault_server: VaultServer) -> None:
    def program() -> None:
        vault.Policy("policy", name="late", policy=READ, opts=provider(vault_server))

    with (
        attach(["vault"]) as providers,
        faulty(providers, [Fault(package="vault")]) as attached,
        trial_stack(tmp_path, attached, program) as run,
    ):
        with pytest.raises(automation.CommandError, match="Create number 1 failed as ordered"):
            run.up()
        assert changes(run.up()) == {"create": 1}
        assert changes(run.destroy()) == {"delete": 3}


def test_a_lost_plugin_leaves_what_it_made(tmp_path: Path, vault_server: VaultServer) -> None:
    def program() -> None:
        vault.Mount("mount", path="orphan", type="kv", opts=provider(vault_server))

    with (
        attach(["vault"]) as providers,
        faulty(providers, [Fault(package="vault", kind="drop", after=True)]) as attached,
        trial_stack(tmp_path, attached, program) as run,
        pytest.raises(automation.CommandError),
    ):
        run.up()
    assert held(vault_server.client, "sys/mounts/orphan")["type"] == "kv"
    with (
        attach(["vault"]) as attached,
        trial_stack(tmp_path, attached, program) as run,
        pytest.raises(automation.CommandError, match="path is already in use at orphan/"),
    ):
        run.up()
