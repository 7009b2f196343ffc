"""A node that really boots: the rendered user-data on a machine behind the stand-in Hetzner Cloud.

Owns its world: a release mirror over HTTPS signed by a key of its own, an authority the machine trusts, an operator, an
administrator, and the cloud's objects. Everything is asked for over the provider's own protocol, as the engine does.
"""

import base64
import datetime
import functools
import http.server
import ipaddress
import json
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import requests
from cryptography import x509

from components.render.bootstrap import Administrator, Bootstrap, Operator
from components.render.cloud_init import render
from components.render.node.model import Logs, Node, Place
from components.render.release import Download, Server
from components.render.seals import StaticSeal
from components.render.tls import InternalTls
from components.render.traffic import plan
from fake_providers import machines
from fake_providers.attach import attach
from ops.keys.certificates import Authority, Domain, ensure_authority, new_administrator
from ops.keys.pgp import ensure_operator
from ops.sandbox import release
from tests.engine.fake_providers.wire import Known, Wire
from tests.support import collecting
from tests.support.collecting import Collected
from tests.support.operated_machines import OperatedMachine
from tests.support.servers import ADMINISTRATOR_POLICY
from tests.support.shares import open_share

_INDEX = "hcloud:index/"
ADDRESS, VOLUME = f"{_INDEX}primaryIp:PrimaryIp", f"{_INDEX}volume:Volume"
SERVER, ATTACHMENT = f"{_INDEX}server:Server", f"{_INDEX}volumeAttachment:VolumeAttachment"
NAME = "vault-test"
MIRROR_PORT = 8443
READY_SECONDS = 240.0
FIRST_SECRET_SECONDS = 30.0
"""From asking for the server to reading a secret back, on a machine that does nothing else, as the issue asks."""
BUSY_FACTOR = 4
"""How much longer it may take on one that does."""


def by_load(seconds: float) -> float:
    """How long something may take here that takes so many seconds on a machine that does nothing else."""
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    return seconds * (BUSY_FACTOR if busy else 1)


def first_secret_limit() -> float:
    """Seconds from asking for a server to reading a secret back."""
    return by_load(FIRST_SECRET_SECONDS)


@dataclass
class Observed:
    """What `ps` shows of the machine's processes, looked at as often as there is time for: not of those that end in
    between. Pods, which other tests may have beside it, are none."""

    argv: set[str] = field(default_factory=set)
    environment: set[str] = field(default_factory=set)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look until the block ends."""
        ended = threading.Event()
        own = Path("/proc/self/ns/pid").readlink()

        def look() -> None:
            others: set[Path] = set()
            while not ended.wait(0.005):
                there = set(Path("/proc").glob("[0-9]*"))
                # Whose a process is doesn't change while it lives.
                others &= there
                for process in there - others:
                    try:
                        if (process / "ns/pid").readlink() == own or "/kubepods/" in (process / "cgroup").read_text():
                            others.add(process)
                            continue
                        self.argv.add((process / "cmdline").read_text(errors="replace"))
                        self.environment.add((process / "environ").read_text(errors="replace"))
                    except OSError:
                        continue  # it ended

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@dataclass
class BootedNode:
    """The node and the cloud's objects behind it."""

    world: Path
    wire: Wire
    place: Place
    address: Known
    volume: Known
    server: Known
    attachment: Known
    started: float
    """Of `time.monotonic`, when the server was asked for."""
    observed: Observed = field(repr=False)
    collected: Collected = field(repr=False)
    """What the node sent to the collector of its logs."""

    @property
    def machines(self) -> Path:
        """Folder of the world's machines."""
        return self.world / "machines"

    @property
    def machine(self) -> OperatedMachine:
        """The machine the server is."""
        return OperatedMachine.find(self.machines, NAME)

    @property
    def image(self) -> str:
        """What the server was made from."""
        return str(self.server.inputs.values["image"])

    @property
    def ip_address(self) -> str:
        """Where the host reaches it."""
        return str(self.address.outputs.values["ipAddress"])

    def sh(self, script: str, timeout: float = 60) -> str:
        """What a shell script prints on the node as root; it has to succeed."""
        answer = self.machine.run(["sh", "-euc", script], timeout=timeout)
        assert answer.returncode == 0, f"{script}\n{answer.stdout}\n{answer.stderr}"
        return answer.stdout.strip()

    def certificate(self) -> Path:
        """The certificate the server shows, pinned at first sight."""
        file = self.world / "server.crt"
        if not file.exists():
            file.write_text(ssl.get_server_certificate((self.ip_address, 8200)))
        return file

    def client(self) -> hvac.Client:
        """A client that logged in with the administrator's certificate."""
        pair = (str(self.world / "administrator.crt"), str(self.world / "administrator.key"))
        client = hvac.Client(
            url=f"https://{self.ip_address}:8200", verify=str(self.certificate()), cert=pair, timeout=5
        )
        answer = client.adapter.post("/v1/auth/cert/login", json={"name": "administrator"})
        client.token = (answer if isinstance(answer, dict) else json.loads(answer.text))["auth"]["client_token"]
        return client

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> hvac.Client:
        """Wait until the administrator can log in."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                return self.client()
            except (OSError, requests.RequestException, hvac.exceptions.VaultError):
                time.sleep(0.1)
        raise AssertionError(f"not ready after {seconds} s\n{self.machine.journal()[-6000:]}")

    def wait_for_cloud_init(self) -> str:
        """Wait for the end of the first boot; what `cloud-init status` says of it."""
        return self.machine.run(["cloud-init", "status", "--wait", "--long"], timeout=480).stdout

    def shares(self) -> list[bytes]:
        """The keys in custody, opened with the operator's private key."""
        custody = json.loads(self.sh("cat /var/lib/vault/custody/shares.json"))
        return [open_share(self.world / "operator/private.asc", share) for share in _encrypted(custody)]

    def replace(self, change: Callable[[str], str]) -> None:
        """What the engine does when the user-data changed: the server is deleted before the new one is made."""
        inputs = self.server.inputs.values
        self.wire.delete(self.server)
        self.started = time.monotonic()
        self.server = self.wire.create(SERVER, inputs | {"userData": change(inputs["userData"])})
        self.attachment = self.attach()

    def attach(self) -> Known:
        """The volume attached to the server that is there now."""
        return self.wire.create(
            ATTACHMENT, {"serverId": int(self.server.identity), "volumeId": int(self.volume.identity)}
        )


