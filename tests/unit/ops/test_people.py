"""A person's certificate before it is trusted, and a login in a browser that goes wrong. No server here.

The ways that go right are walked by `tests/engine/test_people.py`.
"""

import contextlib
import datetime
import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultDown, VaultError

from composition import person_certificate
from ops import stack_file
from ops.commands import joining
from ops.commands.session import refuse_missing_secrets, secret_names
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.people import browser, leaving, logging_in, session
from ops.people.session import KeptLogin
from ops.platforms.local import Local
from ops.vault import turns
from tests.support.servers import eventually, free_ports
from tests.unit.ops.fakes import checkout
from tests.unit.settings.samples import FULL, PEOPLE

SETTING = "people.members.grace.login.file"


def certificate(*names: str, authority: bool | None = False) -> str:
    """A certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in names])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if authority is not None:
        made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("authority", [False, None])
def test_a_persons_own_certificate_is_taken(authority: bool | None) -> None:
    pem = certificate("grace", authority=authority)
    Path("grace.crt").write_text(pem)
    assert person_certificate.read(SETTING, "grace.crt", "grace") == pem


WRONG = [
    (certificate("ada"), "whose common name is another; expected 'grace'"),
    (certificate("grace", "ada"), "whose common name is another; expected 'grace'"),
    (certificate("grace", authority=True), "which is an authority's; expected a person's own certificate"),
    (certificate("grace") + certificate("grace"), "which can't be parsed; expected one certificate"),
    ("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "which can't be parsed"),
    ("text", "which holds something else; expected a PEM certificate"),
    ("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "which holds a private key"),
]


@pytest.mark.parametrize(("content", "words"), WRONG)
def test_one_that_would_let_somebody_else_in_is_refused(content: str, words: str) -> None:
    Path("grace.crt").write_text(content)
    with pytest.raises(ValueError, match=words) as refusal:
        person_certificate.read(SETTING, "grace.crt", "grace")
    assert str(refusal.value).startswith(f"vault-estate:estate.{SETTING} is 'grace.crt', wh")


@pytest.mark.usefixtures("_here")
def test_an_issuers_secret_is_among_those_of_the_stacks_file(tmp_path: Path) -> None:
    """So that a preview with fake providers has one, and a comparison of commits compares it."""
    plain = {**FULL, "people": PEOPLE}
    text = yaml.safe_dump({"config": {"vault-estate:estate": plain}})
    file = stack_file.read(checkout(tmp_path, text), "local")
    assert secret_names(file) == ["database-password", "oidc-client-secret"]
    with pytest.raises(EstateError) as caught:
        refuse_missing_secrets(file)
    assert str(caught.value) == (
        "Pulumi.local.yaml: vault-estate:database-password is missing; expected an encrypted value: "
        "pulumi config set --secret database-password --stack local"
    )
    encrypted = {f"vault-estate:{name}": {"secure": "v1:a:b"} for name in secret_names(file)}
    file.path.write_text(yaml.safe_dump({"config": {"vault-estate:estate": plain, **encrypted}}))
    refuse_missing_secrets(file)


def test_a_member_called_as_the_administrators_certificate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would have one entity."""
    server = FakeIdentities({"1": "entity_1"}, {("grace", "cert_1"): "1"}, own="1")
    monkeypatch.setattr(joining, "log_in", lambda _endpoint: contextlib.nullcontext(server))
    text = yaml.safe_dump({"config": {"vault-estate:estate": {**FULL, "people": PEOPLE}}})
    platform: Any = SimpleNamespace(file=stack_file.read(checkout(tmp_path, text), "local"), endpoint=str)
    built = {"type": "pulumi:pulumi:Stack", "outputs": {"address": "https://127.0.0.1:8200"}}
    with pytest.raises(EstateError, match=r"members\.grace is called as the administrator's certificate is; expected"):
        joining.make_room(platform, {"resources": [built]}, Console())
    joining.make_room(platform, {}, Console())


@dataclass
class FakeIdentities:
    """A fake: the client of a server which has these entities, aliases of theirs, and nothing else."""

    names: dict[str, str]
    """Of entities, by id."""
    aliases: dict[tuple[str, str], str]
    """Ids of entities, by the alias's name and its mount."""
    own: str = ""
    """The entity of whoever asks."""
    disabled: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    @property
    def adapter(self) -> "FakeIdentities":
        """Itself, who answers each request."""
        return self

    def request(self, method: str, path: str, *, json: dict[str, Any] | None = None, **_options: Any) -> dict[str, Any]:
        place = path.removeprefix("/v1/")
        self.asked.append(f"{method} {place}")
        if place == "sys/auth":
            return {"data": {f"{mount}/": {"accessor": f"{mount}_1"} for mount in ("cert", "userpass", "oidc")}}
        if place == "auth/token/lookup-self":
            return {"data": {"entity_id": self.own}}
        if place == "identity/lookup/entity" and json:
            there = {name: identity for identity, name in self.names.items()}
            alias = (json.get("alias_name", ""), json.get("alias_mount_accessor", ""))
            found = there.get(json["name"]) if "name" in json else self.aliases.get(alias)
            return {"data": {"id": found, "name": self.names[found]}} if found else {}
        if place.startswith("identity/entity/id/"):
            assert json == {"disabled": True}
            self.disabled.add(self.names[place.rpartition("/")[2]])
        elif method == "get":
            raise InvalidPath
        return {}


