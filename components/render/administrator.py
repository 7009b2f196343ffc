"""The ACL policy of whoever runs `pulumi up`.

Owns the least that pulumi-vault needs to manage the estate's contents. Refuses what those contents hold: no value of an
application's KV secrets can be read or overwritten, no key exported or backed up, no data decrypted, no snapshot taken
(`sys/storage/raft/snapshot` is a role of its own: who restores an old snapshot undoes every revocation since).

It isn't a wall: who writes policies and issues SecretIDs can give the same to a login of their own. It is what keeps an
honest run from reading secrets, and what makes a dishonest one visible in the audit log.
"""

from .acl import AclPolicy, AclRule, Capability
from .bootstrap import ADMINISTRATOR

# By its first letter; `deny`, which would share one, is a dash.
_CAPABILITY = {one.value[0]: one for one in Capability if one is not Capability.DENY} | {"-": Capability.DENY}

_SYSTEM = {
    # Vault demands `sudo` for auth mounts and audit devices (sys/auth/*, sys/audit*: root-protected paths).
    "sys/auth": "r",
    "sys/auth/*": "cruds",
    "sys/audit": "rs",
    "sys/audit/*": "cruds",
    "sys/mounts": "r",
    "sys/mounts/*": "crud",
    "sys/policies/acl": "l",
    "sys/policies/acl/*": "crudl",
    "sys/policies/password": "l",
    "sys/policies/password/*": "crudl",
    "sys/quotas/config": "cru",
    "sys/quotas/rate-limit": "l",
    "sys/quotas/rate-limit/*": "crudl",
    # Off-boarding: end what a login or a role has leased. By prefix needs `sudo`.
    "sys/leases/lookup": "u",
    "sys/leases/lookup/*": "ls",
    "sys/leases/revoke": "u",
    "sys/leases/revoke-prefix/*": "us",
    # Operators come and go: new key shares, for a threshold of the old ones. OpenBao has the first, Vault the others.
    "sys/rotate/+/init": "rud",
    "sys/rotate/+/update": "u",
    "sys/rotate/+/verify": "rud",
    **{
        f"sys/{kind}/{step}": granted
        for kind in ("rekey", "rekey-recovery-key")
        for step, granted in {"init": "rud", "update": "u", "verify": "rud"}.items()
    },
    # Which headers of requests the audit log shows. Vault demands `sudo`.
    "sys/config/auditing/request-headers": "rs",
    "sys/config/auditing/request-headers/*": "cruds",
    # Everything else named config below belongs to engines; this is Vault's own.
    "sys/config/*": "-",
    # People: entities, groups, and the aliases of both.
    "identity/+": "cu",
    "identity/+/id/*": "crudl",
    "identity/lookup/+": "cu",
}

_AUTH = {
    "auth/+/config": "cru",
    "auth/+/role": "l",
    "auth/+/role/*": "crudl",
    "auth/+/role/+/custom-secret-id": "-",  # a SecretID that someone has chosen is a password
    "auth/+/users": "l",
    "auth/+/users/*": "crudl",
    "auth/+/certs": "l",
    "auth/+/certs/*": "crudl",
    # The administrator's own entry: certificates are renewed here, and the last one can't be deleted by mistake.
    f"auth/+/certs/{ADMINISTRATOR}": "crul",
}

_ENGINES = {
    "config": "cru",
    "config/*": "crudl",
    "roles": "l",
    "roles/*": "crudl",
    # KV v2: seed what isn't there yet. `create` alone can't overwrite, and nothing here reads.
    "data/*": "c",
    # PostgreSQL
    "rotate-root/*": "cu",
    "rotate-role/*": "cu",
    "reset/*": "cu",
    "static-roles": "l",
    "static-roles/*": "crudl",
    # Transit keys (export and backup are paths of their own, not granted); PKI's keys are listed at `keys`.
    "keys": "l",
    "keys/*": "crudl",
    # PKI
    "root/generate/internal": "cu",
    "issuers": "l",
    "issuers/generate/root/internal": "cu",
    "issuers/generate/intermediate/internal": "cu",
    "intermediate/generate/internal": "cu",
    "intermediate/set-signed": "cu",
    "root/sign-intermediate": "cu",
    "issuer/+": "rud",
    "issuer/+/sign-intermediate": "cu",
    "key/+": "rud",
    "tidy": "cu",
    "revoke": "cu",
}


_CLUSTER = {
    "sys/storage/raft/autopilot/configuration": "cru",
    "sys/storage/raft/autopilot/state": "r",
    "sys/storage/raft/configuration": "r",
}
"""Of several servers: who votes, and when one that is lost is forgotten. To have a leader step down isn't the
administrator's."""


def administrator_policy(name: str = ADMINISTRATOR, *, clustered: bool = False) -> AclPolicy:
    """What the bootstrap grants to whoever runs `pulumi up`; where servers are `clustered`, to look at them, too.

    Engines may be mounted at any path of one segment, because the policy is written before the first of them. Moving
    mounts (`sys/remount`) is left out: it takes secrets out from under the policies that guard them.
    """
    cluster = _CLUSTER if clustered else {}
    letters = {**_SYSTEM, **cluster, **_AUTH, **{f"+/{path}": granted for path, granted in _ENGINES.items()}}
    rules = [
        AclRule(path=path, capabilities=frozenset(_CAPABILITY[letter] for letter in granted))
        for path, granted in letters.items()
    ]
    # The origin of a secret's values is noted beside it; how many versions are kept isn't the administrator's.
    noting = AclRule(
        path="+/metadata/*",
        capabilities=frozenset({Capability.READ, Capability.LIST, Capability.PATCH}),
        allowed_parameters=frozenset({"custom_metadata"}),
    )
    # Who wrote by another client noted nothing: then the names of values tell which are there.
    naming = AclRule(path="+/subkeys/*", capabilities=frozenset({Capability.READ}))
    # A SecretID leaves Vault only response-wrapped: whoever unwraps it is the first to see it, or notices.
    issuing = AclRule(
        path="auth/+/role/+/secret-id",
        capabilities=frozenset({Capability.CREATE, Capability.UPDATE, Capability.LIST}),
        minimum_wrapping_ttl_seconds=1,
    )
    return AclPolicy(name=name, rules=(*rules, noting, naming, issuing), administrative=True)
