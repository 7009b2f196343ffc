"""Volumes, and the disks they are in a machine that is on: plugged in, and pulled out, without udev.

Owns a volume's sparse file, the loop device that makes a disk of it while a machine has it, and the device nodes inside
the machine. Refuses nothing about its content: what is on a volume is the machine's. A disk that is pulled out while it
is mounted is gone for the machine at once, as it is on a server: what the filesystem had not written is lost. Programs
that had files open there are killed, since the disk must be free for another machine; on a server they would live until
their next access to it.
"""

import errno
import fcntl
import os
import re
import signal
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fake_providers.machines.commands import MachineError, eventually, run

_GIGABYTE = 1 << 30
_LOOP_MAJOR = 7
_LET_GO_SECONDS = 20.0
"""How long a disk may stay in use after it was taken away: a lazy unmount ends with the last process that had it."""
_SHUTDOWN, _NO_FLUSH = 0x8004587D, 2
"""EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH (linux: fs/ext4/ext4.h); XFS has the same."""


@dataclass(frozen=True)
class Volume:
    """One volume of a sandbox, by its id."""

    machines: Path
    identity: str

    @property
    def file(self) -> Path:
        """Where its bytes are."""
        return self.machines / "volumes" / f"{self.identity}.img"

    def create(self, gigabytes: int) -> None:
        """Make it, empty; takes no space until it is written to."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.file.exists():
            raise MachineError(f"there is a volume {self.identity} already; it may hold something")
        with self.file.open("xb") as out:
            out.truncate(gigabytes * _GIGABYTE)
        self.file.chmod(0o600)

    def grow(self, gigabytes: int) -> None:
        """Make it larger; the machine sees its new size at once."""
        if gigabytes * _GIGABYTE < self.file.stat().st_size:
            raise MachineError(f"volume {self.identity}: {gigabytes} GB is smaller than it is; a volume never shrinks")
        os.truncate(self.file, gigabytes * _GIGABYTE)
        for loop in self.loops():
            run(["losetup", "--set-capacity", loop])

    def attach(self) -> None:
        """Give it a loop device, e.g. `/dev/loop3`, if it has none.
        Raises MachineError: this host gives no loop device, or the volume is still in use by whoever had it."""
        if self.loops():
            return
        free = run(["losetup", "--find"]).strip()
        if not Path(free).exists():
            # Nobody makes the nodes of further devices where no udev runs.
            os.mknod(free, 0o600 | 0o060000, os.makedev(_LOOP_MAJOR, int(re.sub(r"\D", "", free))))
        run(["losetup", "--find", "--nooverlap", str(self.file)])

    def detach(self) -> None:
        """Take the loop device away. Raises MachineError: it is still in use after some time."""
        for loop in self.loops():
            run(["losetup", "--detach", loop])
        if not eventually(lambda: not self.loops(), _LET_GO_SECONDS):
            raise MachineError(f"volume {self.identity}: {', '.join(self.loops())} is still in use")

    def delete(self) -> None:
        """Remove it, with everything on it."""
        if self.file.exists():
            self.detach()
            self.file.unlink()

    def loops(self) -> list[str]:
        """The loop devices it has now."""
        return run(["losetup", "--associated", str(self.file), "--noheadings", "--output", "NAME"]).split()


def disk_lines(links: Mapping[str, Sequence[str]]) -> str:
    """A line for each disk as `init.sh` reads it: link, name, major and minor number; `links` by their loops."""
    lines = []
    for number, (link, loops) in enumerate(sorted(links.items())):
        for loop in loops[:1]:
            device = Path(loop).stat().st_rdev
            # A server's own disk is sda.
            lines.append(f"{link} sd{chr(ord('b') + number)} {os.major(device)} {os.minor(device)}\n")
    return "".join(lines)


def push(leader: int, lines: str) -> None:
    """Make the nodes of disks that a running machine doesn't have yet."""
    root = Path(f"/proc/{leader}/root")
    for line in lines.splitlines():
        link, disk, major, minor = line.split()
        by_id = root / "dev/disk/by-id" / link
        if by_id.is_symlink():
            continue
        taken = {other.name for other in (root / "dev").glob("sd?")}
        disk = next(name for name in [disk, *(f"sd{letter}" for letter in "bcdefgh")] if name not in taken)
        os.mknod(root / "dev" / disk, 0o660 | 0o060000, os.makedev(int(major), int(minor)))
        by_id.parent.mkdir(parents=True, exist_ok=True)
        by_id.symlink_to(f"../../{disk}")


def pull(leader: int, link: str, loops: Sequence[str]) -> None:
    """Take a disk out of a running machine."""
    root = Path(f"/proc/{leader}/root")
    for loop in loops:
        number = Path(loop).stat().st_rdev
        wanted = f"{os.major(number)}:{os.minor(number)}"
        places = _mounted_at(leader, wanted)
        for place in places:
            _end_filesystem(root / place.lstrip("/"))
        if places:
            _kill(leader, partial(_uses, number))
        for place in places:
            run(["nsenter", "--target", str(leader), "--all", "--root", "--wd", "umount", "--lazy", place])
        # A sandboxed service has mounts of its own, binds among them that no unmounting elsewhere reaches.
        _kill(leader, partial(_mounts, wanted))
    by_id = root / "dev/disk/by-id" / link
    if by_id.is_symlink():
        (root / "dev" / by_id.readlink().name).unlink(missing_ok=True)
        by_id.unlink()


def _mounted_at(leader: int, device: str) -> list[str]:
    """Where a device is mounted in the machine, the last place first."""
    lines = Path(f"/proc/{leader}/mountinfo").read_text().splitlines()
    return [fields[4] for fields in reversed([line.split() for line in lines]) if fields[2] == device]


def _end_filesystem(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
    except OSError as error:
        # Mounted twice, it ended with the first; other kinds of filesystem just lose what they hadn't written.
        if error.errno not in {errno.ENOTTY, errno.EIO, errno.ESHUTDOWN}:
            raise
    finally:
        os.close(descriptor)


def _kill(leader: int, holds: Callable[[Path], bool]) -> None:
    """Kill those of the machine's programs that hold something of a disk's; each is asked about by its /proc folder."""
    namespace = Path(f"/proc/{leader}/ns/pid").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").readlink() == namespace and int(process.name) != leader and holds(process):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue  # it ended meanwhile


def _mounts(device: str, process: Path) -> bool:
    return bool(_mounted_at(int(process.name), device))


def _uses(device: int, process: Path) -> bool:
    return any(_device_of(link) == device for link in [process / "cwd", *(process / "fd").iterdir()])


def _device_of(link: Path) -> int | None:
    try:
        return link.stat().st_dev
    except OSError:
        return None  # closed meanwhile
