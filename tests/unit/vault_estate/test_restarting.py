"""`vault-estate run --restart-on-change`: when a command is ended and started anew, and how it ends.

No time passes: each wait of the command is answered by a script. At the end there are real commands, with a terminal
and without one.
"""

import errno
import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from ops.paths import ROOT
from vault_estate.cli import main, restarting
from vault_estate.cli.restarting import LOOK_SECONDS, SPLAY_SECONDS, STOP_SECONDS, Restarting
from vault_estate.errors import VaultUnavailable
from vault_estate.testing import FakeVault

pytest_plugins = ("vault_estate.testing.plugin",)

CANARY = "canary-7c1"
OLD, NEW, NEWEST = ({"KEY": f"{CANARY}-{number}"} for number in range(3))


@dataclass
class Scripted:
    """A command: what each wait for it answers; None: it still runs."""

    waits: list[int | None]
    has: Mapping[str, str] = field(default_factory=dict)
    waited: list[float | None] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    during: Callable[[], object] = lambda: None
    """Happens in its first wait."""

    def wait(self, timeout: float | None = None) -> int:
        self.waited.append(timeout)
        if len(self.waited) == 1:
            self.during()
        found = self.waits.pop(0)
        if found is None:
            raise subprocess.TimeoutExpired("command", timeout or 0.0)
        return found

    def send_signal(self, number: int, /) -> None:
        self.sent.append(number)

    def kill(self) -> None:
        self.sent.append(signal.SIGKILL)


class Told:
    """A run of some commands, one after the other, with what each reading finds."""

    def __init__(self, found: list[Mapping[str, str] | VaultUnavailable], *commands: Scripted) -> None:
        self.found, self.commands, self.words = found, list(commands), [""][:0]
        self.restarting = Restarting(
            read=self._read, start=self._start, chance=lambda low, high: (low + high) / 3, tell=self.words.append
        )

    def _read(self) -> Mapping[str, str]:
        one = self.found.pop(0)
        if isinstance(one, VaultUnavailable):
            raise one
        return one

    def _start(self, variables: Mapping[str, str]) -> Scripted:
        command = self.commands.pop(0)
        command.has = variables
        return command


def test_a_command_without_changes_is_left_alone_and_its_end_is_this_ones() -> None:
    command = Scripted([None, None, 3])
    told = Told([OLD, OLD, OLD], command)

    assert told.restarting.run() == 3

    assert (command.has, command.sent, command.waited) == (OLD, [], [LOOK_SECONDS] * 3)
    assert told.words == []


def test_a_changed_secret_restarts_it_with_the_newest_values_after_a_while() -> None:
    first, second = Scripted([None, None, 0]), Scripted([0])
    told = Told([OLD, NEW, NEWEST], first, second)

    assert told.restarting.run() == 0

    assert first.waited == [LOOK_SECONDS, SPLAY_SECONDS / 3, STOP_SECONDS]
    assert first.sent == [signal.SIGTERM]
    assert (first.has, second.has) == (OLD, NEWEST)
    assert told.words == ["a secret has changed: the command is restarted"]


def test_a_change_that_is_taken_back_meanwhile_restarts_nothing() -> None:
    command = Scripted([None, None, 0])
    told = Told([OLD, NEW, OLD], command)

    assert told.restarting.run() == 0

    assert (command.sent, told.commands, told.words) == ([], [], [])


def test_a_command_that_ends_while_it_is_spared_is_not_started_again() -> None:
    command = Scripted([None, 7])

    assert Told([OLD, NEW], command).restarting.run() == 7


def test_a_command_that_does_not_end_is_killed() -> None:
    first, second = Scripted([None, None, None, -9]), Scripted([-15])
    told = Told([OLD, NEW, NEW], first, second)

    assert told.restarting.run() == 128 + signal.SIGTERM

    assert first.sent == [signal.SIGTERM, signal.SIGKILL]
    assert told.words[1] == "it did not end within 30 s after SIGTERM, and is killed"


def test_a_vault_that_is_away_ends_nothing_and_is_told_once() -> None:
    away = VaultUnavailable("app-prod: nobody answers")
    command = Scripted([None, None, None, None, 0])
    told = Told([OLD, away, away, OLD, away], command)

    assert told.restarting.run() == 0

    assert command.sent == []
    assert told.words == ["app-prod: nobody answers; the command keeps what it has"] * 2
    with pytest.raises(VaultUnavailable):
        Told([away]).restarting.run()


def test_signals_are_passed_on_and_one_to_end_ends_both() -> None:
    command = Scripted([None, -15], during=lambda: os.kill(os.getpid(), signal.SIGUSR1))
    before = signal.getsignal(signal.SIGUSR1)
    assert Told([OLD, OLD], command).restarting.run() == 128 + signal.SIGTERM
    assert command.sent == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before

    # It comes while the command is being ended for a change: it isn't started again.
    command = Scripted([None, None, 0])
    told = Told([OLD, NEW, NEW], command, Scripted([0]))
    told.restarting.tell = lambda _: os.kill(os.getpid(), signal.SIGTERM)
    assert told.restarting.run() == 0
    assert command.sent == [signal.SIGTERM, signal.SIGTERM]
    assert len(told.commands) == 1


def test_one_that_comes_between_two_commands_reaches_the_next() -> None:
    first, second = Scripted([None, None, 0]), Scripted([-2])
    told = Told([OLD, NEW, NEW], first, second)
    start = told.restarting.start

    def interrupted(variables: Mapping[str, str]) -> restarting.Process:
        if variables == NEW:
            os.kill(os.getpid(), signal.SIGINT)
        return start(variables)

    told.restarting.start = interrupted
    assert told.restarting.run() == 128 + signal.SIGINT
    assert second.sent == [signal.SIGINT]


