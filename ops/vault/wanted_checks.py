"""Which access checks a stack's settings call for: from `settings` to `.access_checks`. Owns no check itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import hvac

from ops.console import Console
from ops.vault.access_checks import (
    ApplicationProof,
    DatabaseRole,
    PkiRole,
    ProofRow,
    SecretPath,
    TransitKey,
    prove,
    seed_secrets,
)
from ops.vault.endpoint import Reached
from settings import Settings
from settings.applications import AppRoleLogin


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """What was found for each application, and what had to be made for it."""

    rows: Sequence[ProofRow]
    seeded: int
    """Secrets that had no value yet and got a random one."""

    @property
    def passed(self) -> bool:
        """Whether every application got everything it is to have."""
        return all(row.passed for row in self.rows)


def proven(client: hvac.Client, where: Reached, settings: Settings, console: Console) -> Proofs:
    """Give each secret that has none a random value, then use everything as each application.

    Raises:
        EstateError: a secret could not be written.
    """
    wanted = {
        SecretPath(*settings.secret_path(application, name)): secret.keys
        for application, name, secret in settings.secrets()
    }
    seeded = seed_secrets(client, wanted)
    rows: list[ProofRow] = []
    with console.stage("proving what each application gets") as steps:
        for proof in application_proofs(settings):
            steps.step(proof.name, finished=False)
            rows += prove(where.address, where.ca_file, client, [proof])
            steps.step(proof.name, finished=True)
    return Proofs(rows=rows, seeded=len(seeded))


def application_proofs(settings: Settings) -> list[ApplicationProof]:
    """One proof for each application that logs in by AppRole; the other methods need a cluster or a CI job."""
    return [
        _proof(settings, name)
        for name, application in settings.applications.items()
        if isinstance(application.login, AppRoleLogin)
    ]


def _proof(settings: Settings, name: str) -> ApplicationProof:
    application = settings.applications[name]
    own = [SecretPath(*settings.secret_path(name, secret)) for secret in application.secrets]
    shared = [
        SecretPath(*settings.secret_path(other.application, secret))
        for other in application.reads
        for secret in other.secrets
    ]
    everything = [SecretPath(*settings.secret_path(other, secret)) for other, secret, _ in settings.secrets()]
    foreign = next((path for path in everything if path not in own and path not in shared), None)
    return ApplicationProof(
        name=name,
        role_name=name,
        approle_mount=settings.approle.path if settings.approle else "",
        secrets=[*own, *shared],
        foreign=foreign,
        database_roles=_database_roles(settings, application.database_roles),
        transit_keys=_transit_keys(settings, application.transit_keys),
        pki=_pki_role(settings, name, application.pki_roles),
    )


def _database_roles(settings: Settings, names: Sequence[str]) -> list[DatabaseRole]:
    database = settings.database
    if database is None:
        return []
    roles: list[DatabaseRole] = []
    for name in names:
        if name not in database.roles:
            continue
        role = database.roles[name]
        connection = database.connections[role.connection]
        roles.append(
            DatabaseRole(
                mount=database.path,
                role=name,
                access=role.access,
                host=connection.host,
                port=connection.port,
                database=connection.database,
                schema=role.schema_name,
            )
        )
    return roles


def _transit_keys(settings: Settings, names: Sequence[str]) -> list[TransitKey]:
    transit = settings.transit
    if transit is None:
        return []
    return [TransitKey(mount=transit.path, key=name, derived=transit.keys[name].derived) for name in names]


def _pki_role(settings: Settings, application: str, names: Sequence[str]) -> PkiRole | None:
    if settings.pki is None or not names:
        return None
    role = settings.pki.roles[names[0]]
    return PkiRole(
        mount=settings.pki.intermediate_path,
        role=names[0],
        common_name=f"{application}.{role.allowed_domains[0]}",
        root_mount=settings.pki.root_path,
    )
