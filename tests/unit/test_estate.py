"""The whole local estate under the recorder: its graph, its secrets, its options, and every grant of every application.

Doesn't prove that a server accepts any of it; `tests/live` and `tests/engine` do.
"""

import base64
import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import settings
from ops import stack_file
from ops.paths import Paths
from settings.group_policies import people_policies
from tests.support.declare import Declared, Secret, plain_strings
from tests.unit.golden import local, node
from tests.unit.render.nodes import unpacked

STACKS = sorted(path.name.split(".")[1] for path in local.ROOT.glob("Pulumi.*.yaml"))
declared_of = cache(local.declared)
"""Each takes seconds, and no test changes one."""
HOLDING = {"KvMount", "TransitEngine", "PostgresEngine", "PkiEngine"}
"""Components whose loss is a loss of data."""


@pytest.fixture(scope="module")
def update() -> Declared:
    return local.declared()


@pytest.fixture(scope="module")
def preview() -> Declared:
    return local.declared(preview=True)


def _components(declared: Declared) -> dict[str, str]:
    return {record.urn: record.type for record in declared.records if not record.custom}


def test_the_local_estate_is_the_one_agreed_on(update: Declared) -> None:
    agreed = local.FILE.read_text(encoding="utf-8").splitlines()
    now = local.text(update).splitlines()

    difference = list(difflib.unified_diff(agreed, now, "agreed", "now", n=12, lineterm=""))

    assert not difference, "\n".join([*difference[:200], f"If this is meant: {local.AGAIN}"])


def test_a_preview_declares_the_same_graph_as_an_update(update: Declared, preview: Declared) -> None:
    assert preview.names() == update.names()
    assert {record.urn: record.parent for record in preview.records} == {
        record.urn: record.parent for record in update.records
    }


def test_every_resource_is_below_a_component(update: Declared) -> None:
    components = _components(update)
    stack = "urn:pulumi:test::vault-estate::pulumi:pulumi:Stack::vault-estate-test"

    for record in update.records:
        if record.custom:
            assert record.parent in components, record.urn
        else:
            assert record.parent == stack, record.urn


def test_nothing_uses_a_default_provider(update: Declared) -> None:
    (provider,) = update.of("pulumi:providers:vault")

    for record in update.records:
        if record.type.startswith("vault:"):
            assert record.provider.startswith(f"{provider.urn}::"), record.urn


def test_no_name_is_there_twice(update: Declared) -> None:
    names = [record.name for record in update.records]
    urns = [record.urn for record in update.records]

    assert len(set(names)) == len(names)
    assert len(set(urns)) == len(urns)


def test_nothing_is_looked_up_or_called(update: Declared) -> None:
    assert update.calls == ()
    assert [record.urn for record in update.records if record.read] == []


@pytest.mark.parametrize("canary", [local.FIRST_PASSWORD, local.CONFIG_CANARY])
def test_no_planted_secret_stands_in_plain(update: Declared, preview: Declared, canary: str) -> None:
    for declared in (update, preview):
        assert [place for place, text in plain_strings(declared) if canary in text] == []


def test_the_first_password_gets_where_it_belongs(update: Declared) -> None:
    connection = update.named("database-connection-postgresql")

    assert connection.inputs["postgresql"]["passwordWo"] == Secret(local.FIRST_PASSWORD)


def test_the_dynamic_resources_capture_nothing(update: Declared) -> None:
    for name, module, code_name in (
        ("platform-ready", b"components.platform.readiness", b"_Waiting"),
        ("administrator-login", b"components.vault.administrator", b"_Keeping"),
    ):
        code = base64.b64decode(update.named(name).inputs["__provider"])

        # Named, not copied: the pickle is the name of a class, so there is nothing it could have captured.
        assert module in code
        assert code_name in code
        assert len(code) < 100


def test_private_key_files_are_named_and_never_read(update: Declared) -> None:
    assert [place for place, text in plain_strings(update) if "PRIVATE KEY" in text] == []


