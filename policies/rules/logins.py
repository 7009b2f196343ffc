"""Rules about who may log in, from where and for how long. Owns the longest times of a login."""

from collections.abc import Iterator
from typing import Any

from .constraints import https, inputs, named, one_of, within
from .rule import Check, Resource, Rule

_APPROLE = "vault:appRole/authBackendRole:AuthBackendRole"
_CERTIFICATE = "vault:index/certAuthBackendRole:CertAuthBackendRole"
_JWT = "vault:jwt/authBackendRole:AuthBackendRole"
_KUBERNETES = "vault:kubernetes/authBackendRole:AuthBackendRole"
_ROLES = (_APPROLE, _CERTIFICATE, _JWT, _KUBERNETES)
_HARDENING = "HashiCorp, Production hardening: least privilege, short TTLs"
_MACHINE_SECONDS, _JOB_SECONDS = 14_400, 3_600
"""4 hours for what runs on, 1 hour for a job: the longest of the five teams' requirements, and of a CI job's token."""
_PERSON_SECONDS = 43_200
"""A long day at work."""
_PERSON = "person-"
"""How the role of one person begins; `components.render.acl.PERSON_PREFIX`, which this pack can't import."""
_TENANTS = "vault-estate-tenants"
"""The role of tenants, of whom each gets a folder by its name; `components.render.acl.TENANTS`."""
_ALL_POWER = frozenset({"root", "administrator"})


def _no_root(value: Any) -> str | None:
    policies = [str(entry).lower() for entry in value or []]
    if not policies:
        return "is empty, so its tokens have the default policy only"
    return "has an ACL policy of administrators" if _ALL_POWER & set(policies) else None


def _is_of_people(resource: Resource) -> bool:
    """Whether persons log in by it: at an issuer, or by a certificate of their own."""
    if resource.type == _CERTIFICATE:
        return resource.known("name") and str(resource.get("name") or "").startswith(_PERSON)
    return resource.type == _JWT and resource.known("roleType") and bool(resource.get("roleType") == "oidc")


def _granting(resource: Resource) -> Iterator[str]:
    """A person gets what their groups give, so their role may give nothing."""
    empty = resource.known("tokenPolicies") and not resource.get("tokenPolicies")
    if empty and _is_of_people(resource):
        return
    yield from inputs(tokenPolicies=_no_root)(resource)


def _of_machines(check: Check) -> Check:
    """The same check, for what isn't a person's."""
    return lambda resource: iter(()) if _is_of_people(resource) else check(resource)


def _day(resource: Resource) -> Iterator[str]:
    if _is_of_people(resource):
        yield from inputs(tokenMaxTtl=within(_PERSON_SECONDS))(resource)


def _is_named(resource: Resource) -> bool:
    """Whether what a login gives goes by the name in its token, so that no other claim is needed."""
    return _is_of_people(resource) or (resource.known("roleName") and bool(resource.get("roleName") == _TENANTS))


def _unbound(resource: Resource) -> Iterator[str]:
    if not resource.has_inputs:
        return
    if not _is_named(resource) and resource.known("boundClaims") and not resource.get("boundClaims"):
        yield "boundClaims is empty, so any job of the issuer logs in"
    if resource.known("boundClaimsType") and resource.get("boundClaimsType") == "glob":
        yield "boundClaimsType is glob, so a claim may be more than it says"
    if resource.known("boundAudiences") and not resource.get("boundAudiences"):
        yield "boundAudiences is empty, so a token made for another service logs in"


def _period(value: Any) -> str | None:
    return "is set, so its tokens can be renewed for ever" if value else None


