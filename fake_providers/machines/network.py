"""The network of one sandbox: a bridge of this host, and a network namespace for each machine.

Owns the numbers: each sandbox has 198.18.N.0/24 (kept for tests of networks, RFC 2544), N free on this host, and keeps
it in its folder. The host is .1. Refuses to route: a machine reaches the host and its neighbours, and nothing else.
"""

import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_providers.machines.commands import MachineError, run

_LOCK = Path("/run/estate-machines.lock")
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
        """An address for an owner (any text); the same each time, until it is given back. Raises MachineError: all are
        taken."""
        with _kept(self.machines) as kept:
            taken = kept.setdefault("addresses", {})
            if owner not in taken:
                free = set(range(_FIRST_MACHINE, _LAST_MACHINE + 1)) - set(taken.values())
                if not free:
                    raise MachineError(f"{self.prefix}0/24 has no free address")
                taken[owner] = min(free)
            return f"{self.prefix}{taken[owner]}"

    def release(self, owner: str) -> None:
        """Give an owner's address back."""
        with _kept(self.machines) as kept:
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
        with _locked():
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
    file = machines.resolve() / "network.json"
    return Network(machines.resolve(), int(json.loads(file.read_text())["number"])) if file.is_file() else None


def ensure(machines: Path) -> Network:
    """The sandbox's network, made and up. Raises MachineError: no number is free, or the host refuses bridges."""
    machines = machines.resolve()
    with _locked():
        _sweep()
        found = find(machines)
        if found is None:
            number = next((number for number in _NUMBERS if _is_free(number)), None)
            if number is None:
                raise MachineError("198.18.1.0/24 to 198.18.254.0/24 are all in use on this host")
            found = Network(machines, number)
            # Written first: a killed command leaves a number without a bridge, never a bridge nobody knows.
            with _kept(machines) as kept:
                kept["number"] = number
    found._bridge_up()
    return found


def _sweep() -> None:
    """Remove bridges whose sandbox's folder is gone, as after a test that was killed."""
    for link in Path("/sys/class/net").glob("hm*"):
        sandbox = _alias(link.name)
        if re.fullmatch(r"hm\d+", link.name) and sandbox.startswith("/") and not Path(sandbox).exists():
            run(["ip", "link", "delete", link.name])


def _is_free(number: int) -> bool:
    return not _is_link(f"hm{number}") and not run(["ip", "-4", "route", "show", f"198.18.{number}.0/24"]).strip()


def _is_link(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


def _alias(link: str) -> str:
    file = Path("/sys/class/net", link, "ifalias")
    return file.read_text().strip() if file.exists() else ""


@contextmanager
def _locked() -> Iterator[None]:
    """Hold this host's numbers against other sandboxes."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _kept(machines: Path) -> Iterator[dict[str, Any]]:
    """The network's file, read and written under a lock."""
    machines.mkdir(parents=True, exist_ok=True)
    file = machines / "network.json"
    with (machines / "network.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        yield kept
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(kept))
        fresh.replace(file)
