"""`vault-estate rotate`: replace values, and tell which are due. Owns words and exit codes.

Exit code 1: something is overdue or failed, of `status`, or failed, of `--due`. Shows no value, and takes none as an
argument, where every process of the machine could read it.
"""

import argparse
import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vault_estate import manifest, persons_login
from vault_estate.cli.tables import show
from vault_estate.errors import ConfigurationError

if TYPE_CHECKING:
    from vault_estate.manifest import ClientManifest
    from vault_estate.rotation import RotationOutcome, Runner
    from vault_estate.rotation.schedule import ScheduledSecret
    from vault_estate.session import Session

_REPORTS = ("status", "schedule")
"""Words in the place of a secret's name. A secret of such a name is rotated by `--due`."""
_ENGINES = ("transit", "static_role", "database_root")


def add(commands: Any) -> None:
    """Add the command to a parser's commands."""
    rotate = commands.add_parser("rotate", help="replace values, or tell which are due; shows none")
    rotate.usage = (
        "vault-estate rotate (NAME [KEY...] | --due | status | schedule | --transit KEY | --static-role ROLE | "
        "--database-root CONNECTION) [--value-stdin] [--now] [--abandon [--by-hand]] [--textfile FILE] [--login FILE] "
        "[--json]"
    )
    rotate.add_argument("name", nargs="?", metavar="NAME", help="a secret's; or status, or schedule")
    rotate.add_argument("keys", nargs="*", metavar="KEY", help="of its values; by default those of its settings")
    rotate.add_argument("--due", action="store_true", help="whatever is due, cut off, or at the end of its grace")
    rotate.add_argument("--value-stdin", action="store_true", help="one KEY's new value comes by standard input")
    rotate.add_argument("--now", action="store_true", help="end the values before at once: for one that leaked")
    rotate.add_argument("--abandon", action="store_true", help="give up a run whose values nobody has")
    rotate.add_argument(
        "--by-hand", action="store_true", help="--abandon: without its program; what is left is named, to be ended"
    )
    rotate.add_argument("--transit", metavar="KEY", help="a new version of a transit key")
    rotate.add_argument("--static-role", metavar="ROLE", help="a new password of a database user that Vault keeps")
    rotate.add_argument("--database-root", metavar="CONNECTION", help="a new password of Vault's own database user")
    rotate.add_argument("--textfile", type=Path, help="status: write metrics for node_exporter there, too")
    rotate.add_argument("--login", type=Path, help="file of ./estate login; without it the environment counts")
    rotate.add_argument("--json", action="store_true", help="as one JSON document")
    rotate.set_defaults(act=_rotate)


def _rotate(given: argparse.Namespace) -> int:
    _refuse_mixed(given)
    known = manifest.load()
    if given.name in _REPORTS and not given.keys:
        return _report(given, known)
    value = _value(given) if given.value_stdin else None
    with session(known, given.login) as opened:
        if engine := next((one for one in _ENGINES if getattr(given, one)), None):
            return _rotate_engine(given, known, opened, engine)
        # Whoever only reads has no use for these.
        from vault_estate.rotation import Runner  # noqa: PLC0415
        from vault_estate.rotation.printing import to_standard_error  # noqa: PLC0415

        with to_standard_error():
            outcomes = _outcomes(given, Runner(opened, known), value)
    _show_outcomes(given, outcomes)
    return 1 if any(one.error for one in outcomes) else 0


def _outcomes(given: argparse.Namespace, runner: "Runner", value: str | None) -> "Sequence[RotationOutcome]":
    if given.due:
        return runner.rotate_due()
    if given.abandon:
        return [runner.abandon(given.name, by_hand=given.by_hand)]
    values = {given.keys[0]: value} if value is not None else None
    return [runner.rotate(given.name, *given.keys, given=values, now=given.now)]


def _rotate_engine(given: argparse.Namespace, known: "ClientManifest", opened: "Session", engine: str) -> int:
    from vault_estate.rotation import engines  # noqa: PLC0415 - as above

    acts = {
        "transit": engines.rotate_transit_key,
        "static_role": engines.rotate_static_role,
        "database_root": engines.rotate_database_root,
    }
    name = getattr(given, engine)
    done = acts[engine](opened, known, name)
    show(("engine", "name", "done"), [(engine.replace("_", " "), name, done)], as_json=given.json)
    return 0


