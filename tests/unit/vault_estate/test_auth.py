"""Which way to log in is chosen, and what each reads and sends. The server is a fake one on loopback.

Not proven: that Vault takes these logins (`tests/live/vault_estate/`); those of Kubernetes and GitHub are only here.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.answering import Answering, Said, answering
from tests.support.clocks import SetClock
from vault_estate import errors
from vault_estate.auth import (
    AgentAuth,
    AppRoleAuth,
    CertificateAuth,
    GitHubIdentity,
    IdentityFile,
    JwtAuth,
    KubernetesAuth,
    SecretIdFile,
    SecretIdVariable,
    TokenAuth,
    WrappedSecretIdFile,
    choose,
)
from vault_estate.auth.choosing import LoginHints
from vault_estate.auth.jwt import GITHUB_TOKEN, GITHUB_URL
from vault_estate.tls import Trust
from vault_estate.transport import Transport
from vault_estate.variables import Variables

APPROLE = LoginHints(kind="approle", mount="approle", role="aos", role_id="manifest-role-id")
KUBERNETES = LoginHints(kind="kubernetes", mount="k8s", role="aos", audience="vault")
GITHUB = {GITHUB_URL: "https://issuer.example/token?api=2", GITHUB_TOKEN: "request-token"}
LOGGED_IN = Said(
    body=b'{"auth": {"client_token": "t", "lease_duration": 60, "renewable": true, "token_type": "service"}}'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """One for the module."""
    with answering(tmp_path_factory.mktemp("answering")) as found:
        yield found


@pytest.fixture
def transport(server: Answering) -> Transport:
    return Transport([server.address], trust=Trust(ca_file=server.ca_file), clock=SetClock())


@pytest.mark.parametrize(
    ("environ", "hints", "kind", "why"),
    [
        ({"VAULT_SECRET_ID_FILE": "/s"}, APPROLE, "approle", "the manifest says so"),
        ({"VAULT_SECRET_ID_FILE": "/s", "VAULT_TOKEN": "t"}, APPROLE, "approle", "the manifest says so"),
        ({"VAULT_TOKEN": "t"}, APPROLE, "token", "only token is complete"),
        ({"VAULT_TOKEN": "t", "VAULT_AUTH_METHOD": "token"}, APPROLE, "token", "VAULT_AUTH_METHOD says so"),
        ({}, KUBERNETES, "kubernetes", "the manifest says so"),
        ({"VAULT_AGENT_ADDR": "http://127.0.0.1:1"}, APPROLE, "agent", "only agent is complete"),
        ({"VAULT_TOKEN": "t"}, None, "token", "only token is complete"),
        ({"VAULT_TOKEN": ""} | {"BAO_TOKEN_FILE": "/t"}, None, "token", "only token is complete"),
        ({"VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "s"}, None, "approle", "only approle is complete"),
        ({"VAULT_KUBERNETES_ROLE": "r"}, None, "kubernetes", "only kubernetes is complete"),
        ({"VAULT_JWT_ROLE": "r", "VAULT_JWT_FILE": "/j"}, None, "jwt", "only jwt is complete"),
        ({"VAULT_JWT_ROLE": "r", "VAULT_JWT_AUDIENCE": "a"} | GITHUB, None, "jwt", "only jwt is complete"),
        ({"VAULT_CLIENT_CERT": "/c", "VAULT_CLIENT_KEY": "/k"}, None, "cert", "only cert is complete"),
    ],
)
def test_the_way_is_chosen_and_says_why(
    environ: Mapping[str, str], hints: LoginHints | None, kind: str, why: str
) -> None:
    chosen = choose(environ, hints=hints)
    assert (chosen.method.kind, chosen.why) == (kind, why)
    assert chosen.read_from
    assert not any(value in " ".join(chosen.read_from) for value in ("request-token", "manifest-role-id"))


@pytest.mark.parametrize(
    ("environ", "hints", "message"),
    [
        ({}, None, "the login is not given; expected a manifest, or for one of agent: VAULT_AGENT_ADDR; approle: "),
        ({}, APPROLE, "the login is approle, as the manifest says so; expected VAULT_ROLE_ID"),
        (
            {"VAULT_AUTH_METHOD": "jwt"},
            APPROLE,
            "the login is jwt, as VAULT_AUTH_METHOD says so; expected VAULT_JWT_ROLE",
        ),
        ({"VAULT_AUTH_METHOD": "ldap"}, None, "VAULT_AUTH_METHOD is 'ldap'; expected one of agent, approle"),
        (
            {"VAULT_TOKEN": "canary", "VAULT_ROLE_ID": "canary", "VAULT_SECRET_ID": "canary"},
            None,
            r"not clear: approle \(VAULT_ROLE_ID, VAULT_SECRET_ID\); token \(VAULT_TOKEN\); expected one of them",
        ),
        ({"VAULT_TOKEN": "canary", "BAO_TOKEN": "canary2"}, None, "BAO_TOKEN and VAULT_TOKEN are set, and differ"),
    ],
)
def test_what_is_missing_or_not_clear_is_said(
    environ: Mapping[str, str], hints: LoginHints | None, message: str
) -> None:
    with pytest.raises(errors.ConfigurationError, match=message) as raised:
        choose(environ, hints=hints)
    assert "canary" not in str(raised.value)


def test_of_secret_ids_the_file_counts_first() -> None:
    environ = {"VAULT_SECRET_ID": "s", "VAULT_WRAPPED_SECRET_ID_FILE": "/w", "VAULT_SECRET_ID_FILE": "/f"}
    found = []
    for _ in range(3):
        method = choose(environ, hints=APPROLE).method
        assert isinstance(method, AppRoleAuth)
        found.append(type(method.secret_id))
        environ.popitem()
    assert found == [SecretIdFile, WrappedSecretIdFile, SecretIdVariable]


def test_a_persons_token_counts_at_a_terminal_only(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("t")
    chosen = choose({}, home=tmp_path)
    assert isinstance(chosen.method, TokenAuth)
    assert chosen.read_from == (str(tmp_path / ".vault-token"),)


def test_a_mount_of_another_name() -> None:
    environ = {"VAULT_AUTH_MOUNT": "k8s-west", "VAULT_KUBERNETES_ROLE": "r", "VAULT_KUBERNETES_TOKEN_FILE": "/p"}
    assert choose(environ).method == KubernetesAuth(role="r", mount="k8s-west", file=Path("/p"))


@pytest.mark.parametrize("kind", ["approle", "kubernetes", "jwt", "cert"])
@pytest.mark.parametrize("mount", ["../sys", "/approle", "a b", "app*"])
def test_a_mount_that_can_be_none_is_refused_before_anything_is_sent(kind: str, mount: str) -> None:
    environ = {
        "VAULT_AUTH_METHOD": kind,
        "VAULT_AUTH_MOUNT": mount,
        "VAULT_ROLE_ID": "r",
        "VAULT_SECRET_ID_FILE": "/s",
        "VAULT_KUBERNETES_ROLE": "r",
        "VAULT_JWT_ROLE": "r",
        "VAULT_JWT_FILE": "/j",
        "VAULT_CLIENT_CERT": "/c",
        "VAULT_CLIENT_KEY": "/k",
    }
    with pytest.raises(errors.ConfigurationError) as raised:
        choose(environ)
    assert str(raised.value) == f"VAULT_AUTH_MOUNT is {mount!r}; expected the path of a mount, as 'approle'"


def test_a_refused_pair_names_where_each_half_is_from(server: Answering, transport: Transport) -> None:
    """Vault doesn't tell which of the two is wrong."""
    environ = {"VAULT_ROLE_ID": "other", "VAULT_SECRET_ID": "s"}
    server.says(Said(status=400, body=b'{"errors":["invalid role or secret ID"]}'))
    with pytest.raises(errors.CredentialExpired, match="the SecretID in VAULT_SECRET_ID with the RoleID in VAULT_ROLE"):
        choose(environ).method.log_in(transport)


