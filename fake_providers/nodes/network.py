"""The network of one cluster: a namespace with a switch and the control plane, and one for each node.

Owns the numbers: cluster N has 198.19.(16*N).0/20 (kept for tests of networks, RFC 2544), N free on this host; in it
the control plane is .1, this host .254, nodes from .10 on, and the upper half is the pods'. Services have
172.20.0.0/16, as in an EKS cluster whose own network is in 10.0.0.0/8; they are reached from pods only. Refuses a way
out: nodes and pods reach each other and this host, and nothing else.
"""

import ipaddress
import json
import os
import re
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fake_providers.machines import MachineError
from fake_providers.machines.commands import eventually, run, works
from fake_providers.machines.groups import remove_groups
from fake_providers.shared_file import locked, shared

SERVICES = "172.20.0.0/16"
API_SERVICE = "172.20.0.1"
"""Of the service `kubernetes`. The API server has that address itself, so that a network policy which lets pods reach
it says the same before and after the service's address is resolved."""
NAMES_SERVICE = "172.20.0.10"
"""Of the cluster's DNS."""
IDENTITY_ADDRESS = "169.254.170.23"
"""Where EKS' agent for Pod Identity answers on each node."""
_LOCK = Path("/run/estate-clusters.lock")
"""Holds this host's numbers against other clusters."""
_FILE = "network.json"
FILES = (_FILE, "network.lock")
"""In a cluster's folder, its number and what holds that."""
_NUMBERS = range(16)
_NODES = range(16)
_END_SECONDS = 30.0
_SWITCH = "02:00:c6:13:00:01"
_LINKS = Path("/sys/class/net")


@dataclass(frozen=True)
class NodesNetwork:
    """One cluster's network; `number` is N."""

    folder: Path
    number: int

    @property
    def part(self) -> str:
        """Name of the control plane's namespace and of this host's link to it; what the nodes' names begin with."""
        return f"kc{self.number}"

    @property
    def whole(self) -> str:
        """Every address of it."""
        return f"198.19.{16 * self.number}.0/20"

    @property
    def pods(self) -> str:
        """Every address that a pod may have."""
        return f"198.19.{16 * self.number + 8}.0/21"

    @property
    def control_plane(self) -> str:
        """Where the API answers."""
        return self._switched(1)

    @property
    def host(self) -> str:
        """This host's address, as nodes and pods reach it."""
        return self._switched(254)

    def _switched(self, last: int) -> str:
        return f"198.19.{16 * self.number}.{last}"

    def node(self, index: int) -> str:
        """Address of a node."""
        return self._switched(10 + index)

    def pods_of(self, index: int) -> str:
        """Addresses of a node's pods, 126 of them."""
        return str(list(ipaddress.IPv4Network(self.pods).subnets(new_prefix=25))[index])

    def part_of(self, index: int) -> str:
        """Name of a node's namespace, link and control group."""
        return f"{self.part}-{index}"

    def inside(self, part: str) -> list[str]:
        """What a command begins with that runs in a namespace."""
        return ["nsenter", f"--net=/run/netns/{part}"]

    @property
    def is_up(self) -> bool:
        """Whether it is made, to the last."""
        return _owner(self.part) == str(self.folder) and bool(_routes("exact", self.pods))

    def _up(self) -> None:
        part = self.part
        run(["ip", "link", "add", part, "type", "veth", "peer", "name", f"{part}-host"])
        # First: a killed command leaves a link that is known to be this cluster's.
        run(["ip", "link", "set", part, "alias", str(self.folder)])
        run(["ip", "netns", "add", part])
        # An address of its own: else it takes those of its ports as they come, and who knows the old one waits.
        run(["ip", "-n", part, "link", "add", "switch", "address", _SWITCH, "type", "bridge"])
        run(["ip", "link", "set", f"{part}-host", "netns", part, "name", "host"])
        run(["ip", "-n", part, "link", "set", "host", "master", "switch", "up"])
        run(["ip", "-n", part, "address", "add", f"{self.control_plane}/24", "dev", "switch"])
        run(["ip", "-n", part, "address", "add", f"{API_SERVICE}/32", "dev", "lo"])
        for link in ("lo", "switch"):
            run(["ip", "-n", part, "link", "set", link, "up"])
        self._forward(part)
        run(["ip", "address", "add", f"{self.host}/24", "dev", part])
        run(["ip", "link", "set", part, "up"])
        # What isn't there must not leave this host by its own way out.
        run(["ip", "route", "replace", "unreachable", self.whole])
        run(["ip", "route", "replace", self.pods, "via", self.control_plane, "dev", part])

    def _forward(self, part: str) -> None:
        for setting in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0"):
            run([*self.inside(part), "sysctl", "--quiet", "--write", setting])

    def connect(self, index: int) -> None:
        """A node's namespace and its link, made anew."""
        part = self.part_of(index)
        self.disconnect(index)
        run(["ip", "netns", "add", part])
        run(["ip", "-n", self.part, "link", "add", part, "type", "veth", "peer", "name", "eth0", "netns", part])
        run(["ip", "-n", self.part, "link", "set", part, "master", "switch", "up"])
        for link in ("lo", "eth0"):
            run(["ip", "-n", part, "link", "set", link, "up"])
        run(["ip", "-n", part, "address", "add", f"{self.node(index)}/24", "dev", "eth0"])
        run(["ip", "-n", part, "address", "add", f"{IDENTITY_ADDRESS}/32", "dev", "lo"])
        for network in (self.pods, SERVICES):
            run(["ip", "-n", part, "route", "add", network, "via", self.control_plane])
        run(["ip", "-n", part, "route", "add", "unreachable", "default"])
        self._forward(part)
        run(["ip", "-n", self.part, "route", "replace", self.pods_of(index), "via", self.node(index)])

    def disconnect(self, index: int) -> None:
        """Remove what `connect` made, if it is there, and the node's control groups."""
        part = self.part_of(index)
        # First: the namespace would take the link with it, but some time later.
        if works(["ip", "-n", self.part, "link", "show", part]):
            run(["ip", "-n", self.part, "link", "delete", part])
        _remove_part(part)

    def remove(self) -> None:
        """Remove everything; nobody of the cluster runs any more."""
        with locked(_LOCK):
            self._remove_links()

    def empty(self) -> None:
        """End everybody in it, and remove every node's part; this host's address and the control plane's place stay."""
        with locked(_LOCK):
            if _owner(self.part) != str(self.folder):
                return  # it was removed, and another cluster may have the number meanwhile
            for part in self.parts():
                if part != self.part:
                    _remove_part(part)
            _end_all(self.part)

    def _remove_links(self) -> None:
        if _owner(self.part) not in {"", str(self.folder)}:
            return  # another cluster has the number meanwhile
        for part in self.parts():
            _remove_part(part)
        if _routes("type", "unreachable", "exact", self.whole):
            run(["ip", "route", "delete", "unreachable", self.whole])
        # Last: as long as it is there, it is known whose all this is. It may go with its namespace at this moment.
        link = _LINKS / self.part
        if not eventually(lambda: not link.exists() or works(["ip", "link", "delete", self.part]), _END_SECONDS):
            raise MachineError(f"{self.part} can't be removed; expected a link of this cluster's")

    def parts(self) -> list[str]:
        """Its namespaces that are there."""
        there = sorted(path.name for path in Path("/run/netns").glob(f"{self.part}*"))
        return [name for name in there if name == self.part or name.startswith(f"{self.part}-")]


