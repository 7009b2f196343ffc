"""Tenants on a real server that `./estate up` built: each reads its own folder and no other's, whoever it is.

Tokens are real ones, signed here. Doesn't prove: an issuer whose keys are fetched. On HashiCorp's server
tests/hashicorp does the same.
"""

import json
import time
from collections.abc import Iterator

import pytest

from components.render.acl import TENANT, render, tenants_policy
from ops.review.semantics import at, read
from tests.support.checkouts import Checkout
from tests.support.tenants import (
    AUDIENCE,
    DENIED,
    ODD_NAMES,
    TenantsEstate,
    gets_nobodys_folder,
    has_its_own_folder_and_no_other,
    one_person_stays_in_each,
    section,
    tenants_of,
)
from tests.support.tokens import Issuer


@pytest.fixture(scope="module")
def estate(local_checkout: Checkout) -> Iterator[TenantsEstate]:
    """`up` with tenants, two of which have a secret."""
    issuer = Issuer()
    local_checkout.write({**local_checkout.settings(), "tenants": section(issuer)})
    answer = local_checkout.run("up")
    assert answer.returncode == 0, answer.stderr
    with tenants_of(local_checkout, issuer) as found:
        yield found


def test_a_tenant_has_its_own_folder_and_no_other(estate: TenantsEstate) -> None:
    has_its_own_folder_and_no_other(estate)


def test_one_person_in_two_tenants_stays_in_each(estate: TenantsEstate) -> None:
    one_person_stays_in_each(estate)


@pytest.mark.parametrize("tenant", ODD_NAMES)
def test_an_odd_name_gets_nobodys_folder(estate: TenantsEstate, tenant: str) -> None:
    gets_nobodys_folder(estate, tenant)


@pytest.mark.parametrize("tenant", ["", 5, ["a", "b"], {"a": "b"}, True, None])
def test_what_is_no_name_doesnt_log_in(estate: TenantsEstate, tenant: object) -> None:
    assert not estate.log_in(estate.issuer.sign(aud=AUDIENCE, tenant_id=tenant)).ok


def test_the_server_folds_the_case_of_names(estate: TenantsEstate) -> None:
    """So the issuer has to tell tenants apart by more, or the settings list them; see the next test but one."""
    assert estate.reads(estate.tenant("A"), "a/key") == "of a"
    assert estate.reads(estate.tenant("A"), "b/key") == DENIED


def test_only_the_issuers_tokens_for_this_audience_that_are_good_now_are_taken(estate: TenantsEstate) -> None:
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


def test_what_a_tenant_may_do_is_what_a_review_says(estate: TenantsEstate) -> None:
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


def test_no_application_is_a_tenant(estate: TenantsEstate) -> None:
    issued = json.loads(estate.made.run("secret-id", "bike-data-flow", "--json").stdout)
    secret_id = estate.asks(issued["wrapping_token"], "POST", "sys/wrapping/unwrap").json()["data"]["secret_id"]
    login = {"role_id": issued["role_id"], "secret_id": secret_id}
    token = estate.asks("", "POST", "auth/approle/login", login).json()["auth"]["client_token"]
    assert estate.reads(token, "a/key") == DENIED
    assert estate.asks(token, "LIST", "secret/metadata/tenants").status_code == DENIED


def test_listed_tenants_are_the_only_ones_and_in_this_spelling(estate: TenantsEstate) -> None:
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
