"""What a login that rotates an application's secrets may do: an ACL policy, from the settings alone.

Owns which paths these are: each secret that has a rotation by its own, and no pattern.
"""

from collections.abc import Iterator, Mapping

from components.render import acl
from components.vault.approle import AppRoleLogin
from settings.estate import Settings


def rotator_policies(settings: Settings) -> Mapping[str, acl.AclPolicy]:
    """The ACL policy of each such login, by its name, which the login has, too."""
    return {
        f"{acl.ROTATOR_PREFIX}{application}": _policy(settings, application)
        for application, one in settings.applications.items()
        if one.rotator
    }


def _policy(settings: Settings, application: str) -> acl.AclPolicy:
    name = f"{acl.ROTATOR_PREFIX}{application}"
    return acl.AclPolicy(name=name, rules=acl.merged(_rules(settings, application, name)), administrative=True)


def _rules(settings: Settings, application: str, role: str) -> Iterator[acl.AclRule]:
    own = settings.applications[application]
    for name, secret in own.secrets.items():
        if secret.rotation is None:
            continue
        yield from acl.kv_rotate(*settings.secret_path(application, name))
        if policy := secret.rotation.password_policy:
            yield from acl.look(f"sys/policies/password/{policy}/generate")
    if settings.approle and isinstance(own.rotator, AppRoleLogin) and own.rotator.renews_secret_id:
        yield from acl.secret_id_renew(f"auth/{settings.approle.path}", role)