def _refuse_mixed(given: argparse.Namespace) -> None:
    """Raises ConfigurationError: nothing is to be done, or two things."""
    asked = [one for one in ("name", "due", *_ENGINES) if getattr(given, one)]
    if len(asked) != 1:
        raise ConfigurationError(
            f"{len(asked)} things are to be rotated; expected one of NAME, status, schedule, --due, --transit, "
            "--static-role, --database-root"
        )
    if (given.value_stdin or given.now or given.abandon) and asked != ["name"]:
        raise ConfigurationError("--value-stdin, --now or --abandon is given without NAME; expected it, too")
    if given.value_stdin and len(given.keys) != 1:
        raise ConfigurationError(f"--value-stdin is given with {len(given.keys)} KEYs; expected one")
    if given.abandon and (given.keys or given.now or given.value_stdin):
        raise ConfigurationError("--abandon is given with more than NAME; expected it alone")
    if given.by_hand and not given.abandon:
        raise ConfigurationError("--by-hand is given without --abandon; expected both")
    if given.textfile and given.name != "status":
        raise ConfigurationError("--textfile is given without status; expected both")


def _value(given: argparse.Namespace) -> str:
    """What standard input has, without a line break at its end."""
    if sys.stdin is None:
        raise ConfigurationError("standard input is closed; expected the value there")
    if sys.stdin.isatty():
        return getpass.getpass(f"{given.keys[0]}: ")
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        pass  # its text would quote the value
    else:
        return text.removesuffix("\n").removesuffix("\r")
    raise ConfigurationError("the value is no text in UTF-8; expected base64 for anything else")


@contextmanager
def session(known: "ClientManifest", login: Path | None) -> "Iterator[Session]":
    """By a person's login if there is one, else by the one that the document has.
    Raises ConfigurationError: nobody can log in."""
    if login is not None or persons_login.has_token(os.environ):
        with persons_login.session(known, os.environ, login) as persons:
            yield persons
        return
    from vault_estate.opening import VaultClientConfig, opened  # noqa: PLC0415 - as above
    from vault_estate.session import Session  # noqa: PLC0415 - as above

    found = opened(VaultClientConfig(), manifest=known)
    own = Session(found.transport, found.chosen.method)
    try:
        yield own
    finally:
        own.close()
        found.transport.close()


def _show_outcomes(given: argparse.Namespace, outcomes: "Sequence[RotationOutcome]") -> None:
    columns = ("secret", "keys", "version", "phase", "accepted until", "error", "left")
    rows = [
        (
            one.secret,
            _keys(given, one.keys),
            one.version,
            one.phase,
            _time(given, one.grace_until),
            one.error,
            one.left,
        )
        for one in outcomes
    ]
    show(columns, rows, as_json=given.json)


def _report(given: argparse.Namespace, known: "ClientManifest") -> int:
    from vault_estate.rotation import schedule  # noqa: PLC0415 - as above

    with session(known, given.login) as opened:
        found = [schedule.look(opened, known, name) for name in schedule.names(known)]
    if given.name == "schedule":
        found.sort(key=lambda one: one.due_at)
        dates = [(_time(given, one.due_at), one.secret, _keys(given, one.keys), one.every_seconds) for one in found]
        show(("due", "secret", "keys", "every seconds"), dates, as_json=given.json)
        return 0
    columns = ("secret", "keys", "by", "changed", "due", "state", "error")
    rows = [
        (
            one.secret,
            _keys(given, one.keys),
            one.by,
            _time(given, one.changed_at),
            _time(given, one.due_at),
            one.state,
            one.error,
        )
        for one in found
    ]
    if given.textfile:
        _write_metrics(given.textfile, known.application, found)
    show(columns, rows, as_json=given.json)
    return 0 if all(one.is_well for one in found) else 1


def _write_metrics(file: Path, application: str, found: "Sequence[ScheduledSecret]") -> None:
    """In one replacement, as node_exporter may read at any moment. Raises ConfigurationError: it can't be written."""
    from vault_estate.rotation.schedule import metrics  # noqa: PLC0415 - as above

    beside = file.parent / f".{file.name}.new"
    try:
        beside.write_text(metrics(application, found), encoding="ascii")
        beside.replace(file)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ConfigurationError(
            f"--textfile is {str(file)!r}, which can't be written ({error.strerror}); expected a file in a folder that "
            "is there"
        ) from None


def _keys(given: argparse.Namespace, keys: Sequence[str]) -> object:
    return list(keys) if given.json else ", ".join(keys)


def _time(given: argparse.Namespace, seconds: int) -> str | None:
    from vault_estate.rotation.schedule import moment  # noqa: PLC0415 - as above

    return moment(seconds) if seconds else None if given.json else ""
