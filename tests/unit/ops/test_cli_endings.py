"""How a command ends: exit codes, one line for what went wrong, no traceback; with real signals and processes too."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ops.cli import main
from ops.cli.options import ask
from ops.errors import EstateError, InterruptedRunError
from ops.paths import ROOT
from tests.unit.ops.fakes import asked_of

Captured = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("command_line")

ENDINGS: dict[str, tuple[BaseException, int, str]] = {
    "the operator's to mend": (EstateError("port 8200 is taken"), 2, "estate: port 8200 is taken\n"),
    "several lines": (EstateError("up failed:\n  a\n  b"), 2, "estate: up failed:\n  a\n  b\n"),
    "what would paint the terminal": (EstateError("\x1b[31mred \x9b is x"), 2, "estate: \\x1b[31mred \\x9b is x\n"),
    "interrupted at work": (InterruptedRunError("interrupted; recorded"), 130, "estate: interrupted; recorded\n"),
    "Ctrl-C elsewhere": (KeyboardInterrupt(), 130, "estate: interrupted; the same command goes on from there\n"),
    "a full disk": (
        OSError(errno.ENOSPC, "No space left on device", "/estate/state"),
        2,
        "estate: /estate/state: No space left on device\n",
    ),
    "a file closed to us": (PermissionError(13, "Permission denied", "x"), 2, "estate: x: Permission denied\n"),
    "a nameless disk": (OSError(errno.EIO, "Input/output error"), 2, "estate: Input/output error\n"),
    "words only": (OSError("went wrong"), 2, "estate: went wrong\n"),
}


@pytest.mark.parametrize(("ending", "code", "said"), ENDINGS.values(), ids=ENDINGS.keys())
def test_every_ending_is_a_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, ending: BaseException, code: int, said: str
) -> None:
    asked_of(monkeypatch, "ops.cli.main.lifecycle.status", ending)

    assert main.main(["status"]) == code
    assert capsys.readouterr() == ("", said)


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of(monkeypatch, "ops.cli.main.lifecycle.status", ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        main.main(["status"])


USAGE = {
    "no such command": ["upp"],
    "no such option": ["up", "--force"],
    "too much": ["up", "a", "b"],
    "too little": ["secret-id"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_is_told_and_exits_2(capsys: Captured, arguments: list[str]) -> None:
    assert main.main(arguments) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert "Usage: estate" in said.err
    assert "Traceback" not in said.err


def test_help_is_no_failure(capsys: Captured) -> None:
    assert main.main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("up", "preview", "down", "status", "doctor", "check", "test", "secret-id", "env"):
        assert f" {command} " in text


def test_an_ending_with_words_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of(monkeypatch, "ops.cli.main.lifecycle.status", SystemExit("words"))

    assert main.main(["status"]) == 1


def test_what_a_command_makes_is_closed_to_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def write(*_: object, **__: object) -> None:
        (tmp_path / "made").write_text("")
        raise EstateError(f"working in {Path.cwd()}")

    monkeypatch.setattr("ops.cli.main.lifecycle.status", write)
    monkeypatch.chdir(tmp_path)

    assert main.main(["status"]) == 2
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
    assert Path.cwd() == ROOT


def test_a_proxy_is_not_asked_for_the_local_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def look(*_: object, **__: object) -> None:
        seen.append((os.environ["NO_PROXY"], os.environ["no_proxy"]))
        raise EstateError("enough")

    monkeypatch.setattr("ops.cli.main.lifecycle.status", look)

    main.main(["status"])

    assert seen == [("corp.internal,127.0.0.1,localhost,::1", "127.0.0.1,localhost,::1")]


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_an_answer_that_is_piped_in_has_no_lines_end(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f" a token {end}", newline=""))

    assert ask("token: ") == " a token "


INTERRUPTED = """
import sys, time
from ops.cli import main
from ops.cli.options import ask

def hang(*_, **__):
    print("hangs", file=sys.stderr, flush=True)
    time.sleep(60)

main.lifecycle.status = hang
sys.exit(main.main(["status"]))
"""


def _run(*command: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


def test_a_real_ctrl_c_ends_in_one_line() -> None:
    with _run("-c", INTERRUPTED) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "hangs\n"
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)

    assert running.returncode == 130
    assert out.strip() == ""
    assert err == "estate: interrupted; the same command goes on from there\n"


def test_the_module_is_the_command() -> None:
    with _run("-m", "ops", "status", "no/stack") as running:
        out, err = running.communicate(timeout=60)

    assert (running.returncode, out) == (2, "")
    assert err == "estate: stack 'no/stack' is not a valid stack name; expected letters, digits, '.', '_' or '-'\n"


def test_what_the_shell_tells_postgresqls_clients_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    main.main(["--help"])
    assert [name for name in os.environ if name.startswith("PG")] == []


def test_the_end_of_input_at_a_prompt_is_an_empty_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def closed(question: str) -> str:
        raise EOFError(question)

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", closed)
    assert ask("password: ") == ""
