"""A local estate with snapshots, an S3 service over TLS, and a server that only stands by: for tests of snapshots.

The estate is a project folder of its own with real servers; its logins are made as the stack would make them.
"""

import io
import json
import secrets
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
import hvac
import pytest
import requests
import yaml
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from components.payloads.snapshot import ActiveNode
from components.render import acl
from components.render.login import CertificateLogin
from components.render.snapshots import CANARY, CANARY_MOUNT, OPERATOR_LOGIN
from ops import stack_file
from ops.console import Console
from ops.keys import age
from ops.keys.first_use import ensure_snapshot_keys
from ops.local.bootstrap import bootstrap
from ops.local.servers import LocalServers
from ops.paths import Paths
from ops.platforms.local import Local
from ops.snapshots import taking
from ops.snapshots.stores import BucketStore
from ops.stack_file import StackFile
from ops.vault.endpoint import VaultEndpoint
from tests.support.servers import ADMINISTRATOR_POLICY, administrator_client, call, new_platform
from tests.unit.settings.samples import MINIMAL

REGION, BUCKET = "fsn1", "vault-snapshots"


@dataclass(frozen=True, kw_only=True)
class Estate:
    """A bootstrapped local platform with a `snapshots` section and its logins."""

    paths: Paths
    file: StackFile
    platform: LocalServers
    console: Console = field(default_factory=lambda: Console(as_json=True))

    @property
    def where(self) -> VaultEndpoint:
        """Its server."""
        return VaultEndpoint(
            address=self.platform.address,
            ca_file=self.platform.ca_file,
            login=CertificateLogin(
                certificate_file=str(self.platform.administrator_certificate),
                private_key_file=str(self.platform.administrator_key),
            ),
        )

    @property
    def client(self) -> hvac.Client:
        """Logged in as administrator, anew each time: a restore takes every token."""
        return administrator_client(self.platform)

    @property
    def identity(self) -> Path:
        """What opens its snapshots."""
        return age.default_identity(self.paths, self.file)

    @property
    def seal_key(self) -> Path:
        """What unseals its server."""
        return self.platform.directory / "openbao" / "seal.key"

    @property
    def recipients(self) -> list[str]:
        """Whom they are encrypted for."""
        return [str(age.identity_in(self.identity).to_public())]

    @property
    def pair(self) -> tuple[str, str]:
        """The login's files."""
        return taking.pair(self.paths, self.file)

    def server(self, address: str = "") -> ActiveNode:
        """A connection as the login has it, not logged in."""
        return ActiveNode(address or self.platform.address, str(self.platform.ca_file), self.pair)

    def parameters(self) -> dict[str, Any]:
        """What `save` is told."""
        return {"role": OPERATOR_LOGIN, "canary": CANARY, "recipients": self.recipients}

    def lose_everything(self) -> None:
        """The server's storage is gone; keys, custody and seal key stayed."""
        self.platform.stop()
        shutil.rmtree(self.platform.openbao.home / "data")
        self.platform.start()


