"""`vault-estate run --restart-on-change`: when a command is ended and started anew, and how it ends.

No time passes: each wait of the command is answered by a script. One real command at the end is not waited for either.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

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
