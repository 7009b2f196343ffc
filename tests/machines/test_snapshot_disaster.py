"""A node and its volume are lost, and everything comes back from the bucket: the block of docs/snapshots.md, run as it
stands there. Operators reach the node by SSH, with their own key and the host's, which they know.

Doesn't prove: Hetzner Object Storage (moto stands in); how an account at Hetzner loses a volume.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
import pytest
from cryptography import x509

from components.payloads.move_seal_key import fingerprint, key_id
from ops.paths import ROOT
from tests.support.booting import Observed
from tests.support.dev_checkouts import STACK, DevCheckout, dev_checkout
from tests.support.documents import blocks
from tests.support.servers import call, eventually

pytestmark = pytest.mark.timeout(1200)

NOTE = "no-run: needs a node that was lost, run by tests/machines/test_snapshot_disaster.py"
CREDENTIALS = "/var/lib/vault/credentials"
SECRET_KEY = "-".join(("canary", "of", "the", "bucket"))
PLAIN = "-".join(("a", "card", "number"))
KV = ("aos", "agenticverz", "app-prod")
PKI = {"common_name": "Estate Dev", "organization": "Estate", "roles": {"mtls": {"allowed_domains": ["dev.internal"]}}}
CUSTODY = "/var/lib/vault/custody/shares.json"
SSH = """#!{python}
import os, shlex, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(" ".join(words) + "\\n")
if at := os.environ.get("KILLED_AT"):
    command, (step, programs) = shlex.split(words[-1]), at.split()
    killing = {killing!r}.replace("STEP", step).replace("PROGRAMS", programs)
    text = command.index("-c") + 1
    command[text] = command[text].replace("if __name__", killing + "if __name__")
    words[-1] = shlex.join(command)
os.execv({program!r}, [{program!r}, "-F", {settings!r}, *words])
"""
"""The real one, told where its settings are: by itself it looks into the home of whoever runs the tests."""
SSH_SETTINGS = """\
Host NODE
  HostName {address}
  HostKeyAlias NODE
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known}
  StrictHostKeyChecking yes
  BatchMode yes
"""


KILLING = """
ran, real, left = run, STEP, [0]
def STEP():
    left[0] = PROGRAMS
    return real()
def run(*command, content=None):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), 9)
    return ran(*command, content=content)
