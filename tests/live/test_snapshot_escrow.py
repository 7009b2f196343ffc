"""A static seal's key in escrow, without a machine: `seal.sh` run with doubles of systemd's programs, the snapshot
program against a real server and moto, and the way back through age.

Doesn't prove what systemd does with credentials: `tests/machines/test_snapshot_disaster.py` does.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # the wheel ships no types
import pytest

from components.payloads import adopt_seal_key as adopt_program
from components.payloads import snapshot as program
from components.payloads.move_seal_key import fingerprint
from components.render import cloud_init
from ops import stack_file
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.snapshots import escrow, seal_key_adoption, taking
from ops.snapshots.opening import choose
from ops.snapshots.stores import BucketStore, store_of
from tests.support.snapshotting import Estate, ObjectStorage, estate, object_storage, on_node, parameters_of

SEAL = Path(cloud_init.__file__).parents[1] / "payloads" / "seal.sh"
CREDS = """#!{python}
import pathlib, sys
with open("{folder}/argv", "a") as log:
    log.write(" ".join(sys.argv) + "\\n")
if sys.argv[1] == "encrypt":
    pathlib.Path(sys.argv[-1]).write_bytes(bytes(one ^ 0x5A for one in sys.stdin.buffer.read()))
elif sys.argv[1] == "decrypt":
    if pathlib.Path("{folder}/closed").exists():
        sys.exit("the credential can't be opened")
    sys.stdout.buffer.write(bytes(one ^ 0x5A for one in pathlib.Path(sys.argv[-2]).read_bytes()))
else:
    pathlib.Path("{folder}/host-secret").write_bytes(b"host")
"""
AGE = """#!{python}
import sys, pyrage
with open("{folder}/argv", "a") as log:
    log.write(" ".join(sys.argv) + "\\n")
