"""Real servers for tests: OpenBao, bootstrapped by the real script, and PostgreSQL.

Owns their start and their end, in a directory and on ports of their own. Refuses to share: nothing here outlives a
module, so files of tests may run side by side.
"""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hvac
import psycopg
import pytest

from ops.local.bootstrap import bootstrap
from ops.local.platform import LocalPlatform
from ops.local.postgres import ROOT_ROLE

ADMINISTRATOR_POLICY = (
    'path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]\n}\n'
)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, given by the system."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def new_platform(directory: Path) -> LocalPlatform:
    """A platform on free ports, not started."""
    api_port, cluster_port, postgres_port = free_ports(3)
    return LocalPlatform(directory, api_port=api_port, cluster_port=cluster_port, postgres_port=postgres_port)


def administrator_client(platform: LocalPlatform) -> hvac.Client:
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

    platform: LocalPlatform
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

    platform: LocalPlatform
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


@pytest.fixture(scope="module")
def local_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """Both servers, started and bootstrapped; stopped after the module."""
    platform = new_platform(tmp_path_factory.mktemp("local") / "estate")
    try:
        platform.start()
        bootstrap(platform, policy=ADMINISTRATOR_POLICY)
        yield platform
    finally:
        platform.stop()


@pytest.fixture(scope="module")
def vault_server(local_platform: LocalPlatform) -> VaultServer:
    """A bootstrapped OpenBao, and a client that is its administrator."""
    return VaultServer(platform=local_platform, client=administrator_client(local_platform))


@pytest.fixture(scope="module")
def postgres_server(local_platform: LocalPlatform) -> PostgresServer:
    """A PostgreSQL whose superuser still has its first password, unless a test of the module rotated it."""
    local_platform.ensure_databases(["app"])
    return PostgresServer(platform=local_platform)
