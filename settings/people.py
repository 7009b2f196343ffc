"""Settings of people: the groups they are in, how each logs in. What a group may do is decided in `group_policies`."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from components.model import (
    Form,
    Name,
    Names,
    PositiveSeconds,
    RelativeFile,
    Section,
    SettingError,
    exactly_one,
    known,
    twins,
)
from components.vault.oidc import Oidc, RedirectUris

_LONGEST_DAY = 43_200
PersonName = Annotated[
    str,
    Form(
        r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?",
        "up to 64 lower-case letters, digits, '.', '_' or '-', with a letter or digit at both ends",
    ),
]
"""Vault folds the case of names of people, of groups and of their ACL policies."""
GroupClaim = Annotated[
    str,
    StringConstraints(max_length=128),
    Form(r"(?:(?!::)[^\s*,])+", "a value of the groups claim, without spaces, '*', ',' and '::'"),
]
Claims = Annotated[tuple[GroupClaim, ...], Field(strict=False)]


class OwnersGroup(Section):
    """Who owns the secrets of applications: reads, lists, writes, deletes and brings back these, and no others."""

    kind: Literal["owners"] = "owners"
    """What its people do."""
    applications: Annotated[Names, Field(min_length=1)]
    """Whose secrets."""
    destroys: bool = False
    """Whether they may also end versions for good, and remove a secret with its history."""
    claims: Claims = ()
    """Values of `people.oidc.groups_claim` that put somebody into the group."""


class OperatorsGroup(Section):
    """Who keeps the estate running: sees each secret's metadata, mounts, policies, limits and leases, and no value."""

    kind: Literal["operators"] = "operators"
    """What its people do."""
    claims: Claims = ()
    """Values of `people.oidc.groups_claim` that put somebody into the group."""


class AuditorsGroup(Section):
    """Who judges the estate: sees configuration, policies, roles, people and metadata, and no value."""

    kind: Literal["auditors"] = "auditors"
    """What its people do."""
    claims: Claims = ()
    """Values of `people.oidc.groups_claim` that put somebody into the group."""


class MemberByPassword(Section):
    """By user name and password. `./estate invite` gives a first one, for one use."""

    kind: Literal["userpass"] = "userpass"
    """How they log in."""


class MemberByCertificate(Section):
    """By a client certificate."""

    kind: Literal["certificate"] = "certificate"
    """How they log in."""
    file: RelativeFile
    """PEM file of the public certificate, relative to the project's root. Its common name is the member's name."""


class MemberByOidc(Section):
    """At the issuer of `people.oidc`. Needed only for whom no group's claim puts into one."""

    kind: Literal["oidc"] = "oidc"
    """How they log in."""
    claim: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    """Their value of `people.oidc.user_claim`."""


class Member(Section):
    """One person."""

    groups: Annotated[Names, Field(min_length=1)]
    """Groups they are in."""
    login: Annotated[MemberByPassword | MemberByCertificate | MemberByOidc, Field(discriminator="kind")]
    """How they log in: one of three kinds."""

    def called_at_login(self, name: str) -> str:
        """How the auth method of their login calls a member of this name."""
        return self.login.claim if isinstance(self.login, MemberByOidc) else name


class OidcWithSecret(Oidc):
    """Logins at an issuer of OpenID Connect: Google, Keycloak, GitHub through a broker."""

    redirect_uris: RedirectUris = ("http://localhost:8250/oidc/callback",)
    client_secret_file: RelativeFile | None = None
    """File with the client secret, relative to the project's root. It goes to Vault, and into no state."""
    client_secret_setting: Name | None = None
    """Or: name of the encrypted stack setting that holds it (`pulumi config set --secret NAME`)."""
    ca_certificate_file: RelativeFile | None = None
    """PEM file of the authority behind the issuer; none: the server's own store."""

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        exactly_one(self, "client_secret_file", "client_secret_setting")
        return self


def _folded(claim: str) -> str:
    """As Vault compares claims: of two that differ by case only it makes one alias."""
    return claim.lower()


def _only_theirs(name: str, member: Member) -> tuple[str, str]:
    """What no other member may log in by."""
    if isinstance(member.login, MemberByCertificate):
        return member.login.kind, member.login.file
    return member.login.kind, _folded(member.called_at_login(name))


class People(Section):
    """The people who work in Vault, apart from the administrator and who holds a key share."""

    token_ttl: Annotated[PositiveSeconds, Field(le=_LONGEST_DAY)] = 28_800
    """How long one login lasts; then a person logs in again."""
    groups: Annotated[
        Mapping[PersonName, Annotated[OwnersGroup | OperatorsGroup | AuditorsGroup, Field(discriminator="kind")]],
        Field(min_length=1),
    ]
    """The groups, and what each may do: one of three kinds."""
    members: Mapping[PersonName, Member] = {}
    """The people that this file names; others come by `claims`."""
    oidc: OidcWithSecret | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        claims = {(name, number): claim for name, one in self.groups.items() for number, claim in enumerate(one.claims)}
        for (name, number), (other, _), _ in twins({where: _folded(claim) for where, claim in claims.items()}):
            setting = f"groups.{name}.claims[{number}]"
            raise SettingError(setting, repr(claims[name, number]), f"a claim that puts nobody into {other}, too")
        for name, number in claims if self.oidc is None else ():
            raise SettingError(f"groups.{name}.claims[{number}]", "given", "a section people.oidc, whose claim it is")
        for name, other, _ in twins({name: _only_theirs(name, one) for name, one in self.members.items()}):
            raise SettingError(f"members.{name}.login", "given", f"a login of their own, where {other} has this one")
        for name, member in self.members.items():
            for number, group in enumerate(member.groups):
                known(f"members.{name}.groups[{number}]", group, "people.groups", self.groups)
            if member.login.kind == "oidc" and self.oidc is None:
                raise SettingError(f"members.{name}.login.kind", "'oidc'", "a section people.oidc in the settings")
        return self
