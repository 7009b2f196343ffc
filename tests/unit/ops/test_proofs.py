"""Which proofs a stack's settings call for. Servers and the proofs themselves are fakes; `tests/live` runs them."""

from pathlib import Path
from typing import Any

import pytest

from ops import stack_file
from ops.console import Console
from ops.paths import ROOT, Paths
from ops.vault import wanted_checks as proofs
from ops.vault.access_checks import (
    NOT_ASKED_FOR,
    PASSED,
    ApplicationProof,
    DatabaseRole,
    PkiRole,
    ProofRow,
    SecretPath,
    TransitKey,
)
from ops.vault.endpoint import Reached
from ops.vault.wanted_checks import Proofs, application_proofs
from settings import parse
from tests.unit.settings.samples import MINIMAL, changed, full


def _local() -> dict[str, ApplicationProof]:
    settings = stack_file.read(Paths(project=ROOT), "local").settings
    return {proof.name: proof for proof in application_proofs(settings)}


def test_every_application_of_the_local_stack_is_proven() -> None:
    assert list(_local()) == [
        "bike-data-flow",
        "dagster",
        "greenlang-api",
        "greenlang-agents",
        "greenlang-jobs",
        "pake-system",
        "aos",
    ]


def test_one_application_whole() -> None:
    assert _local()["greenlang-agents"] == ApplicationProof(
        name="greenlang-agents",
        role_name="greenlang-agents",
        approle_mount="approle",
        secrets=[
            SecretPath("secret", "greenlang/services/agent-factory"),
            SecretPath("secret", "greenlang/database/postgresql"),
            SecretPath("secret", "greenlang/api-keys/internal"),
        ],
        foreign=SecretPath("secret", "bike-data-flow/development/database-url"),
        database_roles=[
            DatabaseRole(
                mount="database",
                role="greenlang-readonly",
                access="readonly",
                host="127.0.0.1",
                port=15432,
                database="estate",
                schema="public",
            )
        ],
        transit_keys=[TransitKey(mount="transit", key="data-encryption-key", derived=False)],
        pki=PkiRole(
            mount="pki_int", role="internal-mtls", common_name="greenlang-agents.mtls.internal", root_mount="pki"
        ),
    )


def test_a_secret_that_is_shared_with_it_is_not_one_it_is_denied() -> None:
    """`dagster` may read all of `bike-data-flow`, so the first foreign secret is another team's."""
    dagster = _local()["dagster"]

    assert dagster.foreign == SecretPath("secret", "greenlang/database/postgresql")
    assert dagster.foreign not in dagster.secrets


def test_no_application_is_denied_what_it_has() -> None:
    for proof in _local().values():
        assert proof.foreign is not None
        assert proof.foreign not in proof.secrets


def test_a_derived_key_asks_for_a_context() -> None:
    keys = _local()["greenlang-api"].transit_keys

    assert keys == [
        TransitKey(mount="transit", key="data-encryption-key", derived=False),
        TransitKey(mount="transit", key="pii-encryption-key", derived=True),
    ]


def test_only_approle_can_be_proven_here() -> None:
    """A pod needs its cluster, a job its CI."""
    assert [proof.name for proof in application_proofs(full())] == ["app"]


def test_static_roles_are_left_to_the_server() -> None:
    (proof,) = application_proofs(full())

    assert [role.role for role in proof.database_roles] == ["app-read"]


def test_an_application_with_a_secret_only_is_asked_for_nothing_else() -> None:
    application = {"login": {"kind": "approle"}, "secrets": {"only": {"keys": ["key"]}}}
    settings = parse({**MINIMAL, "approle": {"path": "machines"}, "applications": {"app": application}})

    assert application_proofs(settings) == [
        ApplicationProof(
            name="app",
            role_name="app",
            approle_mount="machines",
            secrets=[SecretPath("secret", "app/test/only")],
            database_roles=[],
            transit_keys=[],
        )
    ]


def test_the_paths_of_engines_are_the_settings_own() -> None:
    plain = changed("transit/path", "keys")
    plain["database"]["path"] = "db"
    plain["pki"]["intermediate_path"] = "issuing"
    plain["pki"]["root_path"] = "trust"

    (proof,) = application_proofs(parse(plain))

    assert [key.mount for key in proof.transit_keys] == ["keys"]
    assert [role.mount for role in proof.database_roles] == ["db"]
    assert proof.pki is not None
    assert (proof.pki.mount, proof.pki.root_mount) == ("issuing", "trust")


@pytest.mark.parametrize(
    ("logins", "passed"),
    [([], True), ([PASSED], True), ([PASSED, "failed: no"], False), ([NOT_ASKED_FOR], False)],
)
def test_all_must_pass(logins: list[str], passed: bool) -> None:
    rows = [ProofRow(application=f"app-{number}", login=login) for number, login in enumerate(logins)]

    assert Proofs(rows=rows, seeded=0).passed is passed


def test_secrets_are_seeded_before_anything_is_proven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    happened: list[Any] = []
    client: Any = object()

    def seed(used: object, wanted: dict[SecretPath, tuple[str, ...]]) -> list[SecretPath]:
        assert used is client
        happened.append(("seeded", len(wanted), wanted[SecretPath("agenticverz", "app-prod")]))
        return list(wanted)[:3]

    def prove(address: str, ca_file: Path, used: object, applications: list[ApplicationProof]) -> list[ProofRow]:
        assert (address, used) == ("https://127.0.0.1:8200", client)
        happened.append(applications[0].name)
        return [ProofRow(application=applications[0].name, login=PASSED)]

    monkeypatch.setattr(proofs, "seed_secrets", seed)
    monkeypatch.setattr(proofs, "prove", prove)
    settings = stack_file.read(Paths(project=ROOT), "local").settings

    where = Reached(
        address="https://127.0.0.1:8200", ca_file=Path("ca.crt"), certificate=Path("a.crt"), private_key=Path("a.key")
    )

    found = proofs.proven(client, where, settings, Console())

    assert happened == [
        ("seeded", 21, ("AOS_API_KEY", "MACHINE_SECRET_TOKEN", "OIDC_CLIENT_SECRET")),
        *settings.applications,
    ]
    assert found.seeded == 3
    assert [row.application for row in found.rows] == list(settings.applications)
    assert found.passed
    assert capsys.readouterr().err == "proving what each application gets\n"
