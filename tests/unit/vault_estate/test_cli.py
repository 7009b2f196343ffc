"""The command `vault-estate`: where values go and where not, the forms, and exit codes. Who reads is a double."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values

import vault_estate
from ops.paths import ROOT
from tests.unit.vault_estate.readers import DoubleReader
from vault_estate.cli import formats, main
from vault_estate.errors import PermissionDenied, VaultEstateError

CANARY = "canary-9a1d5c3e7b2f4860"
ODD = {"A": 'it\'s $HOME `id` \\ "q"', "B": "two\nlines\n", "C": "ünï=cödé #no", "D": " spaces "}
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> DoubleReader:
    """What the command reads from."""
    secrets: dict[str, Mapping[str, str] | VaultEstateError] = {
        "app-prod": {"AOS_API_KEY": CANARY, "WEBHOOK_KEY": "w"},
        "odd": ODD,
        "denied": PermissionDenied("denied at agenticverz/data/denied"),
    }
    reader = DoubleReader(secrets)
    monkeypatch.setattr(vault_estate, "VaultClient", lambda: reader)
    return reader


class Terminal(io.TextIOWrapper):
    """A standard output that says it is one."""

    def isatty(self) -> bool:
        """It is."""
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What a terminal shows from now on."""
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(shown, encoding="ascii"))
    return shown


@pytest.mark.usefixtures("reads")
def test_a_value_goes_to_a_pipe_as_it_is(capsys: Captured) -> None:
    assert main.main(["get", "app-prod", "AOS_API_KEY"]) == 0
    assert capsys.readouterr() == (CANARY, "")


