"""The operator's command line: words in, tables or JSON out. Owns exit codes and wording, and nothing that acts."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops.cli import (
    applications,
    audit,
    clusters,
    development,
    drift,
    operators,
    people,
    review,
    rotation,
    secrets,
    snapshots,
    status,
    told_settings,
)
from ops.cli.options import Json, Sandbox, Stack, StackName, file_option
from ops.commands import lifecycle
from ops.commands.doctor import examine
from ops.commands.session import Choices
from ops.console import Console
from ops.engine.listening import Changes, Kept, short_name
from ops.errors import EstateError, InterruptedRunError
from ops.paths import ROOT, Paths
from ops.vault import values
from ops.vault.access_checks import CheckResult
from ops.vault.checks.outcome import CheckStatus
from settings.wording import printable

app = typer.Typer(
    name="estate",
    help="Preview, build, check, use and take down a Vault estate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    status.status,
    told_settings.settings,
    drift.drift,
    review.diff,
    audit.audit,
    operators.keys,
    operators.unseal,
    operators.renew_shares,
    operators.regain,
    operators.move_seal_key,
    operators.database_password,
    applications.client_config,
    people.login,
    people.logout,
    people.invite,
    people.off_board,
    rotation.rotate,
    snapshots.snapshot,
    snapshots.restore,
    snapshots.drill,
    snapshots.seal_key,
    clusters.upgrade,
    clusters.rejoin,
    clusters.scale,
    development.check,
):
    app.command()(command)
app.command(name="test")(development.run_tests)
app.command()(development.bench)
app.add_typer(secrets.app, name="secret")

NoPolicies = Annotated[bool, typer.Option("--no-policies", help="Leave the policy pack out.")]
_CHECKS_FAILED = "the estate is built, but checks failed; expected each application to get its grants"
Replace = Annotated[
    list[str] | None,
    typer.Option("--replace", metavar="NAME", help="Make this resource anew, such as platform-server; repeatable."),
]
Adopt = Annotated[
    bool, typer.Option("--adopt", help="Take over what the local Vault holds and a lost state doesn't know.")
]


HashiCorp = Annotated[
    bool,
    typer.Option("--hashicorp", help="In a new sandbox of a cluster: HashiCorp's server, as declared, not OpenBao."),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Look at each object on its server first.")]


@app.command()
def up(
    stack: Stack = "local",
    *,
    sandbox: Sandbox = False,
    hashicorp: HashiCorp = False,
    no_policies: NoPolicies = False,
    replace: Replace = None,
    adopt: Adopt = False,
    refresh: Refresh = False,
    as_json: Json = False,
) -> None:
    """Build a stack, or bring it up to date, and check what each application gets."""
    console = Console(as_json=as_json)
    choices = Choices(
        sandbox=sandbox,
        hashicorp=hashicorp,
        policies=not no_policies,
        replace=tuple(replace or ()),
        adopt=adopt,
        refresh=refresh,
    )
    built = lifecycle.up(Paths(), stack, console, choices)
    _show_changes(console, built.changes)
    _show_checks(console, built.checks.results)
    if missing := values.missing(built.checks.values):
        console.table(values.TITLE, values.COLUMNS, missing)
    if built.checks.values:
        console.result(values.sentence(built.checks.values))
    for warning in built.warnings:
        console.result(f"warning: {warning}")
    for name, value in sorted(built.exports.items()):
        if "\n" not in value:
            console.result(f"{name}: {value}")
    console.document(
        {
            "stack": built.stack,
            "changes": dict(built.changes.counts),
            "changed": built.changes.total,
            "adopted": built.adopted,
            "fake_providers": built.providers,
            "replaced": [asdict(one) for one in built.replaced],
            "warnings": list(built.warnings),
            "exports": dict(built.exports),
            "access_checks": {
                result.application: {column: str(outcome) for column, outcome in result.columns.items()}
                for result in built.checks.results
            },
            "values": values.document(built.checks.values),
            "passed": built.checks.passed,
            **({} if built.checks.passed else {"error": _CHECKS_FAILED}),
        }
    )
    if not built.checks.passed:
        # Said here, not by an error: with --json that would be a second document.
        console.say(f"estate: {_CHECKS_FAILED}")
        raise typer.Exit(EstateError.exit_code)


CHANGES = 1
"""Exit code of a preview that was expected to have none."""


@app.command()
def preview(
    stack: Stack = "local",
    *,
    sandbox: Sandbox = False,
    no_policies: NoPolicies = False,
    replace: Replace = None,
    refresh: Refresh = False,
    expect_no_changes: Annotated[bool, typer.Option(help="End with 1 where something would change.")] = False,
    as_json: Json = False,
) -> None:
    """Show what `up` would change."""
    console = Console(as_json=as_json)
    choices = Choices(sandbox=sandbox, policies=not no_policies, replace=tuple(replace or ()), refresh=refresh)
    changes, fakes = lifecycle.preview(Paths(), stack, console, choices)
    console.table(
        "changes to come", ["change", "resource"], [[change, short_name(urn)] for change, urn in changes.resources]
    )
    _show_changes(console, changes)
    console.document(
        {
            "stack": stack,
            "changes": dict(changes.counts),
            "changed": changes.total,
            "resources": [{"change": change, "urn": urn} for change, urn in changes.resources],
            "fake_providers": fakes,
        }
    )
    if expect_no_changes and changes.total:
        raise typer.Exit(CHANGES)


@app.command()
def down(stack: Stack = "local", sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Destroy a stack. The local one leaves no process, no data and no state."""
    console = Console(as_json=as_json)
    changes = lifecycle.down(Paths(), stack, console, Choices(sandbox=sandbox, policies=False))
    _show_changes(console, changes)
    if changes.kept:
        title = "nothing of a sandbox stays; an account would keep" if sandbox else "what stays"
        console.table(title, ["what", "which", "for"], [_kept_row(one) for one in changes.kept])
    console.document(
        {
            "stack": stack,
            "changes": dict(changes.counts),
            "changed": changes.total,
            "kept": [{"kind": one.kind, "id": one.identity, "days": one.days} for one in changes.kept],
        }
    )