"""
"""Put into a program on its way to the node: in one step it dies before the n-th program that it would run."""


@dataclass
class Lost:
    """What was there before the volume was lost, and what of it must be back."""

    dev: DevCheckout
    commands: Path
    """What ssh was asked to run."""
    observed: Observed = field(default_factory=Observed)
    seal_key: bytes = field(default=b"", repr=False)
    older_key: bytes = field(default=b"", repr=False)
    facts: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def bucket(self) -> Any:
        """The bucket's own client, and its name."""
        facts = self.dev.sandbox.facts()
        return boto3.client(
            "s3",
            endpoint_url=facts.storage,
            region_name="fsn1",
            aws_access_key_id="test",
            aws_secret_access_key="-".join(("made", "up")),
            verify=str(self.dev.paths.project / facts.authority_file),
        ), self.dev.written()["snapshots"]["store"]["name"]

    def sh(self, script: str) -> str:
        """On the node as root."""
        done = self.dev.node.run(["sh", "-euc", script], timeout=480)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def know(self) -> None:
        """Where the node is, and which key it shows, as its console tells whoever set it up."""
        place = self.dev.directory
        self.dev.directory.joinpath("known").write_text(f"NODE {self.sh('cat /etc/ssh/ssh_host_ed25519_key.pub')}\n")
        key = self.dev.paths.own / STACK / "ssh" / "id_ed25519"
        text = SSH_SETTINGS.format(address=self.dev.node.address, key=key, known=place / "known")
        (place / "ssh_settings").write_text(text)

    def ssh(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """As a person types it."""
        return subprocess.run(["ssh", *arguments], capture_output=True, text=True, check=False, timeout=600)

    def bring(self) -> None:
        """What an operator brings to each node."""
        folder = self.dev.paths.own / STACK / "snapshots"
        login = (folder / "node.crt").read_text() + (folder / "node.key").read_text()
        pair = f"[default]\naws_access_key_id = node\naws_secret_access_key = {SECRET_KEY}\n"
        for name, content in {"snapshot-login": login, "snapshot-bucket": pair}.items():
            wrap = ["systemd-creds", "encrypt", "--with-key=host", f"--name={name}", "-", f"{CREDENTIALS}/{name}"]
            done = self.dev.node.run(wrap, input=content)
            assert done.returncode == 0, done.stderr

    def snapshot(self) -> None:
        """Taken by the node's own service."""
        self.sh("systemctl start vault-snapshot.service || { journalctl -u vault-snapshot --no-pager | tail; exit 1; }")

    def key_on_node(self) -> bytes:
        """The seal's key."""
        return base64.b64decode(self.sh(f"systemd-creds decrypt --name=seal-key {CREDENTIALS}/seal-key - | base64 -w0"))

    def newest(self) -> str:
        """Key of the newest snapshot."""
        client, name = self.bucket()
        listed = client.list_objects_v2(Bucket=name, Prefix="raft/")["Contents"]
        return max(str(one["Key"]) for one in listed if one["Key"].endswith(".age"))

    def read(self) -> dict[str, Any]:
        """What applications rely on."""
        found: dict[str, Any] = {"/".join(KV): self.dev.secret(*KV)}
        with self.dev.logged_in("aos") as client:
            found["root"] = call(client, "get", "pki/cert/ca")["data"]["certificate"]
            found["chain"] = call(client, "get", "pki_int/cert/ca_chain")["data"]["certificate"]
            if "ciphertext" in self.facts:
                opened = call(
                    client, "post", "transit/decrypt/data-encryption-key", {"ciphertext": self.facts["ciphertext"]}
                )
                found["opened"] = base64.b64decode(opened["data"]["plaintext"]).decode()
        return found


@pytest.fixture(scope="module")
def lost(machines_boot: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    """A world whose node is new and empty, and whose bucket holds what the old one was."""
    with dev_checkout(tmp_path_factory.mktemp("dev")) as dev, pytest.MonkeyPatch.context() as patch:
        applications = dev.written()["applications"]
        applications["aos"]["pki_roles"] = ["mtls"]
        snapshots = {**dev.written()["snapshots"], "schedule": "*-*-01 00:00:00", "stale_after": "31d"}
        dev.change(pki=PKI, applications=applications, snapshots=snapshots)
        made = Lost(dev=dev, commands=dev.directory / "asked")
        programs = dev.directory / "programs"
        programs.mkdir()
        text = SSH.format(
            python=sys.executable,
            log=str(made.commands),
            program=shutil.which("ssh"),
            settings=str(dev.directory / "ssh_settings"),
            killing=KILLING,
        )
        (programs / "ssh").write_text(text)
        (programs / "ssh").chmod(0o755)
        patch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        dev.answered("up", STACK)
        made.know()
        with made.observed.watching():
            made.bring()
            with dev.logged_in("aos") as client:
                plaintext = base64.b64encode(PLAIN.encode()).decode()
                sealed = call(client, "post", "transit/encrypt/data-encryption-key", {"plaintext": plaintext})
                made.facts["ciphertext"] = sealed["data"]["ciphertext"]
            made.facts |= made.read()
            made.facts["cluster"] = dev.answered("status", STACK)["health"]["cluster_id"]
            made.seal_key = made.key_on_node()
            made.snapshot()
        yield made


def test_the_node_left_its_seal_key_and_custody_beside_the_snapshot(lost: Lost) -> None:
    client, name = lost.bucket()
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=name)["Contents"]]
    beside = [key for key in keys if key.startswith(f"seal/{lost.facts['cluster']}/")]

    assert len(beside) == 2
    assert sum("/custody-" in key for key in beside) == 1
    assert len([key for key in keys if key.startswith("raft/")]) == 2

    lost.snapshot()
    again = client.list_object_versions(Bucket=name, Prefix="seal/")["Versions"]
    assert sorted(one["Key"] for one in again) == beside, "what is there is not sent again"


