"""One machine: a Debian or Ubuntu of its own that boots, runs, reboots, shuts down and is found again by any process.

Owns a folder for each machine below the sandbox's: its root's upper layer, its console, and the lock that whoever runs
it holds. A machine is a systemd container (systemd-nspawn) over a root of `fake_providers.machines.roots`, in a network
namespace of its own. What stays the host's: the kernel, its clock, and its settings, of which a machine writes copies.
"""

import fcntl
import importlib.resources
import json
import re
import shutil
import subprocess
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from fake_providers.machines import network, roots
from fake_providers.machines.commands import MachineError, environment, eventually, run
from fake_providers.machines.disks import Volume, disk_lines, pull, push
from fake_providers.machines.groups import remove_groups
from fake_providers.shared_file import locked, shared

START_SECONDS = 90.0
"""It takes 2 s on a machine that does nothing else."""
STOP_SECONDS = 90.0
"""systemd gives a service 90 s to stop, and ours ask for less."""


@dataclass(frozen=True)
class Machine:
    """One machine of a sandbox, by its name."""

    machines: Path
    name: str

    @classmethod
    def create(cls, machines: Path, *, name: str, identity: str, address: str, root: Path, user_data: str) -> Self:
        """Make a machine and boot it; returns when its systemd runs, long before its first boot is done.

        Its host name is unique in the sandbox `machines`, and cloud-init knows it by `identity`. `address` is reserved
        for it in the sandbox's network, `root` is from `roots.prepare`.
        Raises MachineError: a package isn't in the root, the name is taken, or it doesn't boot.
        """
        missing = roots.missing_packages(root, user_data)
        if missing:
            raise MachineError(
                f"packages {', '.join(missing)} aren't in the machines' root; "
                "expected in PACKAGES of fake_providers.machines.roots"
            )
        machine = cls(machines.resolve(), name)
        if machine._file.is_file():
            raise MachineError(f"there is a machine {name!r} already")
        shutil.rmtree(machine.folder, ignore_errors=True)
        for part in ("upper", "work", "merged", "outside"):
            (machine.folder / part).mkdir(parents=True)
        (machine.folder / "root").symlink_to(root)
        for script in ("launch.sh", "init.sh"):
            text = importlib.resources.files(__package__).joinpath(script).read_text(encoding="utf-8")
            (machine.folder / "outside" / script).write_text(text)
            (machine.folder / "outside" / script).chmod(0o755)
        machine._seed(identity, user_data)
        with shared(machine._file) as kept:
            kept.update(identity=identity, address=address, volumes={})
        machine.power_on()
        return machine

    @property
    def folder(self) -> Path:
        """Everything of this machine's."""
        return self.machines / "servers" / self.name

    @property
    def upper(self) -> Path:
        """What it wrote over its root; for looking at, while it is off."""
        return self.folder / "upper"

    @property
    def address(self) -> str:
        """Its IPv4 address, which this host reaches."""
        return str(self._kept()["address"])

    @property
    def is_running(self) -> bool:
        """Whether it is on."""
        return self._launcher() is not None

    def power_on(self) -> None:
        """Boot it, if it is off. Raises MachineError: it doesn't come up; with the last line of its console."""
        with self._exclusive():
            if self.is_running:
                return
            self._clear()
            net = network.ensure(self.machines)
            part = net.connect(self.address)
            for identity in self._kept()["volumes"]:
                Volume(self.machines, identity).attach()
            self._write_disks()
            self._launch(part)
            self._wait(START_SECONDS)

    def delete(self, *, shutdown_seconds: float = STOP_SECONDS) -> None:
        """Shut it down, pull its plug after `shutdown_seconds`, and remove it; its volumes stay, detached."""
        with self._exclusive():
            self._stop(shutdown_seconds)
        shutil.rmtree(self.folder)

    def attach(self, volume: Volume, link: str) -> None:
        """Give it a volume, as /dev/disk/by-id/`link`, at once if it is on.
        Raises MachineError: this host gives no loop device, or another machine has the volume."""
        with self._exclusive():
            for other in found(self.machines):
                if other.name != self.name and volume.identity in other._kept()["volumes"]:
                    raise MachineError(f"volume {volume.identity} is attached to {other.name} already")
            volume.attach()
            with shared(self._file) as kept:
                kept["volumes"][volume.identity] = link
            self._write_disks()
            leader = self._leader()
            if leader is not None:
                push(leader, (self.folder / "outside/disks").read_text())

    def detach(self, volume: Volume) -> None:
        """Take a volume away, as one pulls a disk: what wasn't written yet is lost."""
        with self._exclusive():
            link = self._kept()["volumes"].get(volume.identity)
            if link is None:
                return
            self._pull(volume, link)
            volume.detach()
            with shared(self._file) as kept:
                del kept["volumes"][volume.identity]
            self._write_disks()

    def _pull(self, volume: Volume, link: str) -> None:
        leader = self._leader()
        if leader is not None:
            pull(leader, link, volume.loops())

    @property
    def _file(self) -> Path:
        return self.folder / "machine.json"

    def _kept(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self._file.read_text())
        return kept

    def _seed(self, identity: str, user_data: str) -> None:
        """What its first boot reads, and what the sandbox has every machine trust and know by name."""
        cloud = self.upper / "var/lib/cloud/seed/nocloud"
        cloud.mkdir(parents=True)
        (cloud / "meta-data").write_text(f"instance-id: {identity}\nlocal-hostname: {self.name}\n")
        (cloud / "user-data").write_text(user_data)
        etc = self.upper / "etc"
        etc.mkdir()
        hosts = self.machines / "hosts"
        names = f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n"
        (etc / "hosts").write_text(names + (hosts.read_text() if hosts.is_file() else ""))
        (etc / "hostname").write_text(f"{self.name}\n")
        trusted = self.machines / "trusted.crt"
        if trusted.is_file():
            place = self.upper / "usr/local/share/ca-certificates"
            place.mkdir(parents=True)
            pattern = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
            for number, authority in enumerate(pattern.findall(trusted.read_text())):
                (place / f"machine-{number}.crt").write_text(authority)
        # Whoever creates a machine may close all its files; these are the machine's, and it has users.
        run(["chmod", "--recursive", "a+rX", str(self.upper)])
        (cloud / "user-data").chmod(0o600)

    def _write_disks(self) -> None:
        links = {link: Volume(self.machines, identity).loops() for identity, link in self._kept()["volumes"].items()}
        (self.folder / "outside/disks").write_text(disk_lines(links))

    def _launch(self, part: str) -> None:
        """Start it, detached from this process and its terminal. It holds the lock of `launcher` as long as it runs."""
        command = ["unshare", "--mount", "--propagation=private", "sh", str(self.folder / "outside/launch.sh")]
        command += [str(self.folder), part, self.name]
        with (self.folder / "launcher").open("w") as held, (self.folder / "console.log").open("a") as console:
            fcntl.flock(held, fcntl.LOCK_EX)
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                pass_fds=[held.fileno()], env=environment(), cwd="/", umask=0o022,
            )  # fmt: skip

    def _launcher(self) -> int | None:
        """The process that runs it; None when it is off."""
        file = self.folder / "launcher"
        if not file.is_file():
            return None
        with file.open() as asked:
            try:
                fcntl.flock(asked, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = asked.read().strip()
                return int(text) if text else 0
        return None

    def _processes(self) -> list[psutil.Process]:
        """The launcher, systemd-nspawn and the machine's first process, as far as they are there."""
        number = self._launcher()
        if not number:
            return []
        try:
            launcher = psutil.Process(number)
            below = next((one for one in launcher.children() if one.name() == "systemd-nspawn"), None)
            first = next((one for one in below.children() if one.name() == "systemd"), None) if below else None
        except psutil.NoSuchProcess:
            return []
        return [one for one in (launcher, below, first) if one]

    def _leader(self) -> int | None:
        processes = self._processes()
        return processes[2].pid if len(processes) == 3 else None

    def _wait(self, seconds: float, earlier: int | None = None) -> None:
        """Wait for its first process, another than an earlier one."""
        eventually(lambda: self._leader() not in {None, earlier} or not self.is_running, seconds)
        if self._leader() in {None, earlier}:
            lines = (self.folder / "console.log").read_text(errors="replace").strip().splitlines()
            raise MachineError(f"machine {self.name} is not up: {lines[-1] if lines else 'no reason given'}")

    def _stop(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        asked = False
        while self.is_running:
            processes = self._processes()
            if time.monotonic() > deadline:
                # Without power nothing more is written; the kernel, which is the host's, would still write it.
                for identity, link in self._kept()["volumes"].items():
                    with suppress(MachineError, OSError):  # it ends meanwhile
                        self._pull(Volume(self.machines, identity), link)
                for process in processes:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
            elif not asked and len(processes) > 1:
                # systemd-nspawn passes it on as the signal systemd shuts down at.
                processes[1].terminate()
                asked = True
            time.sleep(0.05)
        self._clear()

    def _clear(self) -> None:
        """Remove what a machine that is off has left on this host."""
        net = network.find(self.machines)
        if net is None:
            return
        part = net.part(self.address)
        net.disconnect(self.address)
        for identity in self._kept()["volumes"]:
            Volume(self.machines, identity).detach()
        remove_groups(part)
        shutil.rmtree(f"/run/systemd/nspawn/propagate/{part}", ignore_errors=True)

    def _exclusive(self) -> AbstractContextManager[None]:
        """Hold this machine against other threads and processes that would start or change it."""
        return locked(self.machines / "locks" / self.name)


def found(machines: Path) -> list[Machine]:
    """Every machine of a sandbox."""
    files = sorted((machines / "servers").glob("*/machine.json"))
    return [Machine(machines.resolve(), file.parent.name) for file in files]
