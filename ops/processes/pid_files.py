"""Which process is meant by a pid. Standard library only: the supervisor uses it too.

Owns pid files that carry the process's start time, so that a recycled pid is never taken for the process that had it.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from composition.private_files import write_private

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


def start_mark(pid: int) -> str | None:
    """A text that no other process with this pid has had or will have; None if there is no such process.

    Linux: the boot's id and the clock tick the process started at. Elsewhere: what `ps` prints as its start.
    """
    if BOOT_ID_FILE.exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()  # a program's name may itself hold spaces and brackets
        if fields[0] in ("Z", "X"):
            return None
        return f"{BOOT_ID_FILE.read_text(encoding='ascii').strip()}/{fields[19]}"
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
    )
    return shown.stdout.strip() or None


@dataclass(frozen=True)
class PidFile:
    """A file that names one running process."""

    path: Path

    def write(self, pid: int | None = None) -> None:
        """Name the process, by default this one. Raises OSError."""
        pid = os.getpid() if pid is None else pid
        write_private(self.path, f"{pid}\n{start_mark(pid)}\n".encode())

    def read(self) -> int | None:
        """The pid, if that very process still runs."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        if len(lines) != 2 or not lines[0].isdigit():
            return None  # half a file from a full disk names nobody
        pid = int(lines[0])
        return pid if start_mark(pid) == lines[1] else None

    def remove(self) -> None:
        """Forget the process."""
        self.path.unlink(missing_ok=True)
