"""What is sent and what each answer becomes, with a fake server on loopback behind real TLS.

Not proven: that Vault answers so (`tests/live/vault_estate/`).
"""

import gzip
import http.client
import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
from hvac import exceptions as hvacs

from tests.support.answering import Answering, Said, answering
from tests.support.clocks import SetClock
from vault_estate import errors, tls
from vault_estate.answers import BODY_BYTES
from vault_estate.hvac_adapter import Urllib3Adapter
from vault_estate.tls import Trust
from vault_estate.transport import Patience, Repeat, Transport

TOKEN = "s." + "T0ken" * 5
SEALED = Said(status=503, body=b'{"errors":["Vault is sealed"]}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """One for the module."""
    with answering(tmp_path_factory.mktemp("answering")) as found:
        yield found


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """Of another authority: nobody here asked for it."""
    with answering(tmp_path_factory.mktemp("other")) as found:
        yield found


def _transport(server: Answering, *addresses: str, **options: Any) -> Transport:
    options.setdefault("clock", SetClock())
    return Transport(addresses or [server.address], trust=Trust(ca_file=server.ca_file), **options)


def _refused(status: int, *texts: str, data: object = None) -> Said:
    return Said(status=status, body=json.dumps({"errors": list(texts), "data": data}).encode())


def test_a_document_comes_with_the_requests_own_headers(server: Answering) -> None:
    server.says(Said(body=b'{"data": {"a": 1}}'))
    found = _transport(server, namespace="team").send("get", "secret/data/x", token=TOKEN)

    assert found == {"data": {"a": 1}}
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/v1/secret/data/x")
    assert {name: asked.headers[name] for name in ("X-Vault-Token", "X-Vault-Request", "X-Vault-Namespace")} == {
        "X-Vault-Token": TOKEN,
        "X-Vault-Request": "true",
        "X-Vault-Namespace": "team",
    }


@pytest.mark.parametrize(
    ("said", "kind", "tries"),
    [
        (_refused(400, "bad"), errors.InvalidRequest, 1),
        (_refused(400, "check-and-set parameter did not match the current version"), errors.VersionConflict, 1),
        (_refused(400, "wrapping token is not valid or does not exist"), errors.WrappingTokenInvalid, 1),
        (_refused(401), errors.AuthenticationError, 1),
        (_refused(403, "permission denied"), errors.PermissionDenied, 1),
        (_refused(404), errors.SecretNotFound, 1),
        (_refused(405, "unsupported operation"), errors.InvalidRequest, 1),
        (_refused(412), errors.VaultUnavailable, 3),
        (_refused(413, "request body too large"), errors.SecretTooLarge, 1),
        (_refused(429, "request path: rate limit quota exceeded"), errors.RateLimited, 2),
        (_refused(472), errors.VaultUnavailable, 3),
        (_refused(473), errors.VaultUnavailable, 3),
        (_refused(500, "internal error"), errors.VaultUnavailable, 1),
        (_refused(500, "local node not active but active cluster node not found"), errors.VaultUnavailable, 3),
        (_refused(500, "past the max TTL, cannot renew"), errors.CredentialExpired, 1),
        (_refused(500, "put failed due to value being too large"), errors.SecretTooLarge, 1),
        (_refused(501, "Vault is not initialized"), errors.VaultNotInitialized, 1),
        (_refused(502), errors.VaultUnavailable, 3),
        (SEALED, errors.VaultSealed, 1),
        (Said(status=503, body=b"<html>no backend</html>", content_type="text/html"), errors.VaultUnavailable, 3),
        (Said(status=504, body=b"<html>", content_type="text/html"), errors.VaultUnavailable, 3),
        (Said(body=b"<html>log in</html>", content_type="text/html"), errors.ProtocolError, 1),
        (Said(status=403, body=b"<html>", content_type="text/html"), errors.ProtocolError, 1),
        (Said(status=403, body=b""), errors.ProtocolError, 1),
        (Said(status=403, body=b'{"message": "Forbidden"}'), errors.ProtocolError, 1),
        (Said(status=404, body=b'{"message": "no Route matched"}'), errors.ProtocolError, 1),
        (Said(status=401, body=b"<html>", content_type="text/html"), errors.ProtocolError, 1),
        (Said(status=407, body=b"<html>", content_type="text/html"), errors.ProtocolError, 1),
        (Said(status=408, body=b"<html>", content_type="text/html"), errors.VaultUnavailable, 3),
        (Said(status=413, body=b"<html>", content_type="text/html"), errors.SecretTooLarge, 1),
        (Said(status=429, body=b"<html>", content_type="text/html"), errors.RateLimited, 2),
        (Said(status=500, body=b"<html>", content_type="text/html"), errors.VaultUnavailable, 1),
        (Said(status=502, body=b'{"errors": ["trunc'), errors.VaultUnavailable, 3),
        (_refused(404, 'no handler for route "secret/data/x". route entry not found.'), errors.MountNotFound, 1),
        (_refused(404, "namespace not found"), errors.MountNotFound, 1),
        (Said(status=302, body=b""), errors.ProtocolError, 1),
        (Said(body=b'{"data": {"a'), errors.ProtocolError, 1),
        (Said(body=b"[]"), errors.ProtocolError, 1),
        (Said(body=b'{"data"', declared_length=100), errors.ProtocolError, 3),
        (Said(drop=True), errors.VaultUnavailable, 3),
    ],
)
def test_each_answer_is_one_error_and_is_asked_again_only_if_it_may_pass(
    server: Answering, said: Said, kind: type[errors.VaultEstateError], tries: int
) -> None:
    server.says(*[said] * 4)
    with pytest.raises(errors.VaultEstateError) as raised:
        _transport(server).send("GET", "secret/data/x", token=TOKEN)

    assert type(raised.value) is kind
    assert raised.value.path == "secret/data/x"
    assert len(server.asked) == tries
    assert TOKEN not in str(raised.value)
    assert not any(one in str(raised.value) for one in ("<html>", "Forbidden", "matched", "trunc"))


def test_a_mount_that_is_not_there_is_named_with_what_to_do(server: Answering) -> None:
    server.says(_refused(404, 'no handler for route "kv/data/x". route entry not found.'))
    with pytest.raises(errors.MountNotFound, match=r"^kv/data/x: nothing is mounted there; ") as raised:
        _transport(server).send("GET", "kv/data/x")
    assert "VAULT_NAMESPACE" in str(raised.value)
    assert not isinstance(raised.value, KeyError | errors.SecretNotFound)


def test_an_answer_that_is_too_long_is_not_read_to_its_end(server: Answering) -> None:
    server.says(*[Said(body=b" " * (10 << 20))] * 3)
    with pytest.raises(errors.ProtocolError, match=f"longer than {BODY_BYTES} bytes"):
        _transport(server, patience=Patience(tries=1)).send("GET", "secret/data/x")


def test_a_body_that_goes_on_after_the_deadline_is_given_up(server: Answering) -> None:
    class Slow(SetClock):
        def now(self) -> float:
            """As if a second had passed since somebody looked."""
            self.advance(1)
            return self.time

    server.says(Said(body=b" " * 200_000))
    with pytest.raises(errors.VaultTimeout, match="did not end in time"):
        _transport(server, patience=Patience(tries=1), clock=Slow()).send("GET", "secret/data/x")


@pytest.mark.parametrize("body", [gzip.compress(b'{"data": 1}'), b"[" * 100_000], ids=["packed", "deep"])
def test_what_is_packed_or_endlessly_deep_is_not_vaults(server: Answering, body: bytes) -> None:
    server.says(Said(body=body, headers={"Content-Encoding": "gzip"} if body[:1] != b"[" else {}))
    with pytest.raises(errors.ProtocolError, match="is not Vault's; expected JSON"):
        _transport(server).send("GET", "secret/data/x")


def test_a_deleted_version_says_which_and_when(server: Answering) -> None:
    metadata = {"version": 3, "deletion_time": "2026-11-01T10:00:00.123456789Z", "destroyed": False}
    server.says(_refused(404, data={"data": None, "metadata": metadata}))
    with pytest.raises(errors.SecretDeleted, match="version 3 is deleted since 2026-11-01") as raised:
        _transport(server).send("GET", "secret/data/x")

    assert raised.value.version == 3
    assert raised.value.deleted_at is not None
    assert raised.value.deleted_at.year == 2026
    assert not raised.value.destroyed


def test_a_text_that_repeats_what_was_sent_is_not_shown(server: Answering) -> None:
    server.says(_refused(400, f"no such value: swordfish of {TOKEN}"))
    with pytest.raises(errors.InvalidRequest) as raised:
        _transport(server).send("POST", "transit/encrypt/k", token=TOKEN, body={"batch": [{"plaintext": "swordfish"}]})

    assert raised.value.texts == ("no such value: [hidden] of [hidden]",)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("repeat", "said", "tries"),
    [
        (Repeat.UNSENT, Said(drop=True), 1),
        (Repeat.UNSENT, _refused(502), 1),
        (Repeat.UNSENT, _refused(429, "quota"), 2),
        (Repeat.NEVER, _refused(429, "quota"), 1),
        (Repeat.NEVER, Said(drop=True), 1),
    ],
)
def test_what_has_effects_is_sent_once(server: Answering, repeat: Repeat, said: Said, tries: int) -> None:
    server.says(*[said] * 4)
    with pytest.raises(errors.VaultUnavailable):
        _transport(server).send("POST", "auth/approle/login", body={}, repeat=repeat)
    assert len(server.asked) == tries


