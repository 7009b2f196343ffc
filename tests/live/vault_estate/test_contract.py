"""The library's fake Vault and a real OpenBao, asked the same by the same client: what they answer is alike.

Not proven: what the fake says that it doesn't do, `slow`, database logins (a real one needs a database:
`tests/live/vault_estate/test_client.py` has it). HashiCorp's server: `tests/hashicorp/test_library.py`.
"""

import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from ops.paths import ROOT
from tests.support.documents import blocks
from tests.support.manifests import GOOD
from vault_estate import errors
from vault_estate.client import VaultClient
from vault_estate.manifest import ClientManifest
from vault_estate.models import ROTATION_NOTE
from vault_estate.rewrapping import WrappedText
from vault_estate.testing import FakeVault, LiveVault, VaultDouble
from vault_estate.testing.live import LiveServer

pytest_plugins = ("pytester", "vault_estate.testing.plugin")

_CONFLICT = "check-and-set parameter did not match the current version"
_CAS_OF_A_NEW_ONE = {"data": {"a": "b"}, "options": {"cas": 0}}


@pytest.fixture(params=[FakeVault, LiveVault], ids=["fake", "live"])
def either(request: pytest.FixtureRequest) -> VaultDouble:
    """Each of the two, with one secret."""
    found: VaultDouble = request.getfixturevalue("vault" if request.param is FakeVault else "live_vault")
    assert type(found) is request.param
    found.put("app-prod", AOS_API_KEY="first", other="1")
    return found


@pytest.fixture
def client(either: VaultDouble) -> Iterator[VaultClient]:
    """The application's."""
    with VaultClient() as client:
        yield client


def test_versions(either: VaultDouble, client: VaultClient) -> None:
    first = client.get_secret("app-prod")
    assert (dict(first), first.version) == ({"AOS_API_KEY": "first", "other": "1"}, 1)
    assert either.put("app-prod", {"AOS_API_KEY": "second"}) == 2
    assert client.get_secret("app-prod") is first
    assert dict(client.get_secret("app-prod", min_version=2)) == {"AOS_API_KEY": "second"}
    assert client.get_secret("app-prod", version=1)["AOS_API_KEY"] == "first"
    assert [one.version for one in client.accepted("app-prod")] == [2, 1]
    for absent in ("app-prod", "nowhere/at-all"):
        with pytest.raises(errors.SecretNotFound, match="there is nothing") as raised:
            client.get_secret(absent, version=9)
        assert type(raised.value) is errors.SecretNotFound
        assert raised.value.status == 404
    assert either.requests[:2] == ["POST auth/approle/login", "GET secret/data/app-prod"]
    assert "first" not in repr(either.requests)


def test_the_oldest_versions_go(either: VaultDouble, client: VaultClient) -> None:
    for number in range(2, 12):
        either.put("app-prod", AOS_API_KEY=str(number))
    with pytest.raises(errors.SecretNotFound):
        client.get_secret("app-prod", version=1)
    assert client.get_secret("app-prod", version=2)["AOS_API_KEY"] == "2"
    told = either.metadata("app-prod")
    assert (told["current_version"], told["oldest_version"], len(told["versions"])) == (11, 2, 10)


def test_deletion_and_destruction(either: VaultDouble, client: VaultClient) -> None:
    either.put("app-prod", AOS_API_KEY="second")
    either.delete("app-prod")
    with pytest.raises(errors.SecretDeleted, match="is deleted since") as deleted:
        client.get_secret("app-prod")
    assert (deleted.value.version, deleted.value.destroyed) == (2, False)
    assert deleted.value.deleted_at is not None
    assert deleted.value.request_id
    assert client.get_secret("app-prod", version=1)["AOS_API_KEY"] == "first"
    either.undelete("app-prod", 2)
    assert client.refresh("app-prod").version == 2
    either.delete("app-prod", 1)
    either.destroy("app-prod", 2)
    client.invalidate()
    with pytest.raises(errors.SecretDeleted, match="is destroyed") as destroyed:
        client.refresh("app-prod")
    assert (destroyed.value.destroyed, destroyed.value.deleted_at) == (True, None)
    either.undelete("app-prod", 2)
    with pytest.raises(errors.SecretDeleted):
        client.refresh("app-prod")
    assert either.put("app-prod", a="3") == 3


