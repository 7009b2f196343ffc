"""When an `up` looks at the server first, and what it leaves there. The server is a fake.

A real one is restored and looked at in `tests/day2/test_replace_and_refresh.py`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import hvac
import pytest

from ops.commands import refreshing
from ops.commands.refreshing import Comparison
from ops.console import Console
from ops.errors import EstateError
from ops.platforms.driver import PlatformDriver

ADDRESS = "https://vault.example.com:8200"
_PKI = "vault:pkiSecret/secretBackend"
SIGNED = {
    "urn": "certificate",
    "type": f"{_PKI}IntermediateSetSigned:SecretBackendIntermediateSetSigned",
    "inputs": {"backend": "pki_int"},
    "outputs": {"importedIssuers": ["one"]},
    "propertyDependencies": {"certificate": ["signature"]},
}
ROLE = {
    "urn": "role",
    "type": "vault:appRole/authBackendRole:AuthBackendRole",
    "inputs": {"backend": "approle", "roleName": "app"},
}
SIGNATURE = {"urn": "signature", "type": "signature", "propertyDependencies": {"csr": ["request"]}}
DEPLOYMENT: Mapping[str, Any] = {
    "manifest": {"time": "then"},
    "resources": [
        {"urn": "stack", "type": "pulumi:pulumi:Stack", "outputs": {"address": ADDRESS}},
        {"urn": "ready", "type": "pulumi-python:dynamic:Resource", "outputs": {"address": ADDRESS}},
        {"urn": "request", "type": "request"},
        ROLE,
        SIGNATURE,
        SIGNED,
    ],
}
RECORD = "# the state that describes this server is of then"


class Server:
    """A fake server with a few paths."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: dict[str, Any] = {"pki_int/issuer/one": {}, "sys/policies/acl/vault-estate-up": {"policy": RECORD}}
        self.refused: set[str] = set()
        self.trouble: str | None = None
        self.written: dict[str, Any] = {}
        monkeypatch.setattr("ops.commands.refreshing.status.ask", lambda _: SimpleNamespace(trouble=self.trouble))
        monkeypatch.setattr("ops.commands.refreshing.log_in", self._log_in)
        self.platform = cast("PlatformDriver", SimpleNamespace(endpoint=lambda address: address))

    @contextmanager
    def _log_in(self, endpoint: str) -> Iterator[hvac.Client]:
        assert endpoint == ADDRESS
        if "login" in self.paths:
            raise EstateError("refuses")
        try:
            listed = {"data": {"keys": ["app", "former"]}}
            fake = SimpleNamespace(read=self._read, write_data=self._write, list={"auth/approle/role": listed}.get)
            yield cast("hvac.Client", fake)
        except hvac.exceptions.VaultError as error:
            raise EstateError(str(error)) from None

    def _read(self, path: str) -> Any:
        if path in self.refused:
            raise hvac.exceptions.InternalServerError("rate limit exceeded")
        if path not in self.paths:
            raise hvac.exceptions.InternalServerError("unable to find PKI issuer")
        return {"data": self.paths[path] or {"there": True}}

    def _write(self, path: str, *, data: Mapping[str, Any]) -> None:
        self.written[path] = data

    def compare(self, deployment: Mapping[str, Any] = DEPLOYMENT) -> Comparison:
        """Compare with a state."""
        return refreshing.compare(self.platform, deployment, Console(as_json=True))

    def remember(self, compared: Comparison) -> None:
        """Leave the record of a state."""
        run = cast("Any", SimpleNamespace(deployment=lambda: DEPLOYMENT))
        refreshing.remember(self.platform, run, {"address": ADDRESS}, compared, Console(as_json=True))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_nothing_is_asked_before_a_first_up(server: Server) -> None:
    server.paths["login"] = True

    assert server.compare({"manifest": {}, "resources": None}) == Comparison()


def test_the_server_that_the_state_describes_is_taken_as_it_is(server: Server) -> None:
    assert server.compare() == Comparison()


@pytest.mark.parametrize("record", [None, "# the state that describes this server is of before"])
def test_another_record_or_none_is_another_server(
    server: Server, record: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    server.paths["sys/policies/acl/vault-estate-up"] = {"policy": record}

    assert server.compare() == Comparison(other=True)
    assert "the server isn't as the state describes it" in capsys.readouterr().err


def test_an_issuer_that_is_gone_is_requested_anew(server: Server) -> None:
    del server.paths["pki_int/issuer/one"]

    assert server.compare() == Comparison(lost=("request",))


def test_an_issuer_that_is_not_told_of_is_not_lost(server: Server) -> None:
    server.refused.add("pki_int/issuer/one")

    assert server.compare() == Comparison(known=False)


@pytest.mark.parametrize("away", ["sealed", "login"])
def test_a_server_that_can_not_be_asked_keeps_its_record(server: Server, away: str) -> None:
    if away == "sealed":
        server.trouble = "it is sealed"
    else:
        server.paths["login"] = True

    compared = server.compare()
    server.trouble = server.paths.pop("login", None)
    server.remember(compared)

    assert compared == Comparison(known=False)
    assert server.written == {}


def test_the_record_is_of_the_state_that_describes_the_server_now(server: Server) -> None:
    server.remember(Comparison(other=True))

    assert server.written == {"sys/policies/acl/vault-estate-up": {"policy": RECORD}}


@pytest.mark.parametrize("other", [True, False])
def test_who_came_back_with_a_restore_is_told(server: Server, other: bool, capsys: pytest.CaptureFixture[str]) -> None:
    server.remember(Comparison(other=other))

    told = (
        "auth/approle/role/former lets in whom no setting names, as it did once; expected it deleted: "
        "bao delete auth/approle/role/former\n"
    )
    assert capsys.readouterr().err == (told if other else "")
