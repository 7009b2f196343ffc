"""Whom logins take: claims, audiences, service accounts, certificates, issuers, and what a person is called there.

Owns which inputs of auth methods narrow a login. Whoever comes new is told by what they may do (`capabilities`).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.review.allowances.allowance import Allowance, called, gained, names, told
from ops.review.declaring import Resource

_JWT = "vault:jwt/authBackendRole:AuthBackendRole"
_JWT_MOUNT = "vault:jwt/authBackend:AuthBackend"
_KUBERNETES = "vault:kubernetes/authBackendRole:AuthBackendRole"
_KUBERNETES_MOUNT = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
_CERTIFICATE = "vault:index/certAuthBackendRole:CertAuthBackendRole"
_APPROLE = "vault:appRole/authBackendRole:AuthBackendRole"
_ENTITY = "vault:identity/entity:Entity"
_ALIAS = "vault:identity/entityAlias:EntityAlias"
_ID = "-id"
"""What the recorder puts behind a resource's name for its id."""


@dataclass(frozen=True)
class BoundInput:
    """An input that narrows a login to the entries it lists."""

    name: str
    one: str
    """What one entry lets in, before the entry."""
    any_: str
    """What is let in without the input."""


_BOUND: Mapping[str, Sequence[BoundInput]] = {
    _JWT: (
        BoundInput("boundAudiences", "takes tokens for audience", "takes tokens for any audience"),
        BoundInput("boundSubject", "takes tokens of subject", "takes tokens of any subject"),
    ),
    _KUBERNETES: (
        BoundInput("boundServiceAccountNames", "takes service account", "takes any service account"),
        BoundInput("boundServiceAccountNamespaces", "takes pods of namespace", "takes pods of any namespace"),
        BoundInput("audience", "takes tokens for audience", "takes tokens for any audience"),
    ),
    _CERTIFICATE: (
        BoundInput("allowedCommonNames", "takes common name", "takes any common name"),
        BoundInput("allowedDnsSans", "takes DNS name", "takes any DNS name"),
        BoundInput("allowedEmailSans", "takes e-mail address", "takes any e-mail address"),
        BoundInput("allowedUriSans", "takes URI", "takes any URI"),
        BoundInput("allowedOrganizationalUnits", "takes organizational unit", "takes any organizational unit"),
        BoundInput("requiredExtensions", "takes certificates with extension", "takes certificates of any extension"),
    ),
}
_OTHER: Mapping[str, Mapping[str, str]] = {
    _JWT: {
        "roleType": "is of type",
        "userClaim": "tells logins apart by claim",
        "groupsClaim": "reads groups from claim",
        "boundClaimsType": "compares claims as",
        "allowedRedirectUris": "sends browsers back to",
    },
    _JWT_MOUNT: {
        "boundIssuer": "takes tokens of issuer",
        "oidcDiscoveryUrl": "takes keys by the discovery document of",
        "jwksUrl": "takes keys from",
        "oidcClientId": "is client",
    },
    _KUBERNETES: {"aliasNameSource": "names pods by", "boundServiceAccountNamespaceSelector": "takes namespaces by"},
    _KUBERNETES_MOUNT: {"kubernetesHost": "asks the cluster at"},
}
"""Inputs that can't be compared as wider and narrower, and the words before their entries."""
_PEM: Mapping[str, Mapping[str, str]] = {
    _JWT_MOUNT: {
        "jwtValidationPubkeys": "takes tokens signed by the key",
        "oidcDiscoveryCaPem": "trusts the authority",
        "jwksCaPem": "trusts the authority",
    },
    _KUBERNETES_MOUNT: {"kubernetesCaCert": "trusts the authority"},
    _CERTIFICATE: {"certificate": "takes the certificate, or those of the authority,"},
}
"""Inputs in PEM, told by their SHA-256."""
_ASKED = frozenset({"oidcDiscoveryUrl", "jwksUrl", "kubernetesHost"})
_AUTHORITIES = frozenset({"oidcDiscoveryCaPem", "jwksCaPem", "kubernetesCaCert"})


