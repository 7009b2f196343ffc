"""What holds for every component of Vault's contents: graph, parents, secrecy, options, cost.

Doesn't prove that a server accepts any of it; `tests/live` and `tests/engine` do.
"""

import dataclasses
import gc
import importlib
import time
from pkgutil import iter_modules

import pulumi
import pulumi_vault as vault
import pytest

import components.vault as contents
from components.render.acl import AclPolicy, kv_read
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.approle import AppRoleAuth, AppRoleAuthArgs, AppRoleLogin
from tests.support.contents import CANARY, everything
from tests.support.declare import Secret, declare, plain_strings, secret_paths

COMPONENTS = {
    "AclPolicies": 1,
    "AppRoleAuth": 3,
    "AuditDevices": 2,
    "JwtAuth": 2,
    "KubernetesAuth": 3,
    "KvMount": 2,
    "OidcAuth": 2,
    "PasswordPolicies": 1,
    "PeopleInVault": 8,
    "PkiEngine": 13,
    "PostgresEngine": 5,
    "RaftAutopilot": 1,
    "RateLimits": 2,
    "TenantsAuth": 3,
    "TraceHeaders": 2,
    "TransitEngine": 2,
    "UserpassAuth": 2,
}
"""Children of each component in `everything`."""

HOLDING_DATA = {
    "estate-database-connection-main",
    "estate-database-mount",
    "estate-kv-mount",
    "estate-pki-intermediate-mount",
    "estate-pki-root-certificate",
    "estate-pki-root-mount",
    "estate-transit-key-data-encryption-key",
    "estate-transit-mount",
}
"""Children that something is lost with for good."""


def test_a_preview_declares_the_same_graph_as_an_update() -> None:
    update, preview = declare(everything), declare(everything, preview=True)

    assert preview.names() == update.names()
    assert len(update.names()) == len(COMPONENTS) + sum(COMPONENTS.values())


def test_every_resource_is_below_the_component_that_owns_it() -> None:
    declared = declare(everything)
    components = {record.urn: record.type for record in declared.records if not record.custom}
    children = [record for record in declared.records if record.custom]

    counted = dict.fromkeys(COMPONENTS, 0)
    for child in children:
        counted[components[child.parent].removeprefix("vault-estate:index:")] += 1
        parent = next(record for record in declared.records if record.urn == child.parent)
        assert child.name.startswith(f"{parent.name}-")
    assert counted == COMPONENTS


def test_every_component_registers_its_outputs() -> None:
    declared = declare(everything)

    assert {record.name: sorted(declared.outputs[record.urn]) for record in declared.records if not record.custom} == {
        "estate-approle": ["path", "role_ids"],
        "estate-audit": [],
        "estate-autopilot": [],
        "estate-database": ["mount_path"],
        "estate-jwt": ["path"],
        "estate-tenants": ["path"],
        "estate-kubernetes": ["path"],
        "estate-kv": ["mount_path"],
        "estate-limits": [],
        "estate-oidc": ["accessor", "path"],
        "estate-passwords": ["names"],
        "estate-people": [],
        "estate-pki": ["intermediate_path", "root_certificate", "root_path"],
        "estate-policies": ["names"],
        "estate-transit": ["mount_path"],
        "estate-trace-headers": [],
        "estate-userpass": ["accessor", "path"],
    }


def _argument_types() -> list[type]:
    modules = [importlib.import_module(f"components.vault.{module.name}") for module in iter_modules(contents.__path__)]
    values = [value for module in modules for value in vars(module).values()]
    found = {value for value in values if isinstance(value, type) and dataclasses.is_dataclass(value)}
    return sorted(
        (one for one in found if one.__module__.startswith("components.vault.")), key=lambda one: one.__qualname__
    )


@pytest.mark.parametrize("arguments", _argument_types())
def test_arguments_are_frozen_and_named(arguments: type) -> None:
    parameters = arguments.__dataclass_params__  # type: ignore[attr-defined]  # dataclasses give no public way

    assert parameters.frozen
    assert all(field.kw_only for field in dataclasses.fields(arguments))


def test_two_instances_in_one_program_do_not_collide() -> None:
    def twice() -> None:
        everything("blue")
        everything("green")

    declared = declare(twice)

    assert len({record.urn for record in declared.records}) == len(declared.records)
    assert len(declared.records) == 2 * len(declare(everything).records)


def test_no_name_is_used_twice_whatever_its_type() -> None:
    names = [record.name for record in declare(everything).records]

    assert len(names) == len(set(names))


def test_no_mount_is_given_a_namespace_and_a_path() -> None:
    """Both together broke the provider's read after create. Namespaces belong to the provider."""
    records = declare(everything).records

    assert [record.name for record in records if "namespace" in record.inputs] == []
    mounts = [record for record in records if record.type.endswith((":AuthBackend", ":Mount"))]
    assert len(mounts) == 11
    assert all(record.inputs["path"] for record in mounts)


