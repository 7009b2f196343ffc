"""Settings of tenants: what is refused, and in which words."""

from typing import Any

import pytest

from settings import parse
from tests.support.hetzner_samples import OF_VAULT, PLATFORM, SSH
from tests.unit.settings.samples import FULL, MINIMAL, changed, refusal

WRONG: list[tuple[str, Any, str]] = [
    ("tenants/mount", "none", ".tenants.mount is 'none'; expected one of kv: secret, team/kv"),
    ("tenants/folder", "a/../b", ".tenants.folder is 'a/../b'; expected names joined by '/'"),
    ("tenants/folder", "{tenant}", ".tenants.folder is '{tenant}'; expected names joined by '/'"),
    ("tenants/access", "own", ".tenants.access is 'own'; expected 'read' or 'write'"),
    ("tenants/audience", "", ".tenants.audience is empty; expected at least 1 character"),
    ("tenants/claim", "a b", ".tenants.claim is 'a b'; expected the name of a claim, without spaces"),
    ("tenants/ids", ["A"], ".tenants.ids[0] is 'A'; expected 1 to 63 lower-case letters, digits or '-'"),
    ("tenants/ids", ["a/b"], ".tenants.ids[0] is 'a/b'; expected 1 to 63 lower-case letters"),
    ("tenants/ids", [".."], ".tenants.ids[0] is '..'; expected 1 to 63 lower-case letters"),
    ("tenants/ids", ["a", "a"], ".tenants.ids[1] is 'a'; expected each entry once"),
    ("tenants/claims", {"tier": "g*"}, ".tenants.claims.tier is 'g*'; expected an exact value, without '*' or ','"),
    ("tenants/claims", {"tenant_id": "a"}, ".tenants.claims.tenant_id is given; expected ids, which say the same"),
    ("tenants/token_ttl", "2h", ".tenants.token_ttl is '2h'; expected at most 1h"),
    ("tenants/issuer/path", "jwt", ".tenants.issuer.path is 'jwt'; expected a path apart from jwt.path"),
    ("tenants/issuer/path", "cert", ".tenants.issuer.path is 'cert'; expected a path apart from the administrator's"),
    (
        "tenants/folder",
        "app",
        ".applications.app.secrets.database is at secret/app/test/database; expected a path outside of secret/app, the",
    ),
]


@pytest.mark.parametrize(("where", "value", "said"), WRONG)
def test_what_is_wrong_is_told(where: str, value: Any, said: str) -> None:
    (line,) = refusal(changed(where, value))

    assert line.startswith(f"vault-estate:estate{said}")


def test_hashicorps_server_has_its_tenants_listed() -> None:
    platform = {**PLATFORM, "seal": {"kind": "shamir"}, "ssh": SSH}
    listed = {**MINIMAL, "platform": platform, **OF_VAULT, "tenants": FULL["tenants"]}
    (line,) = refusal({**listed, "tenants": {**FULL["tenants"], "ids": []}})

    assert parse(listed).tenants is not None
    assert line.startswith(
        "vault-estate:estate.tenants.ids is empty; expected the tenants there are, since server.flavor"
    )


def test_an_application_whose_name_begins_as_the_folders_is_apart() -> None:
    assert parse(changed("tenants/folder", "ap")).tenants is not None


def test_a_limit_may_be_for_their_login() -> None:
    limits = {"tenants": {"rate": 50, "path": "auth/tenants"}}

    assert parse({**FULL, "rate_limits": limits}).rate_limits["tenants"].path == "auth/tenants"
