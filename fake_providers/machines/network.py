"""The network of one sandbox: a bridge of this host, and a network namespace for each machine.

Owns the numbers: each sandbox has 198.18.N.0/24 (kept for tests of networks, RFC 2544), N free on this host, and keeps
it in its folder. The host is .1. Refuses to route: a machine reaches the host and its neighbours, and nothing else.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from fake_providers.machines.commands import MachineError, run
from fake_providers.shared_file import locked, shared

_LOCK = Path("/run/estate-machines.lock")
"""Holds this host's numbers against other sandboxes."""
_NUMBERS = range(1, 255)
_FIRST_MACHINE, _LAST_MACHINE = 10, 254


@dataclass(frozen=True)
class Network:
    """One sandbox's network; `number` is N."""

    machines: Path
    number: int

    @property
    def bridge(self) -> str:
        """The bridge's name; the machines' links and namespaces begin with it."""
        return f"hm{self.number}"

    @property
    def gateway(self) -> str:
        """The host's address in it."""
        return f"198.18.{self.number}.1"

    @property
    def prefix(self) -> str:
        """What every address in it begins with."""
        return f"198.18.{self.number}."

    def reserve(self, owner: str) -> str:
        """An owner's (any text) address, the same until it is given back. Raises MachineError: all are taken."""
        with shared(_file(self.machines)) as kept:
            taken = kept.setdefault("addresses", {})
            if owner not in taken:
                free = set(range(_FIRST_MACHINE, _LAST_MACHINE + 1)) - set(taken.values())
                if not free:
                    raise MachineError(f"{self.prefix}0/24 has no free address")
                taken[owner] = min(free)
            return f"{self.prefix}{taken[owner]}"

    def release(self, owner: str) -> None:
        """Give an owner's address back."""
        with shared(_file(self.machines)) as kept:
            kept.get("addresses", {}).pop(owner, None)

    def part(self, address: str) -> str:
        """Name of a machine's namespace, link and control group, at most 15 bytes as Linux wants it."""
        return f"{self.bridge}-{address.removeprefix(self.prefix)}"

    def connect(self, address: str) -> str:
        """A namespace with this address, made anew; its name."""
        self._bridge_up()
        name = self.part(address)
        self.disconnect(address)
        run(["ip", "netns", "add", name])
        run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name])
        run(["ip", "link", "set", name, "master", self.bridge, "up"])
        run(["ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0"])
        for link in ("lo", "eth0"):
            run(["ip", "-n", name, "link", "set", link, "up"])
        return name

    def disconnect(self, address: str) -> None:
        """Remove what `connect` made, if it is there."""
        name = self.part(address)
        # First: the namespace would take the link with it, but some time later.
        if _is_link(name):
            run(["ip", "link", "delete", name])
        if Path("/run/netns", name).exists():
            run(["ip", "netns", "delete", name])

    def remove(self) -> None:
        """Remove the bridge; the machines are gone already."""
        if _alias(self.bridge) == str(self.machines):
            run(["ip", "link", "delete", self.bridge])

    def _bridge_up(self) -> None:
        with locked(_LOCK):
            if not _is_link(self.bridge):
                run(["ip", "link", "add", self.bridge, "type", "bridge"])
            if not _alias(self.bridge):
                # Just made; or by a killed command of this sandbox's, whose number it is.
                run(["ip", "link", "set", self.bridge, "alias", str(self.machines)])
            if _alias(self.bridge) != str(self.machines):
                raise MachineError(f"{self.bridge} belongs to {_alias(self.bridge) or 'another program'}, not to here")
            run(["ip", "address", "replace", f"{self.gateway}/24", "dev", self.bridge])
            run(["ip", "link", "set", self.bridge, "up"])


def find(machines: Path) -> Network | None:
    """The sandbox's network, if it has one."""
    file = _file(machines.resolve())
    return Network(machines.resolve(), int(json.loads(file.read_text())["number"])) if file.is_file() else None


def _file(machines: Path) -> Path:
    return machines / "network.json"


def ensure(machines: Path) -> Network:
    """The sandbox's network, made and up. Raises MachineError: no number is free, or the host refuses bridges."""
    machines = machines.resolve()
    with locked(_LOCK):
        _sweep()
        found = find(machines)
        if found is None:
            number = next((number for number in _NUMBERS if _is_free(number)), None)
            if number is None:
                raise MachineError("198.18.1.0/24 to 198.18.254.0/24 are all in use on this host")
            found = Network(machines, number)
            # Written first: a killed command leaves a number without a bridge, never a bridge nobody knows.
            with shared(_file(machines)) as kept:
                kept["number"] = number
    found._bridge_up()
    return found


def _sweep() -> None:
    """Remove bridges whose sandbox's folder is gone, as after a test that was killed."""
    for link in Path("/sys/class/net").glob("hm*"):
        sandbox = _alias(link.name)
        if re.fullmatch(r"hm[0-9]+", link.name) and sandbox.startswith("/") and not Path(sandbox).exists():
            run(["ip", "link", "delete", link.name])


def _is_free(number: int) -> bool:
    return not _is_link(f"hm{number}") and not run(["ip", "-4", "route", "show", f"198.18.{number}.0/24"]).strip()


def _is_link(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


def _alias(link: str) -> str:
    file = Path("/sys/class/net", link, "ifalias")
    return file.read_text().strip() if file.exists() else ""