def test_a_login_that_is_denied_may_be_at_a_mount_that_is_not_there(server: Answering, transport: Transport) -> None:
    """OpenBao answers 403 there, as where the login isn't allowed."""
    server.says(Said(status=403, body=b'{"errors":["permission denied"]}'))
    method = AppRoleAuth(role_id="r", secret_id=SecretIdVariable("S", {"S": "s"}), mount="nope")
    with pytest.raises(errors.AuthenticationError, match="or no auth method is mounted at 'nope'"):
        method.log_in(transport)


def _sent(server: Answering) -> list[tuple[str, object]]:
    return [(one.path, json.loads(one.body) if one.body else None) for one in server.asked]


def test_approle_sends_what_the_file_holds_now(
    server: Answering, transport: Transport, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret-id"
    file.touch(mode=0o600)
    method = AppRoleAuth(role_id="r", secret_id=SecretIdFile(file), mount="aos")
    server.says(LOGGED_IN, LOGGED_IN)
    for content in ("one\n", "two"):
        file.write_text(content)
        token = method.log_in(transport)
    assert (token.value, token.ttl_seconds, token.renewable, token.is_batch) == ("t", 60, True, False)
    assert _sent(server) == [("/v1/auth/aos/login", {"role_id": "r", "secret_id": one}) for one in ("one", "two")]
    assert caplog.text == ""
    file.chmod(0o644)
    server.says(LOGGED_IN)
    method.log_in(transport)
    assert "has mode 0644; expected 0640 or less" in caplog.text


@pytest.mark.parametrize(("content", "said"), [("", "empty"), ("a b", "no single word"), ("a\nb", "no single word")])
def test_what_can_be_no_credential_is_not_sent(
    server: Answering, transport: Transport, tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "secret-id"
    file.write_text(content)
    server.says()
    with pytest.raises(errors.ConfigurationError, match=f"SecretID in .* is {said}"):
        AppRoleAuth(role_id="r", secret_id=SecretIdFile(file)).log_in(transport)
    file.unlink()
    with pytest.raises(errors.ConfigurationError, match="can't be read"):
        AppRoleAuth(role_id="r", secret_id=SecretIdFile(file)).log_in(transport)
    with pytest.raises(errors.ConfigurationError, match="NAME is empty"):
        AppRoleAuth(role_id="r", secret_id=SecretIdVariable("NAME", {})).log_in(transport)
    assert server.asked == []


def test_a_secret_id_of_a_variable_may_end_with_a_line(server: Answering, transport: Transport) -> None:
    server.says(LOGGED_IN)
    AppRoleAuth(role_id="r", secret_id=SecretIdVariable("S", {"S": "one\n"})).log_in(transport)
    assert _sent(server)[0][1] == {"role_id": "r", "secret_id": "one"}


def test_a_refused_login_says_what_was_shown(server: Answering, transport: Transport) -> None:
    method = AppRoleAuth(role_id="r", secret_id=SecretIdVariable("S", {"S": "canary"}))
    for status, kind in ((400, errors.CredentialExpired), (403, errors.AuthenticationError)):
        server.says(Said(status=status, body=b'{"errors":["invalid role or secret ID canary"]}'))
        with pytest.raises(kind, match="the SecretID in S is") as raised:
            method.log_in(transport)
        assert "canary" not in f"{raised.value} {raised.value.texts}"
    server.says(Said(body=b'{"auth": null}'))
    with pytest.raises(errors.ProtocolError, match="has no token"):
        method.log_in(transport)


def test_a_pods_first_login_waits_for_its_network(server: Answering, transport: Transport, tmp_path: Path) -> None:
    clock = transport.clock
    assert isinstance(clock, SetClock)
    file = tmp_path / "token"

    def appear() -> None:
        if len(clock.slept) == 3:
            file.write_text("pods")

    clock.while_sleeping = appear
    method = KubernetesAuth(role="aos", file=file)
    server.says(LOGGED_IN)
    method.log_in(transport)
    assert clock.slept == [1, 1, 1]
    assert _sent(server) == [("/v1/auth/kubernetes/login", {"role": "aos", "jwt": "pods"})]
    file.unlink()
    clock.while_sleeping = lambda: None
    with pytest.raises(errors.ConfigurationError):
        method.log_in(transport)
    with pytest.raises(errors.ConfigurationError):
        KubernetesAuth(role="aos", file=file).log_in(transport)
    assert len(clock.slept) == 3 + 30


def test_a_pod_that_never_could_log_in_waits_once(transport: Transport, tmp_path: Path) -> None:
    clock = transport.clock
    assert isinstance(clock, SetClock)
    method = KubernetesAuth(role="aos", file=tmp_path / "token")
    for _ in range(3):
        with pytest.raises(errors.ConfigurationError, match="can't be read"):
            method.log_in(transport)
    assert sum(clock.slept) == 30


def test_a_jwt_of_a_file(server: Answering, transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("signed")
    server.says(LOGGED_IN, Said(status=400, body=b'{"errors":["error validating token"]}'))
    method = JwtAuth(role="ci", identity=IdentityFile(tmp_path / "jwt"))
    method.log_in(transport)
    assert _sent(server) == [("/v1/auth/jwt/login", {"role": "ci", "jwt": "signed"})]
    with pytest.raises(errors.AuthenticationError, match=r"the token in .*jwt, for role ci, is refused"):
        method.log_in(transport)


def test_a_jwt_of_github(server: Answering, transport: Transport) -> None:
    environ = {GITHUB_URL: f"{server.address}/token?api=2", GITHUB_TOKEN: "request-token"}
    identity = GitHubIdentity(environ=environ, audience="https://vault", trust=Trust(ca_file=server.ca_file))
    server.says(Said(body=b'{"value": "signed"}'), LOGGED_IN)
    JwtAuth(role="ci", identity=identity).log_in(transport)
    issuer, login = server.asked
    assert issuer.path == "/token?api=2&audience=https%3A%2F%2Fvault"
    assert issuer.headers["Authorization"] == "Bearer request-token"
    assert json.loads(login.body) == {"role": "ci", "jwt": "signed"}
    assert "request-token" not in repr(identity)


def test_no_jwt_of_github(server: Answering) -> None:
    trust = Trust(ca_file=server.ca_file)
    plain = {GITHUB_URL: "http://127.0.0.1/token", GITHUB_TOKEN: "request-token"}
    with pytest.raises(errors.ConfigurationError, match="is no https URL"):
        GitHubIdentity(environ=plain, audience="a").read()
    environ = {GITHUB_URL: f"{server.address}/token?api=2", GITHUB_TOKEN: "request-token"}
    with pytest.raises(errors.VaultUnavailable, match="does not answer"):
        GitHubIdentity(environ=environ, audience="a").read()
    for said in (Said(status=401), Said(body=b"<html>"), Said(status=302, headers={"Location": "https://evil"})):
        server.says(said)
        with pytest.raises(errors.ProtocolError, match="gives no token"):
            GitHubIdentity(environ=environ, audience="a", trust=trust).read()
        assert len(server.asked) == 1


def test_a_client_certificate_that_changed_is_read_again(
    server: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "c.crt", tmp_path / "c.key"
    certificate.write_bytes(b"")
    trust = Trust(ca_file=server.ca_file)
    transport = Transport([server.address], trust=trust, clock=SetClock())
    key.write_bytes(b"")
    reloaded: list[int] = []
    monkeypatch.setattr(transport, "reload_certificates", lambda: reloaded.append(1))
    method = CertificateAuth(certificate_file=certificate, key_file=key, role="aos")
    server.says(*[LOGGED_IN] * 3)
    method.log_in(transport)
    method.log_in(transport)
    assert reloaded == []
    os.utime(certificate, ns=(1, 1))
    method.log_in(transport)
    assert reloaded == [1]
    assert _sent(server)[0] == ("/v1/auth/cert/login", {"name": "aos"})
    key.unlink()
    with pytest.raises(errors.ConfigurationError, match=r"c\.key can't be read"):
        method.log_in(transport)


def test_a_root_token_is_for_loopback_only(server: Answering, transport: Transport) -> None:
    method = TokenAuth(environ={"VAULT_TOKEN": "canary"})
    root = Said(body=b'{"data": {"policies": ["root"], "ttl": 0}}')
    server.says(root, root, root)
    assert method.log_in(transport).ttl_seconds == 0
    elsewhere = Transport([server.address], trust=Trust(ca_file=server.ca_file))
    elsewhere.send("GET", "sys/health")  # it keeps the connection to the server here
    elsewhere.addresses = ("https://vault.example.com:8200",)
    with pytest.raises(errors.ConfigurationError, match="VAULT_TOKEN is a root token"):
        method.log_in(elsewhere)


def test_an_agent_gives_no_token(transport: Transport) -> None:
    assert AgentAuth().log_in(transport).value == ""


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"VAULT_ADDR": "https://a"}, ("VAULT_ADDR", "https://a")),
        ({"BAO_ADDR": "https://a", "VAULT_ADDR": "https://a"}, ("BAO_ADDR", "https://a")),
        ({"VAULT_ADDR": " "}, None),
    ],
)
def test_addresses_of_variables(environ: Mapping[str, str], expected: tuple[str, str] | None) -> None:
    found = Variables(environ=environ).address()
    assert (found and (found.name, found.value)) == expected