def compare(before: Sequence[Resource], after: Sequence[Resource]) -> Iterator[Allowance]:
    """Whom only the later commit lets in."""
    claims = _claims(before) | _claims(after)
    yield from gained(*(_roles(one, claims) for one in (before, after)), new=False)
    yield from gained(*(_mounts(one) for one in (before, after)))
    yield from gained(*(_aliases(one, before) for one in (before, after)))


def _claims(resources: Sequence[Resource]) -> frozenset[str]:
    return frozenset(claim for one in resources if one.type == _JWT for claim in one.inputs.get("boundClaims") or ())


def _roles(resources: Sequence[Resource], claims: frozenset[str]) -> Iterator[Allowance]:
    words: Mapping[str, tuple[str, str]] = {
        _JWT: ("jwt login", "roleName"),
        _KUBERNETES: ("kubernetes login", "roleName"),
        _CERTIFICATE: ("certificate login", "name"),
        _APPROLE: ("approle login", "roleName"),
    }
    for one in resources:
        if one.type in words:
            word, name = words[one.type]
            who = f"{word} {called(one, name)}"
            yield Allowance(who=who, what="is there")
            yield from _inputs(who, one)
            yield from _bound(who, one)
            if one.type == _JWT:
                yield from _bound_claims(who, one.inputs.get("boundClaims") or {}, claims)
            if one.type == _APPROLE and one.inputs.get("bindSecretId") is False:
                yield Allowance(who=who, what="asks for no SecretID")


def _mounts(resources: Sequence[Resource]) -> Iterator[Allowance]:
    for one in resources:
        if one.type in (_JWT_MOUNT, _KUBERNETES_MOUNT):
            who = f"auth method {one.inputs.get('path') or one.inputs.get('backend')}"
            yield from _inputs(who, one)
            if one.type == _JWT_MOUNT and not one.inputs.get("boundIssuer"):
                yield Allowance(who=who, what="takes tokens of any issuer")


def _bound(who: str, resource: Resource) -> Iterator[Allowance]:
    for bound in _BOUND.get(resource.type, ()):
        entries = names(resource.inputs.get(bound.name))
        if not entries or "*" in entries:
            yield Allowance(who=who, what=bound.any_)
        else:
            yield from (Allowance(who=who, what=f"{bound.one} {one}", within=bound.any_) for one in entries)


def _bound_claims(who: str, given: Mapping[str, Any], claims: frozenset[str]) -> Iterator[Allowance]:
    for claim in sorted(claims):
        without = f"takes tokens without claim {claim}"
        if claim not in given:
            yield Allowance(who=who, what=without)
        for value in names(given.get(claim)):
            yield Allowance(who=who, what=f"takes tokens whose claim {claim} is {value}", within=without)


def _inputs(who: str, resource: Resource) -> Iterator[Allowance]:
    for name, words in _OTHER.get(resource.type, {}).items():
        yield from (Allowance(who=who, what=f"{words} {one}") for one in _entries(resource.inputs.get(name)))
    for name, words in _PEM.get(resource.type, {}).items():
        yield from (Allowance(who=who, what=f"{words} {_hash(one)}") for one in _entries(resource.inputs.get(name)))
    if _ASKED & resource.inputs.keys() and not _AUTHORITIES & resource.inputs.keys():
        yield Allowance(who=who, what="trusts the authorities of its machine")


def _entries(value: object) -> tuple[str, ...]:
    return tuple(told(one) for one in (value if isinstance(value, list) else [value]) if one is not None)


def _hash(pem: str) -> str:
    return f"with SHA-256 {hashlib.sha256(''.join(pem.split()).encode()).hexdigest()[:16]}"


def _aliases(resources: Sequence[Resource], before: Sequence[Resource]) -> Iterator[Allowance]:
    """Who is one of the persons that were there before."""
    known = {f"{one.name}{_ID}": str(one.inputs["name"]) for one in before if one.type == _ENTITY}
    for one in resources:
        if one.type == _ALIAS and (person := known.get(str(one.inputs["canonicalId"]))):
            where = told(one.inputs["mountAccessor"]).strip("<>").removesuffix(".accessor")
            yield Allowance(who=f"person {person}", what=f"is whoever is {one.inputs['name']} at {where}")
