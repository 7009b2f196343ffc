"""The bootstrap script where operators unseal by hand: it waits for them with the root token in memory only."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hvac
import pytest

from components.render.audit import FileAudit
from components.render.bootstrap import Administrator, Bootstrap, BootstrapRun, Operator
from components.render.seals import ShamirSeal
from components.render.server_hcl import ServerHcl, render
from ops.keys.certificates import ensure_administrator, ensure_authority
from ops.keys.pgp import ensure_operator
from ops.local.bootstrap import write_files
from ops.local.openbao import wheel_binary
from tests.support.servers import ADMINISTRATOR_POLICY, free_ports
from tests.support.shares import open_share


@pytest.fixture
def wanted(tmp_path: Path) -> Iterator[BootstrapRun]:
    """Parameters for a running server whose seal doesn't open by itself."""
    tmp_path.chmod(0o700)
    api_port, cluster_port = free_ports(2)
    authority, address = ensure_authority(tmp_path), f"https://127.0.0.1:{api_port}"
    (tmp_path / "data").mkdir()
    server = ServerHcl(
        flavor="openbao",
        storage_path=str(tmp_path / "data"),
        node_id="one",
        listener_address=f"127.0.0.1:{api_port}",
        cluster_listener_address=f"127.0.0.1:{cluster_port}",
        api_address=address,
        cluster_address=f"https://127.0.0.1:{cluster_port}",
        certificate_file=str(authority.certificate_file),
        key_file=str(authority.key_file),
        seal=ShamirSeal(),
        audit_devices={"main": FileAudit(file_path=str(tmp_path / "audit.log"))},
    )
    (tmp_path / "server.hcl").write_text(render(server))
    ensure_administrator(tmp_path / "administrator.crt", tmp_path / "administrator.key")
    keys = {name: ensure_operator(tmp_path / name) for name in ("ada", "bob", "eve")}
    process = subprocess.Popen(
        [str(wheel_binary()), "server", f"-config={tmp_path / 'server.hcl'}"], stdout=subprocess.DEVNULL
    )
    try:
        pair = tmp_path / "administrator.crt", tmp_path / "administrator.key"
        yield BootstrapRun(
            bootstrap=Bootstrap(
                operators=tuple(Operator(name=name, pgp_key=str(key)) for name, key in keys.items()),
                threshold=2,
                administrator=Administrator(certificate=str(pair[0]), private_key=str(pair[1])),
            ),
            texts={str(file): file.read_text() for file in (pair[0], *keys.values())},
            address=address,
            ca_file=str(authority.ca_file),
            auto_unseal=False,
            shares_file=str(tmp_path / "custody.json"),
            policy=ADMINISTRATOR_POLICY,
            wait_seconds=20,
            unseal_wait_seconds=20,
        )
    finally:
        process.terminate()
        process.wait()


def start(directory: Path, wanted: BootstrapRun) -> subprocess.Popen[str]:
    script, file = write_files(directory / "bootstrap", wanted)
    return subprocess.Popen(
        [sys.executable, str(script), str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen[str], step: str) -> None:
    for line in process.stdout or ():
        if json.loads(line)["step"] == step:
            return
    raise AssertionError(f"{step} was never reported: {process.communicate()}")


def unseal(directory: Path, wanted: BootstrapRun, names: list[str]) -> None:
    client = hvac.Client(url=wanted.address, verify=wanted.ca_file)
    for share in json.loads((directory / "custody.json").read_text())["shares"]:
        if share["operator"] in names:
            opened = open_share(
                directory / share["operator"] / "private.asc", base64.b64decode(share["encrypted_share"])
            )
            client.sys.submit_unseal_key(opened.decode())


def test_it_goes_on_as_soon_as_enough_operators_have_come(tmp_path: Path, wanted: BootstrapRun) -> None:
    process = start(tmp_path, wanted)
    wait_for(process, "waiting-for-unseal")
    unseal(tmp_path, wanted, ["ada", "eve"])
    output, said = process.communicate(timeout=600)
    assert (process.returncode, said) == (0, "")
    assert [json.loads(line)["step"] for line in output.splitlines()][-2:] == ["token-dead", "done"]
    again = start(tmp_path, wanted)
    assert again.wait(timeout=600) == 0


def test_operators_who_never_come_are_waited_for_only_so_long(tmp_path: Path, wanted: BootstrapRun) -> None:
    process = start(tmp_path, replace(wanted, unseal_wait_seconds=1))
    _, said = process.communicate(timeout=600)
    assert process.returncode == 3
    assert "was not unsealed within 1 s: the key shares handed out open nothing any more" in said
    assert json.loads((tmp_path / "custody.json").read_text())["keys"] == "secret"
    assert start(tmp_path, wanted).wait(timeout=600) == 10


def test_stopped_while_waiting_it_says_so_and_the_next_run_begins_anew(tmp_path: Path, wanted: BootstrapRun) -> None:
    process = start(tmp_path, wanted)
    wait_for(process, "waiting-for-unseal")
    os.kill(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=600)
    assert (process.returncode, said) == (7, "bootstrap: stopped by a signal\n")
    again = start(tmp_path, wanted)
    _, said = again.communicate(timeout=600)
    assert again.returncode == 10
    assert "stopped before anybody could log in: it holds nothing" in said
