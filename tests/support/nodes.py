"""A cloud stack's server without its cloud: OpenBao or HashiCorp's, on a loopback address of its own, at a node's port.

Owns its start and its end. It is what a node would run, by the same rendered configuration and the same bootstrap, with
a seal of the test's choice; there is no node around it.
"""

import ipaddress
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from ssl import create_default_context
from typing import Any

import yaml
from cryptography import x509

from components.render.audit import FileAudit
from components.render.bootstrap import Administrator, Bootstrap, BootstrapRun, Operator
from components.render.release import Flavor
from components.render.seals import Seal, SealPlace
from components.render.server_hcl import RetryJoin, ServerHcl, Telemetry, render
from components.render.traffic import API_PORT
from composition.private_files import private_directory, write_private
from ops.keys.certificates import Authority, Domain, ensure_authority
from ops.local.bootstrap import write_files
from ops.local.openbao import wheel_binary
from tests.support.bootstrapping import KILLER
from tests.support.hetzner_samples import NODE, OF_VAULT, SSH

_START_SECONDS = 90.0


def free_address() -> str:
    """A loopback address on which nobody has a node's port."""
    while True:
        address = ".".join(["127", *(str(secrets.randbelow(250) + 2) for _ in range(3))])
        with socket.socket() as trial:
            try:
                trial.bind((address, API_PORT))
            except OSError:
                continue
            return address


@dataclass(kw_only=True)
class NodeServer:
    """The server, and where its files are."""

    directory: Path
    host: str
    seal: Seal
    retry_join: tuple[RetryJoin, ...] = ()
    telemetry: Telemetry | None = None
    reload: bool = False
    flavor: Flavor = "openbao"
    program: Sequence[str] = ()
    """What runs it, with all that comes before its arguments; none: OpenBao's own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """More variables of its process."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """URL of its API."""
        return f"https://{self.host}:{API_PORT}"

    @property
    def ca_file(self) -> Path:
        """Who vouches for it."""
        return self.directory / "tls" / "ca.crt"

    @property
    def custody(self) -> Path:
        """Where its bootstrap puts shares."""
        return self.directory / "shares.json"

    @property
    def regain_socket(self) -> Path:
        """Where its key shares regain administration."""
        return self.directory / "regain.sock"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.directory / "server.log"

    def certify(self) -> Authority:
        """Make its certificate, unless it is there."""
        tls = private_directory(self.directory / "tls")
        name = x509.IPAddress(ipaddress.ip_address(self.host))
        network = x509.IPAddress(ipaddress.ip_network(f"{self.host}/32"))
        domain = Domain(title="node CA", permitted=(network,), server_name=self.host, server_names=(name,))
        return ensure_authority(tls, domain)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        authority = self.certify()
        seal_key = self.directory / "seal.key"
        if not seal_key.exists():
            write_private(seal_key, secrets.token_bytes(32))
        openbao = self.flavor == "openbao"
        server = ServerHcl(
            flavor=self.flavor,
            storage_path=str(private_directory(self.directory / "raft")),
            node_id="node-1",
            listener_address=f"{self.host}:{API_PORT}",
            cluster_listener_address=f"{self.host}:{API_PORT + 1}",
            api_address=self.address,
            cluster_address=f"https://{self.host}:{API_PORT + 1}",
            certificate_file=str(authority.certificate_file),
            key_file=str(authority.key_file),
            seal=self.seal,
            seal_place=SealPlace(static_key_file=str(seal_key)),
            audit_devices={"file": FileAudit(file_path=str(self.directory / "audit.log"))} if openbao else {},
            retry_join=self.retry_join,
            telemetry=self.telemetry,
            reload=self.reload,
            regain_socket=self.regain_socket.name if openbao else None,
        )
        write_private(self.directory / "server.hcl", render(server).encode())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*(self.program or [str(wheel_binary())]), "server", f"-config={self.directory / 'server.hcl'}"],
                stdout=log,
                stderr=log,
                env={"PATH": os.defpath, "HOME": str(self.directory), **self.environment},
                cwd=self.directory,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; what it stored stays."""
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=30)
            self.process = None

    def empty(self) -> None:
        """Start it anew with nothing in its storage, as a node does after a first boot that was stopped."""
        self.stop()
        shutil.rmtree(self.directory / "raft")
        self.start()

    def status(self) -> dict[str, Any]:
        """What it says of its seal."""
        context = create_default_context(cafile=str(self.ca_file))
        url = f"{self.address}/v1/sys/seal-status"
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:  # noqa: S310 - https only
            status: dict[str, Any] = json.loads(answer.read())
        return status

    def _answers(self) -> bool:
        try:
            return "sealed" in self.status()
        except OSError:
            return False

    def bootstrap(
        self,
        operators: Sequence[tuple[str, str]],
        threshold: int,
        certificate: str,
        policy: str,
        *,
        auto_unseal: bool,
        kill_at: str | None = None,
    ) -> "subprocess.Popen[str]":
        """Begin the real first boot: operators are names and armored public keys. The caller waits for its end, which
        may be SIGKILL when it has told a step."""
        wanted = BootstrapRun(
            bootstrap=Bootstrap(
                operators=tuple(Operator(name=name, pgp_key=f"{name}.asc") for name, _ in operators),
                threshold=threshold,
                administrator=Administrator(certificate="administrator.crt", private_key="administrator.key"),
            ),
            texts={"administrator.crt": certificate, **{f"{name}.asc": key for name, key in operators}},
            address=self.address,
            ca_file=str(self.ca_file),
            auto_unseal=auto_unseal,
            shares_file=str(self.custody),
            policy=policy,
            wait_seconds=20,
            unseal_wait_seconds=120,
        )
        script, parameters = write_files(self.directory / "bootstrap", wanted)
        killed, told = (["-c", KILLER], [kill_at, str(int(signal.SIGKILL))]) if kill_at else ([], [])
        return subprocess.Popen(
            [sys.executable, "-I", *killed, str(script), str(parameters), *told],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def settings(self, seal: str, operators: Sequence[str], threshold: int, **more: Any) -> dict[str, Any]:
        """Settings of a stack `dev` that has this server for its node."""
        platform = {
            **NODE["platform"],
            "domain": self.host,
            "tls": {"kind": "provided", "ca_certificate_file": str(self.ca_file)},
            "seal": self.seal.model_dump(mode="json") if seal == self.seal.kind else {"kind": seal},
            "api_cidrs": ["127.0.0.0/8"],
            "ssh": SSH,
        }
        holders = [{"name": name, "pgp_key": f"{name}.asc"} for name in operators]
        administrator = {"certificate": "administrator.crt", "private_key": "administrator.key"}
        first = {"operators": holders, "threshold": threshold, "administrator": administrator}
        server = OF_VAULT if self.flavor == "vault" else {}
        return {**NODE, **server, "platform": platform, "bootstrap": first, **more}


def write_stack(folder: Path, settings: dict[str, Any]) -> None:
    """Make a folder a checkout of settings only, with a stack `dev`."""
    (folder / "Pulumi.yaml").write_text("name: vault-estate\nruntime: python\n")
    config = {"vault-estate:estate": settings}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}, sort_keys=False))


@contextmanager
def node_server(directory: Path, seal: Seal) -> Iterator[NodeServer]:
    """A running server that nobody has initialised."""
    server = NodeServer(directory=private_directory(directory), host=free_address(), seal=seal)
    try:
        server.start()
        yield server
    finally:
        server.stop()