def _encrypted(custody: Any) -> list[bytes]:
    """Every share, wherever custody's format has it."""
    if isinstance(custody, dict):
        return [share for value in custody.values() for share in _encrypted(value)]
    if isinstance(custody, list):
        return [share for value in custody for share in _encrypted(value)]
    try:
        opened = base64.b64decode(custody, validate=True)
    except (TypeError, ValueError):
        return []
    # An OpenPGP message begins with a packet of an encrypted session key (RFC 4880, 4.2 and 5.1).
    return [opened] if len(opened) > 100 and opened[0] in {0xC1, 0x84, 0x85} else []


def keep_journal(machine: OperatedMachine, folder: Path) -> Path:
    """A folder whose journal is the machine's own, to its last line: what a machine leaves when it is deleted."""
    kept = folder / "journal"
    kept.mkdir()
    for file in (machine.upper / "var/log/journal").glob("*/*.journal"):
        (kept / file.name).hardlink_to(file)
    return kept


def last_words(journal: Path) -> str:
    """What a kept journal says of its last boot."""
    command = ["journalctl", "--directory", str(journal), "--boot=-0", "--no-pager", "--quiet", "--output=cat"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def left_on_this_host(machines_folder: Path, bridge: str) -> str:
    """Links, namespaces, mounts, loops, control groups and processes of one world."""
    links = [link.name for link in Path("/sys/class/net").iterdir()]
    seen = [f"link {link}" for link in links if link == bridge or link.startswith(f"{bridge}-")]
    namespaces = Path("/run/netns")
    if namespaces.is_dir():
        seen += [f"namespace {one.name}" for one in namespaces.iterdir() if one.name.startswith(f"{bridge}-")]
    loops = ["losetup", "--list", "--raw", "--noheadings", "--output=BACK-FILE"]
    for program in (["mount"], loops, ["ps", "-ww", "-eo", "args"]):
        said = subprocess.run(program, capture_output=True, text=True, check=True).stdout
        seen += [line for line in said.splitlines() if str(machines_folder) in line]
    seen += [str(group) for group in Path("/sys/fs/cgroup").glob(f"**/{bridge}-*")]
    seen += [str(left) for left in Path("/run/systemd/nspawn").glob(f"*/{bridge}-*")]
    return "\n".join(seen)


@contextmanager
def booted_node(world: Path, image: str = "debian-12") -> Iterator[BootedNode]:
    """Boot one; at the end nothing of it is left."""
    folder = world / "machines"
    machines.prepare(machines.default_cache(), image, print)
    try:
        gateway = machines.gateway(folder)
        # Made first: the machine trusts it, and the collector shows a certificate of it.
        authority = _authority(world, gateway)
        with (
            _mirror(world, gateway, authority) as published,
            collecting.collecting(gateway, authority.certificate_file, authority.key_file) as collected,
            _cloud(world, folder) as wire,
        ):
            yield _create(world, wire, image, _node(world, gateway, published), collected)
    finally:
        machines.remove(folder)


@contextmanager
def _cloud(world: Path, folder: Path) -> Iterator[Wire]:
    with (
        attach(["hcloud"], world=world / "world.json", machines=folder) as environment,
        Wire(environment, "hcloud") as wire,
    ):
        yield wire


def _authority(world: Path, gateway: str) -> Authority:
    """Vouches for the gateway, by its address and as the collector; every machine trusts it and knows the name."""
    tls = world / "tls"
    tls.mkdir()
    named = x509.DNSName(collecting.NAME)
    own = x509.IPAddress(ipaddress.ip_address(gateway))
    network = x509.IPAddress(ipaddress.ip_network(f"{gateway}/32"))
    authority = ensure_authority(
        tls,
        Domain(title="a world's authority", permitted=(network, named), server_name=gateway, server_names=(own, named)),
    )
    (world / "machines/trusted.crt").write_bytes(authority.ca_file.read_bytes())
    (world / "machines/hosts").write_text(f"{gateway} {collecting.NAME}\n")
    return authority


@contextmanager
def _mirror(world: Path, gateway: str, authority: Authority) -> Iterator[release.Published]:
    """The release over HTTPS on the gateway's address."""
    folder = world / "mirror"
    published = release.publish(folder, world / "release.key", machines.default_cache(), "amd64", print)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.certificate_file, authority.key_file)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer((gateway, MIRROR_PORT), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with collecting.served(server):
            yield published


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is its own."""


def _create(world: Path, wire: Wire, image: str, node: Node, collected: Collected) -> BootedNode:
    address = wire.create(ADDRESS, {"name": NAME, "type": "ipv4", "autoDelete": False, "location": "fsn1"})
    volume = wire.create(VOLUME, {"name": NAME, "size": 10})
    place = Place(address=address.outputs.values["ipAddress"], volume_device=volume.outputs.values["linuxDevice"])
    observed = Observed()
    with observed.watching():
        started = time.monotonic()
        server = wire.create(
            SERVER,
            {
                "name": NAME,
                "serverType": "cx23",
                "image": image,
                "userData": render(node, place),
                "shutdownBeforeDeletion": True,
                "publicNets": [{"ipv4Enabled": True, "ipv4": int(address.identity), "ipv6Enabled": False}],
            },
        )
        attachment = wire.create(ATTACHMENT, {"serverId": int(server.identity), "volumeId": int(volume.identity)})
        booted = BootedNode(
            world=world,
            wire=wire,
            place=place,
            address=address,
            volume=volume,
            server=server,
            attachment=attachment,
            started=started,
            observed=observed,
            collected=collected,
        )
        booted.wait_until_ready()
    return booted


def _node(world: Path, gateway: str, published: release.Published) -> Node:
    certificate, key = new_administrator(datetime.datetime.now(datetime.UTC))
    (world / "administrator.crt").write_bytes(certificate)
    (world / "administrator.key").write_bytes(key)
    operator = ensure_operator(world / "operator")
    source = f"https://{gateway}:{MIRROR_PORT}"
    download = Download(
        checksums={published.architecture: published.archive_sha256},
        source=source,
        signing_key=f"{source}/signing-key.asc",
        signing_key_fingerprint=published.fingerprint,
    )
    logs = Logs(host=collecting.NAME, port=collecting.PORT)
    return Node(
        server=Server(flavor="openbao", version=published.version),
        architecture=published.architecture,
        download=download,
        tls=InternalTls(certificate_file="node.crt"),
        seal=StaticSeal(),
        audit_retention=30 * 86_400,
        flows=plan(
            api_networks=[f"{gateway}/32"],
            challenges=False,
            needs=[*download.needs(), *logs.needs()],
            destinations={},
        ),
        bootstrap=Bootstrap(
            operators=(Operator(name="ada", pgp_key="ada.asc"),),
            threshold=1,
            administrator=Administrator(certificate="administrator.crt", private_key="administrator.key"),
        ),
        policy=ADMINISTRATOR_POLICY,
        texts={"ada.asc": operator.read_text(), "administrator.crt": certificate.decode()},
        logs=logs,
    )
