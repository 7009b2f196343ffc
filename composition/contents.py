"""Composition of what is inside Vault, wherever that runs. Owns the explicit provider, and no other resource."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import pulumi

from components.platform.endpoint import Endpoint
from components.platform.local import ADMINISTRATOR_NETWORKS
from components.render import acl
from components.render.administrator import administrator_policy
from components.render.chart import jobs
from components.render.chart.names import JOBS_NAMESPACE
from components.render.snapshots import CANARY_MOUNT, NODE_LOGIN, OPERATOR_LOGIN
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.administrator import AdministratorLogin, AdministratorLoginArgs
from components.vault.approle import AppRole, AppRoleAuth, AppRoleAuthArgs, AppRoleLogin
from components.vault.audit import AuditDevices, AuditDevicesArgs, TraceHeaders, TraceHeadersArgs
from components.vault.autopilot import RaftAutopilot, RaftAutopilotArgs
from components.vault.database import PostgresEngine, PostgresEngineArgs
from components.vault.jwt import JwtAuth, JwtAuthArgs, JwtLogin
from components.vault.kubernetes import KubernetesAuth, KubernetesAuthArgs, KubernetesLogin
from components.vault.kv import KvMount, KvMountArgs, KvOptions
from components.vault.logins import TokenPolicies
from components.vault.oidc import OidcAuth, OidcAuthArgs
from components.vault.password_policies import PasswordPolicies, PasswordPoliciesArgs
from components.vault.people import PeopleArgs, PeopleInVault, Person, PersonAlias, PersonGroup
from components.vault.pki import PkiEngine, PkiEngineArgs
from components.vault.provider import administrator_provider
from components.vault.quotas import LoginLimit, RateLimits, RateLimitsArgs
from components.vault.snapshot_logins import TOKEN_SECONDS, SnapshotLogin, SnapshotLogins, SnapshotLoginsArgs
from components.vault.tenants import TenantsAuth, TenantsAuthArgs
from components.vault.transit import TransitEngine, TransitEngineArgs
from components.vault.userpass import UserpassAuth, UserpassAuthArgs
from settings import Settings
from settings.eks import EksPlatform
from settings.grants import grants
from settings.group_policies import people_policies
from settings.hetzner import HetznerPlatform
from settings.named_files import CERTIFICATE, public, text
from settings.people import Member, MemberByCertificate, OidcWithSecret, People
from settings.rotator_policies import rotator_policies
from settings.sources import ConnectionWithPassword, KubernetesWithAuthority

SecretReader = Callable[[str], pulumi.Output[str]]
"""Reads one flat, encrypted setting of the stack."""

Kind = TypeVar("Kind", AppRoleLogin, KubernetesLogin, JwtLogin)

_OWN_MOUNT = KvOptions(description="The estate's own: what tells how far a snapshot reaches")


def build(settings: Settings, endpoint: Endpoint, secret: SecretReader) -> Mapping[str, pulumi.Input[str]]:
    """Declare the contents of a Vault; what the stack exports of them, which README describes."""
    login = endpoint.login
    administrator = AdministratorLogin(
        "administrator-login",
        AdministratorLoginArgs(
            address=endpoint.address,
            ca_certificate_file=endpoint.ca_certificate_file,
            login=login,
            policy=administrator_policy(login.role, clustered=endpoint.servers > 1),
            token_ttl=settings.bootstrap.administrator.token_ttl,
            token_bound_cidrs=endpoint.administrator_networks,
            networks_setting="platform.api_cidrs",
        ),
        pulumi.ResourceOptions(parent=endpoint.holds_data, depends_on=[endpoint.ready]),
    )
    provider = administrator_provider(
        "vault",
        address=endpoint.address,
        ca_certificate_file=endpoint.ca_certificate_file,
        certificate_file=login.certificate_file,
        private_key_file=login.private_key_file,
        role=login.role,
        mount=login.mount,
        opts=pulumi.ResourceOptions(parent=endpoint.holds_data, depends_on=[endpoint.ready, administrator]),
    )
    options = pulumi.ResourceOptions(providers=[provider], deleted_with=endpoint.holds_data)
    holding = pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(protect=settings.protect))
    if settings.audit:
        AuditDevices("audit", AuditDevicesArgs(devices=settings.audit), options)
    if endpoint.servers > 1:
        RaftAutopilot("autopilot", RaftAutopilotArgs(servers=endpoint.servers), options)
    TraceHeaders("trace-headers", TraceHeadersArgs(), options)
    mounts = _engines(settings, endpoint, secret, options=options, holding=holding)
    logins = _logins(settings, secret, administrator.accessor, options)
    mounts |= {f"auth/{path}": made.apply("auth/{}".format) for path, made in logins.items()}
    _snapshots(settings, options)
    exported: Mapping[str, pulumi.Input[str]] = {}
    if settings.pki:
        pki = PkiEngine("pki", PkiEngineArgs(pki=settings.pki, address=endpoint.address), holding)
        mounts |= {settings.pki.root_path: pki.root_path, settings.pki.intermediate_path: pki.intermediate_path}
        exported = {"root_certificate": pki.root_certificate}
    limits = RateLimitsArgs(limits=settings.rate_limits, mounts=mounts, answers=True)
    RateLimits("rate-limits", limits, options)
    return exported


def _engines(
    settings: Settings,
    endpoint: Endpoint,
    secret: SecretReader,
    *,
    options: pulumi.ResourceOptions,
    holding: pulumi.ResourceOptions,
) -> dict[str, pulumi.Output[str]]:
    """Each with `holding`, since data are in it; `options` are for the rest. The mounts by their paths."""
    mounts: dict[str, pulumi.Output[str]] = {}
    for path, mount in settings.kv.items():
        kv = KvMount(f"kv-{path.replace('/', '-')}", KvMountArgs(path=path, options=mount), holding)
        mounts[path] = kv.mount_path
    # Also where no snapshots are taken: that section may come and go, and what is protected can't.
    own = KvMount("estate-kv", KvMountArgs(path=CANARY_MOUNT, options=_OWN_MOUNT), holding)
    mounts[CANARY_MOUNT] = own.mount_path
    if transit := settings.transit:
        mounts[transit.path] = TransitEngine("transit", TransitEngineArgs(transit=transit), holding).mount_path
    policies: list[pulumi.Resource] = []
    if settings.password_policies:
        rules = PasswordPoliciesArgs(policies=settings.password_policies)
        policies.append(PasswordPolicies("password-policies", rules, options))
    if database := settings.database:
        passwords = {name: _first_password(endpoint, secret, name, one) for name, one in database.connections.items()}
        named = any(connection.password_policy for connection in database.connections.values())
        after = pulumi.ResourceOptions.merge(holding, pulumi.ResourceOptions(depends_on=policies if named else []))
        args = PostgresEngineArgs(database=database, passwords=passwords)
        mounts[database.path] = PostgresEngine("database", args, after).mount_path
    return mounts


def _first_password(
    endpoint: Endpoint, secret: SecretReader, name: str, connection: ConnectionWithPassword
) -> pulumi.Output[str]:
    """The password, which may be in a file that comes only with the platform; until that is there it is unknown."""
    file = connection.password_file
    if file is None:
        return secret(connection.password_secret or "")
    setting = f"database.connections.{name}.password_file"
    return pulumi.Output.secret(endpoint.ready.id.apply(lambda _: text(setting, file).strip()))


def _logins(
    settings: Settings, secret: SecretReader, certificates: pulumi.Output[str], options: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    """Who logs in how; the auth methods by their paths. `certificates` is the accessor of first boot's."""
    mounts: dict[str, pulumi.Output[str]] = {}
    policies = {name: application_policy(settings, name) for name in settings.applications}
    AclPolicies("application-policies", AclPoliciesArgs(policies=policies), options)
    if rotators := rotator_policies(settings):
        AclPolicies("rotator-policies", AclPoliciesArgs(policies=rotators), options)
    accessors = {"certificate": certificates}
    if settings.userpass:
        userpass = UserpassAuth("userpass", UserpassAuthArgs(userpass=settings.userpass), options)
        mounts[settings.userpass.path], accessors["userpass"] = userpass.path, userpass.accessor
    if settings.people and settings.people.oidc:
        oidc = _oidc(settings.people.oidc, settings.people.token_ttl, secret, options)
        mounts[settings.people.oidc.path], accessors["oidc"] = oidc.path, oidc.accessor
    if settings.people:
        _people(settings, settings.people, accessors, options)
    if settings.approle:
        mounts[settings.approle.path] = _approle(settings, settings.approle, options)
    if settings.kubernetes:
        mounts[settings.kubernetes.path] = _kubernetes(settings, settings.kubernetes, options)
    if settings.jwt:
        logins, token_policies = _of_kind(settings, JwtLogin)
        jobs = JwtAuthArgs(jwt=settings.jwt, logins=logins, token_policies=token_policies)
        mounts[settings.jwt.path] = JwtAuth("jwt", jobs, options).path
    if settings.tenants:
        tenants = TenantsAuth("tenants", TenantsAuthArgs(tenants=settings.tenants), options)
        mounts[settings.tenants.issuer.path] = tenants.path
    return mounts


