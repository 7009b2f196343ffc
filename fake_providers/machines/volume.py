"""A volume: a sparse file, and the loop device that makes a disk of it while a machine has it.

Owns the files and the loops. Refuses nothing about their content: what is on a volume is the machine's.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from fake_providers.machines.commands import MachineError, run

_GIGABYTE = 1 << 30
_LOOP_MAJOR = 7
_LET_GO_SECONDS = 20.0
"""How long a disk may stay in use after it was taken away: a lazy unmount ends with the last process that had it."""


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
        deadline = time.monotonic() + _LET_GO_SECONDS
        while self.loops():
            if time.monotonic() > deadline:
                raise MachineError(f"volume {self.identity}: {', '.join(self.loops())} is still in use")
            time.sleep(0.1)

    def delete(self) -> None:
        """Remove it, with everything on it."""
        if self.file.exists():
            self.detach()
            self.file.unlink()

    def loops(self) -> list[str]:
        """The loop devices it has now."""
        return run(["losetup", "--associated", str(self.file), "--noheadings", "--output", "NAME"]).split()
