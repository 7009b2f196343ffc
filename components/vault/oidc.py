"""The OIDC auth method: people log in at the issuer they have already, with a browser.

Owns the mount, the issuer it is for and its one role. Refuses a client secret in a state: it is written, and never read
back. What somebody may do comes from the groups that their claims name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import pulumi
import pulumi_vault as vault
from pydantic import AfterValidator, Field, StringConstraints

from ..model import AuthPath, Form, HttpsUrl, PositiveSeconds, Section, reachable
from .children import child
from .jwt import Claim, ClaimName

ROLE = "people"
"""Name of the role, which is the mount's default."""

RedirectUri = Annotated[
    str,
    Form(
        r"http://localhost:[0-9]{4,5}/oidc/callback|https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/-]*",
        "http://localhost:PORT/oidc/callback for `./estate login`, or a URL that begins with https://",
    ),
    AfterValidator(reachable),
]
RedirectUris = Annotated[tuple[RedirectUri, ...], Field(strict=False, min_length=1)]
Scope = Annotated[str, Form(r"[!#-\[\]-~]+", "the name of a scope, without spaces")]


class Oidc(Section):
    """Logins at an issuer of OpenID Connect: Google, Keycloak, GitHub through a broker."""

    path: AuthPath = "oidc"
    """Where it is mounted."""
    discovery_url: HttpsUrl
    """The issuer, as it calls itself; its discovery document is below."""
    client_id: Annotated[str, StringConstraints(min_length=1)]
    """What the issuer calls this Vault. Tokens that were made for another client are refused."""
    client_secret_version: Annotated[int, Field(ge=1)] = 1
    """A higher number sends the client secret again."""
    user_claim: ClaimName = "sub"
    """The claim that tells people apart: one that the issuer never gives to somebody else."""
    groups_claim: ClaimName = "groups"
    """The claim with the list of groups that a person is in there; `claims` of `people.groups` are its values."""
    scopes: Annotated[tuple[Scope, ...], Field(strict=False, min_length=1)] = ("profile",)
    """What the issuer is asked for, besides `openid`. Many give groups for a scope `groups`."""
    bound_claims: Mapping[ClaimName, Claim] = {}
    """Claims without which nobody is let in, such as Google's `hd` with the organisation's domain. A list gives several
    values, of which one must match."""
    redirect_uris: RedirectUris
    """Where a browser may come back to. `./estate login` listens at the first that is on this machine."""


@dataclass(frozen=True, kw_only=True)
class OidcAuthArgs:
    """What `OidcAuth` needs."""

    oidc: Oidc
    """The mount, and the issuer it is for."""
    client_secret: pulumi.Input[str]
    """The issuer's password for this Vault."""
    ca_certificate: pulumi.Input[str] | None = None
    """PEM of the authority behind the issuer; none: the server's own store."""
    token_ttl: PositiveSeconds
    """How long one login lasts; it isn't renewed beyond."""


class OidcAuth(pulumi.ComponentResource):
    """An OIDC auth mount and its role, which gives no ACL policy."""

    path: pulumi.Output[str]
    """Where it is mounted, without `auth/`."""
    accessor: pulumi.Output[str]
    """The server's own name for the mount, which aliases are of."""

    def __init__(self, name: str, args: OidcAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:OidcAuth", name, {}, opts)
        oidc = args.oidc
        mount = vault.jwt.AuthBackend(
            f"{name}-mount",
            type="oidc",
            path=oidc.path,
            description="People, at their own issuer (OIDC)",
            oidc_discovery_url=oidc.discovery_url,
            oidc_discovery_ca_pem=args.ca_certificate,
            bound_issuer=oidc.discovery_url,
            oidc_client_id=oidc.client_id,
            oidc_client_secret_wo=pulumi.Output.secret(args.client_secret),
            oidc_client_secret_wo_version=oidc.client_secret_version,
            default_role=ROLE,
            opts=child(self, made_anew_by=["path"]),
        )
        self.path = mount.path.apply(lambda path: path or oidc.path)
        self.accessor = mount.accessor
        vault.jwt.AuthBackendRole(
            f"{name}-role",
            backend=self.path,
            role_name=ROLE,
            role_type="oidc",
            user_claim=oidc.user_claim,
            groups_claim=oidc.groups_claim,
            bound_audiences=[oidc.client_id],
            bound_claims={claim: ",".join(values) for claim, values in oidc.bound_claims.items()} or None,
            bound_claims_type="string",
            oidc_scopes=list(oidc.scopes),
            allowed_redirect_uris=list(oidc.redirect_uris),
            token_ttl=args.token_ttl,
            token_max_ttl=args.token_ttl,
            opts=child(self),
        )
        self.register_outputs({"path": self.path, "accessor": self.accessor})
