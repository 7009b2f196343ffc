"""The JWT auth method: CI jobs log in by the OIDC token that their CI service signs for them.

Owns the mount, its key source and the roles. Refuses roles that any job of the CI service could use: claims are
mandatory and exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import pulumi
import pulumi_vault as vault
from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from ..model import AuthPath, Form, HttpsUrl, PositiveSeconds, Section, exactly_one
from .children import child
from .logins import LoginsArgs, TokenLifetime

PublicKeyPem = Annotated[
    str,
    Form(r"-----BEGIN PUBLIC KEY-----\n(?:[A-Za-z0-9+/=]+\n)+-----END PUBLIC KEY-----\n?", "one PEM public key"),
]
ClaimName = Annotated[str, Form(r"\S+", "the name of a claim, without spaces")]
_EXACT = Form(
    r"\s*[^\s*,][^*,]*", "an exact value, without '*' or ',', or a list of them; another would let strangers log in"
)


def _claim(given: object) -> tuple[str, ...]:
    values = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    if not values or not all(isinstance(value, str) for value in values):
        raise ValueError(f"expected {_EXACT.words}")
    return tuple(_EXACT.check(str(value)) for value in values)


Claim = Annotated[tuple[str, ...], BeforeValidator(_claim)]
"""The values of which a token must carry one. Vault takes a comma for the end of a value."""


class Jwt(Section):
    """The JWT auth method for continuous integration."""

    path: AuthPath = "jwt"
    """Where it is mounted."""
    oidc_discovery_url: HttpsUrl | None = None
    """Issuer whose discovery document names the signing keys. One of this, `jwks_url` and `jwt_validation_pubkeys`."""
    jwks_url: HttpsUrl | None = None
    """Where the signing keys are. One of this, `oidc_discovery_url` and `jwt_validation_pubkeys`."""
    jwt_validation_pubkeys: Annotated[tuple[PublicKeyPem, ...], Field(strict=False)] = ()
    """The signing keys themselves, in PEM, of an issuer that Vault can't reach. One of this and the two URLs."""
    bound_issuer: HttpsUrl
    """The `iss` claim that tokens must carry."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(self, "oidc_discovery_url", "jwks_url", "jwt_validation_pubkeys")
        return self


class JwtLogin(TokenLifetime):
    """A CI job's signed identity. Every claim given here must match."""

    kind: Literal["jwt"] = "jwt"
    """How it logs in."""
    audience: Annotated[str, StringConstraints(min_length=1)]
    """The audience the job's token must be made for."""
    claims: Annotated[Mapping[ClaimName, Claim], Field(min_length=1)]
    """For GitHub: `repository`, and `ref` or `environment`. A list gives several values, of which one must match."""
    token_ttl: PositiveSeconds = 900
    token_max_ttl: PositiveSeconds = 900


@dataclass(frozen=True, kw_only=True)
class JwtAuthArgs(LoginsArgs):
    """What `JwtAuth` needs."""

    jwt: Jwt
    """The mount, and the issuer it is for."""
    ca_certificate: pulumi.Input[str] | None = None
    """PEM of the authority behind either URL; none: the server's own store."""
    logins: Mapping[str, JwtLogin]


def jwt_mount(
    name: str, jwt: Jwt, description: str, ca_certificate: pulumi.Input[str] | None, opts: pulumi.ResourceOptions
) -> vault.jwt.AuthBackend:
    """A JWT auth mount for one issuer."""
    return vault.jwt.AuthBackend(
        name,
        type="jwt",
        path=jwt.path,
        description=description,
        bound_issuer=jwt.bound_issuer,
        oidc_discovery_url=jwt.oidc_discovery_url,
        oidc_discovery_ca_pem=ca_certificate if jwt.oidc_discovery_url else None,
        jwks_url=jwt.jwks_url,
        jwks_ca_pem=ca_certificate if jwt.jwks_url else None,
        # The server answers keys without the line's end, which else is a diff for ever.
        jwt_validation_pubkeys=[key.strip() for key in jwt.jwt_validation_pubkeys] or None,
        opts=opts,
    )


class JwtAuth(pulumi.ComponentResource):
    """A JWT auth mount for one issuer and its roles."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""

    def __init__(self, name: str, args: JwtAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:JwtAuth", name, {}, opts)
        jwt = args.jwt
        words = "CI jobs, by OIDC token (JWT)"
        mount = jwt_mount(f"{name}-mount", jwt, words, args.ca_certificate, child(self, made_anew_by=["path"]))
        self.path = mount.path.apply(lambda path: path or jwt.path)
        for role, login in args.logins.items():
            vault.jwt.AuthBackendRole(
                f"{name}-role-{role}",
                backend=self.path,
                role_name=role,
                role_type="jwt",
                user_claim="sub",
                bound_audiences=[login.audience],
                bound_claims={name: ",".join(values) for name, values in login.claims.items()},
                bound_claims_type="string",
                token_policies=list(args.token_policies[role]),
                token_ttl=login.token_ttl,
                token_max_ttl=login.token_max_ttl,
                token_type=login.declared_token_type,
                opts=child(self),
            )
        self.register_outputs({"path": self.path})