OFF_BOARDED = {
    "by name": ("alan", {"alan"}),
    "in another case": ("Alan", {"alan"}),
    "as the issuer calls them": ("alan@example.com", {"alan"}),
    "not whom the issuer calls as another is called here": ("ada", {"ada"}),
    "nor the other way round": ("kim", {"kim"}),
    "who is no member": ("eve", {"entity_5"}),
}


@pytest.mark.parametrize(("name", "left"), OFF_BOARDED.values(), ids=OFF_BOARDED)
def test_nobody_else_is_disabled_with_who_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, left: set[str]
) -> None:
    """Kim is who the issuer calls ada."""
    server = FakeIdentities(
        {"1": "ada", "2": "alan", "3": "kim", "4": "entity_4", "5": "entity_5"},
        {
            ("ada", "userpass_1"): "1",
            ("alan@example.com", "oidc_1"): "2",
            ("ada", "oidc_1"): "3",
            ("administrator", "cert_1"): "4",
            ("eve", "oidc_1"): "5",
        },
        own="4",
    )
    done, left_to_do = off_board(tmp_path, monkeypatch, server, name)
    assert server.disabled == left
    assert any(one.endswith("is disabled: every token of theirs is denied") for one in done)
    (person,) = left
    still = [one for one in left_to_do if f"people.members.{person} is still there" in one]
    assert bool(still) == (person in ("ada", "alan", "kim"))


@pytest.mark.parametrize("claim", ["ada#1", "ada?x", "org/ada", "../ada", "ada "])
def test_a_claim_is_never_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claim: str) -> None:
    """A server reads `users/ada#1` as the user ada."""
    server = FakeIdentities({"1": "ada", "5": "entity_5"}, {(claim, "oidc_1"): "5"})
    off_board(tmp_path, monkeypatch, server, claim)
    assert server.disabled == {"entity_5"}
    assert [one for one in server.asked if "ada" in one] == []


def off_board(
    folder: Path, monkeypatch: pytest.MonkeyPatch, server: FakeIdentities, name: str
) -> tuple[Sequence[str], Sequence[str]]:
    """What is told of somebody's leaving: what is done, and what is left to do."""
    members = {
        "ada": {"groups": ["app-owners"], "login": {"kind": "userpass"}},
        "alan": {"groups": ["app-owners"], "login": {"kind": "oidc", "claim": "alan@example.com"}},
        "kim": {"groups": ["app-owners"], "login": {"kind": "oidc", "claim": "ada"}},
    }
    text = yaml.safe_dump({"config": {"vault-estate:estate": {**FULL, "people": {**PEOPLE, "members": members}}}})
    paths = checkout(folder, text)
    platform = Local(paths=paths, file=stack_file.read(paths, "local"))
    monkeypatch.setattr(Local, "ready", lambda *_: contextlib.nullcontext(platform))
    monkeypatch.setattr(Local, "refuse_unbuilt", lambda _: None)
    monkeypatch.setattr(Local, "find_administrator", lambda *_: None)
    monkeypatch.setattr(leaving, "platform_of", lambda *_, **__: platform)
    monkeypatch.setattr(leaving, "refuse_without_pair", lambda *_: None)
    monkeypatch.setattr(leaving, "log_in", lambda _endpoint: contextlib.nullcontext(server))
    ended = leaving.off_board(paths, "local", name, Console())
    return ended.done, ended.left


class FakeVault:
    """A fake, which asks for a login with a state of its own and takes no code."""

    def __init__(self, query: str = "state=of-this-login") -> None:
        self.adapter, self.query = self, query

    def request(self, _method: str, path: str, **_options: Any) -> dict[str, Any]:
        assert path.endswith("/oidc/auth_url")
        return {"data": {"auth_url": f"https://issuer.example/authorize?{self.query}"}}


