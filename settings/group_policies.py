"""What people may do: the ACL policy of each group and of each person, from the settings alone.

Owns which paths these are. Refuses patterns for secrets: an owner is granted each of theirs by its own path, so that
two applications in one folder stay apart.
"""

from collections.abc import Iterator, Mapping

from components.render import acl
from settings.estate import Settings
from settings.people import AuditorsGroup, OperatorsGroup, OwnersGroup

_OPERATED = (
    "sys/mounts",
    "sys/auth",
    "sys/policies/acl",
    "sys/quotas/config",
    "sys/quotas/rate-limit",
    "sys/storage/raft/configuration",
    "sys/storage/raft/autopilot/state",
    "sys/ha-status",
)
_AUDITED = ("sys/mounts", "sys/auth", "sys/policies/acl", "sys/policies/password", "sys/quotas/config")
_WHO = tuple(f"identity/{kind}/{by}" for kind in ("entity", "group") for by in ("id", "id/+", "name", "name/+"))


def people_policies(settings: Settings) -> Mapping[str, acl.AclPolicy]:
    """Every ACL policy of people, by name."""
    if settings.people is None:
        return {}
    found = [_group(settings, name) for name in settings.people.groups]
    found += [_person(settings, name) for name in settings.people.members]
    return {policy.name: policy for policy in found}


def _group(settings: Settings, name: str) -> acl.AclPolicy:
    group = settings.people.groups[name] if settings.people else None
    match group:
        case OwnersGroup():
            rules = _owned(settings, group)
        case OperatorsGroup():
            rules = _operated(settings)
        case AuditorsGroup() | None:
            rules = _audited(settings)
    return acl.AclPolicy(name=f"{acl.GROUP_PREFIX}{name}", rules=acl.merged(rules), administrative=True)


def _person(settings: Settings, name: str) -> acl.AclPolicy:
    """See one's own entity; choose one's own password."""
    rules = acl.look(f"identity/entity/name/{name}")
    member = settings.people.members[name] if settings.people else None
    if member and member.login.kind == "userpass" and settings.userpass:
        rules += acl.ask(f"auth/{settings.userpass.path}/users/{name}/password")
    return acl.AclPolicy(name=f"{acl.PERSON_PREFIX}{name}", rules=rules, administrative=True)


def _owned(settings: Settings, group: OwnersGroup) -> Iterator[acl.AclRule]:
    for application in group.applications:
        for name in settings.applications[application].secrets:
            place = settings.secret_path(application, name)
            yield from acl.kv_own(*place, destroys=group.destroys)
            yield from acl.kv_rotation_record(*place)
    # What a new value may be made by.
    for name in settings.password_policies:
        yield from acl.look(f"sys/policies/password/{name}/generate")


def _seen(settings: Settings) -> Iterator[acl.AclRule]:
    """Every secret that the settings name, without its values."""
    for application, name, _ in settings.secrets():
        yield from acl.kv_look(*settings.secret_path(application, name))
    for mount in settings.kv:
        yield from acl.kv_folders(mount, "")
    yield from acl.look(*(f"sys/quotas/rate-limit/{name}" for name in _limits(settings)))
    yield from acl.look(*(f"sys/policies/acl/{name}" for name in _policy_names(settings)))


def _operated(settings: Settings) -> Iterator[acl.AclRule]:
    yield from _seen(settings)
    yield from acl.look(*_OPERATED)
    yield from acl.ask("sys/leases/lookup")
    if settings.servers > 1:
        yield from acl.hand_over()
        yield from acl.take_out()


def _audited(settings: Settings) -> Iterator[acl.AclRule]:
    yield from _seen(settings)
    yield from acl.look(*_AUDITED, "sys/quotas/rate-limit", *_WHO, "auth/cert/certs", "auth/cert/certs/+")
    yield from acl.look(*(f"sys/policies/password/{name}" for name in settings.password_policies))
    yield from acl.look(*(f"{mount}/config" for mount in settings.kv))
    for section, path in settings.auth_paths.items():
        places = ("users", "users/+") if section == "userpass" else ("config", "role", "role/+")
        yield from acl.look(*(f"auth/{path}/{place}" for place in places))
    if database := settings.database:
        held = ("config", "config/+", "roles", "roles/+", "static-roles", "static-roles/+")
        yield from acl.look(*(f"{database.path}/{place}" for place in held))
    if transit := settings.transit:
        yield from acl.look(f"{transit.path}/keys", f"{transit.path}/keys/+")
    if pki := settings.pki:
        for path in (pki.root_path, pki.intermediate_path):
            yield from acl.look(*(f"{path}/{place}" for place in ("roles", "roles/+", "issuers", "issuer/+")))
            yield from acl.look(*(f"{path}/config/{place}" for place in ("urls", "crl", "auto-tidy")))


def _limits(settings: Settings) -> Iterator[str]:
    yield from settings.rate_limits
    yield from (name for name, login in settings.logins.items() if login.kind == "approle")


def _policy_names(settings: Settings) -> Iterator[str]:
    yield from settings.logins
    yield from acl.OWN_POLICIES
    if settings.people:
        yield from (f"{acl.GROUP_PREFIX}{name}" for name in settings.people.groups)
        yield from (f"{acl.PERSON_PREFIX}{name}" for name in settings.people.members)