def test_metadata(either: VaultDouble) -> None:
    either.describe("app-prod", origin="generated")
    either.describe("new", owner="aos")
    told = either.metadata("app-prod")
    assert told["custom_metadata"] == {"origin": "generated"}
    assert told["versions"]["1"].keys() >= {"created_time", "deletion_time", "destroyed"}
    assert (told["cas_required"], told["max_versions"], told["oldest_version"]) == (False, 0, 0)
    assert either.metadata("new")["current_version"] == 0
    with pytest.raises(errors.SecretNotFound):
        either.peek("new")
    read = either.administer("GET", "secret/data/app-prod")["data"]["metadata"]
    assert (read["custom_metadata"], read["version"]) == ({"origin": "generated"}, 1)
    either.put("folder/below", a="1")
    assert either.administer("LIST", "secret/metadata/")["data"]["keys"] == ["app-prod", "folder/", "new"]
    assert either.administer("GET", "secret/metadata/folder?list=true")["data"]["keys"] == ["below"]
    either.administer("DELETE", "secret/metadata/app-prod")
    for path in ("secret/metadata/app-prod", "secret/data/app-prod"):
        with pytest.raises(errors.SecretNotFound):
            either.administer("GET", path)
    with pytest.raises(errors.SecretNotFound):
        either.administer("LIST", "secret/metadata/nowhere")


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "text"),
    [
        ("POST", "secret/data/app-prod", _CAS_OF_A_NEW_ONE, errors.VersionConflict, _CONFLICT),
        ("POST", "secret/data/other", {"data": {}, "options": {"cas": 1}}, errors.VersionConflict, _CONFLICT),
        ("POST", "secret/data/app-prod", {"values": {}}, errors.InvalidRequest, "no data provided"),
        ("POST", "secret/destroy/app-prod", {"versions": []}, errors.InvalidRequest, "no version number provided"),
        ("GET", "a/b", None, errors.MountNotFound, 'no handler for route "a/b". route entry not found.'),
        ("GET", "secret/metadata/nowhere", None, errors.SecretNotFound, ""),
        (
            "POST",
            "transit/encrypt/key",
            {"plaintext": "%"},
            errors.InvalidRequest,
            "illegal base64 data at input byte 0",
        ),
    ],
)
def test_refusals(
    either: VaultDouble, *, method: str, path: str, body: dict[str, object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(errors.VaultEstateError) as raised:
        either.administer(method, path, body)
    assert type(raised.value) is kind
    assert text in " ".join(raised.value.texts)
    assert (raised.value.texts == ()) is (text == "")


def test_writes_of_an_application(either: VaultDouble, client: VaultClient) -> None:
    kv = client.hvac.secrets.kv.v2
    assert kv.create_or_update_secret("own", {"a": "1"}, cas=0)["data"]["version"] == 1
    kv.delete_latest_version_of_secret("own")
    kv.undelete_secret_versions("own", [1])
    assert client.get_secret("own")["a"] == "1"
    assert kv.list_secrets("")["data"]["keys"] == ["app-prod", "own"]
    assert json.dumps(either.peek("own")) == '{"a": "1"}'


def test_a_refused_secret(either: VaultDouble, client: VaultClient) -> None:
    client.get_secret("app-prod")
    either.deny("app-prod")
    with pytest.raises(errors.PermissionDenied) as raised:
        client.refresh("app-prod")
    assert raised.value.status == 403
    assert client._session.logins == 1, "the token is alive"
    either.allow("app-prod")
    either.clock.advance(6)
    assert client.get_secret("app-prod").version == 1
    with pytest.raises(errors.PermissionDenied):
        client._transport.send("GET", "sys/policies/acl", token=client._session.token())


def test_a_dead_token_and_a_wrong_login(either: VaultDouble, client: VaultClient) -> None:
    client.get_secret("app-prod")
    either.expire()
    assert client.refresh("app-prod").version == 1
    assert client._session.logins == 2
    first = client._session.token()
    told = client._transport.send("GET", "auth/token/lookup-self", token=first)["data"]
    assert (told["renewable"], told["type"], sorted(told["policies"])) == (True, "service", ["application", "default"])
    assert 3_590 <= told["ttl"] <= 3_600
    assert client._transport.send("POST", "auth/token/renew-self", token=first, body={})["auth"]["client_token"]
    client.close()
    with pytest.raises(errors.PermissionDenied):
        client._transport.send("GET", "auth/token/lookup-self", token=first)
    with pytest.raises(errors.InvalidRequest):
        client._transport.send("POST", "auth/approle/login", body={"role_id": either._role_id, "secret_id": "wrong"})


def test_sealed_and_unsealed(either: VaultDouble, client: VaultClient) -> None:
    assert (client.health().ok, client.health().sealed, client.health().reachable) == (True, False, True)
    client.get_secret("app-prod")
    either.seal()
    with pytest.raises(errors.VaultSealed):
        client.refresh("app-prod")
    with pytest.raises(errors.VaultSealed):
        either.peek("app-prod")
    either.clock.advance(301)
    assert client.get_secret("app-prod").stale
    health = client.health()
    assert (health.ok, health.sealed, health.reachable, health.stale) == (False, True, True, True)
    either.clock.advance(3_300)
    with pytest.raises(errors.VaultSealed):
        client.get_secret("app-prod")
    either.unseal()
    assert not client.get_secret("app-prod").stale


def test_a_seal_of_ten_minutes_is_outlived_and_its_end_is_seen_within_two_seconds(
    either: VaultDouble, client: VaultClient
) -> None:
    """By the client's clock, which is set."""
    client.get_secret("app-prod")
    either.seal()
    shown = []
    for _ in range(60):
        either.clock.advance(10)
        shown.append(client.get_secret("app-prod"))
    assert {one["AOS_API_KEY"] for one in shown} == {"first"}
    assert not shown[0].stale
    assert all(one.stale for one in shown[29:]), "it is older than 300 s"
    either.unseal()
    either.put("app-prod", AOS_API_KEY="second")
    either.clock.advance(2)
    fresh = client.get_secret("app-prod")
    assert (fresh["AOS_API_KEY"], fresh.stale, client.health().ok) == ("second", False, True)


def test_a_note_ends_versions_before_their_time(either: VaultDouble, client: VaultClient) -> None:
    either.put("app-prod", AOS_API_KEY="second")
    either.put("app-prod", AOS_API_KEY="third")
    assert [one.version for one in client.accepted("app-prod")] == [3, 2, 1]
    either.describe("app-prod", **{ROTATION_NOTE: '{"accepted_from":3}'})
    client.refresh("app-prod")
    assert [one.version for one in client.accepted("app-prod")] == [3]
    either.describe("app-prod", **{ROTATION_NOTE: '{"values_accepted_from":{"AOS_API_KEY":2}}'})
    client.refresh("app-prod")
    assert [one.version for one in client.accepted("app-prod", key="AOS_API_KEY")] == [3, 2]
    assert [one.version for one in client.accepted("app-prod", key="ANOTHER")] == [3, 2, 1]
    for unreadable in ("{", "[]", '{"accepted_from":"3"}', '{"values_accepted_from":{"AOS_API_KEY":"3"}}'):
        either.describe("app-prod", **{ROTATION_NOTE: unreadable})
        client.refresh("app-prod")
        assert len(client.accepted("app-prod")) == 3


def test_transit(client: VaultClient) -> None:
    ciphertext = client.encrypt("key", b"\x00any")
    assert ciphertext.startswith("vault:v1:")
    assert client.decrypt("key", ciphertext) == b"\x00any"
    assert client.encrypt("key", b"\x00any") != ciphertext
    client.encrypt("another", b"x")
    for key, text in (("another", ciphertext), ("key", ciphertext[:-4] + "AAAA")):
        with pytest.raises(errors.InvalidRequest):
            client.decrypt(key, text)
        with pytest.raises(errors.InvalidRequest, match=r"ciphertext 2 of key \w+ is refused \(cipher: message authen"):
            client.rewrap(key, [WrappedText(ciphertext=client.encrypt(key, b"y")), WrappedText(ciphertext=text)])
    old = [client.encrypt("key", str(number).encode()) for number in range(3)] * 81
    new = [one.ciphertext for one in client.rewrap("key", [WrappedText(ciphertext=one) for one in old])]
    assert not set(new) & set(old)
    assert [client.decrypt("key", one) for one in new[-3:]] == [b"0", b"1", b"2"]
    assert (len(new), client.rewrap("key", [])) == (243, [])


@pytest.mark.parametrize("kind", [FakeVault, LiveVault])
def test_what_a_manifest_grants(
    kind: type[VaultDouble], vault_live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = ClientManifest.model_validate_json(json.dumps(GOOD))
    vault = FakeVault(manifest=manifest) if kind is FakeVault else LiveVault(vault_live_server, manifest=manifest)
    monkeypatch.setattr("vault_estate.client.opened", vault.opened)
    vault.put("app-prod", AOS_API_KEY="1")
    vault.put("other/shared", token="2")
    with VaultClient() as client:
        assert (client.get_secret("app-prod").path, client.get_secret("other/shared")["token"]) == (
            "agenticverz/app-prod",
            "2",
        )
        assert client.decrypt("main", client.encrypt("main", b"any")) == b"any"
        token = client._session.token()
        for method, path in (
            ("POST", "agenticverz/data/app-prod"),
            ("GET", "agenticverz/data/else"),
            ("LIST", "secret/metadata/"),
        ):
            with pytest.raises(errors.PermissionDenied):
                client._transport.send(method, path, token=token, body={"data": {}})
        with pytest.raises(errors.ConfigurationError, match="secret is 'else'; expected one that aos is granted"):
            client.get_secret("else")
    with pytest.raises(errors.ConfigurationError, match="secret is 'else'; expected one that aos is granted"):
        vault.put("else", a="1")
    vault.deny("app-prod")
    with VaultClient() as client, pytest.raises(errors.PermissionDenied):
        client.get_secret("app-prod")
    vault.close()


def test_the_examples_of_the_page_run(pytester: pytest.Pytester) -> None:
    page = ROOT / "docs" / "client.md"
    heading = page.read_text(encoding="utf-8").splitlines().index("## In your tests")
    own = [one.text for one in blocks(page) if one.language == "python" and one.line > heading]
    pytester.makepyfile("\n\n".join(own))
    ran = pytester.runpytest_inprocess(
        "-p", "vault_estate.testing.plugin", "-p", "no:cacheprovider", "--strict-markers"
    )
    ran.assert_outcomes(passed=5)


_OPENBAOS_OWN = {"request_id", "current_metadata_version", "metadata_cas_required"}
"""What differs each time, and what HashiCorp's server hasn't."""


def _told(vault: VaultDouble, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
    """A status and a document, of whose times it is only said that they are there."""
    call = vault._administration.prepared(method, path, token=vault._root_token, body=body)
    answer = vault._administration.answered(call)
    return answer.status, _without_times(answer.document())


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: one for name, one in value.items() if name not in _OPENBAOS_OWN}
        return {
            name: bool(one) if name.endswith("_time") else _without_times(one) for name, one in sorted(kept.items())
        }
    return value


def _operations(count: int) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """The same ones each time."""
    chance = random.Random(14)  # noqa: S311 - no secret
    names = ("a", "b/c", "b/d e", "b/c/ü")
    for number in range(count):
        name = quote(chance.choice(names))
        versions = {"versions": chance.sample(range(1, 16), 3)}
        choices: list[tuple[str, str, dict[str, Any] | None]] = [
            ("POST", f"secret/data/{name}", {"data": {"value": str(number)}}),
            ("PUT", f"secret/data/{name}", {"data": {"value": str(number)}, "options": {}}),
            ("POST", f"secret/data/{name}", {"data": {}, "options": {"cas": chance.randrange(4)}}),
            ("GET", f"secret/data/{name}", None),
            ("GET", f"secret/data/{name}?version={chance.randrange(16)}", None),
            ("GET", f"secret/data/{name}?version=x", None),
            ("DELETE", f"secret/data/{name}", None),
            ("POST", f"secret/delete/{name}", versions),
            ("POST", f"secret/undelete/{name}", versions),
            ("PUT", f"secret/destroy/{name}", versions),
            ("POST", f"secret/destroy/{name}", {}),
            ("GET", f"secret/metadata/{name}", None),
            ("POST", f"secret/metadata/{name}", {"custom_metadata": {"number": str(number)}}),
            ("POST", f"secret/metadata/{name}", {"max_versions": chance.randrange(5)}),
            ("LIST", f"secret/metadata/{chance.choice(['', 'b', 'b/', 'b/c', 'a', 'x'])}", None),
            *([("DELETE", f"secret/metadata/{name}", None)] if number % 5 == 0 else []),
        ]
        yield chance.choice(choices)


def test_whatever_is_done_both_say_the_same(vault: FakeVault, live_vault: LiveVault) -> None:
    seen = set()
    for operation in _operations(500):
        status, document = _told(live_vault, *operation)
        assert _told(vault, *operation) == (status, document), operation
        seen.add((operation[0], operation[1].split("/")[1], status))
    assert len(seen) >= 16
