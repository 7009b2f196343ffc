"""The administrator's connection: what a server may answer, and what becomes of the token. The Vault is a fake."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import hvac
import pytest

from ops.errors import EstateError
from ops.vault.login import log_in
from tests.unit.ops.https import LOGGED_IN, Answer, FakeVault, fake_vault

TOKEN = LOGGED_IN[1]["auth"]["client_token"]  # type: ignore[index]  # a mapping, made above


def _always(answer: Answer) -> Callable[[str, str], Answer]:
    return lambda _method, path: answer if path == "auth/cert/login" else (204, b"")


def _login(vault: FakeVault) -> hvac.Client:
    with log_in(vault.endpoint) as client:
        assert isinstance(client, hvac.Client)
        return client


def _refusal(vault: FakeVault) -> str:
    with pytest.raises(EstateError) as caught:
        _login(vault)
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_it_logs_in_by_certificate_and_revokes_its_token_at_the_end(tmp_path: Path) -> None:
    with fake_vault(tmp_path, _always(LOGGED_IN)) as vault:
        with log_in(vault.endpoint) as client:
            assert client.token == TOKEN
            assert len(vault.asked) == 1

        assert vault.asked == [
            ("POST", "auth/cert/login", None),
            ("POST", "auth/token/revoke-self", TOKEN),
        ]


def test_a_token_for_another_vault_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".vault-token").write_text("-".join(("another", "vaults")))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", "-".join(("another", "vaults", "too")))

    with fake_vault(tmp_path, _always(LOGGED_IN)) as vault:
        _login(vault)

        assert [token for _, _, token in vault.asked] == [None, TOKEN]


REFUSALS: dict[str, tuple[Answer, str]] = {
    "sealed": ((503, {"errors": ["Vault is sealed"]}), "Vault at {address} is sealed; expected it unsealed"),
    "not initialised": (
        (501, {"errors": ["not initialized"]}),
        "Vault at {address} is not initialised; expected one that `./estate up` bootstrapped",
    ),
    "another's": (
        (400, {"errors": ["invalid certificate or no client\ncertificate supplied"]}),
        (
            "Vault at {address} refuses the administrator's certificate {certificate}: invalid certificate or no "
            "client certificate supplied, on post {address}/v1/auth/cert/login"
        ),
    ),
    "denied": (
        (403, {"errors": ["permission denied"]}),
        (
            "Vault at {address} refuses the administrator's certificate {certificate}: permission denied, on post "
            "{address}/v1/auth/cert/login"
        ),
    ),
    "no login": ((200, {"data": {}}), "{address} does not answer as a Vault does; expected a Vault there"),
    "a list": ((200, ["hello"]), "{address} does not answer as a Vault does; expected a Vault there"),
    "no JSON": ((200, b"<html>"), "{address} does not answer as a Vault does; expected a Vault there"),
    "nothing": ((204, b""), "{address} does not answer as a Vault does; expected a Vault there"),
}


@pytest.mark.parametrize(("answer", "line"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_server_that_does_not_let_it_in(tmp_path: Path, answer: Answer, line: str) -> None:
    with fake_vault(tmp_path, _always(answer)) as vault:
        said = _refusal(vault)

        assert said == line.format(address=vault.address, certificate=vault.certificate)
        assert len(vault.asked) == 1


def test_a_server_that_is_not_ours_gets_no_login(tmp_path: Path) -> None:
    with (
        fake_vault(tmp_path / "theirs", _always(LOGGED_IN)) as theirs,
        fake_vault(tmp_path / "ours", _always(LOGGED_IN)) as ours,
    ):
        theirs.ca_file = ours.ca_file

        assert _refusal(theirs) == (
            f"{theirs.address} shows a certificate that {ours.ca_file} did not sign; expected the server of this estate"
        )
        assert theirs.asked == []


def test_a_server_that_is_away(tmp_path: Path) -> None:
    with fake_vault(tmp_path, _always(LOGGED_IN)) as vault:
        pass

    assert _refusal(vault) == f"{vault.address} does not answer; expected a running Vault"


def test_a_port_where_something_else_listens(tmp_path: Path) -> None:
    with fake_vault(tmp_path, _always(LOGGED_IN)) as vault:
        pass
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen()
        vault.address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()

        assert _refusal(vault) == f"{vault.address} does not answer; expected a running Vault"


@pytest.mark.parametrize("gone", ["ca_file", "certificate", "private_key"])
def test_files_that_are_gone_are_named(tmp_path: Path, gone: str) -> None:
    with fake_vault(tmp_path, _always(LOGGED_IN)) as vault:
        getattr(vault, gone).unlink()

        said = _refusal(vault)

        assert said.startswith("the administrator's files can't be read: ")
        assert str(getattr(vault, gone)) in said


def test_what_the_server_refuses_later_is_one_line(tmp_path: Path) -> None:
    def answer(_method: str, path: str) -> Answer:
        return LOGGED_IN if path == "auth/cert/login" else (403, {"errors": ["permission denied\n"]})

    with fake_vault(tmp_path, answer) as vault:
        with (
            pytest.raises(EstateError) as caught,
            log_in(vault.endpoint) as client,
        ):
            client.read("sys/mounts")

        assert str(caught.value).startswith(f"Vault at {vault.address} refused a step: permission denied")
        assert "\n" not in str(caught.value)
        assert vault.asked[-1][1] == "auth/token/revoke-self"


def test_a_server_that_goes_away_at_work(tmp_path: Path) -> None:
    with ExitStack() as running:
        vault = running.enter_context(fake_vault(tmp_path, _always(LOGGED_IN)))

        def work() -> None:
            with log_in(vault.endpoint) as client:
                running.close()
                client.adapter.close()
                client.read("sys/mounts")

        with pytest.raises(EstateError) as caught:
            work()

    assert str(caught.value) == f"Vault at {vault.address} went away at work; expected a running Vault"


def test_an_error_of_the_block_is_not_hidden_by_the_revocation(tmp_path: Path) -> None:
    def answer(_method: str, path: str) -> Answer:
        return LOGGED_IN if path == "auth/cert/login" else (500, {"errors": ["no"]})

    with (
        fake_vault(tmp_path, answer) as vault,
        pytest.raises(EstateError, match="the first trouble"),
        log_in(vault.endpoint),
    ):
        raise EstateError("the first trouble")