def _oidc(oidc: OidcWithSecret, token_ttl: int, secret: SecretReader, options: pulumi.ResourceOptions) -> OidcAuth:
    file, authority = oidc.client_secret_file, oidc.ca_certificate_file
    args = OidcAuthArgs(
        oidc=oidc,
        client_secret=text("people.oidc.client_secret_file", file).strip()
        if file
        else secret(oidc.client_secret_setting or ""),
        ca_certificate=public("people.oidc.ca_certificate_file", authority, CERTIFICATE) if authority else None,
        token_ttl=token_ttl,
    )
    return OidcAuth("oidc", args, options)


def _people(
    settings: Settings, people: People, accessors: Mapping[str, pulumi.Output[str]], options: pulumi.ResourceOptions
) -> None:
    """Persons and groups, with the ACL policies of both."""
    policies = AclPolicies("people-policies", AclPoliciesArgs(policies=people_policies(settings)), options).names

    def person(name: str, member: Member) -> Person:
        certificate = None
        if isinstance(member.login, MemberByCertificate):
            from composition import person_certificate  # noqa: PLC0415 - its cryptography costs every other start 40 ms

            certificate = person_certificate.read(f"people.members.{name}.login.file", member.login.file, name)
        alias = PersonAlias(name=member.called_at_login(name), mount_accessor=accessors[member.login.kind])
        own = policies[f"{acl.PERSON_PREFIX}{name}"]
        return Person(policies=(own,), groups=member.groups, alias=alias, certificate=certificate)

    args = PeopleArgs(
        persons={name: person(name, member) for name, member in people.members.items()},
        groups={
            name: PersonGroup(policies=(policies[f"{acl.GROUP_PREFIX}{name}"],), claims=group.claims)
            for name, group in people.groups.items()
        },
        claims_accessor=accessors.get("oidc"),
        token_ttl=people.token_ttl,
    )
    PeopleInVault("people", args, options)


