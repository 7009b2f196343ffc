"""`vault-estate get|env|run|migrate|rotate|rewrap|doctor`: secrets for a pipe, a shell, a program.

Owns words and exit codes. Refuses to print a value on a terminal unless it was asked to with `--reveal`. What goes
wrong is one line on standard error and exit code 2; nothing is printed then. A signal that ends it, but SIGKILL, ends
its token, too.
"""

import argparse
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from vault_estate.cli import formats, migrate, restarting, rewrap, rotate
from vault_estate.cli.telling import discard, tell
from vault_estate.environment import read_all, variables
from vault_estate.errors import ConfigurationError, VaultEstateError

FAILED = 2
"""Exit code of what somebody can mend: a wrong name, a refusal, a server that is away."""
NOT_FOUND = 127
"""Exit code for a command that isn't there, as shells have it."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
_KEPT = ("HOME", "LANG", "LOGNAME", "PATH", "TERM", "TZ", "USER")
"""What of this process' variables a command has with `--pristine`."""
_GITHUB = "github"
_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that would end this process with nothing given back. Who has them ignored goes on to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _leaving_by_signals(), _printed():
            return _act(words)
    except VaultEstateError as error:
        return _tell(str(error))
    except BrokenPipeError:
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _tell(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))


def _act(words: Sequence[str]) -> int:
    ends = words.index("--") if words[:1] == ["run"] and "--" in words else len(words)
    given = _parser().parse_args(words[:ends], argparse.Namespace(command=list(words[ends + 1 :])))
    return int(given.act(given))


@contextmanager
def _printed() -> Iterator[None]:
    """Hand over what was printed before the exit code is known, as the interpreter would do it after that: with a
    code and words of its own where nobody takes it.
    Raises BrokenPipeError: whoever reads has gone. Raises ConfigurationError: it can't be written, as on a full
    disk."""
    try:
        yield
    finally:
        if sys.stdout is not None:
            try:
                sys.stdout.flush()
            except OSError as error:
                discard(sys.stdout)
                if isinstance(error, BrokenPipeError):
                    raise
                raise ConfigurationError(
                    f"standard output can't be written ({error.strerror}); expected a place that takes it"
                ) from None


