"""Tenants on a real server that `./estate up` built: each reads its own folder and no other's, whoever it is.

Tokens are real ones, signed here. Doesn't prove: an issuer whose keys are fetched, HashiCorp's server.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from components.render.acl import TENANT, TENANTS, render, tenants_policy
from ops.console import Console
from ops.review.semantics import at, read
from tests.support.checkouts import Checkout
from tests.support.tokens import Issuer

pytestmark = pytest.mark.timeout(300)

AUDIENCE = "secrets"
ANSWERED, DENIED, REFUSED = 200, 403, 400


@dataclass(frozen=True, kw_only=True)
class Estate:
    """A built stack with tenants."""

    made: Checkout
    issuer: Issuer
    calls: requests.Session
    address: str

    def log_in(self, token: str) -> requests.Response:
        """Come with a token."""
        return self.calls.post(
            f"{self.address}/v1/auth/tenants/login", json={"role": TENANTS, "jwt": token}, timeout=10
        )

    def tenant(self, tenant: object, **claims: object) -> str:
        """A tenant's login; what it may act with."""
        token = self.issuer.sign(aud=AUDIENCE, tenant_id=tenant, **claims)
        answer = self.log_in(token)
        assert answer.status_code == ANSWERED, answer.text
        found: str = answer.json()["auth"]["client_token"]
        return found

    def asks(self, token: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        """One request."""
        return self.calls.request(
            method, f"{self.address}/v1/{path}", headers={"X-Vault-Token": token}, json=body, timeout=10
        )

    def reads(self, token: str, path: str) -> str | int:
        """The value at a path of tenants, or the code of what came instead."""
        answer = self.asks(token, "GET", f"secret/data/tenants/{path}")
        return str(answer.json()["data"]["data"]["value"]) if answer.ok else answer.status_code


def section(issuer: Issuer, **more: object) -> dict[str, Any]:
    return {
        "issuer": {"bound_issuer": issuer.name, "jwt_validation_pubkeys": [issuer.public_key]},
        "audience": AUDIENCE,
        "access": "write",
        **more,
    }


@pytest.fixture(scope="module")
def estate(local_checkout: Checkout) -> Iterator[Estate]:
    """`up` with tenants, two of which have a secret."""
    issuer = Issuer()
    local_checkout.write({**local_checkout.settings(), "tenants": section(issuer)})
    answer = local_checkout.run("up")
    assert answer.returncode == 0, answer.stderr
    endpoint = local_checkout.local.find_endpoint(Console(as_json=True))
    with requests.Session() as calls:
        calls.trust_env = False
        calls.verify = str(endpoint.ca_file)
        found = Estate(made=local_checkout, issuer=issuer, calls=calls, address=endpoint.address)
        for name in ("a", "b"):
            path = f"secret/data/tenants/{name}/key"
            assert found.asks(found.tenant(name), "POST", path, {"data": {"value": f"of {name}"}}).ok
        yield found


def test_a_tenant_has_its_own_folder_and_no_other(estate: Estate) -> None:
    for own, other in (("a", "b"), ("b", "a")):
        token = estate.tenant(own)
        assert estate.reads(token, f"{own}/key") == f"of {own}"
        assert estate.reads(token, f"{other}/key") == DENIED
        for path in (f"{other}/new", f"{own}b/new", "new", own):
            assert (
                estate.asks(token, "POST", f"secret/data/tenants/{path}", {"data": {"value": "x"}}).status_code
                == DENIED
            )
        assert estate.asks(token, "LIST", f"secret/metadata/tenants/{own}").json()["data"]["keys"] == ["key"]
        for path in ("secret/metadata/tenants", "secret/metadata/tenants/", "secret/metadata", "secret/metadata/"):
            assert estate.asks(token, "LIST", path).status_code == DENIED
        for path in (f"secret/metadata/tenants/{other}", f"secret/metadata/tenants/{other}/"):
            assert estate.asks(token, "LIST", path).status_code == DENIED
        for method, path in (("DELETE", "data"), ("DELETE", "metadata"), ("PUT", "destroy"), ("PUT", "delete")):
            assert estate.asks(token, method, f"secret/{path}/tenants/{own}/key").status_code == DENIED


def test_one_person_in_two_tenants_stays_in_each(estate: Estate) -> None:
    """With the tenant in the login's metadata, each login would take the tokens that are there along with it."""
    kept: list[tuple[str, str]] = []
    for number in range(30):
        name, other = ("a", "b") if number % 2 else ("b", "a")
        token = estate.tenant(name, sub="alice", email="alice@example.com")
        kept.append((name, token))
        assert estate.reads(token, f"{name}/key") == f"of {name}"
        assert estate.reads(token, f"{other}/key") == DENIED
    for name, token in kept:
        other = "ab".replace(name, "")
        assert (estate.reads(token, f"{name}/key"), estate.reads(token, f"{other}/key")) == (f"of {name}", DENIED)


ODD = (
    "..",
    ".",
    "+",
    "*",
    "a/*",
    "a/key",
    "a/b",
    "../b",
    "/a",
    "a/",
    "a%2Fb",
    "a%2fkey",
    " ",
    "a ",
    " a",
    "é",
    "a\x00",
)
ODD_NAMES = (*ODD, "{{identity.entity.id}}", "}}", "a\n", "x" * 300, "-", "\u00aa")


@pytest.mark.parametrize("tenant", ODD_NAMES)
def test_an_odd_name_gets_nobodys_folder(estate: Estate, tenant: str) -> None:
    answer = estate.log_in(estate.issuer.sign(aud=AUDIENCE, tenant_id=tenant))
    if not answer.ok:
        return
    token = answer.json()["auth"]["client_token"]
    for path in ("a/key", "b/key", "a/b/key", "key", "%2E%2E/tenants/a/key", "../tenants/a/key"):
        assert estate.reads(token, path) in (DENIED, REFUSED), path
    for path in (
        "secret/metadata/tenants",
        "secret/metadata/tenants/a",
        "secret/metadata/tenants/b",
        "secret/metadata",
    ):
        assert estate.asks(token, "LIST", path).status_code in (DENIED, REFUSED), path


@pytest.mark.parametrize("tenant", ["", 5, ["a", "b"], {"a": "b"}, True, None])
def test_what_is_no_name_doesnt_log_in(estate: Estate, tenant: object) -> None:
    assert not estate.log_in(estate.issuer.sign(aud=AUDIENCE, tenant_id=tenant)).ok


def test_the_server_folds_the_case_of_names(estate: Estate) -> None:
    """So the issuer has to tell tenants apart by more, or the settings list them; see the next test but one."""
    assert estate.reads(estate.tenant("A"), "a/key") == "of a"
    assert estate.reads(estate.tenant("A"), "b/key") == DENIED


def test_only_the_issuers_tokens_for_this_audience_that_are_good_now_are_taken(estate: Estate) -> None:
    good = {"aud": AUDIENCE, "tenant_id": "a"}
    now = int(time.time())
    header, body, signature = estate.issuer.sign(**good).split(".")
    wrong = {
        "another key": Issuer().sign(**good),
        "another issuer": Issuer("https://other.example.com", estate.issuer.key).sign(**good),
        "another audience": estate.issuer.sign(**{**good, "aud": "others"}),
        "no audience": estate.issuer.sign(tenant_id="a"),
        "no tenant": estate.issuer.sign(aud=AUDIENCE, sub="a"),
        "ended": estate.issuer.sign(**good, exp=now - 600, iat=now - 900, nbf=now - 900),
        "not yet": estate.issuer.sign(**good, nbf=now + 600, iat=now + 600, exp=now + 900),
        "no signature": f"{header}.{body}.",
        "another's body": f"{header}.{estate.issuer.sign(**{**good, 'tenant_id': 'b'}).split('.')[1]}.{signature}",
    }
    assert estate.log_in(estate.issuer.sign(**good)).ok
    assert [why for why, token in wrong.items() if estate.log_in(token).ok] == []


def test_what_a_tenant_may_do_is_what_a_review_says(estate: Estate) -> None:
    """The server's answer, asked by the tenant itself, and that of `./estate diff`, which shows `{tenant}`."""
    rules = read(render(tenants_policy("secret", "tenants", "write"), "auth_jwt_1"))
    assert all(TENANT in path for path in rules)
    folders = ("data/tenants", "metadata/tenants", "data", "metadata", "delete/tenants")
    paths = [
        f"secret/{folder}/{rest}" for folder in folders for rest in ("a/key", "a/x/y", "a/", "b/key", "", "ab/key")
    ]
    token = estate.tenant("a")
    answer = estate.asks(token, "POST", "sys/capabilities-self", {"paths": paths}).json()["data"]
    own = {path.replace(TENANT, "a"): allowed for path, allowed in rules.items()}
    for path in paths:
        assert set(answer[path]) == {str(one) for one in at(own, path).capabilities}, path


def test_no_application_is_a_tenant(estate: Estate) -> None:
    issued = json.loads(estate.made.run("secret-id", "bike-data-flow", "--json").stdout)
    secret_id = estate.asks(issued["wrapping_token"], "POST", "sys/wrapping/unwrap").json()["data"]["secret_id"]
    login = {"role_id": issued["role_id"], "secret_id": secret_id}
    token = estate.asks("", "POST", "auth/approle/login", login).json()["auth"]["client_token"]
    assert estate.reads(token, "a/key") == DENIED
    assert estate.asks(token, "LIST", "secret/metadata/tenants").status_code == DENIED


def test_listed_tenants_are_the_only_ones_and_in_this_spelling(estate: Estate) -> None:
    settings = estate.made.settings()
    earlier = estate.tenant("b")
    estate.made.write({**settings, "tenants": section(estate.issuer, ids=["a", "c"], claims={"tier": ["gold"]})})
    answer = estate.made.run("up", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["changed"] == 1

    assert estate.reads(estate.tenant("a", tier="gold"), "a/key") == "of a"
    assert estate.reads(estate.tenant("c", tier="gold"), "a/key") == DENIED
    for tenant, tier in (("b", "gold"), ("A", "gold"), ("a,c", "gold"), ("a", "iron"), ("*", "gold"), ("", "gold")):
        assert not estate.log_in(estate.issuer.sign(aud=AUDIENCE, tenant_id=tenant, tier=tier)).ok, tenant
    assert (estate.reads(earlier, "b/key"), estate.reads(earlier, "a/key")) == ("of b", DENIED)
    estate.made.write(settings)
