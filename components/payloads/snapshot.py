"""Take one snapshot of a server's Raft storage to where nobody but its recipients can read it.

Run as `python3 snapshot.py PARAMETERS.json` by a timer of the node or by a CronJob; `./estate snapshot` runs the same
functions. Needs Python 3.11, boto3, and `age` or the `pyrage` package. What retention doesn't keep is hidden once what
arrived was looked at. A snapshot without a record is none. Nothing printed here is secret. Ends with 1 and one sentence
when it fails.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import importlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

MEMBERS = {"meta.json", "state.bin", "SHA256SUMS", "SHA256SUMS.sealed"}
STAMP = "%Y%m%dT%H%M%SZ"  # no colon: some file systems and consoles know no such name
PERIODS = {"hourly": "%Y%m%d%H", "daily": "%Y%m%d", "weekly": "%G%V"}
HEADERS = {"X-Vault-Request": "true", "Connection": "close"}
PART_BYTES, BLOCK_BYTES, SECONDS = 16 << 20, 1 << 20, 60
LEADER_SECONDS = 60
TOO_MANY = 429
Document = dict[str, Any]
Tell = Callable[..., None]


class SnapshotError(Exception):
    """Ends the run with one sentence."""


class Store(Protocol):
    """Where snapshots are kept, by key."""

    def put(self, key: str, file: Path, sha256: str) -> None:
        """Write an object whole, or not at all."""

    def look(self, key: str) -> tuple[int, str]:
        """Size and SHA-256 of what is there; (-1, "") for nothing."""

    def read(self, key: str) -> bytes:
        """A small object."""

    def names(self, prefix: str) -> list[str]:
        """Every key that begins so."""

    def remove(self, key: str) -> None:
        """Hide an object."""


def progress(step: str, **facts: object) -> None:
    """Print one step that has been done. Never called with a secret."""
    print(json.dumps({"step": step, **facts}), flush=True)


class ActiveNode:
    """The active node. Each has its own connection and its own token, which no other node would know."""

    def __init__(self, address: str, ca_file: str | None, pair: tuple[str, str | None] | None) -> None:
        self.context = ssl.create_default_context(cafile=ca_file)
        if pair:
            self.context.load_cert_chain(*pair)
        self.token, self.address = "", address

    def find_active(self) -> bool:
        """Whether this node is the active one; from now on the active one is talked to."""
        leader = self.call("GET", "sys/leader")
        if not leader.get("ha_enabled") or leader.get("is_self"):
            return True
        # Asked of a standby, a snapshot is answered by a redirect that comes to nothing (vault#15258).
        active = str(leader.get("leader_address") or "")
        if not active.startswith("https://"):
            raise SnapshotError(f"{self.address} knows no active node; expected one")
        self.address = active
        return False

    def connect(self) -> http.client.HTTPSConnection:
        """To the address, directly."""
        to = urllib.parse.urlsplit(self.address)
        return http.client.HTTPSConnection(to.hostname or "", to.port or 443, timeout=SECONDS, context=self.context)

    def open(self, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
        """One request; the answer, not yet read. Where a rate limit turns it away it waits for its turn."""
        deadline = time.monotonic() + SECONDS
        while True:
            where = self.connect()
            where.request(method, f"/v1/{path}", body, {**HEADERS, "X-Vault-Token": self.token})
            answer = where.getresponse()
            if answer.status != TOO_MANY or time.monotonic() > deadline:
                break
            where.close()
            if hasattr(body, "seek"):
                body.seek(0)
            time.sleep(1)
        if answer.status not in (200, 204):
            said = answer.read(4096).decode(errors="replace")
            raise SnapshotError(f"{method} {path} at {self.address} answered {answer.status}: {' '.join(said.split())}")
        return answer

    def call(self, method: str, path: str, body: Document | None = None) -> Document:
        """One request and its document."""
        with self.open(method, path, None if body is None else json.dumps(body)) as answer:
            document: Document = json.loads(answer.read() or b"{}")
        return document

    def login(self, role: str) -> str:
        """A token of this node's own, kept here; its accessor."""
        granted = self.call("POST", "auth/cert/login", {"name": role})["auth"]
        self.token = granted["client_token"]
        return str(granted["accessor"])

    def logout(self) -> None:
        """No token outlives its use, or it would come back with the next restore."""
        self.call("POST", "auth/token/revoke-self", {})
        self.token = ""

    def save(self, file: Path) -> None:
        """The snapshot, into a file."""
        with self.open("GET", "sys/storage/raft/snapshot") as answer, file.open("wb") as out:
            shutil.copyfileobj(answer, out, BLOCK_BYTES)