@contextmanager
def _leaving_by_signals() -> Iterator[None]:
    """Leave as by `sys.exit`, so that what was taken is given back: a token is revoked, a rotation is free."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [one for one in _ENDING if signal.getsignal(one) is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, _leave)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _tell(words: str, code: int = FAILED) -> int:
    tell(f"vault-estate: {' '.join(words.split())}")
    return code


class _Parser(argparse.ArgumentParser):
    """One line for a wrong argument, which isn't quoted: a value may have been put there by mistake."""

    def error(self, message: str) -> NoReturn:
        told = message if message.startswith("the following arguments") else "these arguments are none of its own"
        tell(f"{self.prog}: {told}; expected as {self.prog} --help says")
        self.exit(FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="vault-estate", description="Read what an estate keeps for an application.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    reveal = _Parser(add_help=False)
    reveal.add_argument("--reveal", action="store_true", help="show values on a terminal")
    named = _Parser(add_help=False)
    named.add_argument("names", nargs="+", metavar="NAME", help="name of a secret, as the manifest has it")
    named.add_argument("--prefix", default="", help="what the name of each variable begins with")

    get = commands.add_parser("get", parents=[reveal], help="print one value, to a pipe")
    get.add_argument("name", metavar="NAME", help="name of the secret")
    get.add_argument("key", metavar="KEY", help="name of the value inside")
    get.set_defaults(act=_get)

    env = commands.add_parser("env", parents=[reveal, named], help="print secrets as variables, to a pipe")
    choices = [*formats.FORMATS, _GITHUB]
    env.add_argument("--format", choices=choices, default="sh", help="sh by default; github: for the steps after this")
    env.set_defaults(act=_env)

    run = commands.add_parser("run", parents=[named], help="run a command with secrets as its variables")
    run.add_argument("--override", action="store_true", help="take the place of variables that are set")
    run.add_argument("--pristine", action="store_true", help=f"of the others only {', '.join(_KEPT)}")
    run.add_argument(
        "--restart-on-change",
        metavar="SIGNAL",
        help="stay, and end the command by this signal, such as SIGTERM, when a secret of it changes, to start it anew",
    )
    run.usage = (
        "vault-estate run [--prefix PREFIX] [--override] [--pristine] [--restart-on-change SIGNAL] "
        "NAME... -- COMMAND..."
    )
    run.set_defaults(act=_run)

    migrate.add(commands, _Parser)
    rotate.add(commands)
    rewrap.add(commands)

    doctor = commands.add_parser("doctor", help="tell where each thing is taken from, and what works; no value")
    doctor.set_defaults(act=_doctor)
    return parser


def _get(given: argparse.Namespace) -> int:
    terminal = _refuse_terminal(given)
    values = read_all([given.name])[given.name]
    if given.key not in values:
        there = ", ".join(sorted(values)) or "it has none"
        # Not shown: a value may have been put there by mistake.
        raise ConfigurationError(f"KEY is none of {given.name}'s; expected one of: {there}")
    _print(values[given.key] + ("\n" if terminal else ""))
    return 0


def _env(given: argparse.Namespace) -> int:
    github = given.format == _GITHUB
    file = os.environ.get("GITHUB_ENV", "")
    if github and (os.environ.get("GITHUB_ACTIONS") != "true" or not file):
        raise ConfigurationError("--format is github outside of a job of GitHub's; expected sh, dotenv or json")
    if not github:
        _refuse_terminal(given)
    found = variables(read_all(given.names, as_variables=True), given.prefix)
    if not github:
        _print(formats.FORMATS[given.format](found))
        return 0
    _print(formats.github_masks(found))
    with Path(file).open("a", encoding="utf-8") as stream:
        stream.write(formats.github_file(found))
    return 0


def _run(given: argparse.Namespace) -> int:
    command: list[str] = given.command
    if not command:
        raise ConfigurationError("COMMAND is missing; expected -- and a command behind the names")
    program = shutil.which(command[0])
    if program is None:
        sys.exit(_tell("COMMAND is no program that is found; expected one, behind --", NOT_FOUND))
    inherited = {name: os.environ[name] for name in _KEPT if name in os.environ} if given.pristine else dict(os.environ)
    if given.restart_on_change is not None:
        return _restarting(given, program, inherited)
    return _become(given, program, inherited)


def _become(given: argparse.Namespace, program: str, inherited: Mapping[str, str]) -> NoReturn:
    found = variables(read_all(given.names, as_variables=True), given.prefix)
    for name in ("SIGPIPE", "SIGXFSZ"):
        # Python ignores them, and what it becomes would, too: `yes | head` there would not end.
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execve(program, given.command, joined(inherited, found, override=given.override))  # noqa: S606 - the point of it


def _restarting(given: argparse.Namespace, program: str, inherited: Mapping[str, str]) -> int:
    stop = restarting.stop_signal(given.restart_on_change)
    from vault_estate import VaultClient  # noqa: PLC0415 - only who reads needs an HTTP library

    with VaultClient() as client:

        def read() -> Mapping[str, str]:
            found = variables(read_all(given.names, client, as_variables=True), given.prefix)
            return joined(inherited, found, override=given.override)

        def start(with_variables: Mapping[str, str]) -> restarting.Process:
            return restarting.started(program, given.command, with_variables)

        return restarting.Restarting(read=read, start=start, stop=stop).run()


def _doctor(_: argparse.Namespace) -> int:
    from vault_estate.cli.doctor import look  # noqa: PLC0415 - the others read by whatever a test puts in its place

    well = True
    for symptom in look():
        print(symptom, flush=True)
        well = well and symptom.well
    return 0 if well else 1


def joined(inherited: Mapping[str, str], found: Mapping[str, str], *, override: bool) -> dict[str, str]:
    """A command's variables: one that is set, and not empty, stays unless it is to be overridden."""
    added = {name: value for name, value in found.items() if override or not inherited.get(name)}
    return {**inherited, **added}


def _refuse_terminal(given: argparse.Namespace) -> bool:
    """Whether standard output is a terminal. Raises ConfigurationError unless values are to be shown there, or if there
    is no standard output."""
    if sys.stdout is None:
        raise ConfigurationError("standard output is closed; expected a pipe")
    terminal = sys.stdout.isatty()
    if terminal and not given.reveal:
        raise ConfigurationError("standard output is a terminal; expected a pipe, or --reveal to show values")
    return terminal


def _print(text: str) -> None:
    # Not by the terminal's encoding, which may not have a character: the error would quote the value.
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
