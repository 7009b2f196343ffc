"""Hetzner Cloud: networks, firewalls, addresses and names in memory; servers and volumes are real where they can be.

Owns what stands behind a server (a machine that boots the declared user-data), a volume (a disk of it) and an
address. Without a folder for machines, servers stay in memory, and their status says so. Keeps the rules
of Hetzner's that a stack runs into (docs.hetzner.cloud): a server's name is unique; what is delete-protected isn't
deleted; a server that is deleted loses its power at once, unless it was to be shut down first, and lets go of its
volumes and networks; a volume has one server; a subnet with a server in it stays. Keeps the official provider's rule of
an address, too: where it is or whose, and whose with of which type.
"""

import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_providers import machines as booting
from fake_providers.machines import Machine, MachineError, Volume, default_cache, network, prepare
from fake_providers.memory import MemoryProvider, MemoryType
from fake_providers.servicer import Found, RefusedError, Values


def _address(identity: str, inputs: Values) -> str:  # noqa: ARG001 - a computed output's signature
    # 198.51.100.0/24 and 2001:db8::/32 are kept for documentation (RFC 5737, RFC 3849): nobody answers there.
    return f"198.51.100.{1 + zlib.crc32(identity.encode()) % 254}"


TYPES: Mapping[str, MemoryType] = {
    "index/network:Network": MemoryType("ipRange", "ipRange"),
    "index/networkSubnet:NetworkSubnet": MemoryType(
        "networkId ipRange networkZone type", "networkId ipRange networkZone type", gateway=lambda _id, _: "10.0.0.1"
    ),
    "index/firewall:Firewall": MemoryType(),
    "index/volume:Volume": MemoryType(
        "location format",
        "size",
        {"linuxDevice": "/dev/disk/by-id/scsi-0HC_Volume_1"},
        linuxDevice=lambda identity, _: f"/dev/disk/by-id/{_link(identity)}",
    ),
    "index/primaryIp:PrimaryIp": MemoryType(
        "type location datacenter", "type", {"ipAddress": "198.51.100.1"}, ipAddress=_address
    ),
    "index/placementGroup:PlacementGroup": MemoryType("type", "type"),
    "index/volumeAttachment:VolumeAttachment": MemoryType("serverId volumeId", "serverId volumeId"),
    "index/serverNetwork:ServerNetwork": MemoryType("serverId networkId subnetId ip", "serverId"),
    "index/zoneRrset:ZoneRrset": MemoryType("zone name type", "records type zone"),
    "index/server:Server": MemoryType(
        "image location userData sshKeys",
        "serverType",
        ipv4Address=_address,
        ipv6Address=lambda identity, _: f"2001:db8::{int(identity):x}",
        status=lambda _id, _: "in memory only",
    ),
}
_PREFIX = "hcloud:index/"
_SERVER, _VOLUME, _ATTACHMENT, _ADDRESS, _MEMBER, _SUBNET = (
    f"{_PREFIX}{kind[0].lower()}{kind[1:]}:{kind}"
    for kind in ("Server", "Volume", "VolumeAttachment", "PrimaryIp", "ServerNetwork", "NetworkSubnet")
)
_FIRST = (_ATTACHMENT, _MEMBER, _SERVER, _SUBNET)
"""What is taken away before all else, in this order."""
_SHUTDOWN_SECONDS = 31.0
"""How long the official provider waits for a server that it asked to shut down, before it deletes it anyway (hcloud
provider: `control.DefaultRetries`, five looks after 1, 2, 4, 8 and 16 s)."""