@pytest.mark.parametrize("name", ["TERM", "SIGTERM", "sigterm"])
def test_a_signal_has_a_name(name: str) -> None:
    assert restarting.stop_signal(name) is signal.SIGTERM


def test_the_command_line_starts_it_with_secrets_and_shows_none(
    vault: FakeVault, capfd: pytest.CaptureFixture[str]
) -> None:
    vault.put("app-prod", KEY=CANARY)
    program = f"import os, sys; sys.exit(5 if os.environ['KEY'] == {CANARY[:6]!r} + {CANARY[6:]!r} else 6)"

    assert main.main(["run", "--restart-on-change", "HUP", "app-prod", "--", sys.executable, "-c", program]) == 5

    assert main.main(["run", "--restart-on-change", "OFTEN", "app-prod", "--", "true"]) == 2
    shown = capfd.readouterr()
    assert shown.err == "vault-estate: --restart-on-change is no signal's name; expected one, such as TERM or HUP\n"
    assert CANARY not in shown.out + shown.err


_RUNS = """
import fcntl, os, signal, sys, termios
from vault_estate.cli.restarting import Restarting, started

for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests in the background may have them ignored
if sys.argv[1] == "terminal":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
told = os.open(sys.argv[3], os.O_WRONLY)
command = [sys.executable, "-c", sys.argv[2], sys.argv[3]]


def start(has):
    running = started(sys.executable, command, has)
    send, wait = running.send_signal, running.wait

    def waited(seconds):
        running.wait = wait
        os.write(told, b"waited for\\n")
        return wait(seconds)

    running.wait = waited
    running.send_signal = lambda number: (os.write(told, f"sent {number}\\n".encode()), send(number))
    return running


sys.exit(Restarting(read=lambda: os.environ, start=start).run())
"""
_COMMAND = """
import os, signal, sys

told = os.open(sys.argv[1], os.O_WRONLY)
for number in {heard}:
    signal.signal(number, lambda number, _: os.write(told, f"{{number}}\\n".encode()))
signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
os.write(told, b"ready\\n")
while True:
    signal.pause()
"""


@contextmanager
def _running(folder: Path, kind: str, heard: list[int]) -> Iterator[tuple[subprocess.Popen[bytes], int, IO[str]]]:
    """A real command under a real one that restarts it, in a session of its own: the process, the other end of its
    terminal, and what is told from when both are ready: what the command is sent, and what it handles."""
    told = folder / "told"
    os.mkfifo(told)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", _RUNS, kind, _COMMAND.format(heard=[int(one) for one in heard]), str(told)]
    with subprocess.Popen(
        words, stdin=theirs, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            with told.open() as stream:
                assert {stream.readline(), stream.readline()} == {"ready\n", "waited for\n"}
                yield process, ours, stream
        finally:
            with suppress(OSError):
                os.close(ours)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with a command that nobody has ended


def test_what_a_terminal_sends_both_is_sent_once(tmp_path: Path) -> None:
    with _running(tmp_path, "terminal", [signal.SIGINT, signal.SIGQUIT]) as (process, terminal, told):
        os.write(terminal, b"\x03")
        assert told.readline() == f"{int(signal.SIGINT)}\n"
        os.write(terminal, b"\x1c")
        assert told.readline() == f"{int(signal.SIGQUIT)}\n"
        process.send_signal(signal.SIGUSR1)
        assert told.read() == f"sent {int(signal.SIGUSR1)}\n"
        assert process.wait(300) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda one: one.name)
def test_a_signal_to_it_alone_ends_the_command_and_is_told_as_shells_do(number: signal.Signals, tmp_path: Path) -> None:
    with _running(tmp_path, "no terminal", []) as (process, _, told):
        process.send_signal(number)
        # Python's own handler of SIGINT ends the command by that signal, too.
        assert told.read() == f"sent {int(number)}\n"
        assert process.wait(300) == 128 + number


def test_a_terminal_that_is_hung_up_ends_the_command(tmp_path: Path) -> None:
    with _running(tmp_path, "terminal", []) as (process, terminal, told):
        os.close(terminal)
        assert told.read().count("sent") <= 1
        assert process.wait(300) == 128 + signal.SIGHUP


def test_what_is_ignored_is_not_passed_on(tmp_path: Path) -> None:
    with _running(tmp_path, "nohup", [signal.SIGUSR2]) as (process, _, told):
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR2)
        assert told.readline() == f"sent {int(signal.SIGUSR2)}\n"
        assert told.readline() == f"{int(signal.SIGUSR2)}\n"
        process.send_signal(signal.SIGUSR1)
        assert process.wait(300) == 7


def test_words_that_nobody_can_read_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its terminal was hung up, or closed from the start."""

    class Gone(io.StringIO):
        def write(self, _: str, /) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    for stream in (Gone(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        told = Told([OLD, NEW, NEWEST], Scripted([None, None, 0]), Scripted([0]))
        told.restarting.tell = Restarting(read=dict, start=told.restarting.start).tell
        assert told.restarting.run() == 0


def test_a_signal_at_the_moment_of_a_start_is_sent_once() -> None:
    first, second = Scripted([None, None, 0]), Scripted([-15])
    told = Told([OLD, NEW, NEW], first, second)
    start = told.restarting.start

    def begun(variables: Mapping[str, str]) -> restarting.Process:
        found = start(variables)
        if variables == NEW:
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    told.restarting.start = begun
    assert told.restarting.run() == 128 + signal.SIGTERM
    assert second.sent == [signal.SIGTERM]
