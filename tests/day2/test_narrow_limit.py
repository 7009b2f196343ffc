"""A whole `up` where a rate limit lets one request a second through, and the way back.

The contents are as small as one application has them, with one object of each engine: the local stack's own take three
minutes at that rate. Not proven: the official provider's waiting, which `maxRetries` sets.
"""

import json
from typing import Any

from tests.support.checkouts import Checkout
from tests.support.servers import call


def limited(checkout: Checkout, rate: int) -> dict[str, Any]:
    """Apply a rate limit of the whole server; what `up` then says."""
    settings = checkout.settings()
    checkout.write(settings | {"rate_limits": {"whole-server": {"rate": rate}}})
    answer = checkout.run("up", "--json", timeout=400)
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def test_an_estate_is_built_and_changed_at_one_request_a_second(local_checkout: Checkout) -> None:
    settings = local_checkout.settings()
    roles, keys, names = settings["database"]["roles"], settings["transit"]["keys"], settings["pki"]["roles"]
    granted: dict[str, Any] = {"database_roles": ["aos-readwrite"], "transit_keys": ["data-encryption-key"]}
    granted |= {"pki_roles": ["internal-mtls"], "secrets": {"database": {"keys": ["url"]}}}
    settings["database"]["roles"] = {"aos-readwrite": roles["aos-readwrite"]}
    settings["transit"]["keys"] = {"data-encryption-key": keys["data-encryption-key"]}
    settings["pki"]["roles"] = {"internal-mtls": names["internal-mtls"]}
    settings["kv"] = {"secret": {}}
    settings["applications"] = {"aos": {"login": {"kind": "approle"}, **granted}}
    for section in ("people", "userpass", "password_policies", "snapshots"):
        del settings[section]
    local_checkout.write(settings)

    made = limited(local_checkout, 1)
    assert (made["passed"], set(made["changes"])) == (True, {"create"})
    with local_checkout.administering() as client:
        assert call(client, "get", "sys/quotas/rate-limit/whole-server")["data"]["rate"] == 1

    wide = limited(local_checkout, 2000)
    assert (wide["passed"], wide["changed"]) == (True, 1)
