"""The JWT auth method: CI jobs log in by the token their forge signs for them.

Owns the mount, its key source and the roles. Refuses roles that any job of the forge could use: claims are mandatory
and exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from components.vault.checks import (
    check_auth_path,
    check_names,
    check_not_empty,
    check_token_policies,
    check_ttls,
)


@dataclass(frozen=True, kw_only=True)
class JwtRole:
    """Which tokens may log in, and what they get."""

    bound_audiences: Sequence[str]
    """The token's `aud` must be one of these."""

    bound_claims: Mapping[str, str]
    """Claims that must hold exactly, for example `repository` and `ref` of GitHub's token; several values are joined
    by commas.
    """

    token_policies: Sequence[pulumi.Input[str]]
    """ACL policies of the token; at least one, never `root`."""

    user_claim: str = "sub"
    """The claim that names the caller in Vault's audit log."""

    bound_subject: str | None = None
    """The exact `sub`, where known."""

    token_ttl_seconds: int = 900
    """Life of a token before renewal: a job's step."""

    token_max_ttl_seconds: int = 3600
    """Life of a token however often it is renewed: a job."""

    def __post_init__(self) -> None:
        """Raise ValueError for missing claims or audiences, a wildcard, or bad lives."""
        check_not_empty("bound_audiences", self.bound_audiences)
        check_not_empty("bound_claims", self.bound_claims)
        for claim, value in self.bound_claims.items():
            if not claim.strip() or not value.strip() or "*" in value:
                raise ValueError(
                    f"bound_claims[{claim}]: {value!r} binds too little: expected an exact value, without '*'"
                )
        if not self.user_claim.strip():
            raise ValueError(f"user_claim: {self.user_claim!r} is empty: expected a claim, for example 'sub'")
        check_token_policies("token_policies", self.token_policies)
        check_ttls("token_ttl_seconds", self.token_ttl_seconds, "token_max_ttl_seconds", self.token_max_ttl_seconds)


@dataclass(frozen=True, kw_only=True)
class JwtAuthArgs:
    """What `JwtAuth` needs. Exactly one source of keys."""

    path: str = "jwt"
    """Auth mount path, without `auth/`."""

    description: str = "CI jobs, by their forge's token"
    """What operators read in `vault auth list`."""

    bound_issuer: str
    """The token's `iss`, for example `https://token.actions.githubusercontent.com`."""

    oidc_discovery_url: str | None = None
    """Where the forge publishes its OpenID configuration; Vault fetches it when this is written."""

    jwks_url: str | None = None
    """Where the keys themselves are published."""

    jwt_validation_pubkeys: Sequence[str] = ()
    """PEM public keys, for a forge that Vault can't reach."""

    ca_certificate: str | None = None
    """PEM of the authority behind either URL; none: the server's own store."""

    roles: Mapping[str, JwtRole]
    """Roles by name in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for a bad path, no or several key sources, a URL that isn't https, or a bad role name."""
        check_auth_path("path", self.path)
        if not self.bound_issuer.strip():
            raise ValueError(f"bound_issuer: {self.bound_issuer!r} is empty: expected the issuer of the tokens")
        sources = {
            "oidc_discovery_url": self.oidc_discovery_url,
            "jwks_url": self.jwks_url,
            "jwt_validation_pubkeys": self.jwt_validation_pubkeys,
        }
        given = [field for field, source in sources.items() if source]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given or sources)}: expected exactly one source of keys, not {len(given)}")
        for field, url in (("oidc_discovery_url", self.oidc_discovery_url), ("jwks_url", self.jwks_url)):
            if url and not url.startswith("https://"):
                raise ValueError(f"{field}: {url!r} isn't authenticated: expected https://…")
        for key in self.jwt_validation_pubkeys:
            if "PUBLIC KEY-----" not in key:
                raise ValueError(
                    "jwt_validation_pubkeys: an entry isn't a PEM public key: expected '-----BEGIN PUBLIC KEY-----'"
                )
        check_names("roles", self.roles)


class JwtAuth(pulumi.ComponentResource):
    """A JWT auth mount for one issuer and its roles."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""

    def __init__(self, name: str, args: JwtAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:JwtAuth", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        mount = vault.jwt.AuthBackend(
            f"{name}-mount",
            type="jwt",
            path=args.path,
            description=args.description,
            bound_issuer=args.bound_issuer,
            oidc_discovery_url=args.oidc_discovery_url,
            oidc_discovery_ca_pem=args.ca_certificate if args.oidc_discovery_url else None,
            jwks_url=args.jwks_url,
            jwks_ca_pem=args.ca_certificate if args.jwks_url else None,
            # The server answers keys without the line's end, which else is a diff for ever.
            jwt_validation_pubkeys=[key.strip() for key in args.jwt_validation_pubkeys] or None,
            opts=child,
        )
        self.path = mount.path.apply(lambda path: path or args.path)
        for key, role in args.roles.items():
            vault.jwt.AuthBackendRole(
                f"{name}-role-{key}",
                backend=self.path,
                role_name=key,
                role_type="jwt",
                user_claim=role.user_claim,
                bound_audiences=list(role.bound_audiences),
                bound_claims=dict(role.bound_claims),
                bound_claims_type="string",
                bound_subject=role.bound_subject,
                token_policies=list(role.token_policies),
                token_ttl=role.token_ttl_seconds,
                token_max_ttl=role.token_max_ttl_seconds,
                opts=child,
            )
        self.register_outputs({"path": self.path})