def test_waits_are_jittered_and_grow_and_end_with_the_deadline(server: Answering) -> None:
    clock = SetClock(chance=1.0)
    server.says(*[_refused(502)] * 9)
    with pytest.raises(errors.VaultUnavailable):
        _transport(server, clock=clock, patience=Patience(tries=9)).send("GET", "secret/data/x")

    assert clock.slept == [pytest.approx(0.2), 0.8, 0.8, 0.8]
    assert sum(clock.slept) < 3.0


@pytest.mark.parametrize(("header", "slept"), [("1", [1.05]), ("60", []), (None, [0.2]), ("soon", [0.2])])
def test_a_quota_is_waited_for_once_within_the_deadline(
    server: Answering, header: str | None, slept: list[float]
) -> None:
    clock = SetClock()
    headers = {"Retry-After": header} if header else {}
    server.says(*[Said(status=429, body=b'{"errors":["quota"]}', headers=headers)] * 4)
    with pytest.raises(errors.RateLimited) as raised:
        _transport(server, clock=clock).send("GET", "secret/data/x")

    assert clock.slept == pytest.approx(slept)
    assert raised.value.retry_after == (float(header) if header and header.isdigit() else None)


def test_a_transient_refusal_that_passes_is_not_seen(server: Answering) -> None:
    server.says(_refused(500, "local node not active"), Said(body=b'{"data": 1}'))
    assert _transport(server).send("GET", "secret/data/x") == {"data": 1}


