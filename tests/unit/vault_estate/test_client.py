"""What a client gives, and what it asks for, against a fake Vault in memory and a clock that is set.

Not proven: that a server answers so (`tests/live/vault_estate/`).
"""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hvac import exceptions

from tests.support.scripted_vault import ADDRESS, ROLE_ID, SECRET_ID, ScriptedVault
from vault_estate import errors
from vault_estate.answers import Answer
from vault_estate.client import VaultClient
from vault_estate.events import Event, EventKind
from vault_estate.manifest import ClientManifest
from vault_estate.models import Credentials, IssuedCertificate, Secret
from vault_estate.opening import VaultClientConfig, opened
from vault_estate.transport import Call

ENVIRON = {"VAULT_ADDR": ADDRESS, "VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID}
CANARY = "canary-0value"
MANIFEST = ClientManifest.model_validate_json(
    """{
  "application": "aos", "environment": "development", "flavor": "openbao", "addresses": ["https://vault.example.com:8200"],
  "login": {"kind": "approle", "mount": "approle", "role": "aos", "role_id": "role-of-aos",
            "secret_id_ttl_seconds": 3600, "secret_id_uses": 0, "renews_secret_id": false,
            "token_ttl_seconds": 3600, "token_max_ttl_seconds": 14400, "token_type": "service"},
  "mount": "secret", "layout": "{mount}/{application}/{name}", "fresh_seconds": 60,
  "secrets": {"app": {"mount": "secret", "path": "aos/app", "keys": ["a"], "access": "read", "owner": "aos"}},
  "database": {"mount": "database", "static_roles": {"fixed": {"host": "db", "port": 5432, "database": "app",
    "ssl_mode": "verify-full", "username": "u", "rotation_period_seconds": 3600}},
    "roles": {"aos": {"host": "db", "port": 5432, "database": "app", "ssl_mode": "verify-full", "access": "readonly",
              "ttl_seconds": 3600, "max_ttl_seconds": 14400}}}
}"""
)


@pytest.fixture
def vault() -> ScriptedVault:
    vault = ScriptedVault()
    vault.write("app", a=CANARY, b="2")
    return vault


@pytest.fixture
def make(vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VaultClient]:
    """A client at the fake."""
    monkeypatch.setattr("vault_estate.opening.Transport", lambda *_, **__: vault.transport())
    monkeypatch.setattr("vault_estate.leases.Leases._run", lambda _: None)  # tests look by themselves

    def made(**options: Any) -> VaultClient:
        options.setdefault("environ", ENVIRON)
        return VaultClient(**options)

    return made


def test_a_secret_is_read_once_in_five_minutes(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    client = make()
    assert vault.asked == []
    secret = client.get_secret("app")
    assert client.get_secret("app") is secret
    assert (secret["a"], dict(secret), secret.version, secret.path) == (
        CANARY,
        {"a": CANARY, "b": "2"},
        1,
        "secret/app",
    )
    assert vault.count("secret/data/app") == 1
    vault.clock.advance(301)
    client.get_secret("app")
    assert vault.count("secret/data/app") == 2


def test_versions(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    client = make()
    client.get_secret("app")
    vault.write("app", a="new")
    assert client.get_secret("app").version == 1
    assert client.get_secret("app", min_version=1).version == 1
    assert client.get_secret("app", min_version=2)["a"] == "new"
    assert client.get_secret("app").version == 2
    with pytest.raises(errors.SecretNotFound, match="is at version 2; expected 3 or later"):
        client.get_secret("app", min_version=3)
    assert client.get_secret("app", version=1)["a"] == CANARY
    vault.clock.advance(2_800)
    asked = vault.count("version=1")
    client.get_secret("app", version=1)
    assert vault.count("version=1") == asked == 1
    with pytest.raises(errors.SecretNotFound, match="there is nothing"):
        client.get_secret("app", version=9)


def test_refreshing_and_forgetting(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    client = make()
    assert client.peek("app") is None
    client.get_secret("app")
    vault.write("app", a="new")
    assert client.refresh("app")["a"] == "new"
    assert client.peek("app") is client.get_secret("app")
    vault.write("app", a="newer")
    client.invalidate("app")
    assert client.get_secret("app")["a"] == "newer"
    assert client.get_secret("app", version=1)["a"] == CANARY
    client.invalidate("app")
    assert client.peek("app", version=1) is None, "of a version that was destroyed nobody wants to have the value"
    client.get_secret("app")
    client.invalidate("other")
    assert client.peek("app") is not None
    client.invalidate()
    assert client.peek("app") is None


def test_an_outage_is_outlived_marked_and_told_once_a_minute(
    vault: ScriptedVault, make: Callable[..., VaultClient], caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    client.get_secret("app")
    vault.sealed = True
    for _ in range(6):
        vault.clock.advance(301 if not client._cache.has_stale() else 20)
        assert client.get_secret("app").stale
    assert repr(client.get_secret("app")) == "Secret(app, v1, 2 keys, stale)"
    assert client.health().stale
    assert len([one for one in caplog.records if "is served as it was read" in one.message]) == 2
    vault.sealed = False
    vault.clock.advance(1.1)
    assert not client.get_secret("app").stale
    vault.sealed = True
    vault.clock.advance(3_601)
    with pytest.raises(errors.VaultSealed):
        client.get_secret("app")


def test_a_changed_policy_takes_the_value_away_at_once(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    client = make()
    client.get_secret("app")
    vault.denied.add("secret/data/app")
    vault.clock.advance(301)
    for _ in range(5):
        with pytest.raises(errors.PermissionDenied):
            client.get_secret("app")
    assert vault.count("login") == 1
    assert vault.count("lookup-self") == 1
    vault.denied.clear()
    vault.clock.advance(6)
    assert client.get_secret("app")["a"] == CANARY


def test_what_a_proxy_refuses_is_an_outage_and_no_reason_to_log_in(
    vault: ScriptedVault, make: Callable[..., VaultClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make()
    client.get_secret("app")
    vault.clock.advance(301)
    refused = Answer(status=403, headers={"Content-Type": "application/json"}, body=b'{"message": "Forbidden"}')

    def answer(call: Call) -> Answer:
        vault.asked.append(call.path)
        return refused

    with monkeypatch.context() as patch:
        patch.setattr(vault, "answer", answer)
        assert client.get_secret("app").stale
        with pytest.raises(errors.ProtocolError):
            client.get_secret("other")
    assert vault.count("lookup-self") == 0
    assert vault.count("login") == 1


def test_a_key_that_is_missing_or_no_text(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    vault.write("numbers", port=5432, host="x")
    secret = make().get_secret("numbers")
    with pytest.raises(KeyError, match="key 'nope' is not in secret numbers, version 1; expected one of: host, port"):
        secret["nope"]
    assert secret.get("nope") is None
    assert "nope" not in secret
    assert secret["host"] == "x"
    with pytest.raises(errors.InvalidRequest, match="is a int; expected text"):
        secret["port"]


def test_a_verifier_takes_the_one_before_until_its_grace_is_over(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    client = make()
    assert [one.version for one in client.accepted("app")] == [1]
    vault.clock.advance(1_000)
    vault.write("app", a="new")
    client.refresh("app")
    assert [one.version for one in client.accepted("app")] == [2, 1]
    vault.clock.advance(290)
    assert [one.version for one in client.accepted("app", grace_seconds=200)] == [2]
    assert [one.version for one in client.accepted("app")] == [2, 1]
    vault.write("app", a="newest")
    client.refresh("app")
    assert [one.version for one in client.accepted("app", grace_seconds=100)] == [3, 2]
    vault.clock.advance(620)
    assert [one.version for one in client.accepted("app")] == [3]


def test_a_verifier_looks_for_a_value_that_it_does_not_know_each_few_seconds(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    vault.write("rotated", key="first")
    client = make()
    assert client.accepts("rotated", "key", "first")
    vault.write("rotated", key="second")
    assert client.accepts("rotated", "key", "second"), "another process has it already"
    assert client.accepts("rotated", "key", "first")
    asked = vault.count("rotated")
    vault.write("rotated", key="third")
    assert not any(client.accepts("rotated", "key", shown) for shown in ("wrong", "third", "wrong"))
    assert vault.count("rotated") == asked, "it has asked a moment ago"
    vault.clock.advance(5)
    assert client.accepts("rotated", "key", "third")
    vault.clock.advance(5)
    vault.gone = True
    assert not client.accepts("rotated", "key", "fourth")
    assert client.accepts("rotated", "key", "third")
    with pytest.raises(errors.SecretKeyMissing):
        client.accepts("rotated", "nope", "third")


def test_the_present_value_is_taken_while_vault_is_away(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    vault.write("rotated", key="first")
    vault.write("rotated", key="second")
    client = make()
    client.get_secret("rotated")
    vault.gone = True
    assert client.accepts("rotated", "key", "second")
    with pytest.raises(errors.VaultUnavailable):
        client.accepts("rotated", "key", "first")


def test_a_version_of_before_without_the_key_has_no_value(
    vault: ScriptedVault, make: Callable[..., VaultClient]
) -> None:
    vault.write("rotated", old="first")
    vault.write("rotated", key="second")
    assert make().accepts("rotated", "key", "second")
    assert not make().accepts("rotated", "key", "first")


def test_this_machines_clock_does_not_count(
    vault: ScriptedVault, make: Callable[..., VaultClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.write("app", a="new")
    client = make()
    client.get_secret("app")
    monkeypatch.setattr(client._clock, "wall", lambda: 5.0)
    assert len(client.accepted("app")) == 2


def test_how_vault_is(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    client = make()
    first = client.health()
    assert (first.ok, first.version, first.token_ttl_seconds, first.cache_hit_ratio) == (True, "2", None, None)
    assert vault.count("login") == 0
    client.get_secret("app")
    client.get_secret("app")
    assert client.health().cache_hit_ratio == 0.5
    vault.clock.advance(400)
    assert not client.health().stale, "nobody has asked since"
    vault.sealed = True
    sealed = client.health()
    assert (sealed.ok, sealed.reachable, sealed.sealed) == (False, True, True)
    vault.gone = True
    assert not client.health().reachable


def test_the_manifest_says_where_and_how_long(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    vault.write("aos/app", a="1")
    client = make(manifest=MANIFEST, environ={"VAULT_SECRET_ID": SECRET_ID})
    assert client.get_secret("app").path == "secret/aos/app"
    vault.clock.advance(61)
    client.get_secret("app")
    assert vault.count("secret/data/aos/app") == 2
    for call in (client.get_secret, client.database):
        with pytest.raises(errors.ConfigurationError, match="is 'nope'; expected one that aos is granted"):
            call("nope")
    for use in (lambda: client.encrypt("k", b""), lambda: client.certificate("r", "n")):
        with pytest.raises(errors.ConfigurationError, match="expected one that aos is granted: none is"):
            use()
    assert repr(client) == f"VaultClient(aos, {ADDRESS}, approle)"


def test_hvac_with_a_dead_token_has_another(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    client = make()

    def read(name: str) -> Any:
        return client.hvac.secrets.kv.v2.read_secret_version(name, raise_on_deleted_version=True)["data"]["data"]

    assert read("app")["a"] == CANARY
    vault.kill_tokens()
    assert read("app")["a"] == CANARY
    assert vault.count("login") == 2
    vault.denied.add("secret/data/app")
    for _ in range(3):
        with pytest.raises(exceptions.Forbidden):
            read("app")
    assert vault.count("login") == 2


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_can_not_be_is_not_the_newest(
    vault: ScriptedVault, make: Callable[..., VaultClient], version: int
) -> None:
    with pytest.raises(errors.ConfigurationError, match=f"version is {version}; expected 1 or more"):
        make().get_secret("app", version=version)
    assert vault.asked == []


def test_a_plaintext_that_is_not_vaults_is_told_and_not_shown(
    make: Callable[..., VaultClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make()
    monkeypatch.setattr(client, "_transit", lambda *_: f"%{CANARY}%")
    with pytest.raises(errors.ProtocolError, match="is not base64") as caught:
        client.decrypt("k", "vault:v1:x")
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("metadata", [{"version": "x"}, {"version": [1]}, {"version": 1, "created_time": "soon"}])
def test_metadata_that_is_not_vaults_is_told(
    vault: ScriptedVault, make: Callable[..., VaultClient], monkeypatch: pytest.MonkeyPatch, metadata: Mapping[str, Any]
) -> None:
    body = json.dumps({"data": {"data": {"a": CANARY}, "metadata": metadata}}).encode()
    monkeypatch.setattr(vault, "_read", lambda *_: Answer(status=200, headers={}, body=body))
    with pytest.raises(errors.ProtocolError, match="metadata is not Vault's; expected a version and its time"):
        make().get_secret("app")


@pytest.mark.parametrize("name", ["", "/app", "a/../b", "a//b", "./a", "a/", "a\nb", "a\ud800"])
def test_without_a_manifest_a_name_is_a_path(make: Callable[..., VaultClient], name: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="expected its path in secret"):
        make().get_secret(name)


def test_the_end_of_a_client_is_its_tokens(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    with make() as client:
        client.get_secret("app")
        assert vault.tokens
    assert vault.tokens == {}
    client.invalidate()
    assert client.get_secret("app")


def test_a_fork_keeps_values_and_logs_in_itself(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    client = make()
    with client.database("aos") as login:
        before = login.credentials
        client.get_secret("app")
        client._forked()
        assert client.peek("app") is not None
        client.refresh("app")
        assert login.credentials is not before
    assert vault.count("login") == 2
    assert len(vault.tokens) == 2


def test_what_is_interrupted_is_told_as_no_success(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    told: list[Event] = []
    client = make(observers=[told.append])
    client.get_secret("app")
    told.clear()

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    vault.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        client.refresh("app")
    assert [(one.kind, one.error) for one in told] == [(EventKind.OPERATION, "KeyboardInterrupt")]


def test_what_is_asked_is_told(vault: ScriptedVault, make: Callable[..., VaultClient]) -> None:
    told: list[Event] = []
    client = make(observers=[told.append])
    client.get_secret("app")
    client.get_secret("app")
    with pytest.raises(errors.SecretNotFound):
        client.get_secret("nope")
    kinds = [(one.kind, one.name, one.error) for one in told]
    assert kinds == [
        (EventKind.LOGIN, "", ""),
        (EventKind.OPERATION, "app", ""),
        (EventKind.CACHE_MISS, "app", ""),
        (EventKind.CACHE_HIT, "app", ""),
        (EventKind.OPERATION, "nope", "SecretNotFound"),
    ]


def test_no_value_is_shown_logged_or_pickled(
    vault: ScriptedVault, make: Callable[..., VaultClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make()
    secret = client.get_secret("app")
    login = client.database("aos")
    credentials = login.credentials
    certificate = IssuedCertificate(
        common_name="n", certificate="c", key=CANARY, authorities=("i",), serial_number="1", ends_at=2, renew_at=1
    )
    shown = [client, secret, secret.items(), secret.values(), login, credentials, certificate, client.health()]
    with pytest.raises(KeyError) as raised:
        secret["nope"]
    text = f"{shown} {secret} {caplog.text} {raised.value} {vars(raised.value)}"
    assert "Secret(app, v1, 2 keys)" in text
    for value in (CANARY, credentials.password, SECRET_ID, client._session.token()):
        assert value not in text
    for one in (client, secret, login, credentials, certificate):
        for take in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="expected not to be pickled"):
                take(one)
    assert certificate.chain == "c\ni\n"
    assert tuple(Credentials("u", "p")) == ("u", "p")
    assert repr(Secret({"a": "b"}, name="n", path="p", version=2)) == "Secret(n, v2, 1 key)"


def test_arguments_come_before_the_manifest_and_that_before_variables() -> None:
    environ = {"VAULT_SECRET_ID": SECRET_ID, "VAULT_ADDR": "https://variable:1", "VAULT_NAMESPACE": "team"}
    found = opened(VaultClientConfig(), manifest=MANIFEST, environ=environ)
    assert (found.address_from, found.transport.addresses) == ("the manifest", ("https://vault.example.com:8200",))
    assert found.transport._headers["X-Vault-Namespace"] == "team"
    assert (found.freshness.fresh_seconds, found.chosen.why) == (60, "the manifest says so")
    config = VaultClientConfig(address="https://argument:1", fresh_seconds=5, namespace="own")
    found = opened(config, manifest=MANIFEST, environ=environ)
    assert (found.address_from, found.transport.addresses) == ("the argument address", ("https://argument:1",))
    assert (found.freshness.fresh_seconds, found.transport._headers["X-Vault-Namespace"]) == (5, "own")
    found = opened(VaultClientConfig(), environ={**ENVIRON, "VAULT_ADDR": "https://variable:1"})
    assert (found.address_from, found.freshness.fresh_seconds) == ("VAULT_ADDR", 300)
    agent = {"VAULT_AGENT_ADDR": "http://127.0.0.1:8100"}
    found = opened(VaultClientConfig(), environ=agent)
    assert (found.address_from, found.freshness.fresh_seconds) == ("VAULT_AGENT_ADDR", 30)
    with pytest.raises(errors.ConfigurationError, match="the address of Vault is not set"):
        opened(VaultClientConfig(), environ={"VAULT_TOKEN": "t"})
    with pytest.raises(errors.ConfigurationError, match="expected https"):
        opened(VaultClientConfig(), environ={"VAULT_TOKEN": "t", "VAULT_ADDR": "http://vault.example.com"})