def find(folder: Path) -> NodesNetwork | None:
    """The cluster's network, if it has one."""
    file = folder / _FILE
    return NodesNetwork(folder, int(json.loads(file.read_text())["number"])) if file.is_file() else None


def ensure(folder: Path) -> NodesNetwork:
    """The cluster's network, made and up; with the number it had, if that is still free.
    Raises MachineError: no number is free, or this host refuses."""
    with locked(_LOCK):
        _sweep()
        found = find(folder)
        if found and found.is_up:
            return found
        if found:
            found._remove_links()
        if found is None or not _is_free(found):
            free = (one for number in _NUMBERS if _is_free(one := NodesNetwork(folder, number)))
            found = next(free, None)
        if found is None:
            raise MachineError("198.19.0.0/16, 16 times a /20, is in use on this host; expected one free")
        # Written first: a killed command leaves a number without a link, never a link nobody knows.
        with shared(folder / _FILE) as kept:
            kept["number"] = found.number
        found._up()
    return found


def free_index(taken: Iterable[int]) -> int:
    """The first index that no node has. Raises MachineError: all are taken."""
    free = sorted(set(_NODES) - set(taken))
    if not free:
        raise MachineError(f"a cluster has {len(_NODES)} nodes already; expected fewer")
    return free[0]


def _sweep() -> None:
    """Remove clusters whose folder is gone, as after a test that was killed."""
    for link in _LINKS.glob("kc*"):
        owner = _owner(link.name)
        number = re.fullmatch("kc([0-9]+)", link.name)
        if number and owner.startswith("/") and not Path(owner).exists():
            NodesNetwork(Path(owner), int(number[1]))._remove_links()


def _remove_part(part: str) -> None:
    """Remove a namespace with everybody in it, and the control groups of its name."""
    place = Path("/run/netns", part)
    if place.exists():
        _end_all(part)
        run(["ip", "netns", "delete", part])
    remove_groups(part)


def _end_all(part: str) -> None:
    if not eventually(lambda: not _kill_all(part), _END_SECONDS):
        raise MachineError(f"somebody in network namespace {part} doesn't end")


def _kill_all(part: str) -> bool:
    """Whether there was anybody."""
    found = run(["ip", "netns", "pids", part]).split()
    for number in found:
        with suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)
    return bool(found)


def _is_free(network: NodesNetwork) -> bool:
    there = (_LINKS / network.part).exists() or network.parts()
    return not there and not _routes("table", "all", "root", network.whole)


def _routes(*which: str) -> str:
    return run(["ip", "-4", "route", "show", *which]).strip()


def _owner(link: str) -> str:
    file = _LINKS / link / "ifalias"
    return file.read_text().strip() if file.exists() else ""