def test_silence_ends_with_the_time_to_read(server: Answering) -> None:
    waiting = threading.Event()
    server.says(Said(wait=waiting))
    try:
        with pytest.raises(errors.VaultTimeout, match=r"did not answer in 0\.05 s"):
            _transport(server, patience=Patience(read_seconds=0.05, tries=1)).send("GET", "secret/data/x")
    finally:
        waiting.set()


def test_the_next_address_is_asked_when_one_takes_no_connection(server: Answering) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"https://127.0.0.1:{closed.getsockname()[1]}"
        transport = _transport(server, nobody, server.address)
        server.says(Said(body=b'{"data": 1}'))
        assert transport.send("POST", "auth/x/login", body={}, repeat=Repeat.UNSENT) == {"data": 1}
        transport.send("GET", "secret/data/x")

    assert len(server.asked) == 2


def _to(address: str, path: str = "/v1/secret/data/x", status: int = 307) -> Said:
    return Said(status=status, body=b"", headers={"Location": f"{address}{path}"})


def test_a_redirect_to_another_address_of_the_manifest_is_followed_once(
    server: Answering, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with answering(server.ca_file.parent) as leader:
        server.says(_to(leader.address))
        leader.says(Said(body=b'{"data": "leader"}'))
        transport = _transport(server, server.address, leader.address)
        assert transport.send("GET", "secret/data/x", token=TOKEN) == {"data": "leader"}
        transport.send("GET", "secret/data/x", token=TOKEN)

        assert len(server.asked) == 1
        assert len(leader.asked) == 2
        leader.says(_to(server.address), _to(server.address))
        server.says(_to(leader.address), _to(leader.address))
        with pytest.raises(errors.VaultUnavailable, match="redirected twice"):
            _transport(server, leader.address, server.address, patience=Patience(tries=1)).send("GET", "secret/data/x")


def test_a_token_goes_to_no_host_that_a_redirect_names(server: Answering, other: Answering) -> None:
    other.says()
    for location in (other.address, "http://127.0.0.1:1", "", "https://user:pw@evil.example"):
        server.says(_to(location))
        with pytest.raises(errors.VaultUnavailable, match="Nothing was sent there") as raised:
            _transport(server, patience=Patience(tries=1)).send("GET", "secret/data/x", token=TOKEN)
        assert "pw@" not in str(raised.value)

    assert other.asked == []


def test_no_authority_of_the_environment_counts(
    server: Answering, other: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(other.ca_file))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    other.says()
    server.says()
    assert _transport(server).send("GET", "secret/data/x") == {}
    with pytest.raises(errors.VaultUntrusted, match="is not vouched for"):
        Transport([other.address], clock=SetClock()).send("GET", "secret/data/x", token=TOKEN)
    with pytest.raises(errors.VaultUntrusted):
        Transport([other.address], trust=Trust(ca_file=server.ca_file), clock=SetClock()).send("GET", "secret/data/x")

    assert other.asked == []


def test_the_name_in_the_certificate_counts(server: Answering) -> None:
    trust = Trust(ca_file=server.ca_file, server_name="vault.example.com")
    with pytest.raises(errors.VaultUntrusted, match=r"[Hh]ostname mismatch"):
        Transport([server.address], trust=trust, clock=SetClock()).send("GET", "secret/data/x")


def test_tls_begins_at_1_2(server: Answering) -> None:
    assert Trust(ca_file=server.ca_file).context().minimum_version is ssl.TLSVersion.TLSv1_2
    assert Trust(ca_certificate=server.ca_file.read_text()).context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("trust", "message"),
    [
        (Trust(ca_certificate="no PEM"), "CA certificate can't be used"),
        (Trust(ca_file=Path("/nowhere/ca.crt")), "CA /nowhere/ca.crt can't be used"),
        (Trust(certificate_file=Path("/nowhere/c.crt")), "client certificate /nowhere/c.crt can't be used"),
    ],
)
def test_what_is_no_certificate_is_refused(trust: Trust, message: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=message):
        trust.context()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://vault.example.com:8200", "https://vault.example.com:8200"),
        ("https://vault.example.com/", "https://vault.example.com:443"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("http://[::1]:8100", "http://[::1]:8100"),
        ("http://localhost", "http://localhost:80"),
    ],
)
def test_an_address(written: str, read: str) -> None:
    assert tls.address(written) == read