def answer(port: int, query: str) -> threading.Thread:
    """What a browser brings back, after something that isn't the answer."""

    def came(asked: str) -> bool:
        try:
            return bool(requests.get(f"http://127.0.0.1:{port}{asked}", timeout=10).status_code)
        except requests.ConnectionError:
            return False  # nobody listens yet

    def bring() -> None:
        forged = [f"/oidc/callback?state={state}&code=x" for state in ("forged", "%ff", "")]
        for asked in ("/", *forged, f"/oidc/callback?{query}"):
            assert eventually(functools.partial(came, asked))

    thread = threading.Thread(target=bring)
    thread.start()
    return thread


def log_in(port: int) -> None:
    client: Any = FakeVault()
    browser.log_in(client, "oidc", [f"http://localhost:{port}/oidc/callback"], Console(), opens=False)


@pytest.mark.parametrize("query", ["", "state=", "nonce=n"])
def test_an_address_whose_answer_anybody_could_give_is_refused(query: str) -> None:
    client: Any = FakeVault(query)
    with pytest.raises(EstateError, match=r"^Vault gives an address to log in at that has no state; expected one that"):
        browser.log_in(client, "oidc", ["http://localhost:8250/oidc/callback"], Console(), opens=False)


@pytest.mark.parametrize("refused", [Forbidden, InvalidPath, InvalidRequest])
def test_an_auth_method_that_up_did_not_finish_is_told(refused: type[VaultError]) -> None:
    client: Any = FakeSession(refused("permission denied", errors=["permission denied"]))
    with pytest.raises(
        EstateError, match=r"^nobody can log in at auth/oidc yet; expected an \./estate up that went well$"
    ):
        browser.log_in(client, "oidc", ["http://localhost:8250/oidc/callback"], Console(), opens=False)


def test_an_issuer_that_refuses_is_quoted_without_what_could_paint_the_screen(
    capfd: pytest.CaptureFixture[str],
) -> None:
    (port,) = free_ports(1)
    thread = answer(port, "state=of-this-login&error=access_denied&error_description=not%1b%5b31m+today")
    with pytest.raises(EstateError, match=r"^the issuer refuses the login: not\[31m today; expected somebody it lets"):
        log_in(port)
    thread.join()
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_that_is_taken_is_named() -> None:
    (port,) = free_ports(1)
    with (
        browser._Answers(port, "/", "x"),
        pytest.raises(EstateError, match=rf"^port {port} is taken .*; expected it fr"),
    ):
        log_in(port)


def test_a_mount_without_a_callback_on_this_machine_is_told() -> None:
    client: Any = FakeVault()
    with pytest.raises(EstateError, match=r"^people\.oidc\.redirect_uris has none on this machine; expected http://lo"):
        browser.log_in(client, "oidc", ["https://vault.example/callback"], Console(), opens=False)


class FakeSession:
    """A fake: the client of a server that answers, or refuses, each request in the same way."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.adapter, self.answer, self.token, self.asked = self, answer, "", list[tuple[str, str]]()

    def request(self, _method: str, path: str, **_options: Any) -> dict[str, Any]:
        self.asked.append((path.removeprefix("/v1/"), self.token))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        """As a connection is."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    """Of the local stack, which is built."""
    made = FakeSession({"data": {}})
    monkeypatch.setattr(turns, "client", lambda *_, **__: made)
    for name in session._TOKEN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    checkout(tmp_path)
    (local(tmp_path).servers.openbao.home / "data").mkdir(parents=True)
    return made


def local(folder: Path) -> Local:
    paths = Paths(project=folder)
    return Local(paths=paths, file=stack_file.read(paths, "local"))


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (Forbidden(), "had ended"),
        (
            VaultDown("Vault is sealed"),
            "is forgotten here; https://vault refuses to revoke it, so it ends by itself: Va",
        ),
        (requests.ConnectionError(), "is forgotten here; https://vault does not answer, so it ends by itself"),
    ],
)
def test_a_login_is_forgotten_whatever_its_server_says(
    tmp_path: Path, server: FakeSession, error: Exception, how: str
) -> None:
    session.keep(local(tmp_path), KeptLogin(address="https://vault", token="kept"))
    server.answer = error
    assert logging_in.log_out(Paths(project=tmp_path), "local", Console()).startswith(how)
    assert session.kept(local(tmp_path)) is None


@pytest.mark.parametrize("token", ["two\nlines", "hvs.\x1b[31m", "hvs.é"])
def test_a_token_that_can_be_none_is_refused_and_not_shown(
    tmp_path: Path, server: FakeSession, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", token)
    with (
        pytest.raises(
            EstateError, match=r"^VAULT_TOKEN is not shown, and no token; expected one in ASCII, on one line$"
        ),
        session.person(Paths(project=tmp_path), "local", Console()),
    ):
        pass
    assert server.asked == []
