"""Tenants of a stack that is up: how each comes, and what must hold for all of them on any server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from components.render.acl import TENANTS
from ops.console import Console
from tests.support.checkouts import Checkout
from tests.support.tokens import Issuer

AUDIENCE = "secrets"
ANSWERED, DENIED, REFUSED = 200, 403, 400


@dataclass(frozen=True, kw_only=True)
class TenantsEstate:
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


@contextmanager
def tenants_of(made: Checkout, issuer: Issuer) -> Iterator[TenantsEstate]:
    """The built stack, two of whose tenants have a secret."""
    endpoint = made.local.find_endpoint(Console(as_json=True))
    with requests.Session() as calls:
        calls.trust_env = False
        calls.verify = str(endpoint.ca_file)
        found = TenantsEstate(made=made, issuer=issuer, calls=calls, address=endpoint.address)
        for name in ("a", "b"):
            path = f"secret/data/tenants/{name}/key"
            assert found.asks(found.tenant(name), "POST", path, {"data": {"value": f"of {name}"}}).ok
        yield found


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


def has_its_own_folder_and_no_other(estate: TenantsEstate) -> None:
    """Reading, writing, listing; and nothing is ended by a tenant."""
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


def one_person_stays_in_each(estate: TenantsEstate) -> None:
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


def gets_nobodys_folder(estate: TenantsEstate, tenant: str) -> None:
    """A tenant whose name is odd, if it gets in at all."""
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