def test_contents_go_with_the_platform(update: Declared) -> None:
    """Components only: the engine hands `deleted_with` down, the SDK's mocks don't show that."""
    platform = update.named("platform")

    for record in update.records:
        if not record.custom and record.name != "platform":
            assert record.options.deleted_with == platform.urn, record.name
    assert platform.options.deleted_with == ""


def test_the_provider_waits_for_the_server_and_leaves_no_child_token(update: Declared) -> None:
    (provider,) = update.of("pulumi:providers:vault")

    assert provider.options.depends_on == {update.named(name).urn for name in ("platform-ready", "administrator-login")}
    assert provider.inputs["skipChildToken"] == "true"
    assert provider.options.deleted_with == ""


def test_exports_are_the_few_things_a_person_needs(update: Declared) -> None:
    assert sorted(update.exports) == ["address", "cluster_id", "root_certificate"]
    assert update.exports["address"] == "https://127.0.0.1:8200"


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_loads(stack: str) -> None:
    file = stack_file.read(Paths(project=local.ROOT), stack)

    without_base = file.settings.model_copy(update={"base": None})
    assert without_base == settings.parse(local.stack_config(stack)["vault-estate:estate"])


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_builds(stack: str) -> None:
    assert len(declared_of(stack).records) > 20


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_of_any_stack_stands_in_plain(stack: str) -> None:
    declared = declared_of(stack)
    texts = [text for _, text in plain_strings(declared)]
    for server in declared.of("hcloud:index/server:Server"):
        # Compressed, it would hide in there.
        texts += unpacked(server.inputs["userData"]).values()

    for canary in (local.FIRST_PASSWORD, local.CONFIG_CANARY, "PRIVATE KEY-----"):
        assert [text for text in texts if canary in text] == []


def test_there_is_a_local_stack() -> None:
    assert "local" in STACKS


