"""What the operator's commands do to a stack: bring it up, preview it, take it down, look at it.

Owns the order of things, which is the same wherever a stack runs; its platform's driver does what differs. Refuses
nothing of its own: each step words its own errors.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.render import renewal
from components.render.renewal import SecretIdRenewal
from components.vault.approle import AppRoleLogin
from composition.private_files import private_directory, write_private
from ops import stack_file
from ops.commands import (
    adopting,
    clusters,
    ends,
    generations,
    joining,
    moves,
    passwords,
    refreshing,
    removals,
    session,
    taken_out,
    values,
)
from ops.commands.client_config import role_of
from ops.commands.session import Choices, Session
from ops.console import Console
from ops.engine import finding, recovery, replacing, state
from ops.engine.environment import environment
from ops.engine.listening import Changes
from ops.errors import EstateError
from ops.keys.secrets_provider import ensure_placed
from ops.paths import Paths
from ops.people import session as people
from ops.platforms.driver import PlatformDriver, Purpose, Status
from ops.platforms.registry import platform_of
from ops.stack_file import Replacement
from ops.vault import issued
from ops.vault.access_checks import AccessChecks, check_access, not_checked
from ops.vault.login import log_in, refuse_without_pair
from ops.vault.secret_ids import WrappedSecretId, issue_secret_id, wrapping_seconds
from settings import Settings
from settings.client_manifest import client_manifest


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
    """Why fake providers were used; empty with the official plugins."""
    warnings: Sequence[str] = ()
    """What ends soon, and what is overdue."""
    replaced: Sequence[Replacement] = ()
    """Settings that a sandbox run had another value for than the file."""


def up(paths: Paths, stack: str, console: Console, choices: Choices) -> Built:
    """Build a stack and check each application's access.
    Raises EstateError: the first thing that went wrong. The same command goes on from there."""
    with _ready(paths, stack, "up", console, choices) as platform:
        choices = adopting.after_down(platform, choices, console)
        with session.opened(platform, console, "up", choices) as opened:
            return _build(platform, opened, console, choices)


def _build(platform: PlatformDriver, opened: Session, console: Console, choices: Choices) -> Built:
    """What `up` does once a stack is ready for it and open."""
    paths, stack = platform.paths, platform.file.stack
    deployment = opened.run.deployment()
    moves.refuse(platform.file, deployment)
    clusters.refuse_shrinking(platform, deployment)
    if not choices.sandbox:
        passwords.refuse_missing(paths, platform.file)
    passwords.refuse_worthless(platform, deployment)
    replace = replacing.urns(lambda: deployment, stack, choices.replace)
    generations.refuse_unraised(platform.file, deployment)
    removals.tell(platform.file, deployment, console)
    platform.start(deployment, console)
    with adopting.adopting(platform, opened, deployment, console, choices):
        adopted = 0 if choices.adopt else _adopt(platform, opened, deployment, console)
        taken_out.reset(platform, deployment)
        joining.make_room(platform, deployment, console)
        compared = refreshing.compare(platform, deployment, console)
        refresh, replace = choices.refresh or compared.other, (*replace, *compared.lost)
        with console.stage(f"applying {stack}") as steps:
            changes = opened.run.operate("up", steps, replace=replace, refresh=refresh)
    if deployment.get("pending_operations"):
        recovery.settle(opened.run.stack)
    refreshing.remember(platform, opened.run, changes.outputs, compared, console)
    checks = _check_access(platform, changes.outputs, console)
    warnings = ends.after_up(platform, changes.outputs["address"]).warnings
    return Built(
        stack=stack,
        changes=changes,
        adopted=adopted,
        exports=changes.outputs,
        checks=checks,
        providers=opened.providers.reason,
        warnings=warnings,
        replaced=platform.file.replaced,
    )


@contextmanager
def _ready(paths: Paths, stack: str, purpose: Purpose, console: Console, choices: Choices) -> Iterator[PlatformDriver]:
    """The stack's platform, ready, while no other command works on this checkout."""
    file = stack_file.read(paths, stack)
    chosen = platform_of(paths, file, sandbox=choices.sandbox, hashicorp=choices.hashicorp)
    with session.locked(paths), chosen.ready(purpose, console) as platform:
        yield platform


