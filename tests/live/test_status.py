"""`./estate status` of a cloud stack: what a real server shows to anybody, and what is said where it isn't well.

A server on loopback stands for the node, a folder for the bucket; the stack's state is a test's. The engine's own is
asked in `tests/engine/test_status.py`.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.payloads.snapshot import STAMP
from components.render.seals import ShamirSeal, StaticSeal
from ops.cli import main
from ops.engine import state
from ops.engine.state import StateRecord
from ops.keys.certificates import ensure_administrator
from ops.keys.pgp import ensure_operator
from ops.paths import Paths
from ops.platforms import account
from ops.snapshots import ages
from ops.snapshots.stores import FolderStore
from tests.support.nodes import NodeServer, node_server, write_stack
from tests.support.servers import ADMINISTRATOR_POLICY

SNAPSHOTS: dict[str, Any] = {
    "store": {"kind": "bucket", "name": "some-bucket", "endpoint": "https://s3.example.com", "region": "fsn1"},
    "recipients": ["recipient.txt"],
    "certificate": "operator.crt",
    "node_certificate": "node.crt",
}


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack `dev`, its server and what its state tells."""

    folder: Path
    server: NodeServer
    cluster: str

    def settings(self, **more: Any) -> dict[str, Any]:
        return self.server.settings("static", ["ada"], 1, **more)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One that was built: its server is initialised and open."""
    folder = tmp_path_factory.mktemp("status")
    ensure_administrator(folder / "administrator.crt", folder / "administrator.key")
    with node_server(folder / "node", StaticSeal()) as server:
        certificate = (folder / "administrator.crt").read_text()
        public_key = ensure_operator(folder / "operator").read_text()
        boot = server.bootstrap([("ada", public_key)], 1, certificate, ADMINISTRATOR_POLICY, auto_unseal=True)
        _, said = boot.communicate(timeout=600)
        assert boot.returncode == 0, said
        yield Stack(folder=folder, server=server, cluster=str(server.status()["cluster_id"]))


@dataclass
class Known:
    """What the stack's state tells, for a test to change."""

    record: StateRecord | None


@pytest.fixture(autouse=True)
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Known:
    """The state of a stack that was built."""
    stack: Stack = request.getfixturevalue("stack")
    write_stack(stack.folder, stack.settings())
    told = Known(_record(address=stack.server.address, cluster_id=stack.cluster))
    monkeypatch.setattr(state, "read_record", lambda *_, **__: told.record)
    monkeypatch.setattr("ops.cli.status.Paths", lambda: Paths(project=stack.folder))
    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    for name in account.AWS_CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    return told


def _record(*, unfinished: bool = False, **outputs: str) -> StateRecord:
    return StateRecord(outputs=outputs, is_unfinished=unfinished)