@pytest.mark.parametrize(
    "wrong",
    [
        "vault.example.com:8200",
        "http://vault.example.com",
        "http://localhost.evil.example",
        "https://vault.example.com/v1",
        "https://user:hunter2@vault.example.com",
        "https://vault.example.com:port",
        "https://vault .example.com",
        "https://vault.example.com\n",
        "https://vält.example.com",
        "https://vault.example.com\u0000",
        "unix:///run/agent.sock",
        "",
    ],
)
def test_no_address(wrong: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^VAULT_ADDR is .*; expected") as raised:
        tls.address(wrong, "VAULT_ADDR")
    assert "hunter2" not in str(raised.value)


def test_a_token_of_two_lines_is_refused_without_showing_it(server: Answering) -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        _transport(server).send("GET", "secret/data/x", token=f"{TOKEN}\n")
    assert TOKEN not in str(raised.value)


def test_silence_is_not_asked_again_for_a_while(server: Answering) -> None:
    clock = SetClock()
    transport = _transport(server, clock=clock, patience=Patience(tries=1))
    server.says(*[Said(drop=True)] * 5, Said(body=b'{"data": 1}'))

    def ask() -> None:
        transport.send("GET", "secret/data/x")

    for _ in range(3):
        with pytest.raises(errors.VaultUnavailable, match="ended the connection"):
            ask()
    with pytest.raises(errors.VaultUnavailable, match=r"asked again in 1\.0 s"):
        ask()
    for seconds in (1, 2):
        clock.advance(seconds)
        with pytest.raises(errors.VaultUnavailable, match="ended the connection"):
            ask()
    with pytest.raises(errors.VaultUnavailable, match=r"asked again in 4\.0 s"):
        ask()
    clock.advance(4)
    ask()
    ask()
    assert len(server.asked) == 7


def test_one_request_tries_while_others_wait(server: Answering) -> None:
    clock = SetClock()
    transport = _transport(server, clock=clock, patience=Patience(tries=1))
    server.says(*[Said(drop=True)] * 3)
    for _ in range(3):
        with pytest.raises(errors.VaultUnavailable):
            transport.send("GET", "secret/data/x")
    clock.advance(1)
    waiting = threading.Event()
    server.says(Said(wait=waiting))
    probe = threading.Thread(target=transport.send, args=("GET", "secret/data/x"))
    probe.start()
    while not server.asked:
        pass
    with pytest.raises(errors.VaultUnavailable, match="asked again in"):
        transport.send("GET", "secret/data/x")
    waiting.set()
    probe.join()
    transport.send("GET", "secret/data/x")


def test_a_sealed_server_is_asked_each_time(server: Answering) -> None:
    transport = _transport(server)
    server.says(*[SEALED] * 5)
    for _ in range(5):
        with pytest.raises(errors.VaultSealed):
            transport.send("GET", "secret/data/x")
    transport.send("GET", "secret/data/x")


def test_after_a_fork_no_connection_is_shared(server: Answering) -> None:
    transport = _transport(server)
    server.says()
    transport.send("GET", "secret/data/x")
    before = transport._pools[0]
    transport.forked()
    transport.send("GET", "secret/data/x")
    assert transport._pools[0] is not before
    transport.close()
    transport.reload_certificates()
    transport.send("GET", "secret/data/x")


def _hvac(server: Answering, **options: Any) -> hvac.Client:
    transport = _transport(server)
    return hvac.Client(
        url=server.address, token="", adapter=Urllib3Adapter, transport=transport, token_source=lambda: TOKEN, **options
    )


def test_hvac_works_over_it(server: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "the environment's")
    client = _hvac(server, namespace="team")
    server.says(Said(body=b'{"data": {"data": {"a": "b"}}}'), Said(status=204, body=b""), Said(body=b'{"data": {}}'))

    read = client.secrets.kv.v2.read_secret_version("x", mount_point="secret", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"a": "b"}
    assert client.secrets.kv.v2.delete_latest_version_of_secret("x").status_code == 204
    client.secrets.kv.v2.list_secrets("")
    assert [(one.method, one.path) for one in server.asked] == [
        ("GET", "/v1/secret/data/x"),
        ("DELETE", "/v1/secret/data/x"),
        ("LIST", "/v1/secret/metadata"),
    ]
    assert {one.headers["X-Vault-Token"] for one in server.asked} == {TOKEN}
    assert {one.headers["X-Vault-Namespace"] for one in server.asked} == {"team"}


def test_hvacs_errors_are_its_own_without_bodies(server: Answering) -> None:
    client = _hvac(server)
    metadata = {"version": 3, "deletion_time": "2026-11-01T10:00:00Z", "destroyed": False}
    deleted = _refused(404, data={"data": {"a": "canary"}, "metadata": metadata})
    server.says(_refused(403, "permission denied"), deleted, deleted)
    with pytest.raises(hvacs.Forbidden) as raised:
        client.secrets.kv.v2.read_secret_version("x", raise_on_deleted_version=True)
    assert raised.value.text is None
    found = client.secrets.kv.v2.read_secret_version("x", raise_on_deleted_version=False)
    assert found["data"]["metadata"]["version"] == 3
    with pytest.raises(hvacs.InvalidPath) as raised_deleted:
        client.secrets.kv.v2.read_secret_version("x", raise_on_deleted_version=True)
    assert "canary" not in repr(vars(raised_deleted.value))


def test_hvac_logs_in_without_a_token_and_takes_its_own(server: Answering) -> None:
    client = _hvac(server)
    server.says(Said(body=b'{"auth": {"client_token": "its-own"}}'))
    client.auth.approle.login(role_id="r", secret_id="s")
    client.lookup_token()
    assert [one.headers.get("X-Vault-Token") for one in server.asked] == [None, "its-own"]
    with pytest.raises(errors.ConfigurationError, match="the argument of hvac is stream"):
        client.adapter.get("/v1/sys/storage/raft/snapshot", stream=True)
    assert client.sys.read_health_status(method="GET") == {}


def test_nothing_secret_is_logged(server: Answering, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    http.client.HTTPConnection.debuglevel = 0
    server.says(Said(body=b'{"data": {"a": "canary"}}'), _refused(400, "no"))
    transport = _transport(server)
    transport.send("GET", "secret/data/x", token=TOKEN)
    with pytest.raises(errors.InvalidRequest):
        transport.send("POST", "secret/data/x", token=TOKEN, body={"data": {"a": "canary"}})

    assert "secret/data/x" in caplog.text
    assert TOKEN not in caplog.text
    assert "canary" not in caplog.text
    call = transport.prepared("GET", "x", token=TOKEN, body={"a": "canary"})
    assert TOKEN not in repr(call)
    assert "canary" not in repr(call)


def test_patience_is_more_than_none() -> None:
    with pytest.raises(errors.ConfigurationError, match="tries is 0; expected more than 0"):
        Patience(tries=0)
    with pytest.raises(errors.ConfigurationError, match="address of Vault is not set"):
        Transport([])