def test_a_drill_opens_the_seal_by_the_identity_alone(lost: Lost) -> None:
    done = lost.dev.answered("drill", STACK)

    assert (done["whole"], done["opened"], done["why_not"], done["seal"]) == (True, True, "", "static")
    assert not list(lost.dev.paths.own.glob("drill-*"))


def test_only_the_operator_gets_in_and_only_by_the_key_of_the_settings(lost: Lost) -> None:
    sudo = lost.ssh("estate@NODE", "sudo id --user; id --user --name")
    assert (sudo.returncode, sudo.stdout.split()) == (0, ["0", "estate"]), sudo.stderr

    other = lost.dev.directory / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    settings = (lost.dev.directory / "ssh_settings").read_text()
    (lost.dev.directory / "other_settings").write_text(
        "\n".join(f"  IdentityFile {other}" if "IdentityFile" in line else line for line in settings.splitlines())
    )
    strange = ("-F", str(lost.dev.directory / "other_settings"))
    for arguments in (("root@NODE",), ("vault@NODE",), (*strange, "estate@NODE")):
        refused = lost.ssh(*arguments, "true")
        assert refused.returncode == 255, arguments
        assert "Permission denied (publickey)" in refused.stderr
    forwarding = lost.ssh("-W", "127.0.0.1:8201", "estate@NODE")
    assert "administratively prohibited" in forwarding.stderr


def test_a_host_nobody_knows_is_sent_nothing(lost: Lost) -> None:
    known = lost.dev.directory / "known"
    before = known.read_text()
    key = (lost.dev.paths.own / STACK / "ssh" / "id_ed25519.pub").read_text()
    known.write_text(f"NODE {key}")
    try:
        done = lost.dev.run("renew-shares", STACK, "--node", "estate@NODE", "--sandbox")
    finally:
        known.write_text(before)

    assert done.returncode == 2
    assert "estate@NODE: Host key verification failed." in done.stderr


def test_a_node_that_serves_is_left_alone(lost: Lost) -> None:
    done = lost.dev.run("seal-key", STACK, "--node", "estate@NODE", "--force", "--sandbox")

    assert done.returncode == 2
    assert f"serves cluster {lost.facts['cluster']} already; nothing was changed" in done.stderr
    assert lost.dev.secret(*KV) == lost.facts["/".join(KV)]


def test_the_seal_key_moves_and_the_node_opens_with_it(lost: Lost) -> None:
    dev, before = lost.dev, lost.newest()
    with lost.observed.watching():
        done = dev.answered("move-seal-key", STACK, "--node", "estate@NODE")
    lost.said.append(str(done))

    lost.older_key, lost.seal_key = lost.seal_key, lost.key_on_node()
    assert (done["old_key_id"], done["key_id"]) == ("1", key_id(lost.seal_key))
    assert (done["needs_old"], done["newest"]) == (1, before)
    client, name = lost.bucket()
    beside = [one["Key"] for one in client.list_objects_v2(Bucket=name, Prefix="seal/")["Contents"]]
    for key in (lost.older_key, lost.seal_key):
        assert f"seal/{lost.facts['cluster']}/{fingerprint(key)}.age" in beside
    assert lost.sh(f"ls {CREDENTIALS} | grep seal-key; systemctl is-active vault-snapshot.timer").split() == [
        "seal-key",
        "seal-keys",
        "active",
    ]
    assert dev.answered("up", STACK)["changed"] == 0
    dev.node.reboot()
    lost.sh("for i in $(seq 60); do systemctl is-active --quiet vault-bootstrap && exit 0; sleep 1; done; exit 1")
    assert dev.secret(*KV) == lost.facts["/".join(KV)]


