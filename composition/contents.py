"""Composition of what is inside Vault, wherever that runs. Owns the explicit provider, and no other resource."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import pulumi
import pulumi_vault as vault

from components.platform.endpoint import Endpoint
from components.render import acl
from components.render.sql import Access
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.approle import AppRole, AppRoleAuth, AppRoleAuthArgs
from components.vault.audit import AuditDevices, AuditDevicesArgs, FileAudit, SocketAudit, SyslogAudit
from components.vault.database import (
    DynamicRole,
    PostgresConnection,
    PostgresEngine,
    PostgresEngineArgs,
    StaticRole,
)
from components.vault.jwt import JwtAuth, JwtAuthArgs, JwtRole
from components.vault.kubernetes import KubernetesAuth, KubernetesAuthArgs, KubernetesRole
from components.vault.kv import KvMount, KvMountArgs
from components.vault.lockout import Lockout
from components.vault.password_policies import PasswordPolicies, PasswordPoliciesArgs, PasswordPolicy
from components.vault.pki import PkiEngine, PkiEngineArgs, PkiRole
from components.vault.quotas import RateLimit, RateLimits, RateLimitsArgs
from components.vault.snapshot_logins import SnapshotLogin, SnapshotLogins, SnapshotLoginsArgs
from components.vault.transit import TransitEngine, TransitEngineArgs, TransitKey
from components.vault.userpass import UserpassAuth, UserpassAuthArgs
from settings import Settings, engines, named_files
from settings.applications import Application, AppRoleLogin, JwtLogin, KubernetesLogin
from settings.grants import grants
from settings.hetzner import HetznerPlatform
from settings.snapshots import NODE_LOGIN, OPERATOR_LOGIN

SecretReader = Callable[[str], pulumi.Output[str]]
"""Reads one flat, encrypted setting of the stack."""

Kind = TypeVar("Kind", AppRoleLogin, KubernetesLogin, JwtLogin)


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """What every part of the contents is built from."""

    settings: Settings
    endpoint: Endpoint
    secret: SecretReader
    options: pulumi.ResourceOptions
    holding_options: pulumi.ResourceOptions
    """For what holds data: as `options`, and protected where the settings say so."""


def build(settings: Settings, endpoint: Endpoint, secret: SecretReader) -> Mapping[str, pulumi.Input[str]]:
    """Declare the contents of a Vault.

    Args:
        settings: what the stack wants.
        endpoint: where Vault will answer.
        secret: reads a flat secret of the stack's config.

    Returns:
        What the stack exports of the contents; README describes each.
    """
    contents = _contents(settings, endpoint, secret)
    _guards(contents)
    _engines(contents)
    _logins(contents)
    _snapshots(contents)
    return {"root_certificate": _pki(contents).root_certificate} if settings.pki else {}


def _contents(settings: Settings, endpoint: Endpoint, secret: SecretReader) -> _Contents:
    administrator = settings.bootstrap.administrator.files(pulumi.get_stack())
    provider = vault.Provider(
        "vault",
        address=endpoint.address,
        ca_cert_file=endpoint.ca_certificate_file,
        auth_login_cert=vault.ProviderAuthLoginCertArgs(
            cert_file=administrator.certificate, key_file=administrator.private_key, name="administrator"
        ),
        # A child token lives 20 minutes at most and takes what it made with it when it dies (pitfall 5).
        skip_child_token=True,
        # Given here, these are the same whoever runs the program; the SDK would take them from its environment
        # (VAULT_SKIP_VERIFY, VAULT_MAX_RETRIES, TERRAFORM_VAULT_MAX_TTL).
        skip_tls_verify=False,
        max_retries=2,
        max_lease_ttl_seconds=1_200,
        opts=pulumi.ResourceOptions(parent=endpoint.holds_data, depends_on=[endpoint.ready]),
    )
    options = pulumi.ResourceOptions(providers=[provider], deleted_with=endpoint.holds_data)
    protected = pulumi.ResourceOptions(protect=settings.protect)
    return _Contents(
        settings=settings,
        endpoint=endpoint,
        secret=secret,
        options=options,
        holding_options=pulumi.ResourceOptions.merge(options, protected),
    )


def _guards(contents: _Contents) -> None:
    settings, options = contents.settings, contents.options
    if settings.audit:
        devices = {name: _audit_device(device) for name, device in settings.audit.items()}
        AuditDevices("audit", AuditDevicesArgs(devices=devices), options)
    if settings.password_policies:
        policies = {name: PasswordPolicy(length=policy.length) for name, policy in settings.password_policies.items()}
        PasswordPolicies("password-policies", PasswordPoliciesArgs(policies=policies), options)
    limits = {
        name: RateLimit(path=limit.path, rate=limit.rate, interval_seconds=limit.interval)
        for name, limit in settings.rate_limits.items()
    }
    if limits:
        RateLimits("rate-limits", RateLimitsArgs(limits=limits), options)


def _audit_device(device: engines.AuditDevice) -> FileAudit | SyslogAudit | SocketAudit:
    if isinstance(device, engines.FileAudit):
        return FileAudit(file_path=device.file_path)
    if isinstance(device, engines.SocketAudit):
        return SocketAudit(address=device.address)
    return SyslogAudit()


def _engines(contents: _Contents) -> None:
    settings = contents.settings
    for path, mount in settings.kv.items():
        args = KvMountArgs(
            path=path,
            description=mount.description,
            max_versions=mount.max_versions,
            delete_version_after_seconds=mount.delete_version_after,
            cas_required=mount.cas_required,
        )
        KvMount(f"kv-{path.replace('/', '-')}", args, contents.holding_options)
    if settings.transit:
        keys = {
            name: TransitKey(
                type=key.type,
                auto_rotate_period_seconds=key.rotation_period,
                min_decryption_version=key.min_decryption_version,
                min_encryption_version=key.min_encryption_version,
                derived=key.derived,
                convergent_encryption=key.convergent,
                deletion_allowed=key.deletion_allowed,
            )
            for name, key in settings.transit.keys.items()
        }
        TransitEngine("transit", TransitEngineArgs(path=settings.transit.path, keys=keys), contents.holding_options)
    if settings.database:
        _database(contents)


def _database(contents: _Contents) -> None:
    database = contents.settings.database
    assert database is not None  # noqa: S101 - the caller looked; mypy can't see it
    connections: dict[str, PostgresConnection] = {}
    for name, connection in database.connections.items():
        if connection.password_file:
            password = _first_password(contents.endpoint, connection.password_file)
        else:
            password = contents.secret(connection.password_secret or "")
        location = f"{connection.host}:{connection.port}/{connection.database}"
        connections[name] = PostgresConnection(
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{location}?sslmode={connection.ssl_mode}",
            username=connection.username,
            password=password,
            rotate_root=connection.rotate_root,
        )
    roles = {
        name: DynamicRole(
            connection=role.connection,
            access=Access(role.access),
            schema=role.schema_name,
            default_ttl_seconds=role.ttl,
            max_ttl_seconds=role.max_ttl,
        )
        for name, role in database.roles.items()
    }
    static_roles = {
        name: StaticRole(
            connection=role.connection, username=role.username, rotation_period_seconds=role.rotation_period
        )
        for name, role in database.static_roles.items()
    }
    args = PostgresEngineArgs(path=database.path, connections=connections, roles=roles, static_roles=static_roles)
    PostgresEngine("database", args, contents.holding_options)


def _first_password(endpoint: Endpoint, file: str) -> pulumi.Output[str]:
    """The password in a file that may come only with the platform; until that is there it is unknown."""
    return pulumi.Output.secret(
        endpoint.ready.id.apply(lambda _: named_files.text("database.password_file", file).strip())
    )


def _pki(contents: _Contents) -> PkiEngine:
    pki = contents.settings.pki
    assert pki is not None  # noqa: S101 - the caller looked; mypy can't see it
    roles = {
        name: PkiRole(
            allowed_domains=role.allowed_domains,
            server_flag=role.server,
            client_flag=role.client,
            ttl_seconds=role.ttl,
            max_ttl_seconds=role.max_ttl,
        )
        for name, role in pki.roles.items()
    }
    args = PkiEngineArgs(
        root_path=pki.root_path,
        intermediate_path=pki.intermediate_path,
        common_name=pki.common_name,
        organization=pki.organization,
        root_ttl_seconds=pki.root_ttl,
        intermediate_ttl_seconds=pki.intermediate_ttl,
        address=contents.endpoint.address,
        roles=roles,
    )
    return PkiEngine("pki", args, contents.holding_options)


def _logins(contents: _Contents) -> None:
    settings, options = contents.settings, contents.options
    policies = {name: application_policy(settings, name) for name in settings.applications}
    AclPolicies("application-policies", AclPoliciesArgs(policies=policies), options)
    if settings.userpass:
        args = UserpassAuthArgs(
            path=settings.userpass.path,
            lockout=Lockout(
                threshold=settings.userpass.lockout_threshold,
                duration_seconds=settings.userpass.lockout_duration,
                counter_reset_seconds=settings.userpass.lockout_counter_reset,
            ),
        )
        UserpassAuth("userpass", args, options)
    _approle(contents)
    _kubernetes(contents)
    _jwt(contents)


def _approle(contents: _Contents) -> None:
    settings = contents.settings
    if settings.approle is None:
        return
    roles: dict[str, AppRole] = {}
    limits: dict[str, RateLimit] = {}
    for name, application in settings.applications.items():
        login = application.login
        if not isinstance(login, AppRoleLogin):
            continue
        roles[name] = AppRole(
            token_policies=(name,),
            token_ttl_seconds=login.token_ttl,
            token_max_ttl_seconds=login.token_max_ttl,
            secret_id_ttl_seconds=login.secret_id_ttl,
            secret_id_num_uses=login.secret_id_uses,
            secret_id_bound_cidrs=login.bound_cidrs,
            token_bound_cidrs=login.bound_cidrs,
        )
        limits[name] = RateLimit(
            path=f"auth/{settings.approle.path}",
            role=name,
            rate=application.login_limit.rate,
            interval_seconds=application.login_limit.interval,
        )
    auth = AppRoleAuth("approle", AppRoleAuthArgs(path=settings.approle.path, roles=roles), contents.options)
    # The server refuses a quota on a mount that isn't there yet.
    after = pulumi.ResourceOptions.merge(contents.options, pulumi.ResourceOptions(depends_on=[auth]))
    RateLimits("login-limits", RateLimitsArgs(limits=limits), after)


def _kubernetes(contents: _Contents) -> None:
    kubernetes = contents.settings.kubernetes
    if kubernetes is None:
        return
    roles = {
        name: KubernetesRole(
            service_account_names=(login.service_account,),
            namespaces=(login.namespace,),
            audience=login.audience,
            token_policies=(name,),
            token_ttl_seconds=login.token_ttl,
            token_max_ttl_seconds=login.token_max_ttl,
        )
        for name, login in _of_kind(contents.settings.applications, KubernetesLogin)
    }
    args = KubernetesAuthArgs(
        path=kubernetes.path,
        host=kubernetes.host,
        ca_certificate=named_files.public(
            "kubernetes.ca_certificate_file", kubernetes.ca_certificate_file, named_files.CERTIFICATE
        ),
        roles=roles,
    )
    KubernetesAuth("kubernetes", args, contents.options)


def _jwt(contents: _Contents) -> None:
    jwt = contents.settings.jwt
    if jwt is None:
        return
    roles = {
        name: JwtRole(
            bound_audiences=(login.audience,),
            bound_claims=login.claims,
            token_policies=(name,),
            token_ttl_seconds=login.token_ttl,
            token_max_ttl_seconds=login.token_max_ttl,
        )
        for name, login in _of_kind(contents.settings.applications, JwtLogin)
    }
    args = JwtAuthArgs(
        path=jwt.path,
        oidc_discovery_url=jwt.oidc_discovery_url,
        jwks_url=jwt.jwks_url,
        bound_issuer=jwt.bound_issuer,
        roles=roles,
    )
    JwtAuth("jwt", args, contents.options)


def _snapshots(contents: _Contents) -> None:
    """Who may take snapshots and put them back; where they go is the platform's business."""
    snapshots, platform = contents.settings.snapshots, contents.settings.platform
    if snapshots is None:
        return
    node = platform if isinstance(platform, HetznerPlatform) else None
    logins = {
        "operator": SnapshotLogin(
            certificate=named_files.public("snapshots.certificate", snapshots.certificate, named_files.CERTIFICATE),
            policy=acl.snapshot_restore(OPERATOR_LOGIN, contents.settings.canary),
            # Loopback too, where a drill's server is.
            token_bound_cidrs=(*node.api_cidrs, "127.0.0.1/32") if node else (),
        )
    }
    if snapshots.node_certificate:
        logins["node"] = SnapshotLogin(
            certificate=named_files.public(
                "snapshots.node_certificate", snapshots.node_certificate, named_files.CERTIFICATE
            ),
            policy=acl.snapshot_take(NODE_LOGIN, contents.settings.canary),
            # By its name a node reaches itself over loopback; by its address it comes from that one.
            token_bound_cidrs=("127.0.0.1/32",) if node and node.name else (),
        )
    SnapshotLogins("snapshots", SnapshotLoginsArgs(logins=logins), contents.options)


def _of_kind(applications: Mapping[str, Application], kind: type[Kind]) -> list[tuple[str, Kind]]:
    return [
        (name, application.login) for name, application in applications.items() if isinstance(application.login, kind)
    ]


def application_policy(settings: Settings, name: str) -> acl.AclPolicy:
    """The ACL policy of one application: exactly what its settings list, and nothing else."""
    rules = tuple(rule for grant in grants(settings, name) for rule in grant.rules)
    return acl.AclPolicy(name=name, rules=rules)