READ = ("read",)
SEE = ("list", "read")
WRITE = ("create", "patch", "read", "update")
USE = ("update",)
WRAPPED = ("update", "wrapped")
GRANTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bike-data-flow": {
        "secret/data/bike-data-flow/development/database-url": READ,
        "secret/metadata/bike-data-flow/development/database-url": SEE,
        "secret/data/bike-data-flow/development/api-keys/provider-a": READ,
        "secret/metadata/bike-data-flow/development/api-keys/provider-a": SEE,
        "secret/data/bike-data-flow/development/api-keys/provider-b": READ,
        "secret/metadata/bike-data-flow/development/api-keys/provider-b": SEE,
        "secret/data/bike-data-flow/development/aws-credentials": READ,
        "secret/metadata/bike-data-flow/development/aws-credentials": SEE,
        "database/creds/bike-data-flow-readwrite": READ,
        "transit/encrypt/data-encryption-key": USE,
        "transit/decrypt/data-encryption-key": USE,
        "transit/rewrap/data-encryption-key": USE,
        "pki_int/issue/internal-mtls": USE,
        "auth/approle/role/bike-data-flow/secret-id": WRAPPED,
        "auth/approle/role/bike-data-flow/secret-id/destroy": USE,
    },
    "dagster": {
        "secret/data/dagster/vault-token": READ,
        "secret/metadata/dagster/vault-token": SEE,
        "secret/data/bike-data-flow/development/database-url": READ,
        "secret/metadata/bike-data-flow/development/database-url": SEE,
        "secret/data/bike-data-flow/development/api-keys/provider-a": READ,
        "secret/metadata/bike-data-flow/development/api-keys/provider-a": SEE,
        "secret/data/bike-data-flow/development/api-keys/provider-b": READ,
        "secret/metadata/bike-data-flow/development/api-keys/provider-b": SEE,
        "secret/data/bike-data-flow/development/aws-credentials": READ,
        "secret/metadata/bike-data-flow/development/aws-credentials": SEE,
        "database/creds/bike-data-flow-readonly": READ,
        "transit/encrypt/data-encryption-key": USE,
        "transit/decrypt/data-encryption-key": USE,
        "transit/rewrap/data-encryption-key": USE,
        "pki_int/issue/internal-mtls": USE,
        "auth/approle/role/dagster/secret-id": WRAPPED,
        "auth/approle/role/dagster/secret-id/destroy": USE,
    },
    "greenlang-api": {
        "secret/data/greenlang/database/postgresql": READ,
        "secret/metadata/greenlang/database/postgresql": SEE,
        "secret/data/greenlang/database/redis": READ,
        "secret/metadata/greenlang/database/redis": SEE,
        "secret/data/greenlang/database/timescaledb": READ,
        "secret/metadata/greenlang/database/timescaledb": SEE,
        "secret/data/greenlang/api-keys/internal": READ,
        "secret/metadata/greenlang/api-keys/internal": SEE,
        "secret/data/greenlang/api-keys/external": READ,
        "secret/metadata/greenlang/api-keys/external": SEE,
        "secret/data/greenlang/services/auth-service": WRITE,
        "secret/metadata/greenlang/services/auth-service": SEE,
        "database/creds/greenlang-readwrite": READ,
        "transit/encrypt/data-encryption-key": USE,
        "transit/decrypt/data-encryption-key": USE,
        "transit/rewrap/data-encryption-key": USE,
        "transit/encrypt/pii-encryption-key": USE,
        "transit/decrypt/pii-encryption-key": USE,
        "transit/rewrap/pii-encryption-key": USE,
        "pki_int/issue/greenlang-services": USE,
        "pki_int/issue/internal-mtls": USE,
    },
    "greenlang-agents": {
        "secret/data/greenlang/services/agent-factory": WRITE,
        "secret/metadata/greenlang/services/agent-factory": SEE,
        "secret/data/greenlang/database/postgresql": READ,
        "secret/metadata/greenlang/database/postgresql": SEE,
        "secret/data/greenlang/api-keys/internal": READ,
        "secret/metadata/greenlang/api-keys/internal": SEE,
        "database/creds/greenlang-readonly": READ,
        "transit/encrypt/data-encryption-key": USE,
        "transit/decrypt/data-encryption-key": USE,
        "transit/rewrap/data-encryption-key": USE,
        "pki_int/issue/internal-mtls": USE,
    },
    "greenlang-jobs": {
        "secret/data/greenlang/services/audit-service": WRITE,
        "secret/metadata/greenlang/services/audit-service": SEE,
        "secret/data/greenlang/database/postgresql": READ,
        "secret/metadata/greenlang/database/postgresql": SEE,
        "secret/data/greenlang/database/redis": READ,
        "secret/metadata/greenlang/database/redis": SEE,
        "database/creds/greenlang-readonly": READ,
        "transit/encrypt/data-encryption-key": USE,
        "transit/decrypt/data-encryption-key": USE,
        "transit/rewrap/data-encryption-key": USE,
        "pki_int/issue/internal-mtls": USE,
    },
    "pake-system": {
        "pake_system/data/development/database": READ,
        "pake_system/metadata/development/database": SEE,
        "pake_system/data/development/redis": READ,
        "pake_system/metadata/development/redis": SEE,
        "pake_system/data/development/security": READ,
        "pake_system/metadata/development/security": SEE,
        "pake_system/data/development/api_keys": READ,
        "pake_system/metadata/development/api_keys": SEE,
        "database/creds/pake-system-readwrite": READ,
        "transit/encrypt/data-encryption-key": USE,
        "transit/decrypt/data-encryption-key": USE,
        "transit/rewrap/data-encryption-key": USE,
        "pki_int/issue/internal-mtls": USE,
        "auth/approle/role/pake-system/secret-id": WRAPPED,
        "auth/approle/role/pake-system/secret-id/destroy": USE,
    },
    "aos": {
        "agenticverz/data/app-prod": READ,
        "agenticverz/metadata/app-prod": SEE,
        "agenticverz/data/database": READ,
        "agenticverz/metadata/database": SEE,
        "agenticverz/data/external-apis": READ,
        "agenticverz/metadata/external-apis": SEE,
        "agenticverz/data/keycloak-admin": READ,
        "agenticverz/metadata/keycloak-admin": SEE,
        "database/creds/aos-readwrite": READ,
        "transit/encrypt/data-encryption-key": USE,
        "transit/decrypt/data-encryption-key": USE,
        "transit/rewrap/data-encryption-key": USE,
        "pki_int/issue/internal-mtls": USE,
        "auth/approle/role/aos/secret-id": WRAPPED,
        "auth/approle/role/aos/secret-id/destroy": USE,
    },
}
"""Written by hand from the teams' documents, not derived: what each application may do, and nothing else."""


