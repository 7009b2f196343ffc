"""A machine of the sandbox with what only tests do to it: they run programs inside, read its journal, reboot it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from fake_providers.machines import Machine, MachineError
from fake_providers.machines.commands import run
from fake_providers.machines.machine import START_SECONDS, STOP_SECONDS

_CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class OperatedMachine(Machine):
    """A machine, and whoever sits at it."""

    @classmethod
    def find(cls, machines: Path, name: str) -> Self:
        """The machine of that name. Raises MachineError: there is none."""
        machine = cls(machines.resolve(), name)
        if not machine._file.is_file():
            raise MachineError(f"there is no machine {name!r} below {machines}")
        return machine

    @property
    def identity(self) -> str:
        """The id it was made with."""
        return str(self._kept()["identity"])

    def run(
        self,
        command: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - as in subprocess.run
        timeout: float | None = 60,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program inside as root, from outside: with all this host's rights, as nobody inside would have.

        Raises:
            MachineError: it is off, or the program took longer than `timeout` seconds.
        """
        leader = self._leader()
        if leader is None:
            raise MachineError(f"machine {self.name} is off")
        clean = ["env", "--ignore-environment", f"PATH={_CLEAN_PATH}", "HOME=/root", "LANG=C.UTF-8"]
        enter = ["nsenter", "--target", str(leader), "--all", "--root", "--wd"]
        try:
            return subprocess.run(
                [*enter, *clean, *command], input=input, capture_output=True, text=True, check=False, timeout=timeout,
                errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise MachineError(f"machine {self.name}: {command[0]} was not done after {timeout} s") from None

    def journal(self) -> str:
        """Its whole journal, of every boot; also while it is off."""
        arguments = ["journalctl", "--no-pager", "--quiet", "--output=short-iso"]
        if self.is_running:
            return self.run(arguments).stdout
        return run([*arguments, f"--directory={self.upper / 'var/log/journal'}"])

    def power_off(self) -> None:
        """Shut it down in order; pull the plug if that takes too long. Nothing but its folder is left."""
        with self._exclusive():
            self._stop(STOP_SECONDS)

    def reboot(self) -> None:
        """Shut down in order and boot again; returns when its systemd runs again.

        Raises:
            MachineError: it is off, or doesn't come up again.
        """
        before = self._leader()
        self.run(["systemctl", "reboot", "--no-block"])
        self._wait(STOP_SECONDS + START_SECONDS, before)