def _adopt(platform: PlatformDriver, opened: Session, deployment: Mapping[str, Any], console: Console) -> int:
    """Import what a killed run had begun in Vault; how many objects that were."""
    found = recovery.begun(deployment)
    if not found:
        return 0
    console.say("an earlier run did not end: looking for what it made")
    with log_in(platform.endpoint(recovery.address_in(deployment))) as client:
        found = recovery.remove_halves(client, recovery.existing(client, found))
        recovery.empty_authorities(client, found)
    if found.importable:
        with console.stage(f"adopting {found.importable} objects") as steps:
            opened.run.operate("up", steps, wrap=lambda program: recovery.importing(program, found))
    return found.importable


def _check_access(platform: PlatformDriver, outputs: Mapping[str, str], console: Console) -> AccessChecks:
    """Use Vault as each application, or say why not."""
    settings = platform.file.settings
    if platform.why_unchecked:
        return not_checked(settings, platform.why_unchecked)
    endpoint = platform.endpoint(outputs["address"])
    with log_in(endpoint) as client:
        return check_access(client, endpoint, settings, console, platform.pods_of_applications())


def preview(paths: Paths, stack: str, console: Console, choices: Choices) -> tuple[Changes, str]:
    """Show what `up` would do: the changes, and why fake providers were used if they were.
    Raises EstateError: the preview failed; a policy's refusal is such a failure."""
    with (
        _ready(paths, stack, "preview", console, choices) as platform,
        session.opened(platform, console, "preview", choices) as opened,
    ):
        deployment = opened.run.deployment()
        moves.refuse(platform.file, deployment)
        generations.refuse_unraised(platform.file, deployment)
        unreal = bool(opened.providers.fakes) and platform.fake_cloud is not None
        if unreal:
            console.result(f"nothing of this is real, since fake providers are used: {opened.providers.reason}")
        else:
            passwords.refuse_missing(paths, platform.file)
            clusters.refuse_shrinking(platform, deployment)
        passwords.refuse_worthless(platform, deployment)
        adopting.refuse_lost(platform, deployment, running=False)
        removals.tell(platform.file, deployment, console)
        if not choices.refresh:
            refreshing.compare(platform, deployment, console, "preview --refresh shows what up will do")
        replace = replacing.urns(lambda: deployment, stack, choices.replace)
        with console.stage(f"previewing {stack}") as steps:
            changes = opened.run.operate("preview", steps, replace=replace, refresh=choices.refresh)
        return changes, opened.providers.reason


def down(paths: Paths, stack: str, console: Console, choices: Choices) -> Changes:
    """Destroy a stack; on this machine also stop its servers and remove its data, keys and state. Tells what stays, or
    would in an account.
    Raises EstateError: something is protected, or could not be stopped."""
    changes = Changes(counts={})
    with _ready(paths, stack, "down", console, choices) as platform:
        if reason := platform.nothing_to_destroy():
            console.say(reason)
        else:
            with session.opened(platform, console, "down", choices) as opened:
                deployment = opened.run.deployment()
                _refuse_protected(platform, deployment)
                ensure_placed(paths, platform.file, platform.backend, console)
                adopting.begin_destroying(platform)
                with console.stage(f"destroying {stack}") as steps:
                    changes = opened.run.operate("destroy", steps)
                changes = replace(changes, kept=(*state.kept(deployment), *platform.kept_beside))
                if opened.backend.state:
                    opened.run.forget()
        people.forget(platform)
        platform.remove()
    return changes


def _refuse_protected(platform: PlatformDriver, deployment: Mapping[str, Any]) -> None:
    """Refuse to destroy before anything is touched; the engine would refuse half-way."""
    protected = [one["urn"] for one in deployment.get("resources") or [] if one.get("protect")]
    if protected:
        raise EstateError(
            f"{len(protected)} resources of {platform.file.stack} are protected; expected protect: false in "
            f"{platform.file.path.name}, brought about by an `up` of its own, before an estate is taken down"
        )


def status(paths: Paths, stack: str, console: Console, *, sandbox: bool = False) -> Status:
    """What runs of a stack. Changes nothing.
    Raises EstateError: the stack's file is wrong, it has no sandbox, or its state can't be asked."""
    platform = platform_of(paths, stack_file.read(paths, stack), sandbox=sandbox)
    if sandbox and platform.fake_cloud is None:
        msg = f"--sandbox: stack {stack!r} runs on this machine anyway; expected a cloud stack, or no --sandbox"
        raise EstateError(msg)
    with platform.reached(console):
        found = values.in_status(platform, ends.in_status(platform, platform.status(console)))
        return clusters.in_status(platform, found)


