"""What the operator's commands do to a stack: bring it up, preview it, take it down, look at it.

Owns the order of things. Refuses nothing of its own: each step words its own errors.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from components.model import duration_text, seconds
from components.vault.approle import AppRoleLogin
from ops import stack_file
from ops.console import Console
from ops.engine import adoption, finding, replacing, session
from ops.engine import operations as engine_stack
from ops.engine.operations import Changes
from ops.engine.session import Choices, Session
from ops.errors import EstateError
from ops.local.servers import LocalStatus
from ops.paths import Paths
from ops.platforms import hetzner as lifecycle_cloud
from ops.platforms import sandbox
from ops.platforms.local import administering, check_first_boot, claim, platform_of, start_local
from ops.stack_file import Replacement, StackFile
from ops.vault import endpoint as reaching
from ops.vault import status as looking
from ops.vault.access_checks import AccessChecks, check_access, not_checked
from ops.vault.secret_ids import WrappedSecretId, issue_secret_id

_LONGEST_WRAP_SECONDS = 86_400
"""A day: the least time a SecretID itself lives by default. A token that waits longer is one somebody forgot."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What an `up` did and what was found to work afterwards."""

    stack: str
    changes: Changes
    adopted: int
    """Objects of a killed run that were found again."""
    exports: Mapping[str, str]
    checks: AccessChecks
    providers: str
    """Why stand-ins were used; empty with the official plugins."""
    replaced: Sequence[Replacement] = ()
    """Settings that a sandbox run had another value for than the file."""


def up(paths: Paths, stack: str, console: Console, choices: Choices) -> Built:
    """Build a stack and check each application's access.

    Raises:
        EstateError: the first thing that went wrong. The same command goes on from there.
    """
    file = stack_file.read(paths, stack)
    if not file.is_local:
        return _up_cloud(paths, file, console, choices)
    with session.locked(paths):
        claim(paths, stack)
        with session.opened(file, paths, console, "up", choices) as opened:
            start_local(paths, file.settings, console)
            changes, adopted = _apply(opened, console, choices)
        where = reaching.reached(paths, file, console)
        with reaching.administering(where) as client:
            checks = check_access(client, where, file.settings, console)
    return Built(
        stack=stack,
        changes=changes,
        adopted=adopted,
        exports=changes.outputs,
        checks=checks,
        providers=opened.providers.reason,
    )


def _up_cloud(paths: Paths, file: StackFile, console: Console, choices: Choices) -> Built:
    """The real cloud by the official plugins, or a world on this machine; only in the latter is access checked."""
    with session.locked(paths):
        if choices.sandbox:
            changes, checks, opened = sandbox.up(paths, file, console, choices)
            reason, replaced = opened.providers.reason, opened.file.replaced
        else:
            changes, reason = lifecycle_cloud.up(paths, file, console, choices)
            checks, replaced = not_checked(file.settings, "a cloud stack is checked in its sandbox only"), ()
    return Built(
        stack=file.stack,
        changes=changes,
        adopted=0,
        exports=changes.outputs,
        checks=checks,
        providers=reason,
        replaced=replaced,
    )


def _apply(opened: Session, console: Console, choices: Choices) -> tuple[Changes, int]:
    """One `up` of the engine, with what a killed one left behind adopted first."""
    replace = replacing.urns(opened.run.deployment, opened.file.stack, choices.replace)
    mark = adoption.Unfinished(file=opened.paths.own / f"unfinished-{opened.file.stack}.json")
    adopted = 0
    with administering(opened.paths, opened.file.settings) as client:
        if mark.is_set:
            console.say("an earlier run did not end: looking for what it made")
            deployment = opened.run.deployment()
            found = adoption.orphans(client, mark.before(), deployment)
            if not adoption.knows_database(deployment):
                # Vault may have replaced the first password already, and the connection is about to be made with it.
                platform_of(opened.paths, opened.file.settings).postgres.reset_root_role()
            adoption.empty_authorities(client, found, _own_authorities(opened))
            adopted = len(found)
            if adopted:
                with console.stage(f"adopting {adopted} objects") as steps:
                    opened.run.operate("up", steps, wrap=lambda program: adoption.importing(program, found))
        mark.begin(adoption.inventory(client))
    with console.stage(f"applying {opened.file.stack}") as steps:
        changes = opened.run.operate("up", steps, replace=replace)
    mark.end()
    return changes, adopted


def _own_authorities(opened: Session) -> frozenset[str]:
    pki = opened.file.settings.pki
    return frozenset({pki.root_path, pki.intermediate_path} if pki else ())


def preview(paths: Paths, stack: str, console: Console, choices: Choices) -> tuple[Changes, str]:
    """Show what `up` would do: the changes, and why stand-ins were used if they were.

    Raises:
        EstateError: the preview failed; a policy's refusal is such a failure.
    """
    file = stack_file.read(paths, stack)
    with session.locked(paths), ExitStack() as stages:
        outside = None
        if not file.is_local:
            if choices.sandbox:
                file, outside = stages.enter_context(sandbox.previewed(paths, file, console))
            lifecycle_cloud.ensure_keys(paths, file, console)
        else:
            check_first_boot(paths, file.settings)
        opened = stages.enter_context(session.opened(file, paths, console, "preview", choices, outside=outside))
        replace = replacing.urns(opened.run.deployment, stack, choices.replace)
        with console.stage(f"previewing {stack}") as steps:
            changes = opened.run.operate("preview", steps, replace=replace)
        return changes, opened.providers.reason