def write_stack(project: Path, platform: LocalServers) -> None:
    """The stack's file."""
    folder = ".estate/local/snapshots"
    settings = {
        **MINIMAL,
        "platform": {
            "kind": "local",
            "api_port": platform.api_port,
            "cluster_port": platform.cluster_port,
            "postgres_port": platform.postgres_port,
        },
        "bootstrap": {
            **MINIMAL["bootstrap"],
            "administrator": {
                "certificate": ".estate/local/administrator.crt",
                "private_key": ".estate/local/administrator.key",
            },
        },
        "snapshots": {
            "store": {"kind": "folder", "path": f"{folder}/store"},
            "recipients": [f"{folder}/recipient.txt"],
            "certificate": f"{folder}/operator.crt",
            "keep": {"hourly": 2, "daily": 2, "weekly": 2},
        },
    }
    (project / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": {"vault-estate:estate": settings}}))


@contextmanager
def estate(project: Path, postgres_template: Path) -> Iterator[Estate]:
    """One estate, running until the block ends."""
    paths = Paths(project=project)
    paths.make_own()
    write_stack(project, new_platform(paths.local, postgres_template))
    file = stack_file.read(paths, "local")
    platform = Local(paths=paths, file=file).servers
    console = Console(as_json=True)
    ensure_snapshot_keys(paths, file, (), console.say)
    try:
        platform.start()
        bootstrap(platform, policy=ADMINISTRATOR_POLICY)
        made = Estate(paths=paths, file=file, platform=platform)
        let_in(made.client, made.pair[0])
        yield made
    finally:
        platform.stop()


def let_in(client: hvac.Client, certificate: str) -> None:
    """What the stack makes: the KV mounts, the login's policy and role."""
    for mount in {"secret/", f"{CANARY_MOUNT}/"} - call(client, "get", "sys/mounts")["data"].keys():
        call(client, "post", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    policy = acl.render(acl.snapshot_restore(OPERATOR_LOGIN))
    call(client, "put", f"sys/policies/acl/{OPERATOR_LOGIN}", {"policy": policy})
    role = {"certificate": Path(certificate).read_text(), "token_policies": [OPERATOR_LOGIN], "token_ttl": 900}
    call(client, "post", f"auth/cert/certs/{OPERATOR_LOGIN}", role)


Before = Callable[[Mapping[str, Any]], str]
"""Looks at a request before S3 does; a status such as `403 Forbidden` is answered in its stead."""


@dataclass
class ObjectStorage:
    """moto over TLS, which can be told to refuse."""

    port: int
    ca_file: Path
    requests: list[dict[str, str]] = field(default_factory=list)
    """Method, query and headers of each."""
    before: Before = lambda _: ""

    @property
    def session(self) -> dict[str, str]:
        """Arguments of a client: a credential made up here."""
        return {
            "aws_access_key_id": "-".join(("made", "up")),
            "aws_secret_access_key": "-".join(("also", "made", "up")),
            "verify": str(self.ca_file),
        }

    @property
    def endpoint(self) -> str:
        """URL."""
        return f"https://127.0.0.1:{self.port}"

    def bucket(self) -> BucketStore:
        """The store."""
        return BucketStore(BUCKET, self.endpoint, REGION, **self.session)

    def client(self, service: str = "s3", region: str = REGION) -> Any:
        """boto3's own; moto stands in for every service."""
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, **self.session)

    def asked(self, method: str, words: str = "") -> int:
        """How many requests there were of a kind."""
        return sum(one["REQUEST_METHOD"] == method and words in one["QUERY_STRING"] for one in self.requests)


@contextmanager
def object_storage(certificate: Path, key: Path, ca_file: Path) -> Iterator[ObjectStorage]:
    """An S3 service with one bucket that has versions and a lock."""
    application = DomainDispatcherApplication(create_backend_app)
    storage = ObjectStorage(port=0, ca_file=ca_file)

    def serve(environment: dict[str, Any], start: Any) -> Any:
        storage.requests.append({name: value for name, value in environment.items() if isinstance(value, str)})
        refused = storage.before(environment)
        if refused:
            start(refused, [("Content-Type", "application/xml")])
            return [b"<Error><Code>Refused</Code><Message>told to</Message></Error>"]
        return application(environment, start)

    server = make_server("127.0.0.1", 0, serve, threaded=True, ssl_context=(str(certificate), str(key)))
    storage.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        # Every service of this process has the same memory.
        requests.post(f"{storage.endpoint}/moto-api/reset", verify=str(ca_file), timeout=10).raise_for_status()
        client = storage.client()
        place = {"LocationConstraint": REGION}
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=place)
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        client.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=lock)
        storage.requests.clear()
        yield storage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Answer = tuple[int, dict[str, Any] | bytes]


@contextmanager
def vault_that_answers(
    made: Estate, answer: Callable[[str, str], Answer]
) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """A server with our certificate that answers as told: its address, and each request's method, path and token."""
    seen: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.removeprefix("/v1/")
            seen.append((self.command, path, self.headers.get("X-Vault-Token", "")))
            status, content = answer(self.command, path)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the standard library's names

        def log_message(self, *arguments: object) -> None:
            del arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = made.platform.directory / "tls"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fill(client: hvac.Client, megabytes: int) -> None:
    """Store so much that nothing makes smaller."""
    for number in range(megabytes * 2):
        body = {"data": {"value": secrets.token_hex(1 << 18)}}
        call(client, "post", f"secret/data/bulk/{number}", body)


def archive(members: Mapping[str, bytes]) -> bytes:
    """A tar.gz."""
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as out:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def on_node(made: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd gives the program: credentials, and a place for temporary files."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "work").mkdir()
    certificate, key = (Path(half).read_text() for half in made.pair)
    (tmp_path / "credentials" / "snapshot-login").write_text(certificate + key)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))


def parameters_of(made: Estate, storage: ObjectStorage, tmp_path: Path, address: str = "") -> dict[str, Any]:
    """What the node's file holds."""
    return {
        **made.parameters(),
        "address": address or made.platform.address,
        "ca_file": str(made.platform.ca_file),
        "credentials": str(tmp_path / "credentials"),
        "bucket": {"name": BUCKET, "endpoint": storage.endpoint, "region": "fsn1", **storage.session},
        "keep": {"hourly": 1, "daily": 0, "weekly": 0},
        "metrics": str(tmp_path / "metrics.prom"),
        "stale_after_seconds": 10_800,
    }
