"""A person's certificate before it is trusted, and a login in a browser that goes wrong. No server here.

The ways that go right are walked by `tests/engine/test_people.py`.
"""

import contextlib
import datetime
import functools
import threading
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

from composition import person_certificate
from ops import stack_file
from ops.commands import joining
from ops.commands.session import refuse_missing_secrets, secret_names
from ops.console import Console
from ops.errors import EstateError
from ops.people import browser
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
    """Both would have one entity. A fake, which has the administrator's only."""

    def answers(_client: object, _method: str, path: str, _body: object = None) -> dict[str, Any]:
        return {"data": {"cert/": {"accessor": "auth_cert_1"}} if path == "sys/auth" else {"id": "1"}}

    monkeypatch.setattr(joining, "log_in", contextlib.nullcontext)
    monkeypatch.setattr(joining, "call", answers)
    monkeypatch.setattr(joining, "look_up", lambda _client: {"entity_id": "1"})
    text = yaml.safe_dump({"config": {"vault-estate:estate": {**FULL, "people": PEOPLE}}})
    platform: Any = SimpleNamespace(file=stack_file.read(checkout(tmp_path, text), "local"), endpoint=str)
    built = {"type": "pulumi:pulumi:Stack", "outputs": {"address": "https://127.0.0.1:8200"}}
    with pytest.raises(EstateError, match=r"members\.grace is called as the administrator's certificate is; expected"):
        joining.make_room(platform, {"resources": [built]}, Console())
    joining.make_room(platform, {}, Console())


class FakeVault:
    """A fake, which asks for a login with a state of its own and takes no code."""

    class adapter:  # noqa: N801 - as the client has it
        """Answers each request."""

        @staticmethod
        def request(_method: str, path: str, **_options: Any) -> dict[str, Any]:
            assert path.endswith("/oidc/auth_url")
            return {"data": {"auth_url": "https://issuer.example/authorize?state=of-this-login"}}


def answer(port: int, query: str) -> threading.Thread:
    """What a browser brings back, after something that isn't the answer."""

    def came(asked: str) -> bool:
        try:
            return bool(requests.get(f"http://127.0.0.1:{port}{asked}", timeout=10).status_code)
        except requests.ConnectionError:
            return False  # nobody listens yet

    def bring() -> None:
        for asked in ("/", "/oidc/callback?state=forged&code=x", f"/oidc/callback?{query}"):
            assert eventually(functools.partial(came, asked))

    thread = threading.Thread(target=bring)
    thread.start()
    return thread


def log_in(port: int) -> None:
    client: Any = FakeVault()
    browser.log_in(client, "oidc", [f"http://localhost:{port}/oidc/callback"], Console(), opens=False)


def test_an_issuer_that_refuses_is_quoted_without_what_could_paint_the_screen() -> None:
    (port,) = free_ports(1)
    thread = answer(port, "state=of-this-login&error=access_denied&error_description=not%1b%5b31m+today")
    with pytest.raises(EstateError, match=r"^the issuer refuses the login: not\[31m today; expected somebody it lets"):
        log_in(port)
    thread.join()


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
