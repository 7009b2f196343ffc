"""Which settings a sandbox replaces, and the names it tells. Nothing boots here; only the DNS answers, on loopback."""

import asyncio
import json
import os
import shutil
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import stack_file
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.sandbox import overlay
from ops.sandbox.release import Published
from ops.sandbox.services import SandboxFacts, reachable
from ops.sandbox.serving import Names, answer, answered
from ops.stack_file import StackFile

FACTS = SandboxFacts(
    gateway="198.18.9.1",
    network="198.18.9.0/24",
    release=Published(version="2.7.2", architecture="amd64", archive_sha256="a" * 64, fingerprint="B" * 40),
    mirror="https://198.18.9.1:443",
    storage="https://198.18.9.1:9000",
    acme="https://198.18.9.1:8300/v1/pki/acme/directory",
    authority_file=".estate/sandbox/dev/servers/tls/ca.crt",
    folder=".estate/sandbox/dev",
)


def dev(folder: Path, **platform: Any) -> StackFile:
    """The committed file of `dev`, with another platform's settings in it; None takes one out."""
    document = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())
    shutil.copy(ROOT / "estate.base.yaml", folder)
    whole = document["config"]["vault-estate:estate"]["platform"] | platform
    document["config"]["vault-estate:estate"]["platform"] = {k: v for k, v in whole.items() if v is not None}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))
    return stack_file.read(Paths(project=folder), "dev")


def overlaid(file: StackFile) -> StackFile:
    platform = file.settings.platform
    assert platform.kind == "hetzner"
    return overlay.apply(file, platform, FACTS)


def test_the_committed_file_keeps_all_but_what_names_other_services(tmp_path: Path) -> None:
    file = dev(tmp_path)

    seen = overlaid(file)

    told = {one.setting: (one.declared, one.used) for one in seen.replaced}
    assert told.keys() == {
        "server.version",
        "protect",
        "platform.api_cidrs",
        "platform.ssh.cidrs",
        "platform.tls.directory",
        "platform.tls.ca_certificate_file",
        "platform.download.source",
        "platform.download.signing_key",
        "platform.download.signing_key_fingerprint",
        "platform.download.checksums",
        "snapshots.store.endpoint",
        "database.connections.postgresql.host",
    }
    assert told["protect"] == ("true", "false")
    assert told["platform.tls.directory"] == ("not given", FACTS.acme)
    for setting in told:
        _forget(seen.written, setting)
        _forget(file.written, setting)
    assert seen.written == file.written


def _forget(content: Any, setting: str) -> None:
    *parents, last = setting.split(".")
    for part in parents:
        content = content[part]
    content.pop(last, None)


def test_the_file_itself_is_left_alone(tmp_path: Path) -> None:
    file = dev(tmp_path)
    before = json.dumps(file.written, sort_keys=True)

    overlaid(file)

    assert json.dumps(file.written, sort_keys=True) == before
    assert file.replaced == ()


def test_a_name_whose_record_others_keep_becomes_the_stacks_own(tmp_path: Path) -> None:
    file = dev(tmp_path, dns=None, domain="vault.example.org")

    platform = overlaid(file).written["platform"]

    assert platform["dns"] == {"zone": "example.org", "record": "vault"}
    assert "domain" not in platform


def test_a_certificate_nobody_brings_is_the_nodes_own(tmp_path: Path) -> None:
    ssh = {"cidrs": ["203.0.113.0/24"], "public_keys": ["keys/one.pub"]}
    file = dev(tmp_path, tls={"kind": "provided"}, ssh=ssh)

    platform = overlaid(file).written["platform"]

    assert platform["tls"] == {"kind": "internal", "certificate_file": ".estate/sandbox/dev/node.crt"}
    assert "dns" not in platform