@app.command()
def doctor(stack: Stack = "local", as_json: Json = False) -> None:
    """Tell which engine, plugins and servers a run would use, and why."""
    console = Console(as_json=as_json)
    findings = examine(Paths(), stack, console)
    console.table(f"what stack {stack} runs with", ["what", "taken", "why"], findings)
    console.document({finding.subject: {"taken": finding.taken, "why": finding.reason} for finding in findings})


@app.command()
def secret_id(
    application: Annotated[str, typer.Argument(help="Name of the application.")],
    *,
    stack: StackName = "local",
    wrap_ttl: Annotated[str, typer.Option(help="How long the wrapping token may wait, such as 5m.")] = "5m",
    install: Annotated[
        Path | None, file_option("A folder to write what installs and renews it on the application's machine.")
    ] = None,
    user: Annotated[str, typer.Option(help="Whom the application runs as there; with --install.")] = "",
    rotator: Annotated[bool, typer.Option("--rotator", help="For the login that rotates its secrets.")] = False,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Issue a SecretID for an application, response-wrapped: only the first to unwrap it sees it."""
    console = Console(as_json=as_json)
    if bool(install) != bool(user):
        raise EstateError("--install and --user go together; expected both, or neither")
    there = lifecycle.Install(folder=install, user=user) if install else None
    choices = Choices(sandbox=sandbox)
    issued = lifecycle.secret_id(
        Paths(), stack, application, wrap_ttl, console, choices=choices, install=there, rotator=rotator
    )
    if install:
        # The token is in the folder; on a screen somebody else might take it.
        console.result(f"{install}: take it to the application's machine within {issued.ttl_seconds} s, and run there")
        console.result("sudo sh install.sh")
        console.document({"role_id": issued.role_id, "ttl_seconds": issued.ttl_seconds, "folder": str(install)})
        return
    console.result(f"role id: {issued.role_id}")
    console.result(f"wrapping token: {issued.wrapping_token}")
    console.result(f"good for {issued.ttl_seconds} s and one use; it must have been made at {issued.creation_path}")
    console.document(asdict(issued))


@app.command()
def env(stack: Stack = "local", sandbox: Sandbox = False, as_json: Json = False) -> None:
    """Print the shell variables with which plain `pulumi` works on the same stack and state."""
    console = Console(as_json=as_json)
    variables = lifecycle.variables(Paths(), stack, console, choices=Choices(sandbox=sandbox))
    for name, value in variables.items():
        console.result(f"export {name}={shlex.quote(value)}")
    console.document(variables)


_HEADINGS = {"database": "db", "encryption": "crypto", "certificate": "cert"}
"""Shorter words for a table that has to fit into 80 columns."""


def _kept_row(kept: Kept) -> list[str]:
    return [
        kept.kind,
        kept.identity,
        f"{kept.days} days, or until its deletion is cancelled" if kept.days else "until somebody deletes it",
    ]


def _show_changes(console: Console, changes: Changes) -> None:
    for warning in changes.warnings:
        console.say(f"warning: {warning}")
    console.result(changes.sentence())


_MARKS = {
    CheckStatus.PASSED: "✓",
    CheckStatus.FAILED: "failed",
    CheckStatus.MISSING: "missing",
    CheckStatus.NOT_GRANTED: "-",
    CheckStatus.NOT_CHECKED: "?",
}


def _show_checks(console: Console, results: Sequence[CheckResult]) -> None:
    columns = list(CheckResult(application="").columns)
    table = [[one.application, *(_MARKS[outcome.status] for outcome in one.columns.values())] for one in results]
    headings = ["application", *(_HEADINGS.get(name, name) for name in columns)]
    console.table("access checks (✓ passed, - not granted, ? can't be checked)", headings, table)
    for result in results:
        reasons: dict[str, list[str]] = {}
        for column, outcome in result.columns.items():
            # What is missing has a table of its own.
            if outcome.reason and outcome.status is not CheckStatus.MISSING:
                reasons.setdefault(str(outcome), []).append(column)
        for text, where in reasons.items():
            console.result(f"{result.application}, {', '.join(where)}: {text}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code: 0, 1 for failed gates or tests, 2 for what the operator can mend, 3 for a change
    that allows more than before, 130 for an interrupt.
    """
    os.umask(0o077)
    os.chdir(ROOT)
    _reach_loopback_directly()
    _forget_libpq()
    try:
        app(args=arguments, prog_name="estate")
    except EstateError as error:
        _tell(str(error), arguments)
        return error.exit_code
    except OSError as error:
        # A full disk, a file that is closed to us: the machine's own words, with the file where there is one.
        words = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        _tell(words, arguments)
        return EstateError.exit_code
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
        if code == InterruptedRunError.exit_code:  # typer's way of passing a Ctrl-C on
            print("estate: interrupted; the same command goes on from there", file=sys.stderr)
        return code
    return 0


def _tell(words: str, arguments: list[str] | None) -> None:
    """Say what went wrong; to a program, as the one document that it waits for."""
    words = "\n".join(printable(line.expandtabs()) for line in words.split("\n"))
    print(f"estate: {words}", file=sys.stderr)
    if "--json" in (sys.argv[1:] if arguments is None else arguments):
        print(json.dumps({"error": words}))


def _forget_libpq() -> None:
    """Drop what the operator's shell tells PostgreSQL's clients (PGOPTIONS, PGHOSTADDR): each connection says all."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _reach_loopback_directly() -> None:
    """Keep the local servers out of the operator's HTTP proxy, which Python's clients would ask for them."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join([*filter(None, [os.environ.get(name)]), "127.0.0.1", "localhost", "::1"])