RULES = (
    Rule(
        name="login-grants-no-root",
        sentence="A login has ACL policies of its own, and never an administrator's.",
        remediation="Name the application's own ACL policy in token_policies.",
        source=_HARDENING,
        types=_ROLES,
        check=_granting,
    ),
    Rule(
        name="login-ends",
        sentence="A login's tokens can't be renewed for ever.",
        remediation="Leave token_period alone and set token_max_ttl.",
        source=_HARDENING,
        types=_ROLES,
        check=inputs(tokenPeriod=_period),
    ),
    Rule(
        name="pod-and-certificate-tokens-are-short",
        sentence="Tokens of pods and of machines' certificates live at most 4 hours, renewals included.",
        remediation=f"Set token_max_ttl to at most {_MACHINE_SECONDS} seconds.",
        source=_HARDENING,
        types=(_CERTIFICATE, _KUBERNETES),
        check=_of_machines(inputs(tokenMaxTtl=within(_MACHINE_SECONDS))),
    ),
    Rule(
        name="peoples-tokens-end-with-the-day",
        sentence="Tokens of persons, by certificate or at their issuer, live at most 12 hours.",
        remediation=f"Set token_max_ttl to at most {_PERSON_SECONDS} seconds: people.token_ttl.",
        source=_HARDENING,
        types=(_CERTIFICATE, _JWT),
        check=_day,
    ),
    Rule(
        name="job-tokens-are-short",
        sentence="Tokens of CI jobs live at most 1 hour, renewals included.",
        remediation=f"Set token_max_ttl to at most {_JOB_SECONDS} seconds.",
        source=_HARDENING,
        types=(_JWT,),
        check=_of_machines(inputs(tokenMaxTtl=within(_JOB_SECONDS))),
    ),
    Rule(
        name="job-login-is-bound",
        sentence="A CI job logs in by an audience of its own and by claims that say which job it is.",
        remediation="Set bound_audiences and bound_claims, with bound_claims_type 'string'.",
        source="GitHub, Security hardening with OpenID Connect: define conditions on the token's claims",
        types=(_JWT,),
        check=_unbound,
    ),
    Rule(
        name="job-issuer-is-https",
        sentence="Keys of a JWT issuer are fetched over https.",
        remediation="Give oidc_discovery_url or jwks_url with https.",
        source="OpenID Connect Discovery 1.0, section 7.1: TLS must be supported",
        types=("vault:jwt/authBackend:AuthBackend",),
        check=inputs(oidcDiscoveryUrl=https, jwksUrl=https),
    ),
    Rule(
        name="pod-login-names-service-accounts",
        sentence="A pod logs in as a service account and from a namespace that are named.",
        remediation="Name one service account and one namespace; a wildcard lets every pod in.",
        source="Vault, Kubernetes auth method: bound_service_account_names and _namespaces",
        types=(_KUBERNETES,),
        check=inputs(boundServiceAccountNames=named, boundServiceAccountNamespaces=named),
    ),
    Rule(
        name="cluster-is-reached-by-https",
        sentence="A cluster is asked about its tokens over https.",
        remediation="Give kubernetes_host with https, and its authority.",
        source="Kubernetes, Controlling access to the API: transport security",
        types=("vault:kubernetes/authBackendConfig:AuthBackendConfig",),
        check=inputs(kubernetesHost=lambda value: https(value) if value else "isn't set"),
    ),
    Rule(
        name="certificate-login-names-its-certificate",
        sentence="A login by certificate is for one certificate that the settings hold.",
        remediation="Give the client's own certificate as certificate.",
        source="Vault, TLS certificates auth method: certificate",
        types=(_CERTIFICATE,),
        check=inputs(certificate=lambda value: None if "BEGIN CERTIFICATE" in str(value or "") else "isn't one"),
    ),
    Rule(
        name="login-method-is-known",
        sentence="Logins are by AppRole, certificate, JWT, Kubernetes, OIDC or userpass, which this pack knows.",
        remediation="Use one of these, or add rules for the other one.",
        source="This project: what no rule knows isn't judged",
        types=("vault:index/authBackend:AuthBackend",),
        check=inputs(type=one_of("approle", "cert", "jwt", "kubernetes", "oidc", "userpass")),
    ),
)