class HcloudProvider(MemoryProvider):
    """The package `hcloud`; `machines` is the folder of this sandbox's machines, None: servers stay in memory."""

    def __init__(self, world: Path | None, machines: Path | None) -> None:
        super().__init__("hcloud", TYPES, world)
        self._machines = machines

    def check(self, token: str, news: Values) -> Values:
        """Inputs as given; an address is where it is or whose, as the official provider has it.

        It refuses one half of an assignee and warns of the other ("Unused Attribute"), which is refused here: a
        program of ours has no reason to be warned (terraform-provider-hcloud 1.66, primaryip `ValidateConfig`).
        """
        if token == _ADDRESS:
            places = [name for name in ("location", "assigneeId") if news.get(name) is not None]
            if len(places) != 1:
                given = " and ".join(places) or "none"
                raise RefusedError(f"{given} of location and assigneeId is given; expected exactly one of them")
            if ("assigneeType" in news) != ("assigneeId" in news):
                given, lacking = sorted(("assigneeType", "assigneeId"), key=lambda name: name not in news)
                raise RefusedError(f"{given} is given; expected {lacking} with it, or neither")
        return super().check(token, news)

    def begin(
        self,
        connection: Any,  # noqa: ARG002 - as the base class has it
        token: str,
        identity: str,
        inputs: Values,
    ) -> Values:
        """Boot a server, make a volume, reserve an address, plug a disk in."""
        if token == _SERVER:
            return self._boot(identity, inputs)
        if token == _ATTACHMENT and self._held(_ATTACHMENT, "volumeId", inputs["volumeId"]):
            raise RefusedError(f"volume {inputs['volumeId']} is attached already (volume_already_attached)")
        if self._machines is None:
            return {}
        with _refusing():
            if token == _ADDRESS:
                return {"ipAddress": network.ensure(self._machines).reserve(f"address {identity}")}
            if token == _VOLUME:
                Volume(self._machines, identity).create(int(inputs["size"]))
            if token == _ATTACHMENT:
                self._plug(self._machines, inputs)
        return {}

    def read(self, connection: None, token: str, found: Found) -> Found | None:
        """What the sandbox holds, with what became of a server."""
        held = super().read(connection, token, found)
        if held is None or token != _SERVER or self._machines is None:
            return held
        machine = self._machine(self._machines, found.identity)
        if machine is None:
            return None
        return Found(held.identity, held.inputs, held.outputs | {"status": "running" if machine.is_running else "off"})

    def update(self, connection: None, token: str, found: Found, inputs: Values) -> Found:
        """Change it in the sandbox; a volume grows."""
        if token == _VOLUME and self._machines is not None:
            with _refusing():
                Volume(self._machines, found.identity).grow(int(inputs["size"]))
        return super().update(connection, token, found, inputs)

    def delete(self, connection: None, token: str, found: Found) -> None:
        """Take it out of the sandbox, with what stands behind it."""
        held = super().read(connection, token, found)
        if held is None:
            return
        if held.inputs.get("deleteProtection"):
            raise RefusedError(f"{found.identity} is delete-protected; expected deleteProtection to be taken off first")
        if token == _SUBNET and self._held(_MEMBER, "subnetId", found.identity):
            raise RefusedError(f"subnet {found.identity} still has a server in it (conflict)")
        if self._machines is not None:
            with _refusing():
                self._end(self._machines, token, held)
        super().delete(connection, token, found)
        if token == _SERVER:
            # It lets go of its volumes and its networks.
            gone = [key for one in (_ATTACHMENT, _MEMBER) for key in self._held(one, "serverId", found.identity)]
            with self.world() as world:
                for key in gone:
                    world.pop(key, None)

    def taken_away(self, token: str) -> int:
        """What has others in it goes last."""
        return _FIRST.index(token) if token in _FIRST else len(_FIRST)

    def _boot(self, identity: str, inputs: Values) -> Values:
        name = str(inputs.get("name") or f"server-{identity}")
        with self.world() as world:
            names = {held["outputs"].get("name") for key, held in world.items() if key.startswith(f"{_SERVER} ")}
            given = [net.get("ipv4") for net in inputs.get("publicNets") or [] if net.get("ipv4")]
            address = world[self.key(_ADDRESS, str(given[0]))]["outputs"]["ipAddress"] if given else None
        if name in names:
            raise RefusedError(f"server name {name!r} is already used (uniqueness_error)")
        if self._machines is None:
            return {"name": name} | ({"ipv4Address": address} if address else {})
        with _refusing():
            image = str(inputs.get("image") or "")
            root = prepare(default_cache(), image, lambda text: print(text, file=sys.stderr, flush=True))
            for left in booting.found(self._machines):
                if left.name == name:
                    # Of a process that was killed before the sandbox knew its server.
                    left.delete()
            address = address or network.ensure(self._machines).reserve(f"server {identity}")
            Machine.create(
                self._machines,
                name=name,
                identity=identity,
                address=address,
                root=root,
                user_data=str(inputs.get("userData") or ""),
            )
        return {"name": name, "ipv4Address": address, "status": "running"}

    def _plug(self, machines: Path, inputs: Values) -> None:
        machine = self._machine(machines, str(inputs["serverId"]))
        volume = Volume(machines, str(inputs["volumeId"]))
        if machine is None or not volume.file.exists():
            raise RefusedError(f"server {inputs['serverId']} or volume {inputs['volumeId']} doesn't exist (not_found)")
        machine.attach(volume, _link(volume.identity))

    def _end(self, machines: Path, token: str, held: Found) -> None:
        if token == _SERVER:
            machine = self._machine(machines, held.identity)
            if machine is not None:
                machine.delete(shutdown_seconds=_SHUTDOWN_SECONDS if held.inputs.get("shutdownBeforeDeletion") else 0.0)
            network.ensure(machines).release(f"server {held.identity}")
        elif token == _ATTACHMENT:
            machine = self._machine(machines, str(held.inputs["serverId"]))
            if machine is not None:
                machine.detach(Volume(machines, str(held.inputs["volumeId"])))
        elif token == _VOLUME:
            volume = Volume(machines, held.identity)
            for machine in booting.found(machines):
                machine.detach(volume)
            volume.delete()
        elif token == _ADDRESS:
            network.ensure(machines).release(f"address {held.identity}")

    def _machine(self, machines: Path, identity: str) -> Machine | None:
        """The machine behind a server."""
        with self.world() as world:
            held = world.get(self.key(_SERVER, identity))
        if held is None:
            return None
        machine = Machine(machines.resolve(), str(held["outputs"]["name"]))
        return machine if machine.folder.exists() else None

    def _held(self, token: str, name: str, value: object) -> list[str]:
        """Keys of the sandbox's objects of a type that have an input of this value."""
        with self.world() as world:
            return [
                key
                for key, held in world.items()
                if key.startswith(f"{token} ") and str(held["inputs"].get(name)) == str(value)
            ]


def _link(volume: str) -> str:
    """Name of a volume's link below /dev/disk/by-id."""
    return f"scsi-0HC_Volume_{volume}"


@contextmanager
def _refusing() -> Iterator[None]:
    """What a machine can't do, the cloud refuses."""
    try:
        yield
    except MachineError as error:
        raise RefusedError(str(error)) from error