@dataclass(frozen=True, kw_only=True)
class Install:
    """Where what renews a SecretID is written, to be taken to the application's machine."""

    folder: Path
    user: str
    """Whom the application runs as there."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", self.user):
            raise EstateError(f"--user is {self.user!r}; expected the name of a user of the application's machine")


def secret_id(
    paths: Paths,
    stack: str,
    application: str,
    wrap_ttl: str,
    console: Console,
    *,
    choices: Choices,
    install: Install | None = None,
    rotator: bool = False,
) -> WrappedSecretId:
    """Issue a response-wrapped SecretID for an application, or for its `rotator`; with `install`, together with what
    renews it.
    Raises EstateError: no such application, it doesn't log in by AppRole, it may not renew, or the duration is none."""
    wrap_ttl_seconds = wrapping_seconds(wrap_ttl)
    file = stack_file.read(paths, stack)
    settings = file.settings
    if application not in settings.applications:
        msg = f"application {application!r} is unknown; expected one of: {', '.join(settings.applications)}"
        raise EstateError(msg)
    role = role_of(file, application, rotator=rotator)
    kind = "rotator" if rotator else "login"
    login = settings.logins[role]
    if settings.approle is None or not isinstance(login, AppRoleLogin):
        raise EstateError(f"application {application!r} logs in by another method; expected {kind}.kind 'approle'")
    if install and not login.renews_secret_id:
        setting = file.named(f"applications.{application}.{kind}.renews_secret_id")
        raise EstateError(f"{setting} is false; expected true, and an up with it, for --install")
    with platform_of(paths, file, sandbox=choices.sandbox).ready("use", console) as platform:
        platform.refuse_unbuilt()
        endpoint = platform.find_administrator(console)
        refuse_without_pair(endpoint, stack)
        told = SecretIdRenewal(
            application=role,
            user=install.user if install else "",
            address=platform.address_for_applications(endpoint.address, role),
            mount=settings.approle.path,
            role_id="",
            secret_id_ttl=login.secret_id_ttl,
            authority=endpoint.ca_file.read_text(encoding="ascii") if endpoint.ca_file else None,
        )
        if install and rotator:
            told = replace(told, rotation_document=_NO_DOCUMENT)
        if install:
            # Before there is anything that could be lost.
            _make_folder(install.folder, {*renewal.files(told), renewal.WRAPPED})
        with log_in(endpoint) as client:
            wrapped = issue_secret_id(client, settings.approle.path, role, wrap_ttl_seconds)
        if install:
            told = replace(told, role_id=wrapped.role_id)
            if rotator:
                told = replace(told, rotation_document=_rotators_document(settings, application, told))
            written = renewal.files(told)
            _write(install.folder, {**written, renewal.WRAPPED: wrapped.wrapping_token})
        if install and not choices.sandbox:
            issued.forget(paths, stack, role)
        elif not choices.sandbox:
            issued.note(paths, stack, role, login.secret_id_ttl)
        return wrapped


_NO_DOCUMENT = ""
"""It has the RoleID, which is known only with the SecretID."""


def _rotators_document(settings: Settings, application: str, told: SecretIdRenewal) -> str:
    return client_manifest(
        settings,
        application,
        address=told.address,
        ca_certificate=told.authority,
        role_id=told.role_id,
        rotator=True,
    ).render()


def _make_folder(folder: Path, names: Collection[str]) -> None:
    """Refuses one that holds anything else: it is closed to others, and goes to another machine as a whole."""
    try:
        others = sorted(one.name for one in folder.iterdir() if one.name not in names) if folder.exists() else []
        if others:
            raise EstateError(f"--install is {str(folder)!r}, which holds {others[0]}; expected a folder of its own")
        private_directory(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        for name, text in files.items():
            write_private(folder / name, text.encode())
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> EstateError:
    return EstateError(f"--install is {str(folder)!r}, {error.strerror}; expected a folder that can be written")


def variables(paths: Paths, stack: str, console: Console, *, choices: Choices) -> Mapping[str, str]:
    """What plain `pulumi` must see to work on the state that `./estate` works on.
    Raises EstateError: the stack's file is wrong, or no engine can be had."""
    platform = platform_of(paths, stack_file.read(paths, stack), sandbox=choices.sandbox)
    everything = environment(finding.find(console.say), platform.backend, paths.own / "shims")
    wanted = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER")
    shown = {name: everything[name] for name in (*wanted, "PATH") if name in everything}
    return {**shown, **platform.variables()}
