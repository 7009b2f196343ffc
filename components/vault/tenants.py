"""Customers of a service: each has a folder of secrets of its own, and logs in by a token that names it.

Owns the mount of that login, its one role, and the one ACL policy of all tenants, which has the tenant's name in its
paths. Refuses to tell tenants by anything but the name of their login: what is known besides (its metadata) is that of
the last login, so that a token of one tenant would read another's (hashicorp/vault#27586).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import pulumi
import pulumi_vault as vault
from pydantic import Field, StringConstraints, model_validator

from ..model import AuthPath, Form, PositiveSeconds, Section, SettingError, VaultPath
from ..render.acl import TENANTS, render, tenants_policy
from .children import child
from .jwt import Claim, ClaimName, Jwt, jwt_mount

_LONGEST_TOKEN = 3_600
_WORDS = "Tenants, by a token that names them"


TenantId = Annotated[
    str,
    Form(
        r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
        "1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends",
    ),
]


class TenantIssuer(Jwt):
    """Who signs the tokens that tenants log in by, and where that login is mounted."""

    path: AuthPath = "tenants"
    """Where it is mounted. Nobody else logs in there."""


class Tenants(Section):
    """Folders of secrets, one for each customer of a service, whose names come with their logins."""

    mount: VaultPath = "secret"
    """The KV mount they are in."""
    folder: VaultPath = "tenants"
    """The folder in it: a tenant's secrets are at `{mount}/{folder}/{tenant}/`."""
    access: Literal["read", "write"] = "read"
    """Read only; or also write, without destroying versions."""
    issuer: TenantIssuer
    audience: Annotated[str, StringConstraints(min_length=1)]
    """The audience that a token must be made for."""
    claim: ClaimName = "tenant_id"
    """The claim that names the tenant. Vault folds its case: `A` and `a` are one tenant."""
    ids: Annotated[tuple[TenantId, ...], Field(strict=False)] = ()
    """The tenants there are. Empty: whomever the issuer names; it then has to see to it that two differ by more than
    their case."""
    claims: Mapping[ClaimName, Claim] = {}
    """What else a token must carry. A list gives several values, of which one must match."""
    token_ttl: Annotated[PositiveSeconds, Field(le=_LONGEST_TOKEN)] = 300
    """How long one login lasts."""

    @model_validator(mode="after")
    def _tenants_are_told_by_ids(self) -> Self:
        if self.claim in self.claims:
            raise SettingError(f"claims.{self.claim}", "given", "ids, which say the same of the claim")
        return self


@dataclass(frozen=True, kw_only=True)
class TenantsAuthArgs:
    """What `TenantsAuth` needs."""

    tenants: Tenants
    """Where their secrets are, and who signs for them."""
    ca_certificate: pulumi.Input[str] | None = None
    """PEM of the authority behind the issuer's URL; none: the server's own store."""


class TenantsAuth(pulumi.ComponentResource):
    """A login for tenants, and the ACL policy that gives each its own folder."""

    path: pulumi.Output[str]
    """Where the login is mounted, without `auth/`."""

    def __init__(self, name: str, args: TenantsAuthArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:TenantsAuth", name, {}, opts)
        tenants = args.tenants
        anew = child(self, made_anew_by=["path"])
        mount = jwt_mount(f"{name}-mount", tenants.issuer, _WORDS, args.ca_certificate, anew)
        self.path = mount.path.apply(lambda path: path or tenants.issuer.path)
        rules = tenants_policy(tenants.mount, tenants.folder, tenants.access)
        policy = vault.Policy(
            f"{name}-policy",
            name=rules.name,
            policy=mount.accessor.apply(lambda accessor: render(rules, accessor)),
            opts=child(self),
        )
        ids = {tenants.claim: tenants.ids} if tenants.ids else {}
        vault.jwt.AuthBackendRole(
            f"{name}-role",
            backend=self.path,
            role_name=TENANTS,
            role_type="jwt",
            user_claim=tenants.claim,
            bound_audiences=[tenants.audience],
            bound_claims={claim: ",".join(values) for claim, values in {**tenants.claims, **ids}.items()},
            bound_claims_type="string",
            token_policies=[policy.name],
            token_ttl=tenants.token_ttl,
            token_max_ttl=tenants.token_ttl,
            # There are many, and each is short: nothing of one is kept by the server.
            token_type="batch",  # noqa: S106 - a kind, no token
            opts=child(self),
        )
        self.register_outputs({"path": self.path})