def down(paths: Paths, stack: str, console: Console, choices: Choices) -> Changes:
    """Destroy a stack; on this machine also stop its servers and remove its data, keys and state.

    Raises:
        EstateError: something is protected, or could not be stopped.
    """
    file = stack_file.read(paths, stack)
    if not file.is_local:
        with session.locked(paths):
            taken_down = sandbox.down if choices.sandbox else lifecycle_cloud.down
            return taken_down(paths, file, console, choices)
    with session.locked(paths):
        claim(paths, stack)
        changes = Changes(counts={})
        if not (paths.state / ".pulumi").is_dir():
            console.say(f"{stack} has no state here")
        else:
            with session.opened(file, paths, console, "down", choices) as opened:
                session.refuse_protected(opened)
                # What is destroyed leaves the state before the server is wiped; an `up` after an interrupt finds it.
                adoption.Unfinished(file=paths.own / f"unfinished-{stack}.json").begin(adoption.BUILT_IN)
                with console.stage(f"destroying {stack}") as steps:
                    changes = opened.run.operate("destroy", steps)
                opened.run.forget()
        platform_of(paths, file.settings).wipe()
        for name in (f"unfinished-{stack}.json", "passphrase", "local-stack"):
            (paths.own / name).unlink(missing_ok=True)
        session.remove_state(paths)
    return changes


def status(paths: Paths, stack: str) -> tuple[LocalStatus, Mapping[str, Any]]:
    """What runs, and what the last `up` left: the local servers, `address`, whether a run is `unfinished`, and the
    Vault as anybody sees it (`vault`, a `looking.Seen`).
    """
    file = stack_file.read(paths, stack)
    local = platform_of(paths, file.settings)
    unfinished = adoption.Unfinished(file=paths.own / f"unfinished-{stack}.json").is_set
    found = local.status()
    seen = looking.look(reaching.reached_here(local)) if found.openbao.running else None
    return found, {"address": local.address, "unfinished": unfinished, "vault": seen}


def cloud_status(paths: Paths, stack: str, console: Console) -> lifecycle_cloud.CloudStatus | None:
    """What runs of a stack in a cloud; None: it was never up.

    Raises:
        EstateError: the stack's file is wrong, no engine can be had, or it can't reach the state.
    """
    return lifecycle_cloud.status(paths, stack_file.read(paths, stack), console)


def is_local(paths: Paths, stack: str) -> bool:
    """Whether a stack's server runs on this machine. Raises EstateError: its file is wrong."""
    return stack_file.read(paths, stack).is_local


def sandbox_status(paths: Paths, stack: str, console: Console) -> sandbox.WorldStatus:
    """What runs of a cloud stack's sandbox.

    Raises:
        EstateError: the stack is the local one, or its file is wrong.
    """
    file = stack_file.read(paths, stack)
    if file.is_local:
        msg = f"--sandbox: stack {stack!r} runs on this machine anyway; expected a cloud stack, or no --sandbox"
        raise EstateError(msg)
    return sandbox.status(paths, file, console)


def secret_id(
    paths: Paths, stack: str, application: str, wrap_ttl: str, console: Console, *, choices: Choices
) -> WrappedSecretId:
    """Issue a response-wrapped SecretID for an application.

    Raises:
        EstateError: no such application, it doesn't log in by AppRole, or the duration is none.
    """
    wrap_ttl_seconds = _wrap_ttl(wrap_ttl)
    file = stack_file.read(paths, stack)
    settings = file.settings
    if application not in settings.applications:
        msg = f"application {application!r} is unknown; expected one of: {', '.join(settings.applications)}"
        raise EstateError(msg)
    if settings.approle is None or not isinstance(settings.applications[application].login, AppRoleLogin):
        msg = f"application {application!r} logs in by another method; expected login.kind 'approle'"
        raise EstateError(msg)
    with ExitStack() as stages:
        if choices.sandbox and not file.is_local:
            file = stages.enter_context(sandbox.seen(paths, file))
        where = reaching.reached(paths, file, console, sandbox=choices.sandbox)
        if not where.certificate.is_file():
            msg = f"stack {stack!r} isn't built here; expected one that is: ./estate up {stack}"
            raise EstateError(msg)
        client = stages.enter_context(reaching.administering(where))
        return issue_secret_id(client, settings.approle.path, application, wrap_ttl_seconds)


def _wrap_ttl(text: str) -> int:
    try:
        wrap_ttl_seconds = int(str(seconds(text)))
    except ValueError as error:
        msg = f"--wrap-ttl is {text!r}; {error}"
        raise EstateError(msg) from None
    if wrap_ttl_seconds < 1:
        # To the server none means: don't wrap. The SecretID itself would be the answer.
        msg = f"--wrap-ttl is {text!r}; expected at least one second"
        raise EstateError(msg)
    if wrap_ttl_seconds > _LONGEST_WRAP_SECONDS:
        msg = f"--wrap-ttl is {text!r}; expected at most {duration_text(_LONGEST_WRAP_SECONDS)}"
        raise EstateError(msg)
    return wrap_ttl_seconds


def variables(paths: Paths, stack: str, console: Console, *, choices: Choices) -> Mapping[str, str]:
    """What plain `pulumi` must see to work on the state that `./estate` works on.

    Raises:
        EstateError: the stack's file is wrong, or no engine can be had.
    """
    file = stack_file.read(paths, stack)
    folder = session.stand_in_folder(paths, file, sandbox=True) if choices.sandbox else None
    state = session.backend(paths, file, stand_ins=folder)
    everything = engine_stack.environment(finding.find(console.say), state, paths.own / "shims")
    wanted = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER")
    shown = {name: everything[name] for name in (*wanted, "PATH") if name in everything}
    return {**shown, **(sandbox.variables(paths, file) if choices.sandbox and not file.is_local else {})}