def test_a_server_of_another_architecture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    file = dev(tmp_path)
    platform = file.settings.platform
    assert platform.kind == "hetzner"

    with pytest.raises(EstateError) as caught:
        overlay.architecture(file, platform)

    assert str(caught.value) == (
        "Pulumi.dev.yaml: vault-estate:estate.platform.server_type is 'cx23', which runs amd64; expected one for this "
        "machine (arm64) with --sandbox"
    )


def test_a_server_without_a_package_is_refused(tmp_path: Path) -> None:
    file = dev(tmp_path)
    server = file.settings.server.model_copy(update={"flavor": "vault"})
    other = replace(file, settings=file.settings.model_copy(update={"server": server}))

    with pytest.raises(EstateError, match=r"server\.flavor is 'vault'; expected 'openbao' with --sandbox"):
        overlay.refuse_flavour(other)


@pytest.fixture
def names(tmp_path: Path) -> Names:
    """A sandbox whose stack declared one name."""
    record = {"zone": "example.com", "name": "vault-dev", "type": "A", "records": [{"value": "198.18.9.10"}]}
    text = {**record, "name": "text", "type": "TXT"}
    objects = {
        "count": 2,
        "hcloud:index/zoneRrset:ZoneRrset 1": {"inputs": record, "outputs": record},
        "hcloud:index/zoneRrset:ZoneRrset 2": {"inputs": text, "outputs": text},
    }
    (tmp_path / "world.json").write_text(json.dumps(objects))
    return Names(tmp_path / "world.json")


def test_names_are_the_stacks_own_records(names: Names) -> None:
    assert names.address("vault-dev.example.com") == "198.18.9.10"
    assert names.address("VAULT-DEV.example.com.") == "198.18.9.10"
    assert names.address("text.example.com") is None
    assert names.address("pypi.org") is None
    assert Names(names.objects.with_name("none.json")).address("vault-dev.example.com") is None


def _question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_dns_answers_with_the_address(names: Names) -> None:
    told = answered(_question("vault-dev.example.com"), names)
    assert told is not None
    assert told[:8] == bytes.fromhex("0007858000010001")
    assert told[-4:] == bytes([198, 18, 9, 10])


@pytest.mark.parametrize(
    ("name", "kind", "flags"), [("pypi.org", 1, "8583"), ("vault-dev.example.com", 28, "8580")], ids=["unknown", "IPv6"]
)
def test_dns_has_no_other_answer(names: Names, name: str, kind: int, flags: str) -> None:
    told = answered(_question(name, kind), names)
    assert told is not None
    assert told[:8] == bytes.fromhex(f"0007{flags}00010000")


@pytest.mark.parametrize("nonsense", [b"", b"\0" * 11, _question("a.b")[:-3], b"\xff" * 40])
def test_dns_leaves_nonsense_unanswered(names: Names, nonsense: bytes) -> None:
    assert answered(nonsense, names) is None


def test_dns_goes_on_after_nonsense_and_after_an_asker_that_is_gone(names: Names) -> None:
    async def asked() -> bytes:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
        ):
            served.setblocking(False)
            served.bind(("127.0.0.1", 0))
            task = asyncio.create_task(answer(served, names))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
                gone.sendto(_question("vault-dev.example.com"), served.getsockname())
            asker.sendto(b"nonsense", served.getsockname())
            asker.sendto(_question("vault-dev.example.com"), served.getsockname())
            asker.settimeout(10)
            told = await asyncio.to_thread(asker.recv, 512)
            task.cancel()
            return told

    assert asyncio.run(asked()) == answered(_question("vault-dev.example.com"), names)


def test_clients_are_shown_the_way_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:1")
    with reachable(FACTS):
        assert os.environ["HTTPS_PROXY"] == "http://198.18.9.1:3128"
        assert os.environ["NO_PROXY"] == "127.0.0.1,198.18.9.1"
        # Python's gRPC would take this one for the engine's own connections.
        assert "https_proxy" not in os.environ
    assert os.environ["HTTPS_PROXY"] == "http://proxy.example.com:1"
