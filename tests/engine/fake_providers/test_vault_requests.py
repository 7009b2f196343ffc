"""What the fake Vault provider asks a server to change, held against what the official one was heard to ask.

`official_requests.json` says where it is from. Doesn't prove that a later plugin asks the same.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_providers.attach import attach
from fake_providers.servicer import RefusedError
from fake_providers.vault.fields import flat, same, seconds
from fake_providers.vault.table import TABLE
from tests.engine.fake_providers.acts import ACTS
from tests.engine.fake_providers.cases import CHARACTERS
from tests.engine.fake_providers.filling import write
from tests.engine.fake_providers.listening import Heard, listening
from tests.engine.fake_providers.requests import authority, life, refused_device
from tests.engine.fake_providers.wire import Wire
from tests.support.servers import VaultServer

OFFICIAL: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "official_requests.json").read_text())[
    "types"
]
NOT_ACTED = {"index/audit:Audit", *(token for token in TABLE if "Cert" in token and token.startswith("pkiSecret"))}
NOT_ACTED |= {token for token in TABLE if token.startswith(("pkiSecret/secretBackendRoot", "pkiSecret/secretBackendI"))}
"""What is made once, and what OpenBao refuses: their tests are the last two."""

NOT_BESIDE_OTHERS = {
    "jwt/authBackend:AuthBackend": {"oidcDiscoveryUrl", "oidcDiscoveryCaPem", "jwksUrl", "jwksCaPem"}
    | {"oidcClientId", "oidcClientSecretWo", "oidcClientSecretWoVersion", "defaultRole"}
}
"""Which a server takes only instead of others, and would call up."""


STAYS_WHEN_TAKEN_OUT = {
    ("database/secretBackendConnection", "passwordPolicy"): "an `up` resets it: ops/commands/taken_out.py",
    ("database/secretBackendRole", "credentialType"): "never declared",
    ("index/auditRequestHeader", "hmac"): "the server takes a write without it for a no",
    ("index/quotaConfig", "enableRateLimitAuditLogging"): "never declared",
    ("index/quotaConfig", "rateLimitExemptPaths"): "never declared",
    ("index/quotaRateLimit", "blockInterval"): "the server takes each write for the whole quota",
    ("index/quotaRateLimit", "role"): "never declared",
    ("jwt/authBackendRole", "allowedRedirectUris"): "settings want one",
    ("jwt/authBackendRole", "oidcScopes"): "settings want one",
    ("jwt/authBackend", "description"): "always the same",
    ("pkiSecret/secretBackendRole", "allowedDomains"): "settings want one",
    ("pkiSecret/secretBackendRole", "organizations"): "settings want one",
}
"""What the official provider doesn't send where a program gives it no more, and why nothing of it is left behind."""


@pytest.fixture(scope="module")
def heard(vault_server: VaultServer, prepared: dict[str, str]) -> Iterator[Heard]:
    write(vault_server.client, "sys/policies/password/act-policy", {"policy": CHARACTERS.format(20)})
    for mount in ("act-root", "act-int"):
        write(vault_server.client, f"sys/mounts/{mount}", {"type": "pki"})
    assert prepared
    with listening(vault_server) as listener:
        yield listener


@pytest.fixture(scope="module")
def spoken(heard: Heard, vault_server: VaultServer) -> Iterator[Wire]:
    """The fake provider, which takes the listener for its server."""
    settings = {"address": heard.address, "token": vault_server.client.token}
    with attach(["vault"]) as environment, Wire(environment, "vault", settings) as wire:
        yield wire


def meant(value: Any) -> Any:
    """The same value however a duration in it is spelt: `72h`, `259200` and `259200s` are one."""
    if isinstance(value, dict):
        return {name: meant(one) for name, one in value.items()}
    if isinstance(value, list):
        return [meant(one) for one in value]
    if isinstance(value, str) and value[:1].isdigit():
        try:
            return seconds(value)
        except RefusedError:
            return value
    return value


def test_every_type_is_acted_with_all_its_properties() -> None:
    assert ACTS.keys() | NOT_ACTED == TABLE.keys()
    for token, act in ACTS.items():
        table = TABLE[token].table
        assert set(flat(act.full, table)) == set(table) - NOT_BESIDE_OTHERS.get(token, set()), token


def test_what_stays_on_the_server_when_it_is_taken_out() -> None:
    """Of the properties that the official provider was heard to send at a create, without what needs a new object."""
    stays = set()
    for token, act in ACTS.items():
        table = TABLE[token].table
        gone = set(flat(act.full, table)) - set(flat(act.least, table))
        sent, first = (
            set().union(*(flattened(one[2]) for one in OFFICIAL[token][when])) for when in ("drop", "create")
        )
        stays |= {
            (token.split(":")[0], name)
            for name in gone
            if not table[name].replaces
            and table[name].kind not in {"path", "local"}
            and table[name].key.rpartition(".")[2] in first - sent
            and not same(table[name], table[name].unset, act.full.get(name))
        }
    assert stays == STAYS_WHEN_TAKEN_OUT.keys()


def flattened(body: dict[str, Any]) -> set[str]:
    """The keys of a request, those inside its objects too."""
    return set(body).union(*(flattened(value) for value in body.values() if isinstance(value, dict)))


@pytest.mark.parametrize("token", ACTS)
def test_it_asks_what_the_official_one_asks(token: str, spoken: Wire, heard: Heard, prepared: dict[str, str]) -> None:
    told = life(token, spoken, heard, prepared)
    for act, expected in OFFICIAL[token].items():
        assert meant(told[act]) == meant(expected), act


def test_an_authority_is_asked_for_as_by_the_official_one(spoken: Wire, heard: Heard) -> None:
    assert authority(spoken, heard, "act-root", "act-int") == OFFICIAL["authority"]


def test_an_audit_device_is_asked_for_as_by_the_official_one(spoken: Wire, heard: Heard) -> None:
    assert refused_device(spoken, heard) == OFFICIAL["index/audit:Audit"]["create"]