named = [pyrage.x25519.Recipient.from_str(one) for one in sys.argv if one.startswith("age1")]
sys.stdout.buffer.write(pyrage.encrypt(sys.stdin.buffer.read(), named))
"""


@dataclass
class Node:
    """The folder that stands for a node's disk."""

    folder: Path

    @property
    def home(self) -> Path:
        """The volume."""
        return self.folder / "volume"

    def seal(self, *recipients: str) -> "subprocess.CompletedProcess[str]":
        """Run the script as `setup` does."""
        programs = self.folder / "programs"
        programs.mkdir(exist_ok=True)
        for part in ("credentials", "raft", "custody"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        for name, text in {"systemd-creds": CREDS, "age": AGE}.items():
            (programs / name).write_text(text.format(python=sys.executable, folder=self.folder))
            (programs / name).chmod(0o755)
        escrowed = f"ESCROW='{' '.join(recipients)}'\n" if recipients else ""
        (self.folder / "node.env").write_text(f"SEAL=static\n{escrowed}")
        text = SEAL.read_text()
        for path, moved in {
            "/etc/vault-estate/node.env": self.folder / "node.env",
            "/var/lib/systemd/credential.secret": self.folder / "host-secret",
            "/var/lib/vault": self.home,
        }.items():
            text = text.replace(path, str(moved))
        return subprocess.run(
            ["sh", "-c", text],
            env={"PATH": f"{programs}:{os.defpath}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    @property
    def key(self) -> bytes:
        """What is wrapped."""
        return bytes(one ^ 0x5A for one in (self.home / "credentials/seal-key").read_bytes())

    @property
    def escrow(self) -> Path:
        """What is in escrow."""
        return self.home / "credentials/escrow"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """An empty one."""
    return Node(tmp_path)


def opened(node: Node, identity: Any) -> bytes:
    """The key in escrow, as one recipient finds it."""
    name, _, sealed = node.escrow.read_bytes().partition(b"\n")
    key: bytes = pyrage.decrypt(sealed, [identity])
    assert name.decode() == fingerprint(key)
    return key


def test_a_key_is_in_escrow_from_its_birth_for_each_recipient(node: Node) -> None:
    both = [pyrage.x25519.Identity.generate() for _ in range(2)]
    done = node.seal(*(str(one.to_public()) for one in both))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(node.key) == 32
    assert [opened(node, one) for one in both] == [node.key, node.key]
    assert node.escrow.stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_born_before_gets_there_at_the_next_rebuild_and_anew_for_others(node: Node) -> None:
    first, second = (pyrage.x25519.Identity.generate() for _ in range(2))
    assert node.seal().returncode == 0
    born = node.key
    assert not node.escrow.exists()

    assert node.seal(str(first.to_public())).returncode == 0
    assert (node.key, opened(node, first)) == (born, born)

    assert node.seal(str(second.to_public())).returncode == 0
    assert (node.key, opened(node, second)) == (born, born)
    with pytest.raises(pyrage.DecryptError):
        opened(node, first)

    assert node.seal().returncode == 0
    assert not node.escrow.exists(), "off means off"


def test_a_key_that_cant_be_opened_is_a_failure_and_no_escrow_of_nothing(node: Node) -> None:
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    assert node.seal(recipient).returncode == 0
    (node.folder / "closed").touch()

    done = node.seal(recipient)

    assert done.returncode != 0
    assert not node.escrow.exists()


def test_no_form_of_the_key_is_in_argv_output_or_a_file(node: Node) -> None:
    done = node.seal(str(pyrage.x25519.Identity.generate().to_public()))
    forms = (node.key, node.key.hex().encode(), base64.b64encode(node.key).rstrip(b"="))

    places = {str(file): file.read_bytes() for file in node.folder.rglob("*") if file.is_file()}
    places["output"] = (done.stdout + done.stderr).encode()
    assert b"systemd-creds decrypt" in places[str(node.folder / "argv")]
    assert [place for place, content in places.items() if any(form in content for form in forms)] == []


# --- the snapshot program, a store, and the way back


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Estate]:
    """A running estate."""
    with estate(tmp_path_factory.mktemp("project"), postgres_template) as one:
        yield one


@pytest.fixture
def storage(made: Estate) -> Iterator[ObjectStorage]:
    """An S3 service with a locked bucket."""
    tls = made.platform.directory / "tls"
    with object_storage(tls / "server.crt", tls / "server.key", made.platform.ca_file) as one:
        yield one


@pytest.fixture
def cluster(made: Estate) -> str:
    """Of the server."""
    return str((made.platform.openbao.health() or {})["cluster_id"])


@pytest.fixture
def held(
    made: Estate, node: Node, cluster: str, monkeypatch: pytest.MonkeyPatch, storage: ObjectStorage
) -> dict[str, Any]:
    """What systemd hands the program, and what its file holds."""
    tmp_path = node.folder
    assert node.seal(*made.recipients).returncode == 0
    on_node(made, tmp_path, monkeypatch)
    for name, content in {
        "escrow": node.escrow.read_bytes(),
        "shares": json.dumps({"shares": ["encrypted"]}).encode() + b"   \n",
        "complete": json.dumps({"cluster_id": cluster}).encode(),
    }.items():
        (tmp_path / "credentials" / name).write_bytes(content)
    return {**parameters_of(made, storage, tmp_path), "escrow": True}


def test_a_run_leaves_the_key_and_custody_once_and_the_record_names_them(
    made: Estate, node: Node, storage: ObjectStorage, held: dict[str, Any], cluster: str
) -> None:
    program.run(held)

    store = storage.bucket()
    chosen = choose(store, None)
    found = escrow.opened(store, chosen, made.identity)
    assert found.seal_key == node.key
    assert found.key == f"seal/{cluster}/{fingerprint(node.key)}.age" == chosen.record["escrow"]["seal_key"]
    assert found.custody is not None
    assert found.custody["shares"] == {"shares": ["encrypted"]}
    assert found.custody["complete"] == {"cluster_id": cluster}
    assert repr(node.key) not in repr(found)

    storage.requests.clear()
    program.run(held)
    sent = [one["PATH_INFO"] for one in storage.requests if one["REQUEST_METHOD"] == "PUT"]
    assert len(sent) == 2
    assert all("/raft/" in path for path in sent), "what is there is not sent again"


def test_the_escrow_is_there_before_the_snapshot_that_needs_it(storage: ObjectStorage, held: dict[str, Any]) -> None:
    storage.before = lambda one: (
        "403 Forbidden" if one["REQUEST_METHOD"] == "PUT" and "/seal/" in one["PATH_INFO"] else ""
    )

    with pytest.raises(program.SnapshotError, match="put_object"):
        program.run(held)

    assert [key for key in storage.bucket().names("") if key.startswith("raft/")] == []


def test_custody_of_another_cluster_stays_away(
    storage: ObjectStorage, held: dict[str, Any], tmp_path: Path, made: Estate
) -> None:
    (tmp_path / "credentials/complete").write_text(json.dumps({"cluster_id": "another"}))

    program.run(held)

    chosen = choose(storage.bucket(), None)
    assert set(chosen.record["escrow"]) == {"seal_key"}
    assert escrow.opened(storage.bucket(), chosen, made.identity).custody is None


def test_a_key_under_anothers_name_is_refused(storage: ObjectStorage, held: dict[str, Any], made: Estate) -> None:
    program.run(held)
    store, chosen = storage.bucket(), choose(storage.bucket(), None)
    recipient = pyrage.x25519.Recipient.from_str(made.recipients[0])
    forged = pyrage.encrypt(os.urandom(32), [recipient])
    storage.client().put_object(
        Bucket=store.name, Key=chosen.record["escrow"]["seal_key"], Body=forged, ContentMD5=program._md5(forged)
    )

    with pytest.raises(EstateError, match="holds another key than its name says"):
        escrow.opened(store, chosen, made.identity)


def test_another_identity_opens_nothing(storage: ObjectStorage, held: dict[str, Any], tmp_path: Path) -> None:
    program.run(held)
    other = tmp_path / "other.txt"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")

    with pytest.raises(EstateError, match=r"can't be opened with age identity .* expected one of its recipients'"):
        escrow.opened(storage.bucket(), choose(storage.bucket(), None), other)


def test_a_snapshot_by_hand_lets_the_nodes_go_and_names_the_key_still(
    storage: ObjectStorage, held: dict[str, Any], made: Estate, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.run(held)
    before = choose(storage.bucket(), None)
    monkeypatch.setattr(taking, "store_of", lambda *_: storage.bucket())
    monkeypatch.setattr(program, "datetime", _Later)

    taken = taking.take(made.paths, made.file, made.where, made.console)

    assert before.key in taken.pruned
    chosen = choose(storage.bucket(), None)
    assert (chosen.key, chosen.record["escrow"]) == (taken.key, before.record["escrow"])
    assert escrow.opened(storage.bucket(), chosen, made.identity).seal_key == node.key


class _Later(datetime):
    """A clock one second ahead: two snapshots within a second would have one key."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_Later":
        return super().now(tz) + timedelta(seconds=1)


def test_without_escrow_it_is_said_what_is_missing(storage: ObjectStorage, held: dict[str, Any], made: Estate) -> None:
    program.run({**held, "escrow": False})

    with pytest.raises(EstateError, match=r"no key of a seal lies beside raft/.*platform\.seal\.escrow"):
        escrow.opened(storage.bucket(), choose(storage.bucket(), None), made.identity)


# --- the operator's own credential


def test_a_profile_comes_before_the_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tmp_path / "credentials"
    files.write_text("[hetzner]\naws_access_key_id = of-the-profile\naws_secret_access_key = made-up\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "-".join(("made", "up")))

    def credential(profile: str | None) -> str:
        store = BucketStore("b", "https://127.0.0.1:1", "fsn1", profile)
        return str(store.client._request_signer._credentials.access_key)

    assert credential("hetzner") == "of-the-profile"
    assert credential(None) == "of-the-environment"
    with pytest.raises(LookupError, match="other"):
        credential("other")

    kind = "        kind: bucket\n"
    written = (ROOT / "Pulumi.dev.yaml").read_text().replace(kind, f"{kind}        profile: other\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(written)
    shutil.copy(ROOT / "estate.base.yaml", tmp_path)
    paths = Paths(project=tmp_path)
    told = r"^Pulumi\.dev\.yaml: \S+\.snapshots\.store\.profile is 'other'; expected a profile of AWS' files"
    with pytest.raises(EstateError, match=told):
        store_of(paths, stack_file.read(paths, "dev"))


# --- what the node's part refuses


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "estate@", "estate@NODE;id", ""])
def test_a_node_is_a_name_and_no_option(name: str, made: Estate) -> None:
    found = escrow.Escrowed(cluster_id="c", key="k", seal_key=b"x" * 32, custody=None)

    with pytest.raises(EstateError, match="expected USER@HOST"):
        seal_key_adoption.adopt(name, found, made.console, force=False)


ANSWER = {"initialized": True, "cluster_id": "new"}
OWN = {"type": "response", "request": {"operation": "update", "path": "sys/policies/acl/administrator"}}
OTHER = {"type": "response", "request": {"operation": "create", "path": "secret/data/a"}}
FAILED = {**OTHER, "error": "permission denied"}


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new node after its first boot, of which the program sees the files."""
    for name, place in {
        "HOME": "volume",
        "ETC": "etc",
        "AUDIT": "log",
        "HOST_SECRET": "host-secret",
        "COMPLETE": "complete",
    }.items():
        monkeypatch.setattr(adopt_program, name, tmp_path / place)
    for folder in ("volume", "etc", "log"):
        (tmp_path / folder).mkdir()
    (tmp_path / "etc/node.env").write_text("SEAL=static\n")
    (tmp_path / "host-secret").touch()
    (tmp_path / "complete").write_text('{"cluster_id": "new"}')
    (tmp_path / "log/audit.log").write_text(f"{json.dumps(OWN)}\n{json.dumps(FAILED)}\n")
    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    monkeypatch.setattr(adopt_program, "status", lambda: ANSWER)
    return tmp_path


def test_a_node_after_its_first_boot_may_be_wiped(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adopt_program.check("lost", force=False)
    monkeypatch.setattr(adopt_program, "status", lambda: {"initialized": False})
    adopt_program.check("lost", force=False)


def test_a_restore_that_was_killed_left_nothing_of_worth(disk: Path) -> None:
    (disk / "complete").write_text('{"cluster_id": "lost"}')
    (disk / "log/audit.log").write_text(f"{json.dumps(OTHER)}\n")

    adopt_program.check("lost", force=False)


def _refused(cluster: str = "lost", *, force: bool = False) -> str:
    with pytest.raises(SystemExit) as ended:
        adopt_program.check(cluster, force=force)
    return str(ended.value)


def test_a_node_that_holds_more_is_not(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (disk / "log/audit.log").write_text(f"{json.dumps(OWN)}\n{json.dumps(OTHER)}\n")
    assert "holds more than its first boot made: secret/data/a. --force wipes it" in _refused()
    adopt_program.check("lost", force=True)

    (disk / "log/audit.log").write_text(f"{json.dumps(OWN)}\n")
    os.utime(disk / "complete", (1, 1))
    assert "data are older than this server" in _refused()

    (disk / "complete").write_text('{"cluster_id": "third"}')
    assert "serves cluster new, and its key shares are of third" in _refused()
    (disk / "complete").unlink()
    assert "first boot isn't done" in _refused()

    assert "serves cluster new already; nothing was changed" in _refused("new", force=True)
    (disk / "etc/node.env").write_text("SEAL=shamir\n")
    assert "this node's seal isn't static" in _refused(force=True)