def test_a_snapshot_from_before_the_move_comes_back(lost: Lost) -> None:
    before = lost.newest()
    assert lost.dev.answered("drill", STACK)["opened"] is True

    alone = lost.dev.run("restore", STACK, "--from", before, "--sandbox")
    assert alone.returncode == 2
    assert f"{before} was taken under key 1 of the seal, which the server doesn't have" in alone.stderr
    restored = lost.dev.answered("restore", STACK, "--from", before, "--node", "estate@NODE")

    assert (restored["key"], restored["canary"]) == (before, True)
    assert lost.sh(f"test ! -e {CREDENTIALS}/seal-key-previous && echo alone") == "alone"
    assert lost.dev.secret(*KV) == lost.facts["/".join(KV)]
    lost.snapshot()
    assert lost.dev.answered("drill", STACK)["opened"] is True


def test_another_kind_of_seal_is_refused_before_anything_begins(lost: Lost) -> None:
    platform = lost.dev.written()["platform"]
    lost.dev.change(platform={**platform, "seal": {"kind": "shamir"}})
    for command in ("preview", "up"):
        done = lost.dev.run(command, STACK, "--sandbox")
        assert done.returncode == 2
        assert "platform.seal.kind is 'shamir'; expected 'static', which wrapped what the volume holds" in done.stderr
    lost.dev.change(platform=platform)


KILLS = {
    "a new key is made and not kept yet": ("prepare", 3),
    "the new key is in its place and not in escrow": ("use", 4),
    "the server is at work with both": ("use", 7),
    "the old key is gone, and the server wasn't started without it": ("alone", 2),
}


