"""`vault-estate migrate`: the variables of a `.env` go into Vault, a step at a time. Owns words and exit codes.

Exit code 3: a variable isn't mapped. Shows no value, in whatever form.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vault_estate import manifest, persons_login
from vault_estate.cli.tables import show
from vault_estate.cli.telling import tell
from vault_estate.errors import ConfigurationError

if TYPE_CHECKING:
    from vault_estate.migration.dotenv_file import EnvFile
    from vault_estate.migration.journal import Journal
    from vault_estate.migration.mapping import ValuePlace
    from vault_estate.migration.scanning.uses import VariableUse

UNMAPPED = 3
"""Exit code for a variable that nobody mapped."""
FOLDER = ".env-migration"
"""Where plan and journal are, beside `.env`."""


def add(commands: Any, parser_class: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to a parser's commands."""
    migrate = commands.add_parser("migrate", help="move a .env into Vault, a step at a time")
    steps = migrate.add_subparsers(required=True, metavar="STEP", parser_class=parser_class)
    shared = parser_class(add_help=False)
    shared.add_argument("--env-file", type=Path, default=Path(".env"), help=".env by default")
    shared.add_argument("--folder", type=Path, help=f"of plan and journal; {FOLDER} beside the file by default")
    shared.add_argument("--json", action="store_true", help="as one JSON document")
    writes = parser_class(add_help=False)
    writes.add_argument("--login", type=Path, help="file of ./estate login; without it VAULT_TOKEN counts")

    scan = steps.add_parser(
        "scan", parents=[shared, writes], help="tell which variables sources read, and where they are"
    )
    scan.add_argument("sources", type=Path, nargs="?", default=Path(), help="this folder by default")
    scan.add_argument("--map", type=Path, help="migration.yaml by default, if it is there")
    scan.set_defaults(act=_scan)

    plan = steps.add_parser("plan", parents=[shared, writes], help="compare with Vault; writes the plan, nothing else")
    plan.add_argument("--map", type=Path, help="migration.yaml by default, if it is there")
    plan.add_argument("--resolve", action="store_true", help="write what ${...} stands for now")
    plan.set_defaults(act=_plan)

    apply = steps.add_parser("apply", parents=[shared, writes], help="write what is planned; run it again if it ended")
    apply.add_argument("--replace", action="append", default=[], metavar="NAME", help="a variable that differs")
    apply.set_defaults(act=_apply)

    verify = steps.add_parser("verify", parents=[shared], help="read everything by the application's own login")
    verify.set_defaults(act=_verify)

    redact = steps.add_parser("redact", parents=[shared], help="comment out in .env what is verified")
    redact.set_defaults(act=_redact)

    rollback = steps.add_parser("rollback", parents=[shared, writes], help="write into .env again what was taken out")
    rollback.set_defaults(act=_rollback)

    status = steps.add_parser("status", parents=[shared], help="tell how far each variable has come")
    status.set_defaults(act=_status)


def _scan(given: argparse.Namespace) -> int:
    _need_extra()
    from vault_estate.migration import mapping  # noqa: PLC0415 - the extra `migrate`
    from vault_estate.migration.scanning import table  # noqa: PLC0415 - as above

    known = manifest.load()
    found = table.sources(given.sources)
    env = _env(given, resolves=True).variables if given.env_file.exists() else {}
    mapped = mapping.known(known, {*env, *(use.name for use in found.uses)}, _map_file(given))
    kept = _kept(given, known)
    shown = table.KnownPlaces(env=env, mapped=mapped, kept=kept).rows(found)
    rows = [
        (one.name, _where(given, one.uses), _word(one.in_env), _word(one.in_vault), one.mapped, _word(one.is_nowhere))
        for one in shown
    ]
    more: dict[str, object] = {"not told by": found.unknown} if found.unknown else {}
    more |= {"not read": found.unread} if found.unread else {}
    show(("variable", "read at", "in .env", "in Vault", "mapped", "missing"), rows, more, as_json=given.json)
    return 1 if found.unread or any(one.is_nowhere for one in shown) else 0


def _where(given: argparse.Namespace, uses: Sequence["VariableUse"]) -> object:
    if given.json:
        return [one.where for one in uses]
    return uses[0].where + (f" and {len(uses) - 1} more" if len(uses) > 1 else "")


def _word(answer: bool | None) -> str:
    return "not asked" if answer is None else "yes" if answer else "no"


def _kept(given: argparse.Namespace, known: manifest.ClientManifest) -> "Sequence[ValuePlace] | None":
    """What Vault has, if there is somebody who may ask."""
    from vault_estate.migration import mapping, plans  # noqa: PLC0415 - the extra `migrate`

    if given.login is None and not persons_login.has_token(os.environ):
        return None
    own = mapping.own_places(known)
    with persons_login.session(known, os.environ, given.login) as session:
        secrets = plans.own_secrets(known, session, [one.secret for one in own])
        newest = {name: secret.newest().values for name, secret in secrets.items()}
    return [one for one in own if one.key in newest[one.secret]]


def _map_file(given: argparse.Namespace) -> Path | None:
    from vault_estate.migration import mapping  # noqa: PLC0415 - the extra `migrate`

    default = Path(mapping.FILE)
    found: Path | None = given.map or (default if default.exists() else None)
    return found


