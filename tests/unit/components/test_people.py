"""Persons, groups and the OIDC auth method: exact resources, and what each refuses."""

from typing import Any

import pytest

from components.model import SettingError
from components.vault.oidc import Oidc, OidcAuth, OidcAuthArgs
from components.vault.people import PeopleArgs, PeopleInVault, Person, PersonAlias, PersonGroup
from tests.support.contents import CA
from tests.support.declare import Secret, declare
from tests.unit.components.graph import graph

ISSUER = "https://issuer.example"
SECRET = "-".join(("canary", "client", "secret"))


def people(**changes: Any) -> PeopleArgs:
    """One person by alias, one by certificate, one group that claims put into."""
    given: dict[str, Any] = {
        "persons": {
            "ada": Person(
                policies=("person-ada",),
                groups=("owners",),
                alias=PersonAlias(name="ada", mount_accessor="auth_userpass_1"),
            ),
            "grace": Person(
                policies=("person-grace",),
                groups=("owners", "operators"),
                alias=PersonAlias(name="grace", mount_accessor="auth_cert_1"),
                certificate=CA,
            ),
        },
        "groups": {
            "owners": PersonGroup(policies=("group-owners",), claims=("org:team",)),
            "operators": PersonGroup(policies=("group-operators",)),
        },
        "claims_accessor": "auth_oidc_1",
    }
    return PeopleArgs(**{**given, **changes})


def test_persons_and_groups() -> None:
    group = "vault:identity/group:Group"
    assert graph(lambda: PeopleInVault("people", people())) == {
        "people-person-ada": ("vault:identity/entity:Entity", {"name": "ada", "policies": ["person-ada"]}),
        "people-login-ada": (
            "vault:identity/entityAlias:EntityAlias",
            {"name": "ada", "mountAccessor": "auth_userpass_1", "canonicalId": "people-person-ada-id"},
        ),
        "people-person-grace": ("vault:identity/entity:Entity", {"name": "grace", "policies": ["person-grace"]}),
        "people-common-name-grace": (
            "vault:identity/entityAlias:EntityAlias",
            {"name": "grace", "mountAccessor": "auth_cert_1", "canonicalId": "people-person-grace-id"},
        ),
        "people-login-grace": (
            "vault:index/certAuthBackendRole:CertAuthBackendRole",
            {
                "backend": "cert",
                "name": "person-grace",
                "displayName": "grace",
                "certificate": CA,
                "tokenPolicies": [],
                "tokenTtl": 28_800,
                "tokenMaxTtl": 28_800,
            },
        ),
        "people-group-owners": (
            group,
            {
                "name": "owners",
                "policies": ["group-owners"],
                "memberEntityIds": ["people-person-ada-id", "people-person-grace-id"],
            },
        ),
        "people-group-owners-org:team": (
            group,
            {"name": "owners:org:team", "type": "external", "policies": ["group-owners"]},
        ),
        "people-claim-owners-org:team": (
            "vault:identity/groupAlias:GroupAlias",
            {
                "name": "org:team",
                "mountAccessor": "auth_oidc_1",
                "canonicalId": "people-group-owners-org:team-id",
            },
        ),
        "people-group-operators": (
            group,
            {"name": "operators", "policies": ["group-operators"], "memberEntityIds": ["people-person-grace-id"]},
        ),
    }


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"persons": {"ada": Person(groups=("ghosts",), alias=PersonAlias(name="ada", mount_accessor="a"))}},
        r"persons\.ada\.groups is 'ghosts'; expected one of groups",
    ),
    (
        {
            "groups": {
                "owners": PersonGroup(policies=("a",), claims=("c",)),
                "operators": PersonGroup(policies=("b",), claims=("C",)),
            }
        },
        r"groups\.operators\.claims is 'C'; expected another claim than owners has",
    ),
    ({"claims_accessor": None}, r"claims_accessor is missing; expected it beside claims"),
    ({"groups": {"owners": PersonGroup(policies=()), "Owners": PersonGroup(policies=())}}, "more than its case"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED)
def test_what_doesnt_belong_together_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        people(**changes)


def issuer(**changes: Any) -> OidcAuthArgs:
    callback = ("http://localhost:8250/oidc/callback",)
    oidc = Oidc(discovery_url=ISSUER, client_id="vault", redirect_uris=callback, **changes)
    return OidcAuthArgs(oidc=oidc, client_secret=SECRET, token_ttl=3600)


def test_oidc() -> None:
    args = issuer(bound_claims={"hd": ("example.com", "example.org")})
    assert graph(lambda: OidcAuth("oidc", args)) == {
        "oidc-mount": (
            "vault:jwt/authBackend:AuthBackend",
            {
                "type": "oidc",
                "path": "oidc",
                "description": "People, at their own issuer (OIDC)",
                "oidcDiscoveryUrl": ISSUER,
                "boundIssuer": ISSUER,
                "oidcClientId": "vault",
                "oidcClientSecretWo": Secret(SECRET),
                "oidcClientSecretWoVersion": 1,
                "defaultRole": "people",
            },
        ),
        "oidc-role": (
            "vault:jwt/authBackendRole:AuthBackendRole",
            {
                "backend": "oidc",
                "roleName": "people",
                "roleType": "oidc",
                "userClaim": "sub",
                "groupsClaim": "groups",
                "boundAudiences": ["vault"],
                "boundClaims": {"hd": "example.com,example.org"},
                "boundClaimsType": "string",
                "oidcScopes": ["profile"],
                "allowedRedirectUris": ["http://localhost:8250/oidc/callback"],
                "tokenTtl": 3600,
                "tokenMaxTtl": 3600,
            },
        ),
    }


def test_what_a_mount_is_called_by_the_server_is_told() -> None:
    declared = declare(lambda: OidcAuth("oidc", issuer(path="people/oidc")))
    outputs = {record.name: declared.outputs[record.urn] for record in declared.records if not record.custom}
    assert outputs == {"oidc": {"path": "people/oidc", "accessor": "<oidc-mount.accessor>"}}
