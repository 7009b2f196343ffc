"""What an application's library is told of its stack: its grants, and how it logs in, as `vault_estate` reads them.

Owns the way from one reading of grants to that document. Refuses nothing: settings are checked before.
"""

from collections.abc import Mapping
from typing import Any

from components.render.acl import ROTATOR_PREFIX
from components.vault.approle import AppRoleLogin
from components.vault.database import DatabaseConnection
from components.vault.jwt import JwtLogin
from components.vault.kubernetes import KubernetesLogin
from settings.estate import Settings
from settings.grants import DatabaseGrant, KvGrant, PkiGrant, StaticDatabaseGrant, TransitGrant, grants
from vault_estate import manifest as document
from vault_estate.manifest import ClientManifest


def client_manifest(
    settings: Settings,
    application: str,
    *,
    address: str,
    ca_certificate: str | None,
    role_id: str = "",
    rotator: bool = False,
) -> ClientManifest:
    """The document of one application, or of the `rotator` that it has: the same with that one's login.

    `ca_certificate` is the PEM of who vouches for the server at `address`, or None for the system's store; `role_id` is
    what an AppRole login begins with, of the stack as it was built.
    """
    own = settings.applications[application]
    granted = grants(settings, application)
    return ClientManifest(
        application=application,
        environment=settings.environment,
        flavor=settings.server.flavor,
        addresses=(address,),
        ca_certificate=ca_certificate,
        login=_login(settings, f"{ROTATOR_PREFIX}{application}" if rotator else application, role_id),
        mount=own.mount,
        layout=own.layout or settings.layout,
        fresh_seconds=settings.client.refresh,
        environment_variables=own.environment_variables,
        secrets={
            one.name if one.owner == application else f"{one.owner}/{one.name}": document.ManifestSecret(
                mount=one.mount,
                path=one.path,
                keys=one.keys,
                access=one.access,
                owner=one.owner,
                rotation=_rotation(settings, one),
            )
            for one in granted
            if isinstance(one, KvGrant)
        },
        database=_database([one for one in granted if isinstance(one, DatabaseGrant | StaticDatabaseGrant)]),
        transit=_transit([one for one in granted if isinstance(one, TransitGrant)]),
        pki=_pki([one for one in granted if isinstance(one, PkiGrant)]),
    )


def _rotation(settings: Settings, grant: KvGrant) -> document.ManifestRotation | None:
    secret = settings.applications[grant.owner].secrets[grant.name]
    own = secret.rotation
    if own is None:
        return None
    forms = {
        key: text for key, text in secret.first_values.items() if key in secret.rotated_keys and text != "{random}"
    }
    return document.ManifestRotation(
        by=own.by,
        every_seconds=settings.rotation.every_of(grant.name, own),
        grace_seconds=settings.rotation.grace_of(own),
        keys=secret.rotated_keys,
        password_policy=own.password_policy,
        forms=forms if own.by == "random" else {},
    )


def _login(
    settings: Settings, role: str, role_id: str
) -> document.ManifestAppRole | document.ManifestKubernetes | document.ManifestJwt:
    login = settings.logins[role]
    shared: Mapping[str, Any] = {
        "mount": settings.auth_paths[login.kind],
        "role": role,
        "token_ttl_seconds": login.token_ttl,
        "token_max_ttl_seconds": login.token_max_ttl,
        "token_type": login.token_type,
    }
    match login:
        case AppRoleLogin():
            return document.ManifestAppRole(
                **shared,
                role_id=role_id,
                secret_id_ttl_seconds=login.secret_id_ttl,
                secret_id_uses=login.secret_id_uses,
                renews_secret_id=login.renews_secret_id,
            )
        case KubernetesLogin():
            return document.ManifestKubernetes(
                **shared, service_account=login.service_account, namespace=login.namespace, audience=login.audience
            )
        case JwtLogin():
            return document.ManifestJwt(**shared, audience=login.audience)


def _database(granted: list[DatabaseGrant | StaticDatabaseGrant]) -> document.ManifestDatabase | None:
    if not granted:
        return None
    dynamic = {
        one.name: document.ManifestDynamicRole(
            **_server(one.connection),
            access=one.role.access,
            ttl_seconds=one.role.ttl,
            max_ttl_seconds=one.role.max_ttl,
        )
        for one in granted
        if isinstance(one, DatabaseGrant)
    }
    static = {
        one.name: document.ManifestStaticRole(
            **_server(one.connection),
            username=one.role.username,
            rotation_period_seconds=one.role.rotation_period,
        )
        for one in granted
        if isinstance(one, StaticDatabaseGrant)
    }
    return document.ManifestDatabase(mount=granted[0].mount, roles=dynamic, static_roles=static)


def _server(connection: DatabaseConnection) -> Mapping[str, Any]:
    return {
        "host": connection.host,
        "port": connection.port,
        "database": connection.database,
        "ssl_mode": connection.ssl_mode,
    }


def _transit(granted: list[TransitGrant]) -> document.ManifestTransit | None:
    if not granted:
        return None
    keys = {
        one.name: document.ManifestTransitKey(type=one.key.type, derived=one.key.derived, convergent=one.key.convergent)
        for one in granted
    }
    return document.ManifestTransit(mount=granted[0].mount, keys=keys)


def _pki(granted: list[PkiGrant]) -> document.ManifestPki | None:
    if not granted:
        return None
    roles = {
        one.name: document.ManifestPkiRole(
            allowed_domains=one.role.allowed_domains,
            allow_subdomains=one.role.allow_subdomains,
            allow_bare_domains=one.role.allow_bare_domains,
            server=one.role.server,
            client=one.role.client,
            ttl_seconds=one.role.ttl,
            max_ttl_seconds=one.role.max_ttl,
        )
        for one in granted
    }
    return document.ManifestPki(mount=granted[0].mount, root_mount=granted[0].root_mount, roles=roles)