def _plan(given: argparse.Namespace) -> int:
    _need_extra()
    from vault_estate.migration import mapping, plans  # noqa: PLC0415 - the extra `migrate`

    known = manifest.load()
    env = _env(given, resolves=given.resolve)
    try:
        mapped = mapping.places(known, env.variables, _map_file(given))
    except mapping.UnmappedError as error:
        secret = [name for name in error.names if mapping.looks(name, env.variables[name].value) == "secret"]
        tell(f"vault-estate: {error}; like a secret looks: {', '.join(secret) or 'none'}")
        return UNMAPPED
    with persons_login.session(known, os.environ, given.login) as session:
        plan = plans.make(env, mapped, known, session, resolves=given.resolve)
    where = plans.save(plan, _folder(given))
    rows = [
        (one.name, f"{one.secret}#{one.key}" if one.secret else "", one.state, one.length, one.fingerprint, one.looks)
        for one in plan.variables
    ]
    columns = ("variable", "place", "state", "length", "fingerprint", "looks")
    show(columns, rows, {"plan": str(where)}, as_json=given.json)
    return 0


def _apply(given: argparse.Namespace) -> int:
    _need_extra()
    from vault_estate.migration import applying, plans  # noqa: PLC0415 - the extra `migrate`

    known = manifest.load()
    plan = plans.load(_folder(given))
    env = _env(given, resolves=plan.resolves)
    with persons_login.session(known, os.environ, given.login) as session, _journal(given, known) as journal:
        done = applying.apply(plan, env, known, session, journal, replace=given.replace)
    for one in done:
        if one.warning:
            tell(f"vault-estate: {one.warning}")
    rows = [(one.secret, one.path, one.version, "written" if one.is_written else "there already") for one in done]
    show(("secret", "path", "version", "done"), rows, as_json=given.json)
    return 0


def _status(given: argparse.Namespace) -> int:
    _need_extra()
    from vault_estate.migration import journal, plans, status  # noqa: PLC0415 - the extra `migrate`

    folder = _folder(given)
    plan = plans.load(folder) if (folder / plans.FILE).exists() else None
    found = status.look(plan, journal.load(folder))
    show(("name", "place", "version", "stage"), [tuple(asdict(one).values()) for one in found], as_json=given.json)
    return 0


def _verify(given: argparse.Namespace) -> int:
    _need_extra()
    from vault_estate import VaultClient  # noqa: PLC0415 - as the command's other steps, by whatever a test puts there
    from vault_estate.migration import verifying  # noqa: PLC0415 - the extra `migrate`

    known = manifest.load()
    env = _env(given, resolves=_resolves(given))
    with (
        _journal(given, known) as journal,
        VaultClient(manifest=known, environ=persons_login.without_tokens(os.environ)) as client,
    ):
        found = verifying.verify(env, journal, client.get_secret)
    rows = [(one.name, one.place, one.version, one.verdict) for one in found]
    show(("name", "place", "version", "verdict"), rows, as_json=given.json)
    return 0 if all(one.verdict == "verified" for one in found) else 1


def _redact(given: argparse.Namespace) -> int:
    _need_extra()
    from vault_estate.migration import redacting  # noqa: PLC0415 - the extra `migrate`

    known = manifest.load()
    env = _env(given, resolves=_resolves(given))
    with _journal(given, known) as journal:
        done = redacting.redact(env, journal)
    now = ", ".join(done.rotate_now)
    more: dict[str, object] = {"example": str(done.example), "in git": done.in_git, "rotate now": now or "none"}
    show(("redacted",), [(name,) for name in done.variables], more, as_json=given.json)
    return 0


def _rollback(given: argparse.Namespace) -> int:
    _need_extra()
    from vault_estate.migration import redacting  # noqa: PLC0415 - the extra `migrate`

    known = manifest.load()
    env = _env(given, resolves=_resolves(given))
    with persons_login.session(known, os.environ, given.login) as session, _journal(given, known) as journal:
        names = redacting.rebuild(env, journal, known, session)
    show(("rebuilt",), [(name,) for name in names], as_json=given.json)
    return 0


def _resolves(given: argparse.Namespace) -> bool:
    from vault_estate.migration import plans  # noqa: PLC0415 - the extra `migrate`

    folder = _folder(given)
    return (folder / plans.FILE).exists() and plans.load(folder).resolves


def _need_extra() -> None:
    try:
        import dotenv  # noqa: F401, PLC0415 - whether it is there
        import yaml  # noqa: F401, PLC0415 - as above
    except ImportError:
        raise ConfigurationError("the extra migrate is missing; expected pip install 'vault-estate[migrate]'") from None


def _folder(given: argparse.Namespace) -> Path:
    folder: Path = given.folder or given.env_file.absolute().parent / FOLDER
    return folder


def _env(given: argparse.Namespace, *, resolves: bool) -> "EnvFile":
    from vault_estate.migration import dotenv_file  # noqa: PLC0415 - the extra `migrate`

    return dotenv_file.load(given.env_file, resolve=os.environ if resolves else None)


def _journal(given: argparse.Namespace, known: manifest.ClientManifest) -> "Journal":
    from vault_estate.migration.journal import Journal  # noqa: PLC0415 - the extra `migrate`

    return Journal(
        _folder(given), application=known.application, environment=known.environment, env_file=given.env_file
    )