def test_an_old_name_of_the_address_is_told() -> None:
    with pytest.warns(DeprecationWarning, match="expected VAULT_ADDR"):
        assert Variables(environ={"VAULT_URL": "https://a"}).address() is not None
    with pytest.raises(errors.ConfigurationError, match="VAULT_ADDR and VAULT_URL are set, and differ"):
        Variables(environ={"VAULT_URL": "https://a", "VAULT_ADDR": "https://b"}).address()


def test_other_variables() -> None:
    trust = Variables(environ={"VAULT_CACERT": "/c", "VAULT_CAPATH": "/p", "BAO_TLS_SERVER_NAME": "v"}).trust()
    assert (trust.ca_file, trust.ca_folder, trust.server_name) == (Path("/c"), None, "v")
    assert Variables(environ={"VAULT_CACERT": "/c", "VAULT_CACERT_BYTES": "pem"}).trust().ca_certificate == "pem"
    assert Variables(environ={"VAULT_CAPATH": "/p"}).trust().ca_folder == Path("/p")
    patience = Variables(environ={"VAULT_CLIENT_TIMEOUT": "1500ms", "VAULT_MAX_RETRIES": "0"}).patience()
    assert (patience.deadline_seconds, patience.read_seconds, patience.tries) == (1.5, 1.5, 1)
    assert Variables(environ={"VAULT_CLIENT_TIMEOUT": "60"}).patience().deadline_seconds == 60


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("VAULT_SKIP_VERIFY", "true", "VAULT_SKIP_VERIFY is set; expected the CA's certificate"),
        ("BAO_SKIP_VERIFY", "1", "BAO_SKIP_VERIFY is set"),
        ("VAULT_CLIENT_TIMEOUT", "soon", "VAULT_CLIENT_TIMEOUT is 'soon'; expected a duration"),
        ("VAULT_CLIENT_TIMEOUT", "0", "VAULT_CLIENT_TIMEOUT is '0'; expected a duration"),
        ("VAULT_CLIENT_TIMEOUT", "25h", "VAULT_CLIENT_TIMEOUT is '25h'; expected a duration of a day at most"),
        ("VAULT_CLIENT_TIMEOUT", "9" * 400, "VAULT_CLIENT_TIMEOUT is '9{20}'; expected a duration"),
        ("VAULT_MAX_RETRIES", "-1", "VAULT_MAX_RETRIES is '-1'; expected a number"),
        ("VAULT_MAX_RETRIES", "9" * 5_000, "VAULT_MAX_RETRIES is '9{20}'; expected a number"),
    ],
)
def test_variables_that_can_not_be_used(name: str, value: str, message: str) -> None:
    variables = Variables(environ={name: value})
    with pytest.raises(errors.ConfigurationError, match=message):
        (variables.trust(), variables.patience())
    assert Variables(environ={"VAULT_SKIP_VERIFY": "false"}).trust() == Trust()
