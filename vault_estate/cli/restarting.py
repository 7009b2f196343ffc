"""`vault-estate run --restart-on-change`: a command that is ended and started anew when a secret of it changes.

Owns when that is looked at, and the way to end. Refuses to end a command because Vault can't be asked: what it has is
kept. The command's end is this one's; signals to this process are passed on to it, once each: not what a terminal sends
to both, and none that is ignored, as `nohup` wants it.
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

from vault_estate.errors import ConfigurationError, VaultEstateError

LOOK_SECONDS = 15.0
"""How often the client is asked, which asks Vault no more often than a secret counts as fresh."""
SPLAY_SECONDS = 30.0
"""Within so many seconds each command that has the secret is restarted: not all at once."""
STOP_SECONDS = 30.0
"""How long a command may take to end before it is killed."""
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_BY_KEYS = frozenset({signal.SIGINT, signal.SIGQUIT})
"""What a terminal sends to all processes in its foreground when somebody presses keys."""
_TERMINAL = "/dev/tty"


class Process(Protocol):
    """What is asked of a command that runs; `subprocess.Popen` has it."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative if a signal ended it. Raises subprocess.TimeoutExpired."""

    def send_signal(self, number: int, /) -> None:
        """Send it one; nothing if it has ended."""

    def kill(self) -> None:
        """End it at once."""


def stop_signal(name: str) -> signal.Signals:
    """A signal by its name, with or without SIG. Raises ConfigurationError."""
    try:
        return signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]
    except KeyError:
        raise ConfigurationError("--restart-on-change is no signal's name; expected one, such as TERM or HUP") from None


@dataclass(kw_only=True)
class Restarting:
    """One command, for as long as it lives."""

    read: Callable[[], Mapping[str, str]]
    """The variables its secrets make now. Raises VaultEstateError."""
    start: Callable[[Mapping[str, str]], Process]
    stop: signal.Signals = signal.SIGTERM
    chance: Callable[[float, float], float] = random.uniform
    tell: Callable[[str], None] = field(default_factory=lambda: _tell)
    is_in_foreground: Callable[[], bool] = field(default_factory=lambda: _is_in_foreground)
    _child: Process | None = field(default=None, init=False)
    _has_ended: bool = field(default=True, init=False)
    """Whether there is none that a signal could reach."""
    _asked_to_end: int | None = field(default=None, init=False)
    _missed: int | None = field(default=None, init=False)
    """The last signal to end that came while there was none."""
    _is_told: bool = field(default=False, init=False)

    def run(self) -> int:
        """Until it ends; its exit code, 128 and the number of a signal that ended it.
        Raises VaultEstateError: its secrets can't be read before its first start."""
        has = self.read()
        with _handled(self._passed_on):
            child = self._begun(has)
            while True:
                code = self._watched(child, has)
                if code is not None:
                    return code
                newer = self._now(has)
                if newer == has:
                    continue
                self.tell("a secret has changed: the command is restarted")
                code = self._stopped(child)
                self._has_ended = True
                if self._asked_to_end is not None:
                    return code
                has = newer
                child = self._begun(has)

    def _begun(self, has: Mapping[str, str]) -> Process:
        self._child = child = self.start(has)
        self._has_ended = False
        missed, self._missed = self._missed, None
        if missed is not None:  # while there was none to be told
            child.send_signal(missed)
        return child

    def _watched(self, child: Process, has: Mapping[str, str]) -> int | None:
        """Its exit code; None: it runs, and has to be restarted."""
        while (code := _ended(child, LOOK_SECONDS)) is None:
            if self._now(has) != has:
                return _ended(child, self.chance(0.0, SPLAY_SECONDS))
        return code

    def _now(self, has: Mapping[str, str]) -> Mapping[str, str]:
        try:
            found = self.read()
        except VaultEstateError as error:
            if not self._is_told:
                self.tell(f"{error}; the command keeps what it has")
            self._is_told = True
            return has
        self._is_told = False
        return found

    def _stopped(self, child: Process) -> int:
        child.send_signal(self.stop)
        code = _ended(child, STOP_SECONDS)
        if code is None:
            self.tell(f"it did not end within {STOP_SECONDS:.0f} s after {self.stop.name}, and is killed")
            child.kill()
            code = _code(child.wait())
        return code

    def _passed_on(self, number: int, _: FrameType | None) -> None:
        if number in _ENDING:
            self._asked_to_end = number
        if self._child is None or self._has_ended:
            self._missed = self._asked_to_end
        elif number not in _BY_KEYS or not self.is_in_foreground():
            self._child.send_signal(number)


def _ended(child: Process, seconds: float) -> int | None:
    try:
        return _code(child.wait(seconds))
    except subprocess.TimeoutExpired:
        return None


def _code(returned: int) -> int:
    return 128 - returned if returned < 0 else returned


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    heard = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)


def _is_in_foreground() -> bool:
    """Whether a terminal sends this process, and so a command that it starts, what somebody presses there."""
    try:
        terminal = os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _tell(words: str) -> None:
    if sys.stderr is None:  # it was closed; print would take standard output, which is the command's
        return
    with suppress(OSError):  # the terminal was hung up; the command goes on
        print(f"vault-estate: {words}", file=sys.stderr, flush=True)


def started(program: str, command: Sequence[str], variables: Mapping[str, str]) -> Process:
    """The command, with these variables and nobody's handlers of signals."""
    return subprocess.Popen(command, executable=program, env=dict(variables), restore_signals=True)