@pytest.mark.parametrize("arguments", [["get", "app-prod", "AOS_API_KEY"], ["env", "app-prod"]])
def test_a_terminal_gets_none_and_nothing_is_read(
    arguments: list[str], reads: DoubleReader, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    shown = on_a_terminal(monkeypatch)
    assert main.main(arguments) == 2
    assert (reads.asked, shown.getvalue()) == ([], b"")
    assert capsys.readouterr().err == (
        "vault-estate: standard output is a terminal; expected a pipe, or --reveal to show values\n"
    )


@pytest.mark.parametrize("arguments", [["get", "app-prod", "AOS_API_KEY"], ["env", "app-prod"]])
def test_a_closed_output_is_told_and_nothing_is_read(
    arguments: list[str], reads: DoubleReader, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main.main(arguments) == 2
    assert reads.asked == []
    assert capsys.readouterr().err == "vault-estate: standard output is closed; expected a pipe\n"


@pytest.mark.usefixtures("reads")
def test_what_goes_wrong_is_not_printed_where_a_shell_evaluates(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main.main(["env", "denied"]) == 2
    assert capsys.readouterr().out == ""


FULL = "/dev/full"


@pytest.mark.parametrize("arguments", [("--help",), ("migrate", "status")], ids=["help", "status"])
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "full"])
def test_an_output_that_nobody_takes_is_exit_code_2(arguments: tuple[str, ...], gone: bool, tmp_path: Path) -> None:
    """With a buffer, as a program has its output where the environment doesn't say otherwise."""
    reads_end, writes_end = os.pipe() if gone else (os.open(FULL, os.O_RDONLY), os.open(FULL, os.O_WRONLY))
    os.close(reads_end)
    try:
        ended = _in_a_process(arguments, tmp_path, stdout=writes_end, stderr=subprocess.PIPE)
    finally:
        os.close(writes_end)
    told = "" if gone else "standard output can't be written (No space left on device); expected a place that takes it"
    assert (ended.returncode, ended.stderr) == (2, told and f"vault-estate: {told}\n")


@pytest.mark.parametrize("arguments", [("get", "app-prod", "A"), ("nothing",)], ids=["refused", "unknown"])
def test_an_error_that_nobody_takes_is_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with Path(FULL).open("w") as full:
        ended = _in_a_process(arguments, tmp_path, stdout=subprocess.PIPE, stderr=full.fileno())
    assert (ended.returncode, ended.stdout) == (2, "")


def _in_a_process(
    arguments: tuple[str, ...], folder: Path, *, stdout: int, stderr: int
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vault_estate", *arguments]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environ, stdout=stdout, stderr=stderr, text=True, check=False)


def test_ctrl_c_ends_it_without_a_traceback(monkeypatch: pytest.MonkeyPatch, reads: DoubleReader) -> None:
    def interrupted(_: str) -> Mapping[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(reads, "get_secret", interrupted)
    assert main.main(["env", "app-prod"]) == 130
    assert reads.closed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_as_shells_have_it_and_the_client_is_closed(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, reads: DoubleReader, capsys: Captured
) -> None:
    """A client that is closed revokes its token."""

    def ended(_: str) -> Mapping[str, str]:
        signal.raise_signal(number)
        raise AssertionError

    monkeypatch.setattr(reads, "get_secret", ended)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as left:
            main.main(["run", "app-prod", "--", "sh"])
        assert signal.getsignal(number) is signal.SIG_DFL
        assert (left.value.code, reads.closed) == (128 + number, True)
    finally:
        signal.signal(number, before)
    assert capsys.readouterr() == ("", "")


def test_a_signal_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch, reads: DoubleReader) -> None:
    """As below `nohup`."""

    def ignored(_: str) -> Mapping[str, str]:
        signal.raise_signal(signal.SIGHUP)
        return {"A": "b"}

    monkeypatch.setattr(reads, "get_secret", ignored)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main.main(["env", "app-prod"]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("reads")
def test_a_terminal_gets_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_a_terminal(monkeypatch)
    assert main.main(["get", "odd", "C", "--reveal"]) == 0
    assert shown.getvalue() == "ünï=cödé #no\n".encode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["get", "app-prod", CANARY], "KEY is none of app-prod's; expected one of: AOS_API_KEY, WEBHOOK_KEY"),
        (["env", "app-prod", "denied"], "denied at agenticverz/data/denied"),
        (["env", "gone"], "secret gone is not there"),
        (
            ["env", "app-prod", "--format", "github"],
            "--format is github outside of a job of GitHub's; expected sh, dotenv or json",
        ),
        (["run", "app-prod"], "COMMAND is missing; expected -- and a command behind the names"),
        (["run", "app-prod", "--"], "COMMAND is missing; expected -- and a command behind the names"),
    ],
)
@pytest.mark.usefixtures("reads")
def test_what_goes_wrong_is_one_line_and_nothing_is_printed(
    arguments: list[str], words: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ENV", raising=False)
    assert main.main(arguments) == 2
    assert capsys.readouterr() == ("", f"vault-estate: {words}\n")


@pytest.mark.parametrize(
    "arguments",
    [["get", "a", "b", CANARY], ["env", "a", f"--{CANARY}"], ["env", "a", "--format", CANARY], [CANARY]],
)
def test_a_wrong_argument_is_not_quoted(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err
    assert len(said.err.splitlines()) == 1


# --- forms


def test_a_shell_reads_every_value_as_it_is(tmp_path: Path) -> None:
    script = formats.shell(ODD) + 'for n in A B C D; do eval "printf \'%s\\0\' \\"\\$$n\\""; done'
    said = subprocess.run(["sh", "-c", script], capture_output=True, check=True, cwd=tmp_path)
    assert said.stdout.decode().split("\0")[:-1] == list(ODD.values())


def test_dotenv_reads_every_value_as_it_is() -> None:
    assert dotenv_values(stream=io.StringIO(formats.dotenv(ODD))) == ODD


@pytest.mark.parametrize("value", ["${HOME}", "a\rb"])
def test_what_a_dotenv_cant_hold_is_refused(value: str) -> None:
    with pytest.raises(VaultEstateError, match=r"variable X holds what a \.env can't; expected --format sh or json"):
        formats.dotenv({"X": value})


@pytest.mark.usefixtures("reads")
def test_json_is_one_object(capsys: Captured) -> None:
    assert main.main(["env", "odd", "--format", "json", "--prefix", "P_"]) == 0
    assert json.loads(capsys.readouterr().out) == {f"P_{name}": value for name, value in ODD.items()}


@pytest.mark.usefixtures("reads")
def test_github_gets_masks_and_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    file = tmp_path / "env"
    file.write_text("BEFORE=1\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ENV", str(file))
    assert main.main(["env", "odd", "app-prod", "--format", "github"]) == 0
    masks = capsys.readouterr().out.splitlines()
    assert f"::add-mask::{CANARY}" in masks
    assert {"::add-mask::two", "::add-mask::lines"} <= set(masks)
    assert all(line.startswith("::add-mask::") for line in masks)
    assert _as_the_runner_reads(file.read_text()) == {
        "BEFORE": "1",
        **ODD,
        "AOS_API_KEY": CANARY,
        "WEBHOOK_KEY": "w",
    }


def _as_the_runner_reads(text: str) -> dict[str, str]:
    """By GitHub's description of the file: NAME=VALUE, or NAME<<END, lines, END."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if "<<" in line:
            name, end = line.split("<<")
            value = []
            while (one := next(lines)) != end:
                value.append(one)
            found[name] = "\n".join(value)
        elif line:
            name, _, value_ = line.partition("=")
            found[name] = value_
    return found


# --- run


class Became:
    """What the process would be: the real call doesn't come back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program, self.arguments, self.variables = "", [""], {"": ""}
        self.pipes: object = None
        monkeypatch.setattr(os, "execve", self._become)

    def _become(self, program: str, arguments: list[str], variables: dict[str, str]) -> None:
        self.program, self.arguments, self.variables = program, arguments, variables
        self.pipes = signal.getsignal(signal.SIGPIPE)
        raise SystemExit(0)


def run(became: Became, *arguments: str) -> Mapping[str, str]:
    """The variables of the command."""
    before = [(one, signal.getsignal(one)) for one in (signal.SIGPIPE, signal.SIGXFSZ)]
    try:
        with pytest.raises(SystemExit):
            main.main(["run", *arguments])
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    return became.variables


def test_a_command_takes_the_place_of_this_one_with_the_secrets(
    reads: DoubleReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_KEY", "own")
    became = Became(monkeypatch)
    variables = run(became, "app-prod", "--", "sh", "-c", "--", "x")
    assert (Path(became.program).name, became.arguments) == ("sh", ["sh", "-c", "--", "x"])
    assert (variables["AOS_API_KEY"], variables["WEBHOOK_KEY"]) == (CANARY, "own")
    assert CANARY not in " ".join(became.arguments)
    assert "AOS_API_KEY" not in os.environ
    assert reads.closed
    assert became.pipes is signal.SIG_DFL
    assert run(became, "app-prod", "--override", "--", "sh")["WEBHOOK_KEY"] == "w"


@pytest.mark.usefixtures("reads")
def test_a_pristine_command_has_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", CANARY)
    variables = run(Became(monkeypatch), "odd", "--pristine", "--", "sh")
    assert set(variables) - set(ODD) <= {"HOME", "LANG", "LOGNAME", "PATH", "TERM", "TZ", "USER"}


def test_a_command_that_isnt_there_is_told_before_anything_is_read(reads: DoubleReader, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["run", "app-prod", "--", "no-such-program"])
    assert ended.value.code == 127
    assert reads.asked == []
    assert capsys.readouterr().err == "vault-estate: COMMAND is no program that is found; expected one, behind --\n"


# --- vault_env.sh, with a command that stands for ours


SHELLS = pytest.mark.parametrize("kind", ["sh", "bash", "bash --posix"])
"""`sh` is dash, where Debian's is; its dot command takes no words."""
HALF = "echo 'export AOS_API_KEY=half'; echo away >&2; exit 2"


def shell(
    tmp_path: Path, command: str, script: str, *flags: str, kind: str = "bash", before: str = ""
) -> subprocess.CompletedProcess[str]:
    """A script in a shell that finds `command` as vault-estate."""
    program = tmp_path / "vault-estate"
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)
    sourced = f". {ROOT}/vault_estate/cli/vault_env.sh app-prod"
    return subprocess.run(
        [*kind.split(), *flags, "-c", f"set -- app-prod; {before}{sourced}; {script}"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@SHELLS
@pytest.mark.parametrize("flags", [(), ("-e",), ("-u",), ("-eu",)], ids=str)
def test_a_shell_gets_the_values(kind: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    told = "echo \"export AOS_API_KEY='$1 $2'\""
    said = shell(tmp_path, told, 'echo "$? $AOS_API_KEY"; sh -c "echo \\$AOS_API_KEY"', *flags, kind=kind)
    assert said.stdout == "0 env app-prod\nenv app-prod\n"


@SHELLS
def test_a_failure_sets_nothing_and_is_told(kind: str, tmp_path: Path) -> None:
    said = shell(tmp_path, HALF, 'echo "$? ${AOS_API_KEY-unset}"', kind=kind)
    assert (said.stdout, said.stderr) == ("2 unset\n", "away\n")
    ended = shell(tmp_path, HALF, "echo after", "-eu", kind=kind)
    assert (ended.returncode, ended.stdout) == (2, "")


@SHELLS
def test_where_one_variable_can_not_be_set_none_is(kind: str, tmp_path: Path) -> None:
    """It is read-only in that shell, which a shell of POSIX' kind would end for."""
    lines = formats.shell({"FIRST": "a", "SECOND": CANARY, "THIRD": "c"})
    told = f"cat <<'end'\n{lines}end"
    after = 'echo "$? ${FIRST-unset} ${SECOND-unset} ${THIRD-unset}"'
    said = shell(tmp_path, told, after, kind=kind, before="readonly SECOND; ")
    assert said.stdout == "1 unset unset unset\n"
    assert "SECOND: " in said.stderr
    assert CANARY not in said.stderr
    assert shell(tmp_path, told, after, kind=kind).stdout == f"0 a {CANARY} c\n"


@SHELLS
@pytest.mark.parametrize("flag", ["x", "v", "xv"])
def test_a_shells_trace_shows_no_value_and_goes_on(kind: str, flag: str, tmp_path: Path) -> None:
    said = shell(tmp_path, f"echo export AOS_API_KEY={CANARY}", "true after; echo $-", f"-{flag}", kind=kind)
    assert CANARY not in said.stderr
    assert ("+ true after" in said.stderr) == ("x" in flag)
    assert set(flag) <= set(said.stdout)
