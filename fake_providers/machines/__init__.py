"""Machines that really boot, for fake providers of clouds: Debian or Ubuntu in containers, on a network of their own.

Owns a sandbox's machines below one folder: `servers/`, `volumes/`, `network.json`, and what the sandbox puts there
for all of them, `trusted.crt` (authorities they trust) and `hosts` (lines of /etc/hosts). They outlive the process that
made them; any process finds them again by the folder, and `remove` leaves nothing. Knows nothing of any cloud.
"""

import shutil
from pathlib import Path

from fake_providers.machines import network
from fake_providers.machines.commands import MachineError
from fake_providers.machines.disks import Volume
from fake_providers.machines.machine import Machine, found
from fake_providers.machines.roots import IMAGES, default_cache, prepare, why_not

__all__ = [
    "IMAGES",
    "Machine",
    "MachineError",
    "Volume",
    "default_cache",
    "found",
    "gateway",
    "prepare",
    "remove",
    "why_not",
]


def gateway(machines: Path) -> str:
    """Address of this host in the sandbox's network, made on demand. Raises MachineError: the host gives none."""
    return network.ensure(machines.resolve()).gateway


def remove(machines: Path) -> None:
    """Everything of a sandbox: machines shut down in order, disks, network, folder. Nothing there is no error."""
    machines = machines.resolve()
    if not machines.is_dir():
        return
    for machine in found(machines):
        machine.delete()
    for image in (machines / "volumes").glob("*.img"):
        Volume(machines, image.stem).delete()
    net = network.find(machines)
    if net is not None:
        net.remove()
    shutil.rmtree(machines)
