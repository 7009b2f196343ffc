"""Waiting for a Vault: the words while it waits, and the place of its code. The server is a fake one, over real TLS.

Not proven: that the engine finds the code of an older state there (`tests/upgrade`).
"""

import base64
import pickletools
from pathlib import Path
from typing import Any

import pytest

from components.platform import readiness
from components.platform.readiness import VaultReady, VaultReadyArgs, wait_until_ready
from components.render.login import CertificateLogin
from tests.support.declare import Declared, declare
from tests.unit.ops.https import LOGGED_IN, Answer, FakeVault, fake_vault

READY = {"initialized": True, "sealed": False, "cluster_id": "c", "version": "2.7.1"}


def test_its_code_is_pickled_by_a_name_that_every_state_holds() -> None:
    """Neither may ever change: `refresh` and `destroy` load the code by the name in the state, whoever wrote that."""
    login = CertificateLogin(certificate_file="a.crt", private_key_file="a.key")
    args = VaultReadyArgs(address="https://127.0.0.1:8200", login=login, ca_certificate_file=None)
    (ready,) = declare(lambda: VaultReady("ready", args)).of("pulumi-python:dynamic:Resource")

    code = base64.b64decode(str(ready.inputs["__provider"]))

    texts = [text for _, text, _ in pickletools.genops(code) if isinstance(text, str)]
    assert texts == ["components.platform.readiness", "_Waiting"]


def declared(**more: Any) -> Declared:
    login = CertificateLogin(certificate_file="a.crt", private_key_file="a.key")
    args = VaultReadyArgs(address="https://127.0.0.1:8200", login=login, ca_certificate_file=None, **more)
    return declare(lambda: VaultReady("ready", args))


def test_one_server_is_waited_for_as_ever() -> None:
    """Another input would be a change of every stack there is."""
    assert "replicas" not in declared().named("ready").inputs
    assert declared(replicas=3).named("ready").inputs["replicas"] == 3


def autopilot(voters: int, tolerance: int, *, healthy: bool = True) -> Answer:
    names = [f"vault-{number}" for number in range(voters)]
    return 200, {"data": {"voters": names, "failure_tolerance": tolerance, "healthy": healthy}}


def test_of_several_servers_all_have_to_vote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_POLL_SECONDS", 0)
    monkeypatch.setattr(readiness, "_VOTERS_POLL_SECONDS", 0)
    states = [(403, {}), autopilot(1, 0), autopilot(3, 0), autopilot(3, 1, healthy=False), autopilot(3, 1)]

    def answer(_method: str, path: str) -> Answer:
        if path == "sys/seal-status":
            return 200, READY
        if path == "sys/storage/raft/autopilot/state":
            return states.pop(0)
        return LOGGED_IN if path.endswith("/login") else (200, b"")

    told: list[str] = []
    with fake_vault(tmp_path, answer) as server:
        found = wait_until_ready({**properties(server), "replicas": 3.0}, told.append)
        logins = [path for _, path, _ in server.asked if path.endswith("/login")]
        ended = [path for _, path, _ in server.asked if path.endswith("/revoke-self")]

    assert found == {"cluster_id": "c", "server_version": "2.7.1"}
    assert states == []
    assert len(logins) == len(ended) == 5
    begin = f"waiting for Vault at {server.address} to have "
    assert [line.rpartition(";")[0] for line in told][1:] == [
        f"{begin}its voters shown (HTTP 403)",
        f"{begin}3 voters and bear the loss of 1 (now 1 and 0)",
        f"{begin}3 voters and bear the loss of 1 (now 3 and 0)",
        f"{begin}3 voters and bear the loss of 1 (now 3 and 1)",
    ]


def test_an_authority_may_come_while_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster makes its own. Whoever brings it does so between two looks."""
    assert "authority_comes" not in declared().named("ready").inputs
    assert declared(authority_comes=True).named("ready").inputs["authority_comes"] is True
    told: list[str] = []
    with fake_vault(tmp_path, lambda _, path: (200, READY) if path == "sys/seal-status" else LOGGED_IN) as server:
        file = tmp_path / "brought" / "authority.crt"

        def bring(_seconds: float) -> None:
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(server.ca_file.read_bytes())

        monkeypatch.setattr("time.sleep", bring)
        wanted = {**properties(server), "ca_certificate_file": str(file)}
        with pytest.raises(readiness.NotReadyError, match="is not there; expected it before the estate is built"):
            wait_until_ready(wanted)
        found = wait_until_ready({**wanted, "authority_comes": True}, told.append)

    assert found == {"cluster_id": "c", "server_version": "2.7.1"}
    assert [line.rpartition(";")[0] for line in told] == [
        f"waiting for Vault at {server.address} to answer",
        f"waiting for Vault at {server.address} to have its authority's certificate in {file}",
    ]


def properties(server: FakeVault) -> dict[str, Any]:
    """The resource's properties."""
    return {
        "address": server.address,
        "certificate_file": str(server.certificate),
        "private_key_file": str(server.private_key),
        "ca_certificate_file": str(server.ca_file),
        "login_path": "cert",
        "login_role": "administrator",
        "timeout_seconds": 20,
    }


def test_each_thing_it_waits_for_is_told_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_POLL_SECONDS", 0)
    statuses = [{**READY, "initialized": False, "sealed": True}, {**READY, "sealed": True}]
    logins: list[Answer] = [(403, {"errors": []})]

    def answer(_method: str, path: str) -> Answer:
        if path == "sys/seal-status":
            return 200, statuses.pop(0) if statuses else READY
        if path.endswith("/login"):
            return logins.pop(0) if logins else LOGGED_IN
        return 200, b""

    told: list[str] = []
    with fake_vault(tmp_path, answer) as server:
        found = wait_until_ready(properties(server), told.append)

    assert found == {"cluster_id": "c", "server_version": "2.7.1"}
    assert [line.rpartition(";")[0] for line in told] == [
        f"waiting for Vault at {server.address} {missing}"
        for missing in (
            "to answer",
            "to be initialised",
            "to be unsealed",
            "to let 'administrator' log in (HTTP 403)",
        )
    ]
    assert server.asked[-1] == ("POST", "auth/token/revoke-self", LOGGED_IN[1]["auth"]["client_token"])  # type: ignore[index]  # an object to its type