class PodsServer(ActiveNode):
    """The active server of a cluster, for a pod that logs in by its service account. One pod is there for all servers,
    so it goes on with whichever is active."""

    def __init__(self, address: str, ca_file: str, mount: str, token_file: str) -> None:
        super().__init__(address, ca_file, None)
        self.mount, self.token_file = mount, token_file

    def find_active(self) -> bool:
        """The active one is talked to from now on. While servers change who leads, the cluster still names the one
        before, or none: that is waited for."""
        named, deadline = self.address, time.monotonic() + LEADER_SECONDS
        while True:
            try:
                # Whoever is named by another server is asked, too.
                if super().find_active() or super().find_active():
                    return True
            except (SnapshotError, OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise SnapshotError(f"{self.address} isn't active after {LEADER_SECONDS} s; expected a server that is")
            self.address = named
            time.sleep(1)

    def login(self, role: str) -> str:
        """A token by the pod's own, which Kubernetes renews in its file; its accessor."""
        proof = {"role": role, "jwt": Path(self.token_file).read_text(encoding="ascii")}
        granted = self.call("POST", f"auth/{self.mount}/login", proof)["auth"]
        self.token = granted["client_token"]
        return str(granted["accessor"])


def sha256_of(file: Path) -> str:
    """Checksum of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def verify(file: Path) -> Document:
    """Prove an archive whole: all its members and no other, each with the checksum it lists. Its meta.json.

    The servers' own programs ended well with half a snapshot (vault#12168), and with one that no seal vouches for,
    which no server takes back (vault#13130).
    """
    sums: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if member.name not in MEMBERS or member.name in sums or stream is None:
                    raise SnapshotError(f"the archive holds {member.name!r}, which no snapshot has")
                digest, text = hashlib.sha256(), b""
                while block := stream.read(BLOCK_BYTES):
                    digest.update(block)
                    text = text if member.name == "state.bin" else text + block
                sums[member.name], texts[member.name] = digest.hexdigest(), text
        missing = sorted(MEMBERS - sums.keys()) + [
            name for name in sorted(sums) if not texts[name] and name != "state.bin"
        ]
        if missing:
            raise SnapshotError(f"the archive lacks {', '.join(missing)}")
        listed = {name: digest for digest, name in (line.split() for line in texts["SHA256SUMS"].decode().splitlines())}
        for name in ("meta.json", "state.bin"):
            if listed.get(name) != sums[name]:
                raise SnapshotError(f"the archive's {name} doesn't have the checksum it lists")
        meta: Document = json.loads(texts["meta.json"])
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        raise SnapshotError(f"the archive is cut off or damaged ({type(error).__name__})") from None
    return meta


def encrypt(plain: Path, secret: Path, recipients: list[str]) -> None:
    """Encrypt a file so that each recipient alone can read it."""
    if shutil.which("age"):
        each = [word for one in recipients for word in ("--recipient", one)]
        done = subprocess.run(
            ["age", "--encrypt", *each, "--output", str(secret), str(plain)], capture_output=True, check=False
        )
        if done.returncode:
            raise SnapshotError(f"age ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
        return
    pyrage = importlib.import_module("pyrage")
    pyrage.encrypt_file(str(plain), str(secret), [pyrage.x25519.Recipient.from_str(one) for one in recipients])


class ObjectStore:
    """A bucket of an S3 service; its credential comes from the environment's own places."""

    def __init__(self, name: str, endpoint: str, region: str, **session: str) -> None:
        configuration = importlib.import_module("botocore.config").Config
        failures = importlib.import_module("botocore.exceptions")
        self.errors = (failures.BotoCoreError, failures.ClientError)
        options: Document = {
            "retries": {"max_attempts": 8, "mode": "standard"},
            "s3": {"addressing_style": "path"},
            "connect_timeout": 10,
            "read_timeout": SECONDS,
        }
        for option in ("request_checksum_calculation", "response_checksum_validation"):
            # The trailer that newer clients send breaks uploads in parts elsewhere than at AWS (velero#10543).
            if option in configuration.OPTION_DEFAULTS:
                options[option] = "when_required"
        session = {"region_name": region, **session}
        # AWS' own is left to its client, which also knows what stands in for it (AWS_ENDPOINT_URL).
        if endpoint != f"https://s3.{region}.amazonaws.com":
            session["endpoint_url"] = endpoint
        self.name = name
        self.client = importlib.import_module("boto3").client("s3", config=configuration(**options), **session)

    def ask(self, action: str, **arguments: Any) -> Document:
        """One request to the service, tried again by its client."""
        try:
            answer: Document = getattr(self.client, action)(Bucket=self.name, **arguments)
        except self.errors as error:
            if action == "head_object" and getattr(error, "response", {}).get("Error", {}).get("Code") == "404":
                return {}
            raise SnapshotError(f"bucket {self.name}: {action}: {error}") from None
        return answer

    def put(self, key: str, file: Path, sha256: str) -> None:
        """One request, or parts; the service checks each against its MD5, which a locked bucket demands."""
        facts = {"Key": key, "Metadata": {"sha256": sha256}}
        with file.open("rb") as stream:
            if file.stat().st_size <= PART_BYTES:
                body = stream.read()
                self.ask("put_object", Body=body, ContentMD5=_md5(body), **facts)
                return
            upload = {"Key": key, "UploadId": self.ask("create_multipart_upload", **facts)["UploadId"]}
            parts: list[Document] = []
            try:
                while body := stream.read(PART_BYTES):
                    number = len(parts) + 1
                    done = self.ask("upload_part", PartNumber=number, Body=body, ContentMD5=_md5(body), **upload)
                    parts.append({"PartNumber": number, "ETag": done["ETag"]})
                self.ask("complete_multipart_upload", MultipartUpload={"Parts": parts}, **upload)
            except SnapshotError as error:
                try:
                    self.ask("abort_multipart_upload", **upload)
                except SnapshotError:
                    error = SnapshotError(f"{error}; its parts are left to the bucket's lifecycle")
                raise error from None

    def look(self, key: str) -> tuple[int, str]:
        """What the service says is there."""
        found = self.ask("head_object", Key=key)
        return found.get("ContentLength", -1), found.get("Metadata", {}).get("sha256", "")

    def read(self, key: str) -> bytes:
        """A small object."""
        content: bytes = self.ask("get_object", Key=key)["Body"].read()
        return content

    def names(self, prefix: str) -> list[str]:
        """Every key that begins so."""
        found: list[str] = []
        more: Document = {}
        while True:
            page = self.ask("list_objects_v2", Prefix=prefix, **more)
            found += [entry["Key"] for entry in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, key: str) -> None:
        """Hide it: in a bucket with versions this destroys nothing."""
        self.ask("delete_object", Key=key)


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()  # noqa: S324 - S3's own checksum of a request


def keeps(stamps: Iterable[str], keep: Document) -> set[str]:
    """Which of some times stay: the newest of all, and of each of the last hours, days and weeks that have one.

    Counted in periods that have a snapshot and not back from now: where none was taken for long, none goes.
    """
    ordered = sorted(stamps)
    staying = set(ordered[-1:])
    for period, form in PERIODS.items():
        newest = {datetime.strptime(stamp, STAMP).strftime(form): stamp for stamp in ordered}
        staying.update(list(newest.values())[-keep[period] :] if keep[period] else [])
    return staying


def stamp_of(key: str) -> str:
    """The time in a snapshot's key."""
    return key.rpartition("/")[2].partition(".")[0]


def whole(store: Store, prefix: str) -> dict[str, Document]:
    """The records of all snapshots of which everything is there, by key, the oldest first."""
    found: dict[str, Document] = {}
    names = set(store.names(prefix))
    for key in sorted(name for name in names if f"{name}.json" in names):
        record = json.loads(store.read(f"{key}.json"))
        if store.look(key) == (record["bytes"], record["sha256"]):
            found[key] = record
    return found


def prune(store: Store, prefix: str, keep: Document) -> list[str]:
    """Hide what retention doesn't keep, and older partial uploads. By hand: kept for two days. The keys that went."""
    snapshots = whole(store, prefix)
    if not snapshots:
        return []
    newest = stamp_of(max(snapshots))
    staying = keeps([stamp_of(key) for key in snapshots], keep)
    day = sorted({stamp_of(key)[:8] for key in snapshots})[-2:][0]
    staying.update(stamp_of(key) for key in snapshots if snapshots[key].get("by_hand") and stamp_of(key) > day)
    gone = []
    # A record goes before its snapshot: what is left in between is a leaving, which nobody restores.
    for key in sorted(store.names(prefix), reverse=True):
        snapshot = key[: -len(".json")] if key.endswith(".json") else key
        lasting = snapshot in snapshots and stamp_of(snapshot) in staying
        if not lasting and stamp_of(snapshot) < newest:
            store.remove(key)
            gone.append(key)
    return gone


def send(store: Store, key: str, file: Path) -> None:
    """Put a file, and look at what arrived."""
    facts = file.stat().st_size, sha256_of(file)
    store.put(key, file, facts[1])
    if store.look(key) != facts:
        raise SnapshotError(f"{key} is not in the store as it was sent; nothing was pruned")


def deposit(store: Store, cluster: str, recipients: list[str], held: Path, work: Path) -> Document:
    """Put beside the snapshots what a new node opens them with; the keys of it.

    That is the seal's key, which was encrypted for the recipients when it was made and is no secret here, and the
    encrypted key shares. Both lie in the folder `held`.
    """
    prefix = f"seal/{cluster}/"
    name, _, sealed = (held / "escrow").read_bytes().partition(b"\n")
    keys = {"seal_key": f"{prefix}{name.decode()}.age"}
    if store.look(keys["seal_key"]) != (len(sealed), hashlib.sha256(sealed).hexdigest()):
        (work / "sealed").write_bytes(sealed)
        send(store, keys["seal_key"], work / "sealed")
    custody = {part: json.loads((held / part).read_text()) for part in ("shares", "complete")}
    if custody["complete"]["cluster_id"] == cluster:
        text = json.dumps({**custody, "recipients": recipients}, sort_keys=True)
        # age never says the same twice: what it was made from tells whether it is there.
        key = f"{prefix}custody-{hashlib.sha256(text.encode()).hexdigest()[:16]}.age"
        if store.look(key)[0] < 0:
            (work / "custody").write_text(text)
            encrypt(work / "custody", work / "sealed", recipients)
            send(store, key, work / "sealed")
        keys["custody"] = key
    return keys


def save(
    server: ActiveNode, store: Store, parameters: Document, work: Path, tell: Tell = progress
) -> tuple[str, Document]:
    """Take one snapshot and put it into the store: its key and its record."""
    now, canary = datetime.now(UTC), secrets.token_hex(16)
    accessor = server.login(parameters["role"])
    try:
        # What is written last and found again after a restore has everything before it.
        written = server.call("POST", parameters["canary"], {"data": {"value": canary}})["data"]
        status = server.call("GET", "sys/seal-status")
        server.save(work / "plain")
    finally:
        server.logout()
    meta = verify(work / "plain")
    tell("verified", index=meta.get("Index"))
    encrypt(work / "plain", work / "secret", parameters["recipients"])
    (work / "plain").unlink()
    key = f"raft/{status['cluster_id']}/{now.strftime(STAMP)}.age"
    record: Document = {
        "format": 1,
        "taken": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "bytes": (work / "secret").stat().st_size,
        "sha256": sha256_of(work / "secret"),
        # Of that version: another run may write the next one before this one's archive is made.
        "canary": f"{parameters['canary']}?version={written['version']}",
        "canary_sha256": hashlib.sha256(canary.encode()).hexdigest(),
        "accessor": accessor,
        "index": meta.get("Index"),
        "seal": status["type"],
        "shares": status["n"],
        "threshold": status["t"],
        **{fact: status[fact] for fact in ("cluster_id", "cluster_name", "version")},
        "by_hand": parameters.get("by_hand", "BY_HAND" in os.environ),
    }
    if escrow := parameters.get("escrow"):
        # A person, who has nothing to put there, names what a node did.
        if not isinstance(escrow, dict):
            held = Path(parameters["credentials"])
            escrow = deposit(store, record["cluster_id"], parameters["recipients"], held, work)
        record["escrow"] = escrow
    send(store, key, work / "secret")
    (work / "record").write_text(json.dumps(record, indent=1, sort_keys=True))
    send(store, f"{key}.json", work / "record")
    tell("stored", key=key, bytes=record["bytes"])
    return key, record


def measure(file: Path, **values: float) -> None:
    """Write what a node exporter reads, whole or not at all; the last success stays until there is another one."""
    text = file.read_text() if file.exists() else ""
    found = dict(line.split() for line in text.splitlines() if line and not line.startswith("#"))
    found = {"vault_snapshot_last_success_timestamp_seconds": "0", **found}
    found.update({f"vault_snapshot_{name}": f"{value:.0f}" for name, value in values.items()})
    beside = file.with_suffix(".new")
    beside.write_text("".join(f"# TYPE {name} gauge\n{name} {value}\n" for name, value in sorted(found.items())))
    beside.chmod(0o644)
    beside.replace(file)


def run(parameters: Document) -> None:
    """One run on a node or in a cluster: save, measure, prune."""
    started = time.time()
    values = {"last_attempt_timestamp_seconds": started, "stale_after_seconds": parameters["stale_after_seconds"]}
    values["success"] = 0
    try:
        address, ca_file = parameters["address"], parameters["ca_file"]
        if login := parameters.get("pod_login"):
            server: ActiveNode = PodsServer(address, ca_file, **login)
        else:
            server = ActiveNode(address, ca_file, (f"{parameters['credentials']}/snapshot-login", None))
        if not server.find_active():
            progress("not-the-active-node")
            return
        store = ObjectStore(**parameters["bucket"])
        with tempfile.TemporaryDirectory() as work:
            key, record = save(server, store, parameters, Path(work))
        values.update(success=1, last_success_timestamp_seconds=started, last_size_bytes=record["bytes"])
        progress("pruned", keys=len(prune(store, key.rpartition("/")[0] + "/", parameters["keep"])))
    finally:
        if parameters["metrics"]:
            measure(Path(parameters["metrics"]), duration_seconds=time.time() - started, **values)


def main(arguments: list[str]) -> int:
    """Run with the parameters of the file named. Returns the exit code."""
    os.umask(0o077)
    try:
        run(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    except SnapshotError as error:
        print(f"snapshot: {error}", file=sys.stderr)
        return 1
    except (KeyError, OSError, ValueError, http.client.HTTPException) as error:
        print(f"snapshot: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