def test_nothing_is_looked_up_or_called() -> None:
    declared = declare(everything)

    assert declared.calls == ()
    assert not [record for record in declared.records if record.read]


@pytest.mark.parametrize("preview", [False, True])
def test_a_planted_password_stands_nowhere_in_plain(preview: bool) -> None:
    declared = declare(everything, preview=preview)

    assert [place for place, text in plain_strings(declared) if CANARY in text] == []
    assert Secret(CANARY) in [
        record.inputs["postgresql"]["passwordWo"]
        for record in declared.records
        if "passwordWo" in secret_paths(record) or "postgresql" in record.inputs
    ]


def test_the_canary_scan_finds_what_is_not_wrapped() -> None:
    def leaks() -> None:
        vault.Mount("leak", path="kv", type="kv", description=CANARY)

    assert [text for _, text in plain_strings(declare(leaks)) if CANARY in text] == [CANARY]


def test_no_secret_id_user_or_kv_value_is_ever_a_resource() -> None:
    refused = ("SecretId", "kv/secret:", "secretV2", "token:Token", "generic/secret")

    types = {record.type for record in declare(everything).records}

    assert [type_ for type_ in types if any(part in type_ for part in refused)] == []


def test_provider_protection_and_deletion_come_from_the_caller() -> None:
    def program() -> None:
        provider = vault.Provider("given", address="https://vault.internal:8200", skip_child_token=True)
        platform = pulumi.ComponentResource("test:index:Platform", "platform")
        everything(
            opts=pulumi.ResourceOptions(providers=[provider], protect=True, deleted_with=platform),
        )

    declared = declare(program)
    platform = declared.named("platform")
    children = [record for record in declared.records if record.type.startswith("vault:")]
    components = [record for record in declared.records if record.type.startswith("vault-estate:")]

    assert len(children) == sum(COMPONENTS.values())
    for child in children:
        assert "pulumi:providers:vault::given::" in child.provider, child.name
    assert {child.name for child in children if child.options.protect} == HOLDING_DATA
    # `deleted_with` is handed down by the engine, not by the SDK (pkg/v3 resource/deploy/source_eval.go,
    # inheritFromParent), so here it can be seen on the components only; only the database's set their own: its mount.
    assert {component.options.deleted_with for component in components} == {platform.urn}
    mount = declared.named("estate-database-mount").urn
    assert {child.name: child.options.deleted_with for child in children if child.options.deleted_with} == {
        child.name: mount for child in children if "-database-" in child.name and child.urn != mount
    }


def test_what_is_an_upsert_in_vault_is_deleted_before_it_is_replaced() -> None:
    children = [record for record in declare(everything).records if record.custom]

    assert [child.name for child in children if not child.options.delete_before_replace] == []
    moved = {child.name: child.options.replace_on_changes for child in children if child.options.replace_on_changes}
    kinds = ("approle", "jwt", "kubernetes", "oidc", "tenants", "userpass")
    assert moved == {f"estate-{kind}-mount": ("path",) for kind in kinds}


def test_no_child_hides_changes_or_stays_behind() -> None:
    for record in declare(everything).records:
        assert record.options.ignore_changes == ()
        assert not record.options.retain_on_delete
        assert record.options.import_id == ""
        assert record.options.aliases == ()


def test_an_assertion_inside_a_program_is_heard() -> None:
    def program() -> None:
        vault.Mount("one", path="kv", type="kv").path.apply(_fail)

    with pytest.raises(AssertionError, match="heard"):
        declare(program)


def _fail(path: str) -> str:
    raise AssertionError(f"heard {path}")


def test_exports_keep_their_marks() -> None:
    def program() -> None:
        mount = vault.Mount("one", path="kv", type="kv")
        pulumi.export("path", mount.path)
        pulumi.export("password", pulumi.Output.secret(CANARY))

    assert declare(program).exports == {"path": "kv", "password": Secret(CANARY)}


def test_a_thousand_applications_register_in_linear_time() -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        declared = declare(lambda: _applications(count))
        assert len(declared.records) == 2 * count + 4
        return time.process_time() - started

    gc.disable()  # full collections grow with what is alive, ours or not; measured: half of the time at 1,000
    try:
        seconds(10)
        small, large = seconds(250), seconds(1000)
    finally:
        gc.enable()

    # Four times as many; six allows for a busy machine, a quadratic step would give sixteen.
    assert large < 6 * small, f"250 took {small:.2f} s and 1,000 took {large:.2f} s"


def _applications(count: int) -> None:
    names = [f"app-{index}" for index in range(count)]
    policies = {name: AclPolicy(name=name, rules=kv_read("secret", f"{name}/database")) for name in names}
    AclPolicies("policies", AclPoliciesArgs(policies=policies))
    logins, token_policies = {name: AppRoleLogin() for name in names}, {name: (name,) for name in names}
    AppRoleAuth("approle", AppRoleAuthArgs(logins=logins, token_policies=token_policies))
