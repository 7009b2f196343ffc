"""The pack under the real engine, on a real server: what it blocks isn't made, what is unknown waits for `up`.

Not proven here: each rule's cases (see `test_rules.py`), nor packs run by a Python language host.
"""

import gc
import sys
from collections.abc import Callable
from pathlib import Path

import pulumi
import pulumi_vault as vault
import pytest
import yaml

from fake_providers.attach import attach
from ops.console import Console
from ops.engine import finding
from ops.engine.environment import Backend, environment
from ops.engine.listening import Changes
from ops.engine.operations import Operation, opened
from ops.errors import EstateError
from policies.rules.data_holding_is_protected import VARIABLE
from tests.support.servers import VaultServer, call

# The engine stops a refused program half-way; the SDK's coroutine then dies outside of its event loop and complains.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <coroutine object run_:pytest.PytestUnraisableExceptionWarning"
)

PACK = Path(__file__).parents[2] / "policies"
READING = 'path "secret/data/app/*" {\n  capabilities = ["read"]\n}\n'
EVERYTHING = 'path "*" {\n  capabilities = ["read"]\n}\n'

Operate = Callable[[Callable[[vault.Provider], object], Operation], Changes]


@pytest.fixture
def operate(tmp_path: Path, vault_server: VaultServer) -> Operate:
    """Run one operation of the engine on a program, with the pack and with settings that say protect."""
    project, state = tmp_path / "project", tmp_path / "state"
    project.mkdir()
    state.mkdir()
    (project / "Pulumi.yaml").write_text("name: vault-estate\nruntime: python\nmain: .\n")
    stack_file = {"config": {"vault-estate:estate": {"protect": True}}}
    (project / "Pulumi.test.yaml").write_text(yaml.safe_dump(stack_file))
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("only for this test")
    console = Console(as_json=True)
    backend = Backend(state=state, passphrase_file=passphrase)

    def run(program: Callable[[vault.Provider], object], operation: Operation) -> Changes:
        def inline() -> None:
            login = vault.ProviderAuthLoginCertArgs(
                cert_file=str(vault_server.admin_certificate),
                key_file=str(vault_server.admin_key),
                name="administrator",
            )
            program(
                vault.Provider(
                    "vault",
                    address=vault_server.address,
                    ca_cert_file=str(vault_server.ca_file),
                    auth_login_cert=login,
                    skip_child_token=True,
                )
            )

        with attach(["vault"]) as attached:
            engine = finding.find(console.say)
            variables = environment(engine, backend, tmp_path / "shims", attached)
            with (
                opened(
                    name="test",
                    project=project,
                    engine=engine,
                    variables=variables,
                    copies=tmp_path / "copies",
                    policy_pack=PACK,
                    inline=inline,
                ) as stack,
                console.stage(operation) as steps,
            ):
                try:
                    return stack.operate(operation, steps)
                finally:
                    gc.collect()  # in this test, not in whichever comes next

    return run


def policy(name: str, text: pulumi.Input[str], provider: vault.Provider) -> vault.Policy:
    return vault.Policy(name, name=name, policy=text, opts=pulumi.ResourceOptions(provider=provider))


def acl_policies(server: VaultServer) -> set[str]:
    return set(call(server.client, "LIST", "sys/policies/acl")["data"]["keys"])


def test_a_clean_program_passes(operate: Operate, vault_server: VaultServer) -> None:
    def program(provider: vault.Provider) -> None:
        policy("clean", READING, provider)

    assert operate(program, "preview").counts["create"] > 0
    assert not [warning for warning in operate(program, "up").warnings if "policy" in warning]
    assert "clean" in acl_policies(vault_server)


@pytest.mark.parametrize("operation", ["preview", "up"])
def test_a_violation_stops_the_run_and_names_resource_and_fix(
    operate: Operate, vault_server: VaultServer, operation: Operation
) -> None:
    with pytest.raises(EstateError, match="acl-no-broad-wildcard") as error:
        operate(lambda provider: policy("greedy", EVERYTHING, provider), operation)
    assert "vault:index/policy:Policy 'greedy': path '*' begins with a wildcard" in str(error.value)
    assert "Grant the application's own prefix" in str(error.value)
    assert "greedy" not in acl_policies(vault_server)


def test_what_preview_cannot_know_is_said_there_and_stopped_in_up(operate: Operate, vault_server: VaultServer) -> None:
    def program(provider: vault.Provider) -> None:
        first = policy("first", READING, provider)
        policy("late", first.id.apply(lambda _: EVERYTHING), provider)

    previewed = operate(program, "preview")
    assert any("can't run policy 'acl-no-broad-wildcard'" in warning for warning in previewed.warnings)
    with pytest.raises(EstateError, match="vault:index/policy:Policy 'late': path"):
        operate(program, "up")
    # Not only the run was refused: the resource was never made, though others before it were.
    assert "late" not in acl_policies(vault_server)
    assert "first" in acl_policies(vault_server)


def test_an_unverified_provider_is_stopped_though_it_is_no_ordinary_resource(operate: Operate) -> None:
    def program(_: vault.Provider) -> None:
        login = vault.ProviderAuthLoginCertArgs(cert_file="a.crt", key_file="a.key", name="administrator")
        vault.Provider("careless", address="http://127.0.0.1:8200", auth_login_cert=login, skip_child_token=True)

    with pytest.raises(EstateError, match="pulumi:providers:vault 'careless': its address is not https"):
        operate(program, "preview")


def test_a_pack_that_is_a_program_stands_settings_of_any_size(
    operate: Operate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a folder it fails here: "argument list too long".
    config = {"vault-estate:estate": {"protect": True, "large": "x" * 200_000}}
    (tmp_path / "project" / "Pulumi.test.yaml").write_text(yaml.safe_dump({"config": config}))
    launcher = tmp_path / "vault-estate-policies"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -u -m pulumi.policy "$1" {PACK}\n')
    launcher.chmod(0o755)
    monkeypatch.setattr(sys.modules[__name__], "PACK", launcher)
    monkeypatch.setenv(VARIABLE, "true")

    def program(provider: vault.Provider) -> None:
        vault.Mount("bare", path="bare", type="kv", opts=pulumi.ResourceOptions(provider=provider))

    with pytest.raises(EstateError, match="vault:index/mount:Mount 'bare': it holds data and isn't protected"):
        operate(program, "preview")


def test_protection_is_read_from_the_stack_and_inherited_by_children(operate: Operate) -> None:
    class Holder(pulumi.ComponentResource):
        def __init__(self, provider: vault.Provider, opts: pulumi.ResourceOptions) -> None:
            super().__init__("vault-estate:index:Holder", "holder", {}, opts)
            child = pulumi.ResourceOptions(parent=self, provider=provider)
            vault.Mount("kept", path="kept", type="kv", options={"version": "2"}, opts=child)

    def bare(provider: vault.Provider) -> None:
        Holder(provider, pulumi.ResourceOptions())

    def protected(provider: vault.Provider) -> None:
        Holder(provider, pulumi.ResourceOptions(protect=True))

    with pytest.raises(EstateError, match="vault:index/mount:Mount 'kept': it holds data and isn't protected"):
        operate(bare, "preview")
    assert operate(protected, "preview").counts["create"] > 0
