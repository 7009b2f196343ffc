"""Interrupting a command with real signals: the engine is told once, waited for, and the command says how to go on.

The engine is a fake script of that name.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.engine.interrupts import patience
from ops.errors import InterruptedRunError
from ops.paths import ROOT
from tests.unit.ops.events import Told
from tests.unit.ops.fakes import fake_program

COMMAND = """
import subprocess, sys
from types import SimpleNamespace
from ops.console import Console
from ops.errors import InterruptedRunError
from ops.engine.interrupts import patience
terminal, engine = sys.argv[1] == "terminal", sys.argv[2]
if terminal:
    sys.stdin = SimpleNamespace(isatty=lambda: True)
class Steps:
    def step(self, name, *, finished):
        print(name, flush=True)
try:
    with patience(Steps()):
        child = subprocess.Popen([engine])
        print("waits", flush=True)
        sys.exit(f"engine ended with {child.wait()}")
except InterruptedRunError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""
SAYS = "interrupted: waiting for the steps under way, so that nothing is lost"
ENDS = "interrupted; what was done is recorded. The same command goes on from there"


WAITER = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[2]).write_text("ended")
    sys.exit()
signal.signal(signal.SIGINT, end)
pathlib.Path(sys.argv[2]).write_text("waits")
time.sleep(60)
"""


def _engine(folder: Path, name: str) -> Path:
    """A fake engine with a helper that waits: writes down each signal, and takes a moment to end after the first."""
    (folder / "waiter.py").write_text(WAITER)
    return fake_program(
        folder / name,
        f"{sys.executable} {folder}/waiter.py pulumi.dynamic {folder}/waiter &",
        f"until [ -s {folder}/waiter ]; do sleep 0.05; done",
        f"trap 'echo told >> {folder}/log; [ -f {folder}/ending ] || {{ touch {folder}/ending; left=10; }}' INT",
        "left=600",
        f"echo begun >> {folder}/log",
        'while [ "$left" -gt 0 ]; do sleep 0.05; left=$((left - 1)); done',
        f"echo ended >> {folder}/log",
    )


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _interrupted(
    folder: Path, *signals: signal.Signals, terminal: bool = False, name: str = "pulumi"
) -> tuple[int, list[str], list[str]]:
    """Send signals to a command with an engine at work: its exit code, what it said, what the engine wrote down."""
    log = folder / "log"
    command = [sys.executable, "-c", COMMAND, "terminal" if terminal else "none", str(_engine(folder, name))]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as running:
        try:
            _until(lambda: log.is_file() and "begun" in log.read_text())
            for number, sent in enumerate(signals, 1):
                running.send_signal(sent)
                if not terminal and name == "pulumi":
                    _until(lambda: log.read_text().count("told") >= number)  # noqa: B023 - called at once
                else:
                    time.sleep(0.3)
            if terminal or name != "pulumi":
                os.killpg(running.pid, signal.SIGINT)  # what a terminal does; or, to come to an end
            said, _ = running.communicate(timeout=60)
        finally:
            running.kill()
    return running.returncode, said.splitlines(), log.read_text().split()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_engine_is_told_and_waited_for(tmp_path: Path, sent: signal.Signals) -> None:
    code, said, log = _interrupted(tmp_path, sent)

    assert code == 130
    assert said == ["waits", SAYS, ENDS]
    assert log == ["begun", "told", "ended"]


def test_one_that_begins_to_wait_after_the_interrupt_is_ended(tmp_path: Path) -> None:
    (tmp_path / "waiter.py").write_text(WAITER)
    late = fake_program(
        tmp_path / "pulumi",
        "trap '' INT",
        f"echo begun >> {tmp_path}/log",
        "sleep 1",
        # A shell's background jobs ignore the signal that it ignores itself.
        f"{sys.executable} {tmp_path}/waiter.py pulumi.dynamic {tmp_path}/waiter",
    )
    command = [sys.executable, "-c", COMMAND, "none", str(late)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as running:
        _until((tmp_path / "log").is_file)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=30)

    assert (running.returncode, said.splitlines()[-1]) == (130, ENDS)
    assert (tmp_path / "waiter").read_text() == "ended"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_provider_that_waits_for_the_server_is_ended(tmp_path: Path, terminal: bool) -> None:
    """The engine passes no interrupt on to it, and would wait for it to the end of its minutes."""
    _interrupted(tmp_path, signal.SIGINT, terminal=terminal)

    assert (tmp_path / "waiter").read_text() == "ended"


def test_a_terminal_has_told_the_engine_already(tmp_path: Path) -> None:
    """The command itself sends nothing on; the one signal the engine sees comes from the terminal."""
    code, said, log = _interrupted(tmp_path, signal.SIGINT, terminal=True)

    assert code == 130
    assert said[-1] == ENDS
    assert log == ["begun", "told", "ended"]


def test_only_the_engine_is_told_of_an_interrupt(tmp_path: Path) -> None:
    code, said, log = _interrupted(tmp_path, signal.SIGINT, name="something-else")

    assert code == 130
    assert said[-1] == ENDS
    assert log == ["begun", "told", "ended"]


def test_the_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    with patience(Told()):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != before

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_interrupt_matters_more_than_what_it_made_fail() -> None:
    told = Told()

    def work() -> None:
        with patience(told):
            os.kill(os.getpid(), signal.SIGINT)
            raise RuntimeError("the engine ended early")

    with pytest.raises(InterruptedRunError) as caught:
        work()

    assert str(caught.value) == ENDS
    assert told.steps == [(SAYS, False)]
    assert caught.value.exit_code == 130


def test_a_failure_without_an_interrupt_is_itself() -> None:
    with pytest.raises(RuntimeError, match="by itself"), patience(Told()):
        raise RuntimeError("by itself")


def test_a_thread_may_not_and_need_not_wait_for_signals() -> None:
    ran: list[str] = []

    def work() -> None:
        with patience(Told()):
            ran.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert ran == ["worked"]


def test_in_one_process(tmp_path: Path) -> None:
    """As above, where coverage can see it: SIGTERM becomes the engine's SIGINT."""
    shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / "pulumi")
    with subprocess.Popen([tmp_path / "pulumi", "60"]) as engine:

        def work() -> None:
            with patience(Told()):
                os.kill(os.getpid(), signal.SIGTERM)
                engine.wait(timeout=30)

        with pytest.raises(InterruptedRunError):
            work()

    assert engine.returncode == -signal.SIGINT
