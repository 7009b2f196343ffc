"""What credentials are good for that Vault gives: logins of databases, certificates, keys of transit.

Owns which inputs of secrets engines widen them. Refuses to read SQL beyond a GRANT: another statement is more.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ops.review.allowances.allowance import Allowance, called, gained, names, told
from ops.review.declaring import Resource

_DATABASE_ROLE = "vault:database/secretBackendRole:SecretBackendRole"
_STATIC_ROLE = "vault:database/secretBackendStaticRole:SecretBackendStaticRole"
_CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"
_PKI_ROLE = "vault:pkiSecret/secretBackendRole:SecretBackendRole"
_TRANSIT_KEY = "vault:transit/secretBackendKey:SecretBackendKey"
_GRANT = re.compile(r'GRANT (?P<privileges>[A-Z, ]+) ON (?P<on>[^;]+) TO "\{\{name\}\}";?')
_SWITCHES: Mapping[str, Mapping[str, tuple[bool, str]]] = {
    _PKI_ROLE: {
        "allowAnyName": (False, "gives certificates of any name"),
        "allowBareDomains": (False, "gives certificates of the domains themselves"),
        "allowGlobDomains": (False, "reads domains as patterns"),
        "allowIpSans": (True, "gives certificates of addresses"),
        "allowLocalhost": (True, "gives certificates of localhost"),
        "allowSubdomains": (False, "gives certificates of subdomains"),
        "allowWildcardCertificates": (True, "gives certificates with wildcards"),
        "allowedDomainsTemplate": (False, "reads domains as templates"),
        "clientFlag": (True, "gives certificates of clients"),
        "codeSigningFlag": (False, "gives certificates that sign code"),
        "emailProtectionFlag": (False, "gives certificates that sign e-mail"),
        "serverFlag": (True, "gives certificates of servers"),
    },
    _TRANSIT_KEY: {
        "allowPlaintextBackup": (False, "may be backed up in plain text"),
        "deletionAllowed": (False, "may be deleted"),
        "exportable": (False, "may be exported"),
    },
}
"""Inputs that allow something if they are true: what they are if they aren't given (the provider's defaults), and
what they allow."""
_Kinds = Mapping[str, tuple[str, Callable[[Resource], Iterator[str]]]]
"""The word for people, and what such a resource allows."""
_LISTS: Mapping[str, str] = {
    "allowedDomains": "gives certificates of domain",
    "allowedUriSans": "gives certificates of URI",
    "allowedOtherSans": "gives certificates of other name",
    "allowedUserIds": "gives certificates of user",
    "extKeyUsages": "gives certificates for",
    "extKeyUsageOids": "gives certificates for",
    "keyUsages": "gives keys for",
    "policyIdentifiers": "gives certificates of policy",
}


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Allowance]:
    """What only the later commit's credentials are good for."""
    yield from gained(_all(before, _KINDS), _all(after, _KINDS))
    yield from gained(_all(before, _WAYS), _all(after, _WAYS), new=False)


def _all(resources: Sequence[Resource], kinds: _Kinds) -> Iterator[Allowance]:
    for one in resources:
        if one.type in kinds:
            word, allows = kinds[one.type]
            yield from (Allowance(who=f"{word} {called(one)}", what=what) for what in allows(one))


def _database_role(role: Resource) -> Iterator[str]:
    yield f"makes logins at connection {told(role.inputs.get('dbName'))}"
    for statement in map(told, role.inputs.get("creationStatements") or ()):
        if grant := _GRANT.fullmatch(statement):
            yield from (f"may {one.strip()} on {grant['on']}" for one in grant["privileges"].split(","))


def _statements(role: Resource) -> Iterator[str]:
    """What isn't a grant, the same for every role that this project makes."""
    yield "is there"
    for statement in map(told, role.inputs.get("creationStatements") or ()):
        if not _GRANT.fullmatch(statement):
            yield f"makes a login with {statement}"
    # Their order counts, and a login that isn't ended may stay.
    yield f"ends a login with {' '.join(map(told, role.inputs.get('revocationStatements') or ['nothing of its own']))}"


def _static_role(role: Resource) -> Iterator[str]:
    yield f"is user {told(role.inputs.get('username'))} at connection {told(role.inputs.get('dbName'))}"


def _connection(connection: Resource) -> Iterator[str]:
    for kind, given in connection.inputs.items():
        if isinstance(given, Mapping) and "connectionUrl" in given:
            yield f"logs in as {told(given.get('username'))} of {kind}"
            yield f"goes to {told(given['connectionUrl'])}"


def _pki_role(role: Resource) -> Iterator[str]:
    yield from _switched(role)
    if role.inputs.get("enforceHostnames") is False:
        yield "gives certificates of what is no host's name"
    for name, words in _LISTS.items():
        yield from (f"{words} {entry}" for entry in names(role.inputs.get(name)))


def _switched(resource: Resource) -> Iterator[str]:
    for name, (default, words) in _SWITCHES[resource.type].items():
        if resource.inputs.get(name, default):
            yield words


_KINDS: _Kinds = {
    _DATABASE_ROLE: ("database role", _database_role),
    _STATIC_ROLE: ("database role", _static_role),
    _CONNECTION: ("database connection", _connection),
    _PKI_ROLE: ("pki role", _pki_role),
    _TRANSIT_KEY: ("transit key", _switched),
}
_WAYS: _Kinds = {_DATABASE_ROLE: ("database role", _statements)}
"""What is told only of those that were there before."""
