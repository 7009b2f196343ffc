"""Who works in Vault: persons, groups of them, and what binds both to logins.

Owns entities, groups and their aliases, and the role of a person who logs in by certificate. That gives nothing: what
somebody may do is their entity's and their groups', so that a change acts at once on every token. Refuses passwords:
whoever has one is let in by `./estate invite`, and chooses it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_vault as vault

from ..model import PositiveSeconds, SettingError, hold, names, twins
from ..render.acl import PERSON_PREFIX
from .children import child


@dataclass(frozen=True, kw_only=True)
class PersonAlias:
    """How one person is called at an auth method."""

    name: str
    """User name, common name of a certificate, or value of the claim that tells people apart."""
    mount_accessor: pulumi.Input[str]
    """The auth method's mount."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One person, and how they log in."""

    policies: Sequence[pulumi.Input[str]] = ()
    """ACL policies of their own, besides those of their groups."""
    groups: Sequence[str]
    """Groups they are in."""
    alias: PersonAlias
    """How they are called at an auth method."""
    certificate: str | None = None
    """PEM of their public certificate, for whom their alias is at the `cert` auth method."""


@dataclass(frozen=True, kw_only=True)
class PersonGroup:
    """One group of people."""

    policies: Sequence[pulumi.Input[str]]
    """What its people may do."""
    claims: Sequence[str] = ()
    """Values of the issuer's groups claim that put somebody into it for as long as they are logged in."""


@dataclass(frozen=True, kw_only=True)
class PeopleArgs:
    """What `PeopleInVault` needs."""

    persons: Mapping[str, Person] = field(default_factory=dict)
    """By name."""
    groups: Mapping[str, PersonGroup] = field(default_factory=dict)
    """By name."""
    claims_accessor: pulumi.Input[str] | None = None
    """The mount of the OIDC auth method that `claims` are of."""
    token_ttl: PositiveSeconds = 28_800
    """How long a login by certificate lasts."""
    certificate_path: str = "cert"
    """Mount of the `cert` auth method."""

    def __post_init__(self) -> None:
        """Raise SettingError for a bad name, an unknown group, a claim twice, or one without a mount."""
        hold("persons", self.persons, names)
        hold("groups", self.groups, names)
        for name, person in self.persons.items():
            for group in person.groups:
                if group not in self.groups:
                    raise SettingError(f"persons.{name}.groups", repr(group), "one of groups")
        # Vault folds the case of aliases.
        claims = {(name, claim): claim.lower() for name, group in self.groups.items() for claim in group.claims}
        for (name, claim), (other, _), _ in twins(claims):
            raise SettingError(f"groups.{name}.claims", repr(claim), f"another claim than {other} has")
        if claims and self.claims_accessor is None:
            raise SettingError("claims_accessor", "missing", "it beside claims")


class PeopleInVault(pulumi.ComponentResource):
    """Any number of persons and groups."""

    def __init__(self, name: str, args: PeopleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PeopleInVault", name, {}, opts)
        entities: dict[str, pulumi.Output[str]] = {}
        for key, person in args.persons.items():
            entities[key] = self._entity(name, key, person)
            if person.certificate:
                self._role(name, key, person.certificate, args)
        for key, group in args.groups.items():
            members = [entities[one] for one, person in args.persons.items() if key in person.groups]
            vault.identity.Group(
                f"{name}-group-{key}",
                name=key,
                policies=list(group.policies),
                member_entity_ids=members,
                opts=child(self),
            )
            for claim in group.claims:
                outside = vault.identity.Group(
                    f"{name}-group-{key}-{claim}",
                    name=f"{key}:{claim}",
                    type="external",
                    policies=list(group.policies),
                    opts=child(self),
                )
                vault.identity.GroupAlias(
                    f"{name}-claim-{key}-{claim}",
                    name=claim,
                    mount_accessor=args.claims_accessor or "",
                    canonical_id=outside.id,
                    opts=child(self),
                )
        self.register_outputs({})

    def _entity(self, name: str, key: str, person: Person) -> pulumi.Output[str]:
        entity = vault.identity.Entity(
            f"{name}-person-{key}", name=key, policies=list(person.policies), opts=child(self)
        )
        vault.identity.EntityAlias(
            # Whoever changes how they log in has both for a moment, each at its own mount.
            f"{name}-{'common-name' if person.certificate else 'login'}-{key}",
            name=person.alias.name,
            mount_accessor=person.alias.mount_accessor,
            canonical_id=entity.id,
            opts=child(self),
        )
        return entity.id

    def _role(self, name: str, key: str, certificate: str, args: PeopleArgs) -> None:
        vault.CertAuthBackendRole(
            f"{name}-login-{key}",
            backend=args.certificate_path,
            name=f"{PERSON_PREFIX}{key}",
            display_name=key,
            certificate=certificate,
            token_policies=[],
            token_ttl=args.token_ttl,
            token_max_ttl=args.token_ttl,
            opts=child(self),
        )