def answer(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Any]:
    """The command's document, after its exit code was looked at."""
    assert main.main(["status", "dev", "--json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_server_that_is_well(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, 0)

    vault = found["vault"]
    assert (vault["reachable"], vault["initialised"], vault["sealed"]) == (True, True, False)
    assert (vault["cluster_id"], vault["is_known_cluster"]) == (stack.cluster, True)
    assert (vault["seal"], vault["address"], vault["trouble"]) == ("static", stack.server.address, None)
    assert vault["version"] == stack.server.status()["version"]
    assert vault["certificate_days"] > 0
    assert (found["built"], found["unfinished"]) == (True, False)
    assert found["snapshot"].startswith("none is taken")
    assert "error" not in found

    assert main.main(["status", "dev"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["reachable", "✓"] in rows
    assert ["seal", "open", "(static)"] in rows
    assert ["last", "`up`", "finished"] in rows


def test_a_server_of_another_cluster_is_an_error(
    stack: Stack, known: Known, capsys: pytest.CaptureFixture[str]
) -> None:
    known.record = _record(address=stack.server.address, cluster_id="another")

    found = answer(capsys, 2)

    assert found["error"] == f"{stack.server.address} is cluster {stack.cluster}, but the stack exports another"
    assert found["vault"]["is_known_cluster"] is False


def test_a_server_whose_certificate_is_wrong_is_asked_nothing(
    stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ensure_administrator(tmp_path / "other.crt", tmp_path / "other.key")
    settings = stack.settings()
    settings["platform"]["tls"]["ca_certificate_file"] = str(tmp_path / "other.crt")
    write_stack(stack.folder, settings)

    found = answer(capsys, 2)

    assert found["error"].startswith(f"{stack.server.address} shows a wrong certificate, by {tmp_path}/other.crt: ")
    assert found["error"].endswith("; nothing was asked of it")
    assert found["vault"]["reachable"] is False
    assert found["vault"]["version"] is None
    assert found["vault"]["certificate_days"] > 0


def test_an_authority_that_is_missing_is_named(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    settings = stack.settings()
    settings["platform"]["tls"]["ca_certificate_file"] = "gone.crt"
    write_stack(stack.folder, settings)

    assert answer(capsys, 2)["error"] == (
        f"{stack.folder}/gone.crt is missing, which vouches for it; expected it where `up` keeps it"
    )


def test_a_new_a_sealed_and_an_ended_server(
    stack: Stack, known: Known, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with node_server(tmp_path / "node", ShamirSeal()) as other:
        write_stack(stack.folder, other.settings("shamir", ["ada"], 1))
        known.record = _record(address=other.address, cluster_id="known")
        assert "is not initialised; expected one" in answer(capsys, 2)["error"]

        certificate = (stack.folder / "administrator.crt").read_text()
        public_key = ensure_operator(stack.folder / "operator").read_text()
        boot = other.bootstrap([("ada", public_key)], 1, certificate, ADMINISTRATOR_POLICY, auto_unseal=False)
        assert boot.stdout is not None
        assert any("waiting-for-unseal" in line for line in boot.stdout)
        boot.kill()
        boot.communicate()
        found = answer(capsys, 0)
        assert (found["vault"]["sealed"], found["vault"]["seal"]) == (True, "shamir")
        assert (found["vault"]["cluster_id"], found["vault"]["is_known_cluster"]) == (None, None)

        other.stop()
        found = answer(capsys, 2)
        assert found["error"] == f"{other.address} does not answer (Connection refused); expected a running Vault"
        assert found["vault"]["reachable"] is False


def test_a_stack_that_exports_nothing_is_no_error(known: Known, capsys: pytest.CaptureFixture[str]) -> None:
    known.record = None
    found = answer(capsys, 0)
    assert {one["what"].partition(" (")[0] for one in found.pop("ends")} == {
        "the administrator's certificate",
        "who vouches for the listener",
    }
    assert found == {
        "stack": "dev",
        "warnings": [],
        "built": False,
        "vault": None,
        "unfinished": False,
        "snapshot": None,
        "snapshot_age_seconds": None,
        "drill_age_seconds": None,
    }
    assert main.main(["status", "dev"]) == 0
    assert capsys.readouterr().out == "stack 'dev' was never up: ./estate up dev builds it\n"

    known.record = _record(unfinished=True)
    assert answer(capsys, 0)["unfinished"] is True
    assert main.main(["status", "dev"]) == 0
    assert capsys.readouterr().out == ("stack 'dev' exports no address; expected one: ./estate up dev goes on\n")


def test_the_newest_snapshots_age(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_stack(stack.folder, stack.settings(snapshots=SNAPSHOTS))
    found = answer(capsys, 0)
    assert found["snapshot"] == (
        "can't be seen: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing; expected them, or "
        "snapshots.store.profile"
    )

    for name in account.AWS_CREDENTIALS:
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr(ages, "store_of", lambda *_: FolderStore(tmp_path))
    assert answer(capsys, 0)["snapshot"] == "stale: there is none"

    for hours, ending in ((9, ".age"), (9, ".age.json"), (5, ".age"), (5, ".age.json"), (1, ".age")):
        stamp = (datetime.now(UTC) - timedelta(hours=hours)).strftime(STAMP)
        place = tmp_path / "raft" / stack.cluster / f"{stamp}{ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    found = answer(capsys, 0)
    assert 5 * 3600 <= found["snapshot_age_seconds"] < 5 * 3600 + 60
    assert found["snapshot"].startswith("stale: 5h")


def test_a_profile_stands_for_the_credentials(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_profile = {**SNAPSHOTS, "store": {**SNAPSHOTS["store"], "profile": "hetzner"}}
    write_stack(stack.folder, stack.settings(snapshots=with_profile))
    said = answer(capsys, 0)["snapshot"]
    assert said.startswith("can't be seen: Pulumi.dev.yaml: vault-estate:estate.snapshots.store.profile is 'hetzner'")

    monkeypatch.setattr(ages, "store_of", lambda *_: FolderStore(tmp_path))
    assert answer(capsys, 0)["snapshot"] == "stale: there is none"