def _approle(settings: Settings, approle: AppRole, options: pulumi.ResourceOptions) -> pulumi.Output[str]:
    logins, token_policies = _of_kind(settings, AppRoleLogin)
    args = AppRoleAuthArgs(approle=approle, logins=logins, token_policies=token_policies)
    path = AppRoleAuth("approle", args, options).path
    own = settings.applications
    limits = {name: own[name].login_limit if name in own else LoginLimit() for name in logins}
    RateLimits("login-limits", RateLimitsArgs(logins=limits, auth_path=path), options)
    return path


def _kubernetes(
    settings: Settings, kubernetes: KubernetesWithAuthority, options: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    logins, token_policies = _of_kind(settings, KubernetesLogin)
    if settings.snapshots and isinstance(settings.platform, EksPlatform):
        # Its ACL policy is declared with the other logins for snapshots.
        logins[NODE_LOGIN] = KubernetesLogin(
            service_account=jobs.SNAPSHOTS,
            namespace=JOBS_NAMESPACE,
            audience=jobs.AUDIENCE,
            token_ttl=TOKEN_SECONDS,
            token_max_ttl=TOKEN_SECONDS,
        )
        token_policies = {**token_policies, NODE_LOGIN: (NODE_LOGIN,)}
    file = kubernetes.ca_certificate_file
    authority = public("kubernetes.ca_certificate_file", file, CERTIFICATE) if file else None
    args = KubernetesAuthArgs(
        kubernetes=kubernetes, ca_certificate=authority, logins=logins, token_policies=token_policies
    )
    return KubernetesAuth("kubernetes", args, options).path


def _snapshots(settings: Settings, options: pulumi.ResourceOptions) -> None:
    """Who may take and restore snapshots; where they go is the platform's business."""
    snapshots, platform = settings.snapshots, settings.platform
    if snapshots is None:
        return
    node = platform if isinstance(platform, HetznerPlatform) else None
    networks = (*node.api_cidrs, *ADMINISTRATOR_NETWORKS) if node else ()
    if isinstance(platform, EksPlatform):
        networks = ADMINISTRATOR_NETWORKS
        taking = {NODE_LOGIN: acl.snapshot_take(NODE_LOGIN)}
        AclPolicies("snapshot-policies", AclPoliciesArgs(policies=taking), options)
    logins = {
        "operator": SnapshotLogin(
            certificate=public("snapshots.certificate", snapshots.certificate, CERTIFICATE),
            policy=acl.snapshot_restore(OPERATOR_LOGIN),
            # Loopback too, where a drill's server is.
            token_bound_cidrs=networks,
        )
    }
    if snapshots.node_certificate:
        logins["node"] = SnapshotLogin(
            certificate=public("snapshots.node_certificate", snapshots.node_certificate, CERTIFICATE),
            policy=acl.snapshot_take(NODE_LOGIN),
            # By its name a node reaches itself over loopback; by its address it comes from that one.
            token_bound_cidrs=("127.0.0.1/32",) if node and node.name else (),
        )
    SnapshotLogins("snapshots", SnapshotLoginsArgs(logins=logins), options)


def _of_kind(settings: Settings, kind: type[Kind]) -> tuple[dict[str, Kind], TokenPolicies]:
    """The machines that log in so, and the ACL policy of each, which has its name."""
    logins = {name: login for name, login in settings.logins.items() if isinstance(login, kind)}
    return logins, {name: (name,) for name in logins}


def application_policy(settings: Settings, name: str) -> acl.AclPolicy:
    """The ACL policy of one application: exactly what its settings list, and nothing else."""
    rules = tuple(rule for grant in grants(settings, name) for rule in grant.rules)
    return acl.AclPolicy(name=name, rules=rules)