@pytest.mark.parametrize("moment", KILLS)
def test_a_move_that_was_killed_goes_on(lost: Lost, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step, programs = KILLS[moment]
    monkeypatch.setenv("KILLED_AT", f"{step} {programs}")
    killed = lost.dev.run("move-seal-key", STACK, "--node", "estate@NODE", "--sandbox")
    assert killed.returncode == 2, killed.stdout
    monkeypatch.delenv("KILLED_AT")
    lost.sh("systemctl reset-failed; systemctl restart vault")
    assert eventually(lambda: lost.dev.answered("status", STACK)["health"].get("sealed") is False, 30), moment
    status = lost.dev.answered("status", STACK)
    told = [line for line in status["warnings"] if "./estate move-seal-key dev --node USER@HOST" in line]
    assert len(told) == (step != "prepare")

    lost.dev.answered("move-seal-key", STACK, "--node", "estate@NODE")

    moved = lost.key_on_node()
    assert moved != lost.seal_key
    lost.seal_key = moved
    assert lost.sh(f"ls {CREDENTIALS} | grep seal-key; systemctl is-active vault-snapshot.timer").split() == [
        "seal-key",
        "seal-keys",
        "active",
    ]
    assert lost.dev.secret(*KV) == lost.facts["/".join(KV)]
    lost.snapshot()


def test_everything_comes_back_after_node_and_volume_are_gone(lost: Lost) -> None:
    dev = lost.dev
    with lost.observed.watching():
        volume = dev.run("up", STACK, "--replace", "platform-volume", "--sandbox", timeout=600)
        assert "checks failed; expected each application to get its grants" in volume.stderr, volume.stderr
        assert lost.key_on_node() != lost.seal_key
        lost.know()
        (block,) = [one.text for one in blocks(ROOT / "docs" / "snapshots.md") if one.note == NOTE]
        for line in block.splitlines():
            program, *arguments = line.split()
            assert program == "./estate"
            lost.said.append(str(dev.answered(*arguments, timeout=600)))

    assert lost.key_on_node() == lost.seal_key
    assert dev.answered("status", STACK)["health"]["cluster_id"] == lost.facts["cluster"]
    now = lost.read()
    assert now.pop("opened") == PLAIN
    assert now == {name: lost.facts[name] for name in now}
    with dev.logged_in("aos") as client:
        issued = call(client, "post", "pki_int/issue/mtls", {"common_name": "a.dev.internal"})["data"]
    leaf, issuer = (x509.load_pem_x509_certificate(issued[part].encode()) for part in ("certificate", "issuing_ca"))
    leaf.verify_directly_issued_by(issuer)
    assert dev.answered("up", STACK)["changed"] == 0


def test_the_nodes_life_goes_on(lost: Lost) -> None:
    lost.dev.node.reboot()
    lost.sh("for i in $(seq 60); do systemctl is-active --quiet vault-bootstrap && exit 0; sleep 1; done; exit 1")
    assert lost.sh("systemctl --failed --no-legend --plain | grep vault || true") == ""

    lost.bring()
    lost.snapshot()
    assert lost.dev.answered("drill", STACK)["opened"] is True


def test_operators_renew_their_shares_and_regain_administration_over_ssh(lost: Lost) -> None:
    by_ssh = ("--node", "estate@NODE", "--key", str(lost.dev.paths.own / STACK / "operator" / "private.asc"))
    before = lost.ssh("estate@NODE", f"sudo cat {CUSTODY}").stdout
    assert "encrypted_share" in before

    renewed = lost.dev.answered("renew-shares", STACK, *by_ssh)

    assert renewed["done"] is True
    after = lost.sh(f"cat {CUSTODY}")
    assert json.loads(after)["shares"] != json.loads(before)["shares"]
    old = lost.dev.directory / "old.json"
    old.write_text(before)
    node = by_ssh[:2]
    refused = lost.dev.run("regain", STACK, *node, "--share-file", str(old), *by_ssh[2:], "--sandbox")
    assert refused.returncode == 2, refused.stdout
    assert lost.dev.answered("regain", STACK, *by_ssh)["done"] is True
    assert lost.dev.answered("up", STACK)["changed"] == 0


def test_the_seal_key_is_nowhere_in_the_clear(lost: Lost) -> None:
    keys = (lost.seal_key, bytes.fromhex(lost.seal_key.decode()), lost.older_key)
    forms = [form for key in keys for form in (key, key.hex().encode(), base64.b64encode(key).rstrip(b"="))]
    client, name = lost.bucket()
    places = {
        "journal": lost.dev.node.journal().encode(),
        "user-data": (lost.dev.node.upper / "var/lib/cloud/seed/nocloud/user-data").read_bytes(),
        "argv of the node": "\n".join(lost.observed.argv).encode(errors="surrogateescape"),
        "environment on the node": "\n".join(lost.observed.environment).encode(errors="surrogateescape"),
        "argv of ssh": lost.commands.read_bytes(),
        "output": "\n".join(lost.said).encode(),
    }
    assert "systemd-creds" in places["argv of the node"].decode(errors="replace")
    kept = [lost.dev.sandbox.directory / "state", lost.dev.paths.own / STACK, lost.dev.sandbox.file]
    files = [file for place in kept for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    places |= {str(file): file.read_bytes() for file in files}
    for one in client.list_object_versions(Bucket=name)["Versions"]:
        body = client.get_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
        places[f"bucket {one['Key']}"] = body

    assert len(places) > 12
    assert [place for place, content in places.items() if any(form in content for form in forms)] == []
    assert json.dumps(lost.facts["ciphertext"]) not in lost.said


def test_a_key_is_never_shown_on_a_screen_but_goes_by_a_pipe(lost: Lost) -> None:
    done = subprocess.run(
        lost.dev.command("seal-key", STACK, "--sandbox"),
        cwd=lost.dev.directory,
        env=lost.dev.environment(),
        capture_output=True,
        check=True,
    )
    assert done.stdout == lost.seal_key
    assert lost.seal_key not in done.stderr
