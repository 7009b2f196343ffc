"""Three real OpenBao servers on this machine that are one Raft cluster, for tests of what holds of several only.

Owns their files, processes and first boot. Stands in for pods in a cluster: same configuration file, no Kubernetes. The
administrator's root token stays with the test; nothing of it is how an estate is begun.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import hvac
import requests

from components.render.audit import FileAudit
from components.render.login import CertificateLogin
from components.render.seals import SealPlace, StaticSeal
from components.render.server_hcl import RetryJoin, ServerHcl, render
from composition.private_files import private_directory
from ops.keys.certificates import ensure_authority, new_administrator
from ops.local.openbao import OpenBao, wheel_binary
from tests.support.servers import ADMINISTRATOR_POLICY, eventually, free_ports

COUNT = 3
_ROLE = "administrator"
NAMES = tuple(f"vault-{number}" for number in range(COUNT))
"""As pods are called."""


@dataclass(kw_only=True)
class OneOfThree:
    """A server, which may be killed."""

    bao: OpenBao
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Run it, with what it says in its folder."""
        with self.bao.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(wheel_binary()), "server", *self.bao.marks],
                cwd=self.bao.home,
                env={"PATH": "/usr/bin:/bin", "HOME": str(self.bao.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def leads(self, ca_file: Path) -> bool:
        """Whether it is the one that writes."""
        if self.process is None:
            return False
        try:
            answer = requests.get(f"{self.bao.address}/v1/sys/leader", verify=str(ca_file), timeout=5)
        except requests.RequestException:
            return False
        return answer.ok and bool(answer.json()["is_self"])

    def kill(self) -> None:
        """As a lost machine."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass(kw_only=True)
class ThreeServers:
    """All of them."""

    folder: Path
    servers: list[OneOfThree]
    root_token: str = field(default="", repr=False)

    @property
    def ca_file(self) -> Path:
        """Of all their listeners."""
        return self.folder / "tls" / "ca.crt"

    @property
    def login(self) -> CertificateLogin:
        """The administrator's, by certificate."""
        pair = [str(self.folder / f"administrator.{end}") for end in ("crt", "key")]
        return CertificateLogin(mount="cert", role=_ROLE, certificate_file=pair[0], private_key_file=pair[1])

    def client(self, server: OneOfThree) -> hvac.Client:
        """Of one of them, with the root token."""
        return hvac.Client(url=server.bao.address, verify=str(self.ca_file), token=self.root_token)

    def leader(self) -> OneOfThree:
        """Who leads now. Raises StopIteration: nobody."""
        return next(one for one in self.servers if one.leads(self.ca_file))


@contextmanager
def three_servers(folder: Path, *, audit_log: Path | None = None, stable_for: str = "10s") -> Iterator[ThreeServers]:
    """Started and initialised; two of them may not vote yet. Whoever takes another cluster's snapshot has its audit
    log's path, too: in pods all have one. `stable_for` is how long Raft watches a server before it votes, the servers'
    own default."""
    ports = free_ports(2 * COUNT)
    baos = [
        OpenBao(directory=folder, api_port=ports[2 * number], cluster_port=ports[2 * number + 1], name=name)
        for number, name in enumerate(NAMES)
    ]
    made = ThreeServers(folder=folder, servers=[OneOfThree(bao=one) for one in baos])
    ensure_authority(private_directory(folder / "tls"))
    key = folder / "seal.key"
    key.write_bytes(b"0123456789abcdef0123456789abcdef")
    for bao in baos:
        (bao.home / "data").mkdir(parents=True, mode=0o700)
        bao.home.chmod(0o700)
        (bao.home / "server.hcl").write_text(
            _configuration(bao, baos, key, audit_log or folder / "audit.log"), encoding="ascii"
        )
    try:
        first, *others = made.servers
        first.start()
        _initialise(made, first)
        watched = {"server_stabilization_time": stable_for}
        made.client(first).adapter.post("/v1/sys/storage/raft/autopilot/configuration", json=watched)
        for other in others:
            other.start()
        yield made
    finally:
        for one in made.servers:
            one.kill()


def _configuration(bao: OpenBao, all_of_them: list[OpenBao], key: Path, audit_log: Path) -> str:
    joins = [RetryJoin(leader_api_addr=one.address, leader_ca_cert_file=str(one.ca_file)) for one in all_of_them]
    return render(
        ServerHcl(
            flavor="openbao",
            storage_path=str(bao.home / "data"),
            node_id=bao.name,
            listener_address=f"{bao.host}:{bao.api_port}",
            cluster_listener_address=f"{bao.host}:{bao.cluster_port}",
            api_address=bao.address,
            cluster_address=f"https://{bao.host}:{bao.cluster_port}",
            certificate_file=str(bao.directory / "tls" / "server.crt"),
            key_file=str(bao.directory / "tls" / "server.key"),
            seal=StaticSeal(),
            seal_place=SealPlace(static_key_file=str(key), static_key_id="three"),
            # One file of all: with another path than the leader's a server never becomes one ("modifications to audit
            # devices are not allowed", OpenBao 2.7.2).
            audit_devices={"file": FileAudit(file_path=str(audit_log))},
            retry_join=tuple(one for one in joins if one.leader_api_addr != bao.address),
        )
    )


def _initialise(made: ThreeServers, first: OneOfThree) -> None:
    assert eventually(lambda: first.bao.health() is not None)
    body = {"recovery_shares": 1, "recovery_threshold": 1}
    url = f"{first.bao.address}/v1/sys/init"
    answer = requests.put(url, json=body, verify=str(made.ca_file), timeout=60)
    made.root_token = answer.json()["root_token"]
    assert eventually(first.bao.is_ready)
    for end, content in zip(("crt", "key"), new_administrator(datetime.now(UTC)), strict=True):
        (made.folder / f"administrator.{end}").write_bytes(content)
    client = made.client(first)
    client.sys.create_or_update_policy(_ROLE, ADMINISTRATOR_POLICY)
    client.sys.enable_auth_method("cert")
    certificate = (made.folder / "administrator.crt").read_text(encoding="ascii")
    client.adapter.post(f"/v1/auth/cert/certs/{_ROLE}", json={"certificate": certificate, "token_policies": [_ROLE]})
