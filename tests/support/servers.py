"""Real servers for tests: OpenBao, bootstrapped by the real script, and PostgreSQL.

Owns their start and their end, in a directory and on ports of their own. Refuses to share: nothing here outlives a
module, so files of tests may run side by side.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import hvac
import psutil
import psycopg
import pytest
from hvac.exceptions import VaultError

from composition.private_files import private_directory
from ops.local.bootstrap import bootstrap
from ops.local.postgres import ROOT_ROLE, Postgres
from ops.local.servers import LocalServers
from ops.processes import supervisor
from ops.processes.ports import is_free

ADMINISTRATOR_POLICY = (
    'path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]\n}\n'
)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those the system hands out: an outgoing connection can't take one before the
    server does (OpenBao opens its cluster port only after its first boot)."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.randbelow(20_000) + 12_000
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def new_platform(directory: Path, postgres_template: Path | None = None) -> LocalServers:
    """A platform on free ports, not started, with a copy of the PostgreSQL cluster that the template holds."""
    if postgres_template is not None:
        shutil.copytree(postgres_template, private_directory(directory) / "postgres")
    api_port, cluster_port, postgres_port = free_ports(3)
    return LocalServers(directory, api_port=api_port, cluster_port=cluster_port, postgres_port=postgres_port)


class Administered(Protocol):
    """A server, and its administrator's pair."""

    @property
    def address(self) -> str: ...
    @property
    def ca_file(self) -> Path: ...
    @property
    def administrator_certificate(self) -> Path: ...
    @property
    def administrator_key(self) -> Path: ...


def administrator_client(platform: Administered) -> hvac.Client:
    """A client that logged in with the administrator's certificate."""
    client = hvac.Client(
        url=platform.address,
        verify=str(platform.ca_file),
        cert=(str(platform.administrator_certificate), str(platform.administrator_key)),
    )
    answer = client.adapter.post("/v1/auth/cert/login", json={"name": "administrator"})
    client.token = (answer if isinstance(answer, dict) else json.loads(answer.text))["auth"]["client_token"]
    return client


@dataclass(frozen=True, kw_only=True)
class VaultServer:
    """A bootstrapped OpenBao."""

    platform: LocalServers
    client: hvac.Client
    """Logged in as administrator."""

    @property
    def address(self) -> str:
        """https URL."""
        return self.platform.address

    @property
    def ca_file(self) -> Path:
        """What it is verified with."""
        return self.platform.ca_file

    @property
    def admin_certificate(self) -> Path:
        """Client certificate of the administrator."""
        return self.platform.administrator_certificate

    @property
    def admin_key(self) -> Path:
        """Its private key."""
        return self.platform.administrator_key

    @property
    def directory(self) -> Path:
        """All of its files."""
        return self.platform.directory


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A PostgreSQL with an empty database `app`."""

    platform: LocalServers
    host: str = "127.0.0.1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.platform.postgres_port

    @property
    def root_username(self) -> str:
        """A superuser."""
        return ROOT_ROLE

    @property
    def root_password(self) -> str:
        """Its first password."""
        return self.platform.postgres.password_file.read_text(encoding="ascii")

    def dsn(self, user: str, password: str, database: str) -> str:
        """A connection string."""
        return psycopg.conninfo.make_conninfo(
            host=self.host, port=self.port, user=user, password=password, dbname=database, connect_timeout=5
        )


def call(client: hvac.Client, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One request by the API's own path; its document, empty if the server had nothing to say."""
    answer = client.adapter.request(method, f"/v1/{path}", json=body)
    return answer if isinstance(answer, dict) else {}


def living_tokens(client: hvac.Client) -> list[dict[str, Any]]:
    """Every token that the server would take; it lists one that has ended until it has cleared it away."""
    found = []
    for accessor in call(client, "list", "auth/token/accessors")["data"]["keys"]:
        try:
            token = call(client, "post", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        except VaultError:  # cleared away since it was listed
            continue
        if token["expire_time"] is None or datetime.fromisoformat(token["expire_time"]) > datetime.now(UTC):
            found.append(token)
    return found


def processes_of(platform: LocalServers) -> list[psutil.Process]:
    """Every process that names the platform's directory in its arguments or works in it."""
    found = []
    for process in psutil.process_iter():
        try:
            named = any(str(platform.directory) in argument for argument in process.cmdline())
            if process.pid != os.getpid() and (named or process.cwd().startswith(str(platform.directory))):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether the condition comes true in time, on a busy machine too."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def seal(client: hvac.Client, platform: LocalServers) -> None:
    """Seal a server that was begun here, for good.

    OpenBao 2.7.2 goes on trying to unseal itself each 5 s after its start, until it finds that somebody, as the one who
    initialised it, has. A seal before that is undone by it.
    """
    found = "vault is already unsealed"
    assert eventually(lambda: found in platform.openbao.log.read_text(encoding="utf-8")), "it looks once more"
    call(client, "put", "sys/seal")
    assert eventually(lambda: bool(call(client, "get", "sys/seal-status")["sealed"])), "it answers before it is sealed"


def supervisor_pid(platform: LocalServers) -> int:
    """Whom the platform's pid file names."""
    return int((platform.directory / supervisor.PID).read_text().splitlines()[0])


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new PostgreSQL cluster, to be copied: making one takes 0.6 s, copying it 0.1 s."""
    postgres = Postgres(directory=tmp_path_factory.mktemp("template"), port=free_ports(1)[0])
    postgres.prepare()
    return postgres.home


@pytest.fixture(scope="module")
def local_platform(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[LocalServers]:
    """Both servers, started and bootstrapped; stopped after the module."""
    platform = new_platform(tmp_path_factory.mktemp("local") / "estate", postgres_template)
    try:
        platform.start()
        bootstrap(platform, policy=ADMINISTRATOR_POLICY)
        yield platform
    finally:
        platform.stop()


@pytest.fixture(scope="module")
def vault_server(local_platform: LocalServers) -> VaultServer:
    """A bootstrapped OpenBao, and a client that is its administrator."""
    return VaultServer(platform=local_platform, client=administrator_client(local_platform))


@pytest.fixture(scope="module")
def postgres_server(local_platform: LocalServers) -> PostgresServer:
    """A PostgreSQL whose superuser still has its first password, unless a test of the module rotated it."""
    local_platform.ensure_databases(["app"])
    return PostgresServer(platform=local_platform)