def _granted(hcl: str) -> dict[str, tuple[str, ...]]:
    """Paths and capabilities of an ACL policy, read back strictly: a line of another shape is an error."""
    wrapped = '"]\n  min_wrapping_ttl = "1s"\n}'
    lines = [line for line in hcl.replace(wrapped, ', wrapped"]\n}').split("\n") if line]
    granted: dict[str, tuple[str, ...]] = {}
    for opening, capabilities, closing in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        assert opening.startswith('path "'), opening
        assert opening.endswith('" {'), opening
        assert capabilities.startswith("  capabilities = ["), capabilities
        assert closing == "}", closing
        path = opening.removeprefix('path "').removesuffix('" {')
        assert path not in granted, path
        listed = capabilities.removeprefix("  capabilities = [").removesuffix("]").split(", ")
        granted[path] = tuple(word.strip('"') for word in listed)
    return granted


@pytest.mark.parametrize("application", GRANTS)
def test_each_application_may_do_exactly_this(update: Declared, application: str) -> None:
    policy = update.named(f"application-policies-{application}").inputs

    assert policy["name"] == application
    assert _granted(policy["policy"]) == GRANTS[application]


def test_every_application_is_in_the_table_and_has_a_login_with_its_own_policy_only(update: Declared) -> None:
    roles = {
        record.inputs["roleName"]: record.inputs
        for record in update.of("vault:appRole/authBackendRole:AuthBackendRole")
    }

    assert {record.inputs["name"] for record in update.of("vault:index/policy:Policy")} == {
        *GRANTS,
        *people_policies(stack_file.read(Paths(), "local").settings),
        "snapshot-operator",
    }
    assert {name: inputs["tokenPolicies"] for name, inputs in roles.items()} == {name: [name] for name in GRANTS}
    lifetimes = {(inputs["tokenTtl"], inputs["tokenMaxTtl"], inputs["secretIdTtl"]) for inputs in roles.values()}
    assert lifetimes == {(3_600, 14_400, 86_400)}


def test_every_login_has_a_limit_of_its_own(update: Declared) -> None:
    limits = {
        record.inputs["role"]: (record.inputs["path"], record.inputs["rate"], record.inputs["interval"])
        for record in update.of("vault:index/quotaRateLimit:QuotaRateLimit")
        if record.inputs.get("role")
    }

    assert limits == dict.fromkeys(GRANTS, ("auth/approle/", 50, 1))


def _read(path: Path) -> Any:
    return path.read_text(encoding="utf-8")


def test_writing_the_golden_file_anew_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.golden import write

    agreed = {"local.json": local.FILE, "node.txt": node.FILE, "node_differences.txt": node.DIFFERENCES}
    monkeypatch.setattr(write, "FILE", tmp_path / "local.json")
    monkeypatch.setattr(node, "FILE", tmp_path / "node.txt")
    monkeypatch.setattr(node, "DIFFERENCES", tmp_path / "node_differences.txt")

    assert write.main() == 0
    assert {name: _read(tmp_path / name) for name in agreed} == {name: _read(file) for name, file in agreed.items()}
