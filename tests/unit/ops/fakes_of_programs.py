"""Fakes of `aws` and `kubectl`: what each answers is what a test says, and what was asked is kept."""

import subprocess
from collections.abc import Sequence
from threading import Event
from typing import cast

from ops.platforms.forwarding import Programs


class FakeForward:
    """A fake of kubectl that forwards until it is ended."""

    def __init__(self, *, ends: bool) -> None:
        self.ended = Event()
        if ends:
            self.ended.set()

    def wait(self) -> int:
        """Until it is ended."""
        assert self.ended.wait(60)
        return 0

    def terminate(self) -> None:
        """As a signal does."""
        self.ended.set()


class FakePrograms(Programs):
    """Fakes of both programs: what each answers, and what was asked."""

    def __init__(self, *answers: tuple[str, str], ends: bool = True, missing: Sequence[str] = ()) -> None:
        super().__init__(environ={})
        self.answers, self.ends, self.gone = list(answers), ends, list(missing)
        self.asked: list[str] = []
        self.processes: list[FakeForward] = []
        self.started = Event()

    def missing(self) -> list[str]:
        """As a test says."""
        return self.gone

    def ask(self, command: Sequence[str], given: str = "") -> tuple[str, str]:
        """The next answer."""
        self.asked.append(" ".join([*command, given] if given else command))
        return self.answers.pop(0) if self.answers else ("", "aws: no such cluster")

    def start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        """One that forwards."""
        self.asked.append(" ".join(command))
        self.processes.append(FakeForward(ends=self.ends))
        self.started.set()
        return cast("subprocess.Popen[str]", self.processes[-1])
