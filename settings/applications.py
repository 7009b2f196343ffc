"""Settings of applications: how each logs in, and what it may touch."""

import ipaddress
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from components.model import Form, Name, Names, PositiveSeconds, Section, VaultPath, at_most
from settings.engines import Rate

_POLICY_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")
_OWN_POLICIES = frozenset({"default", "response-wrapping", "root"})
"""ACL policies every Vault has."""


def _policy_name(value: str) -> str:
    if not _POLICY_NAME.fullmatch(value) or value in _OWN_POLICIES:
        msg = (
            "expected up to 128 lower-case letters, digits, '.', '_' or '-', with a letter or digit at both ends, and "
            f"none of {', '.join(sorted(_OWN_POLICIES))}: the application's ACL policy has this name, of which Vault "
            "folds the case"
        )
        raise ValueError(msg)
    return value


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        network = None
    if network is None or str(network) != value or network.prefixlen == 0:
        msg = "expected a network such as 10.0.0.0/8, without host bits; no list at all stands for everywhere"
        raise ValueError(msg)
    return value


def _exact(value: str) -> str:
    if not value or "*" in value:
        msg = "expected an exact value, without '*'; another would let strangers log in"
        raise ValueError(msg)
    return value


ApplicationName = Annotated[str, AfterValidator(_policy_name)]
"""Name of an application, and of its ACL policy and login roles."""
Cidr = Annotated[str, Form(r"[0-9A-Fa-f.:]+/\d{1,3}", "a network such as 10.0.0.0/8"), AfterValidator(_network)]
Claim = Annotated[str, AfterValidator(_exact)]
Layout = Annotated[
    str,
    Form(
        r"\{mount\}/(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/|\{application\}/|\{environment\}/)*\{name\}",
        "a layout such as '{mount}/{application}/{environment}/{name}': it begins with {mount}/, ends with {name}, and "
        "has nothing but names, {application} and {environment} between slashes",
    ),
]


class _Login(Section):
    token_ttl: PositiveSeconds = 3_600
    """1 hour, from the Hetzner research."""
    token_max_ttl: PositiveSeconds = 14_400
    """4 hours, from the same."""

    @model_validator(mode="after")
    def _ttl(self) -> Self:
        at_most("token_ttl", self.token_ttl, "token_max_ttl", self.token_max_ttl)
        return self


class AppRoleLogin(_Login):
    """A RoleID and a SecretID. SecretIDs are issued response-wrapped by `./estate secret-id`."""

    kind: Literal["approle"]
    secret_id_ttl: PositiveSeconds = 86_400
    """How long a SecretID may be used; one that never expires can't be asked for."""
    secret_id_uses: Annotated[int, Field(ge=0)] = 0
    """Logins one SecretID is good for; 0 is no limit within its TTL."""
    bound_cidrs: Annotated[tuple[Cidr, ...], Field(strict=False)] = ()
    """Networks the login and its tokens may come from; empty is anywhere."""


class KubernetesLogin(_Login):
    """A pod's service account."""

    kind: Literal["kubernetes"]
    service_account: Name
    namespace: Name
    audience: Annotated[str, StringConstraints(min_length=1)] = "vault"


class JwtLogin(_Login):
    """A CI job's signed identity. Every claim given here must match."""

    kind: Literal["jwt"]
    audience: Annotated[str, StringConstraints(min_length=1)]
    claims: Annotated[dict[str, Claim], Field(min_length=1)]
    """For GitHub: `repository`, and `ref` or `environment`."""
    token_ttl: PositiveSeconds = 900
    token_max_ttl: PositiveSeconds = 900


Login = Annotated[AppRoleLogin | KubernetesLogin | JwtLogin, Field(discriminator="kind")]


class Secret(Section):
    """One secret an application owns; its key is the secret's name, the last part of its path."""

    access: Literal["read", "write"] = "read"
    keys: Annotated[Names, Field(min_length=1)]
    """Names of the values inside. Values never pass through settings or state."""


class Shared(Section):
    """Secrets of another application that this one may read."""

    application: Name
    secrets: Annotated[tuple[VaultPath, ...], Field(min_length=1, strict=False)]


class LoginLimit(Section):
    """How often one application may log in, so that a crash loop can't fill Vault with tokens."""

    rate: Rate = 50
    """Logins per interval, over all of the application's instances."""
    interval: PositiveSeconds = 1


class Application(Section):
    """One application and everything it may touch. Nothing is granted that is not listed here."""

    login: Login
    mount: VaultPath = "secret"
    """The KV mount its secrets live in."""
    layout: Layout | None = None
    """Its own path layout, where the estate's does not fit."""
    secrets: dict[VaultPath, Secret] = {}
    reads: Annotated[tuple[Shared, ...], Field(strict=False)] = ()
    database_roles: Names = ()
    transit_keys: Names = ()
    pki_roles: Names = ()
    login_limit: LoginLimit = LoginLimit()

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.secrets or self.reads or self.database_roles or self.transit_keys or self.pki_roles):
            msg = "expected at least one of secrets, reads, database_roles, transit_keys and pki_roles"
            raise ValueError(msg)
        return self
